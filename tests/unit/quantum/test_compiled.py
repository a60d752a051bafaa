"""Loops are compiled once: what was compiled is kept, read again, and never missing where it was made ahead."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ketbase.quantum.compiled

SHARED = Path(ketbase.quantum.compiled.__file__).parents[2]

TRAINING = """
import numpy as np
from ketbase.circuits.gates import GATES, NOT_GATES
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.metric import metric_tensor
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.compiled import misses

gates = [
    Gate(type=name, targets=(0, 1, 2)[:kind.qubits], parameters={angle: formula for angle in kind.angles})
    for formula in ("theta", "x_0*theta", 0.5) for name, kind in GATES.items() if name not in NOT_GATES
]
circuit = plan(CircuitDefinition.of_gates(3, gates), ["x_0"])
outcomes = Observables.of_probabilities(3, (0, 2))
strings = Observables.of_paulis(3, [{"XYZ": 0.5, "ZZI": 1}, {"IIZ": 1.0}])
at, features = np.ones(1), np.asfortranarray(np.ones((40, 3))[:, 1:2])
start = np.full((40, 8), 8 ** -0.5)
for observables in (outcomes, strings):
    for precision in ("complex64", "complex128"):
        engine = Engine(circuit, observables, precision=precision, threads=2)
        engine.states(at, features)
        engine.outputs(at, features, amplitudes=start.astype(complex))
        engine.gradient(at, features, lambda some, _: np.broadcast_to(1.0, some.shape), amplitudes=start)
        engine.gradient(at, features, lambda some, _: np.asfortranarray(some)[::1])
metric_tensor(circuit, at, features[:2])
"""
ROUTING = """
from ketbase.quantum.optimization.routing import rehearse
rehearse()
"""


def said(program: str, folder: Path = SHARED) -> list[str]:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_second_process_compiles_nothing_whatever_it_computes() -> None:
    said("from ketbase.quantum.ahead import compile_all; compile_all()")
    assert said(f"{TRAINING}{ROUTING}print(misses())") == ["0"]


LOOPS = """
from ketbase.quantum.compiled import compiled

@compiled
def doubled(number):
    return 2 * number
"""


def with_loops(folder: Path) -> Path:
    """Make a package of one loop and what compiles it."""
    package = folder / "ketbase/quantum"
    package.mkdir(parents=True)
    shutil.copy(ketbase.quantum.compiled.__file__, package)
    for init in (package.parent, package):
        (init / "__init__.py").touch()
    (package / "loops.py").write_text(LOOPS)
    return package


@pytest.mark.parametrize("place", ["ahead", "in_tree", "of_user"])
def test_what_was_compiled_in_another_way_is_not_read(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = with_loops(tmp_path)
    if place == "ahead":
        (package / "machine_code").mkdir()
    if place == "of_user":
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
        (package / "__pycache__").touch()
    answer = "from ketbase.quantum import compiled, loops; print(loops.doubled(1.5), compiled.misses())"
    assert said(answer, tmp_path) == ["3.0", "1"]
    assert said(answer, tmp_path) == ["3.0", "0"]
    how = package / "compiled.py"
    how.write_text(how.read_text().replace('"contract", ', ""))
    assert said(answer, tmp_path) == ["3.0", "1"]


def test_machine_code_made_ahead_is_for_any_processor_and_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    package = with_loops(tmp_path)
    (package / "machine_code").mkdir()
    answer = "from ketbase.quantum import compiled, loops; print(loops.doubled({}), compiled.misses())"
    assert said(answer.format("21"), tmp_path) == ["42", "1"]
    (index,) = (package / "machine_code").rglob("*.nbi")
    assert b"x86-64-v3" in index.read_bytes()
    refusing = """
from numba.core import caching

def refuse(*_, **__):
    raise PermissionError("read-only")

caching.tempfile.TemporaryFile = refuse
caching.IndexDataCacheFile.save = refuse
"""
    assert said(refusing + answer.format("21"), tmp_path) == ["42", "0"]
    assert said(refusing + answer.format("1.5"), tmp_path) == ["3.0", "1"]
