"""A budget holds over HTTP: 200 submissions at once, a server that is killed again and again, nothing left over."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx2 as httpx
import pytest

from tests.e2e.circuits import entangled, ghz_json
from tests.e2e.stack import Stack, running_stack

SUBMISSIONS, FIT, KILLS = 200, 37, 3


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def money(data, field):
    return Decimal(data[field])


def budget_of(stack):
    answer = stack.client.get("/v1/budget")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def submit_at_once(stack, circuit_id):
    """Send all submissions at the same moment; give the answers."""
    together = threading.Barrier(SUBMISSIONS)
    many = httpx.Client(
        base_url=stack.client.base_url,
        headers=stack.client.headers,
        limits=httpx.Limits(max_connections=SUBMISSIONS),
        timeout=120,
    )

    def submit(number):
        together.wait()
        headers = {"Idempotency-Key": f"submission {number}"}
        return many.post(f"/v1/circuits/{circuit_id}/run", json={"shots": 100}, headers=headers)

    with many, ThreadPoolExecutor(SUBMISSIONS) as pool:
        return list(pool.map(submit, range(SUBMISSIONS)))


def jobs_of(stack):
    return stack.client.get("/v1/jobs?limit=100").json()["data"]


@pytest.mark.parametrize("times", [1, *(pytest.param(n, marks=pytest.mark.verify_02) for n in range(2, 6))])
def test_37_of_200_submissions_fit_and_after_kills_the_books_say_what_the_jobs_cost(data, times):
    stack = Stack(data, workers=0)
    try:
        stack.start()
        circuit_id = stack.create(**ghz_json(3))
        first = stack.run(circuit_id, shots=100)
        ceiling = money(stack.client.get(f"/v1/jobs/{first}").json()["data"], "reserved_cost")
        stack.client.post(f"/v1/jobs/{first}/cancel")
        limit = ceiling * (FIT + 1) - Decimal("0.000000001")
        answer = stack.client.put("/v1/budget", json={"monthly_limit": str(limit), "alerts": []})
        assert answer.status_code == 200, answer.text

        answers = submit_at_once(stack, circuit_id)
        assert sorted({answer.status_code for answer in answers}) == [202, 402]
        assert sum(answer.status_code == 202 for answer in answers) == FIT
        refused = next(answer.json()["error"] for answer in answers if answer.status_code == 402)
        assert refused["code"] == "BUDGET_EXCEEDED"
        assert Decimal(refused["details"]["needed"]) == ceiling
        assert money(budget_of(stack), "reserved") == ceiling * FIT

        stack.stop()
        stack = Stack(data, workers=2)
        for _ in range(KILLS):
            stack.start()
            time.sleep(random.uniform(0.5, 2.0))
            stack.kill()
        stack.start()
        deadline = time.monotonic() + 120
        while any(job["status"] in ("queued", "running") for job in jobs_of(stack)):
            assert time.monotonic() < deadline, jobs_of(stack)
            time.sleep(0.5)

        jobs = jobs_of(stack)
        assert sum(job["status"] == "completed" for job in jobs) == FIT
        spent = sum(money(job, "actual_cost") for job in jobs)
        after = budget_of(stack)
        assert money(after, "reserved") == 0
        assert money(after, "current_spend") == spent > 0
        usage = stack.client.get("/v1/usage").json()["data"]
        assert money(usage, "total_cost") == spent
    finally:
        stack.stop()


def test_a_run_that_computes_for_longer_than_it_may_cost_is_ended_and_pays_its_ceiling(data):
    # Its seconds cost a hundred times what was thought when it was priced.
    with running_stack(data, workers=1, AWS_LAMBDA_FUNCTION_MEMORY_SIZE="300800") as stack:
        circuit_id = stack.create(qasm=entangled(24, 30))
        priced = stack.client.post(
            "/v1/estimate", json={"circuit_id": circuit_id, "backends": ["aer"], "shots": 100}
        )
        limit = priced.json()["data"]["estimates"][0]["estimated_cost"]
        job = stack.wait(stack.run(circuit_id, backend="aer", shots=100, budget_limit=limit))
        assert (job["status"], job["error"]["code"]) == ("failed", "COST_CEILING_REACHED")
        assert Decimal(limit) * Decimal("0.8") < money(job, "actual_cost") <= Decimal(limit)
        assert money(budget_of(stack), "reserved") == 0
        assert stack.wait(stack.run(stack.create(**ghz_json(3)), shots=100))["status"] == "completed"
