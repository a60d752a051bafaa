"""What Braket and the results' bucket are asked for, and nothing else."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import Any

from ketbase.errors import ExecutionError
from ketbase.quantum.braket.calls import MissingError, translated, whole
from ketbase.quantum.braket.devices import region_of

_PAGE = 100
_ARN = "quantumTaskArn"
_DEVICE = ("deviceArn", "deviceName", "deviceStatus", "deviceCapabilities")
_TASK = ("status", "shots", "outputS3Bucket", "outputS3Directory", "createdAt")


class Requests:
    """Braket in several regions, and S3.

    Args:
        client: makes boto3's `braket` client of a region.
        objects: boto3's `s3` client.
        home: the region of tasks whose ARN names none.
    """

    def __init__(self, client: Callable[[str], Any], objects: Any, home: str):
        self._make = client
        self._clients: dict[str, Any] = {}
        self._objects = objects
        self._home = home

    def devices(self, region: str) -> Iterator[dict[str, Any]]:
        """Walk the devices of a region."""
        return self._search(region, "search_devices", "devices", [], None)

    def device(self, arn: str, region: str) -> dict[str, Any] | None:
        """Describe a device; `None` where the region has none of that name."""
        with suppress(MissingError), translated():
            return whole(self._in(region).get_device(deviceArn=arn), *_DEVICE)
        return None

    def create(self, region: str, task: Mapping[str, Any]) -> str:
        """Create a task, or find the one that was created under the same token, and return its ARN."""
        try:
            with translated():
                return str(whole(self._in(region).create_quantum_task(**task), _ARN)[_ARN])
        except MissingError as problem:
            raise ExecutionError("PROVIDER_REFUSED", f"Amazon Braket refused this: {problem}") from problem

    def task(self, arn: str) -> dict[str, Any] | None:
        """Say all of a task, with its place in the queue; `None` where there is none of that name."""
        with suppress(MissingError), translated():
            answer = self._at(arn).get_quantum_task(quantumTaskArn=arn, additionalAttributeNames=["QueueInfo"])
            return whole(answer, *_TASK)
        return None

    def tasks(
        self, region: str, since: datetime, *, device: str | None = None, pages: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Walk the tasks that were created since a moment, a hundred with each request, for so many pages."""
        filters = [{"name": "createdAt", "operator": "GTE", "values": [f"{since:%Y-%m-%dT%H:%M:%S}.000Z"]}]
        if device is not None:
            filters.append({"name": "deviceArn", "operator": "EQUAL", "values": [device]})
        return self._search(region, "search_quantum_tasks", "quantumTasks", filters, pages)

    def cancel(self, arn: str) -> None:
        """Ask to stop a task; one that is over, or that there is not, stays as it is."""
        with suppress(MissingError, ExecutionError), translated():
            whole(self._at(arn).cancel_quantum_task(quantumTaskArn=arn), "cancellationStatus")

    def result(self, task: Mapping[str, Any], path: str) -> Any:
        """Read a file from a task's folder, as JSON.

        Raises:
            ExecutionError: `PROVIDER_NO_RESULT`, there is none; `PROVIDER_RESULT_UNREADABLE`, it is no JSON.
        """
        bucket, key = task["outputS3Bucket"], f"{task['outputS3Directory']}/{path}"
        try:
            with translated():
                body = self._objects.get_object(Bucket=bucket, Key=key)["Body"].read()
            return json.loads(body)
        except MissingError as problem:
            raise no_result(f"there is no s3://{bucket}/{key}") from problem
        except ValueError as problem:
            raise ExecutionError(
                "PROVIDER_RESULT_UNREADABLE", f"s3://{bucket}/{key} is no JSON: {problem}"
            ) from problem

    def _search(
        self, region: str, operation: str, field: str, filters: list[dict[str, Any]], pages: int | None
    ) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        for number in count(1):
            with translated():
                page = whole(
                    getattr(self._in(region), operation)(maxResults=_PAGE, filters=filters, **token), field
                )
            yield from page[field]
            if not page.get("nextToken") or number == pages:
                return
            token = {"nextToken": page["nextToken"]}

    def _at(self, arn: str) -> Any:
        return self._in(region_of(arn) or self._home)

    def _in(self, region: str) -> Any:
        if region not in self._clients:
            self._clients[region] = self._make(region)
        return self._clients[region]


def no_result(reason: str) -> ExecutionError:
    """Say why a job has no result."""
    return ExecutionError("PROVIDER_NO_RESULT", f"Amazon Braket has no result of this job: {reason}.")
