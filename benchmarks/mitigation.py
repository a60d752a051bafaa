"""How much nearer to the exact values mitigation brings expectation values on simulated devices.

Run by `make bench-mitigation` (`--quick` for a few circuits, `--json FILE` to keep the figures). Twenty-four
circuits of 4 to 7 qubits in six families, four observables each, on three simulated devices with the noise of their
calibration; exact values from the statevector. It ends with 1 where the values that are claimed to be mitigated are
not closer to the exact ones than the raw values, in the median.
"""

import argparse
import json
import math
import random
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qiskit.quantum_info import SparsePauliOp, Statevector
from rich.console import Console
from rich.table import Table

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.build import circuit_of
from ketbase.quantum.engines import Work
from ketbase.quantum.experiments.evaluation import evaluate
from ketbase.quantum.programs import from_bytes
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine

DEVICES = ("fake_fez", "fake_kyiv", "fake_brisbane")
SHOTS = (4_096, 65_536)
WAYS: dict[str, dict[str, Any]] = {
    "readout": {"readout": True},
    "zne linear": {"zne": {"scales": (1, 3, 5)}},
    "readout, zne linear": {"readout": True, "zne": {"scales": (1, 3, 5)}},
    "readout, zne quadratic": {"readout": True, "zne": {"scales": (1, 3, 5), "extrapolation": "quadratic"}},
    "readout, zne exponential": {"readout": True, "zne": {"scales": (1, 3, 5), "extrapolation": "exponential"}},
}
CLAIMED = ("readout", "zne linear", "readout, zne linear", "readout, zne exponential")
"""What must be closer than the raw value in the median, on each device and with each number of shots."""

console = Console(width=130)


class Row(NamedTuple):
    """One value.

    Attributes:
        raw, mitigated: how far off, in units of the sum of the observable's coefficients.
        sigmas: how far off the mitigated one is in its own standard errors.
        noted: whether the extrapolation had to be another one.
    """

    device: str
    shots: int
    way: str
    circuit: str
    raw: float
    mitigated: float
    sigmas: float
    noted: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every sixth circuit, few shots")
    parser.add_argument("--json", type=Path, help="write what was measured into this file as well")
    arguments = parser.parse_args()
    corpus = list(circuits())[:: 6 if arguments.quick else 1]
    shots = SHOTS[:1] if arguments.quick else SHOTS
    rows = [
        row
        for device in DEVICES
        for number in shots
        for name, definition in corpus
        for row in measured(device, number, name, definition)
    ]
    if arguments.json:
        arguments.json.write_text(json.dumps([row._asdict() for row in rows]))
    sys.exit(0 if show(rows) else 1)


def measured(device: str, shots: int, name: str, definition: CircuitDefinition) -> Iterator[Row]:
    """Execute a circuit with all that any of the ways needs, and evaluate the same counts in each way."""
    observed = list(observables(definition.n_qubits))
    state = Statevector(circuit_of(definition))
    backend, whole = backends()[device], experiment(observed, WAYS["readout, zne linear"])
    compiled = PROVIDER.compile(definition, backend=backend, experiment=whole, seed=1, optimization_level=2)
    circuits = from_bytes(compiled.program)
    work = Work(backend, circuits, compiled.variants, compiled.layout, whole, shots, seed=1)
    counts = AER.run(work).counts
    for way, mitigation in WAYS.items():
        values = evaluate(compiled.variants, counts, experiment(observed, mitigation))
        for terms, value in zip(observed, values, strict=True):
            assert value.mitigated is not None
            exact = float(state.expectation_value(SparsePauliOp.from_list(list(terms.items()))).real)
            size = sum(abs(coefficient) for coefficient in terms.values())
            off = abs(value.mitigated.value - exact)
            yield Row(
                device,
                shots,
                way,
                name,
                abs(value.raw.value - exact) / size,
                off / size,
                off / value.mitigated.standard_error,
                value.note is not None,
            )


def experiment(observed: list[dict[str, float]], mitigation: dict[str, Any]) -> Experiment:
    return Experiment.model_validate(
        {"observables": [{"terms": terms} for terms in observed], "mitigation": mitigation}
    )


AER = AerEngine()
PROVIDER = QuantumProviders({"aer": lambda: AER})


def show(rows: list[Row]) -> bool:
    table = Table(title="Distance from the exact value, in units of the sum of the coefficients: medians")
    for column in (
        "device",
        "shots",
        "mitigation",
        "values",
        "raw",
        "mitigated",
        "ratio",
        "closer",
        "> 4 σ",
        "noted",
    ):
        table.add_column(column, justify="left" if column in ("device", "mitigation") else "right")
    holds = True
    for device, shots, way in dict.fromkeys((row.device, row.shots, row.way) for row in rows):
        some = [row for row in rows if (row.device, row.shots, row.way) == (device, shots, way)]
        raw, mitigated = (statistics.median(getattr(row, what) for row in some) for what in ("raw", "mitigated"))
        holds &= mitigated < raw or way not in CLAIMED
        table.add_row(
            device,
            f"{shots:,}",
            way,
            str(len(some)),
            f"{raw:.4f}",
            f"{mitigated:.4f}",
            f"{mitigated / raw:.2f}",
            f"{statistics.mean(row.mitigated < row.raw for row in some):.0%}",
            f"{statistics.mean(row.sigmas > 4 for row in some):.0%}",
            f"{statistics.mean(row.noted for row in some):.0%}",
        )
    console.print(table)
    circuits = len({row.circuit for row in rows})
    verdict = "holds" if holds else "does not hold"
    console.print(f"{circuits} circuits: closer in the median on every device with {'; '.join(CLAIMED)}: {verdict}")
    return holds


# --- The corpus ---


def circuits() -> Iterator[tuple[str, CircuitDefinition]]:
    for n in (4, 5, 6, 7):
        yield f"ghz-{n}", of(n, [one("H", 0), *(two("CNOT", q, q + 1) for q in range(n - 1))])
        yield f"ising-{n}", of(n, list(ising(n, 3)))
        yield f"heisenberg-{n}", of(n, list(heisenberg(n, 2)))
        yield f"qaoa-{n}", of(n, list(qaoa(n)))
        yield f"ansatz-{n}", of(n, list(ansatz(n, 3)))
        yield f"random-{n}", of(n, list(scrambled(n, 3)))


def observables(n: int) -> Iterator[dict[str, float]]:
    """An energy, a correlation across all qubits, a magnetisation, and the energy of a spin chain."""
    yield {pauli(n, {q: "Z", q + 1: "Z"}): -1.0 for q in range(n - 1)} | {pauli(n, {q: "X"}): 0.5 for q in range(n)}
    yield {pauli(n, {0: "Z", n - 1: "Z"}): 1.0}
    yield {pauli(n, {q: "Z"}): 1.0 for q in range(n)}
    yield {pauli(n, {q: a, q + 1: a}): 1.0 for q in range(n - 1) for a in "XYZ"}


def pauli(n: int, letters: dict[int, str]) -> str:
    return "".join(letters.get(q, "I") for q in reversed(range(n)))


def ising(n: int, steps: int) -> Iterator[Gate]:
    for _ in range(steps):
        yield from (two("RZZ", q, q + 1, theta=-0.4) for q in range(n - 1))
        yield from (one("RX", q, theta=0.5) for q in range(n))


def heisenberg(n: int, steps: int) -> Iterator[Gate]:
    yield from (one("X", q) for q in range(0, n, 2))
    for _ in range(steps):
        for kind in ("RXX", "RYY", "RZZ"):
            yield from (two(kind, q, q + 1, theta=0.4) for q in range(n - 1))


def qaoa(n: int) -> Iterator[Gate]:
    yield from (one("H", q) for q in range(n))
    for gamma, beta in ((0.4, 0.9), (0.8, 0.5)):
        yield from (two("RZZ", q, (q + 1) % n, theta=gamma) for q in range(n))
        yield from (one("RX", q, theta=2 * beta) for q in range(n))


def ansatz(n: int, layers: int) -> Iterator[Gate]:
    dice = random.Random(n)
    for _ in range(layers):
        yield from (one("RY", q, theta=dice.uniform(0, math.pi / 2)) for q in range(n))
        yield from (two("CZ", q, q + 1) for q in range(n - 1))


def scrambled(n: int, layers: int) -> Iterator[Gate]:
    dice = random.Random(100 + n)
    for _ in range(layers):
        for q in range(n):
            angles = {"theta": dice.uniform(0, 1), "phi": dice.uniform(-3, 3), "lambda": dice.uniform(-3, 3)}
            yield Gate(type="U", targets=(q,), parameters=angles)
        order = dice.sample(range(n), n)
        yield from (two("CNOT", a, b) for a, b in zip(order[::2], order[1::2], strict=False))


def one(kind: str, qubit: int, **angles: float) -> Gate:
    return Gate(type=kind, targets=(qubit,), parameters=angles)


def two(kind: str, a: int, b: int, **angles: float) -> Gate:
    return Gate(type=kind, targets=(a, b), parameters=angles)


def of(n: int, gates: list[Gate]) -> CircuitDefinition:
    return CircuitDefinition.of_gates(n, gates)


if __name__ == "__main__":
    main()
