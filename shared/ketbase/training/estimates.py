"""How long a training is expected to take, and how many circuits it runs.

The constants are fitted to the batched engine on two cores: a step with a batch of 32, four layers of RY, RZ and a
ring of CNOTs takes 0.9 ms on 8 qubits, 10 ms on 12 and 210 ms on 16.
"""

import math
from typing import NamedTuple

from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.types import BackendInfo
from ketbase.circuits.expressions import names
from ketbase.circuits.types import CircuitDefinition
from ketbase.costs.estimates import expected_seconds
from ketbase.costs.shapes import shape_of
from ketbase.datasets.parts import PartSizes
from ketbase.training.circuits import computed_exactly, parameters_of
from ketbase.training.types import TrainingConfig
from ketbase.types import Model

DEFAULT_SHOTS = 1_024
"""Of a backend that cannot be computed exactly, where none are asked for."""
# Seconds. A step at least; a gate on each of 2ⁿ amplitudes of a sample, with the gradient and without; an entry of
# a kernel's matrix, for each amplitude.
_STEP, _GRADIENT, _FORWARD, _OVERLAP = 4e-4, 5e-10, 1.7e-10, 1e-9
# Reading, dividing and writing a number of the data; fitting a classical baseline, by samples and features.
_NUMBER, _BASELINE_1, _BASELINE_2 = 2e-7, 2e-5, 4e-9
_PREPARE, _FINISH = 0.5, 2.0
_TELLING = 2.0
"""How many evaluations of the whole training part an epoch of `l-bfgs-b` or `cobyla` takes, about."""
_TERMS = {"CRX": 4, "CRY": 4, "CRZ": 4}
"""Of the parameter-shift rule, where they are not two."""
_SAMPLED = 100
"""Circuits that are expected to be run in one call."""


class TrialWork(Model):
    """What one trial of a training takes.

    Attributes:
        epoch_s: seconds of one epoch.
        circuits: of one epoch, where they are run one by one.
        shots: of each circuit.
    """

    epochs: int
    epoch_s: float
    circuits: int = 0
    shots: int = 0


class TrainingWork(Model):
    """What a training takes."""

    prepare_s: float
    trials: tuple[TrialWork, ...]
    finish_s: float

    @property
    def circuits(self) -> int:
        """All of them."""
        return sum(trial.epochs * trial.circuits for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(trial.epochs * trial.epoch_s for trial in self.trials)


class Subject(NamedTuple):
    """What a trial trains: its configuration, and its circuit."""

    config: TrainingConfig
    definition: CircuitDefinition


def trial_work(subject: Subject, sizes: PartSizes, backend: BackendInfo) -> TrialWork:
    """Foresee a trial."""
    config, definition = subject
    if config.method == "kernel":
        return TrialWork(epochs=1, epoch_s=_kernel_s(definition, sizes))
    if computed_exactly(backend, config.shots):
        return TrialWork(epochs=config.epochs, epoch_s=_exact_s(config, definition, sizes))
    circuits = _circuits(config, definition, sizes)
    shots, count = config.shots or DEFAULT_SHOTS, CircuitCount(parameter_sets=_SAMPLED)
    some = expected_seconds(shape_of(definition), backend, shots, count)
    return TrialWork(
        epochs=config.epochs,
        epoch_s=circuits * (some.compile + some.execute) / _SAMPLED,
        circuits=circuits,
        shots=shots,
    )


def training_work(
    subjects: tuple[Subject, ...], sizes: PartSizes, n_features: int, backend: BackendInfo
) -> TrainingWork:
    """Foresee a training.

    Args:
        subjects: the trials.
        sizes: of the parts of the data.
        n_features: of the data, before preprocessing.
        backend: where circuits run.
    """
    samples = sum(sizes)
    largest = max(subjects, key=lambda each: _amplitudes(each.definition))
    evaluating = samples * _amplitudes(largest.definition) * _FORWARD
    columns = min(n_features, largest.definition.n_qubits)
    baselines = sizes.train * columns * _BASELINE_1 + sizes.train**2 * columns * _BASELINE_2
    return TrainingWork(
        prepare_s=_PREPARE + samples * n_features * _NUMBER,
        trials=tuple(trial_work(each, sizes, backend) for each in subjects),
        finish_s=_FINISH + evaluating + baselines,
    )


def _amplitudes(definition: CircuitDefinition) -> float:
    """Gates times amplitudes."""
    return max(definition.gate_count, 1) * 2.0**definition.n_qubits


def _exact_s(config: TrainingConfig, definition: CircuitDefinition, sizes: PartSizes) -> float:
    each = _amplitudes(definition)
    validating = sizes.validation * each * _FORWARD
    steps = math.ceil(sizes.train / config.batch_size)
    once = sizes.train * each
    if config.optimizer == "cobyla":
        return _TELLING * (once * _FORWARD + _STEP) + validating
    if config.optimizer == "spsa" or config.gradient == "spsa":
        return 2 * once * _FORWARD + steps * _STEP + validating
    if config.optimizer == "l-bfgs-b":
        return _TELLING * (once * _GRADIENT + _STEP) + validating
    if config.optimizer == "qng":
        return once * (_GRADIENT + len(parameters_of(definition)) * _FORWARD) + steps * _STEP + validating
    return once * _GRADIENT + steps * _STEP + validating


def _kernel_s(definition: CircuitDefinition, sizes: PartSizes) -> float:
    entries = sizes.train * (sizes.train + sizes.validation)
    states = (sizes.train + sizes.validation) * _amplitudes(definition) * _FORWARD
    return _STEP + states + entries * 2.0**definition.n_qubits * _OVERLAP


def _circuits(config: TrainingConfig, definition: CircuitDefinition, sizes: PartSizes) -> int:
    """Count the circuits of an epoch: each sample by itself, and again for each shift of each angle."""
    if config.optimizer == "cobyla":
        each = _TELLING
    elif config.optimizer == "spsa" or config.gradient == "spsa":
        each = 3.0
    else:
        each = (_shifts(definition) + 1) * (_TELLING if config.optimizer == "l-bfgs-b" else 1)
    return math.ceil(each * sizes.train) + sizes.validation


def _shifts(definition: CircuitDefinition) -> int:
    trained = frozenset(parameters_of(definition))
    return sum(
        _TERMS.get(gate.type, 2)
        for gate in definition.gates
        for angle in gate.angles
        if isinstance(angle, str) and not trained.isdisjoint(names(angle))
    )
