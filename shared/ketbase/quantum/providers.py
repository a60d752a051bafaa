"""The port `QuantumProvider` over all engines: compiles for their machines, and hands circuits on to them."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from ketbase.backends import types
from ketbase.backends.experiments import Experiment
from ketbase.backends.remote import Properties, RemoteOutcome, RemoteState, Sighting
from ketbase.backends.types import BackendInfo, CompiledCircuit, Outcome
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import NotFoundError
from ketbase.optimize.types import Optimized
from ketbase.quantum.compilation import compiled, sdk_versions
from ketbase.quantum.engines import Engine, Remote, Simulator, Work
from ketbase.quantum.experiments.evaluation import evaluate
from ketbase.quantum.programs import from_bytes


class QuantumProviders:
    """One provider of all engines that this installation has."""

    def __init__(self, engines: Mapping[types.Engine, Callable[[], Engine]]):
        """Wire the engines.

        Args:
            engines: what makes each, called when its first circuit comes: the SDKs take seconds to import.
        """
        self._makers = engines
        self._engines: dict[types.Engine, Engine] = {}

    def compile(
        self,
        definition: CircuitDefinition,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        placement: tuple[int, ...] | None = None,
        seed: int,
        optimization_level: int,
    ) -> CompiledCircuit:
        """Compile for a backend; see the port."""
        return compiled(
            definition,
            self._engine(backend.engine).machine(backend),
            experiment,
            placement=placement,
            seed=seed,
            optimization_level=optimization_level,
        )

    def calibrated_at(self, backend: BackendInfo) -> datetime | None:
        """Say when the calibration was made; see the port."""
        return self._engine(backend.engine).machine(backend).calibrated_at

    def optimize(
        self, definition: CircuitDefinition, *, backend: BackendInfo, level: int, effort_s: float, seed: int
    ) -> Optimized:
        """Search for the best way to run a circuit; see the port."""
        from ketbase.quantum.optimizing import optimized_for

        machine = self._engine(backend.engine).machine(backend)
        return optimized_for(definition, machine, level=level, effort_s=effort_s, seed=seed)

    def execute(
        self,
        compiled: CompiledCircuit,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        shots: int,
        seed: int,
        noise: bool,
    ) -> Outcome:
        """Run in this process; see the port."""
        engine = cast(Simulator, self._engine(backend.engine))
        work = _work(compiled, backend, experiment, shots, seed, noise)
        started_at, started = datetime.now(UTC), time.perf_counter()
        simulated = engine.run(work)
        seconds, ended_at = time.perf_counter() - started, datetime.now(UTC)
        return Outcome(
            counts=() if experiment.observables else simulated.counts,
            shots=shots,
            expectations=evaluate(compiled.variants, simulated.counts, experiment),
            method=simulated.method,
            seconds=seconds,
            started_at=started_at,
            ended_at=ended_at,
            sdk=sdk_versions(engine.machine(backend).packages),
        )

    def needed_mb(
        self,
        compiled: CompiledCircuit,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        shots: int,
        noise: bool,
        max_memory_mb: int,
    ) -> float:
        """Say what simulating takes; see the port."""
        engine = cast(Simulator, self._engine(backend.engine))
        return engine.needed_mb(_work(compiled, backend, experiment, shots, noise=noise), max_memory_mb)

    def submit(
        self,
        compiled: CompiledCircuit,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        shots: int,
        seed: int,
        noise: bool,
        tag: str,
        again: bool,
    ) -> str:
        """Hand in at a provider, once for each tag; see the port."""
        remote = self._remote(backend.engine)
        found = remote.find(backend, tag) if again else None
        return found or remote.submit(_work(compiled, backend, experiment, shots, seed, noise), tag)

    def find(self, backend: BackendInfo, tag: str) -> str | None:
        """Find a job by its tag; see the port."""
        return self._remote(backend.engine).find(backend, tag, partly=True)

    def states(self, engine: types.Engine, remote_ids: Sequence[str]) -> Mapping[str, RemoteState]:
        """Ask where jobs stand; see the port."""
        return self._remote(engine).states(remote_ids)

    def fetch(
        self, remote_id: str, compiled: CompiledCircuit, *, backend: BackendInfo, experiment: Experiment, shots: int
    ) -> RemoteOutcome:
        """Get an outcome from a provider; see the port."""
        remote = self._remote(backend.engine)
        fetched = remote.fetch(remote_id, _work(compiled, backend, experiment, shots))
        outcome = Outcome(
            counts=() if experiment.observables else fetched.counts,
            shots=shots,
            expectations=fetched.expectations or evaluate(compiled.variants, fetched.counts, experiment),
            method=fetched.method,
            seconds=fetched.seconds,
            started_at=fetched.started_at,
            ended_at=fetched.ended_at,
            sdk=compiled.sdk,
        )
        return RemoteOutcome(outcome=outcome, raw=fetched.raw, billed=fetched.billed)

    def cancel(self, engine: types.Engine, remote_id: str) -> None:
        """Stop at a provider; see the port."""
        self._remote(engine).cancel(remote_id)

    def sight(self, engine: types.Engine) -> tuple[Sighting, ...]:
        """Ask for backends; see the port."""
        return self._remote(engine).sight()

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read a calibration; see the port."""
        return self._remote(backend.engine).properties(backend)

    def _remote(self, engine: types.Engine) -> Remote:
        return cast(Remote, self._engine(engine))

    def _engine(self, name: types.Engine) -> Engine:
        if name not in self._engines:
            if name not in self._makers:
                raise NotFoundError(
                    "BACKEND_NOT_FOUND",
                    f"{name} is not set up here; its settings begin with KETBASE_.",
                    engine=name,
                )
            self._engines[name] = self._makers[name]()
        return self._engines[name]


def _work(
    compiled: CompiledCircuit,
    backend: BackendInfo,
    experiment: Experiment,
    shots: int,
    seed: int = 0,
    noise: bool = True,
) -> Work:
    return Work(
        backend=backend,
        circuits=from_bytes(compiled.program),
        variants=compiled.variants,
        layout=compiled.layout,
        experiment=experiment,
        shots=shots,
        seed=seed,
        noise=noise,
    )
