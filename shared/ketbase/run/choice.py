"""Chooses where a run goes: compiles it for each candidate, and compares what the calibrations promise."""

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


class Chooser:
    """Compares candidates."""

    def __init__(self, provider: QuantumProvider, backends: Backends):
        self._provider = provider
        self._backends = backends

    def choose(self, circuit: JobCircuit, config: RunConfig) -> tuple[Choice, CompiledCircuit]:
        """Choose among the job's candidates by its objective, with each candidate's best layout.

        Candidates are compared by the circuit alone, with its first parameter set; all that is to be executed is
        compiled for the best one, or the next best where that cannot run it.

        Raises:
            ExecutionError: `NO_BACKEND`, none of them can run the circuit well enough.
            UnavailableError: none can run it now, and one of them may later.
        """
        assert config.choosing is not None  # noqa: S101 (the job is one that asks for a choice)
        probe = Experiment(parameters=config.experiment.parameters[:1])
        compiled: dict[str, tuple[int, CompiledCircuit]] = {}
        candidates: dict[str, Candidate] = {}
        away: UnavailableError | None = None
        for candidate in config.candidates:
            try:
                seed, best = max(
                    (
                        (seed, self._compiled(circuit, config, candidate.backend, probe, seed))
                        for seed in range(config.seed, config.seed + LAYOUTS)
                    ),
                    key=lambda each: (_success(each[1]), -each[1].depth),
                )
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


def _success(compiled: CompiledCircuit) -> float:
    return -1.0 if compiled.estimated_success is None else compiled.estimated_success
