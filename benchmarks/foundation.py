"""How much time Ketbase adds to a simulation, and how many requests the local stack answers.

Run by `make bench`. Both sides of each comparison run here, one after the other, on the same work.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.e2e.circuits import ghz_json
from tests.e2e.stack import Stack, running_stack

JOBS = 60
SHOTS = 1_024
USERS = 16
SECONDS = 15
POLL_S = 0.005

console = Console(width=110)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as stack:
        circuit_id = stack.create(**ghz_json(5))
        for backend in ("aer", "fake_fez"):
            stack.result(stack.run(circuit_id, backend=backend, shots=SHOTS))
        submit_to_result(stack, circuit_id)
        load(stack, circuit_id)


def submit_to_result(stack: Stack, circuit_id: str) -> None:
    """From the POST of a run to its result in hand, beside the bare simulator."""
    bare = bare_aer()
    table = Table(title=f"A 5-qubit job, {SHOTS} shots, {JOBS} times, one after the other (milliseconds)")
    for column in ("what", "median", "p95", "of which simulation", "Ketbase's own"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("bare Aer call (run and result)", *quantiles(bare), "", "")
    for backend in ("aer", "fake_fez"):
        whole, inner = [], []
        for seed in range(JOBS):
            began = time.perf_counter()
            job_id = stack.run(circuit_id, backend=backend, shots=SHOTS, seed=seed)
            while stack.client.get(f"/v1/jobs/{job_id}").json()["data"]["status"] != "completed":
                time.sleep(POLL_S)
            result = stack.client.get(f"/v1/jobs/{job_id}/result").json()["data"]
            whole.append(time.perf_counter() - began)
            inner.append(result["provenance"]["execution_seconds"])
        own = statistics.median(w - i for w, i in zip(whole, inner, strict=True)) * 1_000
        table.add_row(
            f"submit to result on {backend}",
            *quantiles(whole),
            f"{statistics.median(inner) * 1_000:.1f}",
            f"{own:.1f}",
        )
        if backend == "aer":
            over = (statistics.median(whole) - statistics.median(bare)) * 1_000
    console.print(table)
    console.print(f"aer: {over:.0f} ms over the bare Aer call (goal: under 300 ms)\n")


def bare_aer() -> list[float]:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    circuit = QuantumCircuit(5)
    circuit.h(0)
    for qubit in range(4):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    simulator = AerSimulator(method="statevector")
    times = []
    for seed in range(JOBS + 1):
        began = time.perf_counter()
        simulator.run(circuit, shots=SHOTS, seed_simulator=seed).result().get_counts()
        times.append(time.perf_counter() - began)
    return times[1:]


def quantiles(seconds: list[float]) -> tuple[str, str]:
    return (
        f"{statistics.median(seconds) * 1_000:.1f}",
        f"{statistics.quantiles(seconds, n=20)[-1] * 1_000:.1f}",
    )


def load(stack: Stack, circuit_id: str) -> None:
    """Locust's users, without a pause between two requests, one route at a time."""
    table = Table(title=f"Load on the local stack: {USERS} users for {SECONDS} s on {os.cpu_count()} cores")
    for column in ("route", "requests/s", "p50 ms", "p95 ms", "p99 ms", "failures"):
        table.add_column(column, justify="left" if column == "route" else "right")
    for user, route in (("Reader", "GET /v1/circuits/{id}"), ("Writer", "POST /v1/circuits")):
        figures = locust(stack, circuit_id, user)
        table.add_row(route, *figures)
    console.print(table)


def locust(stack: Stack, circuit_id: str, user: str) -> tuple[str, ...]:
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("load.py")), user]
    command += ["--headless", "--host", f"http://127.0.0.1:{stack.port}", "-u", str(USERS), "-r", str(USERS)]
    command += ["-t", f"{SECONDS}s", "--json", "--skip-log", "--exit-code-on-error", "0"]
    environment = {**os.environ, "KETBASE_KEY": stack.key, "KETBASE_CIRCUIT": circuit_id}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (stats,) = json.loads(done.stdout)
    duration = stats["last_request_timestamp"] - stats["start_time"]
    times = sorted((float(ms), count) for ms, count in stats["response_times"].items())
    return (
        f"{stats['num_requests'] / duration:,.0f}",
        *(f"{percentile(times, p):.0f}" for p in (0.50, 0.95, 0.99)),
        str(stats["num_failures"]),
    )


def percentile(times: list[tuple[float, int]], share: float) -> float:
    wanted = share * sum(count for _, count in times)
    seen = 0
    for milliseconds, count in times:
        seen += count
        if seen >= wanted:
            return milliseconds
    return times[-1][0]


if __name__ == "__main__":
    main()
