"""Searching finds the states of highest fidelity, whatever the global phase, and says whether it can have missed one."""

import cmath
import math

import numpy as np
import pytest

from ketbase.adapters.vectors import embedded
from ketbase.errors import InvalidError, NotFoundError, TooLargeError
from ketbase.ports.vectors import Vector
from ketbase.states import layout, search
from ketbase.states.types import SearchStates
from tests.fakes import ALICE, BOB
from tests.unit.states.conftest import CNOT, H, X, drawn, gate

HALF = math.sqrt(0.5)


def fidelities(states, query):
    return np.square(np.abs(np.array([np.vdot(query, state) for state in states])))


def found(answer):
    return [each.state.id for each in answer.neighbours]


def test_a_copy_under_any_phase_comes_first_for_each_of_a_thousand_random_states(house, rng):
    states = [drawn(rng, 1 + number % 10) for number in range(1_000)]
    phases = rng.uniform(-math.pi, math.pi, len(states))
    originals = [house.keep(state) for state in states]
    copies = [house.keep(state * cmath.exp(1j * phase)) for state, phase in zip(states, phases, strict=True)]
    for original, copy, phase in zip(originals, copies, phases, strict=True):
        first = house.search(state_id=original, top_k=1).neighbours[0]
        assert first.state.id == copy
        assert first.fidelity == pytest.approx(1, abs=1e-12)
        assert cmath.exp(1j * first.phase) == pytest.approx(cmath.exp(1j * phase), abs=1e-9)


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 6])
@pytest.mark.parametrize("top_k", [1, 10, 100])
def test_the_answer_is_that_of_comparing_with_every_state(house, rng, n_qubits, top_k):
    states = [drawn(rng, n_qubits) for _ in range(300)]
    kept = [house.keep(state) for state in states]
    for _ in range(5):
        query = drawn(rng, n_qubits)
        exact = fidelities(states, query)
        order = np.argsort(-exact)[:top_k]
        answer = house.search(query, top_k=top_k)
        assert found(answer) == [kept[place] for place in order]
        assert [each.fidelity for each in answer.neighbours] == pytest.approx(exact[order], abs=1e-12)
        for each, place in zip(answer.neighbours, order, strict=True):
            assert cmath.exp(1j * each.phase) == pytest.approx(
                cmath.exp(1j * cmath.phase(np.vdot(query, states[place]))), abs=1e-9
            )
        assert answer.complete
        assert answer.n_qubits == n_qubits


def test_the_answer_is_nearly_that_where_an_index_proposes(house, rng, monkeypatch):
    monkeypatch.setattr(embedded, "MOST_EXACT", 100)
    monkeypatch.setattr(embedded, "MOST_BEHIND", 50)
    states = [drawn(rng, 3) for _ in range(600)]
    kept = [house.keep(state) for state in states]
    hits = 0
    for _ in range(20):
        query = drawn(rng, 3)
        order = np.argsort(-fidelities(states, query))[:10]
        hits += len({kept[place] for place in order} & set(found(house.search(query))))
    assert hits >= 0.99 * 200


def test_only_states_of_as_many_qubits_are_compared(house, rng):
    one, two = house.keep([1, 0]), house.keep([1, 0, 0, 0])
    assert found(house.search([1, 0])) == [one]
    assert found(house.search([1, 0, 0, 0])) == [two]
    assert house.search([1] + [0] * 7).neighbours == ()
    assert house.search([1] + [0] * 7).complete


def test_a_state_is_not_among_its_own_neighbours(house):
    first, second = house.keep([1, 0]), house.keep([HALF, HALF])
    assert found(house.search(state_id=first)) == [second]


def test_a_search_may_begin_with_a_circuit_that_is_not_kept_as_a_state(house):
    circuit = house.circuit(2, H, CNOT, gate("RZ", 0, theta="a"))
    bell = house.state(house.circuit(2, H, CNOT)).id
    other = house.state(house.circuit(2, X)).id
    answer = house.search(circuit_id=circuit, parameters={"a": 0.2})
    assert found(answer) == [bell, other]
    assert answer.neighbours[0].fidelity == pytest.approx(math.cos(0.1) ** 2)
    assert answer.neighbours[1].fidelity == pytest.approx(0, abs=1e-15)


def test_equals_come_the_older_first(house):
    kept = [house.keep(np.array([1, 0]) * cmath.exp(1j * number)) for number in range(5)]
    assert found(house.search([1, 0])) == kept


def test_no_state_below_the_least_fidelity_is_found(house, rng):
    states = [drawn(rng, 2) for _ in range(200)]
    for state in states:
        house.keep(state)
    query = drawn(rng, 2)
    answer = house.search(query, top_k=1_000, min_fidelity=0.5)
    assert len(answer.neighbours) == np.sum(fidelities(states, query) >= 0.5)
    assert answer.complete


def test_filters_leave_what_fits_all_that_is_said(house, rng):
    made = {
        "a": house.keep(drawn(rng, 1), tags=["red", "round"], depth=3, good=True),
        "b": house.keep(drawn(rng, 1), tags=["red"], depth=3.5, circuit_id="circuit_other"),
        "c": house.keep(drawn(rng, 1), tags=["blue"], depth="3", good=False),
    }
    for wanted, expected in [
        ({}, "abc"),
        ({"tags": ["red"]}, "ab"),
        ({"tags": ["red", "round"]}, "a"),
        ({"circuit_id": "circuit_other"}, "b"),
        ({"metadata": {"depth": 3}}, "a"),
        ({"metadata": {"depth": "3"}}, "c"),
        ({"metadata": {"good": True}}, "a"),
        ({"metadata": {"good": False}, "tags": ["blue"]}, "c"),
        ({"metadata": {"good": 1}}, ""),
        ({"metadata": {"circuit_id": "circuit_drawn"}}, ""),
    ]:
        assert set(found(house.search([1, 0], filter=wanted))) == {made[name] for name in expected}, wanted


def test_a_filter_hides_nothing_however_rare_what_it_leaves(house, rng):
    for _ in range(400):
        house.keep(drawn(rng, 1))
    rare = house.keep([0, 1], tags=["rare"])
    answer = house.search([1, 0], top_k=1, filter={"tags": ["rare"]})
    assert (found(answer), answer.complete) == ([rare], True)


def test_a_vector_without_a_state_is_passed_over(house, rng):
    state = house.keep([HALF, HALF])
    lost = Vector("state_lost", [1.0, 0.0, 0.0, 0.0])
    house.vectors.upsert(layout.collection(1), ALICE.organization_id, [lost])
    assert found(house.search([1, 0], top_k=1)) == [state]


def test_tenants_search_among_their_own(house, rng):
    state = drawn(rng, 4)
    ours, theirs = house.keep(state), house.keep(state, caller=BOB)
    assert found(house.search(state)) == [ours]
    assert found(house.search(state, caller=BOB)) == [theirs]


def test_a_search_says_when_it_may_have_missed_a_state(house, rng, monkeypatch):
    for _ in range(600):
        house.keep(drawn(rng, 1))
    assert house.search(drawn(rng, 1), top_k=5).complete
    monkeypatch.setattr(search, "ROTATIONS", (2,))
    monkeypatch.setattr(search, "LEAST_CANDIDATES", 2)
    assert not house.search(drawn(rng, 1), top_k=5).complete


def test_a_search_widens_until_it_cannot_have_missed_a_state(house, rng, monkeypatch):
    monkeypatch.setattr(search, "LEAST_CANDIDATES", 2)
    states = [drawn(rng, 1) for _ in range(500)]
    kept = [house.keep(state) for state in states]
    asked = []
    nearest = house.store.nearest
    monkeypatch.setattr(
        house.store,
        "nearest",
        lambda org, n, queries, *more: asked.append(len(queries)) or nearest(org, n, queries, *more),
    )
    for _ in range(10):
        query = drawn(rng, 1)
        answer = house.search(query, top_k=1)
        if answer.complete:
            assert found(answer) == [kept[int(np.argmax(fidelities(states, query)))]]
    assert {8, 16} <= set(asked)


# --- What is refused ---


@pytest.mark.parametrize("count", [0, 1, 3, 1_023, 1_025, 2_048])
def test_a_wrong_dimension_is_refused_with_those_there_are(house, count):
    with pytest.raises(InvalidError) as raised:
        house.search([1.0] + [0.0] * (count - 1) if count else [])
    assert raised.value.code == "INVALID_STATE"
    assert raised.value.details["field"] == "amplitudes"
    assert raised.value.details["given"] == count
    assert raised.value.details["allowed"] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]


@pytest.mark.parametrize("amplitudes", [[1, 1], [0, 0], [0.9, 0], [1 + 2e-6, 0], [1e200, 1e200], [1e-200, 0]])
def test_another_norm_than_one_is_refused_with_what_it_is(house, amplitudes):
    with pytest.raises(InvalidError) as raised:
        house.search(amplitudes)
    assert raised.value.code == "INVALID_STATE"
    assert raised.value.details["given"] == pytest.approx(math.hypot(*amplitudes))


def test_a_norm_that_is_off_by_a_rounding_error_is_taken(house):
    house.keep([1, 0])
    assert house.search([1 + 5e-7, 0]).neighbours[0].fidelity == 1


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"state_id": "state_1", "circuit_id": "circuit_1"},
        {"amplitudes": [[1, 0], [0, 0]], "parameters": {"a": 1}},
        {"amplitudes": [[1, 0], [math.nan, 0]]},
        {"amplitudes": [[1, 0], [0]]},
        {"state_id": "state_1", "top_k": 0},
        {"state_id": "state_1", "top_k": 1_001},
        {"state_id": "state_1", "min_fidelity": 1.1},
    ],
)
def test_what_cannot_be_asked_is_refused(asked):
    with pytest.raises(ValueError, match="SearchStates"):
        SearchStates.model_validate(asked)


def test_a_state_that_is_not_there_is_not_found(house):
    with pytest.raises(NotFoundError) as raised:
        house.search(state_id="state_00000000000000000000000000")
    assert raised.value.code == "STATE_NOT_FOUND"


def test_an_answer_that_is_too_large_to_send_is_refused_with_advice(house, rng, monkeypatch):
    monkeypatch.setattr(search, "MAX_ANSWER_BYTES", 20_000)
    for _ in range(5):
        house.keep(drawn(rng, 1), text="x" * 5_000)
    assert len(house.search([1, 0], top_k=3).neighbours) == 3
    with pytest.raises(TooLargeError, match="top_k"):
        house.search([1, 0], top_k=5)
