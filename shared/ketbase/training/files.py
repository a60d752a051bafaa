"""What a training keeps in blobs between its steps."""

from ketbase.jobs.layout import blob_key
from ketbase.jobs.types import JobReference
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.training import Prepared
from ketbase.training.types import Problem

_PROBLEM, _ARRAYS = "problem.json", "arrays.npz"


class TrainingFiles:
    """The data and the checkpoints of trainings."""

    def __init__(self, blobs: Blobs):
        self._blobs = blobs

    def keep(self, reference: JobReference, prepared: Prepared) -> None:
        """Keep a training that was made ready."""
        self._put(reference, _ARRAYS, prepared.arrays)
        text = prepared.problem.model_dump_json().encode()
        self._blobs.put(blob_key(reference, _PROBLEM), text, content_type="application/json")

    def prepared(self, reference: JobReference) -> Prepared:
        """Read it again."""
        problem = Problem.model_validate_json(self._blobs.get(blob_key(reference, _PROBLEM)))
        return Prepared(problem, self._blobs.get(blob_key(reference, _ARRAYS)))

    def keep_checkpoint(self, reference: JobReference, trial: int, checkpoint: bytes) -> None:
        """Keep where a trial stands; where it stood before is gone."""
        self._put(reference, _checkpoint(trial), checkpoint)

    def checkpoint(self, reference: JobReference, trial: int) -> bytes | None:
        """Read where a trial stands; `None` before its first epoch."""
        try:
            return self._blobs.get(blob_key(reference, _checkpoint(trial)))
        except BlobNotFoundError:
            return None

    def _put(self, reference: JobReference, name: str, data: bytes) -> None:
        self._blobs.put(blob_key(reference, name), data, content_type="application/octet-stream")


def _checkpoint(trial: int) -> str:
    return f"checkpoints/{trial}.npz"
