"""A house of states over real adapters in a folder."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.adapters.vectors.embedded import EmbeddedVectors
from ketbase.circuits.service import Circuits
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CreateCircuit
from ketbase.ids import new_id
from ketbase.quantum.sandbox import Sandbox
from ketbase.quantum.states import QiskitStates
from ketbase.states.search import StateSearch
from ketbase.states.service import States
from ketbase.states.store import StateStore, StoredState
from ketbase.states.types import CreateState, SearchStates, State
from tests.fakes import ALICE, DictBlobs, FakeLanguage, TurnedClock


@pytest.fixture(scope="session")
def mathematics():
    sandbox = Sandbox()
    yield QiskitStates(sandbox)
    sandbox.close()


class House(SimpleNamespace):
    """Records, blobs, vectors, and the services over them."""

    def __init__(self, mathematics, records, blobs, vectors):
        clock = TurnedClock()
        store = StateStore(records, blobs, lambda: vectors)
        circuits = Circuits(CircuitStore(records, blobs), FakeLanguage, clock)
        super().__init__(
            mathematics=mathematics,
            records=records,
            blobs=blobs,
            vectors=vectors,
            clock=clock,
            store=store,
            circuits=circuits,
            states=States(store, circuits, lambda: mathematics, clock),
            searching=StateSearch(store, circuits, lambda: mathematics),
        )

    def circuit(self, n_qubits, *gates, caller=ALICE, name="a circuit"):
        body = {"name": name, "n_qubits": n_qubits, "gates": list(gates)}
        return self.circuits.create(caller, CreateCircuit.model_validate(body)).id

    def state(self, circuit_id, caller=ALICE, **body):
        return self.states.create(caller, circuit_id, CreateState.model_validate(body))

    def keep(self, amplitudes, caller=ALICE, circuit_id="circuit_drawn", **said):
        """Keep a state that no circuit made."""
        state = State(
            id=new_id("state"),
            user_id=caller.user_id,
            circuit_id=circuit_id,
            name="drawn",
            n_qubits=int(math.log2(len(amplitudes))),
            metadata=said,
            created_at=self.clock.now(),
        )
        exact = np.asarray(amplitudes, dtype="<c16").tobytes()
        (vector,) = self.mathematics.rotated(exact, 1)
        self.store.add(caller.organization_id, state, StoredState(parameters={}, amplitudes=exact), vector)
        return state.id

    def search(self, amplitudes=None, caller=ALICE, **asked):
        if amplitudes is not None:
            asked["amplitudes"] = [
                (each.real, each.imag) for each in np.asarray(amplitudes, dtype=complex).tolist()
            ]
        return self.searching.search(caller, SearchStates.model_validate(asked))


@pytest.fixture
def house(tmp_path, mathematics):
    return House(
        mathematics,
        SqliteRecords(tmp_path / "records.db", TurnedClock()),
        DictBlobs(),
        EmbeddedVectors(tmp_path / "vectors"),
    )


def gate(kind, *targets, **parameters):
    return {"type": kind, "targets": targets, "parameters": parameters}


H, X = gate("H", 0), gate("X", 0)
CNOT = gate("CNOT", 0, 1)


def drawn(rng, n_qubits):
    """A random state (Haar)."""
    amplitudes = rng.normal(size=2**n_qubits) + 1j * rng.normal(size=2**n_qubits)
    return amplitudes / np.linalg.norm(amplitudes)


@pytest.fixture
def rng(request):
    """Random numbers, the same at each run of a test."""
    return np.random.default_rng(sum(request.node.name.encode()))
