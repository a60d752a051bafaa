"""Prices a run before it starts: what it is expected to cost, and the ceiling that it is held to."""

from collections.abc import Mapping

from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.lanes import Lane, Lanes, Limits, Need
from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import Circuit
from ketbase.costs.estimates import ONE, StepSeconds, expected_seconds
from ketbase.costs.memory import density_mb, least_mb
from ketbase.costs.prices import Prices, Rate
from ketbase.costs.shapes import Shape, busy_qubits, shape_of
from ketbase.errors import InvalidCircuitError, InvalidError
from ketbase.money import Money
from ketbase.training.estimates import TrainingWork
from ketbase.types import Model

COMPILE_S, EXECUTE_S, COLLECT_S = 290.0, 890.0, 60.0
"""The longest that each step may take, in seconds; a little less than the function's own limit."""
OPTIMIZE_STEPS = 1
_VERIFY_S = 5.0
"""What verifying an optimised circuit takes beside the search, in seconds; it is given up after ten times that."""
LEAST_S = 60.0
"""A ceiling never allows a step less than this, in seconds: an estimate of nothing is often wrong."""
MARGIN = 10.0
"""How many times the expected duration a ceiling allows."""
TRAINING_MARGIN = 3.0
"""How many times the expected duration of all epochs a training's ceiling allows; one that needs more may ask."""
CHUNK_S = 600.0
"""After which a step of a training leaves the rest to the next one, in seconds."""
_BELL, _BELL_SHOTS = Shape(n_qubits=2, gates=2, two_qubit_gates=1, clifford=True, entangled_bits=1), 1_024
ONE_LANE = Lanes({Lane.FUNCTION: Limits(memory_mb=8_192, seconds=EXECUTE_S)})
"""Where nothing is said of lanes: the function of an installation on one machine."""
STEPS = 3
REPEATS = 4
"""How many repeated steps a ceiling allows for; a busy or broken step is tried again."""


class CostLine(Model):
    """One part of a price."""

    what: str
    estimated: Money
    reserved: Money


class Quote(Model):
    """What a run costs.

    Attributes:
        estimated: expected.
        reserved: the ceiling.
        circuits: how many are executed.
        expected_seconds: of the steps that compute, together.
        lane: where the run is expected to be executed.
    """

    backend: str
    estimated: Money
    reserved: Money
    lines: tuple[CostLine, ...]
    circuits: int = 0
    expected_seconds: float
    lane: Lane = Lane.FUNCTION


class Quotes:
    """Quotes under one table of prices."""

    def __init__(
        self,
        prices: Prices,
        *,
        compute_memory_mb: int,
        control_memory_mb: int,
        lanes: Lanes = ONE_LANE,
        rates: Mapping[Lane, Rate] | None = None,
    ):
        """Wire the quotes.

        Args:
            prices: the table.
            compute_memory_mb: memory of the functions that compile and execute.
            control_memory_mb: memory of the others.
            lanes: where runs are executed.
            rates: what time costs in those lanes that are no function.
        """
        self._lanes = lanes
        self._rates = rates or {}
        self._prices = prices
        self._compute_mb = compute_memory_mb
        self._control_mb = control_memory_mb

    def run(
        self,
        circuit: Circuit | Shape,
        backend: BackendInfo,
        shots: int,
        budget_limit: Money | None = None,
        count: CircuitCount = ONE,
        trials: int = 0,
    ) -> Quote:
        """Price a run of a circuit.

        Args:
            circuit: what is to run, or its shape.
            backend: where.
            shots: how often each circuit is run.
            budget_limit: the user's own ceiling in place of ours.
            count: of the circuits that are made of this one.
            trials: how often the circuit alone is compiled before, to choose where and how it runs.

        Raises:
            InvalidError: `UNPRICED_BACKEND`, no price is known and no `budget_limit` is given;
                `BUDGET_LIMIT_TOO_LOW`, it would not cover what is expected.
            InvalidCircuitError: `TOO_LARGE_TO_SIMULATE`, no lane holds it.
        """
        shape = circuit if isinstance(circuit, Shape) else shape_of(circuit)
        lane = self._lane(circuit, shape, backend, shots, count)
        seconds = expected_seconds(shape, backend, shots, count, self._lanes.limits(lane).memory_mb)
        choosing = trials * expected_seconds(shape, backend, shots).compile
        seconds = seconds.model_copy(update={"compile": choosing + seconds.compile})
        provider = self._provider(backend, count.total, shots, budget_limit)
        lines = (
            CostLine(what="provider", estimated=provider, reserved=provider),
            self._compute(seconds, lane, self._may_move(shape, backend, lane)),
            self._workflow(STEPS),
        )
        expected = seconds.compile + seconds.execute + seconds.collect
        quote = _quote(backend, lines, expected, budget_limit, circuits=count.total)
        return quote.model_copy(update={"lane": lane})

    def longest_s(self, lane: Lane) -> float:
        """Say after how many seconds an execution is stopped."""
        return self._lanes.limits(lane).seconds

    def optimize(self, backend: BackendInfo, effort_s: float, budget_limit: Money | None = None) -> Quote:
        """Price an optimisation for a backend; nothing runs there.

        Raises:
            InvalidError: `BUDGET_LIMIT_TOO_LOW`, it would not cover what is expected.
        """
        expected, longest = effort_s + _VERIFY_S, optimizing_s(effort_s)
        lines = (
            CostLine(
                what="compute",
                estimated=self._prices.compute(expected, self._compute_mb),
                reserved=self._prices.compute(longest, self._compute_mb),
            ),
            self._workflow(OPTIMIZE_STEPS),
        )
        return _quote(backend, lines, expected, budget_limit)

    def training(self, backend: BackendInfo, work: TrainingWork, budget_limit: Money | None = None) -> Quote:
        """Price a training: its epochs, and what comes before and after.

        Raises:
            InvalidError: `UNPRICED_BACKEND`, no price is known and no `budget_limit` is given;
                `BUDGET_LIMIT_TOO_LOW`, it would not cover what is expected.
        """
        expected = work.prepare_s + work.seconds + work.finish_s
        longest = (
            _allowed(work.prepare_s, EXECUTE_S)
            + max(LEAST_S, TRAINING_MARGIN * work.seconds)
            + _allowed(work.finish_s, EXECUTE_S)
        )
        asked = ((trial.epochs * trial.circuits, trial.shots) for trial in work.trials if trial.circuits)
        provider = sum((self._provider(backend, *each, budget_limit) for each in asked), Money())
        lines = (
            CostLine(what="provider", estimated=provider, reserved=provider),
            CostLine(
                what="compute",
                estimated=self._prices.compute(expected, self._compute_mb),
                reserved=self._prices.compute(longest, self._compute_mb),
            ),
            self._workflow(2 + sum(2 + int(each.epochs * each.epoch_s / CHUNK_S) for each in work.trials)),
        )
        return _quote(backend, lines, expected, budget_limit, circuits=work.circuits)

    def reference(self, backend: BackendInfo) -> Money | None:
        """Say what a Bell pair with 1,024 shots is expected to cost; `None` where no price is known."""
        if self._prices.backend(backend, 1, _BELL_SHOTS) is None:
            return None
        return self.run(_BELL, backend, _BELL_SHOTS).estimated

    def _workflow(self, steps: int) -> CostLine:
        most = steps + REPEATS
        return CostLine(
            what="workflow",
            estimated=self._prices.transitions(steps) + self._prices.requests(steps),
            reserved=self._prices.transitions(most) + self._prices.requests(most),
        )

    def _provider(self, backend: BackendInfo, circuits: int, shots: int, budget_limit: Money | None) -> Money:
        price = self._prices.backend(backend, circuits, circuits * shots)
        if price is not None:
            return price
        if budget_limit is None:
            raise InvalidError(
                "UNPRICED_BACKEND",
                f"No price is known for {backend.id}; say with budget_limit what the run may cost.",
                field="budget_limit",
            )
        return Money()

    def _lane(
        self, circuit: Circuit | Shape, shape: Shape, backend: BackendInfo, shots: int, count: CircuitCount
    ) -> Lane:
        """Foresee the lane that compiling will choose, and refuse what surely fits none.

        Nothing is sure of a circuit that is placed on a device first, or that only OpenQASM 3 can say.
        """
        busy = shape.n_qubits if isinstance(circuit, Shape) else busy_qubits(circuit)
        megabytes = least_mb(shape.model_copy(update={"n_qubits": max(busy, 1)}), backend)

        def needed(limits: Limits) -> Need:
            seconds = expected_seconds(shape, backend, shots, count, limits.memory_mb)
            return Need(memory_mb=megabytes, seconds=seconds.execute)

        told = isinstance(circuit, Shape) or circuit.circuit_definition.format == "unified"
        try:
            return self._lanes.choose(backend, needed)
        except InvalidCircuitError:
            if told and backend.type == "simulator":
                raise
            return self._lanes.roomiest(backend)

    def _may_move(self, shape: Shape, backend: BackendInfo, lane: Lane) -> Lane:
        """Say in which lane a run may be after all, when it is placed on a device with more qubits than it has."""
        small = density_mb(shape.n_qubits) <= self._lanes.limits(lane).memory_mb
        return lane if backend.is_remote or backend.type == "simulator" or small else self._lanes.roomiest(backend)

    def _compute(self, seconds: StepSeconds, lane: Lane, or_lane: Lane) -> CostLine:
        # A step that takes longer is stopped there.
        compiling = self._prices.compute(min(seconds.compile, COMPILE_S), self._compute_mb)
        compiling_longest = self._prices.compute(_allowed(seconds.compile, COMPILE_S), self._compute_mb)
        return CostLine(
            what="compute",
            estimated=compiling
            + self._time(lane, min(seconds.execute, self.longest_s(lane)))
            + self._prices.compute(seconds.collect, self._control_mb),
            reserved=compiling_longest
            + max(self._time(each, _allowed(seconds.execute, self.longest_s(each))) for each in {lane, or_lane})
            + self._prices.compute(COLLECT_S, self._control_mb),
        )

    def _time(self, lane: Lane, seconds: float) -> Money:
        rate = self._rates.get(lane)
        return self._prices.compute(seconds, self._compute_mb) if rate is None else rate(seconds)


def _allowed(expected: float, longest: float) -> float:
    return min(max(LEAST_S, MARGIN * expected), longest)


def optimizing_s(effort_s: float) -> float:
    """Say how long an optimisation may take, in seconds: the search, what it has under way then, and verifying."""
    return min(2 * effort_s + 12 * _VERIFY_S, EXECUTE_S)


def _quote(
    backend: BackendInfo,
    lines: tuple[CostLine, ...],
    seconds: float,
    budget_limit: Money | None,
    circuits: int = 0,
) -> Quote:
    """Add the lines up, and hold the ceiling to the user's own."""
    estimated = sum((line.estimated for line in lines), Money())
    ceiling = sum((line.reserved for line in lines), Money())
    if budget_limit is not None and budget_limit < estimated:
        raise InvalidError(
            "BUDGET_LIMIT_TOO_LOW",
            f"The job is expected to cost ${estimated}; a budget_limit of ${budget_limit} would stop it.",
            field="budget_limit",
            estimated_cost=str(estimated),
        )
    return Quote(
        backend=backend.id,
        circuits=circuits,
        estimated=estimated,
        reserved=ceiling if budget_limit is None else budget_limit,
        lines=lines,
        expected_seconds=round(seconds, 3),
    )
