"""The backends that a run may go to, found before it is compiled for any of them."""

from collections.abc import Callable

from ketbase.backends.prediction import predicted_success
from ketbase.backends.service import Backends
from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import Circuit
from ketbase.costs.quotes import Quote
from ketbase.costs.shapes import shape_of
from ketbase.errors import InvalidError, KetbaseError
from ketbase.run.choice import LAYOUTS
from ketbase.run.choosing import Candidate, Choosing

MAX_CANDIDATES = 6
"""For so many a circuit is compiled before one is chosen: the best by what can be said without compiling."""


class Candidates:
    """Looks for backends."""

    def __init__(self, backends: Backends):
        self._backends = backends

    def find(
        self, circuit: Circuit, choosing: Choosing, quote: Callable[[BackendInfo, int], Quote]
    ) -> tuple[tuple[Candidate, ...], Quote]:
        """Find the backends that suit what is asked, the most promising first.

        Args:
            circuit: what is to run.
            choosing: by what to choose.
            quote: prices a backend, with so many compilations before, or raises why the run cannot go there.

        Returns:
            The candidates, each at its own price, and the dearest price that choosing is part of.

        Raises:
            InvalidError: `NO_BACKEND`, with the reason for each; `BUDGET_LIMIT_TOO_LOW`, for choosing.
        """
        shape = shape_of(circuit)
        found: list[tuple[Candidate, BackendInfo]] = []
        refused: dict[str, str] = {}
        for view in self._backends.standing():
            info = view.info
            try:
                reason = _against(info, choosing) or (None if view.status == "available" else f"is {view.status}")
                priced = None if reason else quote(info, 0)
            except KetbaseError as problem:
                reason, priced = problem.message, None
            if priced is None:
                refused[info.id] = reason or ""
                continue
            candidate = Candidate(
                backend=info.id,
                predicted_success=predicted_success(shape, info),
                estimated_cost=priced.estimated,
                estimated_wait_s=view.wait_s,
                expected_seconds=priced.expected_seconds,
            )
            if too_much := _too_much(candidate, choosing):
                refused[info.id] = too_much
                continue
            found.append((candidate, info))
        if not found:
            raise InvalidError(
                "NO_BACKEND",
                "No backend suits what is asked; `details.backends` says why for each.",
                field="constraints",
                backends=refused,
            )
        found.sort(key=lambda each: choosing.key(each[0]))
        found = found[:MAX_CANDIDATES]
        trials = LAYOUTS * len(found)
        dearest = max((quote(info, trials) for _, info in found), key=lambda each: each.reserved)
        return tuple(candidate for candidate, _ in found), dearest


def _against(info: BackendInfo, choosing: Choosing) -> str | None:
    """Say what of a backend is not asked for."""
    asked = choosing.constraints
    if asked.backends and info.id not in asked.backends:
        return "is not one of `constraints.backends`"
    if asked.types and info.type not in asked.types:
        return f"is a {info.type.replace('_', ' ')}"
    if asked.providers and info.provider not in asked.providers:
        return f"is of {info.provider}"
    return None


def _too_much(candidate: Candidate, choosing: Choosing) -> str | None:
    """Say which limit a candidate passes."""
    asked = choosing.constraints
    if asked.max_cost is not None and candidate.estimated_cost > asked.max_cost:
        return f"is expected to cost ${candidate.estimated_cost}"
    if asked.max_wait_s is not None and candidate.estimated_wait_s > asked.max_wait_s:
        return f"lets jobs wait for {candidate.estimated_wait_s:.0f} s"
    return None
