"""Where the lines of the audit log, the head of their chain, and their archive lie."""

from datetime import datetime

from ketbase.ids import id_ceiling, id_floor
from ketbase.ports.records import Key

UNSEALED = "audit#unsealed"
"""The partition, in the index of work, of the lines of all organisations that are not sealed yet."""

CHAINS = "audit#chains"
"""The partition that names the organisations that have sealed lines; the sort key is the organisation's id."""

LINES = "line#"
"""How the sort keys of lines begin."""

ID_PREFIX = "audit"
"""How the ids of lines begin; what follows is a ULID of the line's moment."""

ARCHIVE = "audit/"
"""How the blobs of all archives begin."""


def partition(organization_id: str) -> str:
    """Where an organisation's lines lie, in order of their ids; in the index of listings, in order of the chain."""
    return f"org#{organization_id}#audit"


def place(organization_id: str, line_id: str) -> Key:
    """Where a line lies."""
    return Key(partition(organization_id), f"{LINES}{line_id}")


def not_before(moment: datetime) -> str:
    """Say behind which sort key the lines of a moment and later lie."""
    return f"{LINES}{id_floor(ID_PREFIX, moment)}"


def not_after(moment: datetime) -> str:
    """Say before which sort key the lines of a moment and earlier lie."""
    return f"{LINES}{id_ceiling(ID_PREFIX, moment)}"


def head(organization_id: str) -> Key:
    """Where the head of an organisation's chain lies."""
    return Key(partition(organization_id), "head")


def chain(organization_id: str) -> Key:
    """Where it is kept that an organisation has a chain."""
    return Key(CHAINS, organization_id)


def waiting(organization_id: str, line_id: str) -> Key:
    """Where a line waits, in the index of work, until it is sealed."""
    return Key(UNSEALED, f"{organization_id}#{line_id}")


def link(organization_id: str, sequence: int) -> Key:
    """Where a sealed line stands, in the index of listings."""
    return Key(partition(organization_id), turn(sequence))


def turn(sequence: int) -> str:
    """Write a number so that text order is the order of numbers."""
    return f"{sequence:012d}"


def archive(organization_id: str) -> str:
    """How the blobs of an organisation's archive begin."""
    return f"{ARCHIVE}{organization_id}/"
