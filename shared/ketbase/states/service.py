"""Keeps an organisation's states."""

from collections.abc import Callable

from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.circuits.service import Circuits
from ketbase.errors import NotFoundError
from ketbase.ids import new_id
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.clock import Clock
from ketbase.ports.quantum import StateVectors
from ketbase.states.amplitudes import unpacked
from ketbase.states.computing import computed
from ketbase.states.store import StateStore, StoredState
from ketbase.states.types import CreateState, State, StateVector


class States:
    """What can be done with states but searching them."""

    def __init__(self, store: StateStore, circuits: Circuits, vectors: Callable[[], StateVectors], clock: Clock):
        """Wire it; `vectors` is only asked for where a state is computed: few functions carry it."""
        self._store = store
        self._circuits = circuits
        self._vectors = vectors
        self._clock = clock

    def create(self, caller: Caller, circuit_id: str, body: CreateState) -> State:
        """Compute the state of a circuit, and keep it.

        Raises:
            NotFoundError: `CIRCUIT_NOT_FOUND`.
            InvalidCircuitError: see `ketbase.states.computing.computed`.
            UnavailableError: what computes, or the store of vectors, does not answer.
        """
        circuit = self._circuits.get(caller, circuit_id)
        amplitudes = computed(self._vectors(), circuit, body.parameters)
        state = State(
            id=new_id("state"),
            user_id=caller.user_id,
            circuit_id=circuit.id,
            name=circuit.name if body.name is None else body.name,
            n_qubits=circuit.n_qubits,
            metadata=body.metadata,
            created_at=self._clock.now(),
        )
        (vector,) = self._vectors().rotated(amplitudes, 1)
        told = line(self._clock, caller, "state.created", state.id, name=state.name, circuit_id=circuit.id)
        stored = StoredState(parameters=body.parameters, amplitudes=amplitudes)
        self._store.add(caller.organization_id, state, stored, vector, told)
        return state

    def get(self, caller: Caller, state_id: str) -> StateVector:
        """Read a state, whole.

        Raises:
            NotFoundError: `STATE_NOT_FOUND`.
        """
        kept = self._store.get(caller.organization_id, state_id)
        if kept is None:
            raise not_found(state_id)
        return StateVector(
            **dict(kept.state), parameters=kept.stored.parameters, amplitudes=unpacked(kept.stored.amplitudes)
        )

    def list(self, caller: Caller, circuit_id: str | None, request: PageRequest) -> Slice[State]:
        """List the states, those of one circuit or all, in order of creation."""
        walk = self._store.walk(
            caller.organization_id, circuit_id, after=request.cursor, descending=request.descending
        )
        return take(walk, request, self._store.count(caller.organization_id, circuit_id))

    def delete(self, caller: Caller, state_id: str) -> None:
        """Take a state away.

        Raises:
            NotFoundError: `STATE_NOT_FOUND`.
            UnavailableError: the store of vectors does not answer; nothing was taken away.
        """
        state = self._store.summary(caller.organization_id, state_id)
        if state is None:
            raise not_found(state_id)
        told = line(self._clock, caller, "state.deleted", state_id, name=state.name)
        if not self._store.remove(caller.organization_id, state, told):
            raise not_found(state_id)


def not_found(state_id: str) -> NotFoundError:
    """Return the error of a state that is not there, or another organisation's."""
    return NotFoundError("STATE_NOT_FOUND", f"There is no state {state_id!r}.", state_id=state_id)
