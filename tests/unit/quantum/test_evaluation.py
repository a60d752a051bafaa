"""What counts say of observables: values, and how far off they are."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector, random_statevector

from ketbase.backends.bases import bases_of
from ketbase.backends.experiments import Experiment, Variant
from ketbase.errors import ExecutionError
from ketbase.quantum.experiments.evaluation import evaluate

CERTAIN = 10**9
"""So many shots that what is left of chance is what rounding leaves."""
REPEATS = 400


class Bench:
    """A state, its observables, and measurements of it that err as a test says."""

    def __init__(self, state, observables, seed=0, **mitigation):
        self.state = Statevector.from_label(state) if isinstance(state, str) else Statevector(state)
        self.n = self.state.num_qubits
        self.experiment = Experiment.model_validate({"observables": observables, "mitigation": mitigation})
        self.scales = (1,) if self.experiment.mitigation.zne is None else self.experiment.mitigation.zne.scales
        self.dice = np.random.default_rng(seed)
        self.misreads = np.zeros((self.n, 2))
        """By qubit, the probability of reading a 0 as 1, and a 1 as 0."""
        self.decay = 0.0
        """The share of the state that is mixed away, again and again with the scale of the noise."""
        self.known = []
        self.slope = 0.0
        """The same, in proportion to the scale."""

    def variants(self):
        variants = [
            Variant(basis=basis.letters, scale=scale)
            for scale in self.scales
            for basis in bases_of(self.experiment.observables)
        ]
        return variants + [Variant(prepared=state) for state in (0, 1) if self.experiment.mitigation.readout]

    def probabilities(self, variant):
        if variant.prepared is not None:
            ideal = np.zeros(2**self.n)
            ideal[-variant.prepared] = 1
        else:
            turn = QuantumCircuit(self.n)
            for qubit, letter in enumerate(reversed(variant.basis)):
                if letter == "Y":
                    turn.sdg(qubit)
                if letter in "XY":
                    turn.h(qubit)
            left = (1 - self.decay) ** variant.scale - self.slope * variant.scale
            ideal = left * self.state.evolve(turn).probabilities() + (1 - left) / 2**self.n
        tensor = ideal.reshape([2] * self.n)  # qubit 0 is the last axis
        for qubit, (of_0, of_1) in enumerate(self.misreads):
            axis = self.n - 1 - qubit
            confusion = np.array([[1 - of_0, of_1], [of_0, 1 - of_1]])
            tensor = np.moveaxis(np.tensordot(confusion, tensor, (1, axis)), 0, axis)
        return np.clip(tensor.reshape(-1), 0, None)

    def values(self, shots, calibration_shots=None):
        if not self.known:  # how it errs is set by now
            self.known = [self.probabilities(variant) for variant in self.variants()]
        counts = []
        for variant, p in zip(self.variants(), self.known, strict=True):
            number = calibration_shots or shots if variant.prepared is not None else shots
            times = np.round(p * CERTAIN) if number is CERTAIN else self.dice.multinomial(number, p / p.sum())
            counts.append({f"{at:0{self.n}b}": int(n) for at, n in enumerate(times) if n})
        return evaluate(self.variants(), counts, self.experiment)

    def exact(self, number=0):
        terms = self.experiment.observables[number].terms
        return float(self.state.expectation_value(SparsePauliOp.from_list(list(terms.items()))).real)


def strings(n):
    return st.text("IXYZ", min_size=n, max_size=n)


observables_of_3 = st.lists(
    st.dictionaries(strings(3), st.floats(-5, 5), min_size=1, max_size=6).map(lambda terms: {"terms": terms}),
    min_size=1,
    max_size=3,
)


def random_bench(seed, n=3, n_observables=2, n_terms=5, **mitigation):
    dice = np.random.default_rng(seed)
    observables = [
        {"terms": {"".join(dice.choice(list("IXYZ"), n)): dice.normal() for _ in range(n_terms)}}
        for _ in range(n_observables)
    ]
    return Bench(random_statevector(2**n, seed=seed), observables, seed, **mitigation)


# --- Values ---


@settings(deadline=None)
@given(observables=observables_of_3, seed=st.integers(0, 10**6))
def test_without_chance_and_errors_the_value_is_the_exact_one(observables, seed):
    bench = Bench(random_statevector(8, seed=seed), observables)
    for number, value in enumerate(bench.values(CERTAIN)):
        assert value.raw.value == pytest.approx(bench.exact(number), abs=1e-6)
        assert (value.observable, value.parameters, value.mitigated, value.scaled) == (number, 0, None, None)


@settings(deadline=None)
@given(
    observables=observables_of_3,
    seed=st.integers(0, 10**6),
    misreads=st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)), min_size=3, max_size=3),
)
def test_readout_that_errs_on_each_qubit_by_itself_is_undone_exactly(observables, seed, misreads):
    bench = Bench(random_statevector(8, seed=seed), observables, readout=True)
    bench.misreads = np.array(misreads)
    for number, value in enumerate(bench.values(CERTAIN)):
        assert value.mitigated.value == pytest.approx(bench.exact(number), abs=1e-4)
        assert value.note is None


def test_the_raw_value_is_as_it_was_read():
    bench = Bench("0", [{"terms": {"Z": 1}}], readout=True)
    bench.misreads = np.array([[0.1, 0.0]])
    (value,) = bench.values(CERTAIN)
    assert value.raw.value == pytest.approx(0.8)
    assert value.mitigated.value == pytest.approx(1.0)


def test_the_identity_is_exact_and_costs_no_circuit():
    bench = Bench("+0", [{"name": "energy", "terms": {"II": 7.5, "ZI": 0.0}}, {"terms": {"XI": 1}}], readout=True)
    energy, _ = bench.values(100)
    assert (energy.name, energy.raw.value, energy.raw.standard_error) == ("energy", 7.5, 0.0)
    assert (energy.mitigated.value, energy.mitigated.standard_error) == (7.5, 0.0)
    assert [variant.basis for variant in bench.variants()] == ["XI", "ZI", None, None]


@pytest.mark.parametrize(
    ("form", "scales"), [("linear", (1, 3)), ("quadratic", (1, 3, 5)), ("exponential", (1, 3, 5, 7))]
)
def test_a_trend_of_the_form_that_is_asked_for_leads_back_to_the_exact_value(form, scales):
    bench = random_bench(3, zne={"scales": scales, "extrapolation": form})
    if form == "exponential":
        bench.decay = 0.1
    else:
        bench.slope = 0.05
    for number, value in enumerate(bench.values(CERTAIN)):
        assert value.mitigated.value == pytest.approx(bench.exact(number), abs=1e-5)
        assert abs(value.raw.value - bench.exact(number)) > 1e-3
        assert list(value.scaled) == list(scales)
        assert value.scaled[1] == value.raw
        assert value.note is None


def test_the_readout_is_mended_before_the_noise_is_extrapolated():
    bench = random_bench(5, readout=True, zne={"scales": (1, 3)})
    bench.slope, bench.misreads = 0.05, np.array([[0.1, 0.05], [0.02, 0.1], [0.0, 0.2]])
    for number, value in enumerate(bench.values(CERTAIN)):
        assert value.mitigated.value == pytest.approx(bench.exact(number), abs=1e-4)
        assert value.scaled[1].value != pytest.approx(value.raw.value, abs=1e-3)


def test_values_that_no_exponential_fits_are_extrapolated_linearly_and_that_is_said():
    bench = Bench("+", [{"terms": {"Z": 1}}], zne={"scales": (1, 3, 5), "extrapolation": "exponential"})
    values = [bench.values(100)[0] for _ in range(20)]
    noted = [value for value in values if value.note]
    assert noted
    assert all("extrapolated linearly" in value.note for value in noted)
    assert all(math.isfinite(value.mitigated.standard_error) for value in values)


@pytest.mark.parametrize("coefficient", [0.0, 1e-300, 1e12])
@pytest.mark.parametrize("form", ["linear", "exponential"])
def test_coefficients_of_any_size_have_values(coefficient, form):
    observable = {"terms": {"ZZ": coefficient, "XX": coefficient, "II": 2.0}}
    bench = Bench("0+", [observable], readout=True, zne={"extrapolation": form})
    (value,) = bench.values(1_000)
    assert value.mitigated.value == pytest.approx(2.0, abs=1 + coefficient)


def test_a_qubit_whose_readout_says_nothing_is_left_as_it_is_read_and_that_is_said():
    bench = Bench("00", [{"terms": {"IZ": 1}}, {"terms": {"ZI": 1}}], readout=True)
    bench.misreads = np.array([[0.5, 0.5], [0.1, 0.1]])
    blind, seen = bench.values(10_000)
    assert blind.mitigated.value == blind.raw.value
    assert seen.mitigated.value == pytest.approx(1.0, abs=0.05)
    assert "qubits 0 says" in blind.note


# --- How far off they are ---


def scores(bench, shots, pick, calibration_shots=None):
    """For each repetition and observable, by how many of its standard errors the value is off."""
    found = []
    for _ in range(REPEATS):
        for number, value in enumerate(bench.values(shots, calibration_shots)):
            estimate = pick(value)
            found.append((estimate.value - bench.exact(number)) / estimate.standard_error)
    return np.array(found)


def check_scores(found):
    """That they have mean 0, spread 1 and no outliers, as far as so many can tell."""
    assert np.abs(found).max() < 4.5
    # Observables of one repetition share shots: they count as one.
    assert abs(found.mean()) < 4 / math.sqrt(REPEATS)
    assert abs(found.std() - 1) < 4 / math.sqrt(2 * REPEATS)


@pytest.mark.parametrize("seed", range(5))
def test_raw_values_are_off_by_as_much_as_they_say(seed):
    check_scores(scores(random_bench(seed), 500, lambda value: value.raw))


MISREADS = np.array([[0.05, 0.1], [0.02, 0.08], [0.1, 0.03]])
SHOTS = pytest.mark.parametrize(("shots", "calibration_shots"), [(1_000, 1_000), (200_000, 300)], ids=str)


@SHOTS
@pytest.mark.parametrize("seed", range(3))
def test_values_with_mended_readout_are_off_by_as_much_as_they_say(seed, shots, calibration_shots):
    bench = random_bench(seed, readout=True)
    bench.misreads = MISREADS
    check_scores(scores(bench, shots, lambda value: value.mitigated, calibration_shots))


@pytest.mark.parametrize(("form", "scales"), [("linear", (1, 3, 5)), ("quadratic", (1, 3, 5, 7))])
def test_extrapolated_values_are_off_by_as_much_as_they_say(form, scales):
    bench = random_bench(7, zne={"scales": scales, "extrapolation": form})
    bench.slope = 0.04
    check_scores(scores(bench, 2_000, lambda value: value.mitigated))


@SHOTS
def test_one_calibration_for_all_scales_is_not_taken_for_several(shots, calibration_shots):
    bench = random_bench(7, readout=True, zne={"scales": (1, 3, 5)})
    bench.slope, bench.misreads = 0.04, MISREADS
    check_scores(scores(bench, shots, lambda value: value.mitigated, calibration_shots))


def test_an_exponential_that_is_well_seen_is_off_by_as_much_as_it_says():
    bench = Bench("0", [{"terms": {"Z": 1.0, "I": 2.0}}], zne={"scales": (1, 3, 5), "extrapolation": "exponential"})
    bench.decay = 0.1
    check_scores(scores(bench, 4_000, lambda value: value.mitigated))


def test_terms_of_one_basis_are_not_taken_for_independent():
    bell = [1, 0, 0, 1] / np.sqrt(2)
    bench = Bench(bell, [{"terms": {"ZI": 1, "IZ": 1}}, {"terms": {"ZI": 1, "IZ": -1}}])
    together, apart = bench.values(10_000)
    assert together.raw.standard_error == pytest.approx(2 / math.sqrt(10_000), rel=0.01)
    assert (apart.raw.value, apart.raw.standard_error) == (0.0, pytest.approx(2 * 2 / 10_000))


def test_shots_that_all_agree_are_no_certainty():
    bench = Bench([math.cos(0.01), math.sin(0.01)], [{"terms": {"Z": 3.0, "I": 1.0}}])
    values = [bench.values(1_000)[0] for _ in range(200)]
    agreeing = [value for value in values if value.raw.value == 4.0]
    assert len(agreeing) > 150
    assert all(abs(value.raw.value - bench.exact()) < 3 * value.raw.standard_error for value in values)


def test_one_shot_is_as_uncertain_as_can_be():
    (value,) = Bench("0", [{"terms": {"Z": 3}}]).values(1)
    assert value.raw.standard_error == 3.0


# --- What comes back from elsewhere ---


def test_a_result_that_lacks_circuits_or_shots_is_refused():
    bench = Bench("00", [{"terms": {"ZI": 1}}, {"terms": {"XI": 1}}])
    for counts in ([{"00": 5}], [{"00": 5}, {}], [{"00": 5}, {"00": 0}]):
        with pytest.raises(ExecutionError) as refused:
            evaluate(bench.variants(), counts, bench.experiment)
        assert refused.value.code == "INCOMPLETE_RESULT"


def test_a_hundred_thousand_outcomes_of_a_hundred_bits_are_read():
    dice = np.random.default_rng(1)
    rows = dice.integers(0, 2, (100_000, 100), dtype=np.uint8) + ord("0")
    counts = {row.tobytes().decode(): 1 for row in rows}
    terms = {"I" * at + "Z" * 3 + "I" * (97 - at): 1.0 for at in range(98)}
    experiment = Experiment.model_validate({"observables": [{"terms": terms}]})
    (value,) = evaluate([Variant(basis="Z" * 100)], [counts], experiment)
    assert abs(value.raw.value) < 5 * value.raw.standard_error
