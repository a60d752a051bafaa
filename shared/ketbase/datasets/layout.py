"""Under which keys data sets lie."""

from ketbase.ports.records import Key

PREFIX = "dataset#"


def partition(organization_id: str) -> str:
    """The partition of an organisation's data sets, and of all else that it owns."""
    return f"org#{organization_id}"


def place(organization_id: str, dataset_id: str) -> Key:
    """Where a data set's record lies."""
    return Key(partition(organization_id), f"{PREFIX}{dataset_id}")


def tally(organization_id: str) -> Key:
    """Where the number of an organisation's data sets lies."""
    return Key(partition(organization_id), "tally#datasets")


def blob(organization_id: str, dataset_id: str) -> str:
    """Where the file lies."""
    return f"datasets/{organization_id}/{dataset_id}/file"
