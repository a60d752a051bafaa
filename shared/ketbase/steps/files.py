"""What a run keeps in blobs between its steps, and at its end."""

from pydantic import BaseModel

from ketbase.backends.types import CompiledCircuit, Outcome
from ketbase.jobs.layout import blob_key
from ketbase.jobs.types import JobReference
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.steps.types import JobCircuit, JobFailure

FAILURE = "failure.json"
"""What a step leaves that failed where the workflow is not told how."""


class JobFiles:
    """The blobs of jobs, typed."""

    def __init__(self, blobs: Blobs):
        self._blobs = blobs

    def circuit(self, reference: JobReference) -> JobCircuit:
        """Read the job's own copy of its circuit."""
        return JobCircuit.model_validate_json(self._get(reference, "circuit.json"))

    def compiled(self, reference: JobReference) -> CompiledCircuit:
        """Read the compiled circuit."""
        return CompiledCircuit.model_validate_json(self._get(reference, "compiled.json"))

    def choice(self, reference: JobReference) -> bytes | None:
        """Read how the backend was chosen, if it was."""
        try:
            return self._get(reference, "choice.json")
        except BlobNotFoundError:
            return None

    def failure(self, reference: JobReference) -> JobFailure | None:
        """Read how a step failed in a container, if it said so."""
        try:
            return JobFailure.model_validate_json(self._get(reference, FAILURE))
        except BlobNotFoundError:
            return None

    def outcome(self, reference: JobReference) -> Outcome:
        """Read what the execution gave."""
        return Outcome.model_validate_json(self._get(reference, "outcome.json"))

    def read[Kind: BaseModel](self, reference: JobReference, name: str, kind: type[Kind]) -> Kind:
        """Read one of the job's files."""
        return kind.model_validate_json(self._get(reference, name))

    def keep(self, reference: JobReference, name: str, what: BaseModel) -> None:
        """Write one of the job's files; what was there before is gone."""
        text = what.model_dump_json()
        self._blobs.put(blob_key(reference, name), text.encode(), content_type="application/json")

    def _get(self, reference: JobReference, name: str) -> bytes:
        return self._blobs.get(blob_key(reference, name))
