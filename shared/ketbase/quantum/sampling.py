"""Counts from the amplitudes of a state, from shares of the shots, and from the bits of single shots."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.engines import Counts

type Bits = NDArray[np.uint8]
"""A row of zeros and ones for each outcome, its first column the last classical bit."""

_BLOCK = 2**20


def sampled(state: NDArray[np.generic], shots: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw basis states; the same seed draws the same ones.

    Goes through the state in blocks, so that nothing of its size is needed beside it.

    Args:
        state: 2ⁿ amplitudes, or as many probabilities; their sum may be off by what rounding costs.
        shots: how often to draw.
        seed: of the random numbers.

    Returns:
        The states that were drawn, ascending, and how often each.
    """
    dice = np.random.default_rng(seed)
    blocks = [state[start : start + _BLOCK] for start in range(0, len(state), _BLOCK)]
    weights = np.array([_probabilities(block).sum() for block in blocks])
    drawn = []
    for number, share in enumerate(dice.multinomial(shots, weights / weights.sum())):
        if share:
            cumulative = np.cumsum(_probabilities(blocks[number]))
            picks = np.searchsorted(cumulative, dice.random(share) * cumulative[-1], side="right")
            drawn.append(number * _BLOCK + np.minimum(picks, len(cumulative) - 1))
    return np.unique(np.concatenate(drawn), return_counts=True)


def shared_out(probabilities: NDArray[np.float64], shots: int) -> NDArray[np.int64]:
    """Turn shares of the shots back into counts that sum to them: whole ones first, then the largest rests."""
    exact = probabilities / probabilities.sum() * shots
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: shots - whole.sum()]] += 1
    return whole


def bits_of(states: NDArray[np.int64], measured: Mapping[int, int], width: int) -> Bits:
    """Write basis states, whose bit q is qubit q, into classical bits.

    Args:
        states: a number for each.
        measured: the qubit that each classical bit is measured from; the bits that are none of its keys stay 0.
        width: how many classical bits there are.
    """
    rows = np.zeros((len(states), width), dtype=np.uint8)
    for clbit, qubit in measured.items():
        rows[:, width - 1 - clbit] = states >> qubit & 1
    return rows


def counted(rows: Bits, times: NDArray[np.int64] | None = None) -> Counts:
    """Add up equal rows, each of which stands for one shot or for so many `times`."""
    width = rows.shape[1]
    texts = np.ascontiguousarray(rows + ord("0"), dtype=np.uint8).view(f"S{width}")[:, 0]
    outcomes, places = np.unique(texts, return_inverse=True)
    shots = np.bincount(places, weights=times)
    return {text.decode(): int(n) for text, n in zip(outcomes.tolist(), shots, strict=True)}


def _probabilities(block: NDArray[np.generic]) -> NDArray[np.float64]:
    if np.iscomplexobj(block):
        return np.square(block.real, dtype=np.float64) + np.square(block.imag, dtype=np.float64)
    return block.astype(np.float64)
