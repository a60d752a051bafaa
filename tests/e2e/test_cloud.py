"""The deployed template carries a circuit from HTTP to its result, and no function does what its role may not.

Everything runs on this machine, in an emulator of AWS that deploys template.yaml: see `deployable.py` for what differs
from AWS. Each function has the settings, the role and the wiring that the template gives it.
"""

import time
import urllib.request

import pytest

from tests.e2e.circuits import bernstein_vazirani, entangled, fourier_and_back, ghz_json, ghz_qasm
from tests.e2e.cloud import ok


def test_the_installation_is_ready(cloud):
    assert ok(cloud.client.get("/health"))["status"] == "ok"
    dependencies = ok(cloud.client.get("/ready"))["dependencies"]
    assert set(dependencies.values()) == {"ok"}
    assert "/v1/circuits" in cloud.client.get("/openapi.json").json()["paths"]
    assert "SwaggerUIBundle(" in cloud.client.get("/docs").text


def test_nobody_enters_without_a_key(cloud):
    assert (
        cloud.client.get("/v1/circuits", headers={"X-API-Key": "qsk_dev_000000000000000000000000"}).status_code
        == 401
    )


def test_a_circuit_is_kept_listed_changed_drawn_and_deleted(cloud):
    circuit_id = cloud.create(**ghz_json(3), metadata={"tags": ["cloud"]})
    assert ok(cloud.client.get(f"/v1/circuits/{circuit_id}"))["gate_count"] == 3
    assert [each["id"] for each in ok(cloud.client.get("/v1/circuits?tags=cloud"))] == [circuit_id]
    renamed = ok(cloud.client.patch(f"/v1/circuits/{circuit_id}", json={"name": "renamed"}))
    assert renamed["name"] == "renamed"
    assert cloud.client.get(f"/v1/circuits/{circuit_id}/qasm?version=2").text.startswith("OPENQASM 2")
    assert "<svg" in cloud.client.get(f"/v1/circuits/{circuit_id}/diagram").text
    ok(cloud.client.delete(f"/v1/circuits/{circuit_id}"), 204)
    ok(cloud.client.get(f"/v1/circuits/{circuit_id}"), 404)


def test_a_run_goes_from_the_doorbell_to_its_result(cloud):
    job_id = cloud.run(cloud.create(**ghz_json(5)), backend="aer", shots=500, seed=7)
    result = cloud.result(job_id)
    assert set(result["counts"]) == {"00000", "11111"}
    assert sum(result["counts"].values()) == 500
    events = ok(cloud.client.get(f"/v1/jobs/{job_id}/events"))["events"]
    assert [event["type"] for event in events] == [
        "job.queued",
        "job.started",
        "run.compiling",
        "run.compiled",
        "run.executing",
        "run.executed",
        "job.completed",
    ]
    assert len(ok(cloud.client.get(f"/v1/jobs/{job_id}/logs"))["logs"]) == 7
    assert job_id in [job["id"] for job in ok(cloud.client.get("/v1/jobs?status=completed"))]


@pytest.mark.parametrize(
    ("qasm", "ideal"),
    [
        (ghz_qasm(5), {"00000", "11111"}),
        (bernstein_vazirani("10110"), {"10110"}),
        (fourier_and_back(8, 77), {f"{77:08b}"}),
    ],
    ids=["ghz", "bernstein-vazirani", "fourier"],
)
def test_a_noisy_device_gives_the_ideal_outcomes_first_and_others_too(cloud, qasm, ideal):
    job_id = cloud.run(cloud.create(qasm=qasm), backend="fake_fez", shots=4_096, seed=11)
    result = cloud.result(job_id)
    assert sum(result["counts"].values()) == 4_096
    assert set(list(result["counts"])[: len(ideal)]) == ideal
    assert len(result["counts"]) > len(ideal)
    provenance = result["provenance"]
    assert provenance["source_qasm"] == qasm
    assert provenance["compiled"]["qasm"].startswith("OPENQASM 3")
    assert provenance["compiled"]["physical_qubits"]
    assert provenance["calibration"]["taken_at"]
    assert provenance["options"]["seed"] == 11
    assert {"qiskit", "qiskit-aer", "ketbase"} <= set(provenance["sdk"])


def started(cloud):
    """Submit something slow, and give the job as soon as it runs."""
    job_id = cloud.run(cloud.create(qasm=entangled(22, 10)), shots=100)
    deadline = time.monotonic() + 30
    while (job := ok(cloud.client.get(f"/v1/jobs/{job_id}")))["status"] != "running":
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def test_a_running_job_can_be_cancelled_and_its_execution_ends(cloud):
    job = started(cloud)
    assert ok(cloud.client.post(f"/v1/jobs/{job['id']}/cancel"))["status"] == "cancelled"
    execution = cloud.aws("stepfunctions").describe_execution(executionArn=cloud.execution(job))
    assert execution["status"] == "ABORTED"


def test_a_job_whose_execution_died_is_run_again(cloud):
    cloud.give("OpsSweepFunction", KETBASE_SWEEP_GRACE_S="0")
    job = started(cloud)
    cloud.aws("stepfunctions").stop_execution(executionArn=cloud.execution(job))
    cloud.invoke("OpsSweepFunction")
    again = cloud.wait(job["id"])
    assert again["status"] == "completed"
    assert again["attempt"] == 2


def test_a_job_that_was_never_started_is_started_by_the_sweeper(cloud):
    cloud.give("OpsSweepFunction", KETBASE_SWEEP_GRACE_S="0")
    machines = cloud.outputs["RunStateMachineArn"].removesuffix("run")
    cloud.give("JobsDispatchFunction", KETBASE_STATE_MACHINE_ARN=machines + "missing-{workflow}")
    job = started(cloud)
    cloud.give("JobsDispatchFunction", KETBASE_STATE_MACHINE_ARN=machines + "{workflow}")
    cloud.invoke("OpsSweepFunction")
    done = cloud.wait(job["id"])
    assert done["status"] == "completed"
    assert done["attempt"] == 1


def test_a_job_that_runs_too_long_is_stopped_by_the_sweeper(cloud):
    job = started(cloud)
    cloud.give("OpsSweepFunction", KETBASE_SWEEP_GRACE_S="0", KETBASE_JOB_DEADLINE_S="0")
    cloud.invoke("OpsSweepFunction")
    cloud.give("OpsSweepFunction", KETBASE_JOB_DEADLINE_S="3600")
    assert ok(cloud.client.get(f"/v1/jobs/{job['id']}"))["error"]["code"] == "JOB_TIMED_OUT"
    execution = cloud.aws("stepfunctions").describe_execution(executionArn=cloud.execution(job))
    assert execution["status"] == "ABORTED"


def test_a_run_that_no_lane_holds_is_refused_with_the_numbers(cloud):
    answer = cloud.client.post(f"/v1/circuits/{cloud.create(qasm=entangled(30, 6))}/run", json={"shots": 10})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "TOO_LARGE_TO_SIMULATE"
    assert error["details"]["needed_mb"] == pytest.approx(16 * 2**30 / 1e6)
    assert set(error["details"]["lanes"]) == {"function"}


def test_a_run_that_turns_out_too_large_on_its_device_fails_with_its_reason(cloud):
    job = cloud.wait(cloud.run(cloud.create(qasm=entangled(30, 6)), shots=10, backend="fake_fez"))
    assert job["status"] == "failed"
    assert job["error"]["code"] == "TOO_LARGE_TO_SIMULATE"


def test_one_idempotency_key_makes_one_job(cloud):
    circuit_id = cloud.create(**ghz_json(2))
    jobs = {cloud.run(circuit_id, key="once", shots=10) for _ in range(2)}
    assert len(jobs) == 1
    cloud.result(jobs.pop())


def test_a_state_is_kept_found_under_another_phase_and_deleted(cloud):
    circuit_id = cloud.create(**ghz_json(2))
    kept = ok(cloud.client.post(f"/v1/circuits/{circuit_id}/state", json={"metadata": {"tags": ["cloud"]}}), 201)
    other = ok(cloud.client.post(f"/v1/circuits/{circuit_id}/state", json={}), 201)
    half = 0.5**0.5
    asked = {"amplitudes": [[0, half], [0, 0], [0, 0], [0, half]], "filter": {"tags": ["cloud"]}}
    (found,) = ok(cloud.client.post("/v1/states/search", json=asked))["neighbours"]
    assert (found["state"]["id"], round(found["fidelity"], 12)) == (kept["id"], 1.0)
    again = ok(cloud.client.post("/v1/states/search", json={"circuit_id": circuit_id}))["neighbours"]
    assert {each["state"]["id"] for each in again} == {kept["id"], other["id"]}
    assert len(ok(cloud.client.get(f"/v1/states/{kept['id']}"))["amplitudes"]) == 4
    assert [each["id"] for each in ok(cloud.client.get(f"/v1/states?circuit_id={circuit_id}"))] == [
        other["id"],
        kept["id"],
    ]
    ok(cloud.client.delete(f"/v1/states/{kept['id']}"), 204)
    ok(cloud.client.get(f"/v1/states/{kept['id']}"), 404)


def test_a_data_set_is_sent_to_the_bucket_checked_and_deleted(cloud):
    body = {"name": "Flowers", "format": "csv"}
    upload = ok(cloud.client.post("/v1/datasets", json=body), 201)
    path = f"/v1/datasets/{upload['dataset']['id']}"
    ok(cloud.client.post(f"{path}/check", json={}), 409)
    # The emulator speaks plain HTTP, and the bucket's policy asks for TLS.
    headers = upload["headers"] | {"X-Forwarded-Proto": "https"}
    data = b"length,flower\n1.5,rose\n2.5,lily\n"
    sent = urllib.request.Request(upload["upload_url"], data, headers, method="PUT")
    with urllib.request.urlopen(sent) as answer:
        assert answer.status == 200
    ready = ok(cloud.client.post(f"{path}/check", json={"label": "flower"}))
    assert (ready["status"], ready["classes"], ready["columns"]) == ("ready", ["lily", "rose"], ["length"])
    assert ok(cloud.client.get(path)) == ready
    assert ok(cloud.client.get("/v1/datasets")) == [ready]
    ok(cloud.client.delete(path), 204)
    ok(cloud.client.get(path), 404)


def test_the_backends_count_what_ran_on_them(cloud):
    cloud.result(cloud.run(cloud.create(**ghz_json(2)), backend="aer", shots=10))
    # A bucket that fills slowly, so that the second request finds it as the first left it.
    body = {"name": "slow", "scopes": ["backends:read"], "rate_limit": 5}
    slow = cloud.as_(**{"X-API-Key": ok(cloud.client.post("/v1/api-keys", json=body), 201)["key"]})
    for _ in range(2):
        assert {"aer", "fake_fez"} <= {backend["id"] for backend in ok(slow.get("/v1/backends"))}
    assert ok(cloud.client.get("/v1/backends/aer/status"))["performance"]["circuits_today"] >= 1
