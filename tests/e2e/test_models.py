"""Models over HTTP: listed, put into service, asked, compared, drawn, exported, retired and deleted."""

import json
import types
from collections.abc import Iterator
from typing import Any

import pytest

from ketbase.runtime import wiring
from tests.e2e.installation import Installation, Member, found, installation
from tests.trained import made, trained

SAMPLES = [[0.5, -1.0, 2.0], [3.0, 0.25, -0.5]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("models")) as house:
        yield house


@pytest.fixture(scope="module")
def owner(house: Installation) -> Member:
    return found(house)


def model(owner: Member, name: str, **kind: Any) -> str:
    handed = trained(name, made(**kind), user_id=owner.user_id)
    return wiring.registry().add(owner.organization_id, handed).id


def refused(owner: Member, method: str, path: str, status: int, code: str, **more: Any) -> dict[str, Any]:
    answer = owner.call(method, path, **more)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    return dict(answer.json()["error"]["details"])


def test_a_model_lives_from_its_registration_to_its_end(owner: Member) -> None:
    first, second = model(owner, "Flowers", seed=0), model(owner, "Flowers", seed=1)
    path = f"/v1/models/{first}"
    assert [each["id"] for each in owner.data_of("GET", "/v1/models?name=Flowers")] == [second, first]
    assert owner.data_of("GET", path)["version"] == "1.0.0"
    refused(owner, "POST", f"{path}/predict", 409, "MODEL_NOT_DEPLOYED", json={"inputs": SAMPLES})

    deployed = owner.data_of("POST", f"{path}/deploy", json={"replicas": 2})
    assert (deployed["status"], deployed["endpoint"].endswith(f"{path}/predict")) == ("deployed", True)
    answer = owner.data_of("POST", f"{path}/predict", json={"inputs": SAMPLES})
    assert [sorted(each) for each in answer["predictions"]] == [["class", "confidence", "probabilities"]] * 2
    details = refused(owner, "POST", f"{path}/predict", 422, "WRONG_WIDTH", json={"inputs": [[1.0]]})
    assert (details["field"], details["expected"]) == ("inputs.0", 3)
    refused(owner, "DELETE", path, 409, "MODEL_DEPLOYED")

    owner.data_of("POST", f"/v1/models/{second}/deploy", json={"shadow_of": first})
    owner.data_of("POST", f"{path}/predict", json={"inputs": SAMPLES})
    report = owner.data_of("GET", f"{path}/shadow")
    assert (report["requests"], report["predictions"], report["second"]["model_id"]) == (1, 2, second)

    metrics = owner.data_of("GET", f"{path}/metrics?window=2d")
    assert (metrics["requests_per_day"], metrics["predictions_per_day"]) == ([0, 3], [0, 4])
    assert metrics["error_rate"] == pytest.approx(1 / 3)
    usage = owner.data_of("GET", "/v1/usage?group_by=job")
    assert {each["job_id"] for each in usage["breakdown_by_job"]} == {first, second}
    assert usage["total_jobs"] == 0

    assert owner.data_of("POST", f"{path}/retire")["status"] == "retired"
    refused(owner, "POST", f"{path}/predict", 409, "MODEL_RETIRED", json={"inputs": SAMPLES})
    assert owner.call("DELETE", path).status_code == 204
    refused(owner, "GET", path, 404, "MODEL_NOT_FOUND")


def test_an_exported_file_says_what_the_service_says(owner: Member) -> None:
    path = f"/v1/models/{model(owner, 'Exported')}"
    owner.data_of("POST", f"{path}/deploy", json={})
    served = owner.data_of("POST", f"{path}/predict", json={"inputs": SAMPLES})["predictions"]
    source = owner.call("GET", f"{path}/export?form=qiskit")
    assert "model_qiskit.py" in source.headers["content-disposition"]
    module = types.ModuleType("exported")
    exec(compile(source.text, "exported.py", "exec"), module.__dict__)
    for row, each in zip(module.predict(SAMPLES), served, strict=True):
        assert list(row) == pytest.approx(each["probabilities"], abs=1e-6)
    assert owner.call("GET", f"{path}/export").text.startswith("OPENQASM 3")
    encoded = model(owner, "Amplitudes", amplitude_encoding=True)
    refused(owner, "GET", f"/v1/models/{encoded}/export?form=qasm3", 422, "NOT_EXPORTABLE")


def test_a_card_is_json_for_programs_and_a_page_for_browsers(owner: Member) -> None:
    path = f"/v1/models/{model(owner, 'Drawn')}/card"
    card = owner.data_of("GET", path)
    assert any("beats the quantum model" in each["verdict"] for each in card["baselines"])
    page = owner.call("GET", path, headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.count("</svg>") == 3
    assert "<h1>Drawn</h1>" in owner.call("GET", f"{path}?format=html").text
    assert json.loads(owner.call("GET", f"{path}?format=json", headers={"Accept": "text/html"}).text)["success"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": [["a"]]},
        {"inputs": [[0.0] * 3] * 1_001},
        {"inputs": SAMPLES, "options": {"x": 1}},
    ],
)
def test_a_body_that_is_none_is_refused(owner: Member, body: dict[str, Any]) -> None:
    refused(owner, "POST", f"/v1/models/{model(owner, 'Asked')}/predict", 422, "VALIDATION_ERROR", json=body)
