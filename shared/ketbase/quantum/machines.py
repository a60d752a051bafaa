"""What a circuit is compiled for: a backend as far as the compiler is concerned."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target


@dataclass(frozen=True, slots=True)
class Machine:
    """A backend's qubits, operations and couplers.

    Attributes:
        backend: its id.
        n_qubits: how many it has.
        operations: what it runs as it is, by Qiskit's names.
        targets: what circuits are placed and routed for, best first; the next one serves circuits that do not fit.
            None where every circuit runs as it is, gates outside `operations` replaced by their definitions.
        calibrated_at: of the calibration in `targets`.
        packages: whose versions belong into the provenance, beside Qiskit's.
        estimates: whether it estimates observables itself, so that they are not measured by circuits of ours.
        compiles_again: whether its provider compiles what it is given, and takes out what cancels.
        decays: whether its qubits lose their states while they wait.
        finish: applied to every compiled circuit at last, such as what makes a provider's own gates of it.
    """

    backend: str
    n_qubits: int
    operations: frozenset[str]
    targets: tuple[Target, ...] = ()
    calibrated_at: datetime | None = None
    packages: tuple[str, ...] = ()
    estimates: bool = False
    compiles_again: bool = False
    decays: bool = True
    finish: Callable[[QuantumCircuit], QuantumCircuit] | None = None
