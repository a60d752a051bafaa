"""Calibrations in Ketbase's words."""

from datetime import UTC, datetime

import pytest

from ketbase.backends.catalog import backends
from ketbase.errors import NotFoundError
from ketbase.quantum.calibrations import medians, properties_of
from ketbase.quantum.devices import device
from ketbase.quantum.simulators import AerEngine
from ketbase.quantum.targets import working_part


def properties(name: str):
    return AerEngine().properties(backends()[name])


def test_the_history_of_a_simulated_device_shows_its_snapshot():
    found = properties("fake_fez")
    assert found.backend == "fake_fez"
    assert found.taken_at == backends()["fake_fez"].calibration.taken_at
    assert len(found.qubits) == 156
    assert found.qubits[0] == {
        "t1_us": pytest.approx(48.806207822303335),
        "t2_us": pytest.approx(42.37959748613206),
        "readout_error": 0.011474609375,
        "prob_meas0_prep1": 0.017578125,
        "prob_meas1_prep0": 0.00537109375,
        "readout_length_ns": 1560.0,
    }
    couplers = [each for each in found.gates if each.gate == "cz"]
    assert {tuple(each.qubits) for each in couplers} == set(device("fake_fez").target["cz"])
    assert next(each for each in found.gates if each.gate == "reset").error is None


def test_the_medians_of_a_snapshot_are_those_of_all_its_figures():
    found, calibration = properties("fake_torino"), backends()["fake_torino"].calibration
    middle = sorted(each["t1_us"] for each in found.qubits if each["t1_us"])
    assert calibration.median_t1_us == pytest.approx(
        (middle[len(middle) // 2] + middle[(len(middle) - 1) // 2]) / 2, rel=1e-5
    )


def test_the_ideal_simulator_has_no_calibration_and_no_other_has_one():
    assert properties("aer") is None
    with pytest.raises(NotFoundError, match="fake_nothing"):
        AerEngine().properties(backends()["fake_fez"].model_copy(update={"id": "fake_nothing"}))


class Said:
    """As little of Qiskit's `BackendProperties` as is read."""

    def __init__(self, qubits, gates=()):
        self.last_update_date = datetime.fromisoformat("2026-01-31T12:00:00-03:00")
        self.qubits = [[Figure(*each) for each in figures] for figures in qubits]
        self.gates = gates


class Figure:
    def __init__(self, name, value, unit=""):
        self.name, self.value, self.unit = name, value, unit


class Gate:
    def __init__(self, gate, qubits, *figures):
        self.gate, self.qubits, self.parameters = gate, qubits, [Figure(*each) for each in figures]


def test_units_become_ours_whatever_they_were():
    said = Said(
        [[("T1", 1.5e-4, "s"), ("T2", 80.0, "µs"), ("readout_length", 1.2, "us"), ("frequency", 5.1e9, "Hz")]]
    )
    found = properties_of("ibm_test", said)
    assert found.taken_at == datetime(2026, 1, 31, 15, tzinfo=UTC)
    assert found.qubits[0] == pytest.approx(
        {"t1_us": 150.0, "t2_us": 80.0, "readout_length_ns": 1200.0, "frequency_ghz": 5.1}
    )


def test_a_figure_that_is_no_number_is_none_and_a_gate_out_of_operation_has_error_1():
    said = Said(
        [[("T1", float("nan"), "us"), ("T2", float("inf"), "us")]],
        [Gate("cz", [0, 1], ("gate_error", 0.003), ("operational", 0)), Gate("cz", [1, 2], ("gate_error", 0.003))],
    )
    found = properties_of("ibm_test", said)
    assert found.qubits[0] == {"t1_us": None, "t2_us": None}
    assert [each.error for each in found.gates] == [1.0, 0.003]


def test_a_calibration_without_a_figure_has_no_medians():
    from qiskit.transpiler import Target

    assert medians(Target(num_qubits=2), datetime.now(UTC)) is None


def test_only_couplers_that_work_are_left_of_a_target():
    whole = device("fake_fez").target
    dead = {qubits for qubits, each in whole["cz"].items() if each.error is not None and each.error >= 1}
    assert dead
    assert set(working_part(whole)["cz"]) == set(whole["cz"]) - dead
    assert working_part(whole).num_qubits == whole.num_qubits
    assert working_part(device("fake_kyoto").target) is device("fake_kyoto").target
