"""Ranges of sort keys as DynamoDB's key conditions."""

from dataclasses import dataclass

from ketbase.adapters.records.expressions import Placeholders
from ketbase.adapters.records.rules import successor
from ketbase.ports.records import Index


@dataclass(frozen=True, slots=True)
class SortRange:
    """An interval of sort keys.

    Attributes:
        lower: the least key, inclusive; the empty string is no bound.
        upper: the highest key, inclusive; `None` is no bound.
        excluded: bounds that do not belong to the range, though DynamoDB's BETWEEN lets them in.
    """

    lower: str
    upper: str | None
    excluded: frozenset[str]

    @classmethod
    def of(cls, prefix: str, *, above: str | None = None, below: str | None = None) -> "SortRange":
        """The keys that begin with `prefix` and lie strictly above and below the other two."""
        uppers = [bound for bound in (successor(prefix), below) if bound is not None]
        excluded = set(uppers)
        lower = prefix
        if above is not None and above >= prefix:
            lower = above
            excluded.add(above)
        return cls(lower, min(uppers, default=None), frozenset(excluded))

    @property
    def empty(self) -> bool:
        """Whether no key can lie in it; DynamoDB refuses an interval that ends before it begins."""
        return self.upper is not None and self.lower >= self.upper

    def expression(self, aliases: Placeholders, partition: str, index: Index | None) -> str:
        """Say the range, within a partition of the table or of an index, as a key condition."""
        stem = f"{index}_" if index else ""
        within = f"{aliases.name(f'{stem}partition')} = {aliases.value(partition)}"
        if not self.lower and self.upper is None:
            return within
        sort = aliases.name(f"{stem}sort")
        if self.upper is None:
            return f"{within} AND {sort} >= {aliases.value(self.lower)}"
        if not self.lower:
            return f"{within} AND {sort} <= {aliases.value(self.upper)}"
        return f"{within} AND {sort} BETWEEN {aliases.value(self.lower)} AND {aliases.value(self.upper)}"
