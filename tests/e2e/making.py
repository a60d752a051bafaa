"""How to make what a route is about, and a body that it takes: for tests that walk all routes."""

import base64
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from ketbase.backends.calibrations import id_of
from ketbase.backends.remote import Properties
from ketbase.datasets import layout
from ketbase.runtime import wiring
from tests.e2e.installation import Installation, Member, Route
from tests.trained import made, trained

BELL = {"n_qubits": 2, "gates": [{"type": "H", "targets": [0]}, {"type": "CNOT", "targets": [0, 1]}]}


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one of what a path parameter names.

    Attributes:
        make: takes the organisation's owner and whoever will call, and gives an id.
        tenants: whether each is one tenant's; otherwise it is everybody's.
    """

    make: Callable[[Member, Member], str]
    tenants: bool = True


def circuit(owner: Member, _caller: Member) -> str:
    return owner.data_of("POST", "/v1/circuits", json={"name": "Bell", **BELL})["id"]


def job(owner: Member, caller: Member) -> str:
    path = f"/v1/circuits/{circuit(owner, caller)}/run"
    return owner.data_of("POST", path, json={"backend": "aer", "shots": 10})["job_id"]


def state(owner: Member, caller: Member) -> str:
    return owner.data_of("POST", f"/v1/circuits/{circuit(owner, caller)}/state", json={})["id"]


def dataset(owner: Member, _caller: Member) -> str:
    made = owner.data_of("POST", "/v1/datasets", json={"name": "Flowers", "format": "csv"})["dataset"]["id"]
    data = b"length,flower\n1.5,rose\n2.5,lily\n"
    wiring.blobs().put(layout.blob(owner.organization_id, made), data, content_type="text/csv")
    return made


def model(owner: Member, _caller: Member) -> str:
    """One in service, with another that answers unseen beside it."""
    first, second = (
        wiring.registry().add(owner.organization_id, trained("Flowers", made(n_raw=2), user_id=owner.user_id)).id
        for _ in range(2)
    )
    owner.data_of("POST", f"/v1/models/{first}/deploy", json={})
    owner.data_of("POST", f"/v1/models/{second}/deploy", json={"shadow_of": first})
    return first


def key(_owner: Member, caller: Member) -> str:
    return caller.new_key(["circuits:read"])["id"]


def user(owner: Member, _caller: Member) -> str:
    return owner.invite("viewer").user_id


def invitation(owner: Member, _caller: Member) -> str:
    email = f"guest{next(_numbers)}@example.com"
    return owner.data_of("POST", "/v1/users", json={"email": email, "role": "viewer"})["id"]


def session(_owner: Member, caller: Member) -> str:
    claims = caller.sign_in()["Authorization"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"]


def calibration(owner: Member, _caller: Member) -> str:
    aer = wiring.backends().info("aer")
    taken_at = datetime(2026, 1, 1, tzinfo=UTC)
    wiring.calibrations().keep(aer, Properties(backend="aer", taken_at=taken_at, qubits=()))
    return id_of(taken_at)


MAKERS: dict[str, Maker] = {
    "backend_id": Maker(lambda _owner, _caller: "aer", tenants=False),
    "calibration_id": Maker(calibration, tenants=False),
    "circuit_id": Maker(circuit),
    "dataset_id": Maker(dataset),
    "invitation_id": Maker(invitation),
    "job_id": Maker(job),
    "key_id": Maker(key),
    "model_id": Maker(model),
    "month": Maker(lambda owner, _caller: f"{owner.house.clock.now():%Y-%m}", tenants=False),
    "session_id": Maker(session),
    "state_id": Maker(state),
    "user_id": Maker(user),
}
"""By the name of the path parameter."""

BODIES: dict[str, Any] = {
    "CreateCircuit": {"name": "Bell", **BELL},
    "CreateDataset": {"name": "Flowers", "format": "csv"},
    "CreateKey": {"name": "another", "scopes": ["circuits:read"]},
    "EstimateRequest": {"circuit": {"n_qubits": 2, "gates": 2}},
    "OptimizeCircuit": {"target_backend": "fake_fez", "effort": 1},
    "Predict": {"inputs": [[0.5, -1.0]]},
    "RunCircuit": {"backend": "aer", "shots": 10},
    "SearchStates": {"amplitudes": [[1, 0], [0, 0]]},
    "SubmitTraining": {
        "template": {"n_qubits": 2, "layers": 1},
        "config": {"dataset": {"type": "moons", "n_samples": 20}, "epochs": 1},
    },
    "UpdateCircuit": {"name": "renamed"},
}
"""Bodies by the name of their schema, where the least that the schema asks for is not enough."""


def maker(parameter: str) -> Maker:
    """Find how to make what a path parameter names."""
    if parameter not in MAKERS:
        pytest.fail(
            f"No test knows how to make a {parameter!r}: say it in MAKERS of tests/e2e/making.py, so that the routes "
            "with this path parameter are tried with one's own and with another tenant's."
        )
    return MAKERS[parameter]


def filled(route: Route, ids: dict[str, str]) -> str:
    """Give a route's path with its parameters in it."""
    return route.path.format_map(ids)


def body_of(house: Installation, route: Route) -> dict[str, Any]:
    """Give the arguments of a call that say a body the route takes; none where it takes none."""
    content = route.operation.get("requestBody", {}).get("content", {})
    if not content:
        return {}
    kind, media = next(iter(content.items()))
    made = least(house.document, media["schema"])
    return {"json": made} if kind == "application/json" else {"data": made}


def least(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Give the least that a schema takes."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return BODIES[name] if name in BODIES else least(document, document["components"]["schemas"][name])
    for name in ("const", "default", "example"):
        if name in schema:
            return schema[name]
    for name in ("enum", "examples"):
        if schema.get(name):
            return schema[name][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return least(document, schema[name][0])
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", ())
            return {name: least(document, schema["properties"][name]) for name in wanted}
        case "array":
            return [least(document, schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "string" if schema.get("format") == "date-time":
            return "2030-01-01T00:00:00Z"
        case "string":
            return "x" * max(1, schema.get("minLength", 1))
        case _:
            return None


_numbers = itertools.count(1)
