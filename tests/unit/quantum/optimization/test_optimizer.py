import logging
import statistics

import pytest
from qiskit import transpile
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.transpiler import CouplingMap, Target

from benchmarks.optimize import Row, claims
from ketbase.circuits.types import MAX_GATES, CircuitDefinition, Gate
from ketbase.errors import InvalidCircuitError
from ketbase.optimize.types import Figures, Verification
from ketbase.quantum.machines import Machine
from ketbase.quantum.optimization import optimizer, portfolio
from ketbase.quantum.optimization.forms import two_qubit_gates
from ketbase.quantum.optimization.optimizer import optimize
from ketbase.quantum.optimization.placing import Candidate, respects
from ketbase.quantum.optimization.score import estimated_success
from ketbase.quantum.optimization.types import Optimized
from ketbase.quantum.optimizing import optimized_for
from ketbase.quantum.qasm import export

from .circuits import calibrated_ring, complete, fourier, line, ring_of_rotations

EFFORT_S = 0.6


def best_of(circuit: QuantumCircuit, target: Target, **options: object) -> Optimized:
    return optimize(circuit, target, **{"level": 3, "effort_s": EFFORT_S, "seed": 7, **options})


def median_of_five(circuit: QuantumCircuit, target: Target, seed: int = 7) -> float:
    measured = circuit.measure_all(inplace=False)
    return statistics.median(
        two_qubit_gates(transpile(measured, target=target, optimization_level=3, seed_transpiler=seed + step))
        for step in range(5)
    )


@pytest.mark.parametrize(
    ("circuit", "target"),
    [
        (fourier(5), line(5)),
        (ring_of_rotations(6), line(7)),
        (ring_of_rotations(5), complete(6)),
        (fourier(4), calibrated_ring(7)),
    ],
)
def test_the_result_is_right_runs_as_it_is_and_has_no_more_gates_than_qiskit(
    circuit: QuantumCircuit, target: Target
) -> None:
    found = best_of(circuit, target)
    assert respects(found.circuit, target)
    assert found.verification.status == "equivalent"
    assert found.optimized.two_qubit_gates <= median_of_five(circuit, target)
    assert found.optimized.two_qubit_gates == two_qubit_gates(found.circuit)
    assert found.original.two_qubit_gates == two_qubit_gates(circuit)
    assert found.candidates > 5


def test_more_gates_than_the_median_are_refused_however_likely_they_succeed() -> None:
    target = calibrated_ring(6)
    good, bad = sorted(((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)), key=lambda pair: target["cx"][pair].error)[
        ::5
    ]
    board = portfolio._Board(target, calibrated=True, idle=True)

    def candidate(pair: tuple[int, int], gates: int) -> Candidate:
        circuit = QuantumCircuit(6)
        for _ in range(gates):
            circuit.cx(*pair)
        return Candidate(f"{gates} on {pair}", circuit, (0,))

    for gates in (3, 4, 5, 6, 7):
        board.offer(candidate(bad, gates))
    board.hold()
    board.offer(candidate(good, 6))
    assert [each.name for each in board.best(8)] == [f"{gates} on {bad}" for gates in (3, 4, 5)]
    board.offer(candidate(good, 5))
    assert board.best(1)[0].name == f"5 on {good}"


def test_a_ring_on_a_line_needs_fewer_gates_than_qiskit_finds() -> None:
    circuit = ring_of_rotations(6)
    assert best_of(circuit, line(6)).optimized.two_qubit_gates < 0.9 * median_of_five(circuit, line(6))


def test_a_calibrated_machine_decides_by_the_estimated_success() -> None:
    target = calibrated_ring(8)
    found = best_of(fourier(4), target)
    assert found.optimized.estimated_success > found.baseline.estimated_success
    blind = best_of(fourier(4), target, calibrated=False)
    assert blind.optimized.estimated_success is None
    tireless = best_of(fourier(4), target, idle=False)
    assert tireless.optimized.estimated_success == estimated_success(tireless.circuit, target, idle=False)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_lower_levels_are_quick_and_right(level: int) -> None:
    found = best_of(fourier(4), line(6), level=level, effort_s=100.0)
    assert found.verification.status == "equivalent"
    assert found.winner == f"qiskit level {level}"
    assert found.seconds < 10


def test_parameters_stay_free() -> None:
    angle = Parameter("angle")
    found = best_of(ring_of_rotations(5, angle), line(5))
    assert set(found.circuit.parameters) == {angle}
    assert found.verification.status == "equivalent"


def test_registers_and_measurements_stay_as_they_were_submitted() -> None:
    circuit = QuantumCircuit(4, 3)
    circuit.compose(fourier(4), inplace=True)
    circuit.measure([3, 1], [0, 2])
    found = best_of(circuit, line(5))
    assert [(register.name, register.size) for register in found.circuit.cregs] == [("c", 3)]
    assert found.circuit.count_ops()["measure"] == 2
    assert found.verification.status == "equivalent"


def test_control_flow_is_left_to_qiskit() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    found = best_of(circuit, line(2))
    assert found.winner.startswith("qiskit")
    assert found.verification.status == "not_checked"


def test_a_circuit_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidCircuitError, match="cannot be compiled"):
        best_of(fourier(5), line(3))


@pytest.mark.parametrize("isolated", [1, 2])
def test_a_device_with_qubits_cut_off_from_the_rest_is_searched_to_the_end(isolated: int) -> None:
    """Two qubits that stand alone make the circuit larger than the part of the device that hangs together."""
    target = Target.from_configuration(
        ["rz", "sx", "x", "cx", "measure"], num_qubits=5 + isolated, coupling_map=CouplingMap.from_line(5)
    )
    circuit = QuantumCircuit(4 + isolated)
    circuit.compose(fourier(4), inplace=True)
    circuit.h(range(4, 4 + isolated))
    found = best_of(circuit, target)
    assert found.verification.status == "equivalent"


def test_routers_that_raise_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    optimizer.load()
    monkeypatch.setattr(optimizer, "load", lambda: None)
    monkeypatch.setattr(portfolio.Router, "search", fail)
    assert best_of(fourier(4), line(4)).verification.status == "equivalent"


def test_a_circuit_too_large_to_keep_is_refused_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "MAX_NATIVE_GATES", 20)
    monkeypatch.setattr(optimizer, "search", lambda *_, **__: pytest.fail("it searches"))
    with pytest.raises(InvalidCircuitError, match="at most 20 are kept") as refused:
        best_of(fourier(5), line(5))
    assert refused.value.code == "CIRCUIT_TOO_COMPLEX"


def test_a_circuit_that_many_native_gates_make_is_kept() -> None:
    """Each of these becomes five gates, so that fewer than may be posted become more than that."""
    turn = Gate(type="U", targets=(0,), parameters={"theta": 0.3, "phi": 0.4, "lambda": 0.5})
    definition = CircuitDefinition.of_gates(1, [turn] * (MAX_GATES // 4))
    machine = Machine(backend="line", n_qubits=2, operations=frozenset(), targets=(line(2),))
    found = optimized_for(definition, machine, level=0, effort_s=1.0, seed=1)
    assert found.definition.gate_count > MAX_GATES
    assert found.verification.status == "equivalent"


def test_parameters_of_what_no_measurement_sees_may_still_be_given() -> None:
    gates = [
        Gate(type="RY", targets=(0,), parameters={"theta": "seen"}),
        Gate(type="RZ", targets=(0,), parameters={"theta": "unseen"}),
    ]
    machine = Machine(backend="line", n_qubits=2, operations=frozenset(), targets=(line(2),))
    definition = CircuitDefinition.of_gates(1, gates)
    kept = optimized_for(definition, machine, level=2, effort_s=1.0, seed=1).definition
    assert kept.inputs == ("seen", "unseen")
    assert "unseen" not in export(kept.model_dump(mode="json"), 3)


def test_a_candidate_that_is_not_the_same_circuit_is_never_returned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: object, name: str, placed: QuantumCircuit, layout: object) -> Candidate:
        wrong = QuantumCircuit(placed.num_qubits)
        wrong.measure_all()
        return Candidate("broken", wrong, tuple(layout))  # no gates at all: it looks best

    monkeypatch.setattr(portfolio.Finisher, "finished", broken)
    with caplog.at_level(logging.ERROR):
        found = best_of(fourier(4), complete(4))
    assert found.winner != "broken"
    assert found.verification.status == "equivalent"
    assert found.rejected >= 1
    assert "broken is not equivalent" in caplog.text


def test_what_the_target_does_not_run_is_dropped() -> None:
    board = portfolio._Board(line(4), calibrated=False, idle=True)
    foreign, apart, wide = QuantumCircuit(4), QuantumCircuit(4), QuantumCircuit(5)
    foreign.cz(0, 1)
    apart.cx(0, 2)
    for circuit in (foreign, apart, wide):
        board.offer(Candidate("wrong", circuit, (0,)))
    assert board.best(8) == []
    assert board.compared == 3


def test_passes_that_raise_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    for module, names in (
        (portfolio.tket, ("gadget_form", "clifford_form", "peephole_form")),
        (portfolio.paulis, ("tree_search_form", "rustiq_form")),
        (portfolio.windows, ("with_window",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr(portfolio, "qiskit_form", fail)
    found = best_of(fourier(4), line(4))
    assert found.optimized.two_qubit_gates <= median_of_five(fourier(4), line(4))


def test_if_nothing_is_the_same_nothing_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "verified", lambda *_, **__: Verification(status="not_equivalent"))
    with pytest.raises(RuntimeError):
        best_of(fourier(3), line(3), level=1)


def test_the_benchmark_fails_where_the_verification_rejected_a_candidate() -> None:
    sizes = {gates: Figures(depth=1, gate_counts={}, two_qubit_gates=gates, two_qubit_depth=1) for gates in (5, 10)}
    right = Verification(status="equivalent", method="statevector", same="unitary", deviation=0.0)
    row = Row("ring", 5, "line", [sizes[10]] * 5, sizes[10], sizes[5], "routed", right, rejected=0, seconds=1.0)
    assert claims([row])
    assert not claims([row, row._replace(rejected=1)])
