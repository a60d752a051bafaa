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
_PLACES = 9
_LONGEST = 64
"""Characters; the longest amount has 21, and may come with some zeros."""
_TOO_MUCH = f"an amount is at most {MOST // NANO:,} dollars"
_TOO_FINE = f"an amount has at most {_PLACES} decimal places"
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
        if isinstance(dollars, int) and abs(dollars) > MOST // NANO:
            raise ValueError(_TOO_MUCH)
        # The shortest text of a float is what whoever wrote it meant.
        text = str(dollars)
        if len(text) > _LONGEST:
            raise ValueError(f"an amount has at most {_LONGEST} characters")
        try:
            exact = Decimal(text)
        except InvalidOperation as problem:
            raise ValueError("an amount is a decimal number of dollars, such as 12.50") from problem
        return cls(_nano(exact))

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


def _nano(exact: Decimal) -> int:
    """Turn dollars into nano-dollars by their digits: arithmetic with decimals rounds, and overflows."""
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):  # infinite, or not a number
        raise ValueError(_TOO_MUCH)
    if not exact:
        return 0
    if exact.adjusted() > _PLACES:
        raise ValueError(_TOO_MUCH)
    if exact.adjusted() < -_PLACES:
        raise ValueError(_TOO_FINE)
    # From here on the exponent is small: there are few digits, and the first is near the point.
    whole = int("".join(map(str, digits)))
    shift = exponent + _PLACES
    scale: int = 10 ** abs(shift)
    nano, rest = (whole * scale, 0) if shift >= 0 else divmod(whole, scale)
    if rest:
        raise ValueError(_TOO_FINE)
    if nano > MOST:
        raise ValueError(_TOO_MUCH)
    return -nano if sign else nano


def positive(amount: Money) -> Money:
    """Let through an amount above 0; for fields of requests."""
    if amount <= Money():
        raise ValueError("must be more than 0")
    return amount
