"""How fast the ideal simulators are beside each other: random circuits, the same for all, in one run.

Run by `make bench-simulators` on an idle machine; it takes a minute. Every circuit is dense, so that there is no
short cut for any simulator. Each time is the best of several, with the simulator loaded, from a compiled circuit to
its counts.
"""

import math
import random
import time

from rich.console import Console
from rich.table import Table

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.lightning import LightningEngine
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.qsim import QsimEngine
from ketbase.quantum.simulators import AerEngine

PROVIDER = QuantumProviders({"aer": AerEngine, "qsim": QsimEngine, "lightning": LightningEngine})
BACKENDS = ("aer", "qsim", "lightning")
SIZES = ((10, 20), (16, 20), (20, 20), (24, 10))
"""Qubits, and layers of a random rotation of each and an entangling gate on each pair."""
SHOTS = 1_024
TRIES = 3


def main() -> None:
    table = Table(
        title=f"Seconds to {SHOTS:,} shots of a random circuit, and how many times as long as the fastest"
    )
    table.add_column("circuit")
    for backend in BACKENDS:
        table.add_column(backend, justify="right")
        table.add_column("", justify="right")
    for n, layers in SIZES:
        circuit = random_circuit(n, layers)
        seconds = [timed(circuit, backend) for backend in BACKENDS]
        cells = [cell for s in seconds for cell in (f"{s:.4f}", f"×{s / min(seconds):.1f}")]
        table.add_row(f"{n} qubits, {len(circuit.gates):,} gates", *cells)
    Console(width=100).print(table)


def timed(circuit: CircuitDefinition, backend: str) -> float:
    """The seconds of the best try."""
    asked = {"backend": backends()[backend], "experiment": Experiment()}
    compiled = PROVIDER.compile(circuit, **asked, seed=1, optimization_level=1)
    best = math.inf
    for seed in range(TRIES):
        began = time.perf_counter()
        outcome = PROVIDER.execute(compiled, **asked, shots=SHOTS, seed=seed, noise=False)
        best = min(best, time.perf_counter() - began)
        assert sum(outcome.counts[0].values()) == SHOTS
    return best


def random_circuit(n: int, layers: int) -> CircuitDefinition:
    dice = random.Random(n)

    def angle() -> float:
        return dice.uniform(-math.pi, math.pi)

    gates: list[Gate] = []
    for _ in range(layers):
        for qubit in range(n):
            angles = {"theta": angle(), "phi": angle(), "lambda": angle()}
            gates.append(Gate(type="U", targets=(qubit,), parameters=angles))
        order = dice.sample(range(n), n)
        for a, b in zip(order[::2], order[1::2], strict=True):
            gates.append(Gate(type=dice.choice(("CNOT", "CZ")), targets=(a, b)))
    return CircuitDefinition.of_gates(n, gates)


if __name__ == "__main__":
    main()
