"""The steps of a run that compute here; each may be repeated, and each stops where the job runs no more."""

from collections.abc import Iterator
from contextlib import contextmanager

from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.lanes import Lane, Lanes, Limits, Need, Needed
from ketbase.backends.service import Backends
from ketbase.backends.types import CompiledCircuit
from ketbase.costs.estimates import expected_seconds
from ketbase.costs.memory import density_mb
from ketbase.costs.meter import Meter
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import COMPILE_S, ONE_LANE
from ketbase.costs.shapes import shape_of
from ketbase.errors import ExecutionError
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import Job, JobReference, Progress
from ketbase.money import Money
from ketbase.ports.quantum import QuantumProvider
from ketbase.run.choice import Chooser
from ketbase.run.choosing import AUTO
from ketbase.run.configs import config_of, parted
from ketbase.run.types import RunConfig
from ketbase.steps.ceiling import Ceiling, CeilingReachedError, JobOverError, ceiling_reached
from ketbase.steps.failures import StepFailedError, refusals
from ketbase.steps.files import JobFiles
from ketbase.steps.running import running
from ketbase.steps.types import JobCircuit

EXECUTED = "executed"


class ComputeSteps:
    """Compile and execute."""

    def __init__(
        self,
        jobs: JobStore,
        files: JobFiles,
        provider: QuantumProvider,
        backends: Backends,
        prices: Prices,
        meter: Meter,
        ceiling: Ceiling,
        lanes: Lanes = ONE_LANE,
        lane: Lane = Lane.FUNCTION,
    ):
        """Wire the steps.

        Args:
            jobs: the jobs.
            files: what runs keep.
            provider: compiles and simulates.
            backends: the backends.
            prices: the table.
            meter: of the time of this process.
            ceiling: holds it to what the job may cost.
            lanes: where circuits are executed.
            lane: that this process is in.
        """
        self._lanes = lanes
        self._lane = lane
        self._jobs = jobs
        self._files = files
        self._provider = provider
        self._backends = backends
        self._prices = prices
        self._meter = meter
        self._ceiling = ceiling
        self._chooser = Chooser(provider, backends)

    def compile(self, reference: JobReference) -> Lane:
        """Bind and compile the job's circuit, keep the compiled form, and say where it is to be executed.

        A job that was handed over to its provider keeps the form that it has: its result will be read by that.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the circuit cannot run on this backend.
            UnavailableError: the provider does not say what the backend is like now.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        if job.remote is not None:
            return Lane.REMOTE
        config = config_of(job, self._files)
        circuit = self._files.circuit(reference)
        later = self._price(config, config.circuits) + self._meter.per_step * 2
        with self._held(job, "compiling", COMPILE_S, later) as seconds:
            if config.backend == AUTO:
                job, config, compiled = self._chosen(job, config, circuit, seconds)
            elif config.choosing is not None:
                compiled = self._files.compiled(reference)  # an earlier try chose this form, and was ended then
            else:
                compiled = self._compiled(circuit, config)
            lane = self._lanes.choose(self._backends.info(config.backend), self._needed(circuit, config, compiled))
        self._files.keep(reference, "compiled.json", compiled)
        self._jobs.report(
            job,
            "run.compiled",
            f"Compiled for {config.backend}: depth {compiled.depth}, {compiled.two_qubit_gates} two-qubit gates, "
            f"{len(compiled.physical_qubits)} qubits in use",
            Progress(percentage=30, step="compiled"),
            used.charge(),
            physical_qubits=list(compiled.physical_qubits),
            estimated_success=compiled.estimated_success,
        )
        return lane

    def _needed(self, circuit: JobCircuit, config: RunConfig, compiled: CompiledCircuit) -> Needed:
        """Say what simulating a compiled circuit takes: its memory is known now, its time is still an estimate."""
        backend, experiment = self._backends.info(config.backend), config.experiment
        shape, count = shape_of(circuit.definition), CircuitCount.of(experiment, backend)
        whole = density_mb(len(compiled.physical_qubits))

        def megabytes(limits: Limits) -> float:
            if whole <= limits.memory_mb:
                return whole  # every method fits
            try:
                return self._provider.needed_mb(
                    compiled,
                    backend=backend,
                    experiment=experiment,
                    shots=config.shots,
                    noise=config.noise,
                    max_memory_mb=int(limits.memory_mb),
                )
            except ExecutionError as problem:
                return float(problem.details["needed_mb"])

        def needed(limits: Limits) -> Need:
            seconds = expected_seconds(shape, backend, config.shots, count, limits.memory_mb).execute
            return Need(memory_mb=megabytes(limits), seconds=seconds)

        return needed

    def _compiled(self, circuit: JobCircuit, config: RunConfig) -> CompiledCircuit:
        placement = circuit.placement
        stays = placement is not None and placement.backend == config.backend
        return self._provider.compile(
            circuit.definition,
            backend=self._backends.info(config.backend),
            experiment=config.experiment,
            placement=placement.qubits if placement is not None and stays else None,
            seed=config.seed,
            optimization_level=config.optimization_level,
        )

    def _chosen(
        self, job: Job, config: RunConfig, circuit: JobCircuit, seconds: float
    ) -> tuple[Job, RunConfig, CompiledCircuit]:
        """Choose a backend, and write down which, why and with what layout before anything else is done with it."""
        choice, compiled = self._chooser.choose(circuit, config, seconds)
        chosen = config.model_copy(
            update={"backend": choice.backend, "candidates": (), "circuits": len(compiled.variants)}
        )
        self._files.keep(job.reference, "compiled.json", compiled)
        self._files.keep(job.reference, "choice.json", choice)
        data = {"candidates": [each.model_dump(mode="json") for each in choice.candidates]}
        record, _ = parted(chosen)
        after = self._jobs.send_to(job, choice.backend, record.model_dump(mode="json"), choice.reason, **data)
        if after is None:
            raise JobOverError(job.id)
        return after, chosen, compiled

    def execute(self, reference: JobReference) -> None:
        """Execute the compiled circuits, and keep the outcome.

        Raises:
            JobOverError: the job runs no more.
            StepFailedError: the simulator refused a circuit.
        """
        job, used = running(self._jobs, reference), self._meter.start()
        if job.progress.step == EXECUTED:
            return  # an earlier try did all of this, and charged it
        config = config_of(job, self._files)
        compiled = self._files.compiled(reference)
        circuits = len(compiled.variants)
        price = self._price(config, circuits)
        with self._held(job, "executing", self._lanes.limits(self._lane).seconds, price + self._meter.per_step):
            outcome = self._provider.execute(
                compiled,
                backend=self._backends.info(config.backend),
                experiment=config.experiment,
                shots=config.shots,
                seed=config.seed,
                noise=config.noise,
            )
        self._files.keep(reference, "outcome.json", outcome)
        self._jobs.report(
            job,
            "run.executed",
            f"{_circuits(compiled)}{outcome.shots} shots in {outcome.seconds:.3f} s ({outcome.method})",
            Progress(percentage=90, step=EXECUTED),
            used.charge(circuits=circuits, shots=circuits * outcome.shots, provider=price),
            method=outcome.method,
            seconds=outcome.seconds,
        )

    @contextmanager
    def _held(self, job: Job, step: str, longest_s: float, later: Money) -> Iterator[float]:
        """Hold a block to the job's ceiling, say for how long, and turn what it refuses into the step's failure."""
        try:
            with refusals(), self._ceiling.over(job, step, longest_s=longest_s, later=later) as seconds:
                yield seconds
        except CeilingReachedError as problem:
            raise StepFailedError.of(ceiling_reached(job)) from problem

    def _price(self, config: RunConfig, circuits: int) -> Money:
        """Say what the provider asks, at most; nothing is known of one that the user let in without a price."""
        ids = [each.backend for each in config.candidates] or [config.backend]
        prices = [
            self._prices.backend(self._backends.info(each), circuits, circuits * config.shots) for each in ids
        ]
        return max((price for price in prices if price is not None), default=Money())


def _circuits(compiled: CompiledCircuit) -> str:
    number = len(compiled.variants)
    return "" if number == 1 else f"{number} circuits, each "
