"""The circuits that the compiler is measured on: eight families, 5 to 30 qubits, on three kinds of device.

Every circuit is one that can be posted: it goes through `CircuitDefinition`, so gates of more than three qubits are
already expanded when a compiler sees it. Everything random has a fixed seed.
"""

import math
import random
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

import networkx as nx
from qiskit.circuit import QuantumCircuit, QuantumRegister
from qiskit.circuit.library import (
    PauliEvolutionGate,
    efficient_su2,
    grover_operator,
    qaoa_ansatz,
    quantum_volume,
)
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import SparsePauliOp
from qiskit.synthesis import (
    SuzukiTrotter,
    adder_qft_d00,
    adder_ripple_c04,
    adder_ripple_v95,
    synth_qft_full,
)
from qiskit.transpiler import CouplingMap, Target

from ketbase.circuits.types import CircuitDefinition
from ketbase.quantum import devices
from ketbase.quantum.build import circuit_of
from ketbase.quantum.describe import definition_of

type Topology = Literal["line", "heavy-hex", "all-to-all"]

HEAVY_HEX = "fake_fez"
"""The calibrated device that stands for heavy-hex."""
BASIS = ["rz", "sx", "x", "cx", "measure", "delay"]
"""The gates of the devices without calibration."""


class Case(NamedTuple):
    """A circuit, and the kind of device that it is compiled for.

    Attributes:
        name: family and shape, such as `qft-8`.
        family: one of the eight.
        definition: as posted, without measurements.
        topology: which qubits may interact.
    """

    name: str
    family: str
    definition: CircuitDefinition
    topology: Topology

    @property
    def n_qubits(self) -> int:
        return self.definition.n_qubits

    @property
    def circuit(self) -> QuantumCircuit:
        return circuit_of(self.definition)

    @property
    def target(self) -> Target:
        return target_of(self.topology, self.n_qubits)


@cache
def target_of(topology: Topology, n_qubits: int) -> Target:
    """Return a line or a complete graph of exactly that many qubits, or the heavy-hex device as a whole."""
    if topology == "heavy-hex":
        return devices.usable(HEAVY_HEX)
    coupling = CouplingMap.from_line(n_qubits) if topology == "line" else CouplingMap.from_full(n_qubits)
    return Target.from_configuration(BASIS, num_qubits=n_qubits, coupling_map=coupling)


def corpus() -> Iterator[Case]:
    """Yield the circuits, each family in turn; each has six, two for every kind of device."""
    for family, shapes in FAMILIES.items():
        for index, (shape, circuit) in enumerate(shapes):
            topology: Topology = ("line", "heavy-hex", "all-to-all")[index % 3]
            yield Case(f"{family}-{shape}", family, definition_of(circuit()), topology)


def small(most: int = 8) -> Iterator[Case]:
    """Yield the circuits that a noisy simulation is quick for."""
    return (case for case in corpus() if case.n_qubits <= most)


# --- The families ---


def qft(n: int) -> QuantumCircuit:
    return synth_qft_full(n, do_swaps=True)


def qaoa(graph: nx.Graph, layers: int) -> QuantumCircuit:
    """Max-cut on a graph, with weights where it has some."""
    n = graph.number_of_nodes()
    terms = [("ZZ", [a, b], weight) for a, b, weight in graph.edges.data("weight", default=1.0)]
    ansatz = qaoa_ansatz(SparsePauliOp.from_sparse_list(terms, n), reps=layers)
    dice = random.Random(n)
    return _bound(ansatz.decompose(reps=3), dice)


def regular(n: int, degree: int = 3) -> nx.Graph:
    return nx.random_regular_graph(degree, n, seed=11)


def weighted_complete(n: int) -> nx.Graph:
    """The Sherrington–Kirkpatrick model: every pair, with a random weight."""
    dice = random.Random(n)
    graph = nx.complete_graph(n)
    for a, b in graph.edges:
        graph[a][b]["weight"] = dice.gauss(0, 1)
    return graph


def two_local(n: int, entanglement: str, reps: int) -> QuantumCircuit:
    return _bound(efficient_su2(n, entanglement=entanglement, reps=reps), random.Random(n))


def any_gates(n: int, depth: int) -> QuantumCircuit:
    return random_circuit(n, depth, max_operands=3, seed=n)


def pair_layers(n: int, depth: int) -> QuantumCircuit:
    """The circuits of quantum volume: layers of random two-qubit unitaries on random pairs."""
    return quantum_volume(n, depth, seed=n).decompose()


def cuccaro(bits: int) -> QuantumCircuit:
    return adder_ripple_c04(bits, "half").decompose()


def vedral(bits: int) -> QuantumCircuit:
    return adder_ripple_v95(bits, "fixed").decompose()


def draper(bits: int) -> QuantumCircuit:
    return adder_qft_d00(bits, "fixed").decompose()


def grover(n: int, iterations: int) -> QuantumCircuit:
    """Search for one marked bitstring."""
    oracle = QuantumCircuit(n)
    marked = random.Random(n).getrandbits(n)
    zeros = [q for q in range(n) if not marked >> q & 1]
    if zeros:
        oracle.x(zeros)
    oracle.mcp(math.pi, list(range(n - 1)), n - 1)
    if zeros:
        oracle.x(zeros)
    circuit = QuantumCircuit(n)
    circuit.h(range(n))
    operator = grover_operator(oracle)
    for _ in range(iterations):
        circuit.compose(operator, inplace=True)
    return circuit


def trotter(terms: list[tuple[str, list[int], float]], n: int, steps: int, order: int = 1) -> QuantumCircuit:
    """Time evolution under a sum of Pauli terms by a product formula."""
    formula = SuzukiTrotter(order=order, reps=steps) if order > 1 else SuzukiTrotter(order=1, reps=steps)
    evolution = PauliEvolutionGate(SparsePauliOp.from_sparse_list(terms, n), time=0.7, synthesis=formula)
    circuit = QuantumCircuit(n)
    circuit.append(evolution, range(n))
    return circuit.decompose(reps=2)


def ising(edges: list[tuple[int, int]], n: int) -> list[tuple[str, list[int], float]]:
    return [("ZZ", [a, b], 1.0) for a, b in edges] + [("X", [q], 0.8) for q in range(n)]


def heisenberg(edges: list[tuple[int, int]], n: int) -> list[tuple[str, list[int], float]]:
    pairs = [(kind, [a, b], 1.0) for kind in ("XX", "YY", "ZZ") for a, b in edges]
    return pairs + [("Z", [q], 0.3 + 0.1 * q) for q in range(n)]


def ring(n: int) -> list[tuple[int, int]]:
    return [(q, (q + 1) % n) for q in range(n)]


def grid(rows: int, columns: int) -> list[tuple[int, int]]:
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, columns), ordering="sorted")
    return list(graph.edges)


def hopping(n: int) -> list[tuple[str, list[int], float]]:
    """Two spin chains of a Fermi–Hubbard ring under Jordan–Wigner: the closing bond carries a string of Z."""
    sites = n // 2
    terms: list[tuple[str, list[int], float]] = []
    for spin in (0, sites):
        for site in range(sites):
            a, b = sorted((spin + site, spin + (site + 1) % sites))
            string = list(range(a + 1, b))
            for end in "XY":
                terms.append((end + "Z" * len(string) + end, [a, *string, b], 0.5))
    terms += [("ZZ", [site, sites + site], 1.0) for site in range(sites)]
    return terms


def random_terms(n: int, count: int, weight: int) -> list[tuple[str, list[int], float]]:
    """Random Pauli terms, as a molecule's Hamiltonian looks to a compiler."""
    dice = random.Random(n)
    return [
        ("".join(dice.choices("XYZ", k=weight)), sorted(dice.sample(range(n), weight)), dice.uniform(-1, 1))
        for _ in range(count)
    ]


def ghz(n: int, shape: str) -> QuantumCircuit:
    """From one qubit outwards (`star`), from neighbour to neighbour (`chain`), or by doubling (`tree`)."""
    circuit = QuantumCircuit(QuantumRegister(n, "q"))
    circuit.h(0)
    for q in range(1, n):
        parent = {"star": 0, "chain": q - 1, "tree": (q - 1) // 2}[shape]
        circuit.cx(parent, q)
    return circuit


def _bound(circuit: QuantumCircuit, dice: random.Random) -> QuantumCircuit:
    return circuit.assign_parameters([dice.uniform(-math.pi, math.pi) for _ in circuit.parameters])


FAMILIES = {
    "qft": [
        ("5", lambda: qft(5)),
        ("8", lambda: qft(8)),
        ("10", lambda: qft(10)),
        ("16", lambda: qft(16)),
        ("12", lambda: qft(12)),
        ("24", lambda: qft(24)),
    ],
    "qaoa": [
        ("3regular-8", lambda: qaoa(regular(8), 2)),
        ("3regular-12", lambda: qaoa(regular(12), 2)),
        ("complete-8", lambda: qaoa(weighted_complete(8), 1)),
        ("complete-10", lambda: qaoa(weighted_complete(10), 1)),
        ("3regular-20", lambda: qaoa(regular(20), 1)),
        ("3regular-30", lambda: qaoa(regular(30), 2)),
    ],
    "su2": [
        ("circular-8", lambda: two_local(8, "circular", 3)),
        ("linear-12", lambda: two_local(12, "linear", 3)),
        ("full-6", lambda: two_local(6, "full", 2)),
        ("full-10", lambda: two_local(10, "full", 2)),
        ("circular-20", lambda: two_local(20, "circular", 2)),
        ("sca-30", lambda: two_local(30, "sca", 3)),
    ],
    "random": [
        ("5x20", lambda: any_gates(5, 20)),
        ("8x12", lambda: any_gates(8, 12)),
        ("10x12", lambda: any_gates(10, 12)),
        ("volume-12", lambda: pair_layers(12, 12)),
        ("volume-16", lambda: pair_layers(16, 8)),
        ("20x12", lambda: any_gates(20, 12)),
    ],
    "adder": [
        ("cuccaro-3", lambda: cuccaro(3)),
        ("draper-3", lambda: draper(3)),
        ("vedral-3", lambda: vedral(3)),
        ("cuccaro-7", lambda: cuccaro(7)),
        ("vedral-5", lambda: vedral(5)),
        ("draper-10", lambda: draper(10)),
    ],
    "grover": [
        ("5", lambda: grover(5, 2)),
        ("6", lambda: grover(6, 1)),
        ("7", lambda: grover(7, 2)),
        ("8", lambda: grover(8, 1)),
        ("7x1", lambda: grover(7, 1)),
        ("9", lambda: grover(9, 1)),
    ],
    "trotter": [
        ("ising-ring-10", lambda: trotter(ising(ring(10), 10), 10, 3)),
        ("heisenberg-ring-6", lambda: trotter(heisenberg(ring(6), 6), 6, 2, order=2)),
        ("hubbard-8", lambda: trotter(hopping(8), 8, 2)),
        ("ising-grid-16", lambda: trotter(ising(grid(4, 4), 16), 16, 2)),
        ("molecule-10", lambda: trotter(random_terms(10, 40, 4), 10, 1)),
        ("heisenberg-grid-25", lambda: trotter(heisenberg(grid(5, 5), 25), 25, 1)),
    ],
    "ghz": [
        ("chain-12", lambda: ghz(12, "chain")),
        ("star-7", lambda: ghz(7, "star")),
        ("tree-15", lambda: ghz(15, "tree")),
        ("chain-30", lambda: ghz(30, "chain")),
        ("star-16", lambda: ghz(16, "star")),
        ("star-5", lambda: ghz(5, "star")),
    ],
}
