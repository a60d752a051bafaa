"""How good the predicted durations of runs are: predicted beside measured, over a spread of circuits.

Run by `.venv/bin/python benchmarks/estimates.py [--json FILE] [--engine ENGINE]` on an idle machine; it takes some
minutes. Each step is measured warm, with the simulators loaded, and without the reading and writing around it; what
is over soon is measured three times, and the least counts.
"""

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.backends.types import CompiledCircuit, Outcome
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.costs.estimates import OVERHEAD_S, expected_seconds
from ketbase.costs.shapes import shape_of
from ketbase.errors import KetbaseError
from ketbase.quantum.lightning import LightningEngine
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.qsim import QsimEngine
from ketbase.quantum.simulators import AerEngine

PROVIDER = QuantumProviders({"aer": AerEngine, "qsim": QsimEngine, "lightning": LightningEngine})
FEW, USUAL, MANY = 100, 1_024, 100_000
WITHIN = 3.0
"""A prediction is called close when it is off by no more than this factor."""
TRIES, SOON_S = 3, 1.0

console = Console(width=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write what was measured into this file as well")
    parser.add_argument("--engine", choices=["aer", "qsim", "lightning"], help="measure this one only")
    arguments = parser.parse_args()
    chosen = (case for case in cases() if arguments.engine in (None, backends()[case[2]].engine))
    rows = [row for row in map(measured, chosen) if row is not None]
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))
    show(rows)


def measured(case: tuple[str, CircuitDefinition, str, int]) -> dict[str, object] | None:
    """Time one case; `None` where it does not fit this machine."""
    name, definition, backend, shots = case
    asked = {"backend": backends()[backend], "experiment": Experiment()}
    try:
        _measured(bell(), 10, asked)
        compiled, compile_s, outcome, execute_s = _measured(definition, shots, asked)
        for _ in range(TRIES - 1 if compile_s + execute_s < SOON_S else 0):
            _, once_more_s, _, again_s = _measured(definition, shots, asked)
            compile_s, execute_s = min(compile_s, once_more_s), min(execute_s, again_s)
    except KetbaseError as problem:
        console.print(f"{name} on {backend}: {problem.message}")
        return None
    shape = shape_of(definition)
    predicted = expected_seconds(shape, asked["backend"], shots)
    return {
        "name": name,
        "backend": backend,
        "shots": shots,
        "shape": shape.model_dump(),
        "method": outcome.method,
        "outcomes": len(outcome.counts[0]),
        "compiled_gates": compiled.gate_counts,
        "compile": (predicted.compile - OVERHEAD_S, compile_s),
        "execute": (predicted.execute - OVERHEAD_S, execute_s),
    }


def _measured(
    definition: CircuitDefinition, shots: int, asked: dict[str, Any]
) -> tuple[CompiledCircuit, float, Outcome, float]:
    began = time.perf_counter()
    compiled = PROVIDER.compile(definition, **asked, seed=1, optimization_level=2)
    compile_s = time.perf_counter() - began
    began = time.perf_counter()
    outcome = PROVIDER.execute(compiled, **asked, shots=shots, seed=1, noise=True)
    return compiled, compile_s, outcome, time.perf_counter() - began


def bell() -> CircuitDefinition:
    return CircuitDefinition.of_gates(2, [Gate(type="H", targets=(0,)), Gate(type="CNOT", targets=(0, 1))])


# --- The spread ---


def cases() -> Iterator[tuple[str, CircuitDefinition, str, int]]:
    for n in (3, 20, 100, 400):
        yield f"GHZ {n}", ghz(n), "aer", USUAL
    yield "GHZ 20", ghz(20), "aer", MANY
    for n, layers in ((20, 50), (60, 40)):
        yield f"Clifford {n}×{layers}", brickwork(n, layers, clifford=True), "aer", USUAL
    for n, layers in ((4, 4), (8, 20), (12, 20), (16, 10), (18, 40), (20, 20), (22, 10), (24, 6)):
        yield f"brickwork {n}×{layers}", brickwork(n, layers), "aer", USUAL
    yield "brickwork 16×10", brickwork(16, 10), "aer", MANY
    for n in (5, 10, 16, 20):
        yield f"QFT {n}", qft(n), "aer", USUAL
    for n in (10, 18, 22):
        yield f"QAOA ring {n}", qaoa(n, 3), "aer", USUAL
    for n in (40, 100):
        yield f"shallow chain {n}", chain(n, 1), "aer", USUAL
    yield "long 3×1500", brickwork(3, 1_500), "aer", USUAL
    for n in (3, 12):
        yield f"mid-circuit {n}", repeated_measurement(n, 4), "aer", USUAL
    for backend in ("qsim", "lightning"):
        yield from _dense(backend)
    for backend in ("fake_fez", "fake_sherbrooke"):
        for n in (3, 5, 8, 12):
            yield f"GHZ {n}", ghz(n), backend, USUAL
        for n, layers in ((3, 4), (5, 10), (8, 6), (10, 4), (12, 4)):
            yield f"brickwork {n}×{layers}", brickwork(n, layers), backend, USUAL
        yield "brickwork 16×3", brickwork(16, 3), backend, FEW
        yield "brickwork 5×10", brickwork(5, 10), backend, MANY
        for n in (4, 7):
            yield f"QFT {n}", qft(n), backend, USUAL
        yield "QAOA ring 8", qaoa(8, 2), backend, USUAL
        yield "mid-circuit 3", repeated_measurement(3, 3), backend, USUAL
        yield "long 3×200", brickwork(3, 200), backend, USUAL


def _dense(backend: str) -> Iterator[tuple[str, CircuitDefinition, str, int]]:
    """For simulators to which all circuits of a size are the same."""
    for n in (3, 20, 24):
        yield f"GHZ {n}", ghz(n), backend, USUAL
    yield "GHZ 20", ghz(20), backend, MANY
    for n, layers in ((4, 4), (8, 20), (12, 20), (16, 10), (18, 40), (20, 20), (22, 10), (24, 6), (26, 4)):
        yield f"brickwork {n}×{layers}", brickwork(n, layers), backend, USUAL
    for n, layers in ((10, 5), (16, 10)):
        yield f"brickwork {n}×{layers}", brickwork(n, layers), backend, MANY
    for n in (5, 10, 16, 20, 24):
        yield f"QFT {n}", qft(n), backend, USUAL
    for n in (10, 18, 22):
        yield f"QAOA ring {n}", qaoa(n, 3), backend, USUAL
    for n in (3, 12, 20):
        yield f"chain {n}", chain(n, 3), backend, USUAL
    yield "long 3×1500", brickwork(3, 1_500), backend, USUAL
    for n in (3, 8, 12, 16):
        yield f"mid-circuit {n}", repeated_measurement(n, 4), backend, USUAL
    yield "mid-circuit 3", repeated_measurement(3, 2), backend, MANY
    yield "mid-circuit 20", repeated_measurement(20, 2), backend, FEW


def ghz(n: int) -> CircuitDefinition:
    pairs = [Gate(type="CNOT", targets=(q, q + 1)) for q in range(n - 1)]
    return CircuitDefinition.of_gates(n, [Gate(type="H", targets=(0,)), *pairs])


def brickwork(n: int, layers: int, *, clifford: bool = False) -> CircuitDefinition:
    draw = random.Random(7)
    gates: list[Gate] = []
    for layer in range(layers):
        for q in range(n):
            if clifford:
                gates.append(Gate(type=draw.choice(("H", "S", "SX")), targets=(q,)))
            else:
                gates.append(_rotation("RY", draw.uniform(0, math.pi), q))
        gates += [Gate(type="CZ", targets=(q, q + 1)) for q in range(layer % 2, n - 1, 2)]
    return CircuitDefinition.of_gates(n, gates)


def qft(n: int) -> CircuitDefinition:
    gates: list[Gate] = [Gate(type="X", targets=(0,))]
    for q in reversed(range(n)):
        gates.append(Gate(type="H", targets=(q,)))
        for c in reversed(range(q)):
            gates.append(Gate(type="CP", targets=(c, q), parameters={"lambda": math.pi / 2 ** (q - c)}))
    return CircuitDefinition.of_gates(n, gates)


def qaoa(n: int, layers: int) -> CircuitDefinition:
    gates = [Gate(type="H", targets=(q,)) for q in range(n)]
    for layer in range(layers):
        gates += [
            Gate(type="RZZ", targets=(q, (q + 1) % n), parameters={"theta": 0.3 + 0.1 * layer}) for q in range(n)
        ]
        gates += [_rotation("RX", 0.7 - 0.1 * layer, q) for q in range(n)]
    return CircuitDefinition.of_gates(n, gates)


def chain(n: int, layers: int) -> CircuitDefinition:
    gates: list[Gate] = []
    for _ in range(layers):
        gates += [_rotation("RY", 0.3, q) for q in range(n)]
        gates += [Gate(type="CNOT", targets=(q, q + 1)) for q in range(n - 1)]
    return CircuitDefinition.of_gates(n, gates)


def repeated_measurement(n: int, rounds: int) -> CircuitDefinition:
    gates: list[Gate] = []
    for _ in range(rounds):
        gates += [_rotation("RY", 0.4, q) for q in range(n)]
        gates += [Gate(type="CZ", targets=(q, q + 1)) for q in range(n - 1)]
        gates.append(Gate(type="MEASURE", targets=(0,), clbits=(0,)))
    gates += [Gate(type="MEASURE", targets=(q,), clbits=(q,)) for q in range(n)]
    return CircuitDefinition.of_gates(n, gates, [("c", n)])


def _rotation(kind: str, angle: float, qubit: int) -> Gate:
    return Gate(type=kind, targets=(qubit,), parameters={"theta": angle})


# --- The report ---


def show(rows: list[dict[str, object]]) -> None:
    table = Table(title="Predicted and measured seconds, and their ratio")
    for column in ("circuit", "backend", "shots", "method", "compile", "", "ratio", "execute", "", "ratio"):
        table.add_column(column, justify="left" if column in ("circuit", "backend", "method") else "right")
    for row in rows:
        cells = [str(row[name]) for name in ("name", "backend", "shots", "method")]
        for step in ("compile", "execute"):
            predicted, found = row[step]
            cells += [f"{predicted:.3f}", f"{found:.3f}", f"{predicted / found:.2f}"]
        table.add_row(*cells)
    console.print(table)
    for step in ("compile", "execute", "both"):
        ratios = sorted(_ratio(row, step) for row in rows)
        off = [max(ratio, 1 / ratio) for ratio in ratios]
        close = sum(factor <= WITHIN for factor in off) / len(off)
        console.print(
            f"{step}: median ratio {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}; "
            f"{close:.0%} within a factor of {WITHIN:g}"
        )


def _ratio(row: dict[str, object], step: str) -> float:
    steps = ("compile", "execute") if step == "both" else (step,)
    return sum(row[each][0] for each in steps) / sum(row[each][1] for each in steps)


if __name__ == "__main__":
    main()
