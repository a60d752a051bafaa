r"""Finds the kept states of highest fidelity, whatever their global phase.

The store of vectors compares by the cosine, which is not blind to a global phase: it is asked under K rotations at
once, and the best of a state's cosines lies between $|o|\cos(\pi/K)$ and $|o|$, where $|o|^2$ is the fidelity (see
`ketbase.ports.quantum.StateVectors.rotated`). So the lists of nearest vectors come with a promise: a state in none
of them has no cosine above the greatest that ends a list, and thus no $|o|$ above that divided by $\cos(\pi/K)$.

Candidates are read and compared exactly, the greatest cosine first, until neither they nor any state outside the
lists can come before what is found: the threshold algorithm of Fagin, Lotem and Naor
(doi:10.1016/S0022-0000(03)00026-6). Where the lists were too short for that, longer ones under more rotations are
asked for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ketbase.accounts.types import Caller
from ketbase.circuits.service import Circuits
from ketbase.errors import TooLargeError
from ketbase.ports.quantum import Overlap, StateVectors
from ketbase.ports.vectors import MAX_TOP_K, Match
from ketbase.states.amplitudes import n_qubits, packed
from ketbase.states.computing import computed
from ketbase.states.service import not_found
from ketbase.states.store import StateStore
from ketbase.states.types import Neighbour, Neighbours, SearchStates, State

ROTATIONS = (8, 16, 32)
"""Under how many global phases a state is looked for, at first and where that was not enough."""
LEAST_CANDIDATES = 64
_OVERSAMPLED = 2
_READ_BESIDE, _READ_AT_ONCE = 8, 32
"""How many states beyond the best are read at first, and how many then."""
_SINGLE = 1e-5
"""What a cosine of single precision may be off by, and more."""
_SAME = 12
"""Fidelities that agree in so many digits after the point are equal."""
MAX_ANSWER_BYTES = 5_000_000
"""A Lambda function answers with 6 MB at most."""


class StateSearch:
    """Searches an organisation's states."""

    def __init__(self, store: StateStore, circuits: Circuits, vectors: Callable[[], StateVectors]):
        self._store = store
        self._circuits = circuits
        self._vectors = vectors

    def search(self, caller: Caller, body: SearchStates) -> Neighbours:
        """Find the states nearest to one that is kept, that a circuit makes, or that is sent.

        Raises:
            NotFoundError: `STATE_NOT_FOUND`, `CIRCUIT_NOT_FOUND`.
            InvalidError: `INVALID_STATE`, the amplitudes are no state of 1 to 10 qubits.
            InvalidCircuitError: see `ketbase.states.computing.computed`.
            TooLargeError: `ANSWER_TOO_LARGE`.
            UnavailableError: the store of vectors does not answer.
        """
        asked = self._asked(caller, body)
        ranking = _Ranking(self._vectors(), self._store, caller.organization_id, asked, body)
        size = max(LEAST_CANDIDATES, _OVERSAMPLED * body.top_k)
        complete = False
        for rotations in ROTATIONS:
            queries = self._vectors().rotated(asked, rotations)
            lists = self._store.nearest(caller.organization_id, n_qubits(asked), queries, size, body.filter)
            least_share = math.cos(math.pi / rotations)
            ranking.examine(_best(lists), least_share)
            complete = _unseen(lists, size) <= ranking.reach(least_share)
            if complete or size == MAX_TOP_K:
                break
            size = min(2 * size, MAX_TOP_K)
        found = ranking.found()
        _refuse_too_large(found)
        return Neighbours(n_qubits=n_qubits(asked), complete=complete, neighbours=found)

    def _asked(self, caller: Caller, body: SearchStates) -> bytes:
        if body.amplitudes is not None:
            return packed(body.amplitudes)
        if body.circuit_id is not None:
            circuit = self._circuits.get(caller, body.circuit_id)
            return computed(self._vectors(), circuit, body.parameters)
        kept = self._store.get(caller.organization_id, body.state_id or "")
        if kept is None:
            raise not_found(body.state_id or "")
        return kept.stored.amplitudes


class _Examined(NamedTuple):
    state: State
    overlap: Overlap


class _Ranking:
    """The states that were compared exactly, and how far they reach."""

    def __init__(
        self, vectors: StateVectors, store: StateStore, organization_id: str, asked: bytes, body: SearchStates
    ):
        self._vectors = vectors
        self._store = store
        self._organization_id = organization_id
        self._asked = asked
        self._body = body
        self._seen: set[str] = set() if body.state_id is None else {body.state_id}
        self._best: list[_Examined] = []

    def reach(self, least_share: float) -> float:
        """Give the cosine up to which a state cannot come before what is found.

        Args:
            least_share: of an overlap, that the best rotation's cosine has.
        """
        full = len(self._best) == self._body.top_k
        least = max(self._best[-1].overlap.fidelity if full else 0.0, self._body.min_fidelity)
        return least_share * math.sqrt(least) - _SINGLE

    def examine(self, cosines: Mapping[str, float], least_share: float) -> None:
        """Compare candidates exactly, the greatest cosine first, as long as they may come before what is found."""
        waiting = sorted(set(cosines) - self._seen, key=lambda state_id: (-cosines[state_id], state_id))
        size = self._body.top_k + _READ_BESIDE
        while waiting and cosines[waiting[0]] > self.reach(least_share):
            some, waiting = waiting[:size], waiting[size:]
            self._compare(some)
            size = _READ_AT_ONCE

    def found(self) -> tuple[Neighbour, ...]:
        """Give the best."""
        return tuple(Neighbour(state=each.state, **each.overlap._asdict()) for each in self._best)

    def _compare(self, state_ids: Sequence[str]) -> None:
        self._seen.update(state_ids)
        kept = self._store.get_many(self._organization_id, state_ids)
        overlaps = self._vectors.overlaps(self._asked, [each.stored.amplitudes for each in kept])
        examined = [_Examined(each.state, overlap) for each, overlap in zip(kept, overlaps, strict=True)]
        enough = [each for each in examined if each.overlap.fidelity >= self._body.min_fidelity]
        self._best = sorted([*self._best, *enough], key=_order)[: self._body.top_k]


def _order(examined: _Examined) -> tuple[float, str]:
    return -round(examined.overlap.fidelity, _SAME), examined.state.id


def _best(lists: Sequence[Sequence[Match]]) -> dict[str, float]:
    """Give the greatest cosine of each state."""
    cosines: dict[str, float] = {}
    for matches in lists:
        for match in matches:
            cosines[match.id] = max(match.score, cosines.get(match.id, -1.0))
    return cosines


def _unseen(lists: Sequence[Sequence[Match]], size: int) -> float:
    """Give the greatest cosine that a state may have that is in none of the lists; less than all where none is."""
    return max((matches[-1].score for matches in lists if len(matches) >= size), default=-math.inf)


def _refuse_too_large(found: Sequence[Neighbour]) -> None:
    size = sum(len(each.model_dump_json()) for each in found)
    if size > MAX_ANSWER_BYTES:
        raise TooLargeError(
            "ANSWER_TOO_LARGE",
            f"The {len(found):,} states found take {size:,} bytes with their metadata; "
            f"at most {MAX_ANSWER_BYTES:,} are sent: ask for a smaller top_k.",
            limit_bytes=MAX_ANSWER_BYTES,
        )
