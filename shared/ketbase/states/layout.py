"""Under which keys states lie."""

from ketbase.ports.records import Index, Key
from ketbase.ports.vectors import Collection
from ketbase.states.types import MAX_STATE_QUBITS

PREFIX = "state#"


def partition(organization_id: str) -> str:
    """The partition of an organisation's states, and of all else that it owns."""
    return f"org#{organization_id}"


def place(organization_id: str, state_id: str) -> Key:
    """Where a state's summary lies."""
    return Key(partition(organization_id), f"{PREFIX}{state_id}")


def tally(organization_id: str) -> Key:
    """Where the number of an organisation's states lies."""
    return Key(partition(organization_id), "tally#states")


def of_circuit(organization_id: str, circuit_id: str) -> str:
    """The partition of `Index.LISTING` that lists the states of one circuit."""
    return f"org#{organization_id}#circuit-states#{circuit_id}"


def listed(organization_id: str, circuit_id: str, state_id: str) -> dict[Index, Key]:
    """Under which index keys a state is found."""
    return {Index.LISTING: Key(of_circuit(organization_id, circuit_id), state_id)}


def blob_room(organization_id: str) -> str:
    """What the keys of an organisation's blobs begin with."""
    return f"states/{organization_id}/"


def blob(organization_id: str, state_id: str) -> str:
    """Where a state's amplitudes lie."""
    return f"{blob_room(organization_id)}{state_id}.json"


def collection(n_qubits: int) -> Collection:
    """The vectors of states of so many qubits: their real parts, then their imaginary parts.

    One collection for each number of qubits, because only such states can be compared.
    """
    return Collection(f"states-{n_qubits}", 2 * 2**n_qubits, "cosine")


COLLECTIONS = tuple(collection(n_qubits) for n_qubits in range(1, MAX_STATE_QUBITS + 1))
