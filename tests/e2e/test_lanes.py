"""A run that the first lane cannot hold goes to the second: a process of its own, with more memory and time."""

import os
import signal
import subprocess
import time

import pytest

from tests.e2e.stack import Stack, running_stack

SMALL = {
    # 2¹⁶ amplitudes fit the first lane; the second has 3,000 MB less what it needs beside.
    "KETBASE_MAX_MEMORY_MB": "1",
    "KETBASE_BATCH_MEMORY_MB": "3000",
    "KETBASE_BATCH_SECONDS": "120",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running_stack(tmp_path_factory.mktemp("lanes") / "data", workers=1, **SMALL) as stack:
        yield stack


def entangler(n, layers):
    """Gates across all cuts and their inverses behind them: all zeros come out, and no method but amplitudes fits."""
    forward = []
    for layer in range(layers):
        forward += [("RX", [q], 0.3 + layer) for q in range(n)]
        forward += [("CZ", [q, (q + n // 2) % n], None) for q in range(n // 2)]
        forward += [("CZ", [q, q + 1], None) for q in range(layer % 2, n - 1, 2)]
    back = [(kind, targets, None if angle is None else -angle) for kind, targets, angle in reversed(forward)]
    gates = [
        {"type": kind, "targets": targets} | ({} if angle is None else {"parameters": {"theta": angle}})
        for kind, targets, angle in forward + back
    ]
    return {"n_qubits": n, "gates": gates}


def supervisors(stack: Stack) -> list[int]:
    """The processes that the second lane runs: those that the server itself started."""
    server = stack._process.pid
    found = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [line.split(None, 2) for line in found]
    return [int(pid) for pid, parent, what in rows if int(parent) == server and "ketbase.runtime.batch" in what]


def eventually(check, seconds=30):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := check():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to it")


def test_a_run_too_large_for_the_first_lane_gives_its_certain_answer_in_the_second(stack):
    job_id = stack.run(stack.create(**entangler(18, 6)), shots=200, seed=1, optimization_level=0)
    result = stack.result(job_id)
    assert result["counts"] == {"0" * 18: 200}
    assert result["provenance"]["method"] == "statevector"
    job = stack.client.get(f"/v1/jobs/{job_id}").json()["data"]
    assert float(job["actual_cost"]) >= 60 * 2 * 0.04048 / 3_600, "a container is billed for a minute at least"
    assert float(job["actual_cost"]) <= float(job["reserved_cost"])


def test_a_run_that_fits_no_lane_is_refused_with_the_numbers_of_both(stack):
    answer = stack.client.post(f"/v1/circuits/{stack.create(**entangler(30, 8))}/run", json={"shots": 1})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "TOO_LARGE_TO_SIMULATE"
    assert error["details"]["needed_mb"] == pytest.approx(16 * 2**30 / 1e6)
    assert error["details"]["lanes"]["function"]["memory_mb"] == 1
    assert error["details"]["lanes"]["batch"] == {"memory_mb": 952, "seconds": 60}


def test_cancelling_a_run_ends_its_process(stack):
    job_id = stack.run(stack.create(**entangler(25, 40)), shots=10, optimization_level=0)
    (process,) = eventually(lambda: supervisors(stack))
    eventually(lambda: stack.client.get(f"/v1/jobs/{job_id}").json()["data"]["progress"]["step"] == "executing")
    assert stack.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    eventually(lambda: process not in supervisors(stack), 10)
    assert stack.wait(job_id)["status"] == "cancelled"


def test_a_killed_process_is_begun_again(stack):
    job_id = stack.run(stack.create(**entangler(20, 6)), shots=100, optimization_level=0)
    (process,) = eventually(lambda: supervisors(stack))
    os.kill(process, signal.SIGKILL)
    assert stack.result(job_id)["counts"] == {"0" * 20: 100}
