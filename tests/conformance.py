"""What every engine must give: circuits with a certain answer, and distributions that all of them share.

An engine's own test calls these with `execute`, which runs stored definitions, each with so many shots and without
noise, and gives their counts. A reversed order of bits fails both.
"""

import math
import random
from collections.abc import Callable, Sequence
from functools import cache

from qiskit.quantum_info import Statevector

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.build import circuit_of

type Counts = dict[str, int]
type Execute = Callable[[Sequence[CircuitDefinition], int], Sequence[Counts]]

SHOTS = 20_000
MOST_VARIATION = 0.03


def gate(name: str, *targets: int, bit: int | None = None, **angles: float | str) -> Gate:
    parameters = {"lambda" if key == "lam" else key: value for key, value in angles.items()}
    return Gate(type=name, targets=targets, parameters=parameters, clbits=() if bit is None else (bit,))


def fourier_state(n_qubits: int, number: int) -> list[Gate]:
    """The Fourier state of |number⟩."""
    phases = [gate("P", q, lam=2 * math.pi * number * 2**q / 2**n_qubits) for q in range(n_qubits)]
    return [*(gate("H", q) for q in range(n_qubits)), *phases]


def inverse_fourier(n_qubits: int) -> list[Gate]:
    gates = [gate("SWAP", q, n_qubits - 1 - q) for q in range(n_qubits // 2)]
    for q in range(n_qubits):
        gates += [gate("CP", k, q, lam=-math.pi / 2 ** (q - k)) for k in range(q)]
        gates.append(gate("H", q))
    return gates


CERTAIN: dict[str, tuple[CircuitDefinition, str]] = {
    "X on 0": (CircuitDefinition.of_gates(3, [gate("X", 0)]), "001"),
    "X on 0, CX 0→1": (CircuitDefinition.of_gates(3, [gate("X", 0), gate("CNOT", 0, 1)]), "011"),
    "inverse QFT of the Fourier state of 1": (
        CircuitDefinition.of_gates(3, [*fourier_state(3, 1), *inverse_fourier(3)]),
        "001",
    ),
    "crossed classical bits": (
        CircuitDefinition.of_gates(
            3,
            [gate("X", 2), gate("MEASURE", 0, bit=2), gate("MEASURE", 1, bit=1), gate("MEASURE", 2, bit=0)],
            (("c", 3),),
        ),
        "001",
    ),
}
"""By name: a circuit, and the one bitstring that it gives."""


@cache
def random_circuits(n: int = 20, n_qubits: int = 5, depth: int = 6) -> tuple[CircuitDefinition, ...]:
    """Circuits of random rotations and entangling gates, none of them symmetric in the order of its qubits."""
    dice = random.Random(2026)

    def angle() -> float:
        return dice.uniform(-math.pi, math.pi)

    circuits = []
    for _ in range(n):
        gates = []
        for _ in range(depth):
            gates += [gate("U", q, theta=angle(), phi=angle(), lam=angle()) for q in range(n_qubits)]
            order = dice.sample(range(n_qubits), n_qubits)
            for a, b in zip(order[::2], order[1::2], strict=False):
                gates.append(dice.choice([gate("CNOT", a, b), gate("CZ", a, b), gate("RZZ", a, b, theta=angle())]))
        circuits.append(CircuitDefinition.of_gates(n_qubits, gates))
    return tuple(circuits)


def ideal(definition: CircuitDefinition) -> dict[str, float]:
    """The exact distribution of a circuit that measures nothing, qubit 0 rightmost."""
    return {bits: float(p) for bits, p in Statevector(circuit_of(definition)).probabilities_dict().items()}


def total_variation(counts: Counts, probabilities: dict[str, float]) -> float:
    shots = sum(counts.values())
    every = counts.keys() | probabilities.keys()
    return sum(abs(counts.get(bits, 0) / shots - probabilities.get(bits, 0.0)) for bits in every) / 2


def check_certain(execute: Execute) -> None:
    """Check that each certain circuit gives its one answer."""
    answers = execute([definition for definition, _ in CERTAIN.values()], 100)
    assert dict(zip(CERTAIN, answers, strict=True)) == {name: {bits: 100} for name, (_, bits) in CERTAIN.items()}


def check_random(execute: Execute) -> list[float]:
    """Check that each random circuit has its exact distribution, and return how far off each was."""
    circuits = random_circuits()
    answers = execute(circuits, SHOTS)
    off = [total_variation(counts, ideal(each)) for counts, each in zip(answers, circuits, strict=True)]
    assert max(off) < MOST_VARIATION
    return off


def reversed_bits(counts: Counts) -> Counts:
    """The mutation that no engine's test may survive."""
    return {bits[::-1]: shots for bits, shots in counts.items()}
