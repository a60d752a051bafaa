from types import SimpleNamespace

import numpy as np
import pytest

from ketbase.backends.catalog import backends
from ketbase.backends.remote import RemoteState, RemoteStatus
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import ExecutionError
from ketbase.quantum.training.runners import Runner

TURN = CircuitDefinition.of_gates(1, [Gate(type="RX", targets=(0,), parameters={"theta": "a"})])


class Elsewhere:
    """A provider that takes its time, and knows its jobs by their tags."""

    def __init__(self, ends: RemoteStatus = RemoteStatus.COMPLETED):
        self.jobs: dict[str, int] = {}
        self.handed_in = 0
        self._ends = ends

    def compile(self, definition, *, backend, experiment, seed, optimization_level):
        return len(experiment.parameters)

    def submit(self, compiled, *, tag, again, **_):
        assert again
        if tag not in self.jobs:
            self.handed_in += 1
            self.jobs[tag] = compiled
        return tag

    def states(self, engine, jobs):
        self.asked = getattr(self, "asked", 0) + 1
        status = RemoteStatus.QUEUED if self.asked % 3 else self._ends
        return {} if self.asked % 3 == 1 else {jobs[0]: RemoteState(status=status, raw="said so", message="broken")}

    def fetch(self, job, compiled, **_):
        return SimpleNamespace(outcome=SimpleNamespace(counts=[{"0": 3, "1": 1}] * compiled))


def runner(provider: Elsewhere, max_circuits: int = 10) -> Runner:
    hardware = next(each for each in backends().values() if each.is_remote)
    few = hardware.model_copy(
        update={"capabilities": hardware.capabilities.model_copy(update={"max_circuits": max_circuits})}
    )
    made = Runner(provider, few, 4, sleep=lambda _: None)
    made.begin("model-0-1", np.random.default_rng(0))
    return made


def test_many_bindings_go_in_as_few_jobs_as_the_machine_takes() -> None:
    provider = Elsewhere()
    circuits = runner(provider)
    assert len(list(circuits.counts(TURN, [{"a": 0.1}] * 25))) == 25
    assert list(provider.jobs.values()) == [10, 10, 5]
    assert circuits.spent == (25, 100)


def test_an_epoch_that_is_done_again_finds_its_jobs_at_the_provider() -> None:
    provider = Elsewhere()
    for _ in range(2):
        list(runner(provider).counts(TURN, [{"a": 0.1}] * 25))
    assert provider.handed_in == 3


def test_a_job_that_failed_at_its_provider_says_why() -> None:
    with pytest.raises(ExecutionError, match="said so: broken") as caught:
        list(runner(Elsewhere(RemoteStatus.FAILED)).counts(TURN, [{"a": 0.1}]))
    assert caught.value.code == "PROVIDER_JOB_FAILED"
