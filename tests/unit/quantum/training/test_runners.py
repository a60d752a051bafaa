from types import SimpleNamespace

import numpy as np

from ketbase.backends.catalog import backends
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.quantum.training.runners import Runner

TURN = CircuitDefinition.of_gates(1, [Gate(type="RX", targets=(0,), parameters={"theta": "a"})])


class Device:
    """Notes how many circuits came with each call, and its seed."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.seeds: list[int] = []

    def compile(self, definition, *, backend, experiment, seed, optimization_level):
        return len(experiment.parameters)

    def execute(self, compiled, *, backend, experiment, shots, seed, noise):
        self.calls.append(compiled)
        self.seeds.append(seed)
        return SimpleNamespace(counts=[{"0": shots - 1, "1": 1}] * compiled)


def test_many_bindings_run_in_as_few_calls_as_the_backend_takes_each_with_its_own_seed() -> None:
    provider, device = Device(), backends()["fake_fez"]
    few = device.model_copy(update={"capabilities": device.capabilities.model_copy(update={"max_circuits": 10})})
    runner = Runner(provider, few, 4)
    runner.begin(np.random.default_rng(0))
    assert len(list(runner.counts(TURN, [{"a": 0.1}] * 25))) == 25
    assert provider.calls == [10, 10, 5]
    assert len(set(provider.seeds)) == 3
    assert runner.spent == (25, 100)
