"""The simulators: Aer alone, and Aer with the calibration of a real device."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from qiskit.circuit import Barrier, ControlFlowOp, QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.providers import BackendV2
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from ketbase.backends.remote import Properties
from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import MAX_QASM_QUBITS
from ketbase.costs.memory import TRIAL_BOND
from ketbase.errors import ExecutionError, NotFoundError
from ketbase.quantum import devices
from ketbase.quantum.calibrations import properties_of
from ketbase.quantum.describe import steps
from ketbase.quantum.engines import Counts, Simulated, Work
from ketbase.quantum.machines import Machine
from ketbase.quantum.methods import Method, choose, out_of_memory
from ketbase.quantum.programs import expanded, named_quarter_turns, restricted, touched

_BOND_DIMENSIONS = re.compile(r"BD=\[([\d ]*)\]")


IDEAL = "aer"
"""The id of the simulator without a device."""
_PACKAGES = ("qiskit-aer", "qiskit-ibm-runtime")


class AerEngine:
    """The engine of `aer` and of every simulated device.

    Args:
        max_memory_mb: what one execution's state may take; what needs more is refused before it starts.
        threads: how many threads simulate. Counts depend on the seed and on this number, not on the machine.
    """

    def __init__(self, max_memory_mb: int = 3_000, threads: int = 2):
        self._max_memory_mb = max_memory_mb
        self._threads = threads

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe the ideal simulator, which runs every circuit as it is, or a device.

        Raises:
            NotFoundError: `BACKEND_NOT_FOUND`.
        """
        if backend.id == IDEAL:
            return Machine(IDEAL, MAX_QASM_QUBITS, ideal_operations(), packages=_PACKAGES)
        whole = _snapshot(backend.id).target
        return Machine(
            backend.id,
            whole.num_qubits,
            frozenset(whole.operation_names),
            # A circuit too large for what works takes the whole device.
            (devices.usable(backend.id), whole),
            devices.calibrated_at(backend.id),
            _PACKAGES,
            decays=False,  # the noise of a snapshot is that of its gates
        )

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read all of the calibration that a device is simulated with; `aer` has none.

        Raises:
            NotFoundError: `BACKEND_NOT_FOUND`.
        """
        if backend.id == IDEAL:
            return None
        return properties_of(backend.id, _snapshot(backend.id).properties())

    def run(self, work: Work) -> Simulated:
        """Run each circuit on the qubits it touches; the same work gives the same counts.

        A simulated device errs as its calibration says, where `work.noise` is on; `aer` never errs.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`, `SIMULATION_FAILED` or `INVALID_PROGRAM`.
        """
        counts, methods = [], []
        for number, circuit in enumerate(work.circuits):
            model = _noise(circuit, work.backend.id) if work.noise and work.backend.id != IDEAL else None
            small = restricted(circuit, touched(circuit))
            method = choose(small, shots=work.shots, noisy=model is not None, max_memory_mb=self._max_memory_mb)
            counts.append(self._counts(small, method, model, shots=work.shots, seed=work.seed + number))
            methods.append(method.name)
        return Simulated(tuple(counts), ", ".join(dict.fromkeys(methods)))

    def needed_mb(self, work: Work, max_memory_mb: int) -> float:
        """Say what the largest state takes, by the methods that `run` would choose with so much memory.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`.
        """
        noisy = work.noise and work.backend.id != IDEAL
        small = (restricted(circuit, touched(circuit)) for circuit in work.circuits)
        return max(
            choose(each, shots=work.shots, noisy=noisy, max_memory_mb=max_memory_mb).megabytes for each in small
        )

    def _counts(
        self, circuit: QuantumCircuit, method: Method, model: NoiseModel | None, *, shots: int, seed: int
    ) -> Counts:
        options: dict[str, Any] = {
            "method": method.name,
            "max_parallel_threads": self._threads,
            "max_memory_mb": self._max_memory_mb,
        }
        if model is not None:
            options["noise_model"] = model
        if method.bond is not None:
            options |= {"matrix_product_state_max_bond_dimension": method.bond, "mps_log_data": True}
        simulator = AerSimulator(**options)
        if method.name == "stabilizer":
            circuit = named_quarter_turns(circuit)
        if model is None:  # with noise, an instruction's name is what its errors hang on
            circuit = expanded(circuit, instructions(method.name))
        result = result_of(simulator, circuit, shots, seed)
        if method.bond is not None and _bond_reached(result) >= method.bond:
            raise _too_entangled(circuit.num_qubits, method.bond, self._max_memory_mb)
        return counts_in(result, circuit.num_clbits)


def _snapshot(backend: str) -> BackendV2:
    try:
        return devices.device(backend)
    except KeyError as problem:
        raise NotFoundError("BACKEND_NOT_FOUND", f"there is no simulator '{backend}'", backend=backend) from problem


def result_of(simulator: AerSimulator, circuit: QuantumCircuit, shots: int, seed: int) -> Any:
    """Let Aer simulate a circuit.

    Raises:
        ExecutionError: `SIMULATION_FAILED`.
    """
    try:
        result = simulator.run(circuit, shots=shots, seed_simulator=seed).result()
    except QiskitError as problem:
        raise _failed(problem.message) from problem
    if not result.success:
        raise _failed(f"{result.status} {result.results[0].status if result.results else ''}".strip())
    return result


def counts_in(result: Any, width: int) -> Counts:
    """Read the counts of so many classical bits in Aer's result."""
    found: Mapping[str, int] = result.results[0].data.counts
    return {f"{int(outcome, 16):0{width}b}": int(times) for outcome, times in sorted(found.items())}


@cache
def ideal_operations() -> frozenset[str]:
    """Return the operations that the ideal simulator runs as they are."""
    return frozenset(AerSimulator().operation_names)


@cache
def instructions(method: str) -> frozenset[str]:
    """Return the instructions that Aer takes under a method; it makes the list anew, in 15 ms, whenever asked."""
    return frozenset(AerSimulator(method=method).operation_names)


def _noise(circuit: QuantumCircuit, backend: str) -> NoiseModel:
    return devices.noise_of(
        backend,
        (
            (operation.name, qubits)
            for operation, qubits, _ in steps(circuit)
            if not isinstance(operation, (Barrier, ControlFlowOp)) and qubits
        ),
    )


def _failed(reason: str) -> ExecutionError:
    return ExecutionError("SIMULATION_FAILED", f"the simulator refused the circuit: {reason}")


def _bond_reached(result: Any) -> int:
    log = result.results[0].metadata.get("MPS_log_data", "")
    return max((int(bond) for bonds in _BOND_DIMENSIONS.findall(log) for bond in bonds.split()), default=1)


def _too_entangled(n_qubits: int, bond: int, max_memory_mb: int) -> ExecutionError:
    if bond < TRIAL_BOND:
        return out_of_memory(n_qubits, 2 * max_memory_mb, max_memory_mb)
    return out_of_memory(n_qubits, 16 * 2.0**n_qubits / 1_000_000, max_memory_mb)
