"""The engine of Amazon Braket: its simulators, and the quantum computers of IQM, Rigetti and others."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from ketbase.backends.remote import Properties, RemoteState, Sighting
from ketbase.backends.types import BackendInfo
from ketbase.errors import ExecutionError, KetbaseError
from ketbase.ports.clock import Clock
from ketbase.quantum.braket.billing import billed, seconds_of
from ketbase.quantum.braket.devices import Device, device_of, region_of
from ketbase.quantum.braket.programs import action, written
from ketbase.quantum.braket.requests import Requests, no_result
from ketbase.quantum.braket.results import counts_of, executions
from ketbase.quantum.braket.states import combined, state_of
from ketbase.quantum.braket.tasks import PART, PHYSICAL, QUBITS, TAG, VIRTUAL, Part, join, parts_of, split
from ketbase.quantum.engines import Fetched, Work
from ketbase.quantum.machines import Machine

_LOG = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=2)
"""How long ago a job may have been handed in that is looked for by its tag."""
_RECENT = timedelta(days=1)
_FEW = 5
"""So many tasks are asked for one by one; more are looked up among all recent ones."""
_FRESH_S = 300.0
"""For so long a device's description is not asked for again."""


class BraketEngine:
    """Hands circuits in as quantum tasks, and reads their results from S3.

    A job is one task wherever the device takes all its circuits at once, as a program or a program set. Otherwise
    it is several, and its id names them all. Each task is created under a token made from the job's tag and from
    which circuits it runs; Braket answers a token that it knows with the task that it made then, so that boto3 may
    send a request again. How long Braket remembers a token is not documented: `find` looks at the tasks' tags.

    Braket bills each task that completed, also where another task of the same job failed or was cancelled.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        objects: Any,
        clock: Clock,
        *,
        regions: Sequence[str],
        bucket: str,
        prefix: str = "ketbase",
    ):
        """Wire the engine.

        Args:
            client: makes boto3's `braket` client of a region, with `calls.CONFIG`.
            objects: boto3's `s3` client.
            clock: the time.
            regions: whose devices are used.
            bucket: where results are put; `{region}` in it stands for the device's region.
            prefix: the folder there.
        """
        self._requests = Requests(client, objects, regions[0])
        self._clock = clock
        self._regions = tuple(regions)
        self._bucket = bucket
        self._prefix = prefix
        self._devices: dict[str, tuple[float, Device]] = {}
        self._begun: dict[str, dict[Part, str]] = {}

    # --- Devices ---

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe a backend to the compiler, its qubits by their own numbers where it has couplers.

        Raises:
            UnavailableError: Braket does not answer.
            ExecutionError: `PROVIDER_REFUSED`, Braket has no such device.
        """
        return self._device(backend).machine()

    def sight(self) -> tuple[Sighting, ...]:
        """Describe all devices of our regions that run circuits; retired ones are left out."""
        found: dict[str, Sighting] = {}
        for region in self._regions:
            for summary in self._requests.devices(region):
                arn = summary["deviceArn"]
                if summary["deviceStatus"] == "RETIRED" or arn in found:
                    continue
                device = self._asked(arn, region)
                if device is not None:
                    found[arn] = device.sighting(self._clock.now())
        return tuple(found.values())

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read a calibration as it is now, or was minutes ago; `None` for a simulator."""
        return self._device(backend).properties()

    def _device(self, backend: BackendInfo) -> Device:
        arn = backend.remote_name or ""
        if arn in self._devices:
            asked_at, known = self._devices[arn]
            if time.monotonic() - asked_at < _FRESH_S:
                return known
        own = region_of(arn)
        for region in (own,) if own else self._regions:
            device = self._asked(arn, region)
            if device is not None:
                return device
        raise ExecutionError("PROVIDER_REFUSED", f"Amazon Braket has no device {arn} that runs circuits.")

    def _asked(self, arn: str, region: str) -> Device | None:
        answer = self._requests.device(arn, region)
        if answer is None:
            return None
        try:
            device = device_of(answer, region)
        except ValueError:
            _LOG.exception("%s describes itself in a way that is not understood", arn)
            return None
        if device is not None:
            self._devices[arn] = time.monotonic(), device
        return device

    # --- Jobs ---

    def submit(self, work: Work, tag: str) -> str:
        """Create the job's tasks, each of them once for the tag; where one is refused, those before it are stopped.

        Raises:
            UnavailableError: Braket does not answer; what it has of the job then, `find` and the tokens tell.
            ExecutionError: `PROVIDER_REFUSED`; `INVALID_PROGRAM`; or `UNSUPPORTED_OPERATION`, noise cannot be
                scaled where Braket compiles the circuits.
        """
        device = self._device(work.backend)
        if any(each.scale > 1 for each in work.variants):
            _check_folds(device)
        every = bool(device.program.requires_all_qubits_measurement)
        sources = [written(circuit, device.dialect, all_measured=every) for circuit in work.circuits]
        tasks = self._begun.pop(tag, {})
        for part in parts_of(device, len(sources), work.shots):
            if part in tasks:
                continue
            try:
                task = self._task(device, part, sources[part.first : part.last], work.shots, tag)
                tasks[part] = self._requests.create(device.region, task)
            except ExecutionError:
                with suppress(KetbaseError):
                    self._stop(tasks.values())
                raise
        return join(tasks)

    def find(self, backend: BackendInfo, tag: str, *, partly: bool = False) -> str | None:
        """Find a job that was handed in during the last two days, by its tasks' tags.

        Where only some of its tasks are there, that is `None` as well, and `submit` then creates the others; or
        with `partly` the id of those.
        """
        device = self._device(backend)
        found: dict[Part, str] = {}
        since = self._clock.now() - LOOK_BACK
        for task in self._requests.tasks(device.region, since, device=device.arn):
            tags = task.get("tags") or {}
            if tags.get(TAG) == tag and PART in tags:
                part = Part.read(tags[PART])
                found[part] = task["quantumTaskArn"]
                if sum(each.last - each.first for each in found) == part.total:
                    return join(found)
        if found and partly:
            return join(found)
        if found:
            self._begun[tag] = found
        return None

    def states(self, remote_ids: Sequence[str]) -> Mapping[str, RemoteState]:
        """Say where jobs stand.

        Many tasks are looked up among those of the last day, a hundred with each request; what is not there, and
        what failed, is asked for one by one. A job of several tasks is over when all of them are.
        """
        tasks = {remote_id: split(remote_id) for remote_id in remote_ids}
        by_region: dict[str, list[str]] = {}
        for arn in dict.fromkeys(arn for arns in tasks.values() for arn in arns):
            by_region.setdefault(region_of(arn) or self._regions[0], []).append(arn)
        known: dict[str, RemoteState] = {}
        for region, arns in by_region.items():
            known |= self._states(region, arns)
        return {
            remote_id: combined([known[arn] for arn in arns])
            for remote_id, arns in tasks.items()
            if known.keys() >= set(arns)
        }

    def _states(self, region: str, arns: list[str]) -> dict[str, RemoteState]:
        known: dict[str, RemoteState] = {}
        if len(arns) > _FEW:
            # Among very many tasks of others, asking for each of ours takes fewer requests than reading on.
            pages = 2 + len(arns) // 20
            for task in self._requests.tasks(region, self._clock.now() - _RECENT, pages=pages):
                if task["quantumTaskArn"] in arns and task["status"] != "FAILED":
                    known[task["quantumTaskArn"]] = state_of(task)
        for arn in arns:
            found = None if arn in known else self._requests.task(arn)
            if found is not None:
                known[arn] = state_of(found)
        return known

    def fetch(self, remote_id: str, work: Work) -> Fetched:
        """Read the counts of a completed job from the results' bucket.

        `billed` is what the device asks by its own description.

        Raises:
            UnavailableError: Braket or S3 does not answer.
            ExecutionError: `PROVIDER_NO_RESULT` or `PROVIDER_RESULT_UNREADABLE`.
        """
        device = self._device(work.backend)
        tasks = [self._completed(arn) for arn in split(remote_id)]
        results = [self._requests.result(task, "results.json") for task in tasks]
        found = [
            (execution, (task.get("tags") or {}).get(QUBITS) == PHYSICAL)
            for task, result in zip(tasks, results, strict=True)
            for execution in executions(result, partial(self._requests.result, task))
        ]
        if len(found) != len(work.circuits):
            raise no_result(f"{len(work.circuits)} circuits were handed in, and {len(found)} have results")
        seconds = [seconds_of(result) for result in results]
        return Fetched(
            counts=tuple(
                counts_of(execution, circuit, work.shots, physical=physical)
                for (execution, physical), circuit in zip(found, work.circuits, strict=True)
            ),
            method=device.name,
            seconds=sum(each or 0.0 for each in seconds),
            started_at=min(task["createdAt"] for task in tasks),
            ended_at=max(task.get("endedAt") or task["createdAt"] for task in tasks),
            raw={"tasks": [_kept(task, result) for task, result in zip(tasks, results, strict=True)]},
            billed=billed(device, tasks, seconds),
        )

    def cancel(self, remote_id: str) -> None:
        """Ask to stop each task of a job; those that are over stay as they are."""
        self._stop(split(remote_id))

    def _stop(self, arns: Iterable[str]) -> None:
        for arn in arns:
            self._requests.cancel(arn)

    def _completed(self, arn: str) -> dict[str, Any]:
        task = self._requests.task(arn)
        if task is None:
            raise no_result(f"it does not know {arn}")
        if task["status"] != "COMPLETED":
            raise no_result(f"{arn} is {task['status']}, {task.get('failureReason') or 'without a reason'}")
        return task

    def _task(self, device: Device, part: Part, sources: list[str], shots: int, tag: str) -> dict[str, Any]:
        task = {
            "clientToken": part.token(tag),
            "deviceArn": device.arn,
            "action": json.dumps(action(sources)),
            "shots": shots * len(sources),
            "outputS3Bucket": self._bucket.format(region=device.region),
            "outputS3KeyPrefix": f"{self._prefix}/{tag}",
            "tags": {TAG: tag, PART: part.text, QUBITS: PHYSICAL if device.dialect.physical else VIRTUAL},
        }
        parameters = device.parameters()
        if parameters is not None and len(sources) == 1:  # a program set takes none
            task["deviceParameters"] = json.dumps(parameters)
        return task


def _check_folds(device: Device) -> None:
    if not device.dialect.verbatim and not device.is_simulator:
        raise ExecutionError(
            "UNSUPPORTED_OPERATION",
            f"{device.id} cannot scale noise by folding gates: Braket compiles its circuits, and takes folds out.",
        )


def _kept(task: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a task: all that Braket says of it but the shots one by one, and our own program."""
    metadata = {name: value for name, value in (result.get("additionalMetadata") or {}).items() if name != "action"}
    kept = {"task": task, "taskMetadata": result.get("taskMetadata"), "additionalMetadata": metadata}
    return dict(json.loads(json.dumps(kept, default=str)))
