"""Which parameters of a circuit data fills in, which are trained, and where its outputs are computed exactly."""

from ketbase.backends.types import BackendInfo
from ketbase.circuits.service import group_parameters
from ketbase.circuits.types import CircuitDefinition


def features_of(definition: CircuitDefinition) -> tuple[str, ...]:
    """Name the parameters that data fills in, `x_0`, `x_1`, …, in the order of their numbers."""
    group = group_parameters(definition.inputs, {}).get("x")
    return () if group is None else group.names


def parameters_of(definition: CircuitDefinition) -> tuple[str, ...]:
    """Name the trainable parameters, in the order of the definition's inputs."""
    features = frozenset(features_of(definition))
    return tuple(name for name in definition.inputs if name not in features)


def computed_exactly(backend: BackendInfo, shots: int | None) -> bool:
    """Whether the batched engine takes the backend's place: a simulator without noise, and no shots are asked."""
    return shots is None and backend.type == "simulator" and not backend.is_remote


def qubits_needed(readout: str, n_classes: int) -> int:
    """Say how many qubits it takes to tell so many classes apart."""
    if readout == "expectation":
        return 1 if n_classes == 2 else n_classes
    return (n_classes - 1).bit_length() if readout == "probabilities" else 1
