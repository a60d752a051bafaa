import json
import math
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from qiskit import transpile
from qiskit.circuit import Parameter, QuantumCircuit

from ketbase.optimize.types import Method, Verification
from ketbase.quantum.optimization import checker, verify
from ketbase.quantum.optimization.verify import Question, question_of, request_for, verified

from .circuits import fourier, line, ring_of_rotations


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the start of a child for each question."""

    def ask(question: Question, method: Method, *, limit_s: float, max_memory_mb: float) -> dict[str, Any]:
        return checker.answered(json.loads(json.dumps(request_for(question, method, max_memory_mb))))

    monkeypatch.setattr(verify, "ask", ask)


def compiled(circuit: QuantumCircuit, n_qubits: int = 5, seed: int = 1) -> tuple[QuantumCircuit, tuple[int, ...]]:
    measured = circuit if circuit.num_clbits else circuit.measure_all(inplace=False)
    made = transpile(measured, target=line(n_qubits), optimization_level=3, seed_transpiler=seed)
    return made, tuple(made.layout.initial_index_layout(filter_ancillas=True))


def check(circuit: QuantumCircuit, made: QuantumCircuit, layout: tuple[int, ...], **options: float) -> Verification:
    return verified(circuit, made, layout, **{"limit_s": 60.0, **options})


def star(n_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n_qubits)
    circuit.h(0)
    for qubit in range(1, n_qubits):
        circuit.cx(0, qubit)
    return circuit


def turned_star(n_qubits: int) -> QuantumCircuit:
    """A Clifford circuit that makes Y of X."""
    circuit = star(n_qubits)
    circuit.s(range(n_qubits))
    circuit.h(1)
    circuit.sdg(1)
    circuit.cx(1, 2)
    return circuit


def mutants(made: QuantumCircuit) -> Iterator[tuple[str, QuantumCircuit]]:
    """Change one thing about a compiled circuit."""
    pairs = [at for at, each in enumerate(made.data) if each.operation.name == "cx"]
    turns = [at for at, each in enumerate(made.data) if each.operation.name == "rz"]
    outcomes = [at for at, each in enumerate(made.data) if each.operation.name == "measure"]
    dropped = made.copy()
    del dropped.data[pairs[len(pairs) // 2]]
    yield "a dropped gate", dropped
    turned = made.copy()
    at = pairs[0]
    turned.data[at] = turned.data[at].replace(qubits=turned.data[at].qubits[::-1])
    yield "a gate the other way round", turned
    if turns:
        angled = made.copy()
        at = turns[len(turns) // 2]
        operation = angled.data[at].operation.to_mutable()
        operation.params = [operation.params[0] + 0.01]
        angled.data[at] = angled.data[at].replace(operation=operation)
        yield "an angle off by 0.01", angled
    crossed = made.copy()
    one, other = outcomes[0], outcomes[-1]
    bits = crossed.data[one].clbits, crossed.data[other].clbits
    crossed.data[one] = crossed.data[one].replace(clbits=bits[1])
    crossed.data[other] = crossed.data[other].replace(clbits=bits[0])
    yield "two measurements exchanged", crossed


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize(
    ("circuit", "method"), [(fourier(4), "statevector"), (star(4), "stabilizer"), (turned_star(4), "stabilizer")]
)
def test_a_compiled_circuit_is_the_same_and_its_mutants_are_not(circuit: QuantumCircuit, method: str) -> None:
    made, layout = compiled(circuit)
    said = check(circuit, made, layout)
    assert (said.status, said.method, said.same) == ("equivalent", method, "unitary")
    for name, mutant in mutants(made):
        if method == "statevector" or "angle" not in name:
            assert check(circuit, mutant, layout).status == "not_equivalent", name


def test_another_layout_is_not_the_same() -> None:
    circuit = fourier(4)
    made, layout = compiled(circuit)
    assert check(circuit, made, (layout[1], layout[0], *layout[2:])).status == "not_equivalent"
    assert check(circuit, made, (layout[0], layout[0], *layout[2:])).status == "not_equivalent"


def test_what_measures_less_is_not_the_same() -> None:
    circuit = star(3)
    made, layout = compiled(circuit)
    at = next(at for at, each in enumerate(made.data) if each.operation.name == "measure")
    del made.data[at]
    assert check(circuit, made, layout).status == "not_equivalent"


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("clifford", [True, False])
def test_phases_before_measurements_may_go_but_it_is_said(clifford: bool) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h([0, 1])
    circuit.cz(0, 1) if clifford else circuit.cp(0.7, 0, 1)
    circuit.measure([0, 1], [0, 1])
    made = QuantumCircuit(2, 2)
    made.h([0, 1])
    made.measure([0, 1], [0, 1])
    said = check(circuit, made, (0, 1))
    assert (said.status, said.same) == ("equivalent", "distribution")
    assert check(made, circuit, (0, 1)).status == "equivalent"
    circuit.data.insert(2, circuit.data[0])  # another Hadamard
    assert check(circuit, made, (0, 1)).status == "not_equivalent"


@pytest.mark.usefixtures("in_process")
def test_qubits_that_nobody_measures_may_end_anywhere() -> None:
    circuit = QuantumCircuit(3, 1)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cp(0.3, 1, 2)
    circuit.measure(1, 0)
    made, layout = compiled(circuit)
    said = check(circuit, made, layout)
    assert (said.status, said.same) == ("equivalent", "distribution")


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("n_qubits", [4, 16, 18])
def test_an_error_on_one_basis_state_is_found_however_many_there_are(n_qubits: int) -> None:
    oracle = QuantumCircuit(n_qubits)
    oracle.mcx(list(range(n_qubits - 1)), n_qubits - 1)
    about_zeros = QuantumCircuit(n_qubits)
    about_zeros.x(range(n_qubits - 1))
    about_zeros.compose(oracle, inplace=True)
    about_zeros.x(range(n_qubits - 1))
    nothing = QuantumCircuit(n_qubits)
    nothing.measure_all()
    for circuit, infidelity in ((about_zeros, 1.0), (oracle, 0.0)):
        said = check(circuit, nothing, tuple(range(n_qubits)))
        assert said.status == "not_equivalent"
        assert said.deviation >= infidelity


@pytest.mark.usefixtures("in_process")
def test_a_bit_that_is_flipped_is_found_where_few_of_many_qubits_are_measured() -> None:
    circuit = QuantumCircuit(16, 1)
    circuit.rx(0.3, range(16))
    flipped = circuit.copy()
    flipped.x(0)
    for each in (circuit, flipped):
        each.measure(0, 0)
    said = check(circuit, flipped, tuple(range(16)))
    assert said.status == "not_equivalent"
    assert said.deviation > 0.1
    assert check(circuit, circuit, tuple(range(16))).status == "equivalent"


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("measured", [12, 2])
def test_the_small_turns_that_the_compiler_leaves_out_are_no_difference(measured: int) -> None:
    dice = random.Random(5)
    circuit = QuantumCircuit(12, measured)
    circuit.compose(ring_of_rotations(12), inplace=True)
    for _ in range(300):
        circuit.rzz(2.5e-5, *dice.sample(range(12), 2))
    circuit.rx(0.7, range(12))
    circuit.measure(range(measured), range(measured))
    made, layout = compiled(circuit, 12)
    said = check(circuit, made, layout)
    assert said.status == "equivalent"
    assert said.deviation > 1e-12


@pytest.mark.usefixtures("in_process")
def test_free_parameters_are_compared_as_functions() -> None:
    angle = Parameter("angle")
    circuit = ring_of_rotations(5, angle)
    made, layout = compiled(circuit)
    assert check(circuit, made, layout).status == "equivalent"
    assert check(ring_of_rotations(5, angle * angle), made, layout).status == "not_equivalent"


@pytest.mark.usefixtures("in_process")
def test_barriers_mean_nothing_to_the_comparison() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.barrier()
    circuit.cx(0, 1)
    circuit.t(1)
    made, layout = compiled(circuit)
    assert check(circuit, made, layout).status == "equivalent"


def test_what_cannot_be_compared_says_why() -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    said = check(circuit, circuit, (0,))
    assert said.status == "not_checked"
    assert "resets" in said.reason


def test_a_child_answers_as_the_checker_does() -> None:
    circuit = fourier(4)
    made, layout = compiled(circuit)
    said = check(circuit, made, layout)
    assert (said.status, said.method) == ("equivalent", "statevector")
    assert said.deviation < 1e-9
    assert said.seconds > 0


def test_a_circuit_too_large_for_memory_goes_to_qcec() -> None:
    circuit = fourier(4)
    made, layout = compiled(circuit)
    said = check(circuit, made, layout, max_memory_mb=0.001)
    assert (said.status, said.method) == ("not_checked", None)  # here QCEC gets no memory either
    assert "qcec" in said.reason
    assert "statevector" not in said.reason


def by_qcec(circuit: QuantumCircuit, candidate: QuantumCircuit, layout: tuple[int, ...]) -> dict[str, Any]:
    question = question_of(circuit, candidate, layout)
    return checker.answered(json.loads(json.dumps(request_for(question, "qcec", 0))))


def test_qcec_finds_every_mutant() -> None:
    circuit = fourier(4)
    made, layout = compiled(circuit)
    assert by_qcec(circuit, made, layout)["same"] == "unitary"
    for name, mutant in mutants(made):
        assert by_qcec(circuit, mutant, layout)["equivalent"] is False, name


def test_qcec_takes_no_notice_of_what_no_measurement_sees() -> None:
    circuit = QuantumCircuit(5, 5)
    circuit.compose(ring_of_rotations(5), inplace=True)
    for measured in (5, 2):
        phased, other = circuit.copy(), circuit.copy()
        phased.rzz(0.4, 0, 1)
        phased.ry(0.3, 4) if measured < 5 else phased.rzz(0.2, 3, 4)
        different = circuit.copy()
        different.rx(0.1, 0)
        for each in (phased, other, different):
            each.measure(range(measured), range(measured))
        said = by_qcec(phased, other, tuple(range(5)))
        assert (said["equivalent"], said["same"]) == (True, "distribution"), measured
        assert by_qcec(phased, different, tuple(range(5)))["equivalent"] is False, measured


def test_a_checker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_START_S", 0.0)
    dice = random.Random(1)
    circuit = QuantumCircuit(16)
    for _ in range(400):
        circuit.u(*(dice.uniform(0, math.pi) for _ in range(3)), dice.randrange(16))
        circuit.cx(*dice.sample(range(16), 2))
    question = Question([(circuit, circuit)], list(range(16)), {q: q for q in range(16)})
    began = time.perf_counter()
    said = verify.ask(question, "qcec", limit_s=0.3, max_memory_mb=2_000)
    assert said == "it did not end within 0 s"
    assert time.perf_counter() - began < 5


def test_a_checker_that_crashes_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify.sys, "executable", "/bin/false")
    made, layout = compiled(star(3))
    said = check(star(3), made, layout)
    assert said.status == "not_checked"
    assert "ended early" in said.reason
