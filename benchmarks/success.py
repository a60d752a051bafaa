"""How good the estimated success is: predicted beside simulated, over small circuits on simulated devices.

Every circuit of 5 to 8 qubits of the corpus is compiled for several devices at two levels and simulated exactly
with the device's calibrated noise: as Ketbase runs it, and with relaxation while qubits wait as well. The estimate
is compared with the weight of the ideal distribution in the noisy one (what is left of it above the uniform
distribution; for one certain outcome this is its probability), and with the Hellinger fidelity that a mixture of
the ideal and the uniform distribution of that weight has.

Run by `make bench-success`; it takes some minutes.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Delay, QuantumCircuit
from qiskit.quantum_info import Statevector
from qiskit.transpiler import PassManager, Target
from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay
from qiskit_aer import AerSimulator
from qiskit_aer.noise import RelaxationNoisePass
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.corpus import Case, small
from ketbase.quantum import devices
from ketbase.quantum.describe import steps
from ketbase.quantum.optimization.placing import compiled_by_qiskit
from ketbase.quantum.optimization.score import estimated_success
from ketbase.quantum.programs import restricted, touched

DEVICES = ("fake_fez", "fake_torino", "fake_aachen", "fake_sherbrooke", "fake_kyiv", "fake_brisbane")
LEVELS = (1, 3)
MAX_QUBITS = 9
"""More qubits than so many, routing included, are not simulated."""
MAX_GATES = 1_500
SHOTS = 40_000
FLAT = 1e-3
"""Distributions that are nearer to the uniform one tell nothing."""
RANKS, BIAS = 0.95, 0.05
"""What is claimed: the rank correlation at least, and the mean difference at most."""

console = Console(width=120)


class Point(NamedTuple):
    """One compiled circuit: what was predicted, and what was simulated."""

    predicted: float
    weight: float
    predicted_fidelity: float
    fidelity: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two devices only")
    arguments = parser.parse_args()
    backends = DEVICES[:2] if arguments.quick else DEVICES
    points: dict[bool, list[Point]] = {False: [], True: []}
    cases = list(small())
    for case in track(cases, console=console, description="simulating"):
        for idle, point in simulated(case, backends):
            points[idle].append(point)
    said = [report(points[idle], idle=idle) for idle in points]
    sys.exit(0 if all(said) else 1)


def simulated(case: Case, backends: tuple[str, ...]) -> Iterator[tuple[bool, Point]]:
    """Compile one circuit in several ways; yield whether waiting was noisy, and the figures."""
    measured = case.circuit.measure_all(inplace=False)
    ideal = Statevector(case.circuit).probabilities()
    if np.abs(ideal - 1 / len(ideal)).sum() < FLAT:
        return
    for backend in backends:
        target = devices.usable(backend)
        for level in LEVELS:
            circuit = compiled_by_qiskit(
                "qiskit", measured, target, level=level, seed=5, n_qubits=case.n_qubits
            ).circuit
            if len(touched(circuit)) > MAX_QUBITS or circuit.size() > MAX_GATES:
                continue
            for idle in (False, True):
                predicted = estimated_success(circuit, target, idle=idle)
                noisy = distribution(circuit, backend, target, idle=idle)
                yield (
                    idle,
                    Point(
                        predicted=predicted,
                        weight=weight_of(ideal, noisy),
                        predicted_fidelity=hellinger(ideal, predicted * ideal + (1 - predicted) / len(ideal)),
                        fidelity=hellinger(ideal, noisy),
                    ),
                )


def distribution(circuit: QuantumCircuit, backend: str, target: Target, *, idle: bool) -> NDArray[np.float64]:
    """Simulate a compiled circuit with its device's noise."""
    active = touched(circuit)
    uses = [(operation.name, where) for operation, where, _ in steps(circuit) if operation.name != "barrier"]
    noise = devices.noise_of(backend, [(name, where) for name, where in uses if where])
    if idle:
        circuit = PassManager([ALAPScheduleAnalysis(target=target), PadDelay(target=target)]).run(circuit)
    circuit = restricted(circuit, active)
    if idle:
        qubits = [target.qubit_properties[qubit] for qubit in active]
        relax = RelaxationNoisePass(
            [qubit.t1 for qubit in qubits],
            [min(qubit.t2, 2 * qubit.t1) for qubit in qubits],
            dt=target.dt,
            op_types=[Delay],
        )
        circuit = relax(circuit)
    simulator = AerSimulator(method="density_matrix", noise_model=noise)
    counts = simulator.run(circuit, shots=SHOTS, seed_simulator=1).result().get_counts()
    found = np.zeros(2**circuit.num_clbits)
    for outcome, times in counts.items():
        found[int(outcome, 2)] = times / SHOTS
    return found


def weight_of(ideal: NDArray[np.float64], noisy: NDArray[np.float64]) -> float:
    """Return the weight of the ideal distribution in a mixture with the uniform one, by least squares."""
    uniform = 1 / len(ideal)
    above = ideal - uniform
    return float(above @ (noisy - uniform) / (above @ above))


def hellinger(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the Hellinger fidelity of two distributions."""
    return float(np.sqrt(one * other).sum() ** 2)


def report(points: list[Point], *, idle: bool) -> bool:
    """Print how well predictions and simulations agree; return whether that is as claimed."""
    title = "relaxation while waiting" if idle else "no noise while waiting, as Ketbase simulates"
    table = Table(title=f"{title}: {len(points)} compiled circuits")
    for column in ("", "rank correlation", "bias", "mean distance", "simulated, mean"):
        table.add_column(column, justify="right" if column else "left")
    good = True
    for name, pairs in (
        ("weight of the ideal outcome", [(point.predicted, point.weight) for point in points]),
        ("Hellinger fidelity", [(point.predicted_fidelity, point.fidelity) for point in points]),
    ):
        predicted, found = np.array(pairs).T
        ranks = float(spearmanr(predicted, found).statistic)
        bias = float((predicted - found).mean())
        distance = float(np.abs(predicted - found).mean())
        table.add_row(name, f"{ranks:.3f}", f"{bias:+.3f}", f"{distance:.3f}", f"{found.mean():.3f}")
        good &= ranks >= RANKS and abs(bias) <= BIAS
    console.print(table)
    verdict = "holds" if good else "FAILS"
    console.print(f"{verdict}: rank correlation at least {RANKS}, bias within ±{BIAS}", highlight=False)
    return good


if __name__ == "__main__":
    main()
