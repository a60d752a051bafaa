"""The process that has the SDK imported and forks a limited child for each request of `sandbox`."""

import contextlib
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from ketbase.quantum.sandbox import MAX_BYTES, MAX_SECONDS

_STACK_FRAMES = 6_000


def main(descriptor: int) -> None:
    """Serve requests until the other end of the door is closed."""
    from ketbase.quantum.tasks import warm

    warm()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
    door = socket.socket(fileno=descriptor)
    parent = os.getppid()
    door.settimeout(1.0)
    while True:
        try:
            message, ends, _, _ = socket.recv_fds(door, 1, 1)
        except TimeoutError:
            if os.getppid() != parent:
                return
            continue
        except ConnectionError:
            return
        if not message or not ends:
            return
        with socket.socket(fileno=ends[0]) as line:
            if os.fork() == 0:
                door.close()
                try:
                    _serve(line)
                finally:
                    os._exit(0)


def _serve(line: socket.socket) -> None:
    line.settimeout(None)
    line.sendall(b"!")
    with line.makefile("rb") as stream:
        _limit()
        request = json.loads(stream.read())
    try:
        said = _answer(request)
    except MemoryError:
        return
    line.sendall(said)


def _limit() -> None:
    """End this process when it takes too long, and refuse it memory beyond the limit."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # only Linux says what is mapped
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MAX_BYTES, mapped + MAX_BYTES))
    sys.setrecursionlimit(_STACK_FRAMES)


def _answer(request: dict[str, Any]) -> bytes:
    from ketbase.errors import KetbaseError
    from ketbase.quantum.tasks import TASKS

    try:
        said: dict[str, Any] = {"answer": TASKS[request["task"]](**request["arguments"])}
    except KetbaseError as refusal:
        said = {
            "refused": {
                "code": refusal.code,
                "message": refusal.message,
                "details": dict(refusal.details),
            }
        }
    return json.dumps(said).encode() + b"\n"


if __name__ == "__main__":
    main(int(sys.argv[1]))
