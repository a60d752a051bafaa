import math

import numpy as np
import pytest

from ketbase.quantum.training.inputs import Inputs


def test_amplitudes_tell_a_sample_from_its_opposite() -> None:
    columns = np.array([[1.0, -2.0]])
    here, there = (Inputs.of(sign * columns, amplitudes_of=2).amplitudes for sign in (1, -1))
    assert here is not None
    assert there is not None
    assert here[0] == pytest.approx(np.array([1, -2, math.sqrt(2), 0]) / math.sqrt(7))
    assert abs(np.vdot(here[0], there[0])) < 0.9


def test_a_full_register_holds_nothing_but_the_features() -> None:
    found = Inputs.of(np.array([[3.0, 4.0], [0.0, 0.0]]), amplitudes_of=1).amplitudes
    assert found is not None
    assert found == pytest.approx(np.array([[0.6, 0.8], [1, 0]]))


def test_rows_are_taken_from_features_and_amplitudes_alike() -> None:
    inputs = Inputs.of(np.arange(8.0).reshape(4, 2) + 1, amplitudes_of=2)
    some = inputs[np.array([2, 0])]
    assert len(some) == 2
    assert some.amplitudes is not None
    assert inputs.amplitudes is not None
    assert (some.amplitudes[0] == inputs.amplitudes[2]).all()
    assert Inputs.of(np.ones((3, 2)))[1:].features.shape == (2, 2)
