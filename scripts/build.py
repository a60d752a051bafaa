"""Builds what is deployed: the layers and zip functions with `sam build`, and the image functions' file tree.

Run by `make build`. Everything third-party is pinned by uv.lock. With a Docker engine `sam build` makes the image
as well; the file tree, which the tests run, is made either way. What has not changed is not built again.
"""

# ruff: noqa: S603, S607 (it runs our own commands)

import argparse
import compileall
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode

from ketbase.local.template import read_template

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".uv/bin/uv"
SAM_BIN = ROOT / ".venv-sam/bin"
BUILD = ROOT / ".build"
REQUIREMENTS = BUILD / "requirements"
IMAGE = BUILD / "image/task"
MACHINE_CODE = BUILD / "machine-code"
RUNTIME = BUILD / "runtime"
SAM_BUILD = ROOT / ".aws-sam/build"

PROVIDED = ("boto3", "botocore")
"""What Lambda's runtime brings, so that the layers go without it."""
WEB = ("fastapi", "fastapi-offline", "mangum")
"""What makes the web layer, with all that it needs beside the core layer."""
EMBEDDED = ("numpy", "usearch")
"""What only the embedded store of vectors needs to search; the layer is for Pinecone."""
RUNTIME_CLIENT = ("awslambdaric==4.2.2", "simplejson==4.3.0", "snapshot-restore-py==1.0.0")
"""AWS's runtime client, to run the functions on this machine."""
PLATFORM = ("--python-platform", "x86_64-manylinux_2_34", "--python-version", "3.13", "--only-binary", ":all:")
"""Amazon Linux 2023 has glibc 2.34."""
LOOPS = ("ahead.py", "compiled.py", "batched", "optimization")
"""What in the quantum room makes, and is made into, machine code."""
NOT_IN_LAYER = ("quantum", "local")
"""The rooms of ketbase that no zip function may enter."""


def main() -> None:
    """Run one of the script's commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("all", help="build everything that changed")
    layer = commands.add_parser("layer", help="build one layer; its Makefile calls this")
    layer.add_argument("name", choices=["core", "web", "documents", "vectors"])
    layer.add_argument("target", type=Path)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if arguments.command == "layer":
        build_layer(arguments.name, arguments.target)
    else:
        build_all()


def build_all() -> None:
    """Build everything that changed since it was built."""
    packages = digest("uv.lock", "scripts/build.py")
    code = digest("shared/ketbase", "functions")
    loops = digest(*(f"shared/ketbase/quantum/{name}" for name in LOOPS))
    sam = digest("template.yaml", "layers", "infra")
    step("requirements", REQUIREMENTS, packages, write_requirements)
    step("runtime", RUNTIME, packages, build_runtime)
    step("image-packages", IMAGE, packages, build_image_packages)
    step("image-code", IMAGE / "ketbase", packages + code, build_image_code)
    step("machine-code", MACHINE_CODE, packages + loops, build_machine_code)
    step("sam", SAM_BUILD, f"{packages} {code} {sam} {has_docker()}", sam_build)


def step(name: str, result: Path, inputs: str, build: Callable[[], None]) -> None:
    """Call `build` unless `result` was made from the same inputs."""
    stamp = BUILD / "stamps" / name
    if result.exists() and stamp.exists() and stamp.read_text() == inputs:
        return
    stamp.unlink(missing_ok=True)
    began = time.monotonic()
    build()
    print(f"→ build: {name} ({time.monotonic() - began:.1f} s)", flush=True)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(inputs)


# --- Third-party packages ---


def write_requirements() -> None:
    """Write the pinned packages of each layer, of the image and of the runtime, from uv.lock."""
    shutil.rmtree(REQUIREMENTS, ignore_errors=True)
    REQUIREMENTS.mkdir(parents=True)
    all_routes = export()
    layers = export(prune=PROVIDED)
    core = export(prune=PROVIDED + WEB)
    files = {
        "core": core,
        "web": layers - core,
        "documents": export("--extra", "statements", prune=PROVIDED) - layers,
        "vectors": export("--extra", "vectors", prune=PROVIDED + EMBEDDED) - layers,
        "runtime": all_routes - layers,
        "image": export("--extra", "quantum", "--extra", "vectors"),
    }
    for name, packages in files.items():
        (REQUIREMENTS / f"{name}.txt").write_text("\n".join(sorted(packages)) + "\n")


def export(*options: str, prune: tuple[str, ...] = ()) -> set[str]:
    """Ask uv for what `ketbase` needs, each package with its version and hashes, and without the pruned trees."""
    pruned = [word for package in prune for word in ("--prune", package)]
    command = [UV, "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"]
    text = subprocess.run([*command, *options, *pruned], check=True, capture_output=True, text=True).stdout
    return set(re.split(r"\n(?=\S)", text.strip()))


def install(target: Path, *what: str | Path) -> None:
    """Install packages, without what they ask for beside them, into a folder."""
    command = [UV, "pip", "install", "--quiet", "--target", target, "--no-deps", *PLATFORM, *what]
    subprocess.run(command, check=True)
    (target / ".lock").unlink(missing_ok=True)
    shutil.rmtree(target / "bin", ignore_errors=True)


def build_runtime() -> None:
    """Make the folder that stands for Lambda's managed runtime: its client, boto3."""
    shutil.rmtree(RUNTIME, ignore_errors=True)
    install(RUNTIME, "--requirement", REQUIREMENTS / "runtime.txt")
    install(RUNTIME, *RUNTIME_CLIENT)
    compile_ahead(RUNTIME)


# --- Layers and functions ---


def build_layer(name: str, target: Path) -> None:
    """Fill a layer's `python` folder."""
    install(target, "--requirement", REQUIREMENTS / f"{name}.txt")
    if name == "core":
        copy_code("shared/ketbase", target / "ketbase")
        for room in NOT_IN_LAYER:
            shutil.rmtree(target / "ketbase" / room, ignore_errors=True)
    compile_ahead(target)


def compile_ahead(folder: Path) -> None:
    """Write bytecode that is taken as it is: Lambda cannot write it, and zip files round the sources' times."""
    compileall.compile_dir(
        folder, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, stripdir=folder
    )


def sam_build() -> None:
    """Build with the SAM CLI; without a Docker engine, all but the image functions."""
    command = [SAM_BIN / "sam", "build"]
    if not has_docker():
        functions = read_template(ROOT).functions.values()
        command += [word for function in functions if function.image for word in ("--exclude", function.name)]
    environment = {**os.environ, "PATH": f"{SAM_BIN}:{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def has_docker() -> bool:
    """Say whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=30).returncode == 0


# --- The image's file tree ---


def build_image_packages() -> None:
    """Install the image's packages, as infra/Dockerfile does.

    They lie so deep that qiskit_aer, when it looks for a checkout three folders up, does not take ours for its own.
    """
    shutil.rmtree(IMAGE, ignore_errors=True)
    install(IMAGE, "--requirement", REQUIREMENTS / "image.txt")


def build_image_code() -> None:
    """Copy our code into the image's tree, as infra/Dockerfile does."""
    copy_code("shared/ketbase", IMAGE / "ketbase")
    copy_code("functions", IMAGE / "functions")
    if MACHINE_CODE.exists():
        shutil.copytree(MACHINE_CODE, IMAGE / "ketbase/quantum/machine_code")


def build_machine_code() -> None:
    """Compile the loops of the image's tree, as infra/Dockerfile does, and keep what came of it beside the tree."""
    shutil.rmtree(MACHINE_CODE, ignore_errors=True)
    inside = IMAGE / "ketbase/quantum/machine_code"
    shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir()
    interpreter = Path(sys.executable).resolve()  # outside the environment, whose packages the image lacks
    seen = f"import sys; sys.path[:0] = {[str(IMAGE), str(RUNTIME)]!r}"
    program = f"{seen}; from ketbase.quantum.ahead import compile_all; compile_all()"
    subprocess.run([interpreter, "-S", "-I", "-B", "-c", program], check=True)
    shutil.copytree(inside, MACHINE_CODE)


# --- Files ---


def copy_code(source: str, target: Path) -> None:
    """Copy a folder of sources in place of what lay there."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def digest(*paths: str) -> str:
    """Hash the names and contents of files and folders of files."""
    found = hashlib.sha256()
    for path in paths:
        folder = ROOT / path
        files = [folder] if folder.is_file() else sorted(f for f in folder.rglob("*") if f.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                found.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    main()
