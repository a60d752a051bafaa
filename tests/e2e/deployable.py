"""Makes of what `make build` built a stack that an emulator of AWS can deploy, as near to the template as it gets.

All resources are those of template.yaml, with its roles, settings, routes and wiring. Other than on AWS are:

- Each function runs from the folders that `make build` filled, the image functions too, in a process that
  `witness.py` starts with AWS's runtime client. For that its runtime is `provided`, which has no SnapStart; what is
  uploaded is the start command. The layers are there, but empty.
- The HTTP API's OpenAPI body, which the emulator does not read, becomes a resource for each route and integration, in
  a stack of their own: one stack may not have so many.
- Alarms over metric math are left out: the emulator knows none.
- Nothing is encrypted on its way; `witness.py` says that it is, for the buckets' policies refuse what is not.
- What a role may do under a condition, which is Braket's, is left out: the emulator has no Braket.
- Mail may be sent from any identity, and tokens of any state machine answered: the emulator holds `ses:SendEmail`
  and `states:SendTaskSuccess` against `*`.
- Numbers in mappings are text, which CloudFormation makes of them wherever they become a setting.
"""

import io
import json
import os
import shlex
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from tests.functions.emulator import ARTIFACTS, artifact
from tests.servers import REGION
from tests.template import functions

BUCKET = "artifacts"
API, URI = "RoutedApi", "RouteUri"
"""What the outputs are called, or end in, that are the parameters of the routes."""
_WITHOUT_RESOURCE = ("ses:SendEmail", "states:SendTaskSuccess")
_WITNESS = Path(__file__).with_name("witness.py")


class Uploaded(NamedTuple):
    """The keys of the templates: of the stack, and of the routes, whose parameters are outputs of the stack."""

    stack: str
    routes: str


def upload(s3: Any, scratch: Path, calls: Path) -> Uploaded:
    """Upload the stack's templates and all that they name."""
    s3.create_bucket(Bucket=BUCKET)
    template = yaml_parse((ARTIFACTS / "template.yaml").read_text())
    template["Mappings"]["Compute"] = {
        size: {name: str(number) for name, number in limits.items()}
        for size, limits in template["Mappings"]["Compute"].items()
    }
    resources = template["Resources"]
    for name in [name for name, resource in resources.items() if _is_metric_math(resource)]:
        del resources[name]
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::Role":
                _simplify(properties)
            case "AWS::Serverless::Function":
                _make_provided(resource, functions()[name].handler)
                files = {"bootstrap": _start_command(name, scratch, calls)}
                properties["CodeUri"] = _upload(s3, f"{name}.zip", _zip(files))
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = _upload(s3, f"{name}.zip", _zip({"python/README": "See deployable.py."}))
            case "AWS::Serverless::StateMachine":
                definition = ARTIFACTS / properties["DefinitionUri"]
                properties["DefinitionUri"] = _upload(s3, f"{name}.json", definition.read_bytes())
    with patch.dict(os.environ, AWS_DEFAULT_REGION=REGION):  # the translator asks for it
        translated = transform(template, {}, SimpleNamespace(load=dict))
    routes = _spelled_out_routes(translated)
    _upload(s3, "template.json", json.dumps(translated).encode())
    _upload(s3, "routes.json", json.dumps(routes).encode())
    return Uploaded("template.json", "routes.json")


def _is_metric_math(resource: Mapping[str, Any]) -> bool:
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]


def _simplify(role: dict[str, Any]) -> None:
    for policy in role["Policies"]:
        statements = policy["PolicyDocument"]["Statement"]
        statements[:] = [statement for statement in statements if "Fn::If" not in statement]
        for statement in statements:
            if statement["Action"] in _WITHOUT_RESOURCE:
                statement["Resource"] = "*"


def _make_provided(resource: dict[str, Any], handler: str) -> None:
    properties = resource["Properties"]
    for name in ("SnapStart", "PackageType", "ImageConfig", "ImageUri"):
        properties.pop(name, None)
    resource.pop("Metadata", None)
    properties |= {"Runtime": "provided.al2023", "Handler": handler}


def _spelled_out_routes(template: dict[str, Any]) -> dict[str, Any]:
    """Say with resources what the API's body says, which function serves which route, in a template of their own."""
    api = template["Resources"]["Api"]["Properties"]
    body = api.pop("Body")
    api |= {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
    values = {API: {"Ref": "Api"}}
    resources: dict[str, Any] = {}
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            declared = operation["x-amazon-apigateway-integration"]
            name = "".join(filter(str.isalnum, f"{method}{path}"))
            values[f"{name}{URI}"] = declared["uri"]
            resources[f"{name}Integration"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": API},
                    "IntegrationType": declared["type"].upper(),
                    "IntegrationUri": {"Ref": f"{name}{URI}"},
                    "PayloadFormatVersion": declared["payloadFormatVersion"],
                },
            }
            resources[f"{name}Route"] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": {"Ref": API},
                    "RouteKey": f"{method.upper()} {path}",
                    "Target": {"Fn::Sub": f"integrations/${{{name}Integration}}"},
                },
            }
    template["Outputs"] |= {name: {"Value": value} for name, value in values.items()}
    return {"Parameters": {name: {"Type": "String"} for name in values}, "Resources": resources}


def _start_command(name: str, scratch: Path, calls: Path) -> str:
    built = artifact(functions()[name])
    settings = {
        "LAMBDA_TASK_ROOT": built.task_root,
        "LAMBDA_SEARCH_PATH": ":".join(map(str, built.search_path)),
        "WITNESS_FOLDER": calls,
        # As infra/Dockerfile has them.
        "MPLCONFIGDIR": scratch / "matplotlib",
        "XDG_CACHE_HOME": scratch / "cache",
    }
    exports = [f"export {variable}={shlex.quote(str(value))}" for variable, value in settings.items()]
    interpreter = Path(sys.executable).resolve()  # outside the environment, whose packages no function may see
    options = (
        ["-S", "-I"] if functions()[name].image else ["-S", "-I", "-B"]
    )  # what is deployed stays as it was built
    start = shlex.join(["exec", str(interpreter), *options, str(_WITNESS)])
    return "\n".join(["#!/bin/sh", *exports, start, ""])


def _zip(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def _upload(s3: Any, key: str, data: bytes) -> str:
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return f"s3://{BUCKET}/{key}"
