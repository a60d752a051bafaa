"""Puts what a run would cost on several backends side by side."""

from ketbase.accounts.types import Caller
from ketbase.backends.checks import check_observables
from ketbase.backends.circuit_count import CircuitCount, check_count
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo
from ketbase.circuits.service import Circuits
from ketbase.costs.estimate import BackendEstimate, Estimate, EstimateRequest, Problem
from ketbase.costs.estimates import expected_seconds
from ketbase.costs.quotes import COLLECT_S, COMPILE_S, Quotes
from ketbase.costs.shapes import Shape, shape_of
from ketbase.errors import InvalidError
from ketbase.ledger.service import Ledger
from ketbase.money import Money


class Comparison:
    """Estimates before anything is submitted."""

    def __init__(self, circuits: Circuits, backends: Backends, quotes: Quotes, ledger: Ledger):
        self._circuits = circuits
        self._backends = backends
        self._quotes = quotes
        self._ledger = ledger

    def compare(self, caller: Caller, body: EstimateRequest) -> Estimate:
        """Price a run on each backend; one that cannot run it says why.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND` or `BACKEND_NOT_FOUND`.
            InvalidCircuitError: `INVALID_OBSERVABLE`, none can be measured of this circuit.
        """
        infos = [self._backends.info(backend) for backend in dict.fromkeys(body.backends)]
        shape = body.circuit or shape_of(self._circuits.get(caller, body.circuit_id or ""))
        if body.observables:
            check_observables(body.observables, shape.n_qubits)
        remaining = self._ledger.standing(caller.organization_id).remaining
        return Estimate(
            shots=body.shots,
            remaining_budget=remaining,
            estimates=tuple(self._estimate(shape, info, body, remaining) for info in infos),
        )

    def _estimate(
        self, shape: Shape, backend: BackendInfo, body: EstimateRequest, remaining: Money | None
    ) -> BackendEstimate:
        can, count = backend.capabilities, body.count(backend)
        try:
            if shape.n_qubits > can.max_qubits:
                raise InvalidError("TOO_MANY_QUBITS", f"{backend.id} has {can.max_qubits} qubits.")
            if body.shots > can.max_shots:
                raise InvalidError("TOO_MANY_SHOTS", f"{backend.id} runs at most {can.max_shots} shots.")
            check_count(count, backend, shots=body.shots, n_bits=shape.n_qubits, counted=not body.observables)
            quote = self._quotes.run(shape, backend, body.shots, body.budget_limit, count)
        except InvalidError as problem:
            return BackendEstimate(
                backend=backend.id,
                circuits=count.total,
                problem=Problem(code=problem.code, message=problem.message),
            )
        return BackendEstimate(
            backend=backend.id,
            circuits=count.total,
            estimated_cost=quote.estimated,
            reserved_cost=quote.reserved,
            lines=quote.lines,
            expected_seconds=quote.expected_seconds,
            within_budget=remaining is None or quote.reserved <= remaining,
            problem=_too_long(shape, backend, body.shots, count, self._quotes.longest_s(quote.lane)),
        )


def _too_long(
    shape: Shape, backend: BackendInfo, shots: int, count: CircuitCount, execute_s: float
) -> Problem | None:
    """Say which step is expected to be stopped before it is done."""
    seconds = expected_seconds(shape, backend, shots, count)
    for step, expected, longest in (
        ("compiling", seconds.compile, COMPILE_S),
        ("executing", seconds.execute, execute_s),
        ("collecting", seconds.collect, COLLECT_S),
    ):
        if expected > longest:
            return Problem(
                code="TOO_LONG",
                message=f"On {backend.id}, {step} is expected to take {expected:,.0f} s, and is stopped after "
                f"{longest:.0f} s; the run would fail, and what it used until then is charged.",
            )
    return None
