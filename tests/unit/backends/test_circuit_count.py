import pytest

from ketbase.backends.catalog import backends
from ketbase.backends.circuit_count import CircuitCount, check_count
from ketbase.backends.experiments import Experiment
from ketbase.errors import InvalidCircuitError

AER = backends()["aer"]
TWO_BASES = [{"terms": {"ZZ": 1, "XI": 1, "II": 3}}, {"terms": {"IZ": 1}}]
ZNE = {"scales": [1, 3, 5]}


def experiment(sets=1, observables=(), **mitigation):
    return Experiment.model_validate(
        {"parameters": [{}] * sets, "observables": observables, "mitigation": mitigation}
    )


@pytest.mark.parametrize(
    ("asked", "total", "said"),
    [
        (experiment(), 1, "1"),
        (experiment(20), 20, "20 parameter sets"),
        (experiment(20, TWO_BASES), 40, "20 parameter sets × 2 bases to measure"),
        (
            experiment(20, TWO_BASES, zne=ZNE, readout=True),
            122,
            "20 parameter sets × 2 bases to measure × 3 noise scales + 2 that calibrate readout",
        ),
        (experiment(1, TWO_BASES[1:], readout=True), 3, "1 + 2 that calibrate readout"),
    ],
)
def test_the_number_says_how_it_comes_about(asked, total, said):
    count = CircuitCount.of(asked, AER)
    assert (count.total, str(count)) == (total, said)


def test_a_backend_that_estimates_observables_itself_is_given_the_circuit_alone():
    hardware = AER.model_copy(update={"engine": "ibm"})
    assert CircuitCount.of(experiment(20, TWO_BASES, zne=ZNE, readout=True), hardware).total == 20


def check(count, shots=1, n_bits=1, counted=True, **can):
    backend = AER.model_copy(update={"capabilities": AER.capabilities.model_copy(update=can)})
    check_count(count, backend, shots=shots, n_bits=n_bits, counted=counted)


def test_too_many_circuits_are_refused_with_their_number_and_how_it_came_about():
    check(CircuitCount(parameter_sets=1_000))
    with pytest.raises(InvalidCircuitError, match=r"1001 \(333 parameter sets × 3 bases to measure \+ 2"):
        check(CircuitCount(parameter_sets=333, bases=3, calibrations=2))
    with pytest.raises(InvalidCircuitError) as refused:
        check(CircuitCount(parameter_sets=11), max_circuits=10)
    assert refused.value.code == "TOO_MANY_CIRCUITS"
    assert (refused.value.details["circuits"], refused.value.details["limit"]) == (11, 10)


def test_circuits_may_give_no_more_outcomes_than_there_is_room_for():
    thousand = CircuitCount(parameter_sets=1_000)
    check(thousand, shots=1_000, n_bits=100)
    check(thousand, shots=1_000_000, n_bits=9)
    check(thousand, shots=4_000, n_bits=100, counted=False)
    for shots, n_bits, counted in ((1_001, 100, True), (1_000_000, 10, True), (4_001, 100, False)):
        with pytest.raises(InvalidCircuitError) as refused:
            check(thousand, shots=shots, n_bits=n_bits, counted=counted)
        assert refused.value.code == "TOO_MANY_OUTCOMES"


def test_one_circuit_may_give_as_many_outcomes_as_it_has_shots():
    check(CircuitCount(), shots=1_000_000, n_bits=100)
