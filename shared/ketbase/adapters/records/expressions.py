"""Writes in DynamoDB's expression language."""

from dataclasses import dataclass, field
from typing import Any

from ketbase.adapters.records.encoding import Attribute, Attributes, encode, item_attributes, key_attributes
from ketbase.ports.records import (
    Absent,
    AtMost,
    Check,
    Condition,
    Delete,
    Equals,
    OneOf,
    Present,
    Put,
    Update,
    Write,
)


@dataclass(slots=True)
class Placeholders:
    """The names and values of one request: every name is aliased, because hundreds of words are reserved."""

    names: dict[str, str] = field(default_factory=dict)
    values: Attributes = field(default_factory=dict)

    def name(self, attribute: str) -> str:
        """Alias an attribute's name."""
        return self.names.setdefault(attribute, f"#{len(self.names)}")

    def value(self, value: Any) -> str:
        """Alias a value."""
        return self.attribute(encode(value))

    def attribute(self, attribute: Attribute) -> str:
        """Alias an encoded value."""
        alias = f":{len(self.values)}"
        self.values[alias] = attribute
        return alias

    def arguments(self) -> dict[str, Any]:
        """The request's arguments that resolve the aliases."""
        arguments: dict[str, Any] = {}
        if self.names:
            arguments["ExpressionAttributeNames"] = {alias: name for name, alias in self.names.items()}
        if self.values:
            arguments["ExpressionAttributeValues"] = self.values
        return arguments


def action(write: Write, table: str, now: int, token: str) -> dict[str, Any]:
    """Say a write as the arguments of PutItem, UpdateItem or DeleteItem, or as a part of a transaction.

    Args:
        write: what to do.
        table: the table's name.
        now: the `rules.horizon`: an item that expires before it counts as missing.
        token: is left in the item as `written_by`. An update is refused where it lies already, so that a
            repetition does not add twice; and where the item has expired, since its old fields must not live on.
    """
    aliases = Placeholders()
    conditions = [condition(aliases, asked, now) for asked in write.when]
    arguments: dict[str, Any] = {"TableName": table}
    match write:
        case Put(item):
            arguments["Item"] = item_attributes(item) | {"written_by": {"S": token}}
        case Update(key):
            arguments["Key"] = key_attributes(key)
            arguments["UpdateExpression"] = _update(aliases, write, token)
            conditions += [
                alive(aliases, now),
                f"(NOT {aliases.name('written_by')} = {aliases.value(token)})",
            ]
        case Delete(key) | Check(key):
            arguments["Key"] = key_attributes(key)
    if conditions:
        arguments["ConditionExpression"] = " AND ".join(conditions)
        arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return arguments | aliases.arguments()


def alive(aliases: Placeholders, now: int) -> str:
    """Hold for an item that has not expired, and for a missing one."""
    expiry = aliases.name("expires_at")
    return f"(attribute_not_exists({expiry}) OR {expiry} >= {aliases.value(now)})"


def condition(aliases: Placeholders, condition: Condition, now: int) -> str:
    """Say a condition such that an expired item counts as a missing one."""
    match condition:
        case Absent():
            expired = f"{aliases.name('expires_at')} < {aliases.value(now)}"
            return f"(attribute_not_exists({aliases.name('partition')}) OR {expired})"
        case Present():
            return f"(attribute_exists({aliases.name('partition')}) AND {alive(aliases, now)})"
        case Equals(name, value):
            return f"({aliases.name(name)} = {aliases.value(value)} AND {alive(aliases, now)})"
        case OneOf(name, ()):
            return f"(attribute_exists({aliases.name(name)}) AND attribute_not_exists({aliases.name(name)}))"
        case OneOf(name, values):
            choices = ", ".join(aliases.value(value) for value in values)
            return f"({aliases.name(name)} IN ({choices}) AND {alive(aliases, now)})"
        case AtMost(name, bound):
            number = aliases.name(name)
            within = f"{number} <= {aliases.value(bound)}"
            if bound < 0:
                return f"({within} AND {alive(aliases, now)})"
            expired = f"{aliases.name('expires_at')} < {aliases.value(now)}"
            return f"({within} OR attribute_not_exists({number}) OR {expired})"


def _update(aliases: Placeholders, update: Update, token: str) -> str:
    changed: Attributes = {"written_by": {"S": token}}
    changed |= {name: encode(value) for name, value in update.set.items()}
    removed = list(update.remove)
    for index, key in update.indexes.items():
        if key is None:
            removed += [f"{index}_partition", f"{index}_sort"]
        else:
            changed |= key_attributes(key, index)
    clauses = ["SET " + ", ".join(f"{aliases.name(name)} = {aliases.attribute(a)}" for name, a in changed.items())]
    if update.add:
        clauses.append(
            "ADD " + ", ".join(f"{aliases.name(n)} {aliases.value(amount)}" for n, amount in update.add.items())
        )
    if removed:
        clauses.append("REMOVE " + ", ".join(aliases.name(name) for name in removed))
    return " ".join(clauses)
