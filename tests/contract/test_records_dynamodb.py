"""How the DynamoDB store meets conflicts, throttling and lost answers."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.adapters.records.retries import ATTEMPTS
from ketbase.ports.records import (
    Absent,
    AtMost,
    BusyError,
    Check,
    ConditionFailedError,
    Delete,
    Equals,
    Item,
    Key,
    Present,
    Put,
    Update,
    Write,
)
from tests.fakes import TurnedClock
from tests.servers import aws

KEY, OTHER = Key("p", "a"), Key("p", "b")
WRITES: dict[str, list[Write]] = {
    "a lone put": [Put(Item(KEY, {"n": 1}), (Absent(),))],
    "a lone update": [Update(KEY, add={"n": 1})],
    "a conditional update": [Update(KEY, set={"n": 1}, when=(Absent(),))],
    "a bounded update": [Update(KEY, add={"n": 1}, when=(AtMost("n", 0),))],
    "a transaction": [Update(KEY, add={"n": 1}, when=(AtMost("n", 0),)), Check(OTHER, (Absent(),))],
}


class Troubled:
    """A client whose next calls of some kind meet trouble before, or instead of, the table."""

    def __init__(self, client: Any, call: str, trouble: Callable[[Any, dict[str, Any]], Any]):
        self.client = client
        self.call = call
        self.trouble = trouble

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return (lambda **asked: self.trouble(method, asked)) if self.call in name else method


def error(code: str, *reasons: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "a test"}}
    if reasons:
        response["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return ClientError(response, "Write")


@pytest.mark.parametrize("writes", WRITES.values(), ids=WRITES)
def test_a_write_whose_answer_was_lost_is_done_once(
    dynamodb: Any, table: str, clock: TurnedClock, writes: list[Write]
) -> None:
    def repeat(method: Any, asked: dict[str, Any]) -> Any:
        """As botocore does when the first answer does not arrive."""
        method(**asked)
        return method(**asked)

    for call in ("put_item", "update_item", "transact_write_items"):
        records = DynamoRecords(Troubled(dynamodb, call, repeat), table, clock)
        records.write(Delete(KEY))
        records.write(*writes)
        assert records.get(KEY) == Item(KEY, {"n": 1})
        if writes[0].when:
            with pytest.raises(ConditionFailedError):
                records.write(*writes)


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionConflictException",
    ],
)
def test_a_passing_refusal_is_tried_again_after_a_pause(
    dynamodb: Any, table: str, clock: TurnedClock, code: str
) -> None:
    troubles = iter([error(code)] * 3)

    def refuse(method: Any, asked: dict[str, Any]) -> Any:
        if trouble := next(troubles, None):
            raise trouble
        return method(**asked)

    begin = clock.now()
    DynamoRecords(Troubled(dynamodb, "update_item", refuse), table, clock).write(Update(KEY, add={"n": 1}))
    assert DynamoRecords(dynamodb, table, clock).get(KEY) == Item(KEY, {"n": 1})
    assert clock.now() > begin


@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_conflict_of_transactions_is_never_a_failed_condition(
    dynamodb: Any, table: str, clock: TurnedClock, reason: str
) -> None:
    troubles = iter([error("TransactionCanceledException", "None", reason)] * 3)

    def refuse(method: Any, asked: dict[str, Any]) -> Any:
        if trouble := next(troubles, None):
            raise trouble
        return method(**asked)

    records = DynamoRecords(Troubled(dynamodb, "transact", refuse), table, clock)
    records.write(Put(Item(KEY, {}), (Absent(),)), Put(Item(OTHER, {}), (Absent(),)))
    assert records.count("p") == 2


def test_a_transaction_is_asked_again_under_a_new_token(dynamodb: Any, table: str, clock: TurnedClock) -> None:
    tokens = []

    def refuse(method: Any, asked: dict[str, Any]) -> Any:
        tokens.append(asked["ClientRequestToken"])
        if len(tokens) < 3:
            raise error("TransactionCanceledException", "TransactionConflict", "None")
        return method(**asked)

    records = DynamoRecords(Troubled(dynamodb, "transact", refuse), table, clock)
    records.write(Put(Item(KEY, {})), Put(Item(OTHER, {})))
    assert len(set(tokens)) == 3


def test_conflicts_without_end_are_busy_and_nothing_is_written(
    dynamodb: Any, table: str, clock: TurnedClock
) -> None:
    asked_for = []

    def refuse(method: Any, asked: dict[str, Any]) -> Any:
        asked_for.append(asked)
        raise error("TransactionCanceledException", "TransactionConflict", "None")

    records = DynamoRecords(Troubled(dynamodb, "transact", refuse), table, clock)
    with pytest.raises(BusyError):
        records.write(Put(Item(KEY, {})), Put(Item(OTHER, {})))
    assert len(asked_for) == ATTEMPTS
    assert records.count("p") == 0


def test_a_failed_condition_beside_a_conflict_is_a_failed_condition(
    dynamodb: Any, table: str, clock: TurnedClock
) -> None:
    def refuse(method: Any, asked: dict[str, Any]) -> Any:
        raise error("TransactionCanceledException", "TransactionConflict", "ConditionalCheckFailed")

    records = DynamoRecords(Troubled(dynamodb, "transact", refuse), table, clock)
    with pytest.raises(ConditionFailedError) as refused:
        records.write(Put(Item(KEY, {})), Check(OTHER, (Present(),)))
    assert refused.value.failed == (1,)


def test_another_error_is_passed_on(dynamodb: Any, table: str, clock: TurnedClock) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        DynamoRecords(dynamodb, "no-such-table", clock).write(Put(Item(KEY, {})))
    with pytest.raises(ClientError, match="ResourceNotFound"):
        DynamoRecords(dynamodb, "no-such-table", clock).check()


def test_keys_left_over_by_a_batch_are_asked_for_again(dynamodb: Any, table: str, clock: TurnedClock) -> None:
    def leave_all_but_one(method: Any, asked: dict[str, Any]) -> Any:
        request = asked["RequestItems"][table]
        answer = method(RequestItems={table: request | {"Keys": request["Keys"][:1]}})
        if rest := request["Keys"][1:]:
            answer["UnprocessedKeys"] = {table: request | {"Keys": rest}}
        return answer

    keys = [Key("p", f"{n}") for n in range(5)]
    records = DynamoRecords(Troubled(dynamodb, "batch", leave_all_but_one), table, clock)
    records.write(*(Put(Item(key, {})) for key in keys))
    assert [item.key for item in records.get_many(keys)] == keys


@pytest.mark.parametrize(
    ("writes", "calls"),
    [
        ([Put(Item(KEY, {}), (Absent(),))], ["PutItem"]),
        ([Update(KEY, set={"a": 1}, when=(Equals("b", 1), Present()))], ["UpdateItem"]),
        ([Delete(KEY)], ["DeleteItem"]),
        ([Delete(KEY, (Present(),))], ["TransactWriteItems"]),
        ([Check(KEY, (Absent(),))], ["TransactWriteItems"]),
        ([Put(Item(KEY, {})), Put(Item(OTHER, {}))], ["TransactWriteItems"]),
    ],
)
def test_only_what_needs_a_transaction_pays_for_one(
    ministack: str, table: str, clock: TurnedClock, writes: list[Write], calls: list[str]
) -> None:
    client = aws("dynamodb", ministack)
    made: list[str] = []
    client.meta.events.register("before-call.dynamodb", lambda model, **_: made.append(model.name))
    with suppress(ConditionFailedError):
        DynamoRecords(client, table, clock).write(*writes)
    assert made == calls
