"""Does what AWS Batch does in the cloud: runs a job's command in a process of its own, one at a time."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ketbase.ids import new_id
from ketbase.local.task import TaskError
from ketbase.runtime.batch import REFUSED

ATTEMPTS = 3
"""How often a command is begun at most, as template.yaml has it."""
_LOOK_EVERY_S = 0.1
_PATIENCE_S = 5.0


class LocalBatch:
    """The queue of the local stack; its jobs have the command of the container, and this machine's interpreter."""

    def __init__(self, folder: Path, seconds: float):
        """Make a queue.

        Args:
            folder: the checkout.
            seconds: after which an attempt is ended.
        """
        self._folder = folder
        self._seconds = seconds
        self._turn = threading.Lock()
        self._closing = threading.Event()

    def __call__(self, parameters: dict[str, Any], stop: threading.Event) -> dict[str, Any]:
        """Do a job to its end.

        Args:
            parameters: of SubmitJob.
            stop: set from outside to end the job.

        Raises:
            TaskError: it failed, with its description as Batch would give it.
        """
        job = {"JobId": new_id("batch"), "JobName": parameters["JobName"], "JobQueue": parameters["JobQueue"]}
        while not self._turn.acquire(timeout=_LOOK_EVERY_S):
            self._check(job, stop)
        try:
            for _ in range(ATTEMPTS):
                status = self._attempt(job, parameters["ContainerOverrides"]["Command"], stop)
                if status == 0:
                    return {**job, "Status": "SUCCEEDED"}
                if status == REFUSED:
                    break
            raise _failed(job, "Essential container in task exited", status)
        finally:
            self._turn.release()

    def close(self) -> None:
        """End what runs; the journal knows what to do again."""
        self._closing.set()

    def _attempt(self, job: dict[str, str], command: list[str], stop: threading.Event) -> int:
        environment = {**os.environ, "KETBASE_LANE": "batch", "AWS_BATCH_JOB_ID": job["JobId"]}
        process = subprocess.Popen(  # noqa: S603 (the command is that of our own state machine)
            [sys.executable, *command[1:]], cwd=self._folder, env=environment
        )
        until = time.monotonic() + self._seconds
        try:
            while process.poll() is None:
                self._check(job, stop)
                if time.monotonic() > until:
                    raise _failed(job, "Job attempt duration exceeded timeout", -signal.SIGKILL)
                stop.wait(_LOOK_EVERY_S)
        finally:
            _end(process)
        return process.returncode

    def _check(self, job: dict[str, str], stop: threading.Event) -> None:
        if stop.is_set() or self._closing.is_set():
            raise _failed(job, "terminated", -signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failed(job: dict[str, str], reason: str, status: int) -> TaskError:
    description = {**job, "Status": "FAILED", "StatusReason": reason, "Container": {"ExitCode": status}}
    return TaskError("States.TaskFailed", json.dumps(description))
