"""The machines of this cloud: old machines of IBM, as their snapshots in the SDK describe them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.fake_provider import FakeFez, FakeLagosV2, FakeNairobiV2

OPEN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef0123456789abcdef:00000000-0000-4000-8000-000000000001::"
PREMIUM = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef0123456789abcdef:00000000-0000-4000-8000-000000000002::"

INSTANCES = {
    OPEN: {"name": "free-instance", "plan": "open", "pricing": "free"},
    PREMIUM: {"name": "dear-instance", "plan": "premium", "pricing": "paid"},
}
BACKENDS = {OPEN: ("ibm_lagos", "ibm_fez", "mock_lagos"), PREMIUM: ("ibm_nairobi", "ibm_fez")}
FAKES = {"ibm_lagos": FakeLagosV2, "ibm_nairobi": FakeNairobiV2, "ibm_fez": FakeFez, "mock_lagos": FakeLagosV2}


@cache
def fake(name: str) -> Any:
    """The snapshot of a machine."""
    return FAKES[name]()


@cache
def simulated(name: str) -> AerSimulator:
    """What errs as the machine does."""
    return AerSimulator.from_backend(fake(name))


def configuration(name: str) -> dict[str, Any]:
    """As `GET /backends/{id}/configuration` gives it."""
    return _snapshot(name, "conf") | {"backend_name": name}


def properties(name: str) -> dict[str, Any]:
    """As `GET /backends/{id}/properties` gives it."""
    return _snapshot(name, "props") | {"backend_name": name}


def listed(name: str) -> dict[str, Any]:
    """As `GET /backends` lists it."""
    said = configuration(name)
    paused = {"name": "paused", "reason": "calibration"} if name == "ibm_fez" else {"name": "online"}
    return {
        "name": name,
        "status": paused,
        "is_simulator": False,
        "qubits": said["n_qubits"],
        "queue_length": 7,
        "processor_type": said.get("processor_type"),
        **({"class": "mock"} if name.startswith("mock_") else {}),
    }


@cache
def _text(name: str, kind: str) -> str:
    chip = name.partition("_")[2]
    folder = files("qiskit_ibm_runtime.fake_provider.backends") / chip
    return (folder / f"{kind}_{chip}.json").read_text()


def _snapshot(name: str, kind: str) -> dict[str, Any]:
    return json.loads(_text(name, kind))
