"""Chooses where a run goes: compiles it for each candidate, and compares what the calibrations promise."""

import time

from ketbase.backends.experiments import Experiment
from ketbase.backends.service import Backends
from ketbase.backends.types import CompiledCircuit
from ketbase.errors import ExecutionError, KetbaseError, UnavailableError
from ketbase.ports.quantum import QuantumProvider
from ketbase.run.choosing import Candidate, Choice
from ketbase.run.types import RunConfig
from ketbase.steps.types import JobCircuit

LAYOUTS = 3
"""For so many seeds a circuit is compiled for each candidate, because a layout may be as much of a choice."""
_SPARE = 3
"""A compilation begins where there is time for so many of the longest: it may take longer, and one comes after."""


class Chooser:
    """Compares candidates."""

    def __init__(self, provider: QuantumProvider, backends: Backends):
        self._provider = provider
        self._backends = backends

    def choose(self, circuit: JobCircuit, config: RunConfig, seconds: float) -> tuple[Choice, CompiledCircuit]:
        """Choose among the job's candidates by its objective, with each candidate's best layout.

        Candidates are compared by the circuit alone, with its first parameter set; all that is to be executed is
        compiled for the best one, or the next best where that cannot run it. Candidates for which there is no time
        are left out.

        Args:
            circuit: of the job.
            config: of the job.
            seconds: how long choosing may take.

        Raises:
            ExecutionError: `NO_BACKEND`, none of them can run the circuit well enough.
            UnavailableError: none can run it now, and one of them may later.
        """
        assert config.choosing is not None  # noqa: S101 (the job is one that asks for a choice)
        probe = Experiment(parameters=config.experiment.parameters[:1])
        compiled: dict[str, tuple[int, CompiledCircuit]] = {}
        candidates: dict[str, Candidate] = {}
        away: UnavailableError | None = None
        watch = _Watch(seconds)
        for candidate in config.candidates:
            if compiled and not watch.allows_another():
                candidates[candidate.backend] = candidate.model_copy(update={"excluded": "there was no time left"})
                continue
            layouts: list[tuple[int, CompiledCircuit]] = []
            try:
                for seed in range(config.seed, config.seed + LAYOUTS):
                    if layouts and not watch.allows_another():
                        break
                    with watch:
                        layouts.append((seed, self._compiled(circuit, config, candidate.backend, probe, seed)))
                seed, best = max(layouts, key=lambda each: (_success(each[1]), -each[1].depth))
            except KetbaseError as problem:
                away = problem if isinstance(problem, UnavailableError) else away
                candidates[candidate.backend] = candidate.model_copy(update={"excluded": problem.message})
                continue
            compiled[candidate.backend] = seed, best
            candidates[candidate.backend] = config.choosing.judged(candidate, best)
        while able := [candidate for candidate in candidates.values() if candidate.excluded is None]:
            chosen = min(able, key=config.choosing.key)
            seed, best = compiled[chosen.backend]
            try:
                if config.experiment != probe:
                    best = self._compiled(circuit, config, chosen.backend, config.experiment, seed)
            except KetbaseError as problem:
                away = problem if isinstance(problem, UnavailableError) else away
                candidates[chosen.backend] = chosen.model_copy(update={"excluded": problem.message})
                continue
            choice = Choice(
                objective=config.choosing.objective,
                backend=chosen.backend,
                reason=config.choosing.reason(chosen, len(able)),
                candidates=tuple(candidates.values()),
            )
            return choice, best
        if away is not None:
            raise away
        raise ExecutionError(
            "NO_BACKEND",
            "None of the candidates can run the circuit as asked.",
            backends={each.backend: each.excluded for each in candidates.values()},
        )

    def _compiled(
        self, circuit: JobCircuit, config: RunConfig, backend: str, experiment: Experiment, seed: int
    ) -> CompiledCircuit:
        return self._provider.compile(
            circuit.definition,
            backend=self._backends.info(backend),
            experiment=experiment,
            placement=None,
            seed=seed,
            optimization_level=config.optimization_level,
        )


class _Watch:
    """Says whether there is time for another compilation."""

    def __init__(self, seconds: float):
        self._until = time.monotonic() + seconds
        self._longest = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._longest = max(self._longest, time.monotonic() - self._began)

    def allows_another(self) -> bool:
        return time.monotonic() + _SPARE * self._longest <= self._until


def _success(compiled: CompiledCircuit) -> float:
    return -1.0 if compiled.estimated_success is None else compiled.estimated_success
