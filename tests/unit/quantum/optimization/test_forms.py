import random
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit

from ketbase.quantum.optimization import paulis, tket, windows
from ketbase.quantum.optimization.forms import Form, own_form, qiskit_form, tidied
from ketbase.quantum.optimization.subject import Subject, subject_of

from .circuits import circuits, ring_of_rotations, same_up_to_ends


def gadgets(form: Form) -> Form:
    return tket.gadget_form(form, discount=0.9, depth_weight=0.1, seed=3, limit_s=5)


REMAKES: dict[str, Callable[[Form], Form]] = {
    "tidied": tidied,
    "clifford": tket.clifford_form,
    "peephole": tket.peephole_form,
    "gadgets": gadgets,
    "rustiq": paulis.rustiq_form,
    "tree search": lambda form: paulis.tree_search_form(form, 4),
}


def subject(circuit: QuantumCircuit) -> Subject:
    return subject_of(circuit)


@given(circuits())
@settings(max_examples=15, deadline=None)
def test_qiskit_and_own_forms_do_what_the_circuit_does(circuit: QuantumCircuit) -> None:
    for form in (own_form(subject(circuit)), qiskit_form(subject(circuit))):
        assert same_up_to_ends(circuit, form.circuit, form.ends)


@pytest.mark.parametrize("name", REMAKES)
def test_a_remade_form_does_what_the_circuit_does(name: str) -> None:
    @given(circuits(max_gates=12))
    @settings(max_examples=10, deadline=None)
    def holds(circuit: QuantumCircuit) -> None:
        form = REMAKES[name](own_form(subject(circuit)))
        assert same_up_to_ends(circuit, form.circuit, form.ends)

    holds()


@given(circuits(n_qubits=5, max_gates=25, operands=2), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_a_form_with_a_window_made_anew_does_what_the_form_does(circuit: QuantumCircuit, seed: int) -> None:
    form = tidied(own_form(subject(circuit)))
    window = windows.random_window(form.circuit, random.Random(seed))
    if not window:
        return
    # However bad what is put in, it must be put in rightly: let it seem cheap.
    padded = windows.with_window(form, window, lambda piece: paulis.rustiq_form(piece), _seemingly_cheap)
    assert padded is not None
    assert same_up_to_ends(circuit, padded.circuit, padded.ends)


class _CheapForm(Form):
    @property
    def cost(self) -> int:
        return -1


def _seemingly_cheap(form: Form) -> Form:
    return _CheapForm(*tidied(form))


@pytest.mark.parametrize("measured", ["by Ketbase", "after a barrier", "at once"])
def test_what_no_measurement_sees_is_dropped(measured: str) -> None:
    circuit = ring_of_rotations(5)
    kept = circuit.count_ops()["rzz"]
    for angle in (0.3, 0.4, 0.5):
        for qubit in range(4):
            circuit.rzz(angle, qubit, qubit + 1)
    if measured == "after a barrier":
        circuit.measure_all()
    elif measured == "at once":
        circuit.add_register(ClassicalRegister(5))
        circuit.measure(range(5), range(5))
    assert own_form(subject(circuit)).cost == kept
    assert qiskit_form(subject(circuit)).cost < 2 * (kept + 12)


def test_a_window_that_saves_nothing_is_left_alone() -> None:
    form = tidied(own_form(subject(ring_of_rotations(5))))
    window = windows.random_window(form.circuit, random.Random(1))
    assert windows.with_window(form, window, lambda piece: piece, lambda piece: piece) is None


def test_gates_between_all_pairs_become_a_chain() -> None:
    circuit = QuantumCircuit(6)
    circuit.ry(0.3, range(6))
    for first, second in combinations(range(6), 2):
        circuit.cx(first, second)
    circuit.ry(0.4, range(6))
    form = qiskit_form(subject(circuit))
    assert form.cost == 15
    assert tidied(gadgets(form)).cost == 5


def test_free_parameters_stay_free() -> None:
    angle = Parameter("angle")
    circuit = ring_of_rotations(4, 2 * angle + 0.5)
    start = own_form(subject(circuit))
    for name in ("tidied", "gadgets", "rustiq", "tree search"):  # the others make functions that Qiskit lacks
        form = REMAKES[name](start)
        assert set(form.circuit.parameters) == {angle}, name
        bound = form.circuit.assign_parameters({angle: 0.37})
        assert same_up_to_ends(circuit.assign_parameters({angle: 0.37}), bound, form.ends), name


def test_a_subject_ends_in_measurements_that_keep_their_bits() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.measure(0, 2)
    circuit.cx(1, 2)  # on other qubits, so the measurement might as well come last
    circuit.measure(2, 0)
    taken = subject(circuit)
    assert taken.core is not None
    assert taken.outcomes == ((0, 2), (2, 0))
    assert [instruction.operation.name for instruction in taken.core.data] == ["h", "cx"]


@pytest.mark.parametrize("spoil", ["reset", "barrier", "after measurement", "same bit", "control flow"])
def test_what_is_not_unitary_and_then_measured_has_no_core(spoil: str) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    if spoil == "reset":
        circuit.reset(0)
    if spoil == "barrier":
        circuit.barrier()
        circuit.h(0)
    circuit.measure(0, 0)
    if spoil == "after measurement":
        circuit.h(0)
    if spoil == "same bit":
        circuit.measure(1, 0)
    if spoil == "control flow":
        with circuit.if_test((0, 1)):
            circuit.x(1)
    assert subject(circuit).core is None
    assert subject(circuit).circuit == circuit
