"""OpenQASM in and out and pictures, made in limited children; nothing of the SDK is imported here."""

from typing import Literal

from ketbase.circuits.types import CircuitDefinition
from ketbase.quantum.sandbox import Sandbox, ask_about_circuit


class QiskitLanguage:
    """The port `CircuitLanguage`, spoken by Qiskit in a child process for each text."""

    def __init__(self, sandbox: Sandbox | None = None):
        self._sandbox = sandbox or Sandbox()

    def warm(self) -> None:
        """Start importing the SDK in the background, so that the first text does not wait for it."""
        self._sandbox.warm()

    def close(self) -> None:
        """End the background process."""
        self._sandbox.close()

    def parse(self, qasm: str) -> CircuitDefinition:
        """Read OpenQASM 2 or 3 (told apart by the version line; 3 where there is none).

        Raises:
            InvalidCircuitError: `INVALID_QASM`, `CIRCUIT_TOO_LARGE` or `CIRCUIT_TOO_COMPLEX`.
            UnavailableError: the reader does not start.
        """
        return CircuitDefinition.model_validate(ask_about_circuit(self._sandbox, "parse", qasm=qasm))

    def export(self, definition: CircuitDefinition, version: Literal[2, 3]) -> str:
        """Write a circuit as OpenQASM.

        Raises:
            InvalidCircuitError: `NOT_EXPRESSIBLE`, say free parameters or control flow in OpenQASM 2.
            UnavailableError: the writer does not start.
        """
        asked = {"definition": definition.model_dump(mode="json"), "version": version}
        return str(ask_about_circuit(self._sandbox, "export", **asked))

    def draw(self, definition: CircuitDefinition, form: Literal["svg", "text"]) -> str:
        """Draw a circuit, qubit 0 on top.

        Raises:
            InvalidCircuitError: `CIRCUIT_TOO_COMPLEX` where the picture would be too large.
            UnavailableError: the drawer does not start.
        """
        asked = {"definition": definition.model_dump(mode="json"), "form": form}
        return str(ask_about_circuit(self._sandbox, "draw", **asked))
