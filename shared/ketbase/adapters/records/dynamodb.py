"""The records port over one DynamoDB table with a global secondary index for each `Index`."""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ketbase.adapters.records.conditions import holds
from ketbase.adapters.records.encoding import Attributes, expires_at, item_from, key_attributes
from ketbase.adapters.records.expressions import Placeholders, action, alive
from ketbase.adapters.records.ranges import SortRange
from ketbase.adapters.records.retries import ATTEMPTS, attempts
from ketbase.adapters.records.rules import fits, horizon, refuse_invalid
from ketbase.ports.clock import Clock
from ketbase.ports.records import (
    BusyError,
    Check,
    ConditionFailedError,
    Delete,
    Index,
    Item,
    Key,
    Page,
    Put,
    Update,
    Write,
)

_BATCH = 100
"""The most keys that one BatchGetItem takes."""

_CONDITION_FAILED = "ConditionalCheckFailed"
_PASSING = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingError",
        "TransactionConflict",
    }
)
"""Why a write, or a part of a transaction, is refused for the moment, without a word about its conditions."""


class DynamoRecords:
    """Items in one table.

    A lone write is a plain call; several, a lone check and a conditional delete are a transaction. boto3 repeats
    a call whose answer was lost. A transaction's token makes that harmless; a plain call leaves its token in
    the item (`written_by`), so that a repetition knows its own work. Only a lone `add` can still count twice,
    when its answer is lost and someone else writes the item before the repetition: add money in transactions.
    """

    def __init__(self, client: Any, table: str, clock: Clock):
        """Use a boto3 `dynamodb` client and the table of this name."""
        self._client = client
        self._table = table
        self._clock = clock

    def get(self, key: Key) -> Item | None:
        """Read one item, as the last finished write left it."""
        if not fits(key):
            return None
        answer = self._client.get_item(TableName=self._table, Key=key_attributes(key), ConsistentRead=True)
        attributes = answer.get("Item")
        if attributes is None or _expired(attributes, horizon(self._clock)):
            return None
        return item_from(attributes)

    def get_many(self, keys: Iterable[Key]) -> list[Item]:
        """Read several items in the order of `keys`; the missing and the expired are left out.

        Raises:
            BusyError: the table was asked again and again and did not give all of them.
        """
        wanted = list(keys)
        now = horizon(self._clock)
        found = {}
        for batch in itertools.batched(filter(fits, dict.fromkeys(wanted)), _BATCH, strict=False):
            for attributes in self._batch(batch):
                if not _expired(attributes, now):
                    item = item_from(attributes)
                    found[item.key] = item
        return [found[key] for key in wanted if key in found]

    def write(self, *writes: Write) -> None:
        """Do all of the writes or none.

        Raises:
            ConditionFailedError: some condition did not hold.
            BusyError: the conflicts did not end.
            ValueError: see `rules.refuse_invalid`.
        """
        refuse_invalid(writes)
        effective = {p: write for p, write in enumerate(writes) if write.when or not isinstance(write, Check)}
        if not effective:
            return
        now = horizon(self._clock)
        if not any(self._try(effective, now) for _ in attempts(self._clock)):
            raise BusyError(f"{ATTEMPTS} attempts met other writers")

    def query(
        self,
        partition: str,
        *,
        prefix: str = "",
        index: Index | None = None,
        after: str | None = None,
        descending: bool = False,
        limit: int = 100,
    ) -> Page:
        """Read the items of a partition whose sort key begins with `prefix`, in order of the sort key."""
        span = SortRange.of(prefix, **{"below" if descending else "above": after})
        request = {"ScanIndexForward": not descending, "Limit": limit + 1 + len(span.excluded)}
        found = itertools.islice(self._walk(partition, index, span, request), limit + 1)
        items = [item_from(attributes) for attributes in found]
        if len(items) <= limit:
            return Page(tuple(items), None)
        last = items[limit - 1]
        return Page(tuple(items[:limit]), (last.indexes[index] if index else last.key).sort)

    def count(
        self, partition: str, *, prefix: str = "", index: Index | None = None, before: str | None = None
    ) -> int:
        """Count what `query` would find; with `before`, only sort keys below it."""
        span = SortRange.of(prefix, below=before)
        return sum(1 for _ in self._walk(partition, index, span, {}, only_keys=True))

    def check(self) -> None:
        """Read from the table."""
        self.get(Key("check", "check"))

    def _batch(self, keys: Iterable[Key]) -> Iterator[Attributes]:
        request: Any = {self._table: {"Keys": [key_attributes(key) for key in keys], "ConsistentRead": True}}
        for _ in attempts(self._clock):
            answer = self._client.batch_get_item(RequestItems=request)
            yield from answer["Responses"].get(self._table, [])
            request = answer.get("UnprocessedKeys")
            if not request:
                return
        raise BusyError(f"{ATTEMPTS} attempts left keys unread")

    def _walk(
        self,
        partition: str,
        index: Index | None,
        span: SortRange,
        request: dict[str, Any],
        *,
        only_keys: bool = False,
    ) -> Iterator[Attributes]:
        """Yield what lies in a range, from as many answers as it takes; what has expired is left out."""
        if span.empty or not fits(Key(partition, span.lower)):
            return
        aliases = Placeholders()
        sort = f"{index}_sort" if index else "sort"
        request = request | {
            "TableName": self._table,
            "KeyConditionExpression": span.expression(aliases, partition, index),
            "FilterExpression": alive(aliases, horizon(self._clock)),
        }
        request |= {"IndexName": index.value} if index else {"ConsistentRead": True}
        if only_keys:
            request["ProjectionExpression"] = aliases.name(sort)
        request |= aliases.arguments()
        while True:
            answer = self._client.query(**request)
            for attributes in answer["Items"]:
                if attributes[sort]["S"] not in span.excluded:
                    yield attributes
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _try(self, writes: Mapping[int, Write], now: int) -> bool:
        """Do the writes, given by their positions.

        Returns:
            Whether they were done; if not, nothing was, and it may go better the next time.

        Raises:
            ConditionFailedError: some condition did not hold.
        """
        # Of its own for each attempt: a token whose transaction was cancelled may be answered with the same again.
        token = secrets.token_urlsafe(12)
        try:
            self._send(list(writes.values()), now, token)
        except ClientError as error:
            reasons = _reasons(error)
            refused = {
                position: reason.get("Item", {})
                for position, reason in zip(writes, reasons, strict=False)
                if reason["Code"] == _CONDITION_FAILED
            }
            if any(old.get("written_by") == {"S": token} for old in refused.values()):
                return True
            if not refused and not any(reason["Code"] in _PASSING for reason in reasons):
                raise
            self._make_room(writes, refused, now)
            return False
        return True

    def _send(self, writes: list[Write], now: int, token: str) -> None:
        actions = [action(write, self._table, now, token) for write in writes]
        match writes:
            case [Put()]:
                self._client.put_item(**actions[0])
            case [Update()]:
                self._client.update_item(**actions[0])
            case [Delete(when=())]:
                self._client.delete_item(**actions[0])
            case _:
                named = zip(writes, actions, strict=True)
                self._client.transact_write_items(
                    TransactItems=[{_ACTIONS[type(write)]: arguments} for write, arguments in named],
                    ClientRequestToken=token,
                )

    def _make_room(self, writes: Mapping[int, Write], refused: Mapping[int, Attributes], now: int) -> None:
        """Delete the expired items on which updates were refused, so that these begin with nothing.

        Raises:
            ConditionFailedError: some write was refused for another reason.
        """
        removable: list[Key] = []
        failed = []
        for position, old in refused.items():
            write = writes[position]
            anew = all(holds(asked, None) for asked in write.when)
            if isinstance(write, Update) and anew and _expired(old, now):
                removable.append(write.key)
            else:
                failed.append(position)
        if failed:
            raise ConditionFailedError(failed)
        for key in removable:
            self._delete_expired(key, now)

    def _delete_expired(self, key: Key, now: int) -> None:
        aliases = Placeholders()
        expired = f"{aliases.name('expires_at')} < {aliases.value(now)}"
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=key_attributes(key),
                ConditionExpression=expired,
                **aliases.arguments(),
            )
        except ClientError as error:
            if _reasons(error)[0]["Code"] not in {_CONDITION_FAILED, *_PASSING}:
                raise


_ACTIONS = {Put: "Put", Update: "Update", Delete: "Delete", Check: "ConditionCheck"}


def _reasons(error: ClientError) -> list[dict[str, Any]]:
    """Why each write was refused, in their order; one reason if there was no transaction."""
    code = error.response["Error"]["Code"]
    if code == "TransactionCanceledException":
        return list(error.response["CancellationReasons"])
    return [{"Code": code.removesuffix("Exception"), "Item": error.response.get("Item", {})}]


def _expired(attributes: Attributes, now: int) -> bool:
    expiry = expires_at(attributes)
    return expiry is not None and expiry < now
