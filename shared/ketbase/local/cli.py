"""The `ketbase` command."""

import os
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ketbase.local.audit import app as audit
from ketbase.local.auth import app as auth
from ketbase.local.login import login, logout, whoami
from ketbase.local.owner import owner
from ketbase.local.train import train

app = typer.Typer(help="The serverless quantum backend.", no_args_is_help=True, add_completion=False)
app.add_typer(audit, name="audit")
app.add_typer(auth, name="auth")
for command in (login, logout, whoami):
    app.command()(command)
app.command()(owner)
app.command()(train)
_KEY_FILE = "first-owner.key"
_BELL = (
    '{"name": "Bell", "n_qubits": 2, "gates": [{"type": "H", "targets": [0]}, {"type": "CNOT", "targets": [0, 1]}]}'
)
_RUN = '{"backend": "fake_fez", "shots": 4096}'


@app.callback()
def main_options() -> None:
    """The serverless quantum backend."""


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1")] = 8000,
    data: Annotated[Path, typer.Option(help="The folder that keeps everything")] = Path(".data"),
    workers: Annotated[int, typer.Option(min=0, help="Processes that run circuits; 0 only queues")] = 2,
    host: Annotated[str, typer.Option(help="The address to listen on")] = "127.0.0.1",
) -> None:
    """Start the whole backend on this machine."""
    began = time.perf_counter()
    console = Console(stderr=True, highlight=False)
    data.mkdir(parents=True, exist_ok=True)
    os.environ["KETBASE_DATA"] = str(data.resolve())
    os.environ.setdefault("KETBASE_MAX_RUNNING_JOBS", str(workers))
    os.environ.setdefault("KETBASE_SWEEP_GRACE_S", "0")
    os.environ.setdefault("KETBASE_SIGN_UP", "open")
    os.environ.setdefault("KETBASE_PUBLIC_URL", f"http://{host}:{port}")

    with console.status("Loading the functions of template.yaml …"):
        import uvicorn

        from ketbase.local.stack import LocalStack
        from ketbase.local.template import home, read_template
        from ketbase.runtime import observability

        observability.log_to(data / observability.LOG)
        folder = home()
        template = read_template(folder)
        stack = LocalStack(folder, template, workers)
    routes = sum(function.route for function in template.functions.values())
    log = data / observability.LOG
    console.print(f"✓ {len(template.functions)} functions, {routes} routes; data in {data}, log in {log}")
    key = _owner_key(data)
    stack.start()
    console.print(f"✓ {workers} worker(s) start in the background" if workers else "✓ no workers: jobs wait")

    class Server(uvicorn.Server):
        """Says when it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                console.print(f"✓ ready in {time.perf_counter() - began:.1f} s\n")
                print(_welcome(f"http://{host}:{port}", key), flush=True)

    config = uvicorn.Config(
        stack.app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        Server(config).run()
    finally:
        stack.stop()


@app.command()
def bootstrap() -> None:
    """Make the first organisation, its owner and a key, in the stores that the KETBASE_ settings name."""
    from ketbase.runtime.wiring import bootstrap_key, founding

    key = founding().found(bootstrap_key())
    if key is None:
        print("The first owner is there already; this command shows the key only once.", file=sys.stderr)
        raise typer.Exit(1)
    print(key)


@app.command()
def version() -> None:
    """Print the version."""
    from ketbase.version import VERSION

    print(VERSION)


def _owner_key(data: Path) -> str | None:
    """The first owner's key: made at the first start, and kept in a file that only this user can read."""
    from ketbase.runtime.wiring import bootstrap_key, founding

    path = data / _KEY_FILE
    given = bootstrap_key()
    made = founding().found(given)
    if made is not None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made + "\n")
    return given or (path.read_text().strip() if path.exists() else None)


def _welcome(address: str, key: str | None) -> str:
    shown = key or "qsk_…"
    field = """python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["%s"])'"""
    post = f"-H 'X-API-Key: {shown}' -H 'Content-Type: application/json' -d"
    return f"""Ketbase is up at {address}  (documentation: {address}/docs)

  The first owner's API key:  {shown}

Keep a circuit, run it on a simulated 156-qubit Heron, read the counts:

CIRCUIT=$(curl -s {address}/v1/circuits {post} '{_BELL}' | {field % "id"})
JOB=$(curl -s {address}/v1/circuits/$CIRCUIT/run {post} '{_RUN}' | {field % "job_id"})
curl -s "{address}/v1/jobs/$JOB/result?wait=20" -H 'X-API-Key: {shown}'

Ctrl-C stops it; what was accepted goes on at the next start."""


def main() -> None:
    """Run the command."""
    app()
