"""Every function answers its sample event, as built, in AWS's runtime interface emulator."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from tests.functions.emulator import emulated
from tests.functions.seed import OTP_SECRET, SESSION
from tests.template import ROOT, Function, functions

EMBEDDED = {
    "KETBASE_RECORDS": "sqlite",
    "KETBASE_BLOBS": "files",
    "KETBASE_MAIL": "files",
    "KETBASE_DOORBELL": "local",
    "KETBASE_WORKFLOWS": "local",
    "KETBASE_VECTORS": "embedded",
    "KETBASE_CAPACITY": "local",
    "KETBASE_MAX_REPLICAS": "10",
    "KETBASE_SIGN_UP": "open",
    "KETBASE_MAX_CONCURRENT_JOBS": "100",
    "KETBASE_SECRET": "a secret for the sample events",
    "KETBASE_PUBLIC_URL": "https://api.example.com",
}
"""Over the template's settings: the adapters that need a folder only, and what AWS would keep or know."""
ORGANIZATION = "org_00000000000000000000000001"
CIRCUIT = "circuit_00000000000000000000000001"
ONE_EACH = [pytest.approx(1.0), pytest.approx(1.0)]
BELL = [0.5, 0.0, 0.0, 0.5]
"""The probabilities of a Bell pair."""


def numbered(prefix: str, number: int) -> str:
    return f"{prefix}_{number:026d}"


def job(number: int) -> str:
    return numbered("job", number)


type Check = Callable[[Any], bool]

# The status, and what the envelope's data must show.
ROUTES: dict[str, tuple[int, Check]] = {
    "auth/confirm_mfa": (200, lambda data: len(data["recovery_codes"]) == 10),
    "auth/enrol_mfa": (201, lambda data: "</svg>" in data["qr_svg"]),
    "auth/list_sessions": (200, lambda data: [each["current"] for each in data] == [True]),
    "backends/list": (200, lambda data: {"aer", "fake_fez"} <= {backend["id"] for backend in data}),
    "backends/calibration": (200, lambda data: len(data["qubits"]) == 156),
    "backends/calibrations": (200, lambda data: [each["backend"] for each in data] == ["fake_fez"]),
    "backends/status": (200, lambda data: "fake_fez" in json.dumps(data)),
    "circuits/create": (201, lambda data: data["n_qubits"] == 2),
    "circuits/get": (200, lambda data: data["id"] == CIRCUIT),
    "circuits/list": (200, lambda data: len(data) == 2),
    "circuits/optimize": (202, lambda data: data["status"] == "queued"),
    "circuits/run": (202, lambda data: data["status"] == "queued"),
    "circuits/state": (201, lambda data: (data["n_qubits"], data["name"]) == (2, "Bell")),
    "circuits/update": (200, lambda data: data["name"] == "Bell pair, renamed"),
    "costs/budget": (200, lambda data: data["percentage_used"] == 0.0),
    "costs/estimate": (200, lambda data: [each["backend"] for each in data["estimates"]] == ["aer", "fake_fez"]),
    "costs/prices": (200, lambda data: data["compute"]["price"] == "0.0000166667"),
    "costs/update_budget": (200, lambda data: data["monthly_limit"] == "10000.00"),
    "costs/usage": (200, lambda data: data["total_jobs"] == 1),
    "datasets/check": (200, lambda data: (data["status"], data["classes"]) == ("ready", ["lily", "rose"])),
    "datasets/create": (201, lambda data: "/uploads/" in data["upload_url"]),
    "datasets/get": (200, lambda data: (data["name"], data["status"]) == ("Flowers", "waiting")),
    "datasets/list": (200, lambda data: [each["id"] for each in data] == [numbered("dataset", 1)]),
    "jobs/cancel": (200, lambda data: "cancelled" in json.dumps(data)),
    "jobs/events": (200, lambda data: "run.executed" in json.dumps(data)),
    "jobs/get": (200, lambda data: data["status"] == "completed"),
    "jobs/list": (200, lambda data: {each["id"] for each in data} == {job(1), job(2)}),
    "jobs/logs": (200, lambda data: "Completed" in json.dumps(data)),
    "jobs/submit": (202, lambda data: data["status"] == "queued"),
    "jobs/result": (200, lambda data: sum(data["counts"].values()) == 4_096),
    "models/deploy": (202, lambda data: (data["status"], data["replicas"]) == ("deployed", 2)),
    "models/get": (200, lambda data: (data["version"], data["status"]) == ("1.0.0", "deployed")),
    "models/list": (200, lambda data: [each["version"] for each in data] == ["3.0.0", "1.0.0"]),
    "models/metrics": (200, lambda data: (len(data["days"]), sum(data["requests_per_day"])) == (7, 0)),
    "models/predict": (200, lambda data: [sum(each["probabilities"]) for each in data["predictions"]] == ONE_EACH),
    "models/retire": (200, lambda data: data["status"] == "retired"),
    "models/shadow": (200, lambda data: (data["second"]["version"], data["requests"]) == ("3.0.0", 0)),
    "ops/health": (200, lambda data: data["status"] == "ok"),
    "organization/audit": (200, lambda data: [line["action"] for line in data] == ["circuit.created"] * 2),
    "keys/create": (201, lambda data: data["key"].endswith(data["hint"][-4:])),
    "keys/list": (200, lambda data: {each["id"] for each in data} == {numbered("key", 1), numbered("key", 2)}),
    "organization/create": (201, lambda data: data["user"]["role"] == "owner"),
    "organization/delete": (202, lambda data: data["status"] == "erasing"),
    "organization/get": (200, lambda data: data["members"] == 2),
    "organization/update": (200, lambda data: data["settings"]["allowed_backends"] == ["aer", "fake_fez"]),
    "users/accept": (201, lambda data: data["email"] == "new@example.com"),
    "users/get": (200, lambda data: data["email"] == "dev@example.com"),
    "users/invitations": (200, lambda data: [each["email"] for each in data] == ["new@example.com"]),
    "users/invite": (201, lambda data: "token" not in data),
    "users/list": (200, lambda data: [each["id"] for each in data] == [numbered("user", 2)]),
    "users/me": (200, lambda data: data["role"] == "owner"),
    "users/profile": (200, lambda data: data["preferences"]["default_backend"] == "aer"),
    "users/update": (200, lambda data: data["role"] == "viewer"),
    "states/get": (200, lambda data: [round(real**2 + imag**2, 9) for real, imag in data["amplitudes"]] == BELL),
    "states/list": (200, lambda data: [each["id"] for each in data] == [numbered("state", 1)]),
    "states/search": (200, lambda data: round(data["neighbours"][0]["fidelity"], 9) == 1.0),
    "ops/ready": (200, lambda data: data["status"] == "ready"),
}
STEPS: dict[str, Check] = {
    "auth/rotate": lambda answer: answer == {"key_id": None},
    "costs/alert": lambda answer: answer["accounts"] >= 1,
    "jobs/dispatch": lambda answer: answer == {"started": [job(2)], "batchItemFailures": []},
    "ops/purge": lambda answer: answer == {"jobs": 0},
    "ops/seal": lambda answer: answer["lines"] > 0,
    "ops/deliver": lambda answer: answer["sent"] and not answer["delayed"] + answer["given_up"],
    "organization/erase": lambda answer: answer == {"finished": [], "unfinished": [numbered("org", 2)]},
    "ops/reconcile": lambda answer: (answer["organizations"], answer["count"]) == (1, 0),
    "ops/sweep": lambda answer: "errorMessage" not in answer,
    "run/collect": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(5)},
    "optimize/fail": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(9)},
    "optimize/search": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(9)},
    "training/fail": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(10)},
    "training/finish": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(12)},
    "training/prepare": lambda answer: (answer["job_id"], answer["trials"]) == (job(10), [0]),
    "training/train": lambda answer: answer == {"more": False},
    "providers/poll": lambda answer: (answer["engine"], answer["open"]) == ("ionq", 0),
    "providers/refresh": lambda answer: answer["backends"] > 20 and answer["failed"] == [],
    "run/compile": lambda answer: (
        answer
        == {
            "organization_id": ORGANIZATION,
            "job_id": job(3),
            "lane": "function",
            "queue": "",
            "definition": "",
        }
    ),
    "run/execute": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(4)},
    "run/fetch": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(8)},
    "run/submit": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(7)},
    "run/withdraw": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(4)},
    "run/fail": lambda answer: answer == {"organization_id": ORGANIZATION, "job_id": job(6)},
}
# Answers without an envelope.
DOCUMENTS: dict[str, Check] = {
    "auth/change_password": lambda body: body == "",
    "auth/end_session": lambda body: body == "",
    "auth/jwks": lambda body: "d" not in json.loads(body)["keys"][0],
    "auth/reset_password": lambda body: body == "",
    "auth/token": lambda body: json.loads(body)["token_type"] == "Bearer",
    "circuits/delete": lambda body: body == "",
    "costs/statement": lambda body: body.startswith("%PDF-"),
    "circuits/diagram": lambda body: "</svg>" in body,
    "circuits/qasm": lambda body: body.startswith("OPENQASM 3"),
    "datasets/delete": lambda body: body == "",
    "docs/openapi": lambda body: "/v1/circuits/{circuit_id}/run" in json.loads(body)["paths"],
    "docs/show": lambda body: "<html" in body.lower(),
    "keys/revoke": lambda body: body == "",
    "models/card": lambda body: body.count("</svg>") == 3 and "Flowers" in body,
    "models/delete": lambda body: body == "",
    "models/export": lambda body: body.startswith("OPENQASM 3") and "input float[64] x_0;" in body,
    "states/delete": lambda body: body == "",
    "users/remove": lambda body: body == "",
    "users/withdraw": lambda body: body == "",
}
# Answers with nothing in them, but a status.
EMPTY: dict[str, int] = {
    "auth/forgot_password": 202,
    "auth/revoke": 200,
}
# What a function refuses in an installation as small as this one.
REFUSALS: dict[str, tuple[int, str]] = {
    "auth/disable_mfa": (409, "MFA_DISABLED"),
    "auth/finish_oidc": (404, "OIDC_NOT_CONFIGURED"),
    "auth/start_oidc": (404, "OIDC_NOT_CONFIGURED"),
}


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the circuits and jobs that the events ask for."""
    data = tmp_path_factory.mktemp("seeded")
    environment = {**os.environ, "KETBASE_DATA": str(data), **EMBEDDED}
    subprocess.run(
        [sys.executable, "-m", "tests.functions.seed"], cwd=ROOT, env=environment, check=True, timeout=120
    )
    return data


def each_function() -> list[Any]:
    return [pytest.param(function, id=function.folder) for function in functions().values()]


@pytest.mark.parametrize("function", each_function())
def test_answers_its_sample_event(function: Function, seeded: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(seeded, data)
    event = sample(function, data)
    settings = {**EMBEDDED, "KETBASE_DATA": str(data)}
    with emulated(function, settings, tmp_path) as emulator:
        answer = emulator.invoke(event)
        check(function, answer, emulator.logs)


def sample(function: Function, data: Path) -> Any:
    """Read a function's event, with what is good for a while only put in."""
    text = (ROOT / "events" / f"{function.folder}.json").read_text()
    text = text.replace("{session}", (data / SESSION).read_text())
    return json.loads(text.replace("{otp}", pyotp.TOTP(OTP_SECRET).now()))


def check(function: Function, answer: Any, logs: str) -> None:
    assert "errorType" not in answer, f"{answer}\n{logs}"
    if not function.routes:
        assert STEPS[function.folder](answer), f"{answer}\n{logs}"
    elif function.folder in EMPTY:
        assert (answer["statusCode"], answer["body"]) in [(EMPTY[function.folder], each) for each in ("", "null")]
    elif function.folder in REFUSALS:
        assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == REFUSALS[function.folder]
    elif function.folder in DOCUMENTS:
        assert answer["statusCode"] == (200 if answer["body"] else 204), f"{answer}\n{logs}"
        body = (
            base64.b64decode(answer["body"]).decode(errors="replace")
            if answer["isBase64Encoded"]
            else answer["body"]
        )
        assert DOCUMENTS[function.folder](body), body[:500]
    else:
        status, shows = ROUTES[function.folder]
        assert answer["statusCode"] == status, f"{answer}\n{logs}"
        envelope = json.loads(answer["body"])
        assert envelope["success"] is True
        assert shows(envelope["data"]), envelope
