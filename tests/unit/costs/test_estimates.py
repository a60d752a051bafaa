"""Predicted durations follow what decides them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketbase.backends.catalog import backends
from ketbase.backends.circuit_count import CircuitCount
from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.costs.estimates import OVERHEAD_S, StepSeconds, expected_seconds
from ketbase.costs.shapes import Shape, shape_of

AER, FEZ = backends()["aer"], backends()["fake_fez"]
QSIM, LIGHTNING, CUQUANTUM = backends()["qsim"], backends()["lightning"], backends()["cuquantum"]
SHAPES = st.builds(
    Shape,
    n_qubits=st.integers(1, 1_000),
    gates=st.integers(0, 10_000),
    two_qubit_gates=st.integers(0, 0),
    clifford=st.booleans(),
    repeats=st.booleans(),
    interruptions=st.integers(0, 10_000),
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


def test_a_shape_counts_the_measurements_that_something_comes_after() -> None:
    measure = [Gate(type="MEASURE", targets=(q,), clbits=(q,)) for q in range(2)]
    gates = [measure[0], Gate(type="RESET", targets=(1,)), pair(0, 1), *measure]
    assert shape_of(CircuitDefinition.of_gates(2, gates, [("c", 2)])).interruptions == 2
    assert shape_of(CircuitDefinition.of_gates(2, [pair(0, 1), *measure], [("c", 2)])).interruptions == 0


def test_a_large_statevector_takes_seconds_and_a_ghz_state_of_as_many_qubits_does_not() -> None:
    dense = Shape(n_qubits=26, gates=500, two_qubit_gates=250, entangled_bits=13)
    ghz = Shape(n_qubits=26, gates=26, two_qubit_gates=25, clifford=True, entangled_bits=2)
    assert expected_seconds(dense, AER, 1_000).execute > 10
    assert expected_seconds(ghz, AER, 1_000).execute < 1


def test_a_dense_state_is_simulated_sooner_by_qsim_and_a_ghz_state_of_as_many_qubits_by_aer() -> None:
    dense = Shape(n_qubits=22, gates=500, two_qubit_gates=250, entangled_bits=11)
    ghz = Shape(n_qubits=28, gates=28, two_qubit_gates=27, clifford=True, entangled_bits=2)
    on_aer, on_qsim = (expected_seconds(dense, backend, 1_000).execute for backend in (AER, QSIM))
    assert on_aer > 3 * on_qsim
    on_aer, on_qsim = (expected_seconds(ghz, backend, 1_000).execute for backend in (AER, QSIM))
    assert on_qsim > 3 * on_aer


def test_lightning_follows_outcomes_where_qsim_simulates_every_shot() -> None:
    shape = Shape(n_qubits=16, gates=200, repeats=True, interruptions=3)
    few, many = (shape.model_copy(update={"interruptions": n}) for n in (3, 12))
    assert expected_seconds(few, QSIM, 10_000).execute > 30 * expected_seconds(few, LIGHTNING, 10_000).execute
    assert expected_seconds(many, LIGHTNING, 10_000).execute > 5 * expected_seconds(few, LIGHTNING, 10_000).execute


def test_a_simulator_elsewhere_takes_none_of_our_time() -> None:
    elsewhere = AER.model_copy(update={"engine": "ionq"})
    assert expected_seconds(Shape(n_qubits=29, gates=10_000), elsewhere, 1_000).execute < 0.1


def test_noise_costs_more_than_none() -> None:
    shape = Shape(n_qubits=11, gates=60, two_qubit_gates=20, entangled_bits=5)
    assert expected_seconds(shape, FEZ, 1_000).execute > 10 * expected_seconds(shape, AER, 1_000).execute


def test_time_on_a_providers_machine_is_not_ours() -> None:
    hardware = FEZ.model_copy(update={"type": "hardware"})
    assert expected_seconds(Shape(n_qubits=20, gates=10_000), hardware, 1_000).execute < 0.1


@given(SHAPES, st.sampled_from([AER, QSIM, LIGHTNING, CUQUANTUM, FEZ]), st.integers(1, 1_000_000))
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


@pytest.mark.parametrize("backend", [AER, FEZ])
@given(shape=SHAPES, circuits=st.integers(1, 1_000))
def test_a_run_of_many_circuits_compiles_one_and_executes_each(
    backend: BackendInfo, shape: Shape, circuits: int
) -> None:
    one = expected_seconds(shape, backend, 100)
    many = expected_seconds(shape, backend, 100, CircuitCount(parameter_sets=circuits))
    noise = 0.02 * shape.n_qubits if backend is FEZ else 0.0
    assert one.compile <= many.compile <= one.compile + circuits * one.execute
    assert circuits * (one.execute - OVERHEAD_S - noise) <= many.execute * (1 + 1e-9)
    assert many.execute <= circuits * one.execute * (1 + 1e-9)


def test_folded_gates_take_their_time_too() -> None:
    shape = Shape(n_qubits=8, gates=100, two_qubit_gates=40)
    three = expected_seconds(shape, FEZ, 1_000, CircuitCount(scales=(1, 3, 5)))
    alone = expected_seconds(shape, FEZ, 1_000, CircuitCount(parameter_sets=3))
    assert 1.5 * alone.execute < three.execute < 3 * alone.execute
