"""A search for the layout and the swaps that cost a circuit the fewest gates on a machine's couplings."""

import math
import random
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from qiskit.circuit import ParameterExpression, QuantumCircuit
from qiskit.circuit.library import SwapGate, UnitaryGate
from qiskit.transpiler import CouplingMap, Target

from ketbase.quantum.optimization.forms import Form
from ketbase.quantum.optimization.interactions import Integers, Interactions, Reals, interactions_of
from ketbase.quantum.optimization.kernels import (
    NO_ROUTE,
    SWAP_ITEM,
    Map,
    Rule,
    Tape,
    Work,
    route,
    tape_for,
)
from ketbase.quantum.optimization.score import kept

PRICES = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
FORESIGHTS = (0.2, 0.5, 1.0)
HORIZONS = (10, 20, 40)
POWERS = (1.0, 1.0, 0.7, 0.5)
NOISES = (0.001, 0.05, 0.2)

_KEPT = 12
"""How many of the best routes are remembered."""
_PARENTS = 6
"""From how many of these new layouts are made."""
_FRESH = 0.15
"""How often a layout is drawn afresh."""
_PROVEN = 0.5
"""How often the rule of one of the best routes is taken, and not one drawn afresh."""
_TURNS = 4
"""How often a fresh layout is carried to the circuit's end and back."""
_TURNS_PER_GATE = 1.5
"""How many turns of either qubit come with a gate on two."""
_STRETCH = 1.5
"""How much longer a gate is with the turns beside it."""
_MAX_ERROR = 0.999
_HOPELESS = 1.1
"""A route that costs this times the worst parent is given up."""

_LOCAL = threading.local()


class Prices(NamedTuple):
    """What a machine's calibration makes the router pay: `toll`, `fee` and `rent` of a `Map`."""

    toll: Reals
    fee: Reals
    rent: Reals


class Couplings:
    """What a target's couplings are to the search: a map, and the largest part that hangs together.

    Args:
        target: the machine.
        prices: what gates, ends and waiting cost; `None` where every gate costs the same, and nothing else does.
    """

    def __init__(self, target: Target, *, prices: Prices | None = None):
        n_qubits = target.num_qubits
        neighbours = _neighbours(target)
        widest = max((len(each) for each in neighbours), default=0)
        prices = prices or Prices(np.ones((n_qubits, n_qubits)), np.zeros(n_qubits), np.zeros(n_qubits))
        self.neighbours = neighbours
        self.map = Map(
            distance=np.array([_distances(start, neighbours) for start in range(n_qubits)], dtype=np.int64),
            neighbours=np.array([each + [-1] * (max(widest, 1) - len(each)) for each in neighbours]),
            degree=np.array([len(each) for each in neighbours], dtype=np.int64),
            **prices._asdict(),
        )
        reach = self.map.distance < n_qubits
        self.connected = [int(qubit) for qubit in np.flatnonzero(reach[np.argmax(reach.sum(axis=1))])]
        self.complete = bool((self.map.distance <= 1).all())


class Route(NamedTuple):
    """A way to place a circuit; the same route is found again from these.

    Attributes:
        cost: CX gates of all blocks; on a calibrated machine what they, waiting, and the measurements cost.
        layout: the physical qubit that each of the circuit's qubits starts on.
    """

    cost: float
    layout: tuple[int, ...]
    seed: int
    rule: Rule


class Router:
    """Looks for ever cheaper routes of one circuit, for as long as it is asked to.

    Fresh layouts are drawn at random on a connected patch and carried to the circuit's end and back, which settles
    them (SABRE, arXiv:1809.02573); good ones are varied, a qubit or three at a time.

    Args:
        form: what to route. Free parameters stand for numbers nobody would guess: nothing relies on their values.
        couplings: of the machine.
        seed: of all that is random.
        layouts: to start with; those outside the couplings' largest connected part are left out.

    Raises:
        ValueError: that part is too small for the circuit.
    """

    def __init__(self, form: Form, couplings: Couplings, *, seed: int, layouts: Iterable[tuple[int, ...]] = ()):
        self.form = form
        self._circuit = circuit = form.circuit
        if circuit.num_qubits > len(couplings.connected):
            raise ValueError(f"{circuit.num_qubits} qubits, but only {len(couplings.connected)} hang together")
        self._couplings = couplings
        self._dice = random.Random(seed)
        numbers = {parameter: self._dice.uniform(0.3, 1.2) for parameter in circuit.parameters}
        self._interactions = interactions_of(circuit.assign_parameters(numbers), merge=not numbers)
        self._forwards = _work(self._interactions)
        self._backwards = _work(self._interactions.backwards())
        self._starts = [layout for layout in layouts if set(layout) <= set(couplings.connected)]
        self._best: list[Route] = []
        self.tried = 0

    @property
    def best(self) -> Route | None:
        """The cheapest route so far."""
        return self._best[0] if self._best else None

    def search(self, seconds: float) -> None:
        """Try layouts for that long, and one at least."""
        end = time.perf_counter() + seconds
        while True:
            if self._starts:
                self._settle(self._starts.pop(), end)
            elif len(self._best) < _PARENTS or self._dice.random() < _FRESH:
                self._settle(self._patch(), end)
            else:
                self._try(self._varied(self._dice.choice(self._best[:_PARENTS]).layout), bound=self._bound())
            if time.perf_counter() >= end:
                return

    def circuit_of(self, found: Route) -> tuple[QuantumCircuit, tuple[int, ...]]:
        """Write a route as a circuit on physical qubits, and say where each of the circuit's qubits ends up.

        Blocks are `UnitaryGate`s, to be expressed in the target's gates; a circuit with free parameters keeps its
        own gates.
        """
        places = np.array(found.layout, dtype=np.int64)
        tape = self._tape()
        cost = route(found.seed, self._forwards, self._couplings.map, found.rule, NO_ROUTE, places, tape)
        if cost != found.cost:
            raise RuntimeError(f"a route that cost {found.cost} costs {cost} now")
        ends = tuple(int(place) for place in places)
        write = self._in_own_gates if self._circuit.parameters else self._in_blocks
        return write(found.layout, ends, tape), ends

    def _settle(self, layout: tuple[int, ...], end: float) -> None:
        for _ in range(_TURNS):
            ends = self._try(layout, bound=NO_ROUTE)
            if ends is None or time.perf_counter() >= end:
                return
            route(self._seed(), self._backwards, self._couplings.map, self._rule(), NO_ROUTE, ends, self._tape())
            layout = tuple(int(place) for place in ends)

    def _try(self, layout: tuple[int, ...], *, bound: float) -> Integers | None:
        self.tried += 1
        seed, rule, places = self._seed(), self._rule(), np.array(layout, dtype=np.int64)
        cost = route(seed, self._forwards, self._couplings.map, rule, bound, places, self._tape())
        if cost >= bound:
            return None
        if all(cost < known.cost or layout != known.layout for known in self._best):
            self._best = sorted([*self._best, Route(cost, layout, seed, rule)], key=lambda each: each.cost)[:_KEPT]
        return places

    def _bound(self) -> float:
        return _HOPELESS * self._best[min(_PARENTS, len(self._best)) - 1].cost + 1

    def _patch(self) -> tuple[int, ...]:
        """Draw a layout on a random connected patch."""
        patch = [self._dice.choice(self._couplings.connected)]
        for qubit in patch:
            fresh = [each for each in self._couplings.neighbours[qubit] if each not in patch]
            patch += self._dice.sample(fresh, len(fresh))
            if len(patch) >= self._circuit.num_qubits:
                break
        return tuple(self._dice.sample(patch[: self._circuit.num_qubits], self._circuit.num_qubits))

    def _varied(self, layout: tuple[int, ...]) -> tuple[int, ...]:
        varied = list(layout)
        for _ in range(self._dice.choice((0, 1, 1, 2, 3))):
            qubit = self._dice.randrange(len(varied))
            near = self._dice.random() < 0.7
            place = self._dice.choice(self._couplings.neighbours[varied[qubit]] if near else varied)
            if place in varied:
                varied[varied.index(place)] = varied[qubit]
            varied[qubit] = place
        return tuple(varied)

    def _seed(self) -> int:
        return self._dice.getrandbits(31)

    def _rule(self) -> Rule:
        choose = self._dice.choice
        if self._best and self._dice.random() < _PROVEN:
            return choose(self._best).rule
        return Rule(choose(PRICES), choose(FORESIGHTS), choose(HORIZONS), choose(POWERS), choose(NOISES))

    def _tape(self) -> Tape:
        """Return the thread's tape; nothing on it outlives the next route."""
        size = len(self._interactions.pairs)
        if getattr(_LOCAL, "size", -1) < size:
            _LOCAL.tape, _LOCAL.size = tape_for(size), size
        tape: Tape = _LOCAL.tape
        return tape

    def _in_blocks(self, layout: tuple[int, ...], ends: tuple[int, ...], tape: Tape) -> QuantumCircuit:
        del layout
        placed = QuantumCircuit(len(self._couplings.neighbours), global_phase=self._circuit.global_phase)
        for block in _blocks(tape):
            placed.append(UnitaryGate(tape.matrices[block]), tape.pair[block].tolist())
        for qubit, end in enumerate(ends):
            placed.append(UnitaryGate(self._interactions.closing[qubit]), [end])
        return placed

    def _in_own_gates(self, layout: tuple[int, ...], ends: tuple[int, ...], tape: Tape) -> QuantumCircuit:
        """Replay the circuit's gates in the new order.

        Where two gates that commute changed places, what stood between them on a qubit is undone and done again.
        """
        placed = QuantumCircuit(len(self._couplings.neighbours), global_phase=self._circuit.global_phase)
        singles: list[list[ParameterExpression]] = [[] for _ in layout]
        pairs = []
        for instruction in self._circuit.data:
            where = [self._circuit.find_bit(qubit).index for qubit in instruction.qubits]
            if len(where) == 1:
                singles[where[0]].append(instruction.operation)
            else:
                pairs.append((instruction.operation, where, [len(singles[qubit]) for qubit in where]))
        place, done = list(layout), [0] * len(layout)

        def catch_up(qubit: int, goal: int) -> None:
            for index in range(done[qubit], goal):
                placed.append(singles[qubit][index], [place[qubit]])
            for index in reversed(range(goal, done[qubit])):
                placed.append(singles[qubit][index].inverse(), [place[qubit]])
            done[qubit] = goal

        for block in _blocks(tape):
            for item in _items(block, tape):
                if item == SWAP_ITEM:
                    ours = tape.pair[block].tolist()
                    placed.append(SwapGate(), ours)
                    place = [ours[1 - ours.index(each)] if each in ours else each for each in place]
                    continue
                operation, where, positions = pairs[item]
                for qubit, position in zip(where, positions, strict=True):
                    catch_up(qubit, position)
                placed.append(operation, [place[qubit] for qubit in where])
        for qubit in range(len(layout)):
            catch_up(qubit, len(singles[qubit]))
        if tuple(place) != ends:
            raise RuntimeError("the swaps do not lead where the route ends")
        return placed


def _blocks(tape: Tape) -> Iterator[int]:
    return (block for block in range(tape.length[0]) if tape.alive[block])


def _items(block: int, tape: Tape) -> list[int]:
    """Return what a block was made of, the first first."""
    items = []
    while block >= 0:
        block, item = tape.made_of[block].tolist()
        items.append(item)
    return items[::-1]


def rehearse() -> None:
    """Have the inner loop compiled, or loaded from its cache."""
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    target = Target.from_configuration(["cx"], num_qubits=3, coupling_map=CouplingMap.from_line(3))
    Router(Form("rehearsal", circuit, (0, 1, 2)), Couplings(target), seed=0).search(0.0)


def _work(interactions: Interactions) -> Work:
    return Work(interactions.pairs, interactions.matrices, interactions.axes, *interactions.order())


def prices_of(target: Target, *, idle: bool) -> Prices:
    r"""Return what a calibrated machine makes the router pay.

    Each price is :math:`-\log` of what a gate with the turns beside it, a readout, or waiting leaves of the
    success, as in `score`, in units of the mean toll.
    """
    neighbours = _neighbours(target)
    n_qubits = len(neighbours)
    losses: dict[tuple[int, ...], float] = {}
    lengths: list[float] = []
    fee = np.zeros(n_qubits)
    for name, where in target.items():
        for qubits, properties in where.items():
            if qubits is None or properties is None or properties.error is None:
                continue
            loss = -math.log1p(-min(properties.error, _MAX_ERROR))
            if name == "measure":
                fee[qubits[0]] = loss
            elif name != "reset" and loss > 0:
                key = tuple(sorted(qubits))
                losses[key] = min(loss, losses.get(key, loss))
                lengths += [properties.duration] if len(qubits) == 2 and properties.duration else []
    toll = np.zeros((n_qubits, n_qubits))
    for first, others in enumerate(neighbours):
        for second in others:
            turns = sum(losses.get((qubit,), 0.0) for qubit in (first, second))
            toll[first, second] = (
                losses.get((min(first, second), max(first, second)), 0.0) + _TURNS_PER_GATE * turns
            )
    wait = _STRETCH * sum(lengths) / len(lengths) if lengths and idle else 0.0
    rent = np.array([-math.log(kept(wait, qubit, target)) for qubit in range(n_qubits)])
    unit = float(toll[toll > 0].mean()) if (toll > 0).any() else 1.0
    return Prices(toll / unit, fee / unit, rent / unit)


def _neighbours(target: Target) -> list[list[int]]:
    n_qubits = target.num_qubits
    coupling = target.build_coupling_map()
    pairs = combinations(range(n_qubits), 2) if coupling is None else coupling.get_edges()
    neighbours: list[list[int]] = [[] for _ in range(n_qubits)]
    for first, second in sorted({(min(pair), max(pair)) for pair in pairs}):
        neighbours[first].append(second)
        neighbours[second].append(first)
    return neighbours


def _distances(start: int, neighbours: list[list[int]]) -> list[int]:
    """Return how far every qubit is from one; the number of qubits where there is no way."""
    distances = [len(neighbours)] * len(neighbours)
    distances[start] = 0
    frontier = [start]
    for qubit in frontier:
        for other in neighbours[qubit]:
            if other != start and distances[other] == len(neighbours):
                distances[other] = distances[qubit] + 1
                frontier.append(other)
    return distances
