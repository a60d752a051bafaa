"""Amazon Braket's engine against a server that stands in for it: its own reader of programs, its own simulator."""

import itertools
import json
import math
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from ketbase.adapters.clock import SystemClock
from ketbase.backends.experiments import Experiment, Mitigation, Observable, Variant, ZeroNoiseExtrapolation
from ketbase.backends.remote import RemoteStatus
from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import ExecutionError, InvalidCircuitError, UnavailableError
from ketbase.money import Money
from ketbase.quantum.braket.calls import CONFIG
from ketbase.quantum.braket.capabilities import Window
from ketbase.quantum.braket.devices import id_of
from ketbase.quantum.braket.dialects import Dialect
from ketbase.quantum.braket.engine import BraketEngine
from ketbase.quantum.braket.gates import NATIVE_PAIRS, PORTABLE, PRX, RX_RZ, gate
from ketbase.quantum.braket.programs import measured, written
from ketbase.quantum.braket.results import counts_of
from ketbase.quantum.braket.tasks import join, parts_of, split
from ketbase.quantum.braket.windows import opens_in
from ketbase.quantum.engines import Work
from ketbase.quantum.providers import QuantumProviders
from tests import conformance, servers
from tests.standins.braket import devices, statevector

BUCKET = "amazon-braket-ketbase-tests"
REGIONS = ("us-east-1", "us-west-1", "eu-north-1", "eu-west-2")
RUNNING = {"garnet": devices.GARNET, "ankaa": devices.ANKAA, "lucy": devices.LUCY, "forte": devices.FORTE}
RUNNING |= {"ibex": devices.IBEX, "sv1": devices.SV1}
VERBATIM = ("garnet", "ankaa")

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StandIn:
    """The server, and what it may be told."""

    def __init__(self, url: str):
        self.url = url

    def set(self, **given: Any) -> None:
        self._ask(given)

    def fail(self, *kinds: str, operation: str | None = None) -> None:
        self._ask({"faults": [{"operation": operation, "kind": kind} for kind in kinds]})

    def seen(self) -> Any:
        return self._ask(None)

    def accepted(self, tag: str) -> list[str]:
        return list(self.seen()["accepted"].get(tag, ()))

    def _ask(self, given: Any) -> Any:
        body = None if given is None else json.dumps(given).encode()
        with _DIRECT.open(urllib.request.Request(f"{self.url}/control", body)) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def server(moto: str) -> Iterator[StandIn]:
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.standins.braket", "--port", str(port), "--s3", moto]
    servers.aws("s3", moto).create_bucket(Bucket=BUCKET)
    with servers.process(command, {"PYTHONPATH": os.pathsep.join(sys.path)}, f"{url}/control"):
        yield StandIn(url)


@pytest.fixture
def braket(server: StandIn) -> StandIn:
    server.set(clear=True)
    return server


@pytest.fixture
def engine(braket: StandIn, moto: str) -> BraketEngine:
    """An engine whose requests are sent once only, so that each fault is seen."""
    return engine_at(braket, moto, attempts=1)


def engine_at(braket: StandIn, moto: str, *, attempts: int, bucket: str = BUCKET, **config: Any) -> BraketEngine:
    def client(region: str) -> Any:
        given = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": attempts}, **config))
        return boto3.client(
            "braket", endpoint_url=braket.url, region_name=region, config=given, **servers.CREDENTIALS
        )

    return BraketEngine(client, servers.aws("s3", moto), SystemClock(), regions=REGIONS, bucket=bucket)


@pytest.fixture
def providers(engine: BraketEngine) -> QuantumProviders:
    return QuantumProviders({"braket": lambda: engine})


@pytest.fixture(scope="module")
def backends(server: StandIn, moto: str) -> dict[str, BackendInfo]:
    sighted = engine_at(server, moto, attempts=1).sight()
    by_id = {each.info.id: each.info for each in sighted}
    return {name: by_id[id_of(arn)] for name, arn in RUNNING.items()}


def run(
    providers: QuantumProviders, backend: BackendInfo, definitions: Sequence[CircuitDefinition], shots: int
) -> list[dict[str, int]]:
    counts = []
    for definition in definitions:
        tag = f"job_{next(NUMBERS)}"
        compiled, remote_id = hand_in(providers, backend, definition, shots, tag)
        assert providers.states("braket", [remote_id])[remote_id].status is RemoteStatus.COMPLETED
        fetched = providers.fetch(remote_id, compiled, backend=backend, experiment=Experiment(), shots=shots)
        counts.append(fetched.outcome.counts[0])
    return counts


def hand_in(
    providers: QuantumProviders,
    backend: BackendInfo,
    definition: CircuitDefinition,
    shots: int,
    tag: str,
    *,
    experiment: Experiment | None = None,
    again: bool = False,
    level: int = 1,
) -> Any:
    experiment = experiment or Experiment()
    compiled = providers.compile(
        definition, backend=backend, experiment=experiment, seed=7, optimization_level=level
    )
    remote_id = providers.submit(
        compiled,
        backend=backend,
        experiment=experiment,
        shots=shots,
        seed=7,
        noise=False,
        tag=tag,
        again=again,
    )
    return compiled, remote_id


NUMBERS = itertools.count()
BELL = CircuitDefinition.of_gates(2, [conformance.gate("H", 0), conformance.gate("CNOT", 0, 1)])
SWEPT = CircuitDefinition.of_gates(1, [conformance.gate("RX", 0, theta="a")])


def sweep(n: int) -> Experiment:
    return Experiment(parameters=tuple({"a": math.pi * (number % 2)} for number in range(n)))


def execute(providers: QuantumProviders, backend: BackendInfo) -> conformance.Execute:
    return lambda definitions, shots: run(providers, backend, definitions, shots)


# --- The same circuits as everywhere ---


@pytest.mark.parametrize("name", RUNNING)
def test_certain_circuits_give_their_one_answer(name: str, providers: Any, backends: Any) -> None:
    conformance.check_certain(execute(providers, backends[name]))


@pytest.mark.parametrize("name", RUNNING)
def test_random_circuits_have_their_exact_distribution(name: str, providers: Any, backends: Any) -> None:
    conformance.check_random(execute(providers, backends[name]))


@pytest.mark.parametrize("name", RUNNING)
def test_reversed_bits_are_noticed(name: str, providers: Any, backends: Any, monkeypatch: Any) -> None:
    def turned(*arguments: Any, **named: Any) -> dict[str, int]:
        return conformance.reversed_bits(counts_of(*arguments, **named))

    monkeypatch.setattr("ketbase.quantum.braket.engine.counts_of", turned)
    with pytest.raises(AssertionError):
        conformance.check_certain(execute(providers, backends[name]))
    with pytest.raises(AssertionError):
        conformance.check_random(execute(providers, backends[name]))


@pytest.mark.parametrize("name", ["garnet", "ankaa", "forte"])
def test_columns_sorted_by_qubits_give_the_same_bits(
    name: str, braket: StandIn, providers: Any, backends: Any
) -> None:
    braket.set(columns="qubits")
    conformance.check_certain(execute(providers, backends[name]))


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("name", VERBATIM)
def test_any_number_of_qubits_finds_its_place_at_every_level(
    name: str, level: int, providers: Any, backends: Any
) -> None:
    backend = backends[name]
    for n_qubits in (1, 2, backend.capabilities.max_qubits):
        alone = CircuitDefinition.of_gates(n_qubits, [conformance.gate("X", q) for q in range(n_qubits)])
        hand_in(providers, backend, alone, 10, f"job_{next(NUMBERS)}", level=level)


def test_two_registers_and_a_part_of_the_bits_come_out_in_order(providers: Any, backends: Any) -> None:
    gates = [conformance.gate("X", 2), conformance.gate("MEASURE", 2, bit=3), conformance.gate("MEASURE", 0, bit=1)]
    definition = CircuitDefinition.of_gates(3, gates, (("low", 2), ("high", 3)))
    for name in RUNNING:
        assert run(providers, backends[name], [definition], 50) == [{"01000": 50}]


def test_a_circuit_that_only_measures_runs_everywhere(providers: Any, backends: Any) -> None:
    definition = CircuitDefinition.of_gates(2, [conformance.gate("MEASURE", 1, bit=0)], (("c", 1),))
    for name in RUNNING:
        assert run(providers, backends[name], [definition], 50) == [{"0": 50}]


# --- How circuits are written ---


def test_machines_with_couplers_get_native_gates_on_their_own_qubits_verbatim(
    braket: StandIn, providers: Any, backends: Any
) -> None:
    compiled, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_g")
    source = json.loads(braket.seen()["actions"][remote_id])["source"]
    gates = source.split("box{\n")[1].split("\n}")[0].splitlines()
    assert "#pragma braket verbatim" in source
    assert {line.split("(")[0].split()[0] for line in gates} == {"prx", "cz"}
    one, other = compiled.physical_qubits
    assert (one, other) in devices.GARNET_COUPLERS
    assert f"cz ${one}, ${other};" in gates or f"cz ${other}, ${one};" in gates
    assert set(compiled.layout) == {one, other}
    _, remote_id = hand_in(providers, backends["ankaa"], BELL, 10, "job_a")
    assert "iswap" in json.loads(braket.seen()["actions"][remote_id])["source"]


def test_a_device_that_must_be_asked_to_leave_qubits_in_place_is_asked(
    braket: StandIn, providers: Any, backends: Any
) -> None:
    _, remote_id = hand_in(providers, backends["lucy"], BELL, 10, "job_l")
    seen = braket.seen()
    parameters = json.loads(seen["parameters"][remote_id])
    assert parameters["braketSchemaHeader"] == {
        "name": "braket.device_schema.oqc.oqc_device_parameters",
        "version": "1",
    }
    assert parameters["paradigmParameters"]["disableQubitRewiring"] is True
    source = json.loads(seen["actions"][remote_id])["source"]
    assert "$" in source
    assert "verbatim" not in source
    _, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_g")
    assert braket.seen()["parameters"][remote_id] is None  # it refuses to be asked


@pytest.mark.parametrize(
    ("writing", "name"),
    [
        (writing, name)
        for writing, names in (
            ("portable", PORTABLE),
            ("prx", {**PRX, **NATIVE_PAIRS}),
            ("rx_rz", {**RX_RZ, **NATIVE_PAIRS}),
        )
        for name in names
    ],
)
def test_each_gate_is_written_as_one_of_the_same_matrix(writing: str, name: str) -> None:
    table = {"portable": PORTABLE, "prx": {**PRX, **NATIVE_PAIRS}, "rx_rz": {**RX_RZ, **NATIVE_PAIRS}}[writing]
    free = gate(name)
    angles = [0.7 + number for number in range(len(free.params))]
    braket_name, braket_angles = table[name](*angles)
    circuit = QuantumCircuit(free.num_qubits)
    circuit.append(free, range(free.num_qubits)[::-1])  # Braket's first qubit is the leftmost
    circuit = circuit.assign_parameters(dict(zip(free.params, angles, strict=True)))
    assert Operator(circuit).equiv(Operator(statevector.GATES[braket_name](*braket_angles)))


def test_what_has_no_form_is_refused_and_never_left_out() -> None:
    dialect = Dialect(True, True, {**PRX, **NATIVE_PAIRS}, ("r", "cz"), ("prx", (0.0, 0.0)))
    circuit = QuantumCircuit(2, 1)
    circuit.append(gate("h"), [0])
    circuit.measure(0, 0)
    with pytest.raises(ExecutionError, match="h is none of the gates"):
        written(circuit, dialect)
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    circuit.rx(0.1, 0)
    with pytest.raises(ExecutionError, match="after a measurement"):
        written(circuit, dialect)


def test_circuits_that_need_more_than_gates_are_refused_when_compiled(providers: Any, backends: Any) -> None:
    reset = CircuitDefinition.of_gates(1, [conformance.gate("RESET", 0)])
    for name in ("garnet", "sv1"):
        with pytest.raises(InvalidCircuitError, match="reset"):
            hand_in(providers, backends[name], reset, 10, "job_r")


def test_a_qubit_measured_into_two_bits_is_measured_once() -> None:
    circuit = QuantumCircuit(2, 3)
    circuit.x(1)
    circuit.measure([1, 0, 1], [2, 1, 0])
    reads = measured(circuit, physical=True)
    assert reads.qubits == (1, 0)
    execution = {"measuredQubits": [0, 1], "measurements": [[0, 1]] * 4}
    assert counts_of(execution, circuit, 4, physical=True) == {"101": 4}


# --- Devices ---


def test_every_device_that_runs_circuits_is_found_in_its_region(engine: BraketEngine) -> None:
    sighted = {each.info.id: each for each in engine.sight()}
    assert list(sighted) == [
        "braket_ionq_forte_1",
        "braket_sv1",
        "braket_rigetti_ankaa_3",
        "braket_rigetti_cepheus_1_108q",
        "braket_iqm_garnet",
        "braket_aqt_ibex_q1",
        "braket_oqc_lucy",
    ]  # neither what runs no circuits nor what is retired
    garnet, sv1 = sighted["braket_iqm_garnet"], sighted["braket_sv1"]
    assert garnet.available
    assert garnet.raw_status == "ONLINE"
    assert garnet.queue_depth == 9
    assert not sighted["braket_rigetti_cepheus_1_108q"].available
    assert sighted["braket_rigetti_cepheus_1_108q"].raw_status == "OFFLINE"
    assert (garnet.info.type, garnet.info.provider, garnet.info.remote_name) == ("hardware", "iqm", devices.GARNET)
    assert garnet.info.capabilities.max_qubits == 20
    assert garnet.info.capabilities.max_shots == 200_000
    assert garnet.info.capabilities.max_circuits == 100
    assert not garnet.info.capabilities.supports_mid_circuit_measurement
    assert (sv1.info.type, sv1.info.capabilities.max_qubits, sv1.info.calibration) == ("simulator", 34, None)
    assert sv1.avg_wait_s is None


def test_calibrations_of_all_forms_are_summarised(backends: Any) -> None:
    garnet = backends["garnet"].calibration
    assert garnet.taken_at == datetime.fromisoformat(devices.UPDATED_AT)
    assert garnet.median_readout_error == pytest.approx(0.03 - 10.5 / 10_000)
    assert garnet.median_single_qubit_error == pytest.approx(0.001)
    assert garnet.median_two_qubit_error == pytest.approx(0.01)
    assert garnet.median_t1_us == pytest.approx(40.5)
    assert garnet.median_t2_us == pytest.approx(20.5)
    ankaa = backends["ankaa"].calibration
    assert ankaa.median_t1_us == pytest.approx(30 + sorted(devices.ANKAA_QUBITS)[7])
    forte = backends["forte"].calibration
    assert forte.median_readout_error == pytest.approx(0.005)
    assert forte.median_t1_us == pytest.approx(100e6)
    ibex = backends["ibex"].calibration
    assert ibex.taken_at == datetime(2026, 11, 19, 12, 29, 3, tzinfo=UTC)
    assert ibex.median_two_qubit_error == pytest.approx(0.013)


def test_properties_name_qubits_as_the_device_does(engine: BraketEngine, backends: Any) -> None:
    properties = engine.properties(backends["garnet"])
    assert properties is not None
    assert len(properties.qubits) == 21
    assert properties.qubits[0] == {}
    assert properties.qubits[20]["t1_us"] == pytest.approx(50)
    pairs = {each.qubits: each for each in properties.gates if len(each.qubits) == 2}
    assert set(pairs) == set(devices.GARNET_COUPLERS)
    assert pairs[1, 2].gate == "cz"
    assert pairs[1, 2].error == pytest.approx(0.01)
    assert {each.gate for each in properties.gates if len(each.qubits) == 1} == {"prx"}
    assert properties.raw["standardized"]["oneQubitProperties"]["1"]
    assert engine.properties(backends["sv1"]) is None
    assert engine.properties(backends["forte"]).qubits[35]["readout_error"] == pytest.approx(0.005)  # type: ignore[union-attr]


def test_dead_couplers_are_left_out_unless_a_circuit_needs_them(engine: BraketEngine, backends: Any) -> None:
    machine = engine.machine(backends["ankaa"])
    alive, whole = (set(target.build_coupling_map().get_edges()) for target in machine.targets)
    both = {ends for pair in devices.ANKAA_DEAD for ends in (pair, pair[::-1])}
    assert whole - alive == {(8, 15), (15, 8)} | (whole & {(1, 2), (2, 1)})
    assert not alive & both
    assert machine.calibrated_at == datetime.fromisoformat(devices.UPDATED_AT)
    assert machine.n_qubits == 15


def test_a_device_that_nobody_has_is_refused(engine: BraketEngine, backends: Any) -> None:
    gone = backends["garnet"].model_copy(update={"remote_name": f"{devices.GARNET}-2"})
    with pytest.raises(ExecutionError) as refused:
        engine.machine(gone)
    assert refused.value.code == "PROVIDER_REFUSED"


def test_windows_say_when_a_device_executes_again() -> None:
    windows = [
        Window.model_validate({"executionDay": day, "windowStartHour": start, "windowEndHour": end})
        for day, start, end in (("Monday", "22:00:00", "23:59:59"), ("Tuesday", "00:00:00", "03:59:59"))
    ]
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    assert opens_in(windows, monday) == timedelta(hours=22)
    assert opens_in(windows, monday + timedelta(hours=23)) == timedelta()
    assert opens_in(windows, monday + timedelta(hours=23, minutes=59, seconds=59.5)) == timedelta()
    assert opens_in(windows, monday + timedelta(hours=29)) == timedelta(days=6, hours=-5 + 22 - 24 + 24)
    assert opens_in([], monday) is None
    every = [
        Window.model_validate({"executionDay": "Everyday", "windowStartHour": "20:00", "windowEndHour": "04:00"})
    ]
    assert opens_in(every, monday + timedelta(hours=3)) == timedelta()
    assert opens_in(every, monday + timedelta(hours=5)) == timedelta(hours=15)


# --- Several circuits ---


def test_a_sweep_is_one_task_where_the_device_takes_program_sets(
    braket: StandIn, providers: Any, backends: Any
) -> None:
    for files in (False, True):
        braket.set(files=files)
        tag = f"job_files_{files}"
        compiled, remote_id = hand_in(providers, backends["garnet"], SWEPT, 100, tag, experiment=sweep(7))
        assert braket.accepted(tag) == [remote_id]
        came = providers.fetch(remote_id, compiled, backend=backends["garnet"], experiment=sweep(7), shots=100)
        assert came.outcome.counts == tuple({str(number % 2): 100} for number in range(7))
        assert came.billed == Money.of("0.30") + Money.of("0.00145") * 700


def test_a_sweep_is_as_few_tasks_as_the_device_allows(braket: StandIn, providers: Any, backends: Any) -> None:
    for name, tasks in (("ankaa", 3), ("sv1", 7)):
        tag = f"job_several_{name}"
        compiled, remote_id = hand_in(providers, backends[name], SWEPT, 100, tag, experiment=sweep(7))
        assert split(remote_id) == braket.accepted(tag)
        assert len(split(remote_id)) == tasks
        assert providers.states("braket", [remote_id])[remote_id].raw == f"COMPLETED {tasks}"
        came = providers.fetch(remote_id, compiled, backend=backends[name], experiment=sweep(7), shots=100)
        assert came.outcome.counts == tuple({str(number % 2): 100} for number in range(7))


def test_observables_are_estimated_from_bases_on_verbatim_devices(providers: Any, backends: Any) -> None:
    observables = (Observable(terms={"ZZ": 1.0}), Observable(terms={"XX": 1.0, "YY": 0.5}))
    for name, zne in (("garnet", ZeroNoiseExtrapolation()), ("ankaa", None)):
        experiment = Experiment(observables=observables, mitigation=Mitigation(readout=True, zne=zne))
        compiled, remote_id = hand_in(
            providers, backends[name], BELL, 2_000, f"job_obs_{name}", experiment=experiment
        )
        came = providers.fetch(remote_id, compiled, backend=backends[name], experiment=experiment, shots=2_000)
        assert [each.raw.value for each in came.outcome.expectations] == pytest.approx([1.0, 0.5], abs=0.1)
        mitigated = [each.mitigated.value for each in came.outcome.expectations if each.mitigated]
        assert mitigated == pytest.approx([1.0, 0.5], abs=0.2)


def test_folded_gates_arrive_as_they_are(braket: StandIn, providers: Any, backends: Any) -> None:
    experiment = Experiment(
        observables=(Observable(terms={"ZZ": 1.0}),), mitigation=Mitigation(zne=ZeroNoiseExtrapolation())
    )
    _, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_folds", experiment=experiment)
    programs = json.loads(braket.seen()["actions"][remote_id])["programs"]
    assert [each["source"].count("cz ") for each in programs] == [1, 3, 5]
    with pytest.raises(InvalidCircuitError, match="no two-qubit gate to fold"):
        hand_in(providers, backends["ankaa"], BELL, 10, "job_folds", experiment=experiment)


def test_noise_is_not_scaled_where_braket_would_take_the_folds_out(
    engine: BraketEngine, braket: StandIn, backends: Any
) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    variants = (Variant(), Variant(scale=3))
    for name, refused in (("forte", True), ("lucy", True), ("garnet", False), ("sv1", False)):
        place = QuantumCircuit(2, 1)
        place.measure(1, 0)
        work = Work(backends[name], (place, place), variants, (1,), Experiment(), 10)
        if refused:
            with pytest.raises(ExecutionError, match="cannot scale noise"):
                engine.submit(work, f"job_fold_{name}")
            assert braket.accepted(f"job_fold_{name}") == []
        else:
            engine.submit(work, f"job_fold_{name}")


# --- Never twice, never lost ---


@pytest.mark.parametrize("name", ["garnet", "sv1"])
@pytest.mark.parametrize("n", [1, 4])
def test_an_answer_that_is_lost_leads_to_no_second_task(
    name: str, n: int, braket: StandIn, providers: Any, backends: Any
) -> None:
    tag, backend = f"job_lost_{name}_{n}", backends[name]
    braket.set(search_lag_s=3_600)  # so that only the tokens know
    for _ in range(3):
        braket.fail("lose", operation="CreateQuantumTask")
        with pytest.raises(UnavailableError) as lost:
            hand_in(providers, backend, SWEPT, 10, tag, experiment=sweep(n), again=True)
        assert lost.value.code == "PROVIDER_UNAVAILABLE"
        assert "retry_after_s" not in lost.value.details
    _, remote_id = hand_in(providers, backend, SWEPT, 10, tag, experiment=sweep(n), again=True)
    assert braket.accepted(tag) == split(remote_id)
    assert len(split(remote_id)) == (n if name == "sv1" else 1)


@pytest.mark.parametrize("n", [1, 4])
def test_tags_find_what_was_created_when_the_token_is_forgotten(
    n: int, braket: StandIn, providers: Any, backends: Any
) -> None:
    tag = f"job_forgotten_{n}"
    braket.set(remember_s=0, page=2)
    for _ in range(5):
        hand_in(providers, backends["sv1"], BELL, 10, f"job_other_{next(NUMBERS)}")
    braket.fail("lose", operation="CreateQuantumTask")
    with pytest.raises(UnavailableError):
        hand_in(providers, backends["sv1"], SWEPT, 10, tag, experiment=sweep(n))
    _, remote_id = hand_in(providers, backends["sv1"], SWEPT, 10, tag, experiment=sweep(n), again=True)
    assert sorted(braket.accepted(tag)) == sorted(split(remote_id))
    assert len(braket.accepted(tag)) == n
    assert providers.find(backends["sv1"], tag) == remote_id


def test_what_part_of_a_job_arrived_is_found_and_can_be_stopped(
    engine: BraketEngine, braket: StandIn, providers: Any, backends: Any
) -> None:
    braket.set(pace_s=3_600)
    braket.set(
        faults=[{"operation": "CreateQuantumTask", "kind": kind} for kind in ("none", "none", "unavailable")]
    )
    with pytest.raises(UnavailableError):
        hand_in(providers, backends["sv1"], SWEPT, 10, "job_partly", experiment=sweep(4))
    assert engine.find(backends["sv1"], "job_partly") is None
    part = providers.find(backends["sv1"], "job_partly")
    assert split(part) == braket.accepted("job_partly")
    assert len(split(part)) == 2
    providers.cancel("braket", part)
    assert providers.states("braket", [part])[part].status is RemoteStatus.CANCELLED


def test_a_token_that_is_forgotten_would_make_a_second_task(braket: StandIn, providers: Any, backends: Any) -> None:
    """The test before this one is worth something only if this holds."""
    braket.set(remember_s=0)
    for _ in range(2):
        hand_in(providers, backends["sv1"], BELL, 10, "job_twice")
    assert len(braket.accepted("job_twice")) == 2


def test_boto3_may_send_a_creation_again(braket: StandIn, moto: str, backends: Any) -> None:
    engine = engine_at(braket, moto, attempts=3)
    braket.fail("lose", "throttle", operation="CreateQuantumTask")
    _, remote_id = hand_in(QuantumProviders({"braket": lambda: engine}), backends["garnet"], BELL, 10, "job_again")
    assert braket.accepted("job_again") == [remote_id]
    assert braket.seen()["requests"]["CreateQuantumTask"] == 3


def test_an_earlier_job_is_found_whatever_became_of_it(
    engine: BraketEngine, braket: StandIn, providers: Any, backends: Any
) -> None:
    _, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_found")
    for word in ("FAILED", "CANCELLED", "PARKED"):
        braket.set(statuses={remote_id: word})
        assert engine.find(backends["garnet"], "job_found") == remote_id
    assert engine.find(backends["garnet"], "job_never") is None
    assert engine.find(backends["ankaa"], "job_found") is None


def test_a_refusal_stops_the_tasks_before_it(braket: StandIn, providers: Any, backends: Any) -> None:
    braket.set(pace_s=3_600)
    braket.fail("quota", operation="CreateQuantumTask")  # a passing one stops nothing
    with pytest.raises(UnavailableError):
        hand_in(providers, backends["sv1"], SWEPT, 10, "job_stopped", experiment=sweep(2))
    braket.set(faults=[{"operation": "CreateQuantumTask", "kind": kind} for kind in ("none", "none", "invalid")])
    with pytest.raises(ExecutionError) as refused:
        hand_in(providers, backends["sv1"], SWEPT, 10, "job_stopped", experiment=sweep(5))
    assert refused.value.code == "PROVIDER_REFUSED"
    stopped = braket.accepted("job_stopped")
    assert len(stopped) == 2
    assert {each.raw for each in providers.states("braket", stopped).values()} == {"CANCELLED"}


# --- What goes wrong ---


@pytest.mark.parametrize(
    ("kind", "code", "retry"),
    [
        ("throttle", "PROVIDER_UNAVAILABLE", 2.0),
        ("quota", "PROVIDER_UNAVAILABLE", 60.0),
        ("error", "PROVIDER_UNAVAILABLE", None),
        ("unavailable", "PROVIDER_UNAVAILABLE", None),
        ("drop", "PROVIDER_UNAVAILABLE", None),
        ("garbled", "PROVIDER_UNAVAILABLE", None),
        ("late", "PROVIDER_UNAVAILABLE", None),
        ("denied", "PROVIDER_CREDENTIALS", None),
    ],
)
@pytest.mark.parametrize("operation", ["CreateQuantumTask", "GetQuantumTask", "SearchDevices", "CancelQuantumTask"])
def test_what_passes_is_never_a_failure_of_the_job(
    kind: str, code: str, retry: float | None, operation: str, braket: StandIn, moto: str, backends: Any
) -> None:
    engine = engine_at(braket, moto, attempts=1, read_timeout=0.3)
    providers = QuantumProviders({"braket": lambda: engine})
    _, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_before")
    ask: dict[str, Callable[[], Any]] = {
        "CreateQuantumTask": lambda: hand_in(providers, backends["garnet"], BELL, 10, "job_after"),
        "GetQuantumTask": lambda: engine.states([remote_id]),
        "SearchDevices": engine.sight,
        "CancelQuantumTask": lambda: engine.cancel(remote_id),
    }
    braket.set(pace_s=3_600, faults=[{"operation": operation, "kind": kind}])
    with pytest.raises(UnavailableError) as away:
        ask[operation]()
    assert away.value.code == code
    assert away.value.details["engine"] == "braket"
    assert away.value.details.get("retry_after_s") == retry
    ask[operation]()


def test_a_device_that_is_offline_is_asked_again_later(engine: BraketEngine, providers: Any) -> None:
    offline = next(each.info for each in engine.sight() if each.raw_status == "OFFLINE")
    with pytest.raises(UnavailableError) as away:
        hand_in(providers, offline, BELL, 10, "job_offline")
    assert away.value.details["reason"] == "DeviceOfflineException"
    assert away.value.details["retry_after_s"] == 600


def test_what_braket_refuses_fails_with_its_words(
    engine: BraketEngine, braket: StandIn, providers: Any, backends: Any
) -> None:
    with pytest.raises(ExecutionError, match="shots must be between 1 and 20000") as refused:
        hand_in(providers, backends["ibex"], BELL, 50_000, "job_shots")
    assert refused.value.code == "PROVIDER_REFUSED"
    circuit = QuantumCircuit(6, 1)
    circuit.append(gate("cz"), [1, 5])  # not connected
    circuit.measure(1, 0)
    work = Work(backends["garnet"], (circuit, circuit), (Variant(), Variant()), (1, 5), Experiment(), 10)
    with pytest.raises(ExecutionError, match="not connected") as refused:
        engine.submit(work, "job_far")
    assert braket.accepted("job_far") == []


def test_no_credentials_are_a_matter_of_the_installation(braket: StandIn, moto: str, monkeypatch: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    session = boto3.Session()
    engine = BraketEngine(
        lambda region: session.client("braket", endpoint_url=braket.url, region_name=region, config=CONFIG),
        servers.aws("s3", moto),
        SystemClock(),
        regions=REGIONS,
        bucket=BUCKET,
    )
    with pytest.raises(UnavailableError) as away:
        engine.sight()
    assert away.value.code == "PROVIDER_CREDENTIALS"


def test_sixty_jobs_survive_a_service_that_fails_half_of_the_time(
    braket: StandIn, moto: str, backends: Any
) -> None:
    """None is lost, none is created twice, and none fails, with one try for each request."""
    engine = engine_at(braket, moto, attempts=1, read_timeout=0.2)
    circuit = QuantumCircuit(2, 1)
    circuit.append(gate("x"), [1])
    circuit.measure(1, 0)
    open_jobs = {f"job_storm_{number}": None for number in range(60)}
    work = Work(backends["sv1"], (circuit,), (Variant(),), (1,), Experiment(), 10)
    kinds = {
        "throttle": 0.1,
        "error": 0.1,
        "unavailable": 0.05,
        "drop": 0.1,
        "lose": 0.1,
        "late": 0.03,
        "quota": 0.02,
    }
    braket.set(rates=kinds, seed=11, late_s=0.3, pace_s=0.1)
    ids: dict[str, str] = {}
    counts: dict[str, Any] = {}
    tried: set[str] = set()
    until = time.monotonic() + 120
    while len(counts) < len(open_jobs) and time.monotonic() < until:
        for tag in open_jobs:
            try:
                if tag not in ids:
                    found = engine.find(work.backend, tag) if tag in tried else None
                    tried.add(tag)
                    ids[tag] = found or engine.submit(work, tag)
            except UnavailableError:
                continue
        try:
            states = engine.states([ids[tag] for tag in ids if tag not in counts])
        except UnavailableError:
            continue
        assert not {each.status for each in states.values()} & {RemoteStatus.FAILED, RemoteStatus.UNKNOWN}
        for tag, remote_id in ids.items():
            state = states.get(remote_id)
            if tag not in counts and state is not None and state.status is RemoteStatus.COMPLETED:
                try:
                    counts[tag] = engine.fetch(remote_id, work).counts
                except UnavailableError:
                    continue
    assert counts == dict.fromkeys(open_jobs, ({"1": 10},))
    assert {tag: braket.accepted(tag) for tag in open_jobs} == {tag: [ids[tag]] for tag in open_jobs}


# --- States ---


def test_states_follow_a_task_from_creation_to_its_end(braket: StandIn, providers: Any, backends: Any) -> None:
    braket.set(pace_s=0.4)
    _, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_life")
    seen, until = [], time.monotonic() + 20
    while time.monotonic() < until:
        state = providers.states("braket", [remote_id])[remote_id]
        if not seen or seen[-1] != (state.status, state.raw):
            seen.append((state.status, state.raw))
        if state.raw == "QUEUED":
            assert state.queue_position == 1
        if state.status.final:
            break
        time.sleep(0.05)
    assert seen == [
        (RemoteStatus.QUEUED, "CREATED"),
        (RemoteStatus.QUEUED, "QUEUED"),
        (RemoteStatus.RUNNING, "RUNNING"),
        (RemoteStatus.COMPLETED, "COMPLETED"),
    ]


def test_a_word_that_nobody_knows_is_unknown_and_kept(braket: StandIn, providers: Any, backends: Any) -> None:
    _, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_parked")
    braket.set(statuses={remote_id: "PARKED"})
    state = providers.states("braket", [remote_id])[remote_id]
    assert (state.status, state.raw) == (RemoteStatus.UNKNOWN, "PARKED")


def test_the_reason_of_a_failure_is_kept(braket: StandIn, providers: Any, backends: Any) -> None:
    ids = [hand_in(providers, backends["sv1"], BELL, 10, f"job_fails_{number}")[1] for number in range(7)]
    braket.set(statuses={ids[3]: "FAILED"}, reasons={ids[3]: "the calibration drifted"})
    states = providers.states("braket", ids)
    assert (states[ids[3]].status, states[ids[3]].message) == (RemoteStatus.FAILED, "the calibration drifted")
    assert states[ids[2]].status is RemoteStatus.COMPLETED
    compiled, _ = hand_in(providers, backends["sv1"], BELL, 10, "job_fails_3")
    with pytest.raises(ExecutionError, match="the calibration drifted") as failed:
        providers.fetch(ids[3], compiled, backend=backends["sv1"], experiment=Experiment(), shots=10)
    assert failed.value.code == "PROVIDER_NO_RESULT"


def test_two_hundred_jobs_in_two_regions_need_few_requests(
    engine: BraketEngine, braket: StandIn, providers: Any, backends: Any
) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(1, 0)
    ids = [
        engine.submit(Work(backends[name], (circuit,), (Variant(),), (1,), Experiment(), 10), f"job_many_{number}")
        for number, name in enumerate(["garnet", "ankaa"] * 100)
    ]
    before = braket.seen()["requests"]
    nobodys = f"{ids[0].rsplit('/', 1)[0]}/00000000-0000-0000-0000-000000000000"
    states = providers.states("braket", [*ids, nobodys])
    after = braket.seen()["requests"]
    assert set(states) == set(ids)
    assert {each.status for each in states.values()} == {RemoteStatus.COMPLETED}
    spent = {name: after[name] - before.get(name, 0) for name in after}
    assert spent["SearchQuantumTasks"] == 2
    assert spent.get("GetQuantumTask", 0) == 1  # for the one that nobody has


def test_tasks_that_a_search_does_not_show_are_asked_for(braket: StandIn, providers: Any, backends: Any) -> None:
    braket.set(search_lag_s=3_600)
    ids = [hand_in(providers, backends["sv1"], BELL, 10, f"job_unseen_{number}")[1] for number in range(6)]
    assert set(providers.states("braket", ids)) == set(ids)


def test_a_job_of_several_tasks_is_over_when_all_of_them_are(
    braket: StandIn, providers: Any, backends: Any
) -> None:
    _, remote_id = hand_in(providers, backends["sv1"], SWEPT, 10, "job_parts", experiment=sweep(3))
    one, two, three = split(remote_id)

    def state(*words: str) -> tuple[RemoteStatus, str]:
        braket.set(statuses=dict(zip((one, two, three), words, strict=True)))
        found = providers.states("braket", [remote_id])[remote_id]
        return found.status, found.raw

    assert state("COMPLETED", "COMPLETED", "COMPLETED")[0] is RemoteStatus.COMPLETED
    assert state("FAILED", "QUEUED", "COMPLETED") == (RemoteStatus.RUNNING, "FAILED 1, QUEUED 1, COMPLETED 1")
    assert state("FAILED", "CANCELLED", "COMPLETED")[0] is RemoteStatus.FAILED
    assert state("CANCELLED", "COMPLETED", "COMPLETED")[0] is RemoteStatus.CANCELLED
    assert providers.states("braket", [remote_id])[remote_id].completed == 0.0
    assert state("FAILED", "COMPLETED", "COMPLETED")[0] is RemoteStatus.FAILED
    assert providers.states("braket", [remote_id])[remote_id].completed == pytest.approx(2 / 3)
    assert state("CREATED", "QUEUED", "QUEUED")[0] is RemoteStatus.QUEUED
    assert state("PARKED", "QUEUED", "FAILED")[0] is RemoteStatus.UNKNOWN


# --- Cancelling, results, prices ---


def test_cancelling_stops_what_waits_and_leaves_what_is_over(
    braket: StandIn, providers: Any, backends: Any
) -> None:
    _, over = hand_in(providers, backends["garnet"], BELL, 10, "job_over")
    providers.states("braket", [over])
    providers.cancel("braket", over)
    assert providers.states("braket", [over])[over].status is RemoteStatus.COMPLETED
    braket.set(pace_s=3_600)
    _, waits = hand_in(providers, backends["sv1"], SWEPT, 10, "job_waits", experiment=sweep(3))
    providers.cancel("braket", waits)
    providers.cancel("braket", waits)
    assert providers.states("braket", [waits])[waits].status is RemoteStatus.CANCELLED
    providers.cancel("braket", f"{over.rsplit('/', 1)[0]}/00000000-0000-0000-0000-000000000000")


def test_what_came_back_is_kept_and_priced(braket: StandIn, providers: Any, backends: Any) -> None:
    expected = {
        "garnet": Money.of("0.30") + Money.of("0.00145") * 200,
        "ankaa": Money.of("0.30") + Money.of("0.0009") * 200,
        "forte": Money.of("16.30"),
        "sv1": Money.of("0.00375"),  # three seconds at least
    }
    for name, billed in expected.items():
        compiled, remote_id = hand_in(providers, backends[name], BELL, 200, f"job_kept_{name}")
        came = providers.fetch(remote_id, compiled, backend=backends[name], experiment=Experiment(), shots=200)
        assert came.billed == billed, name
        assert came.outcome.shots == sum(came.outcome.counts[0].values()) == 200
        assert came.outcome.started_at <= came.outcome.ended_at
        (kept,) = came.raw["tasks"]
        assert kept["task"]["quantumTaskArn"] == remote_id
        assert json.loads(json.dumps(came.raw)) == came.raw
        assert "measurements" not in json.dumps(came.raw)
    assert came.outcome.method == "SV1"
    assert came.outcome.seconds == pytest.approx(0.016)


def test_a_result_that_is_gone_or_of_something_else_is_an_error(
    engine: BraketEngine, braket: StandIn, moto: str, providers: Any, backends: Any
) -> None:
    compiled, remote_id = hand_in(providers, backends["garnet"], BELL, 10, "job_gone")
    providers.states("braket", [remote_id])
    key = f"ketbase/job_gone/{remote_id.rsplit('/', 1)[1]}/results.json"
    s3 = servers.aws("s3", moto)
    result = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def fetched() -> Any:
        return providers.fetch(remote_id, compiled, backend=backends["garnet"], experiment=Experiment(), shots=10)

    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps({**result, "measuredQubits": [90, 91]}).encode())
    with pytest.raises(ExecutionError, match="were measured") as wrong:
        fetched()
    assert wrong.value.code == "PROVIDER_RESULT_UNREADABLE"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"{")
    with pytest.raises(ExecutionError) as wrong:
        fetched()
    assert wrong.value.code == "PROVIDER_RESULT_UNREADABLE"
    s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(ExecutionError) as wrong:
        fetched()
    assert wrong.value.code == "PROVIDER_NO_RESULT"


def test_a_region_in_the_buckets_name_is_the_devices(braket: StandIn, moto: str, backends: Any) -> None:
    engine = engine_at(braket, moto, attempts=1, bucket="amazon-braket-{region}")
    servers.aws("s3", moto).create_bucket(Bucket="amazon-braket-eu-north-1")
    providers = QuantumProviders({"braket": lambda: engine})
    assert sum(run(providers, backends["garnet"], [BELL], 20)[0].values()) == 20


def test_two_settings_set_it_up(braket: StandIn, moto: str, monkeypatch: Any) -> None:
    from ketbase.runtime import settings, wiring

    given = {
        "KETBASE_BRAKET_REGIONS": "eu-north-1, us-east-1",
        "KETBASE_BRAKET_BUCKET": BUCKET,
        "KETBASE_BRAKET_URL": braket.url,
        "KETBASE_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": servers.REGION,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    caches = [each for each in vars(wiring).values() if hasattr(each, "cache_clear")]
    try:
        for cache in (settings.settings, *caches):
            cache.cache_clear()
        assert "braket" in wiring.engines()
        sighted = {each.info.id: each.info for each in wiring.provider().sight("braket")}
        assert set(sighted) == {"braket_iqm_garnet", "braket_aqt_ibex_q1", "braket_ionq_forte_1", "braket_sv1"}
        assert sum(run(wiring.provider(), sighted["braket_sv1"], [BELL], 30)[0].values()) == 30  # type: ignore[arg-type]
        monkeypatch.delenv("KETBASE_BRAKET_BUCKET")
        settings.settings.cache_clear()
        assert "braket" not in wiring.engines()
    finally:
        for cache in (settings.settings, *caches):
            cache.cache_clear()


def test_shots_are_shared_out_without_losing_one() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.measure([0, 1], [0, 1])
    for shots, probabilities in ((10, [1 / 3, 1 / 3, 1 / 3]), (7, [2 / 7, 4 / 7, 1 / 7]), (3, [0.1, 0.1, 0.8])):
        execution = {
            "measuredQubits": [0, 1],
            "measurementProbabilities": dict(zip(("00", "01", "11"), probabilities, strict=True)),
        }
        counts = counts_of(execution, circuit, shots, physical=True)
        assert sum(counts.values()) == shots
        assert all(
            abs(counts.get(ours, 0) - p * shots) < 1
            for ours, p in zip(("00", "10", "11"), probabilities, strict=True)
        )
    assert counts == {"11": 3}


def test_ids_name_all_tasks(engine: BraketEngine, backends: Any) -> None:
    device = engine._device(backends["ankaa"])
    parts = parts_of(device, 7, 100)
    assert [(part.first, part.last) for part in parts] == [(0, 3), (3, 6), (6, 7)]
    assert [part.last - part.first for part in parts_of(device, 7, 20_000)] == [2, 2, 2, 1]
    stem = "arn:aws:braket:us-west-1:123456789012:quantum-task"
    arns = {part: f"{stem}/{number}" for number, part in enumerate(parts)}
    assert join(arns) == f"{stem}/0,1,2"
    assert split(join(arns)) == list(arns.values())
    assert len({part.token(tag) for part in parts for tag in ("a", "b")}) == 6
    assert all(len(part.token("job_" + "x" * 200)) == 64 for part in parts)
