"""Real circuits through every room, over HTTP."""

import pytest

from tests.e2e.circuits import bernstein_vazirani, fourier_and_back, ghz_json, ghz_qasm

SHOTS = 4_096
ON_A_DEVICE = [
    (ghz_qasm(5), {"00000", "11111"}, "openqasm3"),
    (fourier_and_back(8, 77), {f"{77:08b}"}, "openqasm3"),
    (bernstein_vazirani("10110"), {"10110"}, "openqasm2"),
]


@pytest.mark.parametrize(("qasm", "ideal", "form"), ON_A_DEVICE, ids=["ghz", "fourier", "bernstein-vazirani"])
def test_the_ideal_outcomes_dominate_on_a_noisy_heron_but_not_perfectly(stack, qasm, ideal, form):
    circuit_id = stack.create(qasm=qasm)
    asked = {"backend": "fake_fez", "shots": SHOTS, "seed": 11}
    result = stack.result(stack.run(circuit_id, **asked))
    counts = result["counts"]
    assert sum(counts.values()) == result["shots"] == SHOTS
    good = sum(counts.get(outcome, 0) for outcome in ideal)
    assert 0.5 * SHOTS < good < SHOTS
    assert set(list(counts)[: len(ideal)]) == ideal

    provenance = result["provenance"]
    assert provenance["source_qasm"] == qasm
    assert provenance["circuit"]["n_qubits"] >= len(next(iter(ideal)))
    assert provenance["compiled"]["qasm"].startswith("OPENQASM 3")
    physical = provenance["compiled"]["physical_qubits"]
    assert len(set(physical)) == provenance["circuit"]["n_qubits"]
    assert all(0 <= qubit < 156 for qubit in physical)
    assert provenance["calibration"]["taken_at"].startswith("2025-02-26")
    assert provenance["options"]["seed"] == 11
    assert {"qiskit", "qiskit-aer", "ketbase"} <= set(provenance["sdk"])
    assert provenance["started_at"] < provenance["ended_at"]

    again = stack.result(stack.run(circuit_id, **asked))
    assert again["counts"] == counts
    other = stack.result(stack.run(circuit_id, **asked | {"seed": 12}))
    assert other["counts"] != counts


def test_without_noise_a_device_gives_the_ideal_outcomes_alone(stack):
    circuit_id = stack.create(qasm=bernstein_vazirani("1101"))
    result = stack.result(stack.run(circuit_id, backend="fake_torino", shots=500, noise=False))
    assert result["counts"] == {"1101": 500}


def test_a_hundred_qubit_ghz_runs_on_aer_in_seconds(stack):
    circuit_id = stack.create(qasm=ghz_qasm(100))
    job_id = stack.run(circuit_id, backend="aer", shots=1_000, seed=3)
    result = stack.result(job_id, 10)
    assert set(result["counts"]) == {"0" * 100, "1" * 100}
    assert result["provenance"]["method"] in ("stabilizer", "matrix_product_state")


def test_parameters_are_bound_at_run_and_a_circuit_without_measures_is_measured_whole(stack):
    gates = [{"type": "RY", "targets": [0], "parameters": {"theta": "theta_0"}}, {"type": "X", "targets": [2]}]
    circuit_id = stack.create(n_qubits=3, gates=gates)
    for theta, outcome in ((0.0, "100"), (3.141592653589793, "101")):
        result = stack.result(stack.run(circuit_id, shots=50, parameters={"theta_0": theta}))
        assert result["counts"] == {outcome: 50}


def test_a_job_can_be_followed_by_its_events_and_its_logs(stack):
    job_id = stack.run(stack.create(**ghz_json(2)), shots=10)
    stack.wait(job_id)
    events = stack.client.get(f"/v1/jobs/{job_id}/events").json()["data"]
    assert [event["type"] for event in events["events"]] == [
        "job.queued",
        "job.started",
        "run.compiling",
        "run.compiled",
        "run.executing",
        "run.executed",
        "job.completed",
    ]
    behind = stack.client.get(f"/v1/jobs/{job_id}/events?after=6").json()["data"]
    assert [event["cursor"] for event in behind["events"]] == [7]
    logs = stack.client.get(f"/v1/jobs/{job_id}/logs?lines=2").json()["data"]
    assert len(logs["logs"]) == 2
    assert logs["streaming"] is False


def test_a_circuit_that_is_too_large_for_memory_fails_with_both_numbers(stack):
    layers = "\n".join(
        f"t q[{q}]; h q[{q}]; cz q[{q}], q[{(q * 7 + 3) % 40}];" for q in range(40) if (q * 7 + 3) % 40 != q
    )
    qasm = f'OPENQASM 3.0; include "stdgates.inc"; qubit[40] q; {layers * 20}'
    job = stack.wait(stack.run(stack.create(qasm=qasm), shots=1))
    assert job["status"] in ("failed", "completed")
    if job["status"] == "failed":
        assert job["error"]["code"] == "INSUFFICIENT_MEMORY"


def test_the_list_of_jobs_can_be_cut_by_status(stack):
    job_id = stack.run(stack.create(**ghz_json(2)), shots=10)
    stack.wait(job_id)
    listed = stack.client.get("/v1/jobs?status=completed&limit=1").json()
    assert listed["data"][0]["id"] == job_id
    assert listed["meta"]["total"] >= 1
    assert stack.client.get("/v1/jobs?status=queued,running").json()["meta"]["total"] == 0


def test_every_simulated_device_of_a_hundred_qubits_is_listed_with_its_calibration(stack):
    listed = {b["id"]: b for b in stack.client.get("/v1/backends").json()["data"]}
    assert {"aer", "fake_fez", "fake_torino", "fake_kyiv"} <= set(listed)
    assert all(b["capabilities"]["max_qubits"] >= 100 for id_, b in listed.items() if id_.startswith("fake_"))
    assert listed["fake_fez"]["capabilities"]["max_qubits"] == 156
    status = stack.client.get("/v1/backends/fake_fez/status").json()["data"]
    assert {"id", "status", "uptime", "queue", "performance", "maintenance_window"} <= set(status)


def test_a_circuit_comes_back_as_qasm_and_as_a_picture(stack):
    circuit_id = stack.create(**ghz_json(3))
    for version in (2, 3):
        qasm = stack.client.get(f"/v1/circuits/{circuit_id}/qasm?version={version}")
        assert qasm.text.startswith(f"OPENQASM {version}")
        again = stack.create(qasm=qasm.text)
        assert stack.client.get(f"/v1/circuits/{again}").json()["data"]["gate_count"] == 3
    svg = stack.client.get(f"/v1/circuits/{circuit_id}/diagram")
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert "<svg" in svg.text
    assert "q_0" in stack.client.get(f"/v1/circuits/{circuit_id}/diagram?format=text").text


def test_the_metrics_tell_of_requests_and_queues(stack):
    stack.client.get("/health")
    page = stack.client.get("/metrics").text
    assert 'api_requests_total{endpoint="/health",method="GET",status="200"}' in page
    assert 'backend_queue_depth{backend="aer"} 0.0' in page


def test_the_documentation_needs_nothing_from_elsewhere(stack):
    page = stack.client.get("/docs").text
    assert "SwaggerUIBundle(" in page
    document = stack.client.get("/openapi.json").json()
    assert {"/v1/circuits", "/v1/jobs/{job_id}/result", "/v1/backends"} <= set(document["paths"])
