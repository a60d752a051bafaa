"""The bases in which observables are measured: terms that agree on every qubit share one."""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ketbase.backends.experiments import Observable


class Basis(NamedTuple):
    """What one circuit measures.

    Attributes:
        letters: the Pauli operator of each qubit, qubit 0 rightmost; `I` where the qubit is not measured.
        terms: the Pauli strings that are read off it.
    """

    letters: str
    terms: tuple[str, ...]


def bases_of(observables: Iterable[Observable]) -> tuple[Basis, ...]:
    """Group the terms of all observables together, so that few bases need to be measured; the identity needs none.

    Each term goes into the first basis that it agrees with, the terms on most qubits first. Where Qiskit's
    `group_commuting(qubit_wise=True)` colours a graph of all pairs of terms, this takes time that grows with the
    letters alone, and the numbers of bases are alike (`tests/unit/backends/test_bases.py` compares them).
    """
    return _bases_of(frozenset(term for observable in observables for term in observable.terms))


@lru_cache(maxsize=8)  # a run asks several times, for its price and for each backend that it may go to
def _bases_of(terms: frozenset[str]) -> tuple[Basis, ...]:
    groups: list[list[str]] = []
    measuring: defaultdict[int, int] = defaultdict(int)  # for each qubit, a bit for each group that measures it
    agreeing: defaultdict[tuple[int, str], int] = defaultdict(int)  # the same, for each letter
    for term in sorted(terms, key=lambda term: (term.count("I"), term)):
        letters = [(place, letter) for place, letter in enumerate(term) if letter != "I"]
        if not letters:
            continue
        taken = 0
        for place, letter in letters:
            taken |= measuring[place] & ~agreeing[place, letter]
        first_free = ~taken & (taken + 1)
        number = first_free.bit_length() - 1
        if number == len(groups):
            groups.append([])
        groups[number].append(term)
        for place, letter in letters:
            measuring[place] |= first_free
            agreeing[place, letter] |= first_free
    return tuple(Basis(_together(group), tuple(group)) for group in groups)


def _together(terms: Iterable[str]) -> str:
    return "".join(min(letters, key="XYZI".index) for letters in zip(*terms, strict=True))
