"""The capacity port over the provisioned concurrency of a Lambda function's alias."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ketbase.errors import InvalidError, UnavailableError

START_S = 120
"""How long Lambda takes to start functions: a minute or two."""
_NONE = "ProvisionedConcurrencyConfigNotFoundException"
_TOO_MANY = frozenset({"InvalidParameterValueException", "LimitExceededException"})


class ProvisionedCapacity:
    """One function answers for all models; its alias keeps as many of it warm as all deployments ask for."""

    def __init__(self, client: Any, function: str, alias: str):
        """Use a boto3 `lambda` client, and a function's alias."""
        self._client = client
        self._where = {"FunctionName": function, "Qualifier": alias}

    def provide(self, replicas: int) -> int:
        """Set the alias's provisioned concurrency; see the port."""
        try:
            if not replicas:
                self._release()
                return 0
            if self._is_ready(replicas):
                return 0
            self._client.put_provisioned_concurrency_config(**self._where, ProvisionedConcurrentExecutions=replicas)
        except ClientError as error:
            raise _refused(error, replicas) from error
        except BotoCoreError as error:
            raise UnavailableError("CAPACITY_UNAVAILABLE", f"AWS Lambda does not answer: {error}.") from error
        return START_S

    def prepare(self, organization_id: str, model_id: str) -> None:
        """Leave it to the functions, which load a model at its first request."""

    def _is_ready(self, replicas: int) -> bool:
        try:
            found = self._client.get_provisioned_concurrency_config(**self._where)
        except ClientError as error:
            if _code(error) == _NONE:
                return False
            raise
        return bool(found["RequestedProvisionedConcurrentExecutions"] == replicas and found["Status"] == "READY")

    def _release(self) -> None:
        try:
            self._client.delete_provisioned_concurrency_config(**self._where)
        except ClientError as error:
            if _code(error) != _NONE:
                raise


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _refused(error: ClientError, replicas: int) -> InvalidError | UnavailableError:
    said = error.response["Error"].get("Message", "")
    if _code(error) in _TOO_MANY:
        return InvalidError(
            "TOO_MANY_REPLICAS",
            f"All deployments together would keep {replicas} functions warm, and AWS Lambda refuses: {said}",
            field="replicas",
            total=replicas,
        )
    return UnavailableError("CAPACITY_UNAVAILABLE", f"AWS Lambda refuses: {said or _code(error)}")
