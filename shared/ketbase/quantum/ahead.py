"""Has all loops compiled that anything in the quantum room may call, so that no caller waits for it.

`python -m ketbase.quantum.ahead` does it for the image, `ketbase up` in the background.
"""

import numpy as np

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine, Precision
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.optimization.routing import rehearse

_PRECISIONS: tuple[Precision, ...] = ("complex128", "complex64")


def compile_all() -> None:
    """Call every loop once with each of the types of arguments that it may get."""
    definition = CircuitDefinition.of_gates(
        2,
        [
            Gate(type="RX", targets=(0,), parameters={"theta": "theta"}),
            Gate(type="RZ", targets=(0,), parameters={"theta": "theta"}),
            Gate(type="CNOT", targets=(0, 1)),
        ],
    )
    observables = Observables.of_paulis(2, [{"ZI": 1.0, "XY": 1.0}])
    for precision in _PRECISIONS:
        engine = Engine(plan(definition), observables, precision=precision, threads=1)
        engine.gradient(np.zeros(1), np.zeros((1, 0)), lambda outputs, _: outputs)
    rehearse()


if __name__ == "__main__":
    compile_all()
