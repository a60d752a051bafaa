"""What pipelines' steps are given, beside the reference to their job."""

from typing import Any

from ketbase.circuits.types import CircuitDefinition, Placement
from ketbase.jobs.types import JobReference
from ketbase.types import Model


class JobCircuit(Model):
    """The job's own copy of its circuit, so that the job outlives the circuit."""

    circuit_id: str
    definition: CircuitDefinition
    placement: Placement | None = None
    source_qasm: str | None


class StepFailure(Model):
    """What Step Functions says of a step that raised."""

    Error: str = "Unknown"
    Cause: Any = ""


class JobFailure(Model):
    """What a step that ran in a container leaves of its failure in the job's blobs.

    Attributes:
        batch_job: the id of the Batch job; another one's failure says nothing of this one.
        error_type: the name of the exception, as Lambda would tell it.
        message: its text.
    """

    batch_job: str
    error_type: str
    message: str


class StepInput(JobReference):
    """What a workflow gives a step, beside the reference to its job."""

    @property
    def reference(self) -> JobReference:
        """The job alone."""
        return JobReference(organization_id=self.organization_id, job_id=self.job_id)


class FailedJob(StepInput):
    """What the workflow gives the step that fails a job."""

    error: StepFailure
