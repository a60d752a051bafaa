"""Warm functions are asked for as AWS Lambda wants to be asked, and both adapters keep the port's promises."""

import boto3
import pytest
from botocore.stub import Stubber

from ketbase.adapters.capacity.local import LocalCapacity
from ketbase.adapters.capacity.provisioned import START_S, ProvisionedCapacity
from ketbase.errors import InvalidError, UnavailableError

WHERE = {"FunctionName": "ketbase-dev-models-predict", "Qualifier": "live"}
NOTHING = "ProvisionedConcurrencyConfigNotFoundException"


@pytest.fixture
def stub():
    client = boto3.client("lambda", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def capacity(stub):
    return ProvisionedCapacity(stub.client, WHERE["FunctionName"], WHERE["Qualifier"])


def found(count, status):
    return {"RequestedProvisionedConcurrentExecutions": count, "Status": status}


def put(stub, count):
    stub.add_response(
        "put_provisioned_concurrency_config",
        found(count, "IN_PROGRESS"),
        {**WHERE, "ProvisionedConcurrentExecutions": count},
    )


def test_the_first_functions_are_provisioned(stub):
    stub.add_client_error("get_provisioned_concurrency_config", NOTHING, expected_params=WHERE)
    put(stub, 3)
    assert capacity(stub).provide(3) == START_S


@pytest.mark.parametrize(("count", "status"), [(2, "READY"), (3, "FAILED"), (3, "IN_PROGRESS")])
def test_what_is_not_what_is_wanted_is_set_anew(stub, count, status):
    stub.add_response("get_provisioned_concurrency_config", found(count, status), WHERE)
    put(stub, 3)
    assert capacity(stub).provide(3) == START_S


def test_what_is_there_already_is_ready(stub):
    stub.add_response("get_provisioned_concurrency_config", found(3, "READY"), WHERE)
    assert capacity(stub).provide(3) == 0


def test_none_are_kept_where_none_are_wanted(stub):
    stub.add_response("delete_provisioned_concurrency_config", {}, WHERE)
    assert capacity(stub).provide(0) == 0
    stub.add_client_error("delete_provisioned_concurrency_config", NOTHING, expected_params=WHERE)
    assert capacity(stub).provide(0) == 0


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("InvalidParameterValueException", InvalidError, "TOO_MANY_REPLICAS"),
        ("TooManyRequestsException", UnavailableError, "CAPACITY_UNAVAILABLE"),
        ("ServiceException", UnavailableError, "CAPACITY_UNAVAILABLE"),
    ],
)
def test_what_lambda_refuses_is_said(stub, code, error, said):
    stub.add_client_error("get_provisioned_concurrency_config", NOTHING)
    stub.add_client_error("put_provisioned_concurrency_config", code, "below its minimum value", 400)
    with pytest.raises(error) as raised:
        capacity(stub).provide(900)
    assert raised.value.code == said
    assert "below its minimum value" in raised.value.message


def test_on_one_machine_a_model_is_loaded_before_its_first_request():
    loaded = []
    local = LocalCapacity(lambda *model: loaded.append(model))
    assert local.provide(5) == 0
    local.prepare("org_a", "model_1")
    assert loaded == [("org_a", "model_1")]
