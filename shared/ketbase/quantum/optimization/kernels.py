"""The compiled inner loop of routing: it takes interactions one by one and swaps where it must."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.compiled import compiled_as_written

type Integers = NDArray[np.int64]
type Reals = NDArray[np.float64]
type Matrices = NDArray[np.complex128]

NO_ROUTE = float("inf")
"""The cost of a route that was given up."""
SWAP_ITEM = -1
"""Marks a swap among the items of a tape."""

PARALLEL = 1e-7
"""Axes that are no further apart, in radians, are one."""

_SWAP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=np.complex128) * np.exp(
    0.25j * np.pi
)
_SWAP_COST = 3
_REACH = 24
"""How many interactions back a partner to merge with is looked for."""
_NEIGHBOURS = 64
"""How many coming interactions of one qubit are looked at."""


class Map(NamedTuple):
    """The couplings of a device.

    Attributes:
        distance: (P, P) in couplings; P where there is no way.
        neighbours: (P, D) of each qubit, the first `degree` of a row count.
        degree: (P,).
        toll: (P, P) what a gate on a coupling costs; 1 on average.
        fee: (P,) what it costs to end on a qubit.
        rent: (P,) what it costs to wait on a qubit for as long as one gate takes.
    """

    distance: Integers
    neighbours: Integers
    degree: Integers
    toll: Reals
    fee: Reals
    rent: Reals


class Work(NamedTuple):
    """The interactions to place, as in `Interactions` and `Order`."""

    pairs: Integers
    matrices: Matrices
    axes: Reals
    waiting: Integers
    starts: Integers
    following: Integers


class Rule(NamedTuple):
    """How to choose the next swap.

    Attributes:
        price: what a gate costs, in units of the distance that a swap saves.
        foresight: weight of the interactions after the next ones.
        horizon: how many of these are looked at.
        power: distances count to this power; below 1 favours pairs that are near each other.
        noise: how much chance plays in.
    """

    price: float
    foresight: float
    horizon: int
    power: float
    noise: float


class Tape(NamedTuple):
    """What a route consists of: blocks on pairs of physical qubits, M at most.

    Attributes:
        pair: (M, 2) physical qubits, ascending.
        earlier: (M, 2) the block before on either qubit, or -1.
        axes: (M, 2, 3) as in `Interactions`.
        matrices: (M, 4, 4).
        cost: (M, 2) CX gates that the block needs, and that it would need with a swap after it.
        alive: (M,) whether it was not merged into a later one.
        made_of: (M, 2) the block that was merged into it, or -1; and the interaction or swap that it adds.
        length: (1,) how many there are.
    """

    pair: Integers
    earlier: Integers
    axes: Reals
    matrices: Matrices
    cost: Integers
    alive: NDArray[np.bool_]
    made_of: Integers
    length: Integers


def tape_for(n_interactions: int) -> Tape:
    """Return an empty tape for a route of that many interactions."""
    size = 12 * n_interactions + 2_000
    return Tape(
        pair=np.zeros((size, 2), np.int64),
        earlier=np.zeros((size, 2), np.int64),
        axes=np.zeros((size, 2, 3)),
        matrices=np.zeros((size, 4, 4), np.complex128),
        cost=np.zeros((size, 2), np.int64),
        alive=np.zeros(size, np.bool_),
        made_of=np.zeros((size, 2), np.int64),
        length=np.zeros(1, np.int64),
    )


@compiled_as_written
def gates_needed(matrix: Matrices) -> int:
    """Return how many CX gates a unitary of determinant 1 on two qubits needs, 0 to 3.

    From the trace of its gamma matrix: Shende, Bullock and Markov, quant-ph/0308045, propositions III.1 to III.3.
    """
    signs = (-1.0, 1.0, 1.0, -1.0)
    gamma = np.zeros((4, 4), np.complex128)
    for i in range(4):
        for j in range(4):
            total = 0j
            for k in range(4):
                total += matrix[i, k] * signs[k] * matrix[3 - j, 3 - k]
            gamma[i, j] = total * signs[j]
    trace = gamma[0, 0] + gamma[1, 1] + gamma[2, 2] + gamma[3, 3]
    if abs(trace.imag) > 1e-7:
        return 3
    if abs(abs(trace.real) - 4) < 1e-7:
        return 0
    if abs(trace.real) < 1e-7:
        square = 0j
        for i in range(4):
            for j in range(4):
                square += gamma[i, j] * gamma[j, i]
        if abs(square + 4) < 1e-6:
            return 1
    return 2


@compiled_as_written
def _multiply(left: Matrices, right: Matrices, product: Matrices) -> None:
    for i in range(4):
        for j in range(4):
            total = 0j
            for k in range(4):
                total += left[i, k] * right[k, j]
            product[i, j] = total


@compiled_as_written
def _same_axis(one: Reals, other: Reals) -> bool:
    """Whether two interactions commute on a qubit: about the same axis, or one does nothing to it."""
    if one[0] > 2 or other[0] > 2:
        return True
    x = one[1] * other[2] - one[2] * other[1]
    y = one[2] * other[0] - one[0] * other[2]
    z = one[0] * other[1] - one[1] * other[0]
    along = one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
    return bool(x * x + y * y + z * z < PARALLEL * PARALLEL and abs(along) > 0.5)


@compiled_as_written
def _partner(low: int, high: int, tape: Tape, top: Integers) -> int:
    """Return the latest block on a pair that everything after it commutes with, or -1."""
    block = top[low]
    for _ in range(_REACH):
        if block < 0:
            return -1
        if tape.pair[block, 0] == low and tape.pair[block, 1] == high:
            break
        block = tape.earlier[block, 0 if tape.pair[block, 0] == low else 1]
    else:
        return -1
    for side in range(2):
        qubit = low if side == 0 else high
        later = top[qubit]
        for _ in range(_REACH):
            if later == block or later < 0:
                break
            end = 0 if tape.pair[later, 0] == qubit else 1
            if not _same_axis(tape.axes[later, end], tape.axes[block, side]):
                return -1
            later = tape.earlier[later, end]
        if later != block:
            return -1
    return int(block)


@compiled_as_written
def _take_out(block: int, tape: Tape, top: Integers) -> None:
    """Take a block off the two qubits that it is on."""
    for side in range(2):
        qubit = tape.pair[block, side]
        if top[qubit] == block:
            top[qubit] = tape.earlier[block, side]
            continue
        later = top[qubit]
        while True:
            end = 0 if tape.pair[later, 0] == qubit else 1
            if tape.earlier[later, end] == block:
                tape.earlier[later, end] = tape.earlier[block, side]
                break
            later = tape.earlier[later, end]


@compiled_as_written
def _put(
    first: int, second: int, matrix: Matrices, axes: Reals, item: int, tape: Tape, top: Integers, swap: Matrices
) -> int:
    """Put an interaction on a pair, merged into a block that is there where possible; return the cost it adds."""
    low, high = min(first, second), max(first, second)
    flip = 1 if first > second else 0
    order = (0, 1, 2, 3) if flip == 0 else (0, 2, 1, 3)
    partner = _partner(low, high, tape, top)
    new = tape.length[0]
    tape.length[0] = new + 1
    turned = np.empty((4, 4), np.complex128)
    for i in range(4):
        for j in range(4):
            turned[order[i], order[j]] = matrix[i, j]
    saved = 0
    if partner >= 0:
        _multiply(turned, tape.matrices[partner], tape.matrices[new])
        saved = tape.cost[partner, 0]
        tape.alive[partner] = False
        _take_out(partner, tape, top)
    else:
        for i in range(4):
            for j in range(4):
                tape.matrices[new, i, j] = turned[i, j]
    for side in range(2):
        axis = axes[side ^ flip]
        keeps = 1.0  # zeros are no axis: parallel to nothing, and kept as they are
        if partner >= 0:
            old = tape.axes[partner, side]
            if not _same_axis(old, axis):
                keeps = 0.0
            elif axis[0] > 2:
                axis = old
        for i in range(3):
            tape.axes[new, side, i] = keeps * axis[i]
        qubit = low if side == 0 else high
        tape.pair[new, side] = qubit
        tape.earlier[new, side] = top[qubit]
        top[qubit] = new
    tape.made_of[new, 0], tape.made_of[new, 1] = partner, item
    tape.alive[new] = True
    tape.cost[new, 0] = gates_needed(tape.matrices[new])
    _multiply(swap, tape.matrices[new], turned)
    tape.cost[new, 1] = gates_needed(turned)
    return int(tape.cost[new, 0] - saved)


@compiled_as_written
def route(seed: int, work: Work, device: Map, rule: Rule, bound: float, places: Integers, tape: Tape) -> float:
    """Place every interaction on coupled qubits, with swaps between them.

    What can be placed is placed at once, merged with earlier interactions on the same pair across all that
    commutes. A swap costs what it adds to the block it merges with: nothing beside a general interaction, one gate
    beside a CX or a ZZ rotation, three by itself. Where a swap makes a block cheaper it is made unasked. Otherwise
    the next swap is the one of the best balance between its cost and the distances it saves, as in SABRE
    (arXiv:1809.02573), with the costs of NASSC (arXiv:2205.10596) and the mirrored gates of MIRAGE
    (arXiv:2308.03874).

    Args:
        seed: of the random numbers.
        work: what to place.
        device: where to.
        rule: how to choose swaps.
        bound: give up where the cost reaches this.
        places: the physical qubit of each of the circuit's qubits; afterwards, where each has ended up.
        tape: written from its beginning.

    Returns:
        The tolls of all CX gates that the blocks need, the fees of the ends, and the rents of waiting in a schedule
        where everything happens as early as possible; or `NO_ROUTE`.
    """
    np.random.seed(seed)
    n_physical, n_logical, n_work = len(device.degree), len(places), len(work.pairs)
    swap = _SWAP.copy()
    no_axes = np.zeros((2, 3))
    occupant = np.full(n_physical, -1, np.int64)
    for qubit in range(n_logical):
        occupant[places[qubit]] = qubit
    waiting = work.waiting.copy()
    ready = np.empty(n_work + 1, np.int64)
    n_ready = 0
    for index in range(n_work):
        if waiting[index] == 0:
            ready[n_ready] = index
            n_ready += 1
    top = np.full(n_physical, -1, np.int64)
    tape.length[0] = 0
    room = len(tape.alive) - 1
    powers = np.empty(n_physical + 2)
    for distance in range(n_physical + 2):
        powers[distance] = float(distance) ** rule.power
    others = np.empty((n_logical, _NEIGHBOURS), np.int64)
    weights = np.empty((n_logical, _NEIGHBOURS))
    n_others = np.zeros(n_logical, np.int64)
    coming = np.empty(rule.horizon + 1, np.int64)
    seen = np.full(n_work, -1, np.int64)
    tried = np.full(n_physical, -1, np.int64)
    round_number = 0
    undone_low = undone_high = -1
    stale = True
    position = since = 0
    clock = np.zeros(n_physical)
    total = 0.0
    wished_first = wished_second = -1
    while True:
        # Choose what comes next: a wished swap, an interaction that can be placed, or the best swap.
        item = SWAP_ITEM
        first = second = -1
        if wished_first >= 0:
            first, second = wished_first, wished_second
            wished_first = -1
            position = 0
        else:
            while position < n_ready:
                index = ready[position]
                first, second = places[work.pairs[index, 0]], places[work.pairs[index, 1]]
                if device.distance[first, second] == 1:
                    item = index
                    break
                position += 1
            if item == SWAP_ITEM:
                if n_ready == 0:
                    last = clock.max()
                    for qubit in range(n_logical):
                        place = places[qubit]
                        total += device.fee[place] + device.rent[place] * (last - clock[place])
                    return total
                if total >= bound:
                    return NO_ROUTE
                if stale:
                    # Weigh the interactions to come, by qubit.
                    stale = False
                    n_others[:] = 0
                    round_number += 1
                    n_coming = 0
                    for place in range(n_ready):
                        seen[ready[place]] = round_number
                    cursor = 0
                    while n_coming < rule.horizon and cursor < n_ready + n_coming:
                        index = ready[cursor] if cursor < n_ready else coming[cursor - n_ready]
                        cursor += 1
                        for place in range(work.starts[index], work.starts[index + 1]):
                            follower = work.following[place]
                            if seen[follower] != round_number and n_coming < rule.horizon:
                                seen[follower] = round_number
                                coming[n_coming] = follower
                                n_coming += 1
                    for place in range(n_ready + n_coming):
                        if place < n_ready:
                            index, weight = ready[place], 1.0
                        else:
                            index, weight = coming[place - n_ready], rule.foresight * n_ready / n_coming
                        for side in range(2):
                            qubit, other = work.pairs[index, side], work.pairs[index, 1 - side]
                            if n_others[qubit] < _NEIGHBOURS:
                                others[qubit, n_others[qubit]] = other
                                weights[qubit, n_others[qubit]] = weight
                                n_others[qubit] += 1
                best = np.inf
                since += 1
                round_number += 1
                if since > n_physical + 40:
                    # Nothing was placed for long: bring the nearest pair together, step by step.
                    nearest = 0
                    for place in range(n_ready):
                        pair, held = work.pairs[ready[place]], work.pairs[ready[nearest]]
                        if (
                            device.distance[places[pair[0]], places[pair[1]]]
                            < device.distance[places[held[0]], places[held[1]]]
                        ):
                            nearest = place
                    first = places[work.pairs[ready[nearest], 0]]
                    goal = places[work.pairs[ready[nearest], 1]]
                    for place in range(device.degree[first]):
                        second = device.neighbours[first, place]
                        if device.distance[second, goal] < device.distance[first, goal]:
                            best = 0.0
                            break
                else:
                    for place in range(2 * n_ready):
                        here = places[work.pairs[ready[place // 2], place % 2]]
                        if tried[here] == round_number:
                            continue
                        tried[here] = round_number
                        for step in range(device.degree[here]):
                            there = device.neighbours[here, step]
                            low, high = min(here, there), max(here, there)
                            if tried[there] == round_number or (low == undone_low and high == undone_high):
                                continue
                            change = 0.0
                            for end in range(2):
                                source, goal = (here, there) if end == 0 else (there, here)
                                qubit = occupant[source]
                                if qubit < 0:
                                    continue
                                for which in range(n_others[qubit]):
                                    other = places[others[qubit, which]]
                                    if other != goal:
                                        change += weights[qubit, which] * (
                                            powers[device.distance[goal, other]]
                                            - powers[device.distance[source, other]]
                                        )
                            partner = _partner(low, high, tape, top)
                            gates = _SWAP_COST
                            if partner >= 0:
                                gates = int(tape.cost[partner, 1] - tape.cost[partner, 0])
                            price = rule.price * gates * device.toll[here, there]
                            value = change + price + rule.noise * np.random.random()
                            if value < best:
                                best, first, second = value, here, there
                if best == np.inf:
                    if undone_low < 0:
                        return NO_ROUTE  # the device falls apart
                    undone_low = -1
                    continue
                undone_low, undone_high = min(first, second), max(first, second)
        # Place it.
        if tape.length[0] >= room:
            return NO_ROUTE
        begin = max(clock[first], clock[second])
        for side in range(2):
            qubit = first if side == 0 else second
            if clock[qubit] > 0:
                total += device.rent[qubit] * (begin - clock[qubit])
        if item == SWAP_ITEM:
            added = _put(first, second, swap, no_axes, item, tape, top, swap)
            one, other = occupant[first], occupant[second]
            occupant[first], occupant[second] = other, one
            if one >= 0:
                places[one] = second
            if other >= 0:
                places[other] = first
            position = 0
        else:
            added = _put(first, second, work.matrices[item], work.axes[item], item, tape, top, swap)
            n_ready -= 1
            ready[position] = ready[n_ready]
            for place in range(work.starts[item], work.starts[item + 1]):
                follower = work.following[place]
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    ready[n_ready] = follower
                    n_ready += 1
            stale = True
            since = 0
            undone_low = -1
            newest = tape.length[0] - 1
            if tape.cost[newest, 1] < tape.cost[newest, 0]:
                wished_first, wished_second = first, second
        total += device.toll[first, second] * added
        clock[first] = clock[second] = begin + added
