import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ketbase.circuits.gates import GATES
from ketbase.circuits.types import CircuitDefinition, CreateCircuit, Gate, Metadata


def create(**body):
    return CreateCircuit.model_validate({"name": "c", **body})


def test_the_seeds_example_is_accepted_and_described():
    circuit = create(
        n_qubits=4,
        gates=[
            {"type": "H", "targets": [0]},
            {"type": "CNOT", "targets": [0, 1]},
            {"type": "RY", "targets": [0], "parameters": {"theta": "theta_0"}},
        ],
    ).definition()
    assert (circuit.depth, circuit.gate_count, circuit.inputs) == (3, 3, ("theta_0",))


def test_aliases_and_small_letters_are_stored_under_one_name():
    assert [Gate(type=name, targets=(0, 1)).type for name in ("cx", "CX", "cnot")] == ["CNOT"] * 3


def test_the_one_angle_of_a_rotation_may_go_under_any_name():
    gate = Gate.model_validate({"type": "RZ", "targets": [0], "parameters": {"phi": 0.5}})
    assert gate.parameters == {"theta": 0.5}


def test_a_measure_takes_the_classical_bit_of_its_qubits_number():
    circuit = create(n_qubits=3, gates=[{"type": "MEASURE", "targets": [2]}]).definition()
    assert circuit.gates[0].clbits == (2,)
    assert circuit.registers == (("c", 3),)


def test_a_gate_behind_a_measure_on_the_same_qubit_is_a_mid_circuit_measurement():
    gates = [{"type": "MEASURE", "targets": [0]}, {"type": "X", "targets": [0]}]
    assert "mid_circuit_measurement" in create(n_qubits=1, gates=gates).definition().features


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ({"type": "CUSTOM_GATE", "targets": [0]}, "unsupported gate 'CUSTOM_GATE'"),
        ({"type": "CNOT", "targets": [0]}, "acts on 2 qubit"),
        ({"type": "CNOT", "targets": [1, 1]}, "repeated qubit"),
        ({"type": "H", "targets": [7]}, "qubits 0 to 1"),
        ({"type": "H", "targets": [-1]}, "greater than or equal to 0"),
        ({"type": "H", "targets": []}, "acts on 1 qubit"),
        ({"type": "BARRIER", "targets": []}, "at least one target"),
        ({"type": "RY", "targets": [0]}, "takes theta, but none is given"),
        ({"type": "RY", "targets": [0], "parameters": {"theta": math.nan}}, "finite"),
        ({"type": "RY", "targets": [0], "parameters": {"theta": math.inf}}, "finite"),
        ({"type": "RY", "targets": [0], "parameters": {"theta": "os.system('x')"}}, "formula"),
        ({"type": "H", "targets": [0], "parameters": {"theta": 1}}, "takes no parameters"),
        ({"type": "H", "targets": [0], "clbits": [0]}, "belong to MEASURE"),
        ({"type": "MEASURE", "targets": [0], "clbits": [10**9]}, "less than"),
        ({"type": "H", "targets": [0], "colour": "red"}, "Extra inputs"),
        ({"type": 3, "targets": [0]}, "string"),
    ],
)
def test_a_gate_that_cannot_be_is_refused_with_what_is_wrong(gate, says):
    with pytest.raises(ValidationError, match=says):
        create(n_qubits=2, gates=[gate])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"n_qubits": 2},
        {"gates": [{"type": "H", "targets": [0]}]},
        {"n_qubits": 31, "gates": [{"type": "H", "targets": [0]}]},
        {"n_qubits": 0, "gates": [{"type": "H", "targets": [0]}]},
        {"n_qubits": 1, "gates": []},
        {"n_qubits": 1, "gates": [{"type": "H", "targets": [0]}] * 10_001},
        {"qasm": "OPENQASM 3;", "n_qubits": 2},
        {"qasm": "OPENQASM 3;", "n_qubits": 2, "gates": [{"type": "H", "targets": [0]}]},
        {"qasm": ""},
    ],
)
def test_a_circuit_comes_as_gates_with_qubits_or_as_qasm_within_the_limits(body):
    with pytest.raises(ValidationError):
        create(**body)


def test_metadata_may_hold_anything_up_to_its_size():
    assert Metadata.model_validate({"tags": ["a", "a"], "lab": {"room": 1.5}}).tags == ("a",)
    with pytest.raises(ValidationError, match="10000 bytes"):
        Metadata.model_validate({"text": "x" * 10_000})
    with pytest.raises(ValidationError, match="JSON"):
        Metadata.model_validate({"x": math.nan})


@given(st.data())
def test_a_definition_survives_its_json(data):
    kinds = [name for name, kind in GATES.items() if kind.qubits and name != "MEASURE"]
    gates = []
    for _ in range(data.draw(st.integers(1, 8))):
        name = data.draw(st.sampled_from(kinds))
        targets = data.draw(st.permutations(range(4)))[: GATES[name].qubits]
        angle = st.one_of(st.floats(-10, 10), st.sampled_from(["theta_0", "2*x_1 + pi"]))
        gates.append(
            Gate(
                type=name,
                targets=tuple(targets),
                parameters={angle_name: data.draw(angle) for angle_name in GATES[name].angles},
            )
        )
    definition = CircuitDefinition.of_gates(4, gates)
    assert CircuitDefinition.model_validate_json(definition.model_dump_json()) == definition
    assert definition.depth <= len(gates)
    assert definition.gate_count == sum(gate.type != "RESET" for gate in gates)


@pytest.mark.parametrize("formula", ["1/0", "1e999", "9**9**9**9", "(-1)**0.5", "log(0)"])
def test_a_constant_angle_without_a_finite_value_is_refused(formula):
    with pytest.raises(ValidationError, match=r"formula|no value"):
        Gate(type="RX", targets=(0,), parameters={"theta": formula})
