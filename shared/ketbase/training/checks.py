"""What can be known to be wrong with a training before its data is read."""

from typing import NamedTuple

from ketbase.circuits.types import CircuitDefinition
from ketbase.datasets.catalog import known
from ketbase.datasets.checks import check as check_data
from ketbase.datasets.types import Label
from ketbase.errors import InvalidCircuitError, InvalidError
from ketbase.training.circuits import features_of, parameters_of, qubits_needed
from ketbase.training.sweeps import applied, trials
from ketbase.training.templates import capacity, written_out
from ketbase.training.types import MAX_TRAINING_QUBITS, TrainingConfig

_REFUSED = {
    "control_flow": "control flow",
    "reset": "RESET",
    "mid_circuit_measurement": "gates after a measurement",
}
_NAMED = 5
"""How many parameters a message names."""


class Fit(NamedTuple):
    """A circuit as data fills it.

    Attributes:
        definition: features and trainable parameters still free.
        features: the parameters that the preprocessed columns fill in; empty with amplitude encoding.
        n_columns: how many columns the preprocessing leaves.
        amplitudes: whether the columns become amplitudes.
    """

    definition: CircuitDefinition
    features: tuple[str, ...]
    n_columns: int
    amplitudes: bool


def check(
    config: TrainingConfig,
    definition: CircuitDefinition | None,
    n_raw: int | None = None,
    classes: tuple[Label, ...] | None = None,
) -> tuple[Fit, ...]:
    """Refuse what can be known to fail without reading data; see the port `Trainer`.

    Args:
        config: of the job.
        definition: of a stored circuit.
        n_raw: features of the data, where they are known of an upload.
        classes: of the data, likewise.

    Returns:
        The circuit of each trial, as data of the most features that is possible fills it.
    """
    spec = config.dataset
    check_data(spec)
    facts = known(spec)
    if facts is not None:
        n_raw, classes = facts.n_features, facts.classes
    return tuple(
        check_trial(applied(config, trial.changed), definition, n_raw, spec.classes or classes)
        for trial in trials(config)
    )


def fitting(config: TrainingConfig, definition: CircuitDefinition | None, n_raw: int) -> Fit:
    """Say how data with so many raw features fills the circuit.

    Raises:
        InvalidError: `TOO_MANY_FEATURES` or `TOO_FEW_FEATURES`.
    """
    asked = config.dataset.n_components
    n_columns = n_raw if asked is None else min(asked, n_raw)
    template = config.template
    if template is not None:
        _refuse_more(asked, capacity(template))
        n_columns = min(n_columns, capacity(template))
        definition = written_out(template, n_columns, trainable=config.method == "variational")
        return Fit(definition, features_of(definition), n_columns, template.encoding == "amplitude")
    if definition is None:
        raise InvalidError("NO_CIRCUIT", "Give a circuit, or a template.", field="circuit_id")
    features = features_of(definition)
    _refuse_more(asked, len(features))
    if n_columns < len(features):
        raise InvalidError(
            "TOO_FEW_FEATURES",
            f"The circuit takes {len(features)} features, but the data has {n_columns}.",
            field="dataset",
            circuit=len(features),
            data=n_columns,
        )
    return Fit(definition, features, len(features), amplitudes=False)


# --- What does not fit ---


def check_trial(
    config: TrainingConfig,
    definition: CircuitDefinition | None,
    n_raw: int | None,
    classes: tuple[Label, ...] | None,
) -> Fit:
    """Refuse what does not fit between a trial, its circuit and its data, as far as these are known.

    Args:
        config: of the trial.
        definition: of a stored circuit.
        n_raw: features of the data.
        classes: of the data.

    Raises:
        InvalidError: with the `field` of the configuration, and what would be right.
        InvalidCircuitError: the circuit cannot be trained.
    """
    fit = fitting(config, definition, _most(config, definition) if n_raw is None else n_raw)
    _check_circuit(fit)
    _check_parameters(config, fit.definition)
    _check_method(config, fit)
    if classes is not None:
        _check_classes(config, fit.definition, classes)
    return fit


def _most(config: TrainingConfig, definition: CircuitDefinition | None) -> int:
    """Say how many features data has that leaves none of the circuit's free, where only reading it tells."""
    takes = len(features_of(definition)) if definition is not None else 0
    return max(takes if config.template is None else capacity(config.template), config.dataset.n_components or 0)


def _check_circuit(fit: Fit) -> None:
    n_qubits = fit.definition.n_qubits
    if n_qubits > MAX_TRAINING_QUBITS:
        raise InvalidCircuitError(
            "TOO_MANY_QUBITS",
            f"The circuit has {n_qubits} qubits; circuits of up to {MAX_TRAINING_QUBITS} can be trained.",
            n_qubits=n_qubits,
            limit=MAX_TRAINING_QUBITS,
        )
    for feature, what in _REFUSED.items():
        if feature in fit.definition.features:  # as has every circuit that is kept as OpenQASM 3
            raise InvalidCircuitError(
                "CIRCUIT_NOT_DIFFERENTIABLE",
                f"The circuit holds {what}; gates, and measurements at the end, can be trained.",
                feature=feature,
            )
    if not fit.features and not fit.amplitudes:
        raise InvalidCircuitError(
            "NO_FEATURES",
            "No parameter of the circuit is filled in by data: call those that are x_0, x_1, …",
            field="circuit_id",
        )


def _check_parameters(config: TrainingConfig, definition: CircuitDefinition) -> None:
    parameters = parameters_of(definition)
    if config.method == "variational" and not parameters:
        raise InvalidCircuitError(
            "NO_TRAINABLE_PARAMETERS",
            "The circuit has nothing to train: all its parameters are features. Give it parameters that are not "
            "called x_0, x_1, …, or take the method kernel.",
            field="circuit_id",
        )
    if config.method == "kernel" and parameters:
        raise InvalidCircuitError(
            "TRAINABLE_PARAMETERS",
            f"A kernel's circuit has features only, but {_some(parameters)} would be trained.",
            field="circuit_id",
            parameters=list(parameters[:_NAMED]),
        )
    unknown = sorted(set(config.initial_parameters) - set(parameters))
    if unknown:
        there = f"trained are {_some(parameters)}" if parameters else "a kernel has none"
        raise InvalidError(
            "UNKNOWN_PARAMETERS",
            f"The circuit has no trainable parameter {_some(unknown)}; {there}.",
            field="initial_parameters",
            parameters=unknown[:_NAMED],
        )


def _check_method(config: TrainingConfig, fit: Fit) -> None:
    if config.shots is not None:
        if config.method == "kernel":
            raise inexact("Kernels are", "shots")
        if fit.amplitudes:
            raise inexact("Circuits with amplitude encoding are", "shots")
        if config.optimizer == "qng":
            raise inexact("The metric of quantum natural gradient is", "optimizer")
        if config.gradient == "adjoint":
            raise inexact("Adjoint gradients are", "gradient")
    if config.method == "variational" and config.optimizer == "l-bfgs-b" and config.gradient == "spsa":
        raise InvalidError(
            "UNSUPPORTED_GRADIENT",
            "l-bfgs-b learns the curvature from gradients, and SPSA's are random; take another optimizer or "
            "gradient.",
            field="gradient",
        )


def _check_classes(config: TrainingConfig, definition: CircuitDefinition, classes: tuple[Label, ...]) -> None:
    needed = qubits_needed(config.readout, len(classes))
    if config.method == "variational" and needed > definition.n_qubits:
        raise InvalidError(
            "TOO_MANY_CLASSES",
            f"Telling {len(classes)} classes apart by {config.readout} takes {needed} qubits; the circuit has "
            f"{definition.n_qubits}."
            + (" The readout probabilities takes fewer." if config.readout == "expectation" else ""),
            field="readout",
            classes=len(classes),
            n_qubits=definition.n_qubits,
        )
    if isinstance(config.class_weights, dict):
        unknown = sorted(set(config.class_weights) - set(map(str, classes)))
        if unknown:
            raise InvalidError(
                "UNKNOWN_CLASSES",
                f"class_weights names {_some(unknown)}, but the classes are {_some(list(map(str, classes)))}.",
                field="class_weights",
                given=unknown[:_NAMED],
            )


def _refuse_more(asked: int | None, taken: int) -> None:
    if asked is not None and asked > taken:
        raise InvalidError(
            "TOO_MANY_FEATURES",
            f"{asked} principal components are asked for, but the circuit takes {taken} features.",
            field="dataset.n_components",
            given=asked,
            limit=taken,
        )


def inexact(what: str, field: str) -> InvalidError:
    """Say that something does not go with shots or noise."""
    return InvalidError(
        "NOT_WITH_SHOTS",
        f"{what} computed exactly only: ask for no shots, on a simulator without noise.",
        field=field,
    )


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
