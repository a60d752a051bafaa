"""The quantum port: reading, writing, compiling and executing circuits, without naming an SDK."""

from collections.abc import Mapping
from typing import Literal, Protocol

from ketbase.backends.types import CompiledCircuit, Outcome
from ketbase.circuits.types import CircuitDefinition


class CircuitLanguage(Protocol):
    """OpenQASM in and out, and pictures of circuits."""

    def warm(self) -> None:
        """Begin to prepare for the first request, without waiting for it."""

    def parse(self, qasm: str) -> CircuitDefinition:
        """Read OpenQASM 2 or 3 (told apart by the version line; 3 where there is none).

        Bounded in time, memory and expanded gates whatever the text is.

        Raises:
            InvalidCircuitError: `INVALID_QASM` with the line where there is one, `CIRCUIT_TOO_LARGE`, or
                `CIRCUIT_TOO_COMPLEX` where a bound was reached.
        """

    def export(self, definition: CircuitDefinition, version: Literal[2, 3]) -> str:
        """Write a circuit as OpenQASM.

        Raises:
            InvalidCircuitError: `NOT_EXPRESSIBLE`, say free parameters or control flow in OpenQASM 2.
        """

    def draw(self, definition: CircuitDefinition, form: Literal["svg", "text"]) -> str:
        """Draw a circuit, qubit 0 on top.

        Raises:
            InvalidCircuitError: `CIRCUIT_TOO_COMPLEX` where the picture would be too large.
        """


class QuantumProvider(Protocol):
    """Something that runs circuits: a family of simulators, or a vendor's machines."""

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

        A circuit that measures nothing gets every qubit measured at its end.

        Raises:
            InvalidCircuitError: unbound or unknown parameters, too many qubits, or an operation that the
                backend lacks.
        """

    def execute(self, compiled: CompiledCircuit, *, shots: int, seed: int, noise: bool) -> Outcome:
        """Run a compiled circuit; the same arguments give the same counts.

        Raises:
            ExecutionError: the circuit needs more memory than there is, or the simulator refused it.
        """
