"""Predicted durations follow what decides them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.backends.catalog import backends
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.costs.estimates import StepSeconds, expected_seconds
from ketbase.costs.shapes import Shape, shape_of

AER, FEZ = backends()["aer"], backends()["fake_fez"]
SHAPES = st.builds(
    Shape,
    n_qubits=st.integers(1, 1_000),
    gates=st.integers(0, 10_000),
    two_qubit_gates=st.integers(0, 0),
    clifford=st.booleans(),
    repeats=st.booleans(),
    entangled_bits=st.integers(0, 500),
)


def rotation(qubit: int, angle: float | str = 0.3) -> Gate:
    return Gate(type="RY", targets=(qubit,), parameters={"theta": angle})


def pair(a: int, b: int, kind: str = "CNOT") -> Gate:
    return Gate(type=kind, targets=(a, b))


def test_a_shape_counts_what_costs_time() -> None:
    gates = [
        rotation(0),
        pair(0, 1),
        pair(1, 2),
        Gate(type="BARRIER", targets=(0, 1, 2)),
        Gate(type="MEASURE", targets=(0,), clbits=(0,)),
    ]
    assert shape_of(CircuitDefinition.of_gates(4, gates, [("c", 1)])) == Shape(
        n_qubits=4, gates=3, two_qubit_gates=2, clifford=False, repeats=False, entangled_bits=2
    )


@pytest.mark.parametrize(
    ("gate", "clifford"),
    [
        (Gate(type="H", targets=(0,)), True),
        (Gate(type="T", targets=(0,)), False),
        (rotation(0, math.pi / 2), True),
        (rotation(0, -3 * math.pi), True),
        (rotation(0, 0.3), False),
        (rotation(0, "theta"), False),
    ],
)
def test_a_shape_knows_what_a_stabilizer_simulation_can_run(gate: Gate, clifford: bool) -> None:
    assert shape_of(CircuitDefinition.of_gates(2, [gate, pair(0, 1)])).clifford is clifford


def test_what_comes_after_a_measurement_repeats_each_shot() -> None:
    measure = Gate(type="MEASURE", targets=(0,), clbits=(0,))
    assert shape_of(CircuitDefinition.of_gates(1, [measure, rotation(0)], [("c", 1)])).repeats
    assert not shape_of(CircuitDefinition.of_gates(1, [rotation(0), measure], [("c", 1)])).repeats


def test_a_large_statevector_takes_seconds_and_a_ghz_state_of_as_many_qubits_does_not() -> None:
    dense = Shape(n_qubits=26, gates=500, two_qubit_gates=250, entangled_bits=13)
    ghz = Shape(n_qubits=26, gates=26, two_qubit_gates=25, clifford=True, entangled_bits=2)
    assert expected_seconds(dense, AER, 1_000).execute > 10
    assert expected_seconds(ghz, AER, 1_000).execute < 1


def test_noise_costs_more_than_none() -> None:
    shape = Shape(n_qubits=11, gates=60, two_qubit_gates=20, entangled_bits=5)
    assert expected_seconds(shape, FEZ, 1_000).execute > 10 * expected_seconds(shape, AER, 1_000).execute


def test_time_on_a_providers_machine_is_not_ours() -> None:
    hardware = FEZ.model_copy(update={"type": "hardware"})
    assert expected_seconds(Shape(n_qubits=20, gates=10_000), hardware, 1_000).execute < 0.1


@given(SHAPES, st.sampled_from([AER, FEZ]), st.integers(1, 1_000_000))
def test_every_prediction_is_a_finite_time_and_never_falls_with_gates_and_shots(
    shape: Shape, backend, shots: int
) -> None:
    def total(shape: Shape, shots: int) -> float:
        seconds: StepSeconds = expected_seconds(shape, backend, shots)
        assert all(0 < each < math.inf for each in (seconds.compile, seconds.execute, seconds.collect))
        return seconds.compile + seconds.execute + seconds.collect

    before = total(shape, shots)
    assert total(shape.model_copy(update={"gates": shape.gates + 100}), shots) >= before
    assert total(shape, shots + 1_000) >= before
