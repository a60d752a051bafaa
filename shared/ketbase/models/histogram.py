"""Latencies as counters: bins that are 5 % wide, so that quantiles are right to a few per cent, however many."""

import math
from collections.abc import Mapping

GROWTH = 1.05
"""How much longer the latencies of a bin are than those of the one before."""


def bin_of(seconds: float) -> int:
    """Say into which bin a latency falls; the first holds all up to a microsecond."""
    return max(math.floor(math.log(max(seconds * 1e6, 1.0)) / math.log(GROWTH)), 0)


def quantile(bins: Mapping[int, int], share: float) -> float | None:
    """Give the latency, in milliseconds, that this share of those counted does not exceed; `None` without any."""
    wanted = share * sum(bins.values())
    for number, count in sorted(bins.items()):
        wanted -= count
        if wanted <= 0 and count:
            return float(GROWTH ** (number + 0.5) / 1_000)
    return None
