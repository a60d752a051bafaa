import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import Parameter, QuantumCircuit, Qubit
from qiskit.circuit.library import CXGate, RZZGate, SwapGate
from qiskit.quantum_info import Operator, random_unitary
from qiskit.synthesis import TwoQubitBasisDecomposer
from qiskit.transpiler import CouplingMap, Target

from ketbase.quantum.optimization.forms import Form, own_form
from ketbase.quantum.optimization.interactions import axis_of, interactions_of, special
from ketbase.quantum.optimization.kernels import gates_needed
from ketbase.quantum.optimization.routing import Couplings, Router, prices_of
from ketbase.quantum.optimization.subject import subject_of

from .circuits import calibrated_ring, circuits, complete, fourier, line, ring_of_rotations


def routed(
    form: Form, target: Target, seconds: float = 0.0, seed: int = 1
) -> tuple[Router, QuantumCircuit, list[int]]:
    router = Router(form, Couplings(target), seed=seed)
    router.search(seconds)
    assert router.best is not None
    placed, ends = router.circuit_of(router.best)
    return router, placed, [ends[end] for end in form.ends]


def does_the_same(
    circuit: QuantumCircuit, layout: tuple[int, ...], placed: QuantumCircuit, ends: list[int], atol: float = 1e-6
) -> bool:
    """Compare what both make of every state that is |0⟩ outside of the layout."""
    before = QuantumCircuit(placed.num_qubits)
    before.compose(circuit, qubits=layout, inplace=True)
    wires = list(range(placed.num_qubits))
    for start, end in zip(layout, ends, strict=True):  # bring every qubit from where it starts to where it ends
        here = wires.index(start)
        if here != end:
            before.swap(here, end)
            wires[here], wires[end] = wires[end], wires[here]
    columns = [
        sum(1 << q for q, bit in zip(layout, f"{k:0{len(layout)}b}", strict=True) if bit == "1")
        for k in range(2 ** len(layout))
    ]
    one, other = Operator(before).data[:, columns], Operator(placed).data[:, columns]
    phase = np.vdot(one[:, 0], other[:, 0])
    return bool(np.allclose(one * phase, other, atol=atol))


def couples(placed: QuantumCircuit, target: Target) -> bool:
    pairs = {frozenset(pair) for pair in target.build_coupling_map().get_edges()}
    where = [
        frozenset(placed.find_bit(q).index for q in each.qubits) for each in placed.data if len(each.qubits) == 2
    ]
    return set(where) <= pairs


@given(circuits(operands=2), st.integers(0, 2**31 - 1))
@settings(max_examples=25, deadline=None)
def test_a_routed_circuit_does_the_same_on_coupled_qubits(circuit: QuantumCircuit, seed: int) -> None:
    form = own_form(subject_of(circuit))
    for target in (line(4), line(6), complete(4)):
        router, placed, ends = routed(form, target, seed=seed)
        assert couples(placed, target)
        assert does_the_same(circuit, router.best.layout, placed, ends)


def test_a_route_costs_the_gates_that_its_blocks_need() -> None:
    router, placed, _ = routed(own_form(subject_of(fourier(5))), line(5), 0.2)
    count = TwoQubitBasisDecomposer(CXGate()).num_basis_gates
    assert router.best.cost == sum(
        count(each.operation.to_matrix()) for each in placed.data if len(each.qubits) == 2
    )


def test_swaps_beside_other_gates_are_nearly_free() -> None:
    """Five qubits on a line: ten rotations and ten swaps; three gates for each rotation with its swap, or less."""
    router, _, _ = routed(own_form(subject_of(fourier(5))), line(5), 0.3)
    assert router.best.cost <= 27


def test_what_commutes_is_reordered() -> None:
    """A ring of ZZ rotations in the worst order needs two swaps at most on a line that starts with it folded."""
    circuit = QuantumCircuit(6)
    for qubit in (0, 3, 1, 4, 2, 5):
        circuit.rzz(0.4, qubit, (qubit + 1) % 6)
    router, _, _ = routed(own_form(subject_of(circuit)), line(6), 0.5)
    assert router.best.cost <= 6 * 2 + 6


def test_the_same_seed_finds_the_same_route() -> None:
    form = own_form(subject_of(ring_of_rotations(6)))
    one, other = (Router(form, Couplings(line(6)), seed=5) for _ in range(2))
    for router in (one, other):
        for _ in range(5):
            router.search(0.0)
    assert one.best == other.best


def test_free_parameters_stay_free_and_mean_the_same() -> None:
    angle = Parameter("angle")
    circuit = ring_of_rotations(5, angle)
    router, placed, ends = routed(own_form(subject_of(circuit)), line(5), 0.2)
    assert set(placed.parameters) == {angle}
    assert couples(placed, line(5))
    for value in (0.3, -1.1):
        bound = circuit.assign_parameters({angle: value})
        assert does_the_same(bound, router.best.layout, placed.assign_parameters({angle: value}), ends)


def test_what_stood_between_gates_that_change_places_is_undone_and_done_again() -> None:
    angle = Parameter("angle")
    circuit = QuantumCircuit(4)
    circuit.rzz(angle, 0, 3)
    circuit.rz(angle, 0)
    circuit.rzz(0.5, 0, 1)
    circuit.h(0)
    circuit.h(0)
    circuit.rzz(angle, 0, 2)
    circuit.h(range(3))
    for seed in range(8):
        router, placed, ends = routed(own_form(subject_of(circuit)), line(4), seed=seed)
        bound = circuit.assign_parameters({angle: 0.9})
        assert does_the_same(bound, router.best.layout, placed.assign_parameters({angle: 0.9}), ends)


def test_a_device_in_two_parts_is_used_in_its_larger_one() -> None:
    pairs = [(0, 1), (2, 3), (3, 4), (4, 5)]
    target = Target.from_configuration(["rz", "sx", "x", "cx"], num_qubits=6, coupling_map=CouplingMap(pairs))
    router, _, _ = routed(own_form(subject_of(fourier(4))), target, 0.1)
    assert set(router.best.layout) == {2, 3, 4, 5}


def test_a_layout_on_qubits_cut_off_from_the_rest_is_left_out() -> None:
    target = Target.from_configuration(["rz", "sx", "x", "cx"], num_qubits=6, coupling_map=CouplingMap.from_line(5))
    circuit = fourier(4)
    circuit.add_bits([Qubit()])  # one that no gate brings to the others
    router = Router(own_form(subject_of(circuit)), Couplings(target), seed=1, layouts=[(0, 1, 2, 3, 5)])
    router.search(0.1)
    assert set(router.best.layout) == set(range(5))


def test_a_circuit_larger_than_any_part_of_the_device_is_refused() -> None:
    target = Target.from_configuration(["rz", "sx", "x", "cx"], num_qubits=6, coupling_map=CouplingMap.from_line(3))
    with pytest.raises(ValueError, match="only 3 hang together"):
        Router(own_form(subject_of(fourier(4))), Couplings(target), seed=1)


def test_a_calibrated_machine_is_routed_around_its_worst_coupling() -> None:
    ring = calibrated_ring(8)
    ring.update_instruction_properties("cx", (2, 3), ring["cx"][(2, 3)].__class__(error=0.4, duration=3e-7))
    ring.update_instruction_properties("cx", (3, 2), ring["cx"][(2, 3)].__class__(error=0.4, duration=3e-7))
    form = own_form(subject_of(fourier(4)))
    router = Router(form, Couplings(ring, prices=prices_of(ring, idle=True)), seed=1)
    router.search(0.2)
    placed, _ = router.circuit_of(router.best)
    assert {2, 3} not in [{placed.find_bit(q).index for q in each.qubits} for each in placed.data]


@pytest.mark.parametrize(
    ("gate", "needed"),
    [(CXGate(), 1), (RZZGate(0.3), 2), (SwapGate(), 3), (RZZGate(0.0), 0), (RZZGate(np.pi / 2), 1)],
)
def test_gates_needed_of_known_gates(gate: object, needed: int) -> None:
    assert gates_needed(special(np.asarray(gate.to_matrix(), dtype=np.complex128))) == needed


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_gates_needed_agrees_with_the_decomposer_and_ignores_local_gates(seed: int) -> None:
    locals_ = np.kron(random_unitary(2, seed).data, random_unitary(2, seed + 1).data)
    for core in (
        np.eye(4),
        CXGate().to_matrix(),
        RZZGate(0.2 + seed % 3).to_matrix(),
        random_unitary(4, seed).data,
    ):
        matrix = locals_ @ core
        assert gates_needed(special(matrix)) == TwoQubitBasisDecomposer(CXGate()).num_basis_gates(matrix)


def test_the_axes_of_a_cx_are_z_and_x() -> None:
    matrix = np.asarray(CXGate().to_matrix(), dtype=np.complex128)
    assert np.allclose(np.abs(axis_of(matrix, 0)), [0, 0, 1])
    assert np.allclose(np.abs(axis_of(matrix, 1)), [1, 0, 0])
    assert not axis_of(np.asarray(random_unitary(4, 1).data), 0).any()


def test_axes_that_nearly_agree_are_not_one() -> None:
    """A turn by 0.0003 between two gates keeps them in order; a fidelity would hardly notice, the circuit does."""
    circuit = QuantumCircuit(3)
    circuit.rzz(1.0, 0, 1)
    circuit.rx(3e-4, 0)
    circuit.rzz(1.0, 0, 2)
    circuit.h(range(3))
    assert interactions_of(circuit).order().waiting.tolist() == [0, 1]
    router, placed, ends = routed(own_form(subject_of(circuit)), line(3), 0.05)
    assert does_the_same(circuit, router.best.layout, placed, ends, atol=1e-9)


def test_hadamards_do_not_hide_that_gates_commute() -> None:
    circuit = QuantumCircuit(3)
    circuit.cz(0, 1)
    circuit.h(0)
    circuit.cx(2, 0)  # with the Hadamards a controlled Z
    circuit.h(0)
    circuit.cz(0, 1)
    order = interactions_of(circuit, merge=False).order()
    assert not order.waiting.any()
