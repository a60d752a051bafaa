"""What an optimisation answers with."""

from typing import NamedTuple

from qiskit.circuit import QuantumCircuit

from ketbase.optimize.types import Figures, Verification


class Optimized(NamedTuple):
    """The best circuit that was found.

    Attributes:
        circuit: on the physical qubits of the target, in its gates, measured as the submitted circuit is.
        layout: for each qubit of the submitted circuit, in order, the physical qubit that it starts on.
        winner: the candidate's name, such as `qiskit 3` or `pauli network + routing`.
        candidates: how many circuits were compared.
        rejected: how many of the best ones did not do what the submitted circuit does.
        original: of the circuit as submitted.
        baseline: of Qiskit's plain compilation at level 1, for a fair comparison.
        optimized: of `circuit`.
        seconds: wall time of the search, without the verification.
    """

    circuit: QuantumCircuit
    layout: tuple[int, ...]
    winner: str
    candidates: int
    rejected: int
    original: Figures
    baseline: Figures
    optimized: Figures
    verification: Verification
    seconds: float
