"""The base of all domain types."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer


def iso(moment: datetime) -> str:
    """Write a moment as `2026-01-31T12:00:00.000000Z`: fixed width, so that text order is time order."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


type Moment = Annotated[AwareDatetime, PlainSerializer(iso, return_type=str)]
"""A moment in UTC; on the wire and in the store as `iso` writes it."""


class Model(BaseModel):
    """An immutable value that refuses unknown fields and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="strings")
