"""An estimate shows what a run would cost on several backends, before anything is submitted."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ketbase.circuits.service import Circuits
from ketbase.circuits.store import CircuitStore
from ketbase.circuits.types import CreateCircuit, Gate
from ketbase.costs.comparison import Comparison
from ketbase.costs.estimate import EstimateRequest
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes
from ketbase.errors import InvalidCircuitError, NotFoundError
from ketbase.money import Money
from tests.fakes import BOB, DictBlobs, FakeLanguage, backends_of
from tests.unit.costs.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def circuits(office: Office) -> Circuits:
    return Circuits(CircuitStore(office.records, DictBlobs()), FakeLanguage, office.clock)


@pytest.fixture
def comparison(office: Office, circuits: Circuits) -> Comparison:
    quotes = Quotes(Prices.load(), compute_memory_mb=3_008, control_memory_mb=512)
    return Comparison(
        circuits, backends_of(office.records, office.store, quotes, office.clock), quotes, office.ledger
    )


def request(**body: object) -> EstimateRequest:
    return EstimateRequest.model_validate(body)


SIZE = {"n_qubits": 5, "gates": 50, "two_qubit_gates": 20}


def test_backends_stand_side_by_side_and_their_lines_add_up(office: Office, comparison: Comparison) -> None:
    found = comparison.compare(office.olga, request(circuit=SIZE, backends=["aer", "fake_fez", "aer"]))
    assert [each.backend for each in found.estimates] == ["aer", "fake_fez"]
    for each in found.estimates:
        assert each.estimated_cost == sum((line.estimated for line in each.lines), Money())
        assert each.reserved_cost == sum((line.reserved for line in each.lines), Money())
        assert each.estimated_cost <= each.reserved_cost
        assert each.within_budget is True
    assert found.estimates[0].estimated_cost < found.estimates[1].estimated_cost
    assert found.remaining_budget == Money.of(100)


def test_a_circuit_that_is_there_is_priced_as_it_is(
    office: Office, circuits: Circuits, comparison: Comparison
) -> None:
    gates = (Gate(type="H", targets=(0,)), Gate(type="CNOT", targets=(0, 1)))
    circuit = circuits.create(office.olga, CreateCircuit(name="Bell", n_qubits=2, gates=gates))
    (by_id,) = comparison.compare(office.olga, request(circuit_id=circuit.id)).estimates
    size = {"n_qubits": 2, "gates": 2, "two_qubit_gates": 1, "clifford": True, "entangled_bits": 1}
    (by_size,) = comparison.compare(office.olga, request(circuit=size)).estimates
    assert by_id == by_size


def test_a_backend_that_cannot_run_it_says_why_beside_the_others(office: Office, comparison: Comparison) -> None:
    size = {"n_qubits": 200, "gates": 200, "clifford": True}
    found = comparison.compare(office.olga, request(circuit=size, backends=["fake_fez", "aer"])).estimates
    assert found[0].problem is not None
    assert found[0].problem.code == "TOO_MANY_QUBITS"
    assert found[0].estimated_cost is None
    assert found[1].problem is None


@pytest.mark.parametrize(
    ("size", "backend", "step"),
    [
        ({"n_qubits": 34, "gates": 10_000, "two_qubit_gates": 5_000, "entangled_bits": 17}, "aer", "executing"),
        ({"n_qubits": 100, "gates": 900_000, "two_qubit_gates": 900_000}, "fake_fez", "compiling"),
    ],
)
def test_a_run_that_would_be_stopped_before_its_end_says_so(
    office: Office, comparison: Comparison, size: dict[str, object], backend: str, step: str
) -> None:
    (found,) = comparison.compare(office.olga, request(circuit=size, backends=[backend])).estimates
    assert found.problem is not None
    assert found.problem.code == "TOO_LONG"
    assert step in found.problem.message
    assert found.estimated_cost is not None


def test_what_the_budget_has_no_room_for_is_marked(office: Office, comparison: Comparison) -> None:
    office.set_budget("0.000001")
    (found,) = comparison.compare(office.olga, request(circuit=SIZE)).estimates
    assert found.within_budget is False


def test_a_ceiling_that_is_too_low_is_said(office: Office, comparison: Comparison) -> None:
    (found,) = comparison.compare(office.olga, request(circuit=SIZE, budget_limit="0.000000001")).estimates
    assert found.problem is not None
    assert found.problem.code == "BUDGET_LIMIT_TOO_LOW"


def test_unknown_backends_and_circuits_of_others_are_not_found(
    office: Office, circuits: Circuits, comparison: Comparison
) -> None:
    mine = circuits.create(office.olga, CreateCircuit(name="x", n_qubits=1, gates=(Gate(type="H", targets=(0,)),)))
    with pytest.raises(NotFoundError) as refused:
        comparison.compare(BOB, request(circuit_id=mine.id))
    assert refused.value.code == "CIRCUIT_NOT_FOUND"
    with pytest.raises(NotFoundError) as refused:
        comparison.compare(office.olga, request(circuit=SIZE, backends=["nowhere"]))
    assert refused.value.code == "BACKEND_NOT_FOUND"


@pytest.mark.parametrize(
    "body", [{}, {"circuit": SIZE, "circuit_id": "circuit_1"}, {"circuit": SIZE, "backends": []}]
)
def test_a_request_names_one_circuit_and_some_backends(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        request(**body)


ENERGY = {"terms": {"ZZIII": 1.0, "IIXXI": 0.5, "IIIIX": 0.5, "IIIII": 2.0}}
EXPERIMENT = {"sweep": [{"x": 0.1}, {"x": 0.2}], "observables": [ENERGY], "mitigation": {"readout": True}}


def test_the_circuits_follow_from_what_the_run_is_asked(office: Office, comparison: Comparison) -> None:
    (found,) = comparison.compare(office.olga, request(circuit=SIZE, **EXPERIMENT)).estimates
    assert found.circuits == 2 * 1 + 2
    (same,) = comparison.compare(office.olga, request(circuit=SIZE, circuits=4)).estimates
    assert same == found
    (alone,) = comparison.compare(office.olga, request(circuit=SIZE)).estimates
    assert alone.circuits == 1
    assert alone.estimated_cost is not None
    assert found.estimated_cost is not None
    assert alone.estimated_cost < found.estimated_cost


def test_too_many_circuits_are_said_with_how_they_come_about(office: Office, comparison: Comparison) -> None:
    body = request(circuit=SIZE, sweep=[{"x": 0.1}] * 1_000, observables=[ENERGY], mitigation={"readout": True})
    (found,) = comparison.compare(office.olga, body).estimates
    assert (found.circuits, found.estimated_cost) == (1_002, None)
    assert found.problem is not None
    assert found.problem.code == "TOO_MANY_CIRCUITS"
    assert "1000 parameter sets + 2 that calibrate readout" in found.problem.message


def test_an_observable_of_another_size_is_refused(office: Office, comparison: Comparison) -> None:
    with pytest.raises(InvalidCircuitError, match="2 letters, but the circuit has 5 qubits"):
        comparison.compare(office.olga, request(circuit=SIZE, observables=[{"terms": {"ZZ": 1}}]))


def test_circuits_are_either_counted_or_follow_from_what_is_asked() -> None:
    with pytest.raises(ValidationError, match="give either circuits or what they follow from"):
        request(circuit=SIZE, circuits=3, observables=[ENERGY])
    with pytest.raises(ValidationError, match="give observables"):
        request(circuit=SIZE, mitigation={"readout": True})
