"""Runs one circuit with many sets of parameters: on a simulated backend in few calls, or drawn from its state."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ketbase.backends.experiments import MAX_PARAMETER_SETS, Experiment
from ketbase.backends.types import BackendInfo, Outcome
from ketbase.circuits.types import CircuitDefinition
from ketbase.ports.quantum import QuantumProvider
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.experiments.expansion import MAX_OPERATIONS
from ketbase.quantum.training.gradients import Spent

_LEVEL = 1
"""Of the compiler."""
_GROWTH = 16
"""How many operations one gate may become on a machine that has other gates and couplers."""
_SEEDS = 2**31 - MAX_PARAMETER_SETS
"""Circuits of one call take seeds one after the other."""
_AMPLITUDES = 1 << 22
"""Of the states that are computed at a time."""


class Runs(Protocol):
    """What circuits are run on, with shots."""

    @property
    def spent(self) -> Spent:
        """All that was executed so far."""

    def begin(self, dice: np.random.Generator) -> None:
        """Take the seeds from these dice."""

    def counts(
        self, definition: CircuitDefinition, bindings: Iterable[Mapping[str, float]]
    ) -> Iterator[dict[str, int]]:
        """Run a circuit that measures nothing, with all qubits measured, and give the counts for each binding.

        Raises:
            InvalidCircuitError: the backend cannot run it.
            ExecutionError: running it failed.
        """


@dataclass
class Drawn:
    """A simulator without noise, which draws from the probabilities that the batched engine computes.

    Attributes:
        shots: of each circuit.
        threads: of the engine.
        spent: all that was executed so far.
    """

    shots: int
    threads: int | None = None
    spent: Spent = field(default_factory=Spent)

    def begin(self, dice: np.random.Generator) -> None:
        """Begin to draw from these dice; see `Runs`."""
        self._dice = dice

    def counts(
        self, definition: CircuitDefinition, bindings: Iterable[Mapping[str, float]]
    ) -> Iterator[dict[str, int]]:
        """Draw the counts for each binding; see `Runs`."""
        n_qubits = definition.n_qubits
        readout = Observables.of_probabilities(n_qubits, [0])
        engine = Engine(plan(definition, definition.inputs), readout, threads=self.threads)
        names = [f"{row:0{n_qubits}b}" for row in range(1 << n_qubits)]
        for some in itertools.batched(bindings, max(_AMPLITUDES >> n_qubits, 1), strict=False):
            angles = np.array([[each[name] for name in definition.inputs] for each in some], dtype=float)
            states = engine.states(np.zeros(0), angles.reshape(len(some), len(definition.inputs)))
            chances = states.real**2 + states.imag**2
            for row in self._dice.multinomial(self.shots, chances / chances.sum(axis=1, keepdims=True)):
                yield {names[outcome]: int(row[outcome]) for outcome in np.flatnonzero(row)}
            self.spent = Spent(self.spent.circuits + len(some), self.spent.shots + len(some) * self.shots)


@dataclass
class Runner:
    """A backend, asked with shots.

    Attributes:
        provider: that has the backend.
        backend: simulated here.
        shots: of each circuit.
        spent: all that was executed so far.
    """

    provider: QuantumProvider
    backend: BackendInfo
    shots: int
    spent: Spent = field(default_factory=Spent)

    def begin(self, dice: np.random.Generator) -> None:
        """Draw the seeds of calls from these dice; see `Runs`."""
        self._dice = dice

    def counts(
        self, definition: CircuitDefinition, bindings: Iterable[Mapping[str, float]]
    ) -> Iterator[dict[str, int]]:
        """Compile and run, so many bindings at a time as the backend takes; see `Runs`."""
        fitting = MAX_OPERATIONS // (_GROWTH * (len(definition.gates) + definition.n_qubits))
        size = max(min(MAX_PARAMETER_SETS, self.backend.capabilities.max_circuits, fitting), 1)
        for some in itertools.batched(bindings, size, strict=False):
            yield from self._outcome(definition, Experiment(parameters=tuple(map(dict, some)))).counts
            self.spent = Spent(self.spent.circuits + len(some), self.spent.shots + len(some) * self.shots)

    def _outcome(self, definition: CircuitDefinition, experiment: Experiment) -> Outcome:
        seed = int(self._dice.integers(_SEEDS))
        compiled = self.provider.compile(
            definition, backend=self.backend, experiment=experiment, seed=0, optimization_level=_LEVEL
        )
        return self.provider.execute(
            compiled, backend=self.backend, experiment=experiment, shots=self.shots, seed=seed, noise=True
        )
