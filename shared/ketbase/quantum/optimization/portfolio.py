"""An anytime search among many ways to compile one circuit for one target.

It begins with what Qiskit makes of the circuit under five seeds, and never returns more gates on two qubits than
the middle one of these has. The rest of the time goes to forms of the circuit (`forms`, `tket`, `paulis`,
`windows`) and to ways to place them (`routing`), the promising ones first.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import NamedTuple

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from ketbase.quantum.optimization import paulis, tket, windows
from ketbase.quantum.optimization.forms import Form, own_form, qiskit_form, tidied, two_qubit_gates
from ketbase.quantum.optimization.placing import (
    BEST_LEVEL,
    Candidate,
    Finisher,
    compiled_by_qiskit,
    respects,
)
from ketbase.quantum.optimization.routing import Couplings, Route, Router, prices_of
from ketbase.quantum.optimization.score import estimated_success
from ketbase.quantum.optimization.subject import Subject

QISKIT_SEEDS = 5
"""How often Qiskit alone is asked, whatever the time."""
DISCOUNTS = (0.7, 0.9, 0.99, 0.5, 0.95, 0.3)
"""How far the synthesis of Pauli gadgets looks ahead; the first ones are tried first."""
THREADS = 2

_KEPT = 8
"""How many candidates may be asked for in the end."""
_SLICE = 1 / 60
"""Share of the time that one round of routing takes."""
_REWRITING = 0.2
"""Share of the rounds that look for better forms, where there is routing to do as well."""
_POLISHING = 0.04
"""Share of the time that is left for the last touches."""
_WORST = (1.0, math.inf, math.inf)
_DARING = 0.4
"""How likely the next best router is preferred to a better one."""
# What the steps take for each gate on two qubits, in seconds; measured on a core of a busy server, to 1,200 gates.
_CLIFFORD_S = 0.001
_GADGETS_S = 0.002
_PEEPHOLE_S = 0.013
_NETWORK_CUBED_S = 1e-8
_PEEPHOLE_SHARE = 1 / 6
"""The slowest of the steps gets no more than that share of the time that is left."""
_MAX_PEEPHOLE = 20
"""Gates on two qubits in a window, at most, for that step."""

_LOG = logging.getLogger(__name__)


class Found(NamedTuple):
    """The candidates that are worth a look, best first, and how many were compared."""

    candidates: list[Candidate]
    compared: int


def search(
    subject: Subject, target: Target, *, effort_s: float, seed: int, calibrated: bool, idle: bool = True
) -> Found:
    """Look for the best circuit for as long as may be.

    With the same seed the same candidates come up in the same order; how many come up depends on the clock. One
    step that has begun is not cut off, so the time may be exceeded by one of Qiskit's compilations.

    Args:
        subject: what to compile.
        target: for which machine; its dead couplers are taken out.
        effort_s: wall seconds. Qiskit's five seeds are run even if they take longer.
        seed: of all that is random.
        calibrated: whether the estimated success decides; else the gates on two qubits and then the depth.
        idle: whether waiting counts in the estimate.

    Raises:
        QiskitError: Qiskit itself cannot compile the circuit.
    """
    clock = _Clock(effort_s)
    board = _Board(target, calibrated=calibrated, idle=idle)
    n_qubits = subject.circuit.num_qubits
    for step in range(QISKIT_SEEDS):
        board.offer(_by_qiskit(f"qiskit {step + 1}", subject.circuit, target, seed + step, n_qubits))
    board.hold()
    if subject.core is None:
        _more_seeds(subject, target, board, clock, seed)
    else:
        _Explorer(subject, target, board, clock, seed).explore()
    return Found(board.best(_KEPT), board.compared)


type Rank = tuple[float, float, float]
"""The estimated success, negative, or 0 where it is not known; gates on two qubits; depth."""


class _Clock:
    """The time that there is."""

    def __init__(self, effort_s: float):
        self.effort_s = effort_s
        self._end = time.perf_counter() + effort_s

    @property
    def left_s(self) -> float:
        return self._end - time.perf_counter()

    def allows(self, seconds: float) -> bool:
        return self.left_s > seconds + _POLISHING * self.effort_s


class _Board:
    """The candidates so far."""

    def __init__(self, target: Target, *, calibrated: bool, idle: bool):
        self._target = target
        self.calibrated = calibrated
        self.idle = idle
        self._entries: list[tuple[Rank, int, Candidate]] = []
        self._most = math.inf
        self.compared = 0

    def offer(self, candidate: Candidate) -> Rank:
        """Take a candidate that the target runs as it is; return its rank, the smaller the better."""
        self.compared += 1
        if not respects(candidate.circuit, self._target):
            _LOG.debug("candidate %s uses what the target lacks", candidate.name)
            return _WORST
        success = 0.0
        if self.calibrated:
            success = estimated_success(candidate.circuit, self._target, idle=self.idle)
        rank = (-success, two_qubit_gates(candidate.circuit), candidate.circuit.depth())
        if rank[1] <= self._most:
            entries = [*self._entries, (rank, self.compared, candidate)]
            self._entries = sorted(entries, key=lambda each: each[:2])[: 4 * _KEPT]
        return rank

    def hold(self) -> None:
        """From now on allow no more gates on two qubits than the middle one of the candidates has."""
        self._most = median(gates for (_, gates, _), _, _ in self._entries)
        self._entries = [entry for entry in self._entries if entry[0][1] <= self._most]

    def best(self, count: int) -> list[Candidate]:
        """Return the best ones, each of other figures."""
        different = {figures: candidate for figures, _, candidate in reversed(self._entries)}
        return [different[figures] for figures in sorted(different)][:count]


class _Lane:
    """A router, and the best that has come out of it."""

    def __init__(self, router: Router, rank: Rank):
        self.router = router
        self.rank = rank
        self.finished: Route | None = None


class _Explorer:
    """The search beyond Qiskit's own seeds."""

    def __init__(self, subject: Subject, target: Target, board: _Board, clock: _Clock, seed: int):
        self._subject = subject
        self._target = target
        self._board = board
        self._clock = clock
        self._seed = seed
        self._dice = random.Random(seed)
        self._n_qubits = subject.circuit.num_qubits
        self._maps = [Couplings(target)]
        if board.calibrated and not self._maps[0].complete:
            self._maps.append(Couplings(target, prices=prices_of(target, idle=board.idle)))
        self._finisher = Finisher(target, seed=seed)
        self._forms: list[Form] = []
        self._lanes: list[_Lane] = []

    def explore(self) -> None:
        """Use the time up."""
        for make in self._first_forms():
            if not self._clock.allows(0):
                break
            if (form := _attempt(make)) is not None:
                self._take(form)
        if self._forms and self._maps[0].complete:
            self._rewrite(until_s=0.0)
        elif self._forms:
            self._route()
        for candidate in self._board.best(3):
            if self._clock.left_s <= 0:
                break
            if (polished := _attempt(partial(self._finisher.polished, candidate))) is not None:
                self._board.offer(polished)

    # --- Forms ---

    def _first_forms(self) -> Iterator[Callable[[], Form]]:
        yield lambda: qiskit_form(self._subject)
        yield lambda: own_form(self._subject)
        if not self._forms:
            return
        start = self._forms[0]
        for discount in DISCOUNTS[:3]:
            if self._clock.allows(_GADGETS_S * start.cost):
                yield partial(self._gadgets, start, discount, 0.0)
        if self._clock.allows(2 * _NETWORK_CUBED_S * start.cost**3):
            yield lambda: tidied(paulis.tree_search_form(start, 20))
            yield lambda: tidied(paulis.rustiq_form(start))
        for form in (start, min(self._forms[1:], key=lambda form: form.cost, default=start)):
            if self._clock.allows(_CLIFFORD_S * form.cost):
                yield partial(self._simplified, form)
        if self._clock.allows(_PEEPHOLE_S * start.cost / _PEEPHOLE_SHARE):
            yield lambda: tidied(tket.peephole_form(start))

    def _simplified(self, form: Form) -> Form:
        return tidied(tket.clifford_form(form))

    def _gadgets(self, form: Form, discount: float, depth_weight: float) -> Form:
        return tidied(
            tket.gadget_form(
                form,
                discount=discount,
                depth_weight=depth_weight,
                seed=self._dice.getrandbits(16),
                limit_s=self._clock.left_s,
            )
        )

    def _take(self, form: Form) -> None:
        """Take a form in, unless it is one more of the same, and compile it the plain way."""
        if any(_same_gates(form.circuit, known.circuit) for known in self._forms):
            return
        self._forms.append(form)
        if self._maps[0].complete:
            self._offer_in_place(form)
            return
        measured = self._subject.dressed(form.circuit, form.ends)
        made = _attempt(partial(_by_qiskit, form.name, measured, self._target, self._seed, self._n_qubits))
        rank = _WORST if made is None else self._board.offer(made)
        for couplings in self._maps:
            layouts = [] if made is None else [made.layout]
            seed = self._dice.getrandbits(31)
            router = _attempt(partial(Router, form, couplings, seed=seed, layouts=layouts))
            if router is not None:
                self._lanes.append(_Lane(router, rank))

    def _offer_in_place(self, form: Form) -> None:
        placed = QuantumCircuit(self._target.num_qubits)
        placed.compose(form.circuit, qubits=range(self._n_qubits), inplace=True)
        measured = self._subject.dressed(placed, form.ends)
        made = _attempt(partial(self._finisher.finished, form.name, measured, range(self._n_qubits)))
        if made is not None:
            self._board.offer(made)

    def _rewrite(self, *, until_s: float) -> None:
        """Make the best forms better, piece by piece or as a whole, until so much time is left."""
        reserve = max(until_s, _POLISHING * self._clock.effort_s)
        while self._clock.left_s > reserve:
            form = self._dice.choice(sorted(self._forms, key=lambda each: each.cost)[:2])
            whole = self._dice.random() < 0.2 and self._clock.left_s - reserve > _GADGETS_S * form.cost
            source = self._dice.choice(self._forms[:2]) if whole else form
            remake = partial(self._gadgets, source, self._dice.choice(DISCOUNTS), self._dice.choice((0.0, 0.1)))
            better = _attempt(remake if whole else partial(self._with_a_window, form))
            if better is not None and better.cost < form.cost:
                self._take(better)

    def _with_a_window(self, form: Form) -> Form | None:
        window = windows.random_window(form.circuit, self._dice)
        gates = sum(form.circuit.data[at].operation.num_qubits > 1 for at in window)
        if gates < windows.MIN_GATES:
            return None
        gadgets = partial(
            tket.gadget_form,
            discount=self._dice.choice(DISCOUNTS),
            depth_weight=0.0,
            seed=self._dice.getrandbits(16),
            limit_s=1.0,
        )
        chance = self._dice.random()
        if chance < 0.6:
            return windows.with_window(form, window, gadgets, tidied)
        if chance < 0.8:
            return windows.with_window(form, window, partial(paulis.tree_search_form, simulations=4), tidied)
        way = tket.clifford_form if chance < 0.95 or gates > _MAX_PEEPHOLE else tket.peephole_form
        return windows.with_window(form, window, way, tidied)

    # --- Routes ---

    def _route(self) -> None:
        """Let the routers search in turns, the better ones more often, two at a time."""
        slice_s = _SLICE * self._clock.effort_s
        fresh = sorted(self._lanes, key=lambda lane: lane.rank)
        with ThreadPoolExecutor(THREADS) as pool:
            while self._lanes and self._clock.allows(slice_s):
                if not fresh and self._dice.random() < _REWRITING:
                    known = len(self._lanes)
                    self._rewrite(until_s=self._clock.left_s - 2 * slice_s)
                    fresh = self._lanes[known:]
                    continue
                chosen = fresh[:THREADS] or self._promising()
                fresh = fresh[THREADS:]
                list(pool.map(lambda lane: _attempt(partial(lane.router.search, slice_s)), chosen))
                for lane in chosen:
                    self._finish(lane)

    def _promising(self) -> list[_Lane]:
        ranked = sorted(self._lanes, key=lambda lane: lane.rank)
        chosen: list[_Lane] = []
        while ranked and len(chosen) < THREADS:
            at = 0
            while at < len(ranked) - 1 and self._dice.random() < _DARING:
                at += 1
            chosen.append(ranked.pop(at))
        return chosen

    def _finish(self, lane: _Lane) -> None:
        """Offer a router's best route, if there is a new one."""
        best = lane.router.best
        if best is None or best == lane.finished:
            return
        lane.finished = best
        made = _attempt(partial(self._finished_route, lane.router, best))
        if made is not None:
            lane.rank = min(lane.rank, self._board.offer(made))

    def _finished_route(self, router: Router, route: Route) -> Candidate:
        placed, ends = router.circuit_of(route)
        measured = self._subject.dressed(placed, [ends[end] for end in router.form.ends])
        return self._finisher.finished(f"{router.form.name}, routed", measured, route.layout)


def _by_qiskit(name: str, circuit: QuantumCircuit, target: Target, seed: int, n_qubits: int) -> Candidate:
    return compiled_by_qiskit(name, circuit, target, level=BEST_LEVEL, seed=seed, n_qubits=n_qubits)


def _more_seeds(subject: Subject, target: Target, board: _Board, clock: _Clock, seed: int) -> None:
    """Ask Qiskit for more seeds, where nothing else can be trusted with the circuit."""
    step = QISKIT_SEEDS
    while clock.allows(clock.effort_s / QISKIT_SEEDS / 10):
        name, n_qubits = f"qiskit {step + 1}", subject.circuit.num_qubits
        made = _attempt(partial(_by_qiskit, name, subject.circuit, target, seed + step, n_qubits))
        if made is not None:
            board.offer(made)
        step += 1


def _attempt[T](make: Callable[[], T]) -> T | None:
    """Make a candidate or a form; what cannot be made is left out."""
    try:
        return make()
    except Exception:  # noqa: BLE001 - passes of three libraries, on anything a user may post
        _LOG.debug("a candidate could not be made", exc_info=True)
        return None


def _same_gates(one: QuantumCircuit, other: QuantumCircuit) -> bool:
    return bool(one.count_ops() == other.count_ops() and one == other)
