"""The deployed template serves models, and keeps as many functions warm as all deployments ask for."""

import pytest

from ketbase.adapters.blobs.s3 import S3Blobs
from ketbase.adapters.clock import SystemClock
from ketbase.adapters.records.dynamodb import DynamoRecords
from ketbase.costs.prices import Prices
from ketbase.models.pricing import PredictionPrices
from ketbase.models.registry import Registry
from ketbase.models.store import ModelStore
from tests.e2e.cloud import ok
from tests.trained import made, trained


@pytest.fixture
def models(cloud):
    """Two versions of a model, as a training registers them."""
    clock = SystemClock()
    records = DynamoRecords(cloud.aws("dynamodb"), cloud.outputs["TableName"], clock)
    blobs = S3Blobs(cloud.aws("s3"), cloud.names["DataBucket"])
    registry = Registry(ModelStore(records, blobs), PredictionPrices(Prices.load(), 1_769), clock)
    organization_id = ok(cloud.client.get("/v1/organization"))["id"]
    return [registry.add(organization_id, trained("Flowers", made(seed=seed))).id for seed in (0, 1)]


def test_a_model_is_deployed_asked_compared_and_retired(cloud, models):
    first, second = (f"/v1/models/{model_id}" for model_id in models)
    assert {each["id"] for each in ok(cloud.client.get("/v1/models"))} >= set(models)
    ok(cloud.client.post(f"{first}/deploy", json={}), 202)
    ok(cloud.client.post(f"{second}/deploy", json={"shadow_of": models[0]}), 202)
    answer = ok(cloud.client.post(f"{first}/predict", json={"inputs": [[0.1, 0.2, 0.3]]}))
    assert sum(answer["predictions"][0]["probabilities"]) == pytest.approx(1)
    assert ok(cloud.client.get(f"{first}/shadow"))["requests"] == 1
    assert sum(ok(cloud.client.get(f"{first}/metrics"))["requests_per_day"]) == 1
    assert ok(cloud.client.get(first))["deployment"]["replicas"] == 0
    assert cloud.client.get(f"{first}/export?form=qasm3").text.startswith("OPENQASM 3")
    assert "</svg>" in cloud.client.get(f"{first}/card?format=html").text
    for path in (first, second):
        ok(cloud.client.post(f"{path}/retire"))
    ok(cloud.client.delete(second), 204)
