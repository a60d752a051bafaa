import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.quantum import sampling
from ketbase.quantum.sampling import bits_of, counted, sampled


@pytest.mark.parametrize("block", [1, 3, 8, 2**20])
def test_states_are_drawn_by_their_probabilities_however_the_state_is_cut(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_BLOCK", block)
    probabilities = np.array([0.0, 0.4, 0.0, 0.05, 0.0, 0.0, 0.25, 0.3])
    states, times = sampled(probabilities, 40_000, seed=4)
    assert states.tolist() == [1, 3, 6, 7]
    for state, n in zip(states, times, strict=True):
        p = probabilities[state]
        assert abs(n / 40_000 - p) < 5 * math.sqrt(p * (1 - p) / 40_000)


@given(
    st.lists(st.complex_numbers(max_magnitude=1e3, allow_subnormal=False), min_size=1, max_size=40),
    st.integers(0, 2**32),
)
def test_amplitudes_and_their_probabilities_draw_the_same(amplitudes: list[complex], seed: int) -> None:
    state = np.array(amplitudes) + 1e-3
    by_amplitude, by_probability = (sampled(given, 50, seed) for given in (state, np.abs(state) ** 2))
    assert by_amplitude[1].sum() == by_probability[1].sum() == 50
    assert np.array_equal(by_amplitude[0], by_probability[0])


def test_sampling_a_state_takes_no_memory_of_its_size() -> None:
    state = np.ones(2**23, dtype=np.complex64)
    tracemalloc.start()
    sampled(state, 1_000, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < state.nbytes / 1.5


def test_the_first_classical_bit_is_rightmost() -> None:
    rows = bits_of(np.array([0b01, 0b10]), {0: 0, 2: 1}, width=4)
    assert counted(rows, np.array([3, 5])) == {"0001": 3, "0100": 5}


def test_equal_rows_add_up() -> None:
    rows = np.array([[0, 1], [1, 0], [0, 1]], dtype=np.uint8)
    assert counted(rows) == {"01": 2, "10": 1}
    assert counted(rows, np.array([2, 3, 4])) == {"01": 6, "10": 3}
