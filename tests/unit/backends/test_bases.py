import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import PauliList, SparsePauliOp

from ketbase.backends.bases import bases_of
from ketbase.backends.experiments import Observable

paulis = st.integers(1, 6).flatmap(lambda n: st.lists(st.text("IXYZ", min_size=n, max_size=n), min_size=1))


def observables(terms, parts=1):
    return [Observable(terms=dict.fromkeys(terms[part::parts], 1.0)) for part in range(parts) if terms[part::parts]]


def agrees(term, letters):
    return all(mine in ("I", measured) for mine, measured in zip(term, letters, strict=True))


@given(terms=paulis, parts=st.integers(1, 3))
def test_every_term_but_the_identity_is_read_off_one_basis_that_measures_it(terms, parts):
    bases = bases_of(observables(terms, parts))
    read = [term for basis in bases for term in basis.terms]
    assert sorted(read) == sorted({term for term in terms if set(term) != {"I"}})
    for basis in bases:
        assert all(agrees(term, basis.letters) for term in basis.terms)


@given(terms=paulis)
def test_no_basis_measures_a_qubit_that_none_of_its_terms_needs(terms):
    for basis in bases_of(observables(terms)):
        for place, letter in enumerate(basis.letters):
            assert letter == "I" or any(term[place] == letter for term in basis.terms)


@given(terms=paulis, seed=st.integers(0, 99))
def test_the_order_of_the_terms_does_not_matter(terms, seed):
    shuffled = random.Random(seed).sample(terms, len(terms))
    assert bases_of(observables(terms)) == bases_of(observables(shuffled, 2))


def test_terms_of_several_observables_share_a_basis():
    bases = bases_of([Observable(terms={"ZZI": 1, "III": 5}), Observable(terms={"IZZ": 1, "IIX": 2})])
    assert [basis.letters for basis in bases] == ["ZZZ", "IIX"]


def heisenberg(n):
    return ["I" * (n - q - 2) + letter * 2 + "I" * q for q in range(n - 1) for letter in "XYZ"]


def fermions(n, seed):
    """Strings as the Jordan–Wigner transformation makes them of hopping terms."""
    dice = random.Random(seed)
    strings = ["I" * (n - q - 1) + "Z" + "I" * q for q in range(n)]
    for _ in range(60):
        low, high = sorted(dice.sample(range(n), 2))
        between = "Z" * (high - low - 1)
        strings += ["I" * (n - high - 1) + letter + between + letter + "I" * low for letter in "XY"]
    return strings


def dense(n, number, seed):
    dice = random.Random(seed)
    return ["".join(dice.choice("IXYZ") for _ in range(n)) for _ in range(number)]


@pytest.mark.parametrize(
    "terms",
    [heisenberg(12), fermions(8, 1), fermions(12, 2), dense(6, 300, 3), dense(4, 100, 4)],
    ids=["heisenberg", "fermions-8", "fermions-12", "dense-6", "dense-4"],
)
def test_there_are_hardly_more_bases_than_qiskits_colouring_of_all_pairs_finds(terms):
    colours = len(SparsePauliOp(PauliList(sorted(set(terms)))).group_commuting(qubit_wise=True))
    assert len(bases_of(observables(terms))) <= 1.05 * colours


def test_a_megabyte_of_terms_is_grouped_in_a_moment():
    terms = [*dense(1_000, 500, 5), *(term * 100 for term in dense(10, 400, 6))]
    began = time.perf_counter()
    assert bases_of(observables(terms))
    assert time.perf_counter() - began < 3
