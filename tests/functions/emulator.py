"""Runs a built function in AWS's runtime interface emulator, with only what it would find on Lambda."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.template import Function

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / ".aws-sam/build"
IMAGE = ROOT / ".build/image/task"
RUNTIME = ROOT / ".build/runtime"
LAYERS = (ARTIFACTS / "CoreLayer/python", ARTIFACTS / "WebLayer/python")
_EMULATOR = "samcli/local/rapid/aws-lambda-rie-x86_64"
_STARTS_WITHIN_S = 10
_INVOKE = "/2015-03-31/functions/function/invocations"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where a built function lies.

    Attributes:
        task_root: what Lambda shows as /var/task.
        search_path: the folders Python looks in beside the standard library, in order.
    """

    task_root: Path
    search_path: tuple[Path, ...]


def artifact(function: Function) -> Artifact:
    """Find what `make build` made of a function."""
    if function.image:
        return Artifact(IMAGE, (IMAGE, RUNTIME))
    root = ARTIFACTS / function.name
    layers = [ARTIFACTS / layer["Ref"] / "python" for layer in function.properties["Layers"]]
    return Artifact(root, (root, *layers, RUNTIME))


class Emulator:
    """One function in one emulator. It takes one call at a time: the emulator breaks on concurrent ones."""

    def __init__(self, port: int, log: Path):
        self._port = port
        self._log = log

    def invoke(self, event: Mapping[str, Any], timeout_s: float = 60) -> Any:
        """Call the function and return its answer, be it an error's description."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request("POST", _INVOKE, json.dumps(event))
            return json.loads(connection.getresponse().read())

    @property
    def logs(self) -> str:
        """What the emulator and the function said."""
        return self._log.read_text(errors="replace")


@contextlib.contextmanager
def emulated(function: Function, settings: Mapping[str, str], scratch: Path) -> Iterator[Emulator]:
    """Start a function; `settings` go over the environment that the template gives it."""
    built = artifact(function)
    port, runtime_port = _free_ports()
    interpreter = Path(sys.executable).resolve()  # outside the environment, whose packages no child may see
    environment = {
        **function.environment,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LAMBDA_TASK_ROOT": str(built.task_root),
        "LAMBDA_SEARCH_PATH": ":".join(map(str, built.search_path)),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_s),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "MPLCONFIGDIR": str(scratch / "matplotlib"),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        **settings,
    }
    command = [
        str(_find_emulator()),
        "--runtime-interface-emulator-address",
        f"127.0.0.1:{port}",
        "--runtime-api-address",
        f"127.0.0.1:{runtime_port}",
        *(str(interpreter), "-S", "-I"),
        *([] if function.image else ["-B"]),  # what is deployed stays as it was built
        *(str(Path(__file__).with_name("bootstrap.py")), function.handler),
    ]
    log = scratch / f"{function.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=built.task_root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield Emulator(port, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _find_emulator() -> Path:
    found = sorted((ROOT / ".venv-sam/lib").glob(f"python*/site-packages/{_EMULATOR}"))
    if not found:
        raise FileNotFoundError("there is no emulator: `make build` brings the SAM CLI, which carries it")
    return found[0]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.005)
    raise TimeoutError(f"the emulator does not answer:\n{log.read_text(errors='replace')}")
