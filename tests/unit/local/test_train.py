"""The command that trains: what it asks for, and what it shows."""

import pytest
from typer.testing import CliRunner

from ketbase.local import train
from ketbase.local.cli import app
from ketbase.local.client import ApiError, Client

FIGURES = {
    "accuracy": {"value": 0.972, "low": 0.858, "high": 0.995},
    "f1": {"value": 0.974, "low": 0.9, "high": 1.0},
    "loss": {"value": 0.174, "low": 0.1, "high": 0.2},
}


@pytest.fixture
def api(monkeypatch):
    """An API that trains at once; gives what it was asked, and the states through which its job goes."""
    asked: list[dict] = []
    states = ["queued", "running", "completed"]
    told = iter(states)
    progress = {"percentage": 50, "step": "training"}

    def job(_client: Client, _job_id: str) -> dict:
        status = next(told)
        return {
            "status": status,
            "progress": progress,
            "error": {"code": "INVALID_DATA", "message": "one class only"},
        }

    monkeypatch.setattr(train, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(Client, "submit_training", lambda _, body: asked.append(body) or {"job_id": "job_1"})
    monkeypatch.setattr(Client, "job", job)
    monkeypatch.setattr(
        Client,
        "result",
        lambda *_: {
            "metrics": {"validation": FIGURES | {"accuracy": {"value": 0.1, "low": 0, "high": 1}}, "test": FIGURES},
            "baselines": {"rbf_svm": FIGURES | {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}}},
            "model_id": "model_1",
            "model_version": "1.0.0",
        },
    )
    return asked, states


def run(*words: str):
    return CliRunner().invoke(app, ["train", *words, "--key", "qsk_x"])


def test_the_figures_of_the_test_part_stand_beside_the_baselines_and_the_card(api):
    done = run("wine")
    assert done.exit_code == 0
    assert "0.972" in done.stdout
    assert "rbf svm" in done.stdout
    assert "0.500" in done.stdout
    assert "0.100" not in done.stdout
    assert "http://127.0.0.1:8000/v1/models/model_1/card" in done.stdout


def test_what_is_said_on_the_command_line_is_what_is_asked_for(api):
    run(
        "digits",
        "--classes",
        "0,1,four",
        "--qubits",
        "6",
        "--layers",
        "2",
        "--epochs",
        "7",
        "--seed",
        "3",
        "--kernel",
    )
    ((body,), _) = api
    assert body["template"] == {"n_qubits": 6, "layers": 2}
    assert body["config"] == {
        "method": "kernel",
        "dataset": {"type": "digits", "seed": 3, "classes": [0, 1, "four"]},
        "epochs": 7,
        "seed": 3,
    }


def test_an_upload_is_known_by_its_id(api):
    run("dataset_01")
    assert api[0][0]["config"]["dataset"] == {"type": "upload", "dataset_id": "dataset_01", "seed": 0}


def test_a_training_that_fails_says_why(api):
    api[1][2] = "failed"
    done = run("wine")
    assert done.exit_code == 1
    assert "one class only" in done.stderr


def test_a_refusal_says_what_would_be_right(api, monkeypatch):
    def refuse(*_):
        raise ApiError("INVALID_DATASET", "There is no data set 'x'.")

    monkeypatch.setattr(Client, "submit_training", refuse)
    done = run("x")
    assert done.exit_code == 1
    assert "no data set" in done.stderr
