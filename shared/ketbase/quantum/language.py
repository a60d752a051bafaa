"""OpenQASM in and out and pictures, made in limited children; nothing of the SDK is imported here."""

from typing import Any, Literal

from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.sandbox import MAX_BYTES, MAX_SECONDS, RefusedError, Sandbox, SandboxError


class QiskitLanguage:
    """The port `CircuitLanguage`, spoken by Qiskit in a child process for each text."""

    def __init__(self) -> None:
        self._sandbox = Sandbox()

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
        return CircuitDefinition.model_validate(self._ask("parse", qasm=qasm))

    def export(self, definition: CircuitDefinition, version: Literal[2, 3]) -> str:
        """Write a circuit as OpenQASM.

        Raises:
            InvalidCircuitError: `NOT_EXPRESSIBLE`, say free parameters or control flow in OpenQASM 2.
            UnavailableError: the writer does not start.
        """
        return str(self._ask("export", definition=definition.model_dump(mode="json"), version=version))

    def draw(self, definition: CircuitDefinition, form: Literal["svg", "text"]) -> str:
        """Draw a circuit, qubit 0 on top.

        Raises:
            InvalidCircuitError: `CIRCUIT_TOO_COMPLEX` where the picture would be too large.
            UnavailableError: the drawer does not start.
        """
        return str(self._ask("draw", definition=definition.model_dump(mode="json"), form=form))

    def _ask(self, task: str, **arguments: Any) -> Any:
        try:
            return self._sandbox.ask(task, **arguments)
        except RefusedError as refusal:
            raise InvalidCircuitError(refusal.code, refusal.message, **refusal.details) from refusal
        except SandboxError as end:
            limit = (
                f"longer than {MAX_SECONDS} s, which is the limit"
                if end.timed_out
                else f"more than {MAX_BYTES // 10**9} GB of memory, or nests too deeply"
            )
            raise InvalidCircuitError(
                "CIRCUIT_TOO_COMPLEX", f"handling this circuit takes {limit}", max_seconds=MAX_SECONDS
            ) from end
