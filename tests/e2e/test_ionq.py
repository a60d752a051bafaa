"""Runs at IonQ, over its HTTP API, while every fourth request goes wrong: none is lost, none is there twice."""

import time
from collections import Counter
from decimal import Decimal

import pytest

from tests.e2e.stack import Stack
from tests.standins.ionq import process

FEW, MANY, WORKERS = 50, 200, 2
CANCELLED = 6
RATES = {
    "late": 0.04,
    "429": 0.04,
    "500": 0.04,
    "502": 0.02,
    "503": 0.02,
    "drop": 0.04,
    "lost": 0.05,
    "lost_500": 0.02,
}
BELL = {"n_qubits": 2, "gates": [{"type": "H", "targets": [0]}, {"type": "CNOT", "targets": [0, 1]}]}
CROSSED = {"n_qubits": 3, "gates": [{"type": "X", "targets": [0]}, {"type": "CNOT", "targets": [0, 1]}]}
DEADLINE_S = 240


@pytest.fixture
def cloud(tmp_path):
    with process.running(tmp_path / "ionq.db") as running:
        yield running


@pytest.fixture
def stack(tmp_path, cloud):
    stack = Stack(
        tmp_path / "data",
        workers=WORKERS,
        KETBASE_IONQ_API_KEY=cloud.key,
        KETBASE_IONQ_URL=cloud.url,
        KETBASE_POLL_EVERY_S="1",
        KETBASE_MAX_CONCURRENT_JOBS="60",
    )
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def all_jobs(stack):
    jobs, cursor = [], ""
    while True:
        page = stack.client.get(f"/v1/jobs?limit=100{cursor}").json()
        jobs += page["data"]
        if not page["meta"].get("cursor"):
            return jobs
        cursor = f"&cursor={page['meta']['cursor']}"


@pytest.mark.parametrize("number_of_jobs", [FEW, pytest.param(MANY, marks=pytest.mark.verify_04)])
def test_jobs_through_a_provider_that_fails_often(stack, cloud, number_of_jobs):
    bell, crossed = stack.create(**BELL), stack.create(**CROSSED)
    cloud.fail_often(RATES, seed=7, late_s=2.0)
    began = time.monotonic()
    submitted = [
        stack.run(
            (bell, crossed)[number % 2], key=f"job {number}", backend="ionq_simulator", shots=100, seed=number
        )
        for number in range(number_of_jobs)
    ]
    for job_id in submitted[-CANCELLED:]:
        assert stack.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    while any(job["status"] in ("queued", "running", "unknown") for job in all_jobs(stack)):
        assert time.monotonic() - began < DEADLINE_S, Counter(job["status"] for job in all_jobs(stack))
        time.sleep(1)
    jobs = {job["id"]: job for job in all_jobs(stack)}
    met = cloud.met()
    print(f"{number_of_jobs} jobs in {time.monotonic() - began:.0f} s; the provider's faults: {met}")
    assert sum(met.get(fault, 0) for fault in RATES) > number_of_jobs / 4, "too few faults to show anything"

    assert set(jobs) == set(submitted)  # none lost
    assert {jobs[each]["status"] for each in submitted[:-CANCELLED]} == {
        "completed"
    }  # none failed for a passing error
    assert {jobs[each]["status"] for each in submitted[-CANCELLED:]} <= {"cancelled", "completed"}
    accepted = cloud.accepted()
    assert set(accepted.values()) == {1}  # none submitted twice
    assert set(submitted[:-CANCELLED]) <= set(accepted) <= set(submitted)
    for number in (0, 1, number_of_jobs - CANCELLED - 1):
        result = stack.result(submitted[number])
        assert result["provenance"]["remote"]["raw_status"] == "completed"
        assert set(result["counts"]) <= ({"011"} if number % 2 else {"00", "11"})
        assert sum(result["counts"].values()) == 100

    # The books say what the jobs cost, to the nano-dollar, and nothing is set aside any more.
    budget = stack.client.get("/v1/budget").json()["data"]
    assert Decimal(budget["current_spend"]) == sum(Decimal(job["actual_cost"]) for job in jobs.values())
    assert Decimal(budget["reserved"]) == 0
    usage = stack.client.get("/v1/usage").json()["data"]
    assert usage["total_jobs"] == number_of_jobs


def test_a_killed_stack_goes_on_with_what_is_at_the_provider(stack, cloud):
    cloud.behave(queue_s=6.0)
    circuit = stack.create(**BELL)
    job_id = stack.run(circuit, backend="ionq_simulator", shots=50)
    deadline = time.monotonic() + 30
    while not cloud.accepted() and time.monotonic() < deadline:
        time.sleep(0.05)
    stack.kill()
    stack.start()
    result = stack.result(job_id, seconds=90)
    assert sum(result["counts"].values()) == 50
    assert cloud.accepted() == {job_id: 1}
