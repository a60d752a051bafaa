"""The backends there are, as `catalog.json` describes them; nothing of the SDK is imported here."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from pydantic import TypeAdapter

from ketbase.backends.types import BackendInfo

CATALOG = "catalog.json"
"""Written by `python -m ketbase.quantum.catalogue`."""


@cache
def backends() -> Mapping[str, BackendInfo]:
    """Return every backend by its id, the ideal simulator first."""
    text = files(__package__).joinpath(CATALOG).read_bytes()
    listed = TypeAdapter(tuple[BackendInfo, ...]).validate_json(text)
    return MappingProxyType({backend.id: backend for backend in listed})
