"""The engine of `cuquantum`: Aer on a GPU, with NVIDIA's cuStateVec."""

from typing import Literal

from qiskit.circuit import QuantumCircuit
from qiskit_aer import AerSimulator

from ketbase.backends.types import BackendInfo
from ketbase.errors import ExecutionError
from ketbase.quantum.engines import Counts, Simulated, Work
from ketbase.quantum.machines import Machine
from ketbase.quantum.programs import expanded
from ketbase.quantum.simulators import counts_in, instructions, result_of
from ketbase.quantum.statevectors import check_memory, simulated, state_mb

_METHOD = "statevector"


class CuQuantumEngine:
    """The engine of `cuquantum`.

    Args:
        max_memory_mb: what one execution's state may take of the GPU; what needs more is refused before it starts.
        device: where Aer simulates. On a CPU all is the same but the time.
    """

    def __init__(self, max_memory_mb: int = 3_000, device: Literal["GPU", "CPU"] = "GPU"):
        self._max_memory_mb = max_memory_mb
        self._device = device

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe the simulator, which runs every circuit as it is."""
        return Machine(backend.id, backend.capabilities.max_qubits, instructions(_METHOD), packages=("qiskit-aer",))

    def run(self, work: Work) -> Simulated:
        """Run each circuit on the qubits it touches; the same work gives the same counts.

        Raises:
            ExecutionError: `NO_GPU`, `INSUFFICIENT_MEMORY` or `SIMULATION_FAILED`.
        """
        has = AerSimulator().available_devices()
        if self._device not in has:
            raise ExecutionError(
                "NO_GPU",
                f"cuquantum needs a GPU and an Aer that is built for it; Aer finds {', '.join(has)} only here. "
                "Run the circuit on aer, or set KETBASE_GPU to off.",
                devices=list(has),
            )
        return simulated(work, _METHOD, self._counts)

    def needed_mb(self, work: Work, max_memory_mb: int) -> float:
        """Say what the largest state takes.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`.
        """
        return state_mb(work, "cuquantum", max_memory_mb)

    def _counts(self, circuit: QuantumCircuit, shots: int, seed: int) -> Counts:
        check_memory(circuit.num_qubits, "cuquantum", self._max_memory_mb)
        simulator = AerSimulator(method=_METHOD, device=self._device, cuStateVec_enable=True)
        result = result_of(simulator, expanded(circuit, instructions(_METHOD)), shots, seed)
        return counts_in(result, circuit.num_clbits)
