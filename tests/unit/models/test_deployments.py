"""Models are put into service, answer beside each other, and are taken out; warm functions follow."""

import pytest

from ketbase.errors import ConflictError, InvalidError, KetbaseError, NotFoundError
from ketbase.models import layout
from ketbase.models.types import DeployModel
from tests.fakes import ALICE, BOB
from tests.trained import made


def deploy(house, model_id, caller=ALICE, **body):
    return house.deployments.deploy(caller, model_id, DeployModel.model_validate(body))


def code_of(what, *arguments, **named):
    with pytest.raises(KetbaseError) as raised:
        what(*arguments, **named)
    return raised.value.code


def test_a_deployed_model_has_an_address_and_warm_functions(house):
    entry = house.model()
    answer = deploy(house, entry.id, replicas=3, shots=100)
    assert (answer.status, answer.eta_seconds, house.capacity.provided) == ("deploying", 120, 3)
    assert answer.endpoint == f"https://ket.test/v1/models/{entry.id}/predict"
    record = house.registry.get(ALICE, entry.id)
    assert (record.status, record.deployment.id, record.deployment.shots) == ("deployed", answer.deployment_id, 100)
    assert house.capacity.prepared == [entry.id]


def test_warm_functions_are_the_sum_over_all_deployments(house):
    first, second = house.model("a").id, house.model("b", caller=BOB).id
    deploy(house, first, replicas=3)
    deploy(house, second, caller=BOB, replicas=2)
    assert house.capacity.provided == 5
    deploy(house, first, replicas=1)
    assert house.capacity.provided == 3
    house.deployments.retire(BOB, second)
    assert house.capacity.provided == 1
    assert deploy(house, first, replicas=0).status == "deployed"
    assert house.capacity.provided == 0


def test_too_many_replicas_are_refused_and_nothing_changes(house):
    house.capacity.most = 4
    deploy(house, house.model("a").id, replicas=3)
    entry = house.model("b")
    assert code_of(deploy, house, entry.id, replicas=2) == "TOO_MANY_REPLICAS"
    assert house.registry.get(ALICE, entry.id).status == "registered"
    assert house.capacity.provided == 3


def test_nothing_is_kept_warm_unless_it_is_asked_for(house):
    assert deploy(house, house.model().id).replicas == 0
    assert house.capacity.provided == 0


def test_an_organisation_keeps_as_many_functions_warm_as_the_installation_allows(house):
    first, second = house.model("a").id, house.model("b").id
    deploy(house, first, replicas=8)
    with pytest.raises(InvalidError, match="whoever runs the installation") as refused:
        deploy(house, second, replicas=3)
    assert (refused.value.code, refused.value.details["limit"]) == ("MOST_REPLICAS", 10)
    assert house.registry.get(ALICE, second).status == "registered"
    deploy(house, house.model("c", caller=BOB).id, caller=BOB, replicas=10)
    deploy(house, first, replicas=7)
    deploy(house, second, replicas=3)
    assert house.capacity.provided == 20
    house.deployments.retire(ALICE, first)
    deploy(house, second, replicas=10)


def test_two_deployments_at_once_do_not_pass_the_installations_limit(house):
    entry, other = house.model("a"), house.model("b")
    provide, asked = house.capacity.provide, []

    def slowly(replicas):
        if not asked:
            asked.append(replicas)
            deploy(house, other.id, replicas=6)
        return provide(replicas)

    house.capacity.provide = slowly
    assert code_of(deploy, house, entry.id, replicas=6) == "MODEL_BUSY"
    assert house.capacity.provided == 6


def test_functions_that_another_deployment_asked_for_meanwhile_are_kept(house):
    entry = house.model()
    provide, put = house.capacity.provide, []

    def slowly(replicas):
        if not put:  # another process deploys while the first call is under way
            put.append(replicas)
            deploy(house, house.model("other").id, replicas=5)
        return provide(replicas)

    house.capacity.provide = slowly
    deploy(house, entry.id, replicas=1)
    assert house.capacity.provided == 6


def test_a_retired_model_leaves_service_and_may_come_back(house):
    entry = house.deployed()
    assert house.deployments.retire(ALICE, entry.id).status == "retired"
    assert house.deployments.retire(ALICE, entry.id).status == "retired"
    assert code_of(house.predict, entry.id) == "MODEL_RETIRED"
    deploy(house, entry.id)
    assert house.predict(entry.id).predictions


def test_a_model_in_service_is_not_deleted(house):
    entry = house.deployed()
    assert code_of(house.registry.delete, ALICE, entry.id) == "MODEL_DEPLOYED"
    house.deployments.retire(ALICE, entry.id)
    house.registry.delete(ALICE, entry.id)


def test_another_organisations_model_is_not_deployed(house):
    entry = house.model()
    with pytest.raises(NotFoundError):
        deploy(house, entry.id, caller=BOB)
    with pytest.raises(NotFoundError):
        house.deployments.retire(BOB, entry.id)


@pytest.mark.parametrize(
    ("kind", "backend", "code"),
    [
        ({}, "nowhere", "BACKEND_NOT_FOUND"),
        ({"readout": "kernel"}, "fake_fez", "UNSUPPORTED_BACKEND"),
    ],
)
def test_a_backend_that_cannot_serve_is_refused(house, kind, backend, code):
    entry = house.model("a", made(**kind))
    assert code_of(deploy, house, entry.id, backend=backend) == code


def test_a_shadow_answers_beside_one_model(house):
    first, second, third = house.deployed("a"), house.model("a"), house.model("a")
    deploy(house, second.id, shadow_of=first.id)
    assert house.registry.entry(ALICE.organization_id, first.id).shadowed_by == second.id
    with pytest.raises(ConflictError) as raised:
        deploy(house, third.id, shadow_of=first.id)
    assert (raised.value.code, raised.value.details["shadowed_by"]) == ("SHADOW_TAKEN", second.id)
    house.deployments.retire(ALICE, second.id)
    deploy(house, third.id, shadow_of=first.id)
    assert house.registry.entry(ALICE.organization_id, first.id).shadowed_by == third.id


def test_a_shadow_that_is_deployed_by_itself_is_none_any_more(house):
    first, second = house.deployed("a"), house.model("a")
    deploy(house, second.id, shadow_of=first.id)
    deploy(house, second.id)
    assert house.registry.entry(ALICE.organization_id, first.id).shadowed_by is None


def test_shadows_of_what_cannot_be_compared_are_refused(house):
    first = house.deployed("a")
    waiting, shadow = house.model("a"), house.model("a")
    deploy(house, shadow.id, shadow_of=first.id)
    assert code_of(deploy, house, first.id, shadow_of=first.id) == "SHADOW_MISMATCH"
    assert code_of(deploy, house, waiting.id, shadow_of=shadow.id) == "SHADOW_MISMATCH"
    assert code_of(deploy, house, waiting.id, shadow_of=house.model("b").id) == "NOT_DEPLOYED"
    assert code_of(deploy, house, first.id, shadow_of=house.deployed("c").id) == "SHADOW_TAKEN"
    wider = house.model("b", made(n_raw=4))
    others = house.model("b", made(classes=("no", "perhaps")))
    house.deployments.retire(ALICE, shadow.id)
    for each in (wider, others):
        with pytest.raises(InvalidError) as raised:
            deploy(house, each.id, shadow_of=first.id)
        assert raised.value.code == "SHADOW_MISMATCH"


def test_erasing_an_organisation_gives_its_functions_back(house):
    house.deployed("a", replicas=4)
    house.deployed("b", caller=BOB, replicas=1)
    list(house.deployments.erase(ALICE.organization_id))
    assert house.capacity.provided == 1
    assert house.records.get(layout.CAPACITY).values["replicas"] == 1
