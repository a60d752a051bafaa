import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import transpile
from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from ketbase.quantum.optimization.score import estimated_success, is_calibrated, kept

from .circuits import calibrated_ring, line

RING = calibrated_ring(5)


def error(name: str, *qubits: int) -> float:
    return RING[name][qubits].error


@st.composite
def compiled(draw: st.DrawFn) -> QuantumCircuit:
    circuit = QuantumCircuit(5)
    for name, where in draw(
        st.lists(st.tuples(st.sampled_from(["sx", "x", "cx"]), st.integers(0, 4)), max_size=12)
    ):
        if name == "cx":
            circuit.cx(where, (where + 1) % 5)
        else:
            getattr(circuit, name)(where)
    return circuit


def test_without_waiting_the_estimate_is_the_product_of_what_every_operation_leaves() -> None:
    circuit = QuantumCircuit(5, 2)
    circuit.sx(0)
    circuit.cx(0, 1)
    circuit.rz(0.3, 1)
    circuit.measure([0, 1], [0, 1])
    expected = math.prod(1 - error(*use) for use in (("sx", 0), ("cx", 0, 1), ("measure", 0), ("measure", 1)))
    assert estimated_success(circuit, RING, idle=False) == pytest.approx(expected)
    assert estimated_success(circuit, RING) == pytest.approx(expected)  # nobody waits


def test_a_qubit_that_waits_for_another_decoheres_for_that_time() -> None:
    circuit = QuantumCircuit(5)
    circuit.x(0)
    circuit.sx(1)
    circuit.sx(1)
    circuit.sx(1)
    circuit.cx(0, 1)
    circuit.sx(1)
    circuit.cx(0, 1)  # qubit 0 waits for the sx; the x before is run as late as possible
    waited = estimated_success(circuit, RING) / estimated_success(circuit, RING, idle=False)
    assert waited == pytest.approx(kept(3e-8, 0, RING))
    assert waited < 1


def test_a_delay_counts_as_waiting() -> None:
    circuit = QuantumCircuit(5)
    circuit.x(2)
    circuit.delay(1000, 2, unit="ns")
    circuit.x(2)
    waited = estimated_success(circuit, RING) / estimated_success(circuit, RING, idle=False)
    assert waited == pytest.approx(kept(1e-6, 2, RING))


def test_a_barrier_makes_what_comes_before_it_end_before_what_comes_after() -> None:
    free, fenced = (QuantumCircuit(5) for _ in range(2))
    for circuit in (free, fenced):
        circuit.x(0)
        circuit.x(2)
        if circuit is fenced:
            circuit.barrier()
        circuit.cx(2, 3)
        circuit.x(0)
    assert estimated_success(fenced, RING) < estimated_success(free, RING)


@given(compiled(), compiled())
def test_more_operations_never_raise_the_estimate(some: QuantumCircuit, more: QuantumCircuit) -> None:
    longer = some.compose(more)
    for idle in (False, True):
        shorter = estimated_success(some, RING, idle=idle)
        assert 0 <= estimated_success(longer, RING, idle=idle) <= shorter * (1 + 1e-12) <= 1 + 1e-12


@given(st.floats(0, 1e-3), st.floats(0, 1e-3))
def test_waiting_longer_never_helps(wait: float, more: float) -> None:
    assert 0.25 <= kept(wait + more, 1, RING) <= kept(wait, 1, RING) <= 1


def test_a_target_without_errors_is_not_calibrated_and_leaves_every_circuit_certain() -> None:
    target = line(3)
    circuit = transpile(QuantumCircuit(3).compose(QuantumCircuit(3)), target=target)
    assert not is_calibrated(target)
    assert not is_calibrated(Target.from_configuration(basis_gates=["u", "cx"], num_qubits=2))
    assert is_calibrated(RING)
    assert estimated_success(circuit, target) == 1
