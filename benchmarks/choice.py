"""Whether `auto` by fidelity chooses well: the chosen backend and layout against the median candidate.

Each circuit goes through what `"backend": "auto"` goes through: candidates are found among all simulated devices,
and compiled with several layouts each to choose from. All that was compiled is then simulated with its noise, and
compared with the exact distribution by Hellinger fidelity. Run by `make bench-choice`.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from qiskit.quantum_info import Statevector
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.backends.experiments import Experiment
from ketbase.backends.types import CompiledCircuit
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes
from ketbase.costs.shapes import shape_of
from ketbase.quantum.build import circuit_of
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine
from ketbase.run.candidates import Candidates
from ketbase.run.choice import Chooser
from ketbase.run.choosing import AUTO, Choosing, Constraints
from ketbase.run.types import RunConfig
from ketbase.steps.types import JobCircuit
from tests.conformance import fourier_state, inverse_fourier, random_circuits
from tests.fakes import TurnedClock, backends_of, job_store

SHOTS = 8_000
CLAIM = 0.8
"""In so many of the circuits the choice is to be better than the median candidate."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the circuits")
    arguments = parser.parse_args()
    console = Console(width=110)
    circuits = list(corpus())[:: 3 if arguments.quick else 1]
    table = Table("circuit", "chosen", "promised", "fidelity", "median", "best", "better")
    better, ranks = 0, []
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(Path(folder) / "records.db")
        for name, definition in track(circuits, "choosing", console=console):
            trial = trials.of(definition)
            better += trial.is_better
            ranks.append(spearmanr(trial.promised, trial.fidelities).statistic)
            table.add_row(
                name,
                trial.chosen.backend,
                f"{trial.chosen.estimated_success:.3f}",
                f"{trial.fidelity:.4f}",
                f"{trial.median:.4f}",
                f"{max(trial.fidelities):.4f}",
                "yes" if trial.is_better else "no",
            )
    console.print(table)
    share = better / len(circuits)
    console.print(
        f"better than the median candidate: {better} of {len(circuits)} ({share:.0%}, claimed {CLAIM:.0%}); "
        f"rank correlation of promised success and fidelity among a circuit's candidates: {mean(ranks):.2f} on "
        f"average, {min(ranks):.2f} at least"
    )
    sys.exit(share < CLAIM)


def corpus() -> Iterator[tuple[str, CircuitDefinition]]:
    """Circuits of four to six qubits, exact distributions of which are spread or sharp."""
    for number, definition in enumerate(random_circuits(8)):
        yield f"random {number}", definition
    for number, definition in enumerate(random_circuits(4, n_qubits=4, depth=10)):
        yield f"deep random {number}", definition
    for n in (4, 5, 6):
        gates = [Gate(type="H", targets=(0,)), *(Gate(type="CNOT", targets=(q, q + 1)) for q in range(n - 1))]
        yield f"GHZ {n}", CircuitDefinition.of_gates(n, gates)
        yield f"QFT {n}", CircuitDefinition.of_gates(n, [*fourier_state(n, 3), *inverse_fourier(n)])
        yield f"star {n}", CircuitDefinition.of_gates(n, list(star(n)))


def star(n_qubits: int) -> Iterator[Gate]:
    """One qubit that meets all others, twice."""
    yield Gate(type="H", targets=(0,))
    for turn in range(2):
        for qubit in range(1, n_qubits):
            angle = math.pi / (qubit + turn + 1)
            yield Gate(type="CRY", targets=(0, qubit), parameters={"theta": angle})


class Trial(NamedTuple):
    """What was chosen for a circuit, and all that it was chosen from."""

    chosen: CompiledCircuit
    fidelity: float
    promised: list[float]
    fidelities: list[float]

    @property
    def median(self) -> float:
        return median(self.fidelities)

    @property
    def is_better(self) -> bool:
        return self.fidelity >= self.median


class Compiler(QuantumProviders):
    """Keeps all that it compiles."""

    def __init__(self) -> None:
        super().__init__({"aer": AerEngine})
        self.made: list[CompiledCircuit] = []

    def compile(self, definition: CircuitDefinition, **asked: Any) -> CompiledCircuit:
        self.made.append(super().compile(definition, **asked))
        return self.made[-1]


class Trials:
    """Runs the choice, and then each candidate."""

    def __init__(self, path: Path):
        clock = TurnedClock()
        records = SqliteRecords(path, clock)
        self._quotes = Quotes(Prices.load(None), compute_memory_mb=3_008, control_memory_mb=512)
        self._backends = backends_of(records, job_store(records, clock), self._quotes, clock)
        self._compiler = Compiler()

    def of(self, definition: CircuitDefinition, among: tuple[str, ...] = ()) -> Trial:
        """Choose for a circuit among the simulated devices, or some of them, and simulate all that was compiled."""
        self._compiler.made.clear()
        shape = shape_of(definition)
        choosing = Choosing(constraints=Constraints(backends=among, types=("simulated_device",)))
        candidates, _ = Candidates(self._backends).find(
            definition, choosing, lambda info, trials: self._quotes.run(shape, info, SHOTS, trials=trials)
        )
        config = RunConfig(backend=AUTO, seed=0, shots=SHOTS, choosing=choosing, candidates=candidates)
        circuit = JobCircuit(circuit_id="circuit_tried", definition=definition, source_qasm=None)
        _, chosen = Chooser(self._compiler, self._backends).choose(circuit, config, math.inf)
        fidelities = [self._fidelity(definition, each) for each in self._compiler.made]
        (number,) = [number for number, each in enumerate(self._compiler.made) if each is chosen]
        promised = [each.estimated_success or 0.0 for each in self._compiler.made]
        return Trial(chosen, fidelities[number], promised, fidelities)

    def _fidelity(self, definition: CircuitDefinition, compiled: CompiledCircuit) -> float:
        """The Hellinger fidelity of noisy counts to the exact distribution."""
        backend = self._backends.info(compiled.backend)
        outcome = self._compiler.execute(
            compiled, backend=backend, experiment=Experiment(), shots=SHOTS, seed=1, noise=True
        )
        exact = Statevector(circuit_of(definition)).probabilities_dict()
        counts = outcome.counts[0]
        return sum(math.sqrt(exact.get(bits, 0.0) * shots / SHOTS) for bits, shots in counts.items()) ** 2


if __name__ == "__main__":
    main()
