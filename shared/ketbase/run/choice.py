"""Chooses where a run goes: compiles it for each candidate, and compares what the calibrations promise."""

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

        Raises:
            ExecutionError: `NO_BACKEND`, none of them can run the circuit well enough.
            UnavailableError: none can run it now, and one of them may later.
        """
        assert config.choosing is not None  # noqa: S101 (the job is one that asks for a choice)
        compiled: dict[str, CompiledCircuit] = {}
        candidates: list[Candidate] = []
        away: UnavailableError | None = None
        for candidate in config.candidates:
            try:
                best = max(
                    (self._compiled(circuit, config, candidate.backend, config.seed + n) for n in range(LAYOUTS)),
                    key=lambda each: (_success(each), -each.depth),
                )
            except UnavailableError as problem:
                away = problem
                candidates.append(candidate.model_copy(update={"excluded": problem.message}))
                continue
            except KetbaseError as problem:
                candidates.append(candidate.model_copy(update={"excluded": problem.message}))
                continue
            compiled[candidate.backend] = best
            candidates.append(config.choosing.judged(candidate, best))
        able = [candidate for candidate in candidates if candidate.excluded is None]
        if not able:
            if away is not None:
                raise away
            raise ExecutionError(
                "NO_BACKEND",
                "None of the candidates can run the circuit as asked.",
                backends={each.backend: each.excluded for each in candidates},
            )
        chosen = min(able, key=config.choosing.key)
        choice = Choice(
            objective=config.choosing.objective,
            backend=chosen.backend,
            reason=config.choosing.reason(chosen, len(candidates)),
            candidates=tuple(candidates),
        )
        return choice, compiled[chosen.backend]

    def _compiled(self, circuit: JobCircuit, config: RunConfig, backend: str, seed: int) -> CompiledCircuit:
        return self._provider.compile(
            circuit.definition,
            backend=self._backends.info(backend),
            experiment=config.experiment,
            placement=None,
            seed=seed,
            optimization_level=config.optimization_level,
        )


def _success(compiled: CompiledCircuit) -> float:
    return -1.0 if compiled.estimated_success is None else compiled.estimated_success
