"""States are found at Pinecone as they are found on one machine."""

import cmath
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.adapters.vectors.pinecone import PineconeVectors
from ketbase.quantum.states import QiskitStates
from ketbase.states import layout
from tests import servers
from tests.fakes import ALICE, BOB, DictBlobs, TurnedClock
from tests.peers.pinecone_server import API_KEY
from tests.unit.states.conftest import House, drawn


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with servers.pinecone() as url:
        vectors = PineconeVectors(API_KEY, prefix="test", cloud="aws", region="us-east-1", host=url)
        yield House(QiskitStates(), SqliteRecords(tmp_path / "records.db", TurnedClock()), DictBlobs(), vectors)


def test_a_copy_under_any_phase_comes_first_for_each_of_two_hundred_random_states(house: House) -> None:
    rng = np.random.default_rng(4)
    states = [drawn(rng, 1 + number % 10) for number in range(200)]
    phases = rng.uniform(-math.pi, math.pi, len(states))
    originals = [house.keep(state) for state in states]
    copies = [house.keep(state * cmath.exp(1j * phase)) for state, phase in zip(states, phases, strict=True)]
    began = time.monotonic()
    for original, copy, phase in zip(originals, copies, phases, strict=True):
        first = house.search(state_id=original, top_k=1).neighbours[0]
        assert first.state.id == copy
        assert first.fidelity == pytest.approx(1, abs=1e-12)
        assert cmath.exp(1j * first.phase) == pytest.approx(cmath.exp(1j * phase), abs=1e-9)
    print(f"{(time.monotonic() - began):.1f} s for {len(states):,} searches")


def test_tenants_search_among_their_own_and_filters_hold(house: House) -> None:
    rng = np.random.default_rng(5)
    state = drawn(rng, 3)
    ours, theirs = house.keep(state, tags=["red"], depth=2), house.keep(state, caller=BOB)
    other = house.keep(drawn(rng, 3), tags=["blue"])
    assert [each.state.id for each in house.search(state).neighbours] == [ours, other]
    assert [each.state.id for each in house.search(state, caller=BOB).neighbours] == [theirs]
    for wanted, expected in (({"tags": ["blue"]}, [other]), ({"metadata": {"depth": 2}}, [ours])):
        assert [each.state.id for each in house.search(state, filter=wanted).neighbours] == expected
    house.states.delete(ALICE, ours)
    assert [each.state.id for each in house.search(state).neighbours] == [other]
    assert list(house.vectors.ids(layout.collection(3), BOB.organization_id)) == [theirs]
