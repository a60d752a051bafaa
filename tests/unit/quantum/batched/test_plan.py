"""What cannot be trained is refused, with the reason."""

import pytest

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import ExecutionError, InvalidCircuitError
from ketbase.quantum.batched.plan import plan

TURN = Gate(type="RX", targets=(0,), parameters={"theta": "theta_0"})
MEASURE = Gate(type="MEASURE", targets=(0,), clbits=(0,))


@pytest.mark.parametrize(
    ("gates", "feature"),
    [
        ([TURN, Gate(type="RESET", targets=(0,))], "reset"),
        ([TURN, MEASURE, TURN], "mid_circuit_measurement"),
    ],
)
def test_what_is_no_gate_is_refused(gates, feature):
    with pytest.raises(InvalidCircuitError) as refused:
        plan(CircuitDefinition.of_gates(1, gates, [("c", 1)]))
    assert refused.value.code == "CIRCUIT_NOT_DIFFERENTIABLE"
    assert refused.value.details == {"feature": feature}


def test_control_flow_is_refused(language):
    qasm = 'OPENQASM 3; include "stdgates.inc"; qubit[1] q; bit c; c = measure q[0]; if (c) { x q[0]; }'
    definition = language.parse(qasm)
    with pytest.raises(InvalidCircuitError) as refused:
        plan(definition)
    assert refused.value.code == "CIRCUIT_NOT_DIFFERENTIABLE"
    assert "control flow" in refused.value.message


def test_measurements_at_the_end_are_left_out():
    ready = plan(CircuitDefinition.of_gates(1, [TURN, MEASURE], [("c", 1)]))
    assert [len(layer.members) for layer in ready.layers] == [1]


@pytest.mark.parametrize("n_qubits", [26, 1_000])
def test_a_circuit_that_does_not_fit_into_memory_is_refused_before_anything_is_made(n_qubits):
    definition = CircuitDefinition.of_gates(n_qubits, [TURN, Gate(type="CNOT", targets=(0, n_qubits - 1))])
    with pytest.raises(ExecutionError) as refused:
        plan(definition)
    assert refused.value.code == "INSUFFICIENT_MEMORY"
    assert refused.value.details["needed_mb"] > refused.value.details["max_memory_mb"]
