"""The simulators: Aer alone, and Aer with the calibration of a real device."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from qiskit.circuit import Barrier, ControlFlowOp, QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from ketbase.backends.types import CompiledCircuit, Outcome
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import ExecutionError
from ketbase.quantum import devices
from ketbase.quantum.compilation import IDEAL, compiled, sdk_versions
from ketbase.quantum.describe import steps
from ketbase.quantum.methods import TRIAL_BOND, Method, choose, out_of_memory
from ketbase.quantum.programs import expanded, from_bytes, named_quarter_turns, restricted, touched

_BOND_DIMENSIONS = re.compile(r"BD=\[([\d ]*)\]")


class AerProvider:
    """The port `QuantumProvider` for `aer` and every simulated device.

    Args:
        max_memory_mb: what one execution's state may take; what needs more is refused before it starts.
        threads: how many threads simulate. Counts depend on the seed and on this number, not on the machine.
    """

    def __init__(self, max_memory_mb: int = 3_000, threads: int = 2):
        self._max_memory_mb = max_memory_mb
        self._threads = threads

    def compile(
        self,
        definition: CircuitDefinition,
        *,
        backend: str,
        parameters: Mapping[str, float],
        seed: int,
        optimization_level: int,
    ) -> CompiledCircuit:
        """Bind the parameters (radians) and translate the circuit into what `backend` runs.

        For `aer` this only replaces gates that it lacks; for a device it places and routes as well.

        Raises:
            InvalidCircuitError: `UNBOUND_PARAMETERS`, `UNKNOWN_PARAMETERS`, `INVALID_PARAMETER`,
                `TOO_MANY_QUBITS` or `UNSUPPORTED_OPERATION`.
            NotFoundError: `BACKEND_NOT_FOUND`.
        """
        return compiled(
            definition,
            backend=backend,
            parameters=parameters,
            seed=seed,
            optimization_level=optimization_level,
        )

    def execute(self, compiled: CompiledCircuit, *, shots: int, seed: int, noise: bool) -> Outcome:
        """Run a compiled circuit on the qubits it touches; the same arguments give the same counts.

        Args:
            compiled: what `compile` returned.
            shots: how many times the circuit is measured.
            seed: of the simulator's random numbers.
            noise: whether a simulated device errs as its calibration says; `aer` never errs.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`, `SIMULATION_FAILED` or `INVALID_PROGRAM`.
        """
        circuit = from_bytes(compiled.program)
        model = _noise(circuit, compiled.backend) if noise and compiled.backend != IDEAL else None
        circuit = restricted(circuit, touched(circuit))
        method = choose(circuit, shots=shots, noisy=model is not None, max_memory_mb=self._max_memory_mb)
        started_at, started = datetime.now(UTC), time.perf_counter()
        counts = self._counts(circuit, method, model, shots=shots, seed=seed)
        return Outcome(
            counts=counts,
            shots=shots,
            method=method.name,
            seconds=time.perf_counter() - started,
            started_at=started_at,
            ended_at=datetime.now(UTC),
            sdk=sdk_versions(),
        )

    def _counts(
        self, circuit: QuantumCircuit, method: Method, model: NoiseModel | None, *, shots: int, seed: int
    ) -> dict[str, int]:
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
            circuit = expanded(circuit, _instructions(method.name))
        try:
            result = simulator.run(circuit, shots=shots, seed_simulator=seed).result()
        except QiskitError as problem:
            raise _failed(problem.message) from problem
        if not result.success:
            raise _failed(f"{result.status} {result.results[0].status if result.results else ''}".strip())
        if method.bond is not None and _bond_reached(result) >= method.bond:
            raise _too_entangled(circuit.num_qubits, method.bond, self._max_memory_mb)
        width = circuit.num_clbits
        found: Mapping[str, int] = result.results[0].data.counts
        return {f"{int(outcome, 16):0{width}b}": int(times) for outcome, times in sorted(found.items())}


@cache
def _instructions(method: str) -> frozenset[str]:
    """The instructions that Aer takes under a method; it makes the list anew, in 15 ms, whenever it is asked."""
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
