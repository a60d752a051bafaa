"""Circuits that differ in their angles, as one."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from qiskit import transpile
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import Statevector

from ketbase.quantum.devices import device
from ketbase.quantum.ibm.merging import merged

ANGLES = st.floats(-4, 4, allow_nan=False)


def template():
    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.ry(a, 0)
    circuit.rz(0.25, 0)
    circuit.cx(0, 1)
    circuit.u(a, b, a + b, 1)
    circuit.global_phase = b
    return circuit, (a, b)


@given(st.lists(st.tuples(ANGLES, ANGLES), min_size=2, max_size=5))
def test_each_circuit_is_the_merged_one_with_its_angles(sets):
    circuit, names = template()
    bound = [circuit.assign_parameters(dict(zip(names, values, strict=True))) for values in sets]
    one = merged(bound)
    if len(set(sets)) == 1:
        assert one is None
        return
    whole, values = one
    assert values.shape == (len(sets), len(whole.parameters))
    for each, angles in zip(bound, values, strict=True):
        assert Statevector(whole.assign_parameters(angles)).equiv(Statevector(each))


def test_only_angles_that_change_become_parameters():
    circuit, names = template()
    bound = [
        circuit.assign_parameters(dict(zip(names, values, strict=True))) for values in ((0.1, 0.2), (0.1, 0.3))
    ]
    whole, values = merged(bound)
    assert len(whole.parameters) == 2  # b, and a + b
    assert np.allclose(values, [[0.2, 0.3], [0.3, 0.4]])


def test_circuits_of_different_forms_and_single_ones_stay_as_they_are():
    one, other = QuantumCircuit(2), QuantumCircuit(2)
    one.rx(0.1, 0)
    other.rx(0.1, 1)
    assert merged([one, other]) is None
    assert merged([one]) is None


def test_more_than_ten_parameters_keep_their_order():
    sets = [np.linspace(0, math.pi, 12) + shift for shift in (0.0, 0.1)]
    bound = []
    for angles in sets:
        circuit = QuantumCircuit(1)
        for angle in angles:
            circuit.rx(angle, 0)
        bound.append(circuit)
    _, values = merged(bound)
    assert np.allclose(values, sets)


def test_the_merged_circuit_stands_where_the_others_stood():
    circuit, names = template()
    placed = transpile(circuit, target=device("fake_fez").target, initial_layout=[7, 3], optimization_level=1)
    bound = [placed.assign_parameters(dict(zip(names, values, strict=True))) for values in ((0.1, 0.2), (0.3, 0.4))]
    whole, _ = merged(bound)
    assert whole.layout.final_index_layout() == bound[0].layout.final_index_layout()
    assert whole.num_qubits == 156
