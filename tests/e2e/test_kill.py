"""A power cut at any moment loses no accepted job and does none twice."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from tests.e2e.circuits import ghz_json
from tests.e2e.stack import running_stack

JOBS, KILLS = 50, 5


@pytest.mark.parametrize("times", [1, *(pytest.param(n, marks=pytest.mark.verify_01) for n in range(2, 7))])
def test_every_accepted_job_completes_exactly_once_over_five_kills(tmp_path, times):
    with running_stack(tmp_path / "data") as stack:
        circuit_id = stack.create(**ghz_json(5))
        accepted: dict[str, str] = {}
        calm = threading.Event()

        def submit(number):
            """Submit under one key until the server says that it has it, as a careful client would."""
            key = f"job-{number}"
            body = {"backend": ["aer", "fake_fez"][number % 2], "shots": 200, "seed": number}
            while True:
                try:
                    answer = stack.client.post(
                        f"/v1/circuits/{circuit_id}/run", json=body, headers={"Idempotency-Key": key}
                    )
                except httpx.TransportError:
                    time.sleep(0.1)
                    continue
                assert answer.status_code == 202, answer.text
                accepted[key] = answer.json()["data"]["job_id"]
                calm.wait(random.uniform(0.0, 0.6))
                return

        with ThreadPoolExecutor(2) as pool:
            submissions = [pool.submit(submit, number) for number in range(JOBS)]
            for _ in range(KILLS):
                time.sleep(random.uniform(0.3, 3.0))
                stack.kill()
                stack.start()
            calm.set()
            for submission in submissions:
                submission.result()

        jobs = {key: stack.wait(job_id, 120) for key, job_id in accepted.items()}
        assert {job["status"] for job in jobs.values()} == {"completed"}
        for number in range(JOBS):
            again = stack.client.post(
                f"/v1/circuits/{circuit_id}/run",
                json={"backend": ["aer", "fake_fez"][number % 2], "shots": 200, "seed": number},
                headers={"Idempotency-Key": f"job-{number}"},
            )
            assert again.json()["data"]["job_id"] == accepted[f"job-{number}"]
        listed = stack.client.get("/v1/jobs?limit=100").json()
        assert listed["meta"]["total"] == len(listed["data"]) == len(set(accepted.values())) == JOBS
        for job_id in accepted.values():
            result = stack.client.get(f"/v1/jobs/{job_id}/result").json()["data"]
            assert sum(result["counts"].values()) == 200
            events = [e["type"] for e in stack.client.get(f"/v1/jobs/{job_id}/events").json()["data"]["events"]]
            assert events.count("job.queued") == events.count("job.completed") == 1


def test_jobs_wait_without_workers_and_run_when_there_are_some(tmp_path):
    with running_stack(tmp_path / "data", workers=0) as stack:
        circuit_id = stack.create(**ghz_json(2))
        waiting = [stack.run(circuit_id, shots=10) for _ in range(3)]
        time.sleep(1)
        listed = stack.client.get("/v1/jobs?status=queued").json()
        assert listed["meta"]["total"] == 3
        answer = stack.client.post(f"/v1/jobs/{waiting[1]}/cancel").json()
        assert answer["data"]["status"] == "cancelled"
    with running_stack(tmp_path / "data", workers=1) as stack:
        assert [stack.wait(job_id)["status"] for job_id in waiting] == ["completed", "cancelled", "completed"]
