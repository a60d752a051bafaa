"""In the deployed stack a run waits for its provider on a task token, and a circuit is optimised."""

import time

from tests.e2e.circuits import ghz_json
from tests.e2e.cloud import ok

DEADLINE_S = 60


def test_a_run_waits_for_ionq_and_goes_on_with_the_poller(cloud):
    refreshed = cloud.invoke("ProvidersRefreshFunction", engine="ionq")
    assert refreshed["backends"] > 0
    job_id = cloud.run(cloud.create(**ghz_json(3)), backend="ionq_simulator", shots=200, seed=3)
    deadline = time.monotonic() + DEADLINE_S
    while (job := ok(cloud.client.get(f"/v1/jobs/{job_id}")))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        cloud.invoke("ProvidersPollFunction", engine="ionq")
        time.sleep(0.5)
    result = cloud.result(job_id)
    assert set(result["counts"]) == {"000", "111"}
    remote = result["provenance"]["remote"]
    assert (remote["engine"], remote["raw_status"]) == ("ionq", "completed")
    owner = ok(cloud.client.get("/v1/organization"))["id"]
    reference = {"organization_id": owner, "job_id": job_id}
    assert cloud.invoke("RunWithdrawFunction", **reference) == reference  # nothing is left there to stop


def test_the_calibration_of_a_device_is_kept_and_shown(cloud):
    assert cloud.invoke("ProvidersRefreshFunction", engine="aer")["failed"] == []
    (kept,) = ok(cloud.client.get("/v1/backends/fake_fez/calibrations"))
    shown = ok(cloud.client.get(f"/v1/backends/fake_fez/calibrations/{kept['id']}"))
    assert len(shown["qubits"]) == 156
    job_id = cloud.run(cloud.create(**ghz_json(2)), backend="fake_fez", shots=10)
    assert cloud.result(job_id)["provenance"]["calibration_id"] == kept["id"]


def test_a_circuit_is_optimised_and_runs_where_it_was_optimised_for(cloud):
    circuit_id = cloud.create(**ghz_json(4))
    body = {"target_backend": "fake_fez", "effort": 2, "seed": 1}
    job_id = ok(cloud.client.post(f"/v1/circuits/{circuit_id}/optimize", json=body), 202)["job_id"]
    result = cloud.result(job_id)
    assert result["verified"], result["verification"]
    run = cloud.result(cloud.run(result["optimized_circuit_id"], backend="fake_fez", shots=100))
    assert run["provenance"]["compiled"]["physical_qubits"] == result["placement"]
    owner = ok(cloud.client.get("/v1/organization"))["id"]
    failure = {"organization_id": owner, "job_id": job_id, "error": {"Error": "States.Timeout", "Cause": ""}}
    cloud.invoke("OptimizeFailFunction", **failure)
    assert ok(cloud.client.get(f"/v1/jobs/{job_id}"))["status"] == "completed"  # what is over stays so


def test_the_backend_is_chosen_and_the_answer_says_why(cloud):
    constraints = {"backends": ["fake_fez", "fake_torino"]}
    job_id = cloud.run(cloud.create(**ghz_json(3)), backend="auto", constraints=constraints, shots=100)
    choice = cloud.result(job_id)["provenance"]["choice"]
    assert {each["backend"] for each in choice["candidates"]} == set(constraints["backends"])
    assert choice["backend"] in constraints["backends"]
