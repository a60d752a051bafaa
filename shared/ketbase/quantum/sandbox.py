"""Child processes, held to limits of time and memory, that answer one request each."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any, cast

from ketbase.errors import InvalidCircuitError, UnavailableError

MAX_SECONDS = 5
"""Wall time, and processor time, that one request may take."""
MAX_BYTES = 1_000_000_000
"""Memory that one request may take on top of what the imported packages occupy."""

_GRACE = 1.0
_START_SECONDS = 120.0


class SandboxError(Exception):
    """The child ended without an answer.

    Attributes:
        timed_out: whether it ran for as long as it may.
    """

    def __init__(self, *, timed_out: bool):
        super().__init__("the child ran out of time" if timed_out else "the child ended early")
        self.timed_out = timed_out


class RefusedError(Exception):
    """The child answered with an error of the domain.

    Attributes:
        code: as in `KetbaseError`.
        details: as in `KetbaseError`.
    """

    def __init__(self, code: str, message: str, details: dict[str, Any]):
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class Sandbox:
    """Answers requests in children of a process that has the SDK imported, so that each costs milliseconds.

    That process, the nursery, starts with the first request or with `warm`, ends with this one, and is started
    anew if it died. Nothing but a socket pair is shared: AWS Lambda has no `/dev/shm`. The standard library's
    fork server is not used, because it imports this process's main module into every child.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nursery: subprocess.Popen[bytes] | None = None
        self._door: socket.socket | None = None

    def warm(self) -> None:
        """Start the nursery without waiting for it."""
        with self._lock:
            self._open_door()

    def close(self) -> None:
        """End the nursery; the next request starts another."""
        with self._lock:
            if self._door is not None:
                self._door.close()
            if self._nursery is not None:
                self._nursery.wait()
            self._door = self._nursery = None

    def ask(self, task: str, **arguments: Any) -> Any:
        """Run a task of `ketbase.quantum.nursery` in a child of its own and return its answer.

        Raises:
            RefusedError: the task refused its arguments.
            SandboxError: the child reached a limit or crashed.
            UnavailableError: no child could be made.
        """
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._hand_over(theirs)
            return self._converse(ours, json.dumps({"task": task, "arguments": arguments}).encode())

    def _hand_over(self, end: socket.socket) -> None:
        for _ in range(2):
            with self._lock:
                door = self._open_door()
                try:
                    socket.send_fds(door, [b"."], [end.fileno()])
                    return
                except OSError:
                    door.close()
                    self._door = None
        raise _unavailable()

    def _open_door(self) -> socket.socket:
        if self._door is not None and self._nursery is not None and self._nursery.poll() is None:
            return self._door
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                # One thread each: a child is forked, and a fork keeps no threads.
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "RAYON_NUM_THREADS": "1",
                "MPLBACKEND": "Agg",
            }
            self._nursery = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "ketbase.quantum.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
        self._door = ours
        return ours

    def _converse(self, line: socket.socket, request: bytes) -> Any:
        try:
            line.settimeout(_START_SECONDS)
            if line.recv(1) != b"!":
                raise _unavailable()
            started = time.monotonic()
            line.settimeout(MAX_SECONDS + _GRACE)
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: line.recv(1 << 16), b""))
        except TimeoutError as problem:
            raise SandboxError(timed_out=True) from problem
        except OSError as problem:
            raise SandboxError(timed_out=False) from problem
        if not answer.endswith(b"\n"):
            raise SandboxError(timed_out=time.monotonic() - started > MAX_SECONDS - 0.5)
        said = cast(dict[str, Any], json.loads(answer))
        if "refused" in said:
            raise RefusedError(**said["refused"])
        return said["answer"]


def ask_about_circuit(sandbox: Sandbox, task: str, **arguments: Any) -> Any:
    """Run a task that is about one circuit, and put it down to the circuit where that does not end well.

    Raises:
        InvalidCircuitError: what the task refused it with, or `CIRCUIT_TOO_COMPLEX` where a limit was reached.
        UnavailableError: no child could be made.
    """
    try:
        return sandbox.ask(task, **arguments)
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


def _unavailable() -> UnavailableError:
    return UnavailableError(
        "QUANTUM_ROOM_UNAVAILABLE", "the process that reads circuits did not start; try again in a moment"
    )
