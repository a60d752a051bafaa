"""Where a training stands after an epoch, as one NPZ: nothing but arrays and a line of JSON."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ketbase.training.types import EpochReport, StopReason, Trial, TrialResult

type Floats = NDArray[np.float64]

_COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "circuits", "shots")
_COUNTS = frozenset({"circuits", "shots"})
_STATE, _PREPROCESSING = "state.", "preprocessing."


@dataclass(frozen=True, slots=True)
class Progress:
    """A training after some epochs.

    Attributes:
        parameters: with which the next epoch begins, shape (n_parameters,); empty for a kernel.
        best: of the best epoch.
        state: the optimizer's, or what a kernel's model is made of.
        history: all epochs.
        best_epoch: counted from 1; 0 before the first.
        stopped_by: why no other follows.
        preprocessing: as it was learnt at first, whatever another machine would learn.
    """

    parameters: Floats
    best: Floats
    state: dict[str, Floats]
    history: tuple[EpochReport, ...] = field(default=())
    best_epoch: int = 0
    stopped_by: StopReason | None = None
    preprocessing: dict[str, Floats] = field(default_factory=dict)

    def written(self) -> bytes:
        """Write it such that reading gives the very same numbers."""
        history = np.array([[_number(getattr(epoch, name)) for name in _COLUMNS] for epoch in self.history])
        about = json.dumps({"best_epoch": self.best_epoch, "stopped_by": self.stopped_by})
        file = io.BytesIO()
        np.savez(
            file,
            allow_pickle=False,
            parameters=self.parameters,
            best=self.best,
            history=history.reshape(-1, len(_COLUMNS)),
            about=np.frombuffer(about.encode(), dtype=np.uint8),
            **{f"{_STATE}{name}": array for name, array in self.state.items()},
            **{f"{_PREPROCESSING}{name}": array for name, array in self.preprocessing.items()},
        )
        return file.getvalue()

    @classmethod
    def read(cls, checkpoint: bytes) -> "Progress":
        """Read a checkpoint."""
        with np.load(io.BytesIO(checkpoint), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            return cls(
                parameters=arrays["parameters"],
                best=arrays["best"],
                state=_prefixed(arrays, _STATE),
                history=tuple(_epoch(number, row) for number, row in enumerate(arrays["history"].tolist(), 1)),
                best_epoch=about["best_epoch"],
                stopped_by=about["stopped_by"],
                preprocessing=_prefixed(arrays, _PREPROCESSING),
            )

    @property
    def best_report(self) -> EpochReport:
        """The epoch that the model is made of."""
        return self.history[self.best_epoch - 1]

    def result(self, trial: Trial) -> TrialResult:
        """Say how the trial ended; one that could have gone on was stopped by its budget."""
        best = self.best_report
        return TrialResult(
            **trial.model_dump(),
            epochs=len(self.history),
            best_epoch=self.best_epoch,
            stopped_by=self.stopped_by or "budget",
            loss=best.loss,
            val_loss=best.val_loss,
            val_accuracy=best.val_accuracy,
            seconds=sum(epoch.seconds for epoch in self.history),
        )


def _prefixed(arrays: Mapping[str, Floats], prefix: str) -> dict[str, Floats]:
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _epoch(number: int, row: list[float]) -> EpochReport:
    values = {name: None if np.isnan(value) else value for name, value in zip(_COLUMNS, row, strict=True)}
    return EpochReport(number=number, **{k: int(v or 0) if k in _COUNTS else v for k, v in values.items()})
