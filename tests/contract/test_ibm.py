"""IBM Quantum, through the SDK's own client, against a cloud on this machine that runs what it is sent."""

import json
import statistics
import time
from contextlib import contextmanager, suppress
from itertools import product

import pytest
import requests
from qiskit.quantum_info import SparsePauliOp, Statevector

from ketbase.backends.experiments import Experiment, Mitigation, Observable, ZeroNoiseExtrapolation
from ketbase.backends.remote import RemoteStatus
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import ExecutionError, UnavailableError
from ketbase.quantum.build import circuit_of
from ketbase.quantum.devices import device
from ketbase.quantum.ibm.account import _Patient, sign_in
from ketbase.quantum.ibm.engine import IbmEngine
from ketbase.quantum.providers import QuantumProviders
from tests.conformance import (
    CERTAIN,
    check_certain,
    check_random,
    gate,
    random_circuits,
    reversed_bits,
)
from tests.standins.ibm.machines import OPEN, PREMIUM
from tests.standins.ibm.process import running

PLAIN = Experiment()
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def monkeymodule():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def ideal():
    """A cloud whose machines make no errors."""
    with running("--ideal") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def noisy():
    """A cloud whose machines err as their snapshots say."""
    with running() as cloud:
        yield cloud


@pytest.fixture
def cloud(ideal):
    yield ideal
    ideal.reset()


def engine_of(cloud, *, key=None, instance=OPEN):
    """An engine that knows this cloud only; the SDK finds the rest of it by these variables, when it signs in."""

    def service():
        with pytest.MonkeyPatch.context() as patch:
            for name, value in cloud.environment.items():
                patch.setenv(name, value)
            return sign_in(key or cloud.key, instance=instance, url=cloud.url)

    return IbmEngine(service)


class House:
    """A provider with one engine, and one of its machines."""

    def __init__(self, cloud, name="ibm_lagos", **account):
        self.cloud = cloud
        self.engine = engine_of(cloud, **account)
        self.provider = QuantumProviders({"ibm": lambda: self.engine})
        self.backend = next(each.info for each in self.engine.sight() if each.info.id == name)

    def compile(self, definition, experiment=PLAIN):
        return self.provider.compile(
            definition, backend=self.backend, experiment=experiment, seed=11, optimization_level=1
        )

    def submit(self, compiled, experiment=PLAIN, *, shots=100, tag="job_test", again=False):
        return self.provider.submit(
            compiled,
            backend=self.backend,
            experiment=experiment,
            shots=shots,
            seed=1,
            noise=False,
            tag=tag,
            again=again,
        )

    def await_all(self, remote_ids):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            states = self.provider.states("ibm", remote_ids)
            if all(state.status.final for state in states.values()):
                return states
            time.sleep(0.2)
        raise AssertionError(f"not over after {PATIENCE_S} s: {states}")

    def run(self, definitions, shots, experiment=PLAIN):
        programs = [self.compile(each, experiment) for each in definitions]
        ids = [self.submit(each, experiment, shots=shots) for each in programs]
        states = self.await_all(ids)
        assert {state.status for state in states.values()} == {RemoteStatus.COMPLETED}, states
        return [
            self.provider.fetch(each, program, backend=self.backend, experiment=experiment, shots=shots)
            for each, program in zip(ids, programs, strict=True)
        ]

    def execute(self, definitions, shots):
        return [came.outcome.counts[0] for came in self.run(definitions, shots)]


@pytest.fixture
def house(cloud):
    return House(cloud)


def bell(n_qubits=2):
    return CircuitDefinition.of_gates(n_qubits, [gate("H", 0), gate("CNOT", 0, 1)])


@contextmanager
def refused(code):
    with pytest.raises((UnavailableError, ExecutionError)) as problem:
        yield problem
    assert problem.value.code == code, problem.value
    assert problem.value.details["engine"] == "ibm"


# --- The order of bits ---


def test_circuits_with_a_certain_answer_give_it(house):
    check_certain(house.execute)


def test_random_circuits_have_their_exact_distribution(house):
    off = check_random(house.execute)
    assert len(off) == 20


def test_an_engine_that_reversed_the_bits_would_be_caught(house):
    def reversing(definitions, shots):
        return [reversed_bits(counts) for counts in house.execute(definitions, shots)]

    with pytest.raises(AssertionError):
        check_certain(reversing)


def test_registers_are_joined_as_qiskit_joins_them_whatever_their_names(house):
    gates = [
        gate("X", 0),
        gate("MEASURE", 0, bit=1),  # bit 1 of the first register
        gate("MEASURE", 1, bit=0),
        gate("MEASURE", 2, bit=2),
        gate("X", 1),
        gate("MEASURE", 1, bit=4),  # the last bit of the last register
    ]
    registers = (("shape", 2), ("lambda", 1), ("κ", 2))
    definition = CircuitDefinition.of_gates(3, gates, registers)
    assert house.execute([definition], 50) == [{"10010": 50}]


def test_a_bit_that_nothing_is_measured_into_is_0(house):
    definition = CircuitDefinition.of_gates(1, [gate("X", 0), gate("MEASURE", 0, bit=1)], (("c", 2), ("d", 1)))
    assert house.execute([definition], 10) == [{"010": 10}]


def test_the_sets_of_a_sweep_are_one_job_and_keep_their_order(house):
    definition = CircuitDefinition.of_gates(2, [gate("RX", 0, theta="a")])
    experiment = Experiment(parameters=tuple({"a": 3.141592653589793 * number} for number in (0, 1, 2, 1)))
    before = house.cloud.requests().get("POST jobs", 0)
    came = house.run([definition], 20, experiment)[0]
    assert came.outcome.counts == ({"00": 20}, {"01": 20}, {"00": 20}, {"01": 20})
    assert house.cloud.requests()["POST jobs"] == before + 1


# --- Observables ---

OBSERVABLES = (
    Observable(terms={"IIIIZ": 1.0}),
    Observable(terms={"ZIIII": 0.5, "IIXII": -1.5}, name="two bases"),
    Observable(terms={"XYZXY": 1.0}),
    Observable(terms={"IIIII": 0.25, "IZZII": 1.0}, name="with the identity"),
)


def exact(definition, observable):
    operator = SparsePauliOp.from_list(list(observable.terms.items()))
    return float(Statevector(circuit_of(definition)).expectation_value(operator).real)


def test_estimates_are_within_4_standard_errors_of_the_exact_values(house):
    experiment = Experiment(observables=OBSERVABLES)
    circuits = random_circuits()
    off = []
    for definition, came in zip(circuits, house.run(circuits, 4_000, experiment), strict=True):
        assert came.outcome.counts == ()
        for value, observable in zip(came.outcome.expectations, OBSERVABLES, strict=True):
            assert (value.mitigated, value.scaled, value.name) == (None, None, observable.name)
            assert 0 < value.raw.standard_error < 0.05
            off.append(abs(value.raw.value - exact(definition, observable)) / value.raw.standard_error)
    assert len(off) == 80
    assert max(off) < 4
    assert 0.52 < sum(each < 1 for each in off) / len(off) < 0.84  # 0.68, as many as a normal distribution has


def test_terms_that_move_together_have_the_error_of_their_sum(house):
    sums = (Observable(terms={"IZ": 1.0, "ZI": 1.0}), Observable(terms={"IZ": 1.0, "ZI": -1.0}))
    same, opposite = house.run([bell()], 10_000, Experiment(observables=sums))[0].outcome.expectations
    assert same.raw.standard_error == pytest.approx(2 / 100, rel=0.01)  # 1.4 / 100, were they independent
    assert (opposite.raw.value, opposite.raw.standard_error) == (0, 0)


def test_observables_stand_on_the_qubits_where_routing_left_them(house):
    # More neighbours than any qubit has there, so that qubits must be moved.
    gates = [gate("RY", q, theta=0.3 * (q + 1)) for q in range(6)]
    gates += [gate("CNOT", a, b) for a in range(6) for b in range(6) if a != b]
    definition = CircuitDefinition.of_gates(6, gates)
    observables = tuple(
        Observable(terms={"".join("Z" if q == at else "I" for q in reversed(range(6))): 1.0}) for at in range(6)
    )
    experiment = Experiment(observables=observables)
    program = house.compile(definition, experiment)
    assert program.gate_counts["cx"] > 30
    values = house.run([definition], 20_000, experiment)[0].outcome.expectations
    assert [value.raw.value for value in values] == pytest.approx(
        [exact(definition, each) for each in observables], abs=0.03
    )


@pytest.mark.parametrize("mitigation", [Mitigation(), Mitigation(readout=True, zne=ZeroNoiseExtrapolation())])
@pytest.mark.parametrize("several", [True, False])
def test_each_set_of_parameters_has_its_own_estimates(house, mitigation, several):
    gates = [gate("RY", 0, theta="a"), gate("RX", 1, theta="b"), gate("CNOT", 0, 1), gate("RZ", 1, phi="a + b")]
    definition = CircuitDefinition.of_gates(2, gates)
    sets = (
        [{"a": 0.3 * number, "b": 0.7 - 0.2 * number} for number in range(5)]
        if several
        else [{"a": 0.4, "b": 1.0}] * 2
    )
    observables = (
        Observable(terms={"IZ": 1.0}),
        Observable(terms={"XX": 2.0, "ZZ": -1.0}),
        Observable(terms={"YI": 1.0}),
    )
    experiment = Experiment(parameters=tuple(sets), observables=observables, mitigation=mitigation)
    came = house.run([definition], 2_000, experiment)[0]
    values = came.outcome.expectations
    assert [(value.parameters, value.observable) for value in values] == list(product(range(len(sets)), range(3)))
    for value in values:
        bound = circuit_of(definition).assign_parameters(sets[value.parameters])
        operator = SparsePauliOp.from_list(list(observables[value.observable].terms.items()))
        true = float(Statevector(bound).expectation_value(operator).real)
        for estimate in filter(None, (value.raw, value.mitigated)):
            assert abs(estimate.value - true) < 4.5 * estimate.standard_error + 1e-9
    scales = 3 if mitigation.zne else 1
    circuits = (1 if several else 2) * scales + mitigation.readout
    assert len(came.raw["result"]["data"]) == circuits  # a sweep is sent as one circuit


@pytest.fixture(scope="module")
def mirrored():
    """A circuit whose exact values are ±1, and whose errors are large."""
    gates = [gate("X", 0), gate("RZ", 0, phi="phase"), gate("H", 1), gate("CNOT", 1, 2)]
    for _ in range(8):
        gates += [gate("CNOT", 0, 1), gate("BARRIER", 0, 1)]  # which keeps the compiler from cancelling them
    gates += [gate("CNOT", 1, 2), gate("H", 1)]
    return CircuitDefinition.of_gates(3, gates)


MIRRORED = tuple(Observable(terms={term: 1.0}) for term in ("IIZ", "IZI", "IZZ", "ZII"))
SIGNS = (-1, 1, -1, 1)
BLIND = 3
"""The observable of a qubit that this machine reads wrongly nearly half of the time."""
LINE = ZeroNoiseExtrapolation(scales=(1, 3, 5), extrapolation="linear")


def values_of(house, definition, mitigation, shots=8_000, sets=1):
    phases = tuple({"phase": 0.01 * number} for number in range(sets))  # which no value depends on
    experiment = Experiment(parameters=phases, observables=MIRRORED, mitigation=mitigation)
    return house.run([definition], shots, experiment)[0].outcome.expectations


def test_raw_values_are_raw_and_mitigated_ones_are_better(noisy, mirrored):
    house = House(noisy)
    bare = values_of(house, mirrored, Mitigation())
    read = values_of(house, mirrored, Mitigation(readout=True))
    stretched = values_of(house, mirrored, Mitigation(zne=LINE))
    both = values_of(house, mirrored, Mitigation(readout=True, zne=LINE))

    def off(estimate):
        return abs(estimate.value - SIGNS[number])

    for number in range(len(MIRRORED)):
        raw = bare[number].raw
        assert (bare[number].mitigated, bare[number].scaled, read[number].scaled) == (None, None, None)
        assert set(both[number].scaled) == set(stretched[number].scaled) == {1, 3, 5}
        assert stretched[number].scaled[1] == stretched[number].raw
        for values in (read, stretched, both):
            assert abs(values[number].raw.value - raw.value) < 5 * raw.standard_error + 0.03
            assert values[number].note is None
        assert off(raw) > 0.3
        assert off(stretched[number].mitigated) < off(stretched[number].raw)  # readout's part is left
        if number != BLIND:
            assert off(read[number].mitigated) < 0.3 * off(raw)
            assert off(both[number].mitigated) < 0.3 * off(raw)
            assert off(both[number].scaled[1]) < off(both[number].scaled[3]) < off(both[number].scaled[5])


def test_what_can_hardly_be_read_is_mitigated_with_a_large_error(noisy, mirrored):
    value = values_of(House(noisy), mirrored, Mitigation(readout=True))[BLIND]
    assert abs(value.raw.value) < 0.15
    assert value.mitigated.standard_error > 0.1
    assert abs(value.mitigated.value - SIGNS[BLIND]) < 4 * value.mitigated.standard_error


def test_standard_errors_are_as_large_as_values_are_apart(noisy, mirrored):
    values = values_of(House(noisy), mirrored, Mitigation(zne=LINE), shots=500, sets=60)
    for kind in ("raw", "mitigated"):
        for number in range(len(MIRRORED)):
            same = [getattr(value, kind) for value in values if value.observable == number]
            told = statistics.mean(each.standard_error for each in same)
            # Of 60 values, the spread is within 30 % of the true one in all but one case of a thousand.
            assert 0.7 < statistics.stdev(each.value for each in same) / told < 1.3


def test_a_trend_that_is_not_exponential_is_extrapolated_linearly_and_says_so(noisy):
    nothing = CircuitDefinition.of_gates(1, [gate("H", 0)])
    zne = ZeroNoiseExtrapolation(scales=(1, 3, 5), extrapolation="exponential")
    experiment = Experiment(
        observables=(Observable(terms={"X": 1.0}), Observable(terms={"Z": 1.0})), mitigation=Mitigation(zne=zne)
    )
    values = House(noisy).run([nothing], 4_000, experiment)[0].outcome.expectations
    assert abs(values[1].mitigated.value) < 0.2
    assert values[1].note is None or "extrapolated linearly" in values[1].note


@pytest.mark.parametrize(("shots", "used"), [(1_000, 1_000), (1_009, 992), (7, 7)])
def test_no_circuit_gets_more_shots_than_were_asked_for(house, shots, used):
    experiment = Experiment(observables=(Observable(terms={"ZZ": 1.0}),), mitigation=Mitigation(readout=True))
    came = house.run([bell()], shots, experiment)[0]
    twirls, _, each, _ = came.raw["result"]["data"][0]["results"]["_meas"]["shape"]
    assert twirls * each == used
    assert came.outcome.expectations[0].raw.value == 1.0


# --- Jobs: handing in, and finding again ---


def test_a_job_carries_our_tag_and_nothing_that_would_hide_it(house):
    remote_id = house.submit(house.compile(bell()), tag="job_01ABC")
    posted = next(each for each in house.cloud.posted() if each["id"] == remote_id)
    assert posted["tags"] == ["job_01ABC"]
    assert posted["backend"] == "ibm_lagos"
    assert not posted.get("private")
    assert "session_id" not in posted


def test_a_job_is_found_by_its_tag_however_it_ended(house):
    program = house.compile(bell())
    assert house.engine.find(house.backend, "job_nobody") is None
    done = house.submit(program, tag="job_done")
    house.await_all([done])
    house.cloud.behave(hold=True)
    stopped = house.submit(program, tag="job_stopped")
    house.engine.cancel(stopped)
    house.cloud.behave(hold=False, failure=("it broke", 6_000))
    failed = house.submit(program, tag="job_failed")
    house.await_all([failed])
    assert house.engine.find(house.backend, "job_done") == done
    assert house.engine.find(house.backend, "job_stopped") == stopped
    assert house.engine.find(house.backend, "job_failed") == failed


@pytest.mark.parametrize("fault", ["lost", "lost_500", "torn", "html", "empty"])
def test_a_job_whose_answer_was_lost_is_taken_once_and_found_again(house, fault):
    tag, program = f"job_{fault}", house.compile(bell())
    house.cloud.fail_next(fault, method="POST")
    with pytest.raises(UnavailableError) as problem:
        house.submit(program, tag=tag)
    assert problem.value.code == "PROVIDER_UNAVAILABLE"
    assert house.cloud.accepted()[tag] == 1
    house.submit(program, tag=tag, again=True)
    assert house.cloud.accepted()[tag] == 1


@pytest.mark.parametrize("fault", ["429", "429_bare", "500", "502", "503", "drop"])
def test_a_job_that_did_not_arrive_is_posted_once_a_try(house, fault):
    tag, program = f"job_not_{fault}", house.compile(bell())
    house.cloud.fail_next(fault, method="POST", retry_after_s=17)
    before = house.cloud.requests().get("POST jobs", 0)
    with pytest.raises(UnavailableError) as problem:
        house.submit(program, tag=tag)
    assert problem.value.code == "PROVIDER_UNAVAILABLE"
    assert problem.value.details.get("retry_after_s") == {"429": 17, "429_bare": 60}.get(fault)
    assert house.cloud.requests()["POST jobs"] == before + 1
    assert tag not in house.cloud.accepted()
    house.submit(program, tag=tag, again=True)
    assert house.cloud.accepted()[tag] == 1


@pytest.mark.parametrize(
    "route", ["GET backends", "GET backends/{id}/configuration", "GET instances/{id}", "GET backends/{id}/status"]
)
@pytest.mark.parametrize("fault", ["500", "429", "drop", "html", "empty"])
def test_what_the_sdk_reads_before_it_posts_may_fail_for_a_while(house, route, fault):
    tag = f"job_{fault}_{route}"
    program = house.compile(bell())
    house.cloud.fail_next(*[fault] * 3, method=route)
    with suppress(UnavailableError):  # some of it is not needed
        house.submit(program, tag=tag)
    house.cloud.reset()
    house.submit(program, tag=tag, again=True)
    assert house.cloud.accepted()[tag] == 1


@pytest.mark.parametrize("problem", [KeyError("rzz"), TypeError("no such option")])
def test_what_the_sdk_cannot_hand_in_is_no_answer_of_ibms(house, problem, monkeypatch):
    program = house.compile(bell())

    def fail(*_args, **_options):
        raise problem

    monkeypatch.setattr("ketbase.quantum.ibm.engine.SamplerV2.run", fail)
    with pytest.raises(type(problem), match=str(problem.args[0])):
        house.submit(program, tag="job_not_built")


@pytest.mark.parametrize(
    ("method", "path", "longest_s"),
    [
        ("POST", "jobs", 120),
        ("POST", "jobs/a/cancel", 10),
        ("GET", "jobs?limit=200", 10),
        ("GET", "jobs/a/results", 60),
    ],
)
def test_ibm_gets_time_by_what_it_is_asked_for(method, path, longest_s, monkeypatch):
    seen = []
    answer = requests.Response()
    answer.status_code, answer._content = 200, b'{"id": "a"}'
    monkeypatch.setattr(
        "requests.adapters.HTTPAdapter.send", lambda *_, timeout, **__: seen.append(timeout) or answer
    )
    _Patient().send(requests.Request(method, f"https://ibm.test/api/v1/{path}").prepare())
    assert seen == [(5.0, longest_s)]


@pytest.mark.parametrize("fault", ["html", "empty", "torn", "drop", "500", "429"])
def test_a_listing_that_cannot_be_read_is_no_empty_one(house, fault):
    house.cloud.fail_next(*[fault] * 3, method="GET")
    with pytest.raises(UnavailableError):
        house.engine.find(house.backend, "job_test")


def test_the_limit_of_5_jobs_a_minute_is_told(house):
    house.cloud.behave(a_minute=1)
    program = house.compile(bell())
    house.submit(program, tag="job_first")
    with pytest.raises(UnavailableError) as problem:
        house.submit(program, tag="job_second")
    assert problem.value.details["retry_after_s"] == 60
    assert "limit is 5 per minute" in problem.value.message


def test_no_job_is_lost_or_taken_twice_or_failed_while_much_goes_wrong(house):
    program = house.compile(CERTAIN["X on 0, CX 0→1"][0])
    rates = {"429": 0.03, "500": 0.05, "503": 0.03, "drop": 0.04, "lost": 0.06, "lost_500": 0.04, "torn": 0.04}
    house.cloud.fail_often(rates | {"html": 0.03, "empty": 0.03}, seed=5)

    def persist(ask):
        for attempt in range(100):
            with suppress(UnavailableError):
                return ask(attempt)
        raise AssertionError("given up")

    tags = [f"job_stress_{number}" for number in range(12)]
    ids = [persist(lambda attempt, tag=tag: house.submit(program, tag=tag, again=attempt > 0)) for tag in tags]
    assert len(set(ids)) == len(tags)
    for remote_id in ids:
        came = persist(
            lambda _, remote_id=remote_id: house.provider.fetch(
                remote_id, program, backend=house.backend, experiment=PLAIN, shots=100
            )
        )
        assert came.outcome.counts == ({"011": 100},)
    assert {tag: house.cloud.accepted()[tag] for tag in tags} == dict.fromkeys(tags, 1)


def test_what_ibm_refuses_is_refused_in_its_words(house):
    with refused("PROVIDER_REFUSED") as problem:
        house.submit(house.compile(bell()), tag="x" * 87)
    assert "code 1205: Maximum length of a job tag exceeded (400)" in problem.value.message


# --- Jobs: where they stand ---


def test_hundreds_of_jobs_are_asked_for_in_a_few_requests(house):
    theirs = house.cloud.fill(OPEN, 450)
    before = house.cloud.requests()
    states = house.engine.states([*theirs[:300], "no-such-job"])
    after = house.cloud.requests()
    assert set(states) == set(theirs[:300])
    assert {state.status for state in states.values()} == {RemoteStatus.COMPLETED}
    asked = {route: after[route] - before.get(route, 0) for route in after if route.startswith("GET jobs")}
    assert sum(asked.values()) <= 8


def test_a_job_that_is_waiting_running_stopped_or_unknown_is_said_to_be(house):
    house.cloud.behave(hold=True)
    remote_id = house.submit(house.compile(bell()))
    assert house.engine.states([remote_id])[remote_id].status is RemoteStatus.QUEUED
    house.cloud.behave(word="Pending Verification")
    state = house.engine.states([remote_id])[remote_id]
    assert (state.status, state.raw) == (RemoteStatus.UNKNOWN, "Pending Verification")
    house.cloud.behave(word=None)
    house.engine.cancel(remote_id)
    assert house.engine.states([remote_id])[remote_id].status is RemoteStatus.CANCELLED
    assert house.engine.states(["no-such-job"]) == {}
    assert house.engine.states([]) == {}


def test_a_failed_job_says_why_and_one_that_ran_too_long_has_failed(house):
    program = house.compile(bell())
    house.cloud.behave(failure=("Backend is offline.", 6_001))
    failed = house.submit(program)
    state = house.await_all([failed])[failed]
    assert (state.status, state.raw) == (RemoteStatus.FAILED, "Failed")
    assert state.message == "Backend is offline. Look at your circuit. (code 6001)"
    house.cloud.behave(failure=("Ran too long.", 1_305))
    stopped = house.submit(program)
    state = house.await_all([stopped])[stopped]
    assert (state.status, state.raw) == (RemoteStatus.FAILED, "Cancelled")
    with refused("PROVIDER_JOB_FAILED") as problem:
        house.provider.fetch(failed, program, backend=house.backend, experiment=PLAIN, shots=100)
    assert "Backend is offline." in problem.value.message


def test_a_job_that_is_over_or_unknown_can_be_stopped_without_harm(house):
    remote_id = house.submit(house.compile(bell()))
    house.await_all([remote_id])
    house.engine.cancel(remote_id)
    house.engine.cancel("no-such-job")
    assert house.engine.states([remote_id])[remote_id].status is RemoteStatus.COMPLETED


@pytest.mark.parametrize("fault", ["500", "502", "503", "drop", "torn"])
def test_a_reading_is_tried_again_at_once_and_then_given_up(house, fault):
    remote_id = house.submit(house.compile(bell()))
    house.cloud.fail_next(fault, method="GET")
    if fault != "torn":  # half an answer is given up at once
        assert set(house.engine.states([remote_id])) == {remote_id}
    house.cloud.fail_next(*[fault] * 3, method="GET")
    with pytest.raises(UnavailableError):
        house.engine.states([remote_id])


# --- Jobs: what came of them ---


def test_all_that_ibm_said_comes_back_as_json(house):
    came = house.run([bell()], 100)[0]
    kept = json.loads(came.model_dump_json())["raw"]
    assert kept["job"]["state"] == {"status": "Completed"}
    assert kept["metrics"]["usage"]["quantum_seconds"] == 2
    assert kept["result"]["schema_version"] == "v2.0"
    assert came.billed is None
    assert came.outcome.seconds == 2
    assert came.outcome.method == "ibm_lagos"
    assert came.outcome.started_at <= came.outcome.ended_at


def test_while_ibm_still_counts_the_seconds_are_those_that_the_job_took(house):
    house.cloud.behave(counting=True)
    outcome = house.run([bell()], 100)[0].outcome
    assert outcome.seconds == (outcome.ended_at - outcome.started_at).total_seconds() > 0


def test_a_result_that_is_not_there_yet_is_waited_for(house):
    program = house.compile(bell())
    house.cloud.behave(results=False)
    remote_id = house.submit(program)
    house.await_all([remote_id])
    with pytest.raises(UnavailableError, match="shows no result yet"):
        house.provider.fetch(remote_id, program, backend=house.backend, experiment=PLAIN, shots=100)
    house.cloud.behave(results=True, word="Running")
    with pytest.raises(UnavailableError, match="is Running"):
        house.provider.fetch(remote_id, program, backend=house.backend, experiment=PLAIN, shots=100)


def test_a_result_of_something_else_is_not_taken(house):
    program = house.compile(bell())
    remote_id = house.submit(program)
    house.await_all([remote_id])
    sweep = Experiment(parameters=({"a": 0.1}, {"a": 0.2}))
    other = house.compile(CircuitDefinition.of_gates(1, [gate("RX", 0, theta="a")]), sweep)
    for wrong, experiment, shots in ((other, sweep, 100), (program, PLAIN, 99)):
        with refused("PROVIDER_ANSWER_UNUSABLE"):
            house.provider.fetch(remote_id, wrong, backend=house.backend, experiment=experiment, shots=shots)
    with refused("PROVIDER_JOB_MISSING"):
        house.provider.fetch("no-such-job", program, backend=house.backend, experiment=PLAIN, shots=100)


# --- Batches and sessions ---


def test_a_run_in_a_batch_closes_it_behind_itself(house):
    experiment = Experiment(execution_mode="batch")
    assert house.run([CERTAIN["X on 0"][0]], 10, experiment)[0].outcome.counts == ({"001": 10},)
    opened = house.cloud.sessions()[-1]
    assert (opened["mode"], opened["accepting_jobs"]) == ("batch", False)
    assert house.cloud.posted()[-1]["session_id"] == opened["id"]


def test_a_session_needs_a_plan_that_has_them(house):
    experiment = Experiment(execution_mode="session")
    with refused("PROVIDER_REFUSED") as problem:
        house.submit(house.compile(bell(), experiment), experiment)
    assert "You are not authorized to run a session when using the open plan" in problem.value.message
    dear = House(house.cloud, "ibm_nairobi", instance=PREMIUM)
    values = dear.run(
        [bell()], 100, Experiment(execution_mode="session", observables=(Observable(terms={"ZZ": 1}),))
    )
    assert values[0].outcome.expectations[0].raw.value == 1.0
    opened = dear.cloud.sessions()[-1]
    assert (opened["mode"], opened["accepting_jobs"]) == ("dedicated", False)


def test_a_batch_whose_job_was_not_taken_is_closed_as_well(house):
    experiment = Experiment(execution_mode="batch")
    program = house.compile(bell(), experiment)
    house.cloud.fail_next("500", method="POST")
    with pytest.raises(UnavailableError):
        house.submit(program, experiment, tag="job_batch")
    assert not house.cloud.sessions()[-1]["accepting_jobs"]
    assert "job_batch" not in house.cloud.accepted()


# --- Machines ---


def test_the_machines_of_the_account_are_discovered_as_they_are(cloud):
    lagos, fez = engine_of(cloud).sight()
    assert (lagos.info.id, lagos.info.engine, lagos.info.type, lagos.info.remote_name) == (
        "ibm_lagos",
        "ibm",
        "hardware",
        "ibm_lagos",
    )
    assert (lagos.available, lagos.raw_status, lagos.queue_depth) == (True, "online", 7)
    assert (fez.available, fez.raw_status) == (False, "paused: calibration")
    can = fez.info.capabilities
    assert (can.max_qubits, can.max_shots, can.supports_control_flow) == (156, 100_000, True)
    assert {"H", "CCX", "RESET"} <= set(can.supported_gates)
    assert 0 < fez.info.calibration.median_two_qubit_error < 0.01


@pytest.mark.parametrize("route", ["GET backends", "GET backends/{id}/configuration"])
@pytest.mark.parametrize("fault", ["html", "empty", "torn", "drop", "500", "429"])
def test_machines_are_not_gone_because_a_listing_could_not_be_read(cloud, route, fault):
    engine = engine_of(cloud)
    engine.sight()
    cloud.fail_next(*[fault] * 3, method=route)
    with pytest.raises(UnavailableError):
        engine.sight()


def test_all_instances_of_an_account_are_used_the_free_one_first(cloud):
    everywhere = House(cloud, "ibm_nairobi", instance="")
    seen = [each.info.id for each in everywhere.engine.sight()]
    assert seen == ["ibm_lagos", "ibm_fez", "ibm_nairobi"]
    assert everywhere.run([CERTAIN["X on 0"][0]], 10)[0].outcome.counts == ({"001": 10},)
    remote_id = everywhere.submit(everywhere.compile(bell()), tag="job_at_the_dear_one")
    assert everywhere.engine.find(everywhere.backend, "job_at_the_dear_one") == remote_id
    assert engine_of(cloud).find(everywhere.backend, "job_at_the_dear_one") is None  # the other instance's


def test_circuits_are_compiled_for_what_works_of_a_machine(cloud):
    house = House(cloud, "ibm_fez")
    machine = house.engine.machine(house.backend)
    works, whole = machine.targets
    dead = {qubits for qubits, each in whole["cz"].items() if each.error is not None and each.error >= 1}
    assert dead
    assert not dead & set(works["cz"])
    assert machine.n_qubits == 156
    assert machine.estimates
    assert machine.calibrated_at == house.backend.calibration.taken_at
    assert house.compile(bell()).sdk.keys() >= {"qiskit-ibm-runtime", "qiskit-mitigation"}


def test_a_calibration_is_read_whole(cloud):
    house = House(cloud, "ibm_fez")
    found = house.engine.properties(house.backend)
    assert found.backend == "ibm_fez"
    assert found.taken_at == house.backend.calibration.taken_at
    assert len(found.qubits) == 156
    couplers = {each.qubits: each.error for each in found.gates if each.gate == "cz"}
    assert couplers == {
        tuple(each.qubits): next(p.value for p in each.parameters if p.name == "gate_error")
        for each in device("fake_fez").properties().gates
        if each.gate == "cz"
    }
    assert found.raw["backend_name"] == "ibm_fez"
    json.dumps(found.raw)


def test_a_machine_that_is_gone_is_refused(house):
    gone = house.backend.model_copy(update={"id": "ibm_gone", "remote_name": "ibm_gone"})
    with refused("PROVIDER_REFUSED") as problem:
        house.engine.machine(gone)
    assert "ibm_gone" in problem.value.message
    assert house.engine.properties(gone) is None


# --- Who is let in ---


def test_a_wrong_key_and_a_wrong_instance_are_credentials_to_be_mended(cloud):
    for wrong in (
        {"key": "somebody-elses"},
        {"instance": OPEN.replace("0001::", "0009::")},
        {"instance": "nobody"},
    ):
        with pytest.raises(UnavailableError) as problem:
            engine_of(cloud, **wrong).sight()
        assert problem.value.code == "PROVIDER_CREDENTIALS", problem.value
        assert "KETBASE_IBM_TOKEN" in problem.value.message


def test_an_engine_signs_in_again_after_the_cloud_was_away(cloud):
    addresses = [{**cloud.environment, "GLOBAL_SEARCH_URL": "http://127.0.0.1:9"}, cloud.environment]

    def service():
        with pytest.MonkeyPatch.context() as patch:
            for name, value in addresses.pop(0).items():
                patch.setenv(name, value)
            return sign_in(cloud.key, instance=OPEN, url=cloud.url)

    engine = IbmEngine(service)
    with pytest.raises(UnavailableError) as problem:
        engine.sight()
    assert problem.value.code == "PROVIDER_UNAVAILABLE"
    assert len(engine.sight()) == 2


def test_nobody_is_asked_before_something_is_wanted():
    IbmEngine(lambda: pytest.fail("signed in"))
