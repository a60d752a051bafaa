"""Money: whole nano-dollars inside, a decimal with up to nine places on the wire, never a float."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import total_ordering
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

NANO = 1_000_000_000
MOST = 1_000_000_000 * NANO
"""A billion dollars: no amount is larger, so that sums of many fit 64 bits."""
_PATTERN = r"^-?\d{1,10}(\.\d{1,9})?$"


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in US dollars.

    In JSON it is a string such as `"0.000125"`; a JSON number is read as well.

    Attributes:
        nano: nano-dollars.
    """

    nano: int = 0

    @classmethod
    def of(cls, dollars: str | int | float | Decimal) -> "Money":
        """Read dollars.

        Raises:
            ValueError: not a number, more than nine decimal places, or beyond a billion dollars.
        """
        try:
            # The shortest text of a float is what whoever wrote it meant.
            exact = Decimal(str(dollars))
        except InvalidOperation as problem:
            raise ValueError("an amount is a decimal number of dollars, such as 12.50") from problem
        if not exact.is_finite() or abs(exact) > MOST // NANO:
            raise ValueError(f"an amount is at most {MOST // NANO:,} dollars")
        nano = exact * NANO
        if nano != int(nano):
            raise ValueError("an amount has at most nine decimal places")
        return cls(int(nano))

    @classmethod
    def at_least(cls, dollars: Decimal) -> "Money":
        """Round up to the next nano-dollar: a price is never rounded in the payer's favour into nothing."""
        return cls(int((dollars * NANO).to_integral_value(ROUND_CEILING)))

    @property
    def dollars(self) -> Decimal:
        """The amount in dollars, exactly."""
        return Decimal(self.nano) / NANO

    def __add__(self, other: "Money") -> "Money":
        return Money(self.nano + other.nano)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.nano - other.nano)

    def __mul__(self, times: int) -> "Money":
        return Money(self.nano * times)

    def __neg__(self) -> "Money":
        return Money(-self.nano)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __lt__(self, other: "Money") -> bool:
        return self.nano < other.nano

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.nano), NANO)
        places = f"{rest:09d}".rstrip("0").ljust(2, "0")
        return f"{'-' if self.nano < 0 else ''}{whole}.{places}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, handler: Any) -> JsonSchemaValue:
        text = {"type": "string", "pattern": _PATTERN, "description": "US dollars", "examples": ["12.50"]}
        if handler.mode == "serialization":
            return text
        return {"anyOf": [{"type": "number"}, text]}


def _validate(given: Any) -> Money:
    if isinstance(given, Money):
        return given
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal):
        raise ValueError("an amount is a decimal number of dollars, such as 12.50")
    return Money.of(given)
