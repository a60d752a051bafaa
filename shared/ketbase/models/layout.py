"""Under which keys models lie."""

import hashlib

from ketbase.ports.records import Index, Key

PREFIX = "model#"
CAPACITY = Key("models", "capacity")
"""Where the number of warm functions lies that all deployments together ask for."""
FILES = ("model.json", "arrays.npz")
"""Of an artifact."""


def partition(organization_id: str) -> str:
    """The partition of an organisation's models, and of all else that it owns."""
    return f"org#{organization_id}"


def place(organization_id: str, model_id: str) -> Key:
    """Where a model's entry lies."""
    return Key(partition(organization_id), f"{PREFIX}{model_id}")


def tally(organization_id: str) -> Key:
    """Where the number of an organisation's models lies."""
    return Key(partition(organization_id), "tally#models")


def replicas(organization_id: str) -> Key:
    """Where the number of warm functions lies that an organisation's deployments ask for."""
    return Key(partition(organization_id), "tally#replicas")


def of_status(organization_id: str, status: str) -> str:
    """The partition of `Index.LISTING` that lists the models of one status."""
    return f"org#{organization_id}#models#{status}"


def listed(organization_id: str, status: str, model_id: str) -> dict[Index, Key]:
    """Under which index keys a model is found."""
    return {Index.LISTING: Key(of_status(organization_id, status), model_id)}


def names(organization_id: str) -> str:
    """The partition that says of each name which version is the latest."""
    return f"org#{organization_id}#model-names"


def versions(organization_id: str, name: str) -> Key:
    """Where the number of versions of a name lies, those that were deleted among them."""
    return Key(names(organization_id), _short(name))


def of_name(organization_id: str, name: str) -> str:
    """The partition of the models of one name."""
    return f"org#{organization_id}#model-name#{_short(name)}"


def named(organization_id: str, name: str, model_id: str) -> Key:
    """Where it is said that a model has a name."""
    return Key(of_name(organization_id, name), model_id)


def serving(organization_id: str, model_id: str) -> str:
    """The partition of what is counted while a model is served."""
    return f"org#{organization_id}#model-serving#{model_id}"


def served(organization_id: str, model_id: str, day: str) -> Key:
    """Where the counters of a day (`2026-01-31`) lie."""
    return Key(serving(organization_id, model_id), f"day#{day}")


def compared(organization_id: str, model_id: str, deployment_id: str) -> Key:
    """Where a model that answers unseen is compared with the one beside which it does."""
    return Key(serving(organization_id, model_id), f"shadow#{deployment_id}")


def blob_room(organization_id: str, model_id: str) -> str:
    """What the keys of a model's blobs begin with."""
    return f"models/{organization_id}/{model_id}/"


def blob(organization_id: str, model_id: str, file: str) -> str:
    """Where one of a model's files lies."""
    return f"{blob_room(organization_id, model_id)}{file}"


def _short(name: str) -> str:
    """Make a name fit into a key, whatever characters it has."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]
