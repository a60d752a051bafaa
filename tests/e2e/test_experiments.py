"""Sweeps, observables and mitigation, over HTTP and with real simulators."""

import math

import pytest

from tests.e2e.circuits import ghz_json

ROTATION = {"n_qubits": 1, "gates": [{"type": "RY", "targets": [0], "parameters": {"theta": "2*theta_0"}}]}
ANGLES = [0.0, 0.3, 0.8, 1.5]


def test_a_sweep_estimates_each_observable_under_each_set(stack):
    body = {
        "sweep": [{"theta_0": angle} for angle in ANGLES],
        "observables": [{"name": "z", "terms": {"Z": 1.0}}, {"name": "x", "terms": {"X": 2.0, "I": 1.0}}],
        "shots": 4_000,
        "seed": 5,
    }
    result = stack.result(stack.run(stack.create(**ROTATION), **body))
    assert (result["circuits"], result["counts"], result["sweep"]) == (8, {}, [])
    values = iter(result["expectation_values"])
    for number, angle in enumerate(ANGLES):
        for name, exact in (("z", math.cos(2 * angle)), ("x", 1 + 2 * math.sin(2 * angle))):
            value = next(values)
            assert (value["name"], value["parameters"]) == (name, number)
            assert abs(value["raw"]["value"] - exact) <= 4 * value["raw"]["standard_error"] + 1e-9
            assert value["mitigated"] is None


def test_a_sweep_without_observables_counts_under_each_set(stack):
    body = {"sweep": [{"theta_0": 0.0}, {"theta_0": math.pi / 2}], "shots": 50}
    result = stack.result(stack.run(stack.create(**ROTATION), **body))
    assert result["sweep"] == [{"0": 50}, {"1": 50}]
    assert result["counts"] == {"0": 50}


def test_mended_values_stand_beside_the_raw_ones_and_are_nearer(stack):
    body = {
        "backend": "fake_kyiv",
        "observables": [{"terms": {"XXXX": 1.0}}, {"terms": {"ZZII": 0.5, "IIZZ": 0.5}}],
        "mitigation": {"readout": True, "zne": {"scales": [1, 3, 5]}},
        "shots": 20_000,
        "seed": 3,
    }
    result = stack.result(stack.run(stack.create(**ghz_json(4)), **body))
    assert result["circuits"] == 2 * 3 + 2
    for value in result["expectation_values"]:
        assert abs(value["mitigated"]["value"] - 1) < abs(value["raw"]["value"] - 1) / 2
        assert list(value["scaled"]) == ["1", "3", "5"]
    assert result["provenance"]["sdk"]["qiskit-mitigation"]


def test_the_estimate_counts_the_circuits_that_the_job_then_pays_for(stack):
    circuit_id = stack.create(**ghz_json(3))
    body = {
        "observables": [{"terms": {"ZZI": 1.0, "XXX": 1.0}}],
        "mitigation": {"readout": True},
        "shots": 500,
    }
    asked = {"circuit_id": circuit_id, "backends": ["fake_fez"], **body}
    (estimate,) = stack.client.post("/v1/estimate", json=asked).json()["data"]["estimates"]
    job = stack.wait(stack.run(circuit_id, backend="fake_fez", **body))
    assert estimate["circuits"] == job["resources"]["circuits_executed"] == 4
    assert job["resources"]["total_shots"] == 2_000
    assert job["estimated_cost"] == estimate["estimated_cost"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"sweep": [{"theta_0": 1.0}, {}]}, "UNBOUND_PARAMETERS"),
        ({"sweep": [{"theta_0": 1.0}], "observables": [{"terms": {"ZZ": 1.0}}]}, "INVALID_OBSERVABLE"),
        ({"sweep": [{"theta_0": 1.0}] * 600, "observables": [{"terms": {"Z": 1, "X": 1}}]}, "TOO_MANY_CIRCUITS"),
        ({"sweep": [{"theta_0": 1.0}], "mitigation": {"readout": True}}, "MITIGATION_WITHOUT_OBSERVABLES"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_would_be_right(stack, body, code):
    answer = stack.client.post(f"/v1/circuits/{stack.create(**ROTATION)}/run", json=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == code
    assert len(error["message"]) > 40
