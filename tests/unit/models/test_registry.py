"""Models are registered once, counted up by name, checked when they are read, and taken away whole."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from ketbase.audit.service import Audit
from ketbase.audit.types import AuditFilter
from ketbase.errors import NotFoundError, UnavailableError
from ketbase.models import layout
from ketbase.models.types import ModelSpec
from ketbase.paging import PageRequest
from ketbase.version import VERSION
from tests.fakes import ALICE, BOB
from tests.trained import made, measured, trained

ORG = ALICE.organization_id


def listed(house, status=None, name=None, caller=ALICE):
    return [model.id for model in house.registry.list(caller, status, name, PageRequest()).items]


def test_a_model_is_kept_with_all_that_its_training_found(house):
    spec, arrays = made()
    circuit_json = json.dumps(spec.definition.model_dump(mode="json"), sort_keys=True)
    entry = house.model(spec_and_arrays=(spec, arrays), circuit_id="circuit_1")
    record = house.registry.get(ALICE, entry.id)
    assert (record.version, record.status, record.method, record.n_qubits) == (
        "1.0.0",
        "registered",
        "variational",
        2,
    )
    assert record.metrics == {"accuracy": 0.9, "f1": 0.9, "loss": 0.3}
    assert record.baselines["rbf_svm"] == measured(0.93)
    assert record.lineage.circuit_sha256 == sha256(circuit_json.encode()).hexdigest()
    assert (record.lineage.code_version, record.lineage.circuit_id) == (VERSION, "circuit_1")
    assert record.artifact.sha256["arrays.npz"] == sha256(arrays).hexdigest()
    assert str(record.training_cost) == "0.0123"
    assert record.cost_per_prediction.nano > 0
    assert house.registry.artifact(ORG, entry) == (spec, arrays)


def test_without_a_test_part_the_validation_part_is_shown(house):
    handed = trained()
    finished = handed.finished._replace(metrics={"train": measured(1.0), "validation": measured(0.7)})
    assert house.registry.add(ORG, handed._replace(finished=finished)).metrics["accuracy"] == 0.7


def test_a_repeated_step_makes_no_second_model(house):
    handed = trained()
    first = house.registry.add(ORG, handed)
    again = house.registry.add(ORG, handed._replace(history=()))
    assert again == first
    assert house.registry.list(ALICE, None, None, PageRequest()).total == 1
    assert len(house.registry.with_history(ALICE, first.id)[1]) == 5
    told = Audit(house.records).list(ALICE, AuditFilter(), PageRequest()).items
    assert [line.action for line in told] == ["model.registered"]


def test_two_runs_of_a_step_at_the_same_moment_make_one_model(house):
    handed = trained()
    looked = threading.Barrier(2)
    entry = house.store.entry

    def slowly(*model):
        found = entry(*model)
        if found is None:
            looked.wait(10)
        return found

    house.store.entry = slowly
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: house.registry.add(ORG, handed), range(2))
    assert one == other
    assert one.version == "1.0.0"
    assert house.registry.list(ALICE, None, None, PageRequest()).total == 1


def test_versions_count_up_for_each_name_and_organisation(house):
    assert [house.model("a").version for _ in range(3)] == ["1.0.0", "2.0.0", "3.0.0"]
    assert house.model("b").version == "1.0.0"
    assert house.model("a", caller=BOB).version == "1.0.0"


def test_trainings_that_end_at_the_same_moment_get_different_versions(house):
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda _: house.model("raced").version, range(16)))
    assert sorted(versions, key=lambda each: int(each.partition(".")[0])) == [f"{n}.0.0" for n in range(1, 17)]


def test_the_version_of_a_deleted_model_is_not_given_again(house):
    house.registry.delete(ALICE, house.model("a").id)
    assert house.model("a").version == "2.0.0"


def test_lists_are_of_a_status_and_a_name_the_newest_first(house):
    models = [house.model(name) for name in ("a", "b", "a", "c")]
    ids = [model.id for model in models]
    assert listed(house) == ids[::-1]
    assert listed(house, name="a") == [ids[2], ids[0]]
    assert listed(house, status="registered", name="b") == [ids[1]]
    assert listed(house, status="retired") == listed(house, name="a", status="retired") == []
    assert listed(house, status="registered") == ids[::-1]
    page = house.registry.list(ALICE, "registered", None, PageRequest(limit=3))
    rest = house.registry.list(ALICE, "registered", None, PageRequest(limit=3, cursor=page.cursor))
    assert ([each.id for each in rest.items], page.total, rest.cursor) == ([ids[0]], 4, None)
    assert listed(house, caller=BOB) == []


@pytest.mark.parametrize("file", layout.FILES)
def test_a_damaged_artifact_is_not_served(house, file):
    entry = house.model()
    key = layout.blob(ORG, entry.id, file)
    house.blobs.kept[key] = house.blobs.kept[key][:-1] + b"!"
    with pytest.raises(UnavailableError) as raised:
        house.registry.artifact(ORG, entry)
    assert (raised.value.code, raised.value.details["file"]) == ("ARTIFACT_DAMAGED", file)


def test_a_deleted_model_leaves_nothing(house):
    stays, gone = house.model("a"), house.model("a")
    house.registry.delete(ALICE, gone.id)
    assert listed(house) == listed(house, name="a") == [stays.id]
    assert {key.split("/")[2] for key in house.blobs.kept} == {stays.id}
    assert house.registry.list(ALICE, None, None, PageRequest()).total == 1
    for ask in (house.registry.get, house.registry.delete):
        with pytest.raises(NotFoundError) as raised:
            ask(ALICE, gone.id)
        assert raised.value.code == "MODEL_NOT_FOUND"


def test_another_organisations_model_is_not_there(house):
    entry = house.model()
    for ask in (house.registry.get, house.registry.delete):
        with pytest.raises(NotFoundError):
            ask(BOB, entry.id)
    assert listed(house) == [entry.id]


def test_erasing_an_organisation_takes_what_lies_outside_of_its_own_partition(house):
    entry = house.model("a")
    house.model("a", caller=BOB)
    list(house.store.erase(ORG))
    for partition in (layout.names(ORG), layout.of_name(ORG, "a"), layout.serving(ORG, entry.id)):
        assert house.records.count(partition) == 0
    assert house.records.count(layout.of_name(BOB.organization_id, "a")) == 1


def test_a_specification_survives_its_file(house):
    spec, _ = made(readout="kernel", classes=(0, 1, 4), n_qubits=3)
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
