"""Data, read and divided for all trials."""

import io

import numpy as np

from ketbase.circuits.types import CircuitDefinition
from ketbase.datasets.types import DataSummary
from ketbase.errors import InvalidError
from ketbase.ports.images import Images
from ketbase.ports.training import Prepared
from ketbase.quantum.data.loading import load
from ketbase.quantum.data.preprocessing import Preprocessing
from ketbase.quantum.data.splits import Part, Parts, divide, folds
from ketbase.quantum.training.kernels import most_samples
from ketbase.training.checks import check_trial, fitting
from ketbase.training.sweeps import applied, trials
from ketbase.training.types import Problem, TrainingConfig, Trial

_PARTS = ("train", "validation", "test")


def prepare(
    config: TrainingConfig, definition: CircuitDefinition | None, upload: bytes | None, images: Images | None
) -> Prepared:
    """Read the data, check it, and divide it; see the port `Trainer`."""
    samples, sha256 = load(config.dataset, upload, images)
    parts = divide(samples, config.dataset)
    planned = trials(config)
    n_raw = samples.x.shape[1]
    for trial in planned:
        asked = applied(config, trial.changed)
        subject = check_trial(asked, definition, n_raw, samples.classes)
        _check_parts(config, part_of(parts, config, trial), most_samples(subject.definition.n_qubits))
    fit = fitting(config, definition, n_raw)
    preprocessing = Preprocessing.fit(parts.train.x, fit.n_columns, angles=not fit.amplitudes)
    return Prepared(
        Problem(
            definition=fit.definition,
            features=fit.features,
            amplitude_encoding=fit.amplitudes,
            data=DataSummary(
                type=config.dataset.type,
                dataset_id=config.dataset.dataset_id,
                sha256=sha256,
                classes=samples.classes,
                counts={
                    name: tuple(np.bincount(part.y, minlength=len(samples.classes)).tolist())
                    for name, part in zip(_PARTS, parts, strict=True)
                },
                features=samples.names,
                explained_variance=preprocessing.explained_variance,
            ),
            trials=planned,
        ),
        _written(parts),
    )


def parts_of(prepared: Prepared, config: TrainingConfig, trial: Trial) -> Parts:
    """Give a trial's parts of the raw data."""
    with np.load(io.BytesIO(prepared.arrays), allow_pickle=False) as arrays:
        whole = Parts(*(Part(arrays[f"x_{name}"], arrays[f"y_{name}"]) for name in _PARTS))
    return part_of(whole, config, trial)


def part_of(parts: Parts, config: TrainingConfig, trial: Trial) -> Parts:
    """Leave a fold of the training and validation samples out for validation, where the trial has one."""
    if trial.fold is None or config.sweep is None or config.sweep.folds is None:
        return parts
    x = np.concatenate((parts.train.x, parts.validation.x))
    y = np.concatenate((parts.train.y, parts.validation.y))
    train, validation = folds(y, config.sweep.folds, config.dataset.seed)[trial.fold]
    return Parts(Part(x[train], y[train]), Part(x[validation], y[validation]), parts.test)


def _written(parts: Parts) -> bytes:
    file = io.BytesIO()
    arrays = {f"{axis}_{name}": array for name, part in zip(_PARTS, parts, strict=True) for axis, array in
              zip("xy", part, strict=True)}  # fmt: skip
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _check_parts(config: TrainingConfig, parts: Parts, most: int) -> None:
    if config.method == "kernel" and len(parts.train.y) > most:
        raise InvalidError(
            "TOO_MANY_SAMPLES",
            f"A kernel of so many qubits is fitted on {most:,} samples at most, not on {len(parts.train.y):,}; "
            "say how many in dataset.train_size.",
            field="dataset.train_size",
            given=len(parts.train.y),
            limit=most,
        )
    wanted = "target" if config.target is not None else "sweep" if config.sweep is not None else None
    if wanted is not None and not len(parts.validation.y):
        raise InvalidError(
            "NO_VALIDATION",
            f"{wanted} looks at the validation part, and no samples are left for it; give dataset.val_size.",
            field=wanted,
        )
