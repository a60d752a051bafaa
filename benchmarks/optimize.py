"""How good optimised circuits are beside Qiskit's and pytket's: the whole corpus in one run.

Every circuit is compiled by Qiskit at level 3 with five seeds (the ones that our search begins with), by pytket's
passes, and by `optimize` with the given effort; two-qubit gates and depth are of what comes out, in the target's
gates. What `optimize` returns is compared with the circuit that went in.

Run by `make bench-optimize` on an idle machine; it takes ten minutes and more. Ends with 1 where a claim fails.
"""

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from qiskit import transpile
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import Case, corpus
from ketbase.optimize.types import Figures, Verification
from ketbase.quantum.optimization.forms import GATES, own_form
from ketbase.quantum.optimization.optimizer import load, optimize
from ketbase.quantum.optimization.placing import compiled_by_qiskit, figures_of
from ketbase.quantum.optimization.score import is_calibrated
from ketbase.quantum.optimization.subject import subject_of
from ketbase.quantum.optimization.tket import from_tket, to_tket

EFFORT_S = 10.0
SEEDS = range(5)
FEWER = 0.08
"""Claimed: so much fewer gates on two qubits than Qiskit's median, in the geometric mean."""
CERTAIN_QUBITS = 12
"""Claimed: circuits of up to so many qubits are verified."""
VERIFY_S = 60.0
QUICK = 6
"""One in so many circuits is run with `--quick`, one of each family."""

console = Console(width=150)


class Row(NamedTuple):
    """What was measured for one circuit."""

    name: str
    n_qubits: int
    topology: str
    qiskit: list[Figures]
    tket: Figures
    ours: Figures
    winner: str
    verification: Verification
    rejected: int
    seconds: float

    @property
    def median(self) -> float:
        return statistics.median(each.two_qubit_gates for each in self.qiskit)

    @property
    def ratio(self) -> float:
        return self.ours.two_qubit_gates / self.median if self.median else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", type=float, default=EFFORT_S, help="seconds for each circuit")
    parser.add_argument("--quick", action="store_true", help="one circuit of each family only")
    parser.add_argument("--only", default="", help="circuits whose name contains this")
    parser.add_argument("--json", type=Path, help="write what was measured into this file as well")
    arguments = parser.parse_args()
    cases = [case for case in corpus() if arguments.only in case.name]
    if arguments.quick:
        cases = [case for index, case in enumerate(cases) if index % (QUICK + 1) == 0]
    load()
    rows = []
    for number, case in enumerate(cases, 1):
        rows.append(measured(case, arguments.effort))
        console.print(f"{number}/{len(cases)} {_line(rows[-1])}", highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps([_plain(row) for row in rows], indent=1))
    show(rows, arguments.effort)
    sys.exit(0 if claims(rows) else 1)


def measured(case: Case, effort_s: float) -> Row:
    """Compile one circuit in every way."""
    target = case.target
    known = target if is_calibrated(target) else None
    subject = subject_of(case.circuit)
    qiskit = [
        compiled_by_qiskit("qiskit", subject.circuit, target, level=3, seed=seed, n_qubits=case.n_qubits)
        for seed in SEEDS
    ]
    began = time.perf_counter()
    ours = optimize(case.circuit, target, level=3, effort_s=effort_s, seed=SEEDS[0], verify_s=VERIFY_S)
    return Row(
        name=case.name,
        n_qubits=case.n_qubits,
        topology=case.topology,
        qiskit=[figures_of(each.circuit, known) for each in qiskit],
        tket=by_tket(case),
        ours=ours.optimized,
        winner=ours.winner,
        verification=ours.verification,
        rejected=ours.rejected,
        seconds=time.perf_counter() - began - ours.verification.seconds,
    )


def by_tket(case: Case) -> Figures:
    """Compile as pytket's backend for IBM does by default: its level 2, with a placement by the couplings alone.

    Only the gates on single qubits are brought into the target's own by Qiskit, at level 1 and in place.
    """
    from pytket import OpType
    from pytket.architecture import Architecture
    from pytket.passes import (
        AutoRebase,
        CliffordSimp,
        CXMappingPass,
        FullPeepholeOptimise,
        KAKDecomposition,
        NaivePlacementPass,
        SequencePass,
        SynthesiseTket,
    )
    from pytket.placement import GraphPlacement

    form = own_form(subject_of(case.circuit))
    carried = to_tket(transpile(form.circuit, basis_gates=GATES, optimization_level=0))
    passes = [FullPeepholeOptimise()]
    if case.topology != "all-to-all":
        pairs = {tuple(sorted(pair)) for pair in case.target.build_coupling_map().get_edges()}
        device = Architecture(sorted(pairs))
        passes += [
            CXMappingPass(device, GraphPlacement(device), directed_cx=False, delay_measures=False),
            NaivePlacementPass(device),
            KAKDecomposition(allow_swaps=False),
            CliffordSimp(allow_swaps=False),
        ]
    SequencePass([*passes, SynthesiseTket(), AutoRebase({OpType.CX, OpType.Rz, OpType.Rx})]).apply(carried)
    placed = from_tket(carried, {}, case.target.num_qubits)
    placed.measure_all()
    made = transpile(
        placed,
        target=case.target,
        optimization_level=1,
        initial_layout=range(placed.num_qubits),
        routing_method="none",
    )
    return figures_of(made, case.target if is_calibrated(case.target) else None)


# --- The report ---


def claims(rows: list[Row]) -> bool:
    """Say whether each claim holds, and return whether all do."""
    above = [row.name for row in rows if row.ours.two_qubit_gates > row.median]
    fewer = 1 - geometric_mean(rows)
    small = [row for row in rows if row.n_qubits <= CERTAIN_QUBITS]
    unproved = [row.name for row in small if row.verification.status != "equivalent"]
    wrong = [f"{row.rejected} of {row.name}" for row in rows if row.rejected]
    checked = sum(row.verification.status == "equivalent" for row in rows)
    said = [
        (not above, "two-qubit gates never above Qiskit's median of five", ", ".join(above)),
        (fewer >= FEWER, f"at least {FEWER:.0%} fewer in the geometric mean", f"{fewer:.1%} fewer"),
        (
            not unproved,
            f"every circuit up to {CERTAIN_QUBITS} qubits verified",
            f"{len(small) - len(unproved)} of {len(small)}; of all sizes {checked} of {len(rows)}",
        ),
        (not wrong, "no candidate rejected by the verification", ", ".join(wrong)),
    ]
    for holds, claim, detail in said:
        console.print(
            f"{'holds' if holds else 'FAILS'}: {claim}{f' ({detail})' if detail else ''}", highlight=False
        )
    return all(holds for holds, _, _ in said)


def show(rows: list[Row], effort_s: float) -> None:
    table = Table(title=f"Two-qubit gates / depth; {effort_s:g} s of effort for each circuit")
    for column in ("circuit", "qubits", "couplings"):
        table.add_column(column)
    for column in ("Qiskit, median", "best", "pytket", "ours", "ratio", "success, Qiskit", "ours", "s"):
        table.add_column(column, justify="right")
    table.add_column("verified")
    table.add_column("winner")
    for row in rows:
        table.add_row(
            row.name,
            str(row.n_qubits),
            row.topology,
            f"{row.median:g} / {statistics.median(each.depth for each in row.qiskit):g}",
            str(min(each.two_qubit_gates for each in row.qiskit)),
            f"{row.tket.two_qubit_gates} / {row.tket.depth}",
            f"{row.ours.two_qubit_gates} / {row.ours.depth}",
            f"{row.ratio:.3f}",
            _success(statistics.median(each.estimated_success or 0.0 for each in row.qiskit)),
            _success(row.ours.estimated_success),
            f"{row.seconds:.1f}",
            _verified(row.verification),
            row.winner,
        )
    console.print(table)
    for topology in ("line", "heavy-hex", "all-to-all"):
        some = [row for row in rows if row.topology == topology]
        if some:
            console.print(f"{topology}: {1 - geometric_mean(some):.1%} fewer two-qubit gates", highlight=False)
    beside = [math.log(max(row.tket.two_qubit_gates, 1) / max(row.median, 1)) for row in rows]
    console.print(
        f"pytket against Qiskit's median: a factor of {math.exp(statistics.mean(beside)):.3f}", highlight=False
    )
    known = [row for row in rows if row.ours.estimated_success]
    if known:
        gains = [
            math.log(row.ours.estimated_success / statistics.median(each.estimated_success for each in row.qiskit))
            for row in known
        ]
        console.print(
            f"estimated success against Qiskit's median: a factor of {math.exp(statistics.mean(gains)):.2f}",
            highlight=False,
        )


def geometric_mean(rows: list[Row]) -> float:
    """Return the geometric mean of our gates over Qiskit's median."""
    return math.exp(statistics.mean(math.log(max(row.ratio, 1e-9)) for row in rows))


def _success(probability: float | None) -> str:
    return f"{probability:.3f}" if probability else ""


def _verified(verification: Verification) -> str:
    if verification.status != "equivalent":
        return verification.status.replace("_", " ")
    return f"{verification.method}, {verification.seconds:.1f} s"


def _line(row: Row) -> str:
    return (
        f"{row.name}: {row.median:g} → {row.ours.two_qubit_gates} ({row.ratio:.3f}), "
        f"{row.winner}, {_verified(row.verification)}"
    )


def _plain(row: Row) -> dict[str, Any]:
    return {
        **row._asdict(),
        "qiskit": [each.model_dump() for each in row.qiskit],
        "tket": row.tket.model_dump(),
        "ours": row.ours.model_dump(),
        "verification": row.verification.model_dump(),
    }


if __name__ == "__main__":
    main()
