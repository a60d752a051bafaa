"""Deploys template.yaml to an emulator of AWS on this machine, which holds every role to its policies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx2 as httpx

from tests.e2e import deployable
from tests.e2e.permissions import Place
from tests.e2e.stack import User
from tests.peers.pinecone_server import API_KEY
from tests.servers import REGION, free_port, pinecone
from tests.standins.ionq import process as ionq

PLACE = Place(REGION, account="000000000000")
_STACK = "ketbase-dev"
_PINECONE_KEY, _IONQ_KEY = "ketbase-dev-pinecone-key", "ketbase-dev-ionq-key"
_PARAMETERS = {
    "SignUp": "open",
    "MailFrom": "ketbase@example.com",
    "MaxReplicas": "10",
    "PineconeApiKey": f"secretsmanager:{_PINECONE_KEY}",
    "IonqApiKey": f"secretsmanager:{_IONQ_KEY}",
}
_ADMINISTRATOR = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_STARTS_WITHIN_S = _DEPLOYS_WITHIN_S = 60


class Cloud(User):
    """The deployed stack.

    Attributes:
        client: calls the HTTP API with the first owner's key.
        outputs: of the stack.
        names: that the template's resources were given, by logical id.
    """

    pause_s = 0.1

    def __init__(self, url: str, folder: Path):
        """Deploy what `make build` built, and make the first key."""
        self._url = url
        self._calls = folder / "calls"
        self._calls.mkdir()
        self.outputs = self._deploy(folder)
        pages = self.aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=_STACK)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.names: dict[str, str] = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
        # The emulator also answers at the API's own host name, but keeps /health and /ready for itself there.
        api = f"{url}/_aws/execute-api/{self.names['Api']}/$default"
        self._api = api
        self.client = self.as_(**{"X-API-Key": self._found()})
        for name, value in ((_PINECONE_KEY, API_KEY), (_IONQ_KEY, ionq.KEY)):
            self.aws("secretsmanager").create_secret(Name=name, SecretString=value)
        self.aws("sesv2").create_email_identity(EmailIdentity=_PARAMETERS["MailFrom"])

    def as_(self, **headers: str) -> httpx.Client:
        """A client of the HTTP API that shows these headers."""
        return httpx.Client(base_url=self._api, headers=headers, timeout=60, trust_env=False)

    def aws(self, service: str) -> Any:
        """A client of a service that may do anything."""
        return boto3.client(service, endpoint_url=self._url, region_name=REGION, **_ADMINISTRATOR)

    def invoke(self, function: str, **event: Any) -> Any:
        """Call a function, given by its logical id, as a schedule or a workflow does."""
        payload = json.dumps(event).encode()
        answer = self.aws("lambda").invoke(FunctionName=self.names[function], Payload=payload)
        return json.loads(answer["Payload"].read())

    def execution(self, job: Mapping[str, Any]) -> str:
        """The ARN of the execution that runs a job."""
        machine = self.outputs["RunStateMachineArn"]
        return f"{machine.replace(':stateMachine:', ':execution:')}:{job['id']}-{job['attempt']}"

    def mails(self, to: str) -> list[str]:
        """The texts of the mails that SES sent to an address, the latest last."""
        answer = httpx.get(f"{self._url}/_ministack/ses/messages", trust_env=False)
        by_account = answer.json()["messages"]
        return [m["BodyText"] for messages in by_account.values() for m in messages if to in m["To"]]

    def give(self, function: str, **settings: str) -> None:
        """Change some settings of a function, as an operator might."""
        client, name = self.aws("lambda"), self.names[function]
        given = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": given | settings})

    def calls(self) -> list[dict[str, Any]]:
        """All AWS calls of all functions until now; see `witness.py`."""
        files = sorted(self._calls.glob("*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def logs(self) -> str:
        """What the functions said."""
        logs = self.aws("logs")
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/ketbase/")
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
        pages = [
            page
            for group in groups
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        ]
        return "\n".join(event["message"] for page in pages for event in page["events"])

    def _deploy(self, folder: Path) -> dict[str, str]:
        uploaded = deployable.upload(self.aws("s3"), folder, self._calls)
        outputs = self._create(_STACK, uploaded.stack, _PARAMETERS)
        named = (deployable.API, deployable.URI)
        routed = {name: value for name, value in outputs.items() if name.endswith(named)}
        self._create(f"{_STACK}-routes", uploaded.routes, routed)
        return outputs

    def _create(self, stack: str, template: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create a stack, and give its outputs."""
        formation = self.aws("cloudformation")
        formation.create_stack(
            StackName=stack,
            TemplateURL=f"{self._url}/{deployable.BUCKET}/{template}",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        deadline = time.monotonic() + _DEPLOYS_WITHIN_S
        while time.monotonic() < deadline:
            (made,) = formation.describe_stacks(StackName=stack)["Stacks"]
            if not made["StackStatus"].endswith("IN_PROGRESS"):
                break
            time.sleep(0.1)
        if made["StackStatus"] != "CREATE_COMPLETE":
            events = formation.describe_stack_events(StackName=stack)["StackEvents"]
            reasons = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events]
            raise AssertionError("\n".join([f"the stack {stack} is {made['StackStatus']}", *reasons]))
        return {output["OutputKey"]: output["OutputValue"] for output in made.get("Outputs", ())}

    def _found(self) -> str:
        """Make the first owner and key, as an administrator does after the first deployment."""
        settings = {
            "KETBASE_RECORDS": "dynamodb",
            "KETBASE_TABLE": self.outputs["TableName"],
            "KETBASE_ENDPOINT_URL": self._url,
            "AWS_DEFAULT_REGION": REGION,
            **{name.upper(): value for name, value in _ADMINISTRATOR.items()},
        }
        command = [sys.executable, "-m", "ketbase.local", "bootstrap"]
        done = subprocess.run(command, env=_bare() | settings, check=False, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"there is no first key: {done.stderr}")
        return done.stdout.strip()


def ok(answer: Any, status: int = 200) -> Any:
    """Give the data of an answer that has to have this status."""
    assert answer.status_code == status, answer.text
    return answer.json()["data"] if answer.content else None


@contextlib.contextmanager
def running_cloud(folder: Path) -> Iterator[Cloud]:
    """The stack, deployed; it is gone at the end, with all of its processes."""
    with (
        pinecone() as vectors,
        ionq.running(folder / "ionq.db") as provider,
        _emulator(folder, vectors, provider.url) as url,
    ):
        cloud = Cloud(url, folder)
        with contextlib.closing(cloud.client):
            yield cloud
            (folder / "functions.log").write_text(cloud.logs())


@contextlib.contextmanager
def _emulator(folder: Path, vectors: str, provider: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    scratch = folder / "scratch"
    scratch.mkdir()
    settings = {
        "AUTH": "true",  # IAM's policies hold
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        # The functions inherit these.
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PINECONE_CONTROLLER_HOST": vectors,
        "KETBASE_IONQ_URL": provider,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }
    log = folder / "emulator.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=_bare() | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(process, f"{url}/_ministack/health", log)
        yield url
    finally:
        # Its functions are of its process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _bare() -> dict[str, str]:
    """Nothing of this machine's settings: neither a proxy nor somebody's own AWS account has a part in this."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                client.get(address).raise_for_status()
                return
            time.sleep(0.05)
    raise AssertionError(f"the emulator does not answer:\n{log.read_text(errors='replace')[-3_000:]}")
