"""The tasks that a job is: one, or several that its id names all."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import batched
from typing import Self

from ketbase.quantum.braket.devices import Device

TAG, PART, QUBITS = "ketbase-job", "ketbase-part", "ketbase-qubits"
"""The tags of a task: the job, which of its circuits it runs, and whose numbers its qubits have."""
PHYSICAL, VIRTUAL = "physical", "virtual"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """What a task runs: a job's circuits from `first` up to but not including `last`, of `total`."""

    first: int
    last: int
    total: int

    @property
    def text(self) -> str:
        """As it is written into a tag."""
        return f"{self.first}-{self.last}/{self.total}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a tag."""
        span, total = text.split("/")
        first, last = span.split("-")
        return cls(int(first), int(last), int(total))

    def token(self, tag: str) -> str:
        """The token under which the task of a job is created: always the same, and no other's; 64 characters."""
        return sha256(f"{tag} {self.text}".encode()).hexdigest()


def parts_of(device: Device, circuits: int, shots: int) -> list[Part]:
    """Divide a job into tasks, as few as the device allows."""
    programs, size = device.capabilities.action.program_set, 1
    if programs is not None and circuits * shots >= (programs.minimum_total_shots or 0):
        size = max(1, min(programs.maximum_executables, programs.maximum_total_shots // shots))
    return [Part(group[0], group[-1] + 1, circuits) for group in batched(range(circuits), size, strict=False)]


def join(tasks: Mapping[Part, str]) -> str:
    """Name a job by its tasks: the ARN of the first, and after commas the last parts of the others'."""
    first, *others = (tasks[part] for part in sorted(tasks))
    return ",".join((first, *(arn.rsplit("/", 1)[1] for arn in others)))


def split(remote_id: str) -> list[str]:
    """Return the ARNs of a job's tasks."""
    first, *others = remote_id.split(",")
    stem = first.rsplit("/", 1)[0]
    return [first, *(f"{stem}/{other}" for other in others)]
