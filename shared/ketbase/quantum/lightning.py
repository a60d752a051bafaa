"""The engine of `lightning`: PennyLane's statevector simulator, in double precision."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
from pennylane.devices import ExecutionConfig, MCMConfig
from pennylane.exceptions import DeviceError
from pennylane.tape import QuantumScript
from qiskit.circuit import QuantumCircuit

from ketbase.backends.types import BackendInfo
from ketbase.quantum.engines import Counts, Simulated, Work
from ketbase.quantum.machines import Machine
from ketbase.quantum.sampling import Bits, bits_of, counted, sampled
from ketbase.quantum.statevectors import OPERATIONS, Step, check_memory, simulated, state_mb, steps_of

CPU, GPU = "lightning.qubit", "lightning.gpu"

_BRANCH, _SAMPLING = 16, 24
"""Bytes for each amplitude: of a state that is kept at a measurement, and of PennyLane's own sampling; measured."""

_GATES: dict[str, Callable[..., Any]] = {
    "x": qml.PauliX,
    "y": qml.PauliY,
    "z": qml.PauliZ,
    "h": qml.Hadamard,
    "s": qml.S,
    "t": qml.T,
    "sx": qml.SX,
    "rx": qml.RX,
    "ry": qml.RY,
    "rz": qml.RZ,
    "p": qml.PhaseShift,
    "cx": qml.CNOT,
    "cy": qml.CY,
    "cz": qml.CZ,
    "cp": qml.ControlledPhaseShift,
    "crx": qml.CRX,
    "cry": qml.CRY,
    "crz": qml.CRZ,
    "swap": qml.SWAP,
    "rxx": qml.IsingXX,
    "ryy": qml.IsingYY,
    "rzz": qml.IsingZZ,
    "ccx": qml.Toffoli,
    "cswap": qml.CSWAP,
}
"""What Lightning has a kernel for, by Qiskit's names; a kernel takes half the time of a matrix."""
_PHASES = {"sdg": -math.pi / 2, "tdg": -math.pi / 4}


class LightningEngine:
    """The engine of `lightning`.

    Args:
        max_memory_mb: what one execution's state may take; what needs more is refused before it starts.
        gpu: whether to simulate on a GPU, where there is one and `lightning.gpu` is installed.
    """

    def __init__(self, max_memory_mb: int = 3_000, *, gpu: bool = False):
        self._max_memory_mb = max_memory_mb
        self._name = GPU if gpu and _works(GPU) else CPU

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe the simulator, which runs every circuit as it is, but no control flow."""
        return Machine(
            backend.id,
            backend.capabilities.max_qubits,
            OPERATIONS,
            packages=("pennylane", "pennylane-lightning"),
        )

    def run(self, work: Work) -> Simulated:
        """Run each circuit on the qubits it touches; the same work gives the same counts.

        Where something comes after a measurement, the state is kept and both outcomes are followed, as far as
        shots fall on them.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY` or `SIMULATION_FAILED`.
        """
        return simulated(work, self._name, self._counts)

    def needed_mb(self, work: Work, max_memory_mb: int) -> float:
        """Say what the largest state takes.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`.
        """
        return state_mb(work, "lightning", max_memory_mb, _beside)

    def _counts(self, circuit: QuantumCircuit, shots: int, seed: int) -> Counts:
        steps = steps_of(circuit)
        if not all(step.last or step.is_gate for step in steps):
            return self._followed(steps, circuit, shots, seed)
        n = circuit.num_qubits
        check_memory(n, "lightning", self._max_memory_mb)
        gates = [_gate(step, n) for step in steps if step.is_gate]
        probabilities = self._executed(QuantumScript(gates, [qml.probs(wires=range(n))]), n, seed)
        measured = {step.clbit: step.qubits[0] for step in steps if step.clbit is not None}
        states, times = sampled(np.asarray(probabilities), shots, seed)
        return counted(bits_of(states, measured, circuit.num_clbits), times)

    def _followed(self, steps: list[Step], circuit: QuantumCircuit, shots: int, seed: int) -> Counts:
        n, width = circuit.num_qubits, circuit.num_clbits
        check_memory(n, "lightning", self._max_memory_mb, beside=_beside(steps))
        operations: list[Any] = []
        values: dict[int, Any] = {}
        for position, step in enumerate(steps):
            if step.is_gate:
                operations.append(_gate(step, n))
            elif not step.last:
                with qml.QueuingManager.stop_recording():
                    value = qml.measure(n - 1 - step.qubits[0], reset=step.clbit is None)
                operations += value.measurements
                if step.clbit is not None:
                    values[position] = value
        last = {position: n - 1 - step.qubits[0] for position, step in enumerate(steps) if step.last}
        asked = ([qml.sample(list(values.values()))] if values else []) + (
            [qml.sample(wires=list(last.values()))] if last else []
        )
        given = self._executed(QuantumScript(operations, asked, shots=shots), n, seed)
        found = np.hstack([np.reshape(each, (shots, -1)) for each in (given if len(asked) > 1 else [given])])
        rows: Bits = np.zeros((shots, width), dtype=np.uint8)
        for column, position in sorted(enumerate([*values, *last]), key=lambda pair: pair[1]):
            rows[:, width - 1 - (steps[position].clbit or 0)] = found[:, column]
        return counted(rows)

    def _executed(self, script: QuantumScript, n_qubits: int, seed: int) -> Any:
        """Execute at once: PennyLane's transforms have nothing to do, and would take longer than small circuits."""
        config = ExecutionConfig(mcm_config=MCMConfig(mcm_method="tree-traversal"))
        device = qml.device(self._name, wires=n_qubits, seed=seed)
        try:
            return device.execute([script], config)[0]
        except DeviceError as problem:
            raise RuntimeError(str(problem)) from problem


def _beside(steps: list[Step]) -> int:
    """Bytes for each amplitude that following the outcomes of measurements takes."""
    branches = sum(not (step.last or step.is_gate) for step in steps)
    return _SAMPLING + _BRANCH * branches if branches else 0


def _works(name: str) -> bool:
    """Whether a device can be made here."""
    try:
        qml.device(name, wires=1)
    except (DeviceError, ImportError, RuntimeError):
        return False
    return True


def _gate(step: Step, n_qubits: int) -> Any:
    """Write a gate by its kernel, or as its matrix. Wire 0 is the most significant, and so the last qubit."""
    operation = step.operation
    wires = [n_qubits - 1 - qubit for qubit in step.qubits]
    if operation.name in _GATES:
        return _GATES[operation.name](*map(float, operation.params), wires=wires)
    if operation.name in _PHASES:
        return qml.PhaseShift(_PHASES[operation.name], wires=wires)
    return qml.QubitUnitary(np.asarray(operation.to_matrix()), wires=wires[::-1], unitary_check=False)
