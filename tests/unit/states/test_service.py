"""States are kept whole, listed, and taken away with all that belongs to them."""

import math

import pytest

from ketbase.audit.service import Audit
from ketbase.audit.types import AuditFilter
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import Placement
from ketbase.errors import InvalidCircuitError, NotFoundError, UnavailableError
from ketbase.paging import PageRequest
from ketbase.ports.vectors import Equals
from ketbase.states import layout
from tests.fakes import ALICE, BOB
from tests.unit.states.conftest import CNOT, H, X, drawn, gate

HALF = math.sqrt(0.5)


def ids(page):
    return [state.id for state in page.items]


def test_a_state_is_the_circuits_exact_amplitudes(house):
    circuit = house.circuit(2, H, CNOT, gate("RZ", 1, theta="a"), name="Bell")
    made = house.state(circuit, parameters={"a": 0.5}, metadata={"tags": ["x"], "run": 7})
    assert (made.name, made.circuit_id, made.n_qubits, made.metadata.tags) == ("Bell", circuit, 2, ("x",))
    whole = house.states.get(ALICE, made.id)
    assert whole.model_dump(include=set(type(made).model_fields)) == made.model_dump()
    assert whole.parameters == {"a": 0.5}
    real, imaginary = HALF * math.cos(0.25), HALF * math.sin(0.25)
    assert [part for pair in whole.amplitudes for part in pair] == pytest.approx(
        [real, -imaginary, 0, 0, 0, 0, real, imaginary], abs=1e-15
    )


def test_a_state_has_a_name_of_its_own_if_it_is_given_one(house):
    assert house.state(house.circuit(1, H), name="plus").name == "plus"


def test_its_vector_is_the_real_parts_and_then_the_imaginary_parts(house):
    circuit = house.circuit(1, H, gate("S", 0))
    made = house.state(circuit, metadata={"tags": ["a", "b"], "depth": 3, "nested": {"x": 1}, "none": None})
    (vector,) = house.vectors.fetch(layout.collection(1), ALICE.organization_id, [made.id])
    assert vector.values == pytest.approx([HALF, 0, 0, HALF], abs=1e-7)
    assert vector.metadata == {
        "circuit_id": circuit,
        "user_id": ALICE.user_id,
        "n_qubits": 1,
        "timestamp": "2026-01-01T00:00:00.000000Z",
        "tags": ("a", "b"),
        "metadata_depth": 3,
    }


@pytest.mark.parametrize(
    ("gates", "n_qubits", "code"),
    [
        ([H], 11, "TOO_MANY_QUBITS"),
        ([H, gate("RESET", 0)], 1, "UNSUPPORTED_OPERATION"),
        ([gate("MEASURE", 0), H], 1, "UNSUPPORTED_OPERATION"),
        ([gate("RX", 0, theta="a")], 1, "UNBOUND_PARAMETERS"),
    ],
)
def test_a_circuit_without_one_state_is_refused_and_nothing_is_kept(house, gates, n_qubits, code):
    circuit = house.circuit(n_qubits, *gates)
    before = dict(house.blobs.kept)
    with pytest.raises(InvalidCircuitError) as raised:
        house.state(circuit)
    assert raised.value.code == code
    assert house.blobs.kept == before
    assert house.states.list(ALICE, None, PageRequest()).total == 0


def test_an_optimised_circuit_has_no_state_and_the_answer_names_the_original(house):
    original = house.circuits.get(ALICE, house.circuit(2, H, CNOT))
    placement = Placement(backend="fake_fez", qubits=(5, 6), original=original.id)
    optimized = original.model_copy(update={"id": "circuit_optimized", "placement": placement})
    CircuitStore(house.records, house.blobs).add(ALICE.organization_id, optimized)
    for asked in (lambda: house.state(optimized.id), lambda: house.search(circuit_id=optimized.id)):
        with pytest.raises(InvalidCircuitError, match=original.id) as refused:
            asked()
        assert refused.value.code == "OPTIMIZED_CIRCUIT"
    assert house.states.list(ALICE, None, PageRequest()).total == 0


def test_values_for_parameters_that_are_none_are_refused(house):
    with pytest.raises(InvalidCircuitError) as raised:
        house.state(house.circuit(1, H), parameters={"b": 1.0})
    assert raised.value.code == "UNKNOWN_PARAMETERS"


def test_lists_go_from_new_to_old_in_pages_of_one_circuit_or_all(house):
    plus, flip = house.circuit(1, H), house.circuit(1, X)
    made = [house.state(circuit).id for circuit in (plus, flip, plus, plus, flip)]
    assert ids(house.states.list(ALICE, None, PageRequest())) == made[::-1]
    first = house.states.list(ALICE, plus, PageRequest(limit=2))
    rest = house.states.list(ALICE, plus, PageRequest(limit=2, cursor=first.cursor))
    assert (ids(first), first.total) == ([made[3], made[2]], 3)
    assert (ids(rest), rest.cursor) == ([made[0]], None)
    assert house.states.list(ALICE, None, PageRequest()).total == 5
    assert ids(house.states.list(ALICE, flip, PageRequest(descending=False))) == [made[1], made[4]]


def test_a_deleted_state_is_gone_from_everywhere(house):
    circuit = house.circuit(1, H)
    gone, stays = house.state(circuit).id, house.state(circuit).id
    house.states.delete(ALICE, gone)
    assert ids(house.states.list(ALICE, circuit, PageRequest())) == [stays]
    assert house.states.list(ALICE, None, PageRequest()).total == 1
    assert list(house.vectors.ids(layout.collection(1), ALICE.organization_id)) == [stays]
    assert [key for key in house.blobs.kept if "/state_" in key] == [layout.blob(ALICE.organization_id, stays)]
    assert [each.state.id for each in house.search([1, 0]).neighbours] == [stays]
    for use in (house.states.get, house.states.delete):
        with pytest.raises(NotFoundError) as raised:
            use(ALICE, gone)
        assert raised.value.code == "STATE_NOT_FOUND"


def test_a_state_outlives_its_circuit(house):
    circuit = house.circuit(1, H)
    made = house.state(circuit)
    house.circuits.delete(ALICE, circuit)
    assert house.states.get(ALICE, made.id).circuit_id == circuit
    assert [each.state.id for each in house.search([1, 0]).neighbours] == [made.id]


def test_another_organisation_sees_nothing_of_a_state(house):
    circuit = house.circuit(1, H)
    made = house.state(circuit)
    for use in (house.states.get, house.states.delete):
        with pytest.raises(NotFoundError):
            use(BOB, made.id)
    with pytest.raises(NotFoundError):
        house.state(circuit, caller=BOB)
    for asked in ({"state_id": made.id}, {"circuit_id": circuit}):
        with pytest.raises(NotFoundError):
            house.search(caller=BOB, **asked)
    assert house.states.list(BOB, None, PageRequest()).total == 0
    assert house.states.list(BOB, circuit, PageRequest()).items == ()
    assert house.search([1, 0], caller=BOB).neighbours == ()
    assert house.search([1, 0], caller=BOB, filter={"circuit_id": circuit}).neighbours == ()
    assert house.states.get(ALICE, made.id).id == made.id


def test_the_audit_log_tells_of_a_state_that_comes_and_goes(house):
    made = house.state(house.circuit(1, H))
    house.states.delete(ALICE, made.id)
    found = Audit(house.records).list(ALICE, AuditFilter(), PageRequest(descending=False))
    assert [(line.action, line.target) for line in found.items][1:] == [
        ("state.created", made.id),
        ("state.deleted", made.id),
    ]


class Out:
    """Vectors that do not answer."""

    def __getattr__(self, name):
        def unavailable(*_arguments, **_named):
            raise UnavailableError("VECTORS_UNAVAILABLE", "no answer")

        return unavailable


def test_while_the_vectors_do_not_answer_nothing_is_listed_or_half_deleted(house):
    circuit = house.circuit(1, H)
    made = house.state(circuit)
    house.store._vectors = Out
    for use in (lambda: house.state(circuit), lambda: house.states.delete(ALICE, made.id)):
        with pytest.raises(UnavailableError):
            use()
    assert ids(house.states.list(ALICE, None, PageRequest())) == [made.id]
    house.store._vectors = lambda: house.vectors
    house.states.delete(ALICE, made.id)
    assert house.states.list(ALICE, None, PageRequest()).total == 0


def test_metadata_that_no_store_of_vectors_takes_is_kept_all_the_same(house, rng):
    state_id = house.keep(drawn(rng, 1), huge=10**400, many=[1, 2], text="x" * 5_000, **{"": "empty", "$eq": 1})
    assert house.states.get(ALICE, state_id).metadata.model_dump()["huge"] == 10**400
    (vector,) = house.vectors.fetch(layout.collection(1), ALICE.organization_id, [state_id])
    assert {"metadata_text", "metadata_", "metadata_$eq"} <= set(vector.metadata)
    assert not {"metadata_huge", "metadata_many"} & set(vector.metadata)
    where = [Equals("metadata_$eq", 1)]
    ((match,),) = house.vectors.nearest(
        layout.collection(1), ALICE.organization_id, [vector.values], top_k=5, where=where
    )
    assert match.id == state_id
