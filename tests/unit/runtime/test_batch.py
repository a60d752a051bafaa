"""The entry of a container calls a handler as Lambda would, and leaves in the job's files how it failed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.jobs.types import JobReference
from ketbase.runtime.batch import DONE, PASSING, REFUSED
from ketbase.steps.ceiling import ENDED_BY_ALARM
from ketbase.steps.failures import ended_at_ceiling, error_of, told
from ketbase.steps.files import JobFiles
from ketbase.steps.types import StepFailure

REFERENCE = JobReference(organization_id="org_1", job_id="job_1")
HANDLERS = """
import os, signal
from ketbase.errors import InvalidError
from ketbase.jobs.types import JobError
from ketbase.steps.ceiling import JobOverError, process_alarm
from ketbase.steps.failures import StepFailedError

def works(event, context): open(os.environ["KETBASE_DATA"] + "/seen", "w").write(event["job_id"])
def refuses(event, context): raise StepFailedError.of(JobError(code="NO", message="no"))
def is_over(event, context): raise JobOverError(event["job_id"])
def stumbles(event, context): raise ConnectionError("away")
def is_killed(event, context): os.kill(os.getpid(), signal.SIGKILL)
def exits(event, context): os._exit(3)
def reaches_its_ceiling(event, context):
    with process_alarm(0.05):
        while True: pass
"""


class Container:
    def __init__(self, path: Path):
        self.path = path
        (path / "handlers.py").write_text(HANDLERS)
        self.files = JobFiles(FileBlobs(path / "blobs"))

    def start(self, handler: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.path),
            "KETBASE_DATA": str(self.path),
            "AWS_BATCH_JOB_ID": "batch_1",
        }
        command = [sys.executable, "-m", "ketbase.runtime.batch", f"handlers.{handler}"]
        return subprocess.Popen([*command, REFERENCE.model_dump_json()], env=environment, stderr=subprocess.DEVNULL)

    def run(self, handler: str) -> int:
        return self.start(handler).wait(60)

    def failure(self) -> StepFailure:
        """What Fail makes of what Step Functions says of the job."""
        cause = json.dumps(
            {"JobId": "batch_1", "Status": "FAILED", "StatusReason": "Essential container in task exited"}
        )
        return told(StepFailure(Error="States.TaskFailed", Cause=cause), self.files, REFERENCE)


@pytest.fixture
def container(tmp_path):
    return Container(tmp_path)


def test_a_handler_gets_its_payload_and_the_exit_status_says_that_it_is_done(container):
    assert container.run("works") == DONE
    assert (container.path / "seen").read_text() == "job_1"
    assert container.files.failure(REFERENCE) is None


def test_what_a_step_refused_reaches_the_job_in_its_own_words(container):
    assert container.run("refuses") == REFUSED
    error = error_of(container.failure())
    assert (error.code, error.message) == ("NO", "no")


def test_the_end_at_the_ceiling_is_known_as_such(container):
    assert container.run("reaches_its_ceiling") == REFUSED
    failure = container.failure()
    assert ENDED_BY_ALARM in str(failure.Cause)
    assert ended_at_ceiling(failure)


def test_a_process_that_was_killed_is_told_of_by_the_one_that_watches_it(container):
    assert container.run("is_killed") == REFUSED
    failure = container.failure()
    assert not ended_at_ceiling(failure)
    assert error_of(failure).code == "PROCESS_ENDED"


@pytest.mark.parametrize(
    ("handler", "status"), [("is_over", REFUSED), ("stumbles", PASSING), ("exits", REFUSED), ("unknown", PASSING)]
)
def test_only_what_may_have_been_passing_is_worth_another_try(container, handler, status):
    assert container.run(handler) == status


def test_a_terminated_container_ends_its_handler_too(container):
    process = container.start("reaches_its_ceiling")
    process.terminate()
    assert process.wait(30) != DONE


# --- What Fail reads ---


def described(**more):
    return StepFailure(Error="States.TaskFailed", Cause=json.dumps({"JobId": "batch_2", **more}))


def test_the_failure_of_an_earlier_job_is_not_taken_for_this_ones(container):
    container.run("refuses")
    assert (
        error_of(told(described(StatusReason="Host EC2 terminated"), container.files, REFERENCE)).code == "INTERNAL"
    )


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ({"StatusReason": "Job attempt duration exceeded timeout"}, "JOB_TIMED_OUT"),
        ({"Container": {"Reason": "OutOfMemoryError: Container killed due to memory usage"}}, "PROCESS_ENDED"),
        ({"Container": {"Environment": [{"Name": "X", "Value": "timeout OutOfMemory"}]}}, "INTERNAL"),
    ],
)
def test_of_a_container_that_left_no_word_batchs_reason_is_told(container, description, code):
    assert error_of(told(described(**description), container.files, REFERENCE)).code == code


def test_a_functions_failure_is_told_as_before(container):
    failure = StepFailure(Error="X", Cause='{"errorType": "X", "errorMessage": "no"}')
    assert told(failure, container.files, REFERENCE) == failure
