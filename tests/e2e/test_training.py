"""A training ends with the very same numbers in one piece, in the workflow, and over any number of power cuts."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ketbase.adapters.blobs.files import FileBlobs
from ketbase.backends.catalog import backends
from ketbase.money import Money
from ketbase.quantum.training.trainer import QuantumTrainer
from ketbase.training.types import TrainingConfig, Trial
from tests.e2e.stack import Stack, running_stack

EPOCHS = 60
CONFIG: dict[str, Any] = {
    "dataset": {"type": "breast_cancer", "train_size": 300},
    "epochs": EPOCHS,
    "batch_size": 1,
    "optimizer": "adam",
    "seed": 7,
}
TEMPLATE = {"ansatz": "strongly_entangling", "n_qubits": 8, "layers": 6}


@pytest.fixture(scope="module")
def whole() -> tuple[list[dict[str, Any]], bytes]:
    """The history and the model's arrays of the same training, in one piece and in this process."""
    config = TrainingConfig.model_validate({**CONFIG, "template": TEMPLATE, "name": "whole", "model_id": "model_1"})
    trainer, trial = QuantumTrainer(provider=None), Trial(number=0)  # type: ignore[arg-type]
    prepared = trainer.prepare(config, None, None)
    *_, last = trainer.train(config, backends()["aer"], prepared, trial, None)
    checkpoint = last.checkpoint()
    history = [report.model_dump(mode="json") for report in trainer.history(checkpoint)]
    return history, trainer.finish(config, prepared, trial, checkpoint).arrays


def submit(stack: Stack, **config: Any) -> str:
    body = {"template": TEMPLATE, "config": {**CONFIG, **config}}
    answer = stack.client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["job_id"]


def arrays(stack: Stack, model_id: str) -> bytes:
    blobs = FileBlobs(stack.data / "blobs")
    (key,) = (key for key in blobs.keys("models/") if key.endswith(f"/{model_id}/arrays.npz"))
    return blobs.get(key)


def without_time(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in report.items() if name != "seconds"} for report in history]


def wait_for_a_stretch(stack: Stack, job_id: str) -> None:
    """Wait until one more begins, or the job is over."""
    began = len(events(stack, job_id, "training.began"))
    deadline = time.monotonic() + 60
    while len(events(stack, job_id, "training.began")) == began:
        if stack.client.get(f"/v1/jobs/{job_id}").json()["data"]["status"] == "completed":
            return
        assert time.monotonic() < deadline, stack.log_text()[-3_000:]
        time.sleep(0.02)


def epochs(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    return events(stack, job_id, "training.epoch")


def events(stack: Stack, job_id: str, kind: str) -> list[dict[str, Any]]:
    found, after = [], 0
    while page := stack.client.get(f"/v1/jobs/{job_id}/events?after={after}&limit=1000").json()["data"]["events"]:
        found += page
        after = page[-1]["cursor"]
    return [event["data"] for event in found if event["type"] == kind]


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.verify_04)])
def test_a_training_over_power_cuts_has_the_numbers_of_one_in_one_piece_and_pays_for_each_epoch_once(
    tmp_path: Path, whole: tuple[list[dict[str, Any]], bytes], kills: int
) -> None:
    history, model = whole
    with running_stack(tmp_path / "data", KETBASE_TRAINING_STRETCH_S="2") as stack:
        job_id = submit(stack)
        for _ in range(kills):
            wait_for_a_stretch(stack, job_id)
            time.sleep(random.uniform(0.0, 1.5))
            stack.kill()
            stack.start()
        job = stack.wait(job_id, 240)
        assert job["status"] == "completed", job
        result = stack.result(job_id)
        assert without_time(result["history"]) == without_time(history)
        assert arrays(stack, result["model_id"]) == model
        charged = epochs(stack, job_id)
        assert [each["number"] for each in charged] == list(range(1, EPOCHS + 1))
        assert [each["loss"] for each in charged] == [each["loss"] for each in history]
        total = sum((Money.of(each["cost"]) for each in charged), Money())
        assert total <= Money.of(job["actual_cost"]) <= Money.of(job["reserved_cost"])
        (trial,) = job["trials"]
        assert trial["seconds"] == pytest.approx(sum(each["seconds"] for each in charged))


def test_a_sweep_of_twelve_trainings_picks_the_planted_best(tmp_path: Path) -> None:
    """Eleven of them hardly move from where they start."""
    rates = [1e-6, 1e-5, 2e-5, 0.1, 3e-6, 1e-7]
    sweep = {"parameters": {"learning_rate": rates, "seed": [1, 2]}}
    with running_stack(tmp_path / "data") as stack:
        data = {"type": "moons", "n_samples": 200}
        body = {"template": {"n_qubits": 2, "layers": 2}, "name": "Moons"}
        config = {"dataset": data, "epochs": 10, "sweep": sweep}
        answer = stack.client.post("/v1/jobs", json={**body, "config": config})
        result = stack.result(answer.json()["data"]["job_id"], 120)
        assert len(result["trials"]) == 12
        assert result["trials"][result["best_trial"]]["changed"]["learning_rate"] == 0.1
        charged = epochs(stack, result["job_id"])
        assert sorted((each["trial"], each["number"]) for each in charged) == [
            (trial, number) for trial in range(12) for number in range(1, 11)
        ]
        runs_beside_a_training(stack)


def runs_beside_a_training(stack: Stack) -> None:
    """A cancelled training stops soon, and says how many epochs it had; what waited for its worker runs."""
    job_id = submit(stack, epochs=10_000)
    deadline = time.monotonic() + 60
    while not stack.client.get(f"/v1/jobs/{job_id}").json()["data"]["progress"]["current_epoch"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    circuit_id = stack.create(n_qubits=1, gates=[{"type": "H", "targets": [0]}])
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: stack.result(stack.run(circuit_id, shots=10)))
        cancelled = stack.client.post(f"/v1/jobs/{job_id}/cancel").json()["data"]
        assert cancelled["status"] == "cancelled"
        assert cancelled["epochs_completed"] > 0
        assert sum(run.result()["counts"].values()) == 10
    assert len(epochs(stack, job_id)) == cancelled["epochs_completed"]
