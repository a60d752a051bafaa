"""The compiled passes over the amplitudes of a batch.

A state is an array of shape (2, rows × width): real parts, then imaginary parts. Row `r` of all `width` samples
stands side by side, so that every pass runs along memory whatever qubit it acts on. A rotation about Y turns the
planes (re₀, re₁) and (im₀, im₁) of two rows, one about X the planes (re₀, im₁) and (im₀, re₁), the first of them
backwards: one loop does both.

Nothing here checks what it is given; `ketbase.quantum.batched.engine` does.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.compiled import compiled

type Integers = NDArray[np.int64]
type Floats = NDArray[np.float64]
type Reals = NDArray[np.floating]

ROTATIONS, PHASES, PERMUTATION = 0, 1, 2
"""The kinds of layers."""
_BLOCK = 1 << 12
"""How many amplitudes the low qubits' rotations take at a time: two states of them fit the second-level cache."""


class Tables(NamedTuple):
    """The layers of a circuit.

    Attributes:
        layers: for each its kind, the first and the last-plus-one row of its own table below, and the number of its
            shared phases or of its permutation, or −1; shape (n_layers, 4).
        rotations: 1 for X or 0 for Y, qubit, control or −1, whether the angle is each sample's own, and its
            number; shape (n_rotations, 5).
        phases: for each Z string whose angle is each sample's own, its mask and the angle's number; shape
            (n_phases, 2).
        coefficients: of `phases`.
        strings: for each Z string whose angle is shared, the number of its layer's phases, its mask and the angle's
            number; shape (n_strings, 3).
        weights: of `strings`.
        destinations: where each permutation sends each row; shape (n_permutations, rows).
    """

    layers: Integers
    rotations: Integers
    phases: Integers
    coefficients: Floats
    strings: Integers
    weights: Floats
    destinations: NDArray[np.int32]


class Turns(NamedTuple):
    """What the angles come to, for some samples and in the precision of their states; cosines, then sines.

    Attributes:
        factors: of what each layer of shared phases turns each row by, shape (n_tables, 2, rows).
        shared: of the halves of the shared angles, shape (2, n_shared).
        own: of the halves of each sample's own, shape (2, n_own, width).
        phases: of each sample's own angle times the coefficient of each row of `Tables.phases`, shape
            (2, n_phases, width).
    """

    factors: Reals
    shared: Reals
    own: Reals
    phases: Reals


@compiled
def transform(values: Any) -> None:
    """Put the Walsh–Hadamard transform in the place of values, one for each row: Σ_m v_m (−1)^{|r ∧ m|}."""
    half = 1
    while half < values.size:
        for first in range(0, values.size, 2 * half):
            for low in range(first, first + half):
                a, b = values[low], values[low + half]
                values[low] = a + b
                values[low + half] = a - b
        half *= 2


@compiled
def phase_factors(tables: Any, angles: Any, factors: Any) -> None:
    """Write `Turns.factors`, from the shared angles in radians."""
    strings = tables.strings
    n_tables, _, n_rows = factors.shape
    for table in range(n_tables):
        total = np.zeros(n_rows)
        for i in range(len(strings)):
            if strings[i, 0] == table:
                total[strings[i, 1]] += tables.weights[i] * angles[strings[i, 2]]
        transform(total)
        for row in range(n_rows):
            factors[table, 0, row] = math.cos(total[row])
            factors[table, 1, row] = math.sin(total[row])


@compiled
def _turn(state: Any, across: int, first: int, last: int, run: int, held: int, c: Any, s: Any) -> None:
    """Turn two planes in the elements from first to last.

    `across` is 1 about X, 0 about Y; `run` elements lie between the two rows of a pair, `held` between those of the
    control, 0 where there is none.
    """
    a0, a1, b0, b1 = state[0], state[across], state[1], state[1 - across]
    s_of_a = s - 2 * across * s
    begin, part, step = (held, held, 2 * held) if 0 < held < run else (0, run, run)
    for group in range(first, last, 2 * run):
        if held > run and (group // held) & 1 == 0:
            continue
        for low in range(group + begin, group + run, step):
            for i in range(low, low + part):
                u, v, x, y = a0[i], a1[i + run], b0[i], b1[i + run]
                a0[i] = c * u - s_of_a * v
                a1[i + run] = s_of_a * u + c * v
                b0[i] = c * x - s * y
                b1[i + run] = s * x + c * y


@compiled
def _turn_back(ket: Any, bra: Any, across: int, first: int, last: int, run: int, held: int, c: Any, s: Any) -> Any:
    """Undo `_turn` on both states; give how their overlap changes with the angle."""
    a0, a1, b0, b1 = ket[0], ket[across], ket[1], ket[1 - across]
    k0, k1, l0, l1 = bra[0], bra[across], bra[1], bra[1 - across]
    s_of_a = s - 2 * across * s
    of_a = c - c
    of_b = c - c
    begin, part, step = (held, held, 2 * held) if 0 < held < run else (0, run, run)
    for group in range(first, last, 2 * run):
        if held > run and (group // held) & 1 == 0:
            continue
        for low in range(group + begin, group + run, step):
            for i in range(low, low + part):
                u, v, x, y = a0[i], a1[i + run], b0[i], b1[i + run]
                d, e, f, g = k0[i], k1[i + run], l0[i], l1[i + run]
                of_a += e * u - d * v
                of_b += g * x - f * y
                a0[i] = c * u + s_of_a * v
                a1[i + run] = c * v - s_of_a * u
                b0[i] = c * x + s * y
                b1[i + run] = c * y - s * x
                k0[i] = c * d + s_of_a * e
                k1[i + run] = c * e - s_of_a * d
                l0[i] = c * f + s * g
                l1[i + run] = c * g - s * f
    return of_b - of_a if across else of_b + of_a


@compiled
def _turn_each(state: Any, width: int, across: int, run: int, held: int, cosines: Any, sines: Any) -> None:
    """Turn by each sample's own angle; everything else as in `_turn`."""
    a0, a1, b0, b1 = state[0], state[across], state[1], state[1 - across]
    sign = 1 - 2 * across
    for group in range(0, state.shape[1], 2 * run):
        for low in range(group, group + run, width):
            if held and (low // held) & 1 == 0:
                continue
            for k in range(width):
                i, j = low + k, low + k + run
                c, s = cosines[k], sines[k]
                u, v, x, y = a0[i], a1[j], b0[i], b1[j]
                a0[i] = c * u - sign * s * v
                a1[j] = sign * s * u + c * v
                b0[i] = c * x - s * y
                b1[j] = s * x + c * y


@compiled
def _overlap_each(ket: Any, bra: Any, width: int, across: int, run: int, held: int, gradient: Any) -> None:
    """Add how the overlap of each sample's states changes with its own angle; shape (width,)."""
    a0, a1, b0, b1 = ket[0], ket[across], ket[1], ket[1 - across]
    k0, k1, l0, l1 = bra[0], bra[across], bra[1], bra[1 - across]
    sign = 1 - 2 * across
    for group in range(0, ket.shape[1], 2 * run):
        for low in range(group, group + run, width):
            if held and (low // held) & 1 == 0:
                continue
            for k in range(width):
                i, j = low + k, low + k + run
                gradient[k] += sign * (k1[j] * a0[i] - k0[i] * a1[j]) + l1[j] * b0[i] - l0[i] * b1[j]


@compiled
def _multiply(state: Any, width: int, cosines: Any, sines: Any, sign: int) -> None:
    """Multiply each row by its phase, or, with sign −1, undo that."""
    re, im = state[0], state[1]
    for row in range(cosines.size):
        c, s = cosines[row], sign * sines[row]
        for i in range(row * width, row * width + width):
            u, v = re[i], im[i]
            re[i] = c * u - s * v
            im[i] = s * u + c * v


@compiled
def _multiply_back(ket: Any, bra: Any, width: int, cosines: Any, sines: Any, overlaps: Any) -> None:
    """Undo `_multiply` on both states; add the imaginary part of their overlap, row by row."""
    re, im, bra_re, bra_im = ket[0], ket[1], bra[0], bra[1]
    for row in range(cosines.size):
        c, s = cosines[row], sines[row]
        overlap = c - c
        for i in range(row * width, row * width + width):
            u, v, d, e = re[i], im[i], bra_re[i], bra_im[i]
            overlap += d * v - e * u
            re[i] = c * u + s * v
            im[i] = c * v - s * u
            bra_re[i] = c * d + s * e
            bra_im[i] = c * e - s * d
        overlaps[row] += overlap


@compiled
def _odd(number: int) -> int:
    """Whether a number has an odd count of ones."""
    number ^= number >> 16
    number ^= number >> 8
    number ^= number >> 4
    number ^= number >> 2
    number ^= number >> 1
    return number & 1


@compiled
def _multiply_each(state: Any, width: int, mask: int, cosines: Any, sines: Any) -> None:
    """Multiply by the phase of a string, with each sample's own angle."""
    re, im = state[0], state[1]
    for row in range(state.shape[1] // width):
        sign = 1 - 2 * _odd(row & mask)
        for k in range(width):
            i = row * width + k
            c, s = cosines[k], sign * sines[k]
            u, v = re[i], im[i]
            re[i] = c * u - s * v
            im[i] = s * u + c * v


@compiled
def _phase_overlap_each(ket: Any, bra: Any, width: int, mask: int, factor: float, gradient: Any) -> None:
    """Add how the overlap of each sample's states changes with its own angle of a string; shape (width,)."""
    for row in range(ket.shape[1] // width):
        sign = factor * (1 - 2 * _odd(row & mask))
        for k in range(width):
            i = row * width + k
            gradient[k] -= 2 * sign * (bra[0, i] * ket[1, i] - bra[1, i] * ket[0, i])


@compiled
def _permute(state: Any, into: Any, width: int, destinations: Any) -> None:
    """Move each row to its destination."""
    for part in range(2):
        source, target = state[part], into[part]
        for row in range(destinations.size):
            here, there = row * width, destinations[row] * width
            for k in range(width):
                target[there + k] = source[here + k]


@compiled
def _permute_back(state: Any, into: Any, width: int, destinations: Any) -> None:
    """Undo `_permute`."""
    for part in range(2):
        source, target = state[part], into[part]
        for row in range(destinations.size):
            here, there = row * width, destinations[row] * width
            for k in range(width):
                target[here + k] = source[there + k]


@compiled
def _held(control: int, width: int) -> int:
    return 0 if control < 0 else width << control


@compiled
def _block(size: int, width: int) -> int:
    """Give the elements of as many rows, a power of two, as a block holds."""
    block = 2 * width
    while 2 * block <= min(size, _BLOCK):
        block *= 2
    return block


@compiled
def _rotate(state: Any, width: int, members: Any, shared: Any, own: Any) -> None:
    """Run a layer of rotations: the low qubits' block by block, then the others'."""
    size = state.shape[1]
    block = _block(size, width)
    for first in range(0, size, block):
        for i in range(len(members)):
            across, qubit, control, is_own, number = members[i]
            run, held = width << qubit, _held(control, width)
            if not is_own and 2 * run <= block and held < block:
                _turn(state, across, first, first + block, run, held, shared[0, number], shared[1, number])
    for i in range(len(members)):
        across, qubit, control, is_own, number = members[i]
        run, held = width << qubit, _held(control, width)
        if is_own:
            _turn_each(state, width, across, run, held, own[0, number], own[1, number])
        elif 2 * run > block or held >= block:
            _turn(state, across, 0, size, run, held, shared[0, number], shared[1, number])


@compiled
def _rotate_back(ket: Any, bra: Any, width: int, members: Any, turns: Any, of_shared: Any, of_own: Any) -> None:
    """Undo a layer of rotations on both states, and add to the angles' gradients."""
    size, shared, own = ket.shape[1], turns.shared, turns.own
    block = _block(size, width)
    for first in range(0, size, block):
        for i in range(len(members)):
            across, qubit, control, is_own, number = members[i]
            run, held = width << qubit, _held(control, width)
            if not is_own and 2 * run <= block and held < block:
                c, s = shared[0, number], shared[1, number]
                of_shared[number] += _turn_back(ket, bra, across, first, first + block, run, held, c, s)
    for i in range(len(members)):
        across, qubit, control, is_own, number = members[i]
        run, held = width << qubit, _held(control, width)
        if is_own:
            _overlap_each(ket, bra, width, across, run, held, of_own[number])
            _turn_each(ket, width, across, run, held, own[0, number], -own[1, number])
            _turn_each(bra, width, across, run, held, own[0, number], -own[1, number])
        elif 2 * run > block or held >= block:
            c, s = shared[0, number], shared[1, number]
            of_shared[number] += _turn_back(ket, bra, across, 0, size, run, held, c, s)


@compiled
def forward(state: Any, spare: Any, width: int, tables: Any, turns: Any) -> tuple[Any, Any]:
    """Run all layers.

    Args:
        state: shape (2, rows × width); overwritten.
        spare: likewise.
        width: samples side by side.
        tables: the layers.
        turns: how far they turn.

    Returns:
        The state, and the other of the two arrays.
    """
    for layer in range(len(tables.layers)):
        kind, first, last, table = tables.layers[layer]
        if kind == ROTATIONS:
            _rotate(state, width, tables.rotations[first:last], turns.shared, turns.own)
        elif kind == PHASES:
            if table >= 0:
                _multiply(state, width, turns.factors[table, 0], turns.factors[table, 1], 1)
            for i in range(first, last):
                _multiply_each(state, width, tables.phases[i, 0], turns.phases[0, i], turns.phases[1, i])
        else:
            _permute(state, spare, width, tables.destinations[table])
            state, spare = spare, state
    return state, spare


@compiled
def backward(
    ket: Any,
    bra: Any,
    spare: Any,
    width: int,
    tables: Any,
    turns: Any,
    first_layer: int,
    overlaps: Any,
    of_shared: Any,
    of_own: Any,
) -> None:
    """Undo layers on a state and on what its outputs' slopes make of it, and add up the angles' gradients.

    Args:
        ket: the state at the end; overwritten, as all states here.
        bra: Σ_k g_k O_k |ket⟩ for the derivatives g of the loss by the outputs ⟨O⟩.
        spare: room for a third.
        width: samples side by side.
        tables: the layers.
        turns: how far they turned.
        first_layer: how far back to go.
        overlaps: room for a number for each row of each layer of shared phases, shape (n_tables, rows).
        of_shared: shape (n_shared,); added to.
        of_own: shape (n_own, width); added to.
    """
    overlaps[...] = 0
    for layer in range(len(tables.layers) - 1, first_layer - 1, -1):
        kind, first, last, table = tables.layers[layer]
        if kind == ROTATIONS:
            _rotate_back(ket, bra, width, tables.rotations[first:last], turns, of_shared, of_own)
        elif kind == PHASES:
            if table >= 0:
                _multiply_back(ket, bra, width, turns.factors[table, 0], turns.factors[table, 1], overlaps[table])
                transform(overlaps[table])
            for i in range(first, last):
                mask, number = tables.phases[i]
                _phase_overlap_each(ket, bra, width, mask, tables.coefficients[i], of_own[number])
                _multiply_each(ket, width, mask, turns.phases[0, i], -turns.phases[1, i])
                _multiply_each(bra, width, mask, turns.phases[0, i], -turns.phases[1, i])
        else:
            _permute_back(ket, spare, width, tables.destinations[table])
            ket, spare = spare, ket
            _permute_back(bra, spare, width, tables.destinations[table])
            bra, spare = spare, bra
    for i in range(len(tables.weights)):
        table, mask, number = tables.strings[i]
        of_shared[number] -= 2 * tables.weights[i] * overlaps[table, mask]


@compiled
def diagonal_outputs(state: Any, width: int, diagonals: Any, outputs: Any) -> None:
    """Add the expectation values of diagonal observables.

    Args:
        state: shape (2, rows × width).
        width: samples side by side.
        diagonals: the eigenvalue of each row, shape (n_observables, rows).
        outputs: shape (n_observables, width); added to.
    """
    for row in range(diagonals.shape[1]):
        for k in range(width):
            i = row * width + k
            weight = state[0, i] * state[0, i] + state[1, i] * state[1, i]
            for observable in range(len(diagonals)):
                outputs[observable, k] += diagonals[observable, row] * weight


@compiled
def diagonal_bra(state: Any, width: int, diagonals: Any, slopes: Any, bra: Any) -> None:
    """Write Σ_k g_k O_k |state⟩ for diagonal observables; `slopes` are the g, shape (n_observables, width)."""
    for row in range(diagonals.shape[1]):
        for k in range(width):
            i = row * width + k
            factor = slopes[0, k] * diagonals[0, row]
            for observable in range(1, len(diagonals)):
                factor += slopes[observable, k] * diagonals[observable, row]
            bra[0, i] = factor * state[0, i]
            bra[1, i] = factor * state[1, i]


@compiled
def string_outputs(state: Any, width: int, flips: int, mask: int, re: float, im: float, outputs: Any) -> None:
    """Add the expectation value of a Pauli string times the complex number (re, im).

    The string sends row r to r ^ flips with the factor (−1)^{|r ∧ mask|}; the factor i of each Y is in (re, im).
    """
    for row in range(state.shape[1] // width):
        sign = 1 - 2 * _odd(row & mask)
        for k in range(width):
            i, j = row * width + k, (row ^ flips) * width + k
            real = state[0, j] * state[0, i] + state[1, j] * state[1, i]
            imaginary = state[0, j] * state[1, i] - state[1, j] * state[0, i]
            outputs[k] += sign * (re * real - im * imaginary)


@compiled
def string_bra(state: Any, width: int, flips: int, mask: int, re: float, im: float, slopes: Any, bra: Any) -> None:
    """Add g P |state⟩ for a Pauli string as in `string_outputs`; `slopes` are the g, shape (width,)."""
    for row in range(state.shape[1] // width):
        sign = 1 - 2 * _odd(row & mask)
        for k in range(width):
            i, j = row * width + k, (row ^ flips) * width + k
            factor = sign * slopes[k]
            bra[0, j] += factor * (re * state[0, i] - im * state[1, i])
            bra[1, j] += factor * (re * state[1, i] + im * state[0, i])
