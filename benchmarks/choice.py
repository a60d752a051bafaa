"""Whether `auto` by fidelity chooses well: the chosen backend and layout against the median candidate.

Each circuit is compiled for several simulated devices, three layouts each, as `"backend": "auto"` does; all of the
candidates are then simulated with their noise, and compared with the exact distribution by Hellinger fidelity.
Run by `make bench-choice`.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from statistics import mean, median

from qiskit.quantum_info import Statevector
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.backends.types import CompiledCircuit
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.build import circuit_of
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine
from ketbase.run.choice import LAYOUTS
from tests.conformance import fourier_state, inverse_fourier, random_circuits

DEVICES = ("fake_fez", "fake_torino", "fake_kyiv", "fake_marrakesh", "fake_sherbrooke", "fake_brisbane")
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
    for name, definition in track(circuits, "choosing", console=console):
        candidates = [
            (backend, compiled, fidelity(definition, compiled))
            for backend in DEVICES
            for compiled in [compile_for(definition, backend, seed) for seed in range(LAYOUTS)]
        ]
        backend, chosen, value = max(candidates, key=lambda each: each[1].estimated_success or 0.0)
        middle = median(each for _, _, each in candidates)
        better += value >= middle
        promised = [compiled.estimated_success or 0.0 for _, compiled, _ in candidates]
        ranks.append(spearmanr(promised, [each for _, _, each in candidates]).statistic)
        best = max(each for _, _, each in candidates)
        success = f"{chosen.estimated_success:.3f}"
        table.add_row(
            name,
            backend,
            success,
            f"{value:.4f}",
            f"{middle:.4f}",
            f"{best:.4f}",
            "yes" if value >= middle else "no",
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


def compile_for(definition: CircuitDefinition, backend: str, seed: int) -> CompiledCircuit:
    return PROVIDER.compile(
        definition, backend=backends()[backend], experiment=Experiment(), seed=seed, optimization_level=2
    )


def fidelity(definition: CircuitDefinition, compiled: CompiledCircuit) -> float:
    """The Hellinger fidelity of noisy counts to the exact distribution."""
    outcome = PROVIDER.execute(
        compiled, backend=backends()[compiled.backend], experiment=Experiment(), shots=SHOTS, seed=1, noise=True
    )
    exact = Statevector(circuit_of(definition)).probabilities_dict()
    counts = outcome.counts[0]
    return sum(math.sqrt(exact.get(bits, 0.0) * shots / SHOTS) for bits, shots in counts.items()) ** 2


PROVIDER = QuantumProviders({"aer": AerEngine})

if __name__ == "__main__":
    main()
