import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.audit.service import Audit
from ketbase.audit.types import AuditFilter
from ketbase.circuits.service import Circuits, group_parameters
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CreateCircuit, InitialValues, UpdateCircuit
from ketbase.errors import InvalidCircuitError, NotFoundError
from ketbase.paging import PageRequest
from tests.fakes import ALICE, BOB, DictBlobs, FakeLanguage, TurnedClock


@pytest.fixture
def blobs():
    return DictBlobs()


@pytest.fixture
def circuits(tmp_path, blobs):
    clock = TurnedClock()
    return Circuits(CircuitStore(SqliteRecords(tmp_path / "r.db", clock), blobs), FakeLanguage, clock)


def bell(name="Bell", tags=()):
    gates = [{"type": "H", "targets": [0]}, {"type": "CNOT", "targets": [0, 1]}]
    return CreateCircuit.model_validate(
        {"name": name, "n_qubits": 2, "gates": gates, "metadata": {"tags": list(tags)}}
    )


def names(page):
    return [circuit.name for circuit in page.items]


def test_what_was_created_is_read_back_whole(circuits):
    made = circuits.create(ALICE, bell(tags=["a"]))
    assert circuits.get(ALICE, made.id) == made


def test_another_organisation_does_not_see_a_circuit(circuits):
    made = circuits.create(ALICE, bell(tags=["a"]))
    for use in (circuits.get, circuits.delete):
        with pytest.raises(NotFoundError):
            use(BOB, made.id)
    with pytest.raises(NotFoundError):
        circuits.update(BOB, made.id, UpdateCircuit(name="mine"))
    assert names(circuits.list(BOB, [], PageRequest())) == []
    assert names(circuits.list(BOB, ["a"], PageRequest())) == []


def test_lists_go_from_new_to_old_in_pages_that_join_without_gap_or_overlap(circuits):
    for number in range(7):
        circuits.create(ALICE, bell(f"c{number}"))
    first = circuits.list(ALICE, [], PageRequest(limit=3))
    second = circuits.list(ALICE, [], PageRequest(limit=3, cursor=first.cursor))
    third = circuits.list(ALICE, [], PageRequest(limit=3, cursor=second.cursor))
    assert names(first) + names(second) + names(third) == ["c6", "c5", "c4", "c3", "c2", "c1", "c0"]
    assert (first.total, third.cursor) == (7, None)
    assert names(circuits.list(ALICE, [], PageRequest(limit=2, offset=4, descending=False))) == ["c4", "c5"]


def test_a_list_by_tags_holds_only_circuits_with_all_of_them(circuits):
    circuits.create(ALICE, bell("both", ["a", "b"]))
    circuits.create(ALICE, bell("one", ["a"]))
    assert names(circuits.list(ALICE, ["a"], PageRequest())) == ["one", "both"]
    page = circuits.list(ALICE, ["a", "b"], PageRequest())
    assert (names(page), page.total) == (["both"], 1)


def test_an_update_changes_what_is_given_and_moves_the_tags(circuits):
    made = circuits.create(ALICE, bell("old", ["a", "b"]))
    changed = circuits.update(ALICE, made.id, UpdateCircuit.model_validate({"metadata": {"tags": ["b", "c"]}}))
    assert (changed.name, changed.metadata.tags) == ("old", ("b", "c"))
    found = {tag: names(circuits.list(ALICE, [tag], PageRequest())) for tag in "abc"}
    assert found == {"a": [], "b": ["old"], "c": ["old"]}


def test_a_deleted_circuit_is_gone_with_its_tags_its_count_and_its_blob(circuits, blobs):
    made = circuits.create(ALICE, bell(tags=["a"]))
    circuits.delete(ALICE, made.id)
    with pytest.raises(NotFoundError):
        circuits.get(ALICE, made.id)
    with pytest.raises(NotFoundError):
        circuits.delete(ALICE, made.id)
    assert circuits.list(ALICE, ["a"], PageRequest()).total == 0
    assert circuits.list(ALICE, [], PageRequest()).total == 0
    assert blobs.kept == {}


def test_qasm_that_cannot_be_read_leaves_nothing_behind(circuits, blobs):
    with pytest.raises(InvalidCircuitError, match="not a Bell pair"):
        circuits.create(ALICE, CreateCircuit(name="bad", qasm="OPENQASM 3;"))
    assert (blobs.kept, circuits.list(ALICE, [], PageRequest()).total) == ({}, 0)


def test_the_format_a_circuit_came_in_is_kept_with_its_text(circuits):
    made = circuits.create(ALICE, CreateCircuit(name="b", qasm="// hi\nOPENQASM 2.0;\n// bell"))
    assert (made.source_format, made.source_qasm) == ("openqasm2", "// hi\nOPENQASM 2.0;\n// bell")


def test_parameters_are_grouped_by_stem_in_the_order_of_their_numbers():
    inputs = sorted([f"theta_{n}" for n in range(12)] + ["x_0", "gamma"])
    groups = group_parameters(inputs, {"gamma": InitialValues(initial_values=(0.5,))})
    assert groups["theta"].names == tuple(f"theta_{n}" for n in range(12))
    assert (groups["x"].role, groups["gamma"].role) == ("feature", "trainable")
    assert groups["gamma"].initial_values == (0.5,)


def test_initial_values_that_do_not_fit_are_refused():
    with pytest.raises(InvalidCircuitError, match="has 1 initial values, but the circuit has 2"):
        group_parameters(["t_0", "t_1"], {"t": InitialValues(initial_values=(1.0,))})
    with pytest.raises(InvalidCircuitError, match="has 0 such parameters"):
        group_parameters([], {"t": InitialValues(initial_values=(1.0,))})


def test_a_circuit_with_more_parameters_than_a_record_holds_is_refused_and_leaves_nothing(circuits, blobs):
    def body(count):
        gates = [{"type": "RX", "targets": [0], "parameters": {"theta": f"theta_{n}"}} for n in range(count)]
        return CreateCircuit.model_validate({"name": "many", "n_qubits": 1, "gates": gates})

    with pytest.raises(InvalidCircuitError, match="50,000"):
        circuits.create(ALICE, body(10_000))
    assert blobs.kept == {}
    assert circuits.create(ALICE, body(3_000)).parameters["theta"].count == 3_000


def test_a_circuit_that_no_answer_could_hold_is_refused(circuits, blobs):
    angles = dict.fromkeys(("theta", "phi", "lambda"), "+".join(["a"] * 200))
    gate = {"type": "U", "targets": [0], "parameters": angles}
    body = CreateCircuit.model_validate({"name": "long", "n_qubits": 1, "gates": [gate] * 10_000})
    with pytest.raises(InvalidCircuitError) as refused:
        circuits.create(ALICE, body)
    assert refused.value.code == "CIRCUIT_TOO_LARGE"
    assert blobs.kept == {}


def test_what_is_done_to_a_circuit_is_told_in_the_audit_log(circuits):
    made = circuits.create(ALICE, bell())
    circuits.update(ALICE, made.id, UpdateCircuit(name="other"))
    circuits.delete(ALICE, made.id)
    log = Audit(circuits._store._records).list(ALICE, AuditFilter(), PageRequest(descending=False))
    assert [(line.action, line.target, line.actor_id) for line in log.items] == [
        (action, made.id, ALICE.user_id) for action in ("circuit.created", "circuit.updated", "circuit.deleted")
    ]
    assert [line.details for line in log.items] == [{"name": "Bell"}, {"fields": ["name"]}, {"name": "other"}]
