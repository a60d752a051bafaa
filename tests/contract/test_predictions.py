"""A prediction is one conditional write on either store of records: charged, counted, and held to the model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.errors import BudgetError
from ketbase.ledger.types import Budget
from ketbase.models.types import DeployModel
from ketbase.money import Money
from ketbase.ports.records import Records
from tests.fakes import ALICE, TurnedClock
from tests.trained import made
from tests.unit.models.conftest import House


@pytest.fixture(params=["sqlite", "dynamodb"])
def records(request: pytest.FixtureRequest, tmp_path: Path, clock: TurnedClock) -> Iterator[Records]:
    if request.param == "sqlite":
        yield SqliteRecords(tmp_path / "records.db", clock)
        return
    dynamodb: Any = request.getfixturevalue("dynamodb")
    yield DynamoRecords(dynamodb, request.getfixturevalue("table"), clock)


@pytest.fixture
def house(records: Records, clock: TurnedClock) -> House:
    return House(records, clock, "1000")


def test_predictions_are_charged_counted_and_shadowed(house: House) -> None:
    first, second = house.deployed("a", made(seed=0), replicas=2), house.model("a", made(seed=1))
    house.deployments.deploy(ALICE, second.id, DeployModel(shadow_of=first.id, replicas=1))
    assert house.capacity.provided == 3
    costs = [house.predict(first.id).cost for _ in range(3)]
    house.catch_up()
    report = house.comparisons.report(ALICE, first.id)
    assert (report.requests, report.first.cost) == (3, sum(costs, Money()))
    spent = house.ledger.standing(ALICE.organization_id).spent
    assert spent == sum(costs, Money()) + report.second.cost
    assert house.observations.metrics(ALICE, first.id, "1d").requests_per_day == (3,)
    house.records.write(*house.ledger.budget_writes(ALICE.organization_id, Budget(monthly_limit=spent)))
    with pytest.raises(BudgetError):
        house.predict(first.id)
    assert house.ledger.standing(ALICE.organization_id).spent == spent
    list(house.deployments.erase(ALICE.organization_id))
    assert house.capacity.provided == 0
