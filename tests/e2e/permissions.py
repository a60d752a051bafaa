"""Which permission each AWS call needs, and whether a role has it; read from IAM's documentation, not from an emulator.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_OF_A_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_ON_OBJECTS = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "PutObject": "PutObject",
    "DeleteObject": "DeleteObject",
}
_ON_BUCKETS = {"HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket"}


@dataclass(frozen=True, order=True, slots=True)
class Need:
    """An action on a resource, such as `dynamodb:Query` on an index's ARN."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Place:
    """The region and the account, in which names become ARNs."""

    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def needs(call: Mapping[str, Any], place: Place) -> Iterator[Need]:
    """Say what a call needs.

    Args:
        call: its `service`, `operation` and `parameters`, as botocore names them.
        place: where it was made.

    Raises:
        NotImplementedError: nobody has looked up yet what this operation needs.
    """
    operation, parameters = call["operation"], call["parameters"]
    match call["service"]:
        case "dynamodb":
            yield from _dynamodb(operation, parameters, place)
        case "s3" if operation in _ON_OBJECTS:
            arn = f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"
            yield Need(f"s3:{_ON_OBJECTS[operation]}", arn)
        case "s3" if operation in _ON_BUCKETS:
            yield Need(f"s3:{_ON_BUCKETS[operation]}", f"arn:aws:s3:::{parameters['Bucket']}")
        case "sqs":
            yield Need(f"sqs:{operation}", place.arn("sqs", parameters["QueueUrl"].rsplit("/", 1)[-1]))
        case "stepfunctions" if operation == "SendTaskSuccess":  # the token does not say whose it is
            yield Need("states:SendTaskSuccess", place.arn("states", "stateMachine:ketbase-dev-run"))
        case "stepfunctions":
            arn = parameters.get("executionArn") or parameters["stateMachineArn"]
            yield Need(f"states:{operation}", arn)
        case "lambda":
            alias = f"function:{parameters['FunctionName']}:{parameters['Qualifier']}"
            yield Need(f"lambda:{operation}", place.arn("lambda", alias))
        case "sesv2" if operation == "SendEmail":
            yield Need("ses:SendEmail", place.arn("ses", f"identity/{parameters['FromEmailAddress']}"))
        case "secretsmanager" if operation == "GetSecretValue":
            named = parameters["SecretId"]
            # A secret's ARN ends in six characters that its name has not.
            arn = named if named.startswith("arn:") else place.arn("secretsmanager", f"secret:{named}-Ab12Cd")
            yield Need("secretsmanager:GetSecretValue", arn)
        case service:
            raise NotImplementedError(f"what does {service} {operation} need?")


def _dynamodb(operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Need]:
    def table(named: str) -> str:
        return place.arn("dynamodb", f"table/{named}")

    match operation:
        case "TransactWriteItems":
            for item in parameters["TransactItems"]:
                ((kind, inner),) = item.items()
                yield Need(f"dynamodb:{_OF_A_TRANSACTION[kind]}", table(inner["TableName"]))
        case "BatchGetItem":
            for name in parameters["RequestItems"]:
                yield Need("dynamodb:BatchGetItem", table(name))
        case "Query" if "IndexName" in parameters:
            yield Need("dynamodb:Query", f"{table(parameters['TableName'])}/index/{parameters['IndexName']}")
        case "GetItem" | "Query" | "PutItem" | "UpdateItem" | "DeleteItem" | "DescribeTable":
            yield Need(f"dynamodb:{operation}", table(parameters["TableName"]))
        case _:
            raise NotImplementedError(f"what does dynamodb {operation} need?")


@dataclass(frozen=True, slots=True)
class Grant:
    """One action pattern of a statement that allows, with the resource patterns beside it."""

    action: str
    resources: tuple[str, ...]

    def allows(self, need: Need) -> bool:
        # Services and actions are compared without regard to case, resources with it.
        asked = need.action.lower()
        return fnmatchcase(asked, self.action.lower()) and any(
            fnmatchcase(need.resource, r) for r in self.resources
        )


def grants(document: Mapping[str, Any]) -> Iterator[Grant]:
    """Read a role's policy.

    Raises:
        NotImplementedError: the policy says more than which actions it allows on which resources.
    """
    for statement in _many(document["Statement"]):
        said = statement.keys() - {"Sid"}
        if said != {"Effect", "Action", "Resource"} or statement["Effect"] != "Allow":
            raise NotImplementedError(f"a statement with {sorted(said)}, {statement['Effect']}")
        for action in _many(statement["Action"]):
            yield Grant(action, tuple(_many(statement["Resource"])))


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
