"""Items as DynamoDB attributes, and back."""

import json
from typing import Any

from ketbase.adapters.records.rules import OWN_NAMES
from ketbase.ports.records import Index, Item, Key

type Attribute = dict[str, Any]
type Attributes = dict[str, Attribute]

_LONGEST_INTEGER = 10**38
"""DynamoDB keeps 38 digits of a number; what is longer is kept as text."""


def encode(value: Any) -> Attribute:
    """Write a value: scalars natively, so that conditions see them, and all else as JSON, so that nothing is lost.

    DynamoDB's own numbers would turn a float into a decimal, and its own maps would do so inside.
    """
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int) and abs(value) < _LONGEST_INTEGER:
        return {"N": str(int(value))}
    return {"M": {"json": {"S": json.dumps(value, separators=(",", ":"))}}}


def decode(attribute: Attribute) -> Any:
    """Read what `encode` wrote."""
    ((kind, content),) = attribute.items()
    match kind:
        case "N":
            return int(content)
        case "M":
            return json.loads(content["json"]["S"])
        case _:
            return content


def key_attributes(key: Key, index: Index | None = None) -> Attributes:
    """Write a key of the table, or of one of its indexes."""
    stem = f"{index}_" if index else ""
    return {f"{stem}partition": {"S": key.partition}, f"{stem}sort": {"S": key.sort}}


def item_attributes(item: Item) -> Attributes:
    """Write a whole item."""
    attributes = key_attributes(item.key)
    for index, key in item.indexes.items():
        attributes |= key_attributes(key, index)
    if item.expires_at is not None:
        attributes["expires_at"] = {"N": str(item.expires_at)}
    return attributes | {name: encode(value) for name, value in item.values.items()}


def item_from(attributes: Attributes) -> Item:
    """Read a whole item."""
    indexes = {
        index: Key(attributes[f"{index}_partition"]["S"], attributes[f"{index}_sort"]["S"])
        for index in Index
        if f"{index}_partition" in attributes
    }
    values = {name: decode(attribute) for name, attribute in attributes.items() if name not in OWN_NAMES}
    return Item(Key(attributes["partition"]["S"], attributes["sort"]["S"]), values, indexes, expires_at(attributes))


def expires_at(attributes: Attributes) -> int | None:
    """Read when an item expires, in seconds since the epoch; `None` is never."""
    return int(attributes["expires_at"]["N"]) if "expires_at" in attributes else None
