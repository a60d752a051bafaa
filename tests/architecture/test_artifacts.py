"""What `make build` made is small and quick to start, and keeps the quantum room out of the control plane."""

import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.functions.emulator import ARTIFACTS, IMAGE, LAYERS, RUNTIME, artifact
from tests.template import ROOT, Function, functions

MAX_MEGABYTES = 100
MAX_RATIO = 1.3
BARE = "import fastapi, mangum, aws_lambda_powertools, boto3"
ROUNDS = 2
MORE_ROUNDS = 4
"""How often a handler that seems slow is measured again, before it is called slow: the machine may be busy."""
QUANTUM = ("numpy", "scipy", "qiskit", "qiskit_aer", "qiskit_ibm_runtime", "matplotlib", "ketbase.quantum")

CONTROL_PLANE = [function for function in functions().values() if not function.image]


def test_the_layers_and_a_function_are_small(capsys: pytest.CaptureFixture[str]) -> None:
    layers = {folder.parent.name: megabytes(folder) for folder in LAYERS}
    largest = max(megabytes(ARTIFACTS / function.name) for function in CONTROL_PLANE)
    total = sum(layers.values()) + largest
    with capsys.disabled():
        print(f"\n{layers} MB and a function of {largest:.2f} MB are {total:.1f} MB (limit {MAX_MEGABYTES} MB)")
    assert total < MAX_MEGABYTES


def test_the_layers_are_compiled_ahead() -> None:
    for layer in LAYERS:
        sources = {path for path in layer.rglob("*.py") if "__pycache__" not in path.parts}
        compiled = {path.parent.parent / f"{path.name.split('.')[0]}.py" for path in layer.rglob("*.pyc")}
        assert sources - compiled == set()


def test_the_layers_hold_no_room_that_zip_functions_may_not_enter() -> None:
    assert not (LAYERS[0] / "ketbase/quantum").exists()
    assert not (LAYERS[0] / "ketbase/local").exists()


def test_no_control_plane_handler_imports_the_quantum_room() -> None:
    program = f"""
import importlib.abc, importlib.util, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == blocked or name.startswith(blocked + ".") for blocked in {QUANTUM!r}):
            raise ImportError(f"{{name}} belongs to the quantum room")

sys.meta_path.insert(0, Refuse())
for folder in {[function.folder for function in CONTROL_PLANE]!r}:
    spec = importlib.util.spec_from_file_location(folder.replace("/", "_"), f"functions/{{folder}}/app.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as problem:
        raise SystemExit(f"{{folder}}: {{problem}}")
    assert callable(module.handler)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_control_plane_handler_imports_about_as_quickly_as_its_libraries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    measured = Imports()
    measured.rounds(CONTROL_PLANE, ROUNDS)
    for _ in range(MORE_ROUNDS):
        slow = [function for function in CONTROL_PLANE if measured.ratio(function) > MAX_RATIO]
        if not slow:
            break
        measured.rounds(slow, ROUNDS)
    with capsys.disabled():
        print(f"\nbare libraries {measured.bare * 1_000:.0f} ms; times as long:", end="")
        for function in sorted(CONTROL_PLANE, key=measured.ratio, reverse=True)[:5]:
            print(f" {function.folder} {measured.ratio(function):.2f}", end="")
        print(f" (limit {MAX_RATIO})")
    slow = {function.folder: round(measured.ratio(function), 2) for function in CONTROL_PLANE}
    assert all(ratio <= MAX_RATIO for ratio in slow.values()), slow


FIRST_GRADIENT = """
import numpy, qiskit, scipy.sparse, ketbase.circuits.types, time
began = time.process_time()
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.compiled import misses
gates = [
    Gate(type="RY", targets=(0,), parameters={"theta": "a"}),
    Gate(type="RZ", targets=(1,), parameters={"theta": "a"}),
    Gate(type="CNOT", targets=(0, 1)),
]
engine = Engine(plan(CircuitDefinition.of_gates(2, gates)), Observables.of_paulis(2, [{"XZ": 1.0}]))
engine.gradient(numpy.ones(1), numpy.zeros((32, 0)), lambda outputs, _: outputs)
print(misses(), time.process_time() - began)
"""


def test_the_first_gradient_in_the_image_compiles_nothing_and_takes_less_than_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = f"import sys; sys.path[:0] = {[str(IMAGE), str(RUNTIME)]!r}\n{FIRST_GRADIENT}"
    command = [Path(sys.executable).resolve(), "-S", "-I", "-c", program]
    answers = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    seconds = min(float(answer[1]) for answer in answers)  # the first writes the bytecode that the real image has
    with capsys.disabled():
        print(f"\nnumba, the engine and its first gradient take {seconds:.2f} s in the image (limit 1 s)")
    assert {answer[0] for answer in answers} == {"0"}
    assert seconds < 1


class Imports:
    """Import times in seconds of processor time, which other work on the machine hardly changes: each handler's beside one of the bare libraries taken just before."""

    def __init__(self) -> None:
        self._ratios: dict[str, list[float]] = defaultdict(list)
        self._bare: list[float] = []

    def rounds(self, some: Sequence[Function], number: int) -> None:
        for _ in range(number):
            for position, function in enumerate(some):
                search_path = artifact(function).search_path
                if position % 4 == 0:
                    bare = import_seconds(BARE, search_path)
                    self._bare.append(bare)
                self._ratios[function.name].append(import_seconds("import app", search_path) / bare)

    def ratio(self, function: Function) -> float:
        return statistics.median(self._ratios[function.name])

    @property
    def bare(self) -> float:
        return statistics.median(self._bare)


def import_seconds(statement: str, search_path: Sequence[Path]) -> float:
    """Time an import in a fresh interpreter that sees a function's artifacts and nothing else."""
    program = (
        f"import sys, time; sys.path[:0] = {[str(folder) for folder in search_path]!r}; "
        f"began = time.process_time(); {statement}; print(time.process_time() - began)"
    )
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1"}
    command = [Path(sys.executable).resolve(), "-S", "-I", "-B", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{search_path[0].name}: {done.stderr}"
    return float(done.stdout)


def megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 2)
