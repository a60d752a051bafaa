"""The IonQ engine against IonQ's API as the stand-in gives it, in a process of its own."""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator
from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_ionq.helpers import qiskit_circ_to_ionq_circ

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.backends.remote import RemoteState, RemoteStatus
from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import ExecutionError, InvalidCircuitError, NotFoundError, UnavailableError
from ketbase.ids import new_id
from ketbase.money import Money
from ketbase.quantum.ionq.circuits import counts, target
from ketbase.quantum.ionq.engine import IonqEngine
from ketbase.quantum.providers import QuantumProviders
from ketbase.runtime import wiring
from ketbase.runtime.settings import settings as settings_of_process
from tests import conformance
from tests.conformance import Counts, gate
from tests.standins.ionq import gates
from tests.standins.ionq.faults import Fault
from tests.standins.ionq.process import Ionq, running
from tests.standins.ionq.server import WAIT_MS
from tests.standins.ionq.wire import Gate

LATE_S, PATIENCE_S = 1.5, 0.5
BELL = CircuitDefinition.of_gates(2, [gate("H", 0), gate("CNOT", 0, 1)])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ionq]:
    with running(tmp_path_factory.mktemp("ionq") / "jobs.db") as started:
        yield started


@pytest.fixture(autouse=True)
def undisturbed(cloud: Ionq) -> Iterator[None]:
    cloud.reset()
    yield
    cloud.reset()


@pytest.fixture
def provider(cloud: Ionq) -> QuantumProviders:
    return QuantumProviders({"ionq": lambda: engine_of(cloud)})


def engine_of(cloud: Ionq, key: str | None = None) -> IonqEngine:
    return IonqEngine(lambda: key or cloud.key, cloud.url, timeout_s=PATIENCE_S)


def info(backend: str = "ionq_simulator") -> BackendInfo:
    return backends()[backend]


class Hand:
    """Hands definitions in as a run does."""

    def __init__(self, provider: QuantumProviders, backend: str = "ionq_simulator", **how: Any):
        self.provider = provider
        self.backend = info(backend)
        self.shots = how.pop("shots", 100)
        self.experiment = how.pop("experiment", Experiment())
        self.level = how.pop("level", 1)
        self.asked = {"seed": 7, "noise": False, **how}

    def submit(self, definition: CircuitDefinition, tag: str | None = None, *, again: bool = False) -> str:
        return self.provider.submit(
            self.compile(definition),
            backend=self.backend,
            experiment=self.experiment,
            shots=self.shots,
            tag=tag or new_id("job"),
            again=again,
            **self.asked,
        )

    def compile(self, definition: CircuitDefinition) -> Any:
        return self.provider.compile(
            definition, backend=self.backend, experiment=self.experiment, seed=7, optimization_level=self.level
        )

    def fetch(self, remote_id: str, definition: CircuitDefinition) -> Any:
        return self.provider.fetch(
            remote_id,
            self.compile(definition),
            backend=self.backend,
            experiment=self.experiment,
            shots=self.shots,
        )

    def run(self, definition: CircuitDefinition) -> Any:
        return self.fetch(self.submit(definition), definition)


def execute_on(
    provider: QuantumProviders,
    backend: str,
    wrong: Callable[[Counts], Counts] = lambda given: given,
    level: int = 1,
) -> conformance.Execute:
    def execute(definitions: Sequence[CircuitDefinition], shots: int) -> list[Counts]:
        hand = Hand(provider, backend, shots=shots, level=level)
        return [wrong(hand.run(definition).outcome.counts[0]) for definition in definitions]

    return execute


# --- Circuits, and what their bits mean ---


@pytest.mark.parametrize("backend", ["ionq_simulator", "ionq_simulator_aria", "ionq_simulator_forte", "ionq_forte"])
def test_circuits_with_a_certain_answer_give_it(cloud: Ionq, provider: QuantumProviders, backend: str) -> None:
    cloud.behave(machines_err=False)
    conformance.check_certain(execute_on(provider, backend))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_they_give_it_however_the_compiler_works(provider: QuantumProviders, level: int) -> None:
    conformance.check_certain(execute_on(provider, "ionq_simulator", level=level))


def test_random_circuits_have_their_distribution(provider: QuantumProviders) -> None:
    conformance.check_random(execute_on(provider, "ionq_simulator"))


def test_they_have_it_where_shots_are_measured(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.behave(machines_err=False)
    hand = Hand(provider, "ionq_forte", shots=10_000)
    for definition in conformance.random_circuits()[:5]:
        counted = hand.run(definition).outcome.counts[0]
        assert sum(counted.values()) == 10_000
        assert conformance.total_variation(counted, conformance.ideal(definition)) < 0.05


def test_reversed_bits_do_not_pass(provider: QuantumProviders) -> None:
    reverse = conformance.reversed_bits
    with pytest.raises(AssertionError):
        conformance.check_certain(execute_on(provider, "ionq_simulator", reverse))
    with pytest.raises(AssertionError):
        conformance.check_random(execute_on(provider, "ionq_simulator", reverse))


def test_only_measured_qubits_are_counted_and_unmeasured_bits_are_0(provider: QuantumProviders) -> None:
    definition = CircuitDefinition.of_gates(
        4, [gate("X", 1), gate("X", 3), gate("MEASURE", 3, bit=4), gate("MEASURE", 0, bit=1)], (("a", 2), ("b", 3))
    )
    assert Hand(provider).run(definition).outcome.counts == ({"10000": 100},)


def test_a_circuit_without_gates_gives_zeros(provider: QuantumProviders) -> None:
    assert Hand(provider).run(CircuitDefinition.of_gates(3, [])).outcome.counts == ({"000": 100},)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_posted_is_the_circuit_that_was_compiled(data: st.DataObject) -> None:
    """The stand-in's matrices, of all gates that we write, against Qiskit's."""
    n_qubits, circuit = 3, QuantumCircuit(3)
    operations = [target(3).operation_from_name(name) for name in target(3).operation_names if name != "measure"]
    for operation in data.draw(st.lists(st.sampled_from(operations), min_size=1, max_size=8)):
        where = data.draw(st.permutations(range(n_qubits)))[: operation.num_qubits]
        angles = [data.draw(st.floats(-7, 7)) for _ in operation.params]
        circuit.append(type(operation)(*angles), where)
    posted, _, _ = qiskit_circ_to_ionq_circ(circuit)
    done = gates.unitary([Gate.model_validate(each).step("qis") for each in posted], n_qubits)
    assert Operator(done).equiv(Operator(circuit), atol=1e-7)


def test_a_qubit_that_is_used_after_its_measurement_is_refused_by_the_compiler(provider: QuantumProviders) -> None:
    definition = CircuitDefinition.of_gates(1, [gate("H", 0), gate("MEASURE", 0, bit=0), gate("X", 0)], (("c", 1),))
    with pytest.raises(InvalidCircuitError) as caught:
        Hand(provider).compile(definition)
    assert caught.value.code == "UNSUPPORTED_OPERATION"


def test_a_circuit_larger_than_the_machine_is_refused_by_the_compiler(provider: QuantumProviders) -> None:
    with pytest.raises(InvalidCircuitError) as caught:
        Hand(provider).compile(CircuitDefinition.of_gates(30, [gate("H", 0)]))
    assert (caught.value.code, caught.value.details["max_qubits"]) == ("TOO_MANY_QUBITS", 29)


# --- Shots ---


@given(
    weights=st.dictionaries(st.integers(0, 15), st.floats(0.001, 1), min_size=1),
    shots=st.integers(1, 100_000),
    seed=st.none() | st.integers(0, 2**31),
)
def test_counts_sum_to_the_shots(weights: dict[int, float], shots: int, seed: int | None) -> None:
    circuit = QuantumCircuit(4, 4)
    circuit.measure(range(4), range(4))
    total = sum(weights.values())
    given = {str(state): weight / total for state, weight in weights.items()}
    found = counts(circuit, given, shots, seed)
    assert sum(found.values()) == shots
    assert all(n > 0 for n in found.values())
    if seed is None:
        for state, share in given.items():
            assert abs(found.get(f"{int(state):04b}", 0) - share * shots) < 1


@given(times=st.lists(st.integers(1, 5_000), min_size=1, max_size=16))
def test_measured_shares_give_back_what_was_measured(times: list[int]) -> None:
    circuit = QuantumCircuit(4, 4)
    circuit.measure(range(4), range(4))
    shots = sum(times)
    shares = {str(state): n / shots for state, n in enumerate(times)}
    assert counts(circuit, shares, shots, None) == {f"{state:04b}": n for state, n in enumerate(times)}


@pytest.mark.parametrize(
    "answer", [{}, {"0": 0.5}, {"0": "much"}, {"x": 1.0}, {"0": -0.5, "1": 1.5}, [1.0], {"0": math.nan}]
)
def test_what_is_no_distribution_is_refused(answer: Any) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with pytest.raises(ExecutionError) as caught:
        counts(circuit, answer, 100, None)
    assert caught.value.code == "PROVIDER_ANSWER_UNUSABLE"


def test_the_seed_makes_counts_of_the_ideal_simulator_the_same_again(provider: QuantumProviders) -> None:
    first, second = (Hand(provider, seed=3).run(BELL).outcome.counts for _ in range(2))
    other = Hand(provider, seed=4).run(BELL).outcome.counts
    assert first == second != other


def test_noise_errs_and_the_seed_makes_its_counts_the_same_again(provider: QuantumProviders) -> None:
    long = CircuitDefinition.of_gates(2, [*(gate("CNOT", 0, 1) for _ in range(21)), gate("H", 0), gate("H", 0)])
    hand = Hand(provider, "ionq_simulator_aria", noise=True, shots=1_000, level=0)
    first, second = (hand.run(long) for _ in range(2))
    assert first.outcome.counts == second.outcome.counts
    wrong = 1_000 - first.outcome.counts[0]["00"]
    # 21 gates of strength 0.0133 and two of 0.0005, three in four of whose errors show at the end.
    assert 100 < wrong < 320
    assert first.outcome.method == "simulator (aria-1)"
    assert Hand(provider, "ionq_simulator_aria", noise=False, level=0).run(long).outcome.counts == ({"00": 100},)


# --- Several circuits in one job ---


SWEEP = CircuitDefinition.of_gates(2, [gate("RX", 0, theta="angle"), gate("MEASURE", 0, bit=1)], (("c", 2),))


def test_a_sweep_is_one_job_and_each_answer_belongs_to_its_circuit(cloud: Ionq, provider: QuantumProviders) -> None:
    sets = tuple({"angle": math.pi * (number % 2)} for number in range(30))
    hand = Hand(provider, experiment=Experiment(parameters=sets))
    tag = new_id("job")
    remote_id = hand.submit(SWEEP, tag)
    answers = hand.fetch(remote_id, SWEEP).outcome.counts
    assert answers == tuple({"10" if number % 2 else "00": 100} for number in range(30))
    assert cloud.accepted()[tag] == 1


def test_without_names_the_order_of_the_listed_children_holds(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.behave(names_children=False)
    sets = tuple({"angle": math.pi * (number % 2)} for number in range(7))
    answers = Hand(provider, experiment=Experiment(parameters=sets)).run(SWEEP).outcome.counts
    assert answers == tuple({"10" if number % 2 else "00": 100} for number in range(7))


def test_the_shots_of_a_sweep_are_drawn_anew_for_each_circuit(provider: QuantumProviders) -> None:
    sets = ({"angle": math.pi / 2},) * 4
    answers = Hand(provider, shots=10_000, experiment=Experiment(parameters=sets)).run(SWEEP).outcome.counts
    assert len({json.dumps(each) for each in answers}) > 1


# --- What is posted ---


def test_a_job_carries_the_tag_and_asks_for_what_was_measured(provider: QuantumProviders) -> None:
    tag = new_id("job")
    hand = Hand(provider, "ionq_forte", shots=200)
    job = hand.fetch(hand.submit(BELL, tag), BELL).raw["job"]
    assert (job["name"], job["metadata"]["ketbase_job"], job["shots"]) == (tag, tag, 200)
    assert job["settings"] == {"error_mitigation": {"debiasing": False}}
    assert job["backend"] == "qpu.forte-1"


def test_a_header_that_is_longer_than_metadata_may_be_is_left_out(provider: QuantumProviders) -> None:
    dice = random.Random(1)
    names = iter(["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=60)) for _ in range(1_500)])
    wide = CircuitDefinition.of_gates(2, [gate("X", 0)], tuple((next(names), 1) for _ in range(1_500)))
    wide = wide.model_copy(update={"gates": (*wide.gates, gate("MEASURE", 0, bit=0))})
    hand = Hand(provider)
    done = hand.fetch(hand.submit(wide), wide)
    assert "qiskit_header" not in done.raw["job"]["metadata"]
    assert done.outcome.counts == ({"0" * 1_499 + "1": 100},)


# --- Exactly once ---


PASSING: list[Fault] = [
    "302",
    "429",
    "429_bare",
    "500",
    "502",
    "503",
    "drop",
    "lost",
    "lost_500",
    "torn",
    "html",
    "late",
    "empty",
]


@pytest.mark.parametrize("fault", PASSING)
def test_whatever_happens_to_a_submission_it_is_posted_once_and_found_again(
    cloud: Ionq, provider: QuantumProviders, fault: Fault
) -> None:
    tag, hand = new_id("job"), Hand(provider)
    cloud.fail_next(fault, method="POST", late_s=LATE_S)
    with pytest.raises(UnavailableError) as caught:
        hand.submit(BELL, tag)
    assert (caught.value.code, caught.value.details["engine"]) == ("PROVIDER_UNAVAILABLE", "ionq")
    assert {route: n for route, n in cloud.requests().items() if "jobs" in route} == {"POST jobs": 1}
    remote_id = hand.submit(BELL, tag, again=True)
    assert cloud.accepted()[tag] == 1
    assert hand.fetch(remote_id, BELL).outcome.shots == 100


def test_a_429_says_when_to_come_back_if_ionq_says_so(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.fail_next("429", "429_bare", method="POST", retry_after_s=17)
    with pytest.raises(UnavailableError) as caught:
        Hand(provider).submit(BELL)
    assert caught.value.details["retry_after_s"] == 17
    with pytest.raises(UnavailableError) as caught:
        Hand(provider).submit(BELL)
    assert "retry_after_s" not in caught.value.details


def test_a_listing_that_is_none_is_no_proof_that_a_job_is_not_there(
    cloud: Ionq, provider: QuantumProviders
) -> None:
    tag, hand = new_id("job"), Hand(provider)
    hand.submit(BELL, tag)
    for fault in ("empty", "html", "torn"):
        cloud.fail_next(fault, method="GET")
        with pytest.raises(UnavailableError):
            hand.submit(BELL, tag, again=True)
    assert cloud.accepted()[tag] == 1


def test_a_job_is_found_behind_many_others_and_however_it_ended(cloud: Ionq, provider: QuantumProviders) -> None:
    tag, hand = new_id("job"), Hand(provider)
    cloud.behave(queue_s=99.0)
    remote_id = hand.submit(BELL, tag)
    provider.cancel("ionq", remote_id)
    for _ in range(12):
        hand.submit(BELL)
    sets = ({"angle": 0.0},) * 30
    Hand(provider, experiment=Experiment(parameters=sets)).submit(SWEEP)
    cloud.give_pages_of(10)
    assert provider.find(hand.backend, tag) == remote_id
    assert cloud.requests()["GET jobs"] == 5


def test_of_a_job_with_several_circuits_the_whole_is_found(provider: QuantumProviders) -> None:
    tag, hand = new_id("job"), Hand(provider, experiment=Experiment(parameters=({"angle": 0.0},) * 3))
    assert hand.submit(SWEEP, tag) == provider.find(info(), tag)


def test_a_job_that_is_not_there_is_not_found(provider: QuantumProviders) -> None:
    assert provider.find(info(), new_id("job")) is None
    assert provider.find(info(), "no id of ours") is None


def test_jobs_from_long_before_the_tag_are_not_walked(cloud: Ionq, provider: QuantumProviders) -> None:
    hand = Hand(provider)
    for _ in range(6):
        hand.submit(BELL)
    cloud.give_pages_of(2)
    asked = cloud.requests().get("GET jobs", 0)
    later = datetime.now(UTC) + timedelta(hours=2)
    assert provider.find(info(), new_id("job", later)) is None
    assert cloud.requests()["GET jobs"] == asked + 1


def test_a_listing_that_begins_with_the_oldest_is_walked_to_its_end(
    cloud: Ionq, provider: QuantumProviders
) -> None:
    """Nobody says in which order IonQ lists jobs."""
    hand = Hand(provider)
    for _ in range(6):
        hand.submit(BELL)
    tag = new_id("job", datetime.now(UTC) + timedelta(hours=2))
    remote_id = hand.submit(BELL, tag)
    cloud.give_pages_of(2, oldest_first=True)
    assert provider.find(info(), tag) == remote_id


def test_200_jobs_come_through_any_faults_once_each(tmp_path: Path) -> None:
    with running(tmp_path / "jobs.db") as cloud:
        hand = Hand(QuantumProviders({"ionq": lambda: engine_of(cloud)}))
        definition = CircuitDefinition.of_gates(2, [gate("X", 1)])
        compiled = hand.compile(definition)
        hand.compile = lambda _: compiled  # type: ignore[method-assign]
        tags = [new_id("job") for _ in range(200)]
        cloud.fail_often(dict.fromkeys(PASSING, 0.01), seed=11, late_s=PATIENCE_S + 0.1)

        remote_ids = [submitted(hand, definition, tag) for tag in tags]
        states = insist(lambda: hand.provider.states("ionq", remote_ids))
        outcomes = [insist(lambda each=each: hand.fetch(each, definition)).outcome for each in remote_ids]

        assert {state.status for state in states.values()} == {RemoteStatus.COMPLETED}
        assert {json.dumps(outcome.counts) for outcome in outcomes} == {'[{"10": 100}]'}
        assert cloud.accepted() == dict.fromkeys(tags, 1)
        assert set(PASSING) <= cloud.met().keys()


def submitted(hand: Hand, definition: CircuitDefinition, tag: str) -> str:
    """What the step of a run does: hand in, and from then on look first."""
    again = False
    while True:
        try:
            return hand.submit(definition, tag, again=again)
        except UnavailableError:
            again = True


def insist[T](ask: Callable[[], T]) -> T:
    while True:
        with suppress(UnavailableError):
            return ask()


# --- States ---


def test_states_of_200_jobs_take_two_requests(cloud: Ionq, provider: QuantumProviders) -> None:
    hand = Hand(provider)
    compiled = hand.compile(BELL)
    hand.compile = lambda _: compiled  # type: ignore[method-assign]
    ids = [hand.submit(BELL) for _ in range(200)]
    asked = cloud.requests().get("GET jobs", 0)
    states = provider.states("ionq", ids)
    assert cloud.requests()["GET jobs"] == asked + 2
    assert set(states) == set(ids)
    assert {state.status for state in states.values()} == {RemoteStatus.COMPLETED}
    cloud.give_pages_of(25)
    assert provider.states("ionq", ids) == states


def test_a_job_goes_from_queued_to_completed(cloud: Ionq, provider: QuantumProviders) -> None:
    remote_id = Hand(provider).submit(BELL)
    seen = []
    for course in (
        {"ready_s": 99.0},
        {"ready_s": 0.0, "queue_s": 99.0},
        {"queue_s": 0.0, "run_s": 99.0},
        {"run_s": 0.0},
    ):
        cloud.behave(**course)
        seen.append(provider.states("ionq", [remote_id])[remote_id])
    assert [(state.status.value, state.raw) for state in seen] == [
        ("queued", "submitted"),
        ("queued", "ready"),
        ("running", "started"),
        ("completed", "completed"),
    ]


@pytest.mark.parametrize("word", ["paused", "", "COMPLETED?"])
def test_a_word_nobody_knows_is_unknown_and_never_failed(
    cloud: Ionq, provider: QuantumProviders, word: str
) -> None:
    remote_id = Hand(provider).submit(BELL)
    cloud.behave(words={"completed": word})
    assert provider.states("ionq", [remote_id])[remote_id] == RemoteState(status=RemoteStatus.UNKNOWN, raw=word)


def test_a_job_that_ionq_fails_says_why(cloud: Ionq, provider: QuantumProviders) -> None:
    hand = Hand(provider, "ionq_forte", shots=20_000)
    remote_id = hand.submit(BELL)
    state = provider.states("ionq", [remote_id])[remote_id]
    assert (state.status, state.raw) == (RemoteStatus.FAILED, "failed")
    assert state.message == "TooManyShots: qpu.forte-1 runs at most 10000 shots"
    with pytest.raises(ExecutionError) as caught:
        hand.fetch(remote_id, BELL)
    assert caught.value.code == "PROVIDER_JOB_FAILED"
    assert "TooManyShots" in caught.value.message


def test_jobs_that_ionq_does_not_know_are_left_out(provider: QuantumProviders) -> None:
    remote_id = Hand(provider).submit(BELL)
    nobody = "00000000-0000-4000-8000-000000000000"
    assert set(provider.states("ionq", [nobody, remote_id])) == {remote_id}
    assert provider.states("ionq", []) == {}


def test_canceling_stops_a_job_and_leaves_a_completed_one_alone(cloud: Ionq, provider: QuantumProviders) -> None:
    hand = Hand(provider)
    done = hand.submit(BELL)
    provider.cancel("ionq", done)
    assert provider.states("ionq", [done])[done].status is RemoteStatus.COMPLETED
    cloud.behave(queue_s=99.0)
    waiting = hand.submit(BELL)
    provider.cancel("ionq", waiting)
    provider.cancel("ionq", waiting)
    assert provider.states("ionq", [waiting])[waiting] == RemoteState(status=RemoteStatus.CANCELLED, raw="canceled")
    provider.cancel("ionq", "00000000-0000-4000-8000-000000000000")


# --- Results ---


def test_results_that_come_late_are_asked_for_again(cloud: Ionq, provider: QuantumProviders) -> None:
    hand = Hand(provider)
    remote_id = hand.submit(BELL)
    cloud.behave(late_results_s=99.0)
    with pytest.raises(UnavailableError) as caught:
        hand.fetch(remote_id, BELL)
    assert caught.value.details["reason"] == "no result yet"
    cloud.behave(late_results_s=0.0)
    assert hand.fetch(remote_id, BELL).outcome.shots == 100


@pytest.mark.parametrize("route", range(3))
@pytest.mark.parametrize("fault", ["429", "lost", "torn", "html", "late", "empty"])
def test_a_fault_in_any_request_of_a_fetch_passes(
    cloud: Ionq, provider: QuantumProviders, fault: Fault, route: int
) -> None:
    hand = Hand(provider, "ionq_forte")
    remote_id = hand.submit(BELL)
    untouched: list[Fault] = ["none"] * route
    tries = 3 if fault in ("lost", "late") else 1  # a read is tried again where nothing came
    cloud.fail_next(*untouched, *[fault] * tries, method="GET", late_s=LATE_S)
    with pytest.raises(UnavailableError):
        hand.fetch(remote_id, BELL)
    assert hand.fetch(remote_id, BELL).billed is not None


@pytest.mark.parametrize("fault", ["500", "502", "503", "drop", "lost"])
def test_reading_is_tried_again_at_once(cloud: Ionq, provider: QuantumProviders, fault: Fault) -> None:
    remote_id = Hand(provider).submit(BELL)
    cloud.fail_next(fault, fault, method="GET")
    assert provider.states("ionq", [remote_id])[remote_id].status is RemoteStatus.COMPLETED


def test_a_job_that_is_gone_has_no_result(provider: QuantumProviders) -> None:
    with pytest.raises(ExecutionError) as caught:
        Hand(provider).fetch("00000000-0000-4000-8000-000000000000", BELL)
    assert caught.value.code == "PROVIDER_JOB_MISSING"


def test_a_job_that_still_runs_is_asked_for_again(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.behave(run_s=99.0)
    hand = Hand(provider)
    with pytest.raises(UnavailableError):
        hand.run(BELL)


def test_ionq_says_what_a_job_cost_unless_it_counts_credits(cloud: Ionq, provider: QuantumProviders) -> None:
    hand = Hand(provider, "ionq_forte", shots=1_000)
    assert hand.run(BELL).billed == Money.of("0.35")
    assert Hand(provider).run(BELL).billed == Money()
    cloud.behave(charges_credits=True)
    done = hand.run(BELL)
    assert done.billed is None
    assert done.raw["cost"]["cost"] == {"value": 0.35, "unit": "credit"}


def test_an_outcome_says_when_and_where_it_was_made(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.behave(queue_s=0.1, run_s=0.2)
    hand = Hand(provider, "ionq_forte")
    remote_id = hand.submit(BELL)
    while not provider.states("ionq", [remote_id])[remote_id].status.final:
        pass
    outcome = hand.fetch(remote_id, BELL).outcome
    assert (outcome.method, outcome.seconds) == ("qpu.forte-1", 0.2)
    assert timedelta(seconds=0.19) < outcome.ended_at - outcome.started_at < timedelta(seconds=0.21)
    assert "qiskit-ionq" in outcome.sdk


# --- Refusals and credentials ---


def test_a_refusal_carries_ionqs_words(provider: QuantumProviders) -> None:
    with pytest.raises(ExecutionError) as caught:
        Hand(provider, "ionq_aria").submit(BELL)
    assert caught.value.code == "PROVIDER_REFUSED"
    assert "qpu.aria-1 takes no jobs" in caught.value.message


def test_a_wrong_key_is_told_and_can_be_mended(cloud: Ionq) -> None:
    stranger = QuantumProviders({"ionq": lambda: engine_of(cloud, "wrong")})
    asks: list[Callable[[], Any]] = [
        lambda: Hand(stranger).submit(BELL),
        lambda: stranger.states("ionq", ["00000000-0000-4000-8000-000000000000"]),
        lambda: stranger.find(info(), new_id("job")),
        lambda: stranger.sight("ionq"),
    ]
    for ask in asks:
        with pytest.raises(UnavailableError) as caught:
            ask()
        assert caught.value.code == "PROVIDER_CREDENTIALS"
        assert "KETBASE_IONQ_API_KEY" in caught.value.message
        assert "wrong" not in caught.value.message


def test_compiling_needs_no_key() -> None:
    def nobody() -> str:
        raise AssertionError("the key was asked for")

    keyless = QuantumProviders({"ionq": lambda: IonqEngine(nobody, "http://127.0.0.1:9/v0.4")})
    assert Hand(keyless).compile(BELL).gate_counts


def test_a_netrc_file_does_not_take_the_keys_place(
    cloud: Ionq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert Hand(QuantumProviders({"ionq": lambda: engine_of(cloud)})).submit(BELL)


def test_a_cloud_that_is_not_there_is_unavailable() -> None:
    away = QuantumProviders({"ionq": lambda: engine_of(Ionq("http://127.0.0.1:9"))})
    with pytest.raises(UnavailableError):
        Hand(away).submit(BELL)


# --- Backends ---


def test_backends_are_described_as_ionq_has_them_now(provider: QuantumProviders) -> None:
    seen = {sighting.info.id: sighting for sighting in provider.sight("ionq")}
    assert set(seen) == {
        "ionq_simulator",
        "ionq_simulator_aria",
        "ionq_simulator_forte",
        "ionq_aria",
        "ionq_forte",
        "ionq_forte_enterprise_1",
    }
    assert (seen["ionq_aria"].available, seen["ionq_aria"].raw_status) == (False, "retired")
    forte = seen["ionq_forte"]
    assert (forte.available, forte.raw_status, forte.avg_wait_s) == (True, "available", WAIT_MS / 1_000)
    assert forte.info.capabilities.max_qubits == 36
    assert forte.info.calibration is not None
    assert forte.info.calibration.model_dump(exclude={"taken_at"}) == {
        "median_readout_error": 0.009,
        "median_two_qubit_error": 0.005,
        "median_single_qubit_error": 0.0003,
        "median_t1_us": 100e6,
        "median_t2_us": 1e6,
    }
    enterprise = seen["ionq_forte_enterprise_1"]
    assert (enterprise.available, enterprise.raw_status) == (True, "available, degraded")
    assert (enterprise.info.name, enterprise.info.remote_name) == (
        "IonQ Forte Enterprise 1",
        "qpu.forte-enterprise-1",
    )
    assert enterprise.info.calibration is None  # one of its medians is missing


def test_a_discovered_machine_runs_circuits(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.behave(machines_err=False)
    found = next(each.info for each in provider.sight("ionq") if each.info.id == "ionq_forte_enterprise_1")
    hand = Hand(provider)
    hand.backend = found
    assert hand.run(CircuitDefinition.of_gates(2, [gate("X", 1)])).outcome.counts == ({"10": 100},)


def test_a_calibration_is_read_with_its_date_and_units(provider: QuantumProviders) -> None:
    properties = provider.properties(info("ionq_forte"))
    assert properties is not None
    assert properties.taken_at == datetime(2026, 9, 29, tzinfo=UTC)
    assert (
        properties.qubits
        == ({"readout_error": 0.009, "t1_us": 100e6, "t2_us": 1e6, "readout_duration_ns": 150_000.0},) * 36
    )
    assert [(g.gate, g.qubits, g.error, g.duration_ns) for g in properties.gates] == [
        ("1q", (), 0.0003, 130_000.0),
        ("2q", (), 0.005, 970_000.0),
    ]
    assert properties.raw["id"].endswith("1")


@pytest.mark.parametrize("backend", ["ionq_simulator", "ionq_simulator_forte", "ionq_aria"])
def test_what_has_no_calibration_says_so(provider: QuantumProviders, backend: str) -> None:
    assert provider.properties(info(backend)) is None


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    caches = [each for each in vars(wiring).values() if hasattr(each, "cache_clear")]
    for cache in (*caches, settings_of_process):
        cache.cache_clear()
    yield
    for cache in (*caches, settings_of_process):
        cache.cache_clear()


@pytest.mark.usefixtures("fresh_settings")
def test_the_settings_lead_to_ionq(cloud: Ionq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    monkeypatch.setenv("KETBASE_IONQ_API_KEY", cloud.key)
    monkeypatch.setenv("KETBASE_IONQ_URL", f"{cloud.url}/")
    assert "ionq" in wiring.engines()
    assert "ionq_forte" in {backend.id for backend in wiring.backends().list()}
    assert len(wiring.provider().sight("ionq")) == 6


@pytest.mark.usefixtures("fresh_settings")
def test_without_a_key_there_are_no_backends_of_ionq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    monkeypatch.delenv("KETBASE_IONQ_API_KEY", raising=False)
    listed = wiring.backends().list()
    assert "ionq" not in {backend.engine for backend in listed}
    with pytest.raises(NotFoundError):
        wiring.backends().info("ionq_simulator")


# --- The stand-in itself ---


def test_the_standin_keeps_its_jobs_when_it_is_started_again(tmp_path: Path) -> None:
    tag = new_id("job")
    with running(tmp_path / "jobs.db") as first:
        Hand(QuantumProviders({"ionq": lambda: engine_of(first)})).submit(BELL, tag)
    with running(tmp_path / "jobs.db") as second:
        again = QuantumProviders({"ionq": lambda: engine_of(second)})
        assert again.find(info(), tag) is not None
        assert second.accepted() == {tag: 1}


def test_the_standin_refuses_what_the_api_does_not_know(cloud: Ionq) -> None:
    def post(**changes: Any) -> requests.Response:
        body = {
            "type": "ionq.circuit.v1",
            "backend": "simulator",
            "input": {"gateset": "qis", "circuit": [{"gate": "h", "target": 0}]},
        }
        return requests.post(
            f"{cloud.url}/jobs", json=body | changes, headers={"Authorization": f"apiKey {cloud.key}"}
        )

    assert post().status_code == 201
    for changes in ({"lang": "json"}, {"shots": 0}, {"backend": "qpu.none"}, {"type": "circuit"}, {"input": {}}):
        answer = post(**changes)
        assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")
    wrong = requests.get(f"{cloud.url}/whoami", headers={"Authorization": f"Bearer {cloud.key}"})
    assert wrong.status_code == 401


@pytest.mark.parametrize("gate_name", ["gpi", "gpi2", "ms", "zz"])
def test_the_standins_native_gates_are_the_sdks(gate_name: str) -> None:
    angles = {"gpi": [0.13], "gpi2": [0.13], "ms": [0.13, 0.41, 0.2], "zz": [0.2]}[gate_name]
    kind = {"gpi": GPIGate, "gpi2": GPI2Gate, "ms": MSGate, "zz": ZZGate}[gate_name]
    n = 2 if gate_name in ("ms", "zz") else 1
    step = gates.native(gate_name, range(n), angles[:2], angles[-1])
    assert np.allclose(gates.unitary([step], n), np.array(kind(*angles)))


def test_faults_by_dice_come_as_often_as_asked(cloud: Ionq, provider: QuantumProviders) -> None:
    cloud.fail_often({"429": 0.3, "lost": 0.2}, seed=5)
    engine = Hand(provider)
    compiled = engine.compile(BELL)
    engine.compile = lambda _: compiled  # type: ignore[method-assign]
    for _ in range(100):
        with suppress(UnavailableError):
            engine.submit(BELL)
    met = cloud.met()
    assert 15 <= met["429"] <= 45
    assert 8 <= met["lost"] <= 35
