"""States over HTTP: kept, found whatever their phase, refused clearly, gone with their organisation."""

import cmath
import json
import math
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ketbase.runtime import wiring
from ketbase.states.layout import collection
from tests import servers
from tests.e2e.installation import Installation, Member, found, installation
from tests.peers.pinecone_server import API_KEY

HALF = math.sqrt(0.5)


@pytest.fixture(scope="module", params=["embedded", "pinecone"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("states")
    if request.param == "embedded":
        with installation(folder) as made:
            yield made
        return
    with servers.pinecone() as url:
        wired = {"KETBASE_VECTORS": "pinecone", "KETBASE_PINECONE_HOST": url, "KETBASE_PINECONE_API_KEY": API_KEY}
        with installation(folder, **wired) as made:
            yield made


@pytest.fixture(scope="module")
def owner(house: Installation) -> Member:
    return found(house)


def circuit(owner: Member, n_qubits: int, *gates: dict[str, Any]) -> str:
    body = {"name": "a circuit", "n_qubits": n_qubits, "gates": gates}
    return owner.data_of("POST", "/v1/circuits", json=body)["id"]


def gate(kind: str, *targets: int, **parameters: Any) -> dict[str, Any]:
    return {"type": kind, "targets": targets, "parameters": parameters}


def kept(owner: Member, circuit_id: str, **body: Any) -> dict[str, Any]:
    return owner.data_of("POST", f"/v1/circuits/{circuit_id}/state", json=body)


def searched(owner: Member, **body: Any) -> dict[str, Any]:
    return owner.data_of("POST", "/v1/states/search", json=body)


def test_a_state_is_kept_listed_read_found_under_any_phase_and_deleted(owner: Member) -> None:
    rotation = circuit(owner, 2, gate("H", 0), gate("CNOT", 0, 1), gate("RY", 1, theta="a"))
    states = [kept(owner, rotation, parameters={"a": number / 4}, metadata={"step": number}) for number in range(6)]
    listed = owner.data_of("GET", f"/v1/states?circuit_id={rotation}&limit=4")
    assert [each["id"] for each in listed] == [each["id"] for each in states[:1:-1]]
    whole = owner.data_of("GET", f"/v1/states/{states[3]['id']}")
    assert whole["parameters"] == {"a": 0.75}
    for phase in (0.0, 1.0, math.pi, -2.5):
        turned = [complex(*pair) * cmath.exp(1j * phase) for pair in whole["amplitudes"]]
        answer = searched(owner, amplitudes=[[each.real, each.imag] for each in turned], top_k=3)
        first = answer["neighbours"][0]
        assert (answer["n_qubits"], answer["complete"], first["state"]) == (2, True, states[3])
        assert first["fidelity"] == pytest.approx(1, abs=1e-12)
        assert cmath.exp(1j * first["phase"]) == pytest.approx(cmath.exp(-1j * phase), abs=1e-9)
    by_circuit = searched(owner, circuit_id=rotation, parameters={"a": 0.3}, filter={"metadata": {"step": 1}})
    (only,) = by_circuit["neighbours"]
    assert only["fidelity"] == pytest.approx(math.cos(0.025) ** 2)
    assert owner.call("DELETE", f"/v1/states/{states[3]['id']}").status_code == 204
    assert states[3]["id"] not in json.dumps(searched(owner, state_id=states[0]["id"]))
    assert owner.call("GET", f"/v1/states/{states[3]['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"amplitudes": [[1, 0], [0, 0], [0, 0]]}, "INVALID_STATE", "amplitudes"),
        ({"amplitudes": [[1, 0]] + [[0, 0]] * 2_047}, "INVALID_STATE", "amplitudes"),
        ({"amplitudes": [[1, 0], [1, 0]]}, "INVALID_STATE", "amplitudes"),
        ({"amplitudes": [[1, 0], [0]]}, "VALIDATION_ERROR", "amplitudes.1.1"),
        ({"amplitudes": [[1, 0], ["x", 0]]}, "VALIDATION_ERROR", "amplitudes.1.0"),
        ({}, "VALIDATION_ERROR", "body"),
    ],
)
def test_what_is_no_state_is_refused_with_what_it_is_and_what_would_be_right(
    owner: Member, body: dict[str, Any], code: str, field: str
) -> None:
    answer = owner.call("POST", "/v1/states/search", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, code)
    details = error["details"]["fields"][0] if code == "VALIDATION_ERROR" else error["details"]
    assert details["field"] == field
    assert code == "VALIDATION_ERROR" or "given" in details


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused(owner: Member, number: str) -> None:
    body = f'{{"amplitudes": [[{number}, 0], [0, 0]]}}'
    answer = owner.call("POST", "/v1/states/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "amplitudes.0.0" in answer.text


def test_a_circuit_without_one_state_is_refused(owner: Member) -> None:
    for n_qubits, gates, code in (
        (11, [gate("H", 0)], "TOO_MANY_QUBITS"),
        (1, [gate("H", 0), gate("RESET", 0)], "UNSUPPORTED_OPERATION"),
        (1, [gate("RX", 0, theta="a")], "UNBOUND_PARAMETERS"),
    ):
        path = f"/v1/circuits/{circuit(owner, n_qubits, *gates)}/state"
        answer = owner.call("POST", path, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


def test_the_largest_circuit_that_there_is_has_its_state_within_seconds(owner: Member) -> None:
    gates = [gate("U", n % 10, theta=0.1 * n, phi=0.2, **{"lambda": 0.3}) for n in range(5_000)]
    gates += [gate("CNOT", n % 10, (n + 3) % 10) for n in range(5_000)]
    large = circuit(owner, 10, *gates)
    began = time.monotonic()
    made = kept(owner, large)
    assert time.monotonic() - began < 5
    whole = owner.data_of("GET", f"/v1/states/{made['id']}")
    assert sum(real**2 + imaginary**2 for real, imaginary in whole["amplitudes"]) == pytest.approx(1, abs=1e-12)


def test_a_viewer_searches_and_does_not_keep(owner: Member) -> None:
    viewer = owner.invite("viewer")
    plus = circuit(owner, 1, gate("H", 0))
    made = kept(owner, plus)
    assert viewer.call("POST", f"/v1/circuits/{plus}/state", json={}).status_code == 403
    assert viewer.call("DELETE", f"/v1/states/{made['id']}").status_code == 403
    assert searched(viewer, amplitudes=[[HALF, 0], [HALF, 0]])["neighbours"][0]["state"]["id"] == made["id"]


def test_tenants_do_not_see_each_others_states(house: Installation, owner: Member) -> None:
    other = found(house)
    made = kept(owner, circuit(owner, 3, gate("H", 2)))
    own = kept(other, circuit(other, 3, gate("H", 2)))
    assert [each["state"]["id"] for each in searched(other, state_id=own["id"])["neighbours"]] == []
    for method, path, body in (
        ("GET", f"/v1/states/{made['id']}", None),
        ("DELETE", f"/v1/states/{made['id']}", None),
        ("POST", "/v1/states/search", {"state_id": made["id"]}),
        ("POST", "/v1/states/search", {"circuit_id": made["circuit_id"]}),
    ):
        assert other.call(method, path, json=body).status_code == 404, path
    assert [each["id"] for each in other.data_of("GET", "/v1/states")] == [own["id"]]


def test_a_deleted_organisations_states_are_erased(house: Installation) -> None:
    gone = found(house)
    made = kept(gone, circuit(gone, 4, gate("H", 0)))
    assert list(wiring.vectors().ids(collection(4), gone.organization_id)) == [made["id"]]
    name = gone.data_of("GET", "/v1/organization")["name"]
    gone.data_of("DELETE", "/v1/organization", json={"confirmation": name})
    wiring.erasure().erase(house.clock.now() + timedelta(minutes=1))
    assert list(wiring.vectors().ids(collection(4), gone.organization_id)) == []
    assert list(wiring.blobs().keys(f"states/{gone.organization_id}/")) == []


def test_an_installation_without_a_store_of_vectors_says_so(tmp_path: Path) -> None:
    with installation(tmp_path, KETBASE_VECTORS="none") as house:
        owner = found(house)
        for path, body in (
            (f"/v1/circuits/{circuit(owner, 1, gate('H', 0))}/state", {}),
            ("/v1/states/search", {"amplitudes": [[1, 0], [0, 0]]}),
        ):
            answer = owner.call("POST", path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "VECTORS_NOT_CONFIGURED")
        assert owner.data_of("GET", "/v1/states") == []
        assert "vectors" not in house.data_of("GET", "/ready")["dependencies"]
