"""Who needs which permission in the deployed stack: what functions called, and what AWS does in a role's name."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.e2e.cloud import PLACE, Cloud
from tests.e2e.permissions import Grant, Need, grants, needs

_POLLS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
_WORKFLOW_TRACES = (*_TRACES, "xray:GetSamplingRules", "xray:GetSamplingTargets")
"""https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html"""
_DELIVERS_LOG = tuple(
    f"logs:{action}"
    for action in (
        "CreateLogDelivery",
        "GetLogDelivery",
        "UpdateLogDelivery",
        "DeleteLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "DescribeResourcePolicies",
        "DescribeLogGroups",
    )
)
"""https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html"""
_WRITES_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")


@dataclass(frozen=True, order=True, slots=True)
class Use:
    """What somebody needs, and the role that must have it."""

    who: str
    role: str
    need: Need


class Roles:
    """The stack's roles, their grants and their uses; resources are named by their logical ids."""

    def __init__(self, cloud: Cloud):
        self._cloud = cloud
        self._logical = {name: logical for logical, name in cloud.names.items()}

    @cached_property
    def grants(self) -> dict[str, list[Grant]]:
        """What each role of the stack is allowed, as deployed."""
        iam = self._cloud.aws("iam")
        found = {}
        for role in iam.list_roles()["Roles"]:
            name = role["RoleName"]
            if name in self._logical:
                policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
                documents = [iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"] for p in policies]
                found[self._logical[name]] = [grant for document in documents for grant in grants(document)]
        return found

    def called(self) -> set[Use]:
        """What the calls that were made until now needed."""
        return {
            Use(function, self._functions[function]["Role"], need)
            for call in self._cloud.calls()
            for function in [self._logical[call["function"]]]
            for need in needs(call, PLACE)
        }

    def in_their_name(self) -> set[Use]:
        """What AWS needs to log, to trace, to poll the doorbell, to walk a workflow and to keep a schedule."""
        found = {use for function in self._functions for use in self._serving(function)}
        return found | set(self._polling()) | set(self._walking()) | set(self._scheduling())

    def refused(self, uses: set[Use]) -> list[Use]:
        """The uses that no grant allows."""
        return sorted(use for use in uses if not any(grant.allows(use.need) for grant in self.grants[use.role]))

    def idle(self, uses: set[Use]) -> list[tuple[str, Grant]]:
        """The grants that no use needs, by role."""
        return [
            (role, grant)
            for role, granted in self.grants.items()
            for grant in granted
            if not any(use.role == role and grant.allows(use.need) for use in uses)
        ]

    @cached_property
    def _functions(self) -> dict[str, dict[str, Any]]:
        pages = self._cloud.aws("lambda").get_paginator("list_functions").paginate()
        found = {self._logical[f["FunctionName"]]: f for page in pages for f in page["Functions"]}
        return {name: f | {"Role": self._role(f["Role"])} for name, f in found.items()}

    def _role(self, arn: str) -> str:
        return self._logical[arn.rsplit("/", 1)[-1]]

    def _serving(self, function: str) -> Iterator[Use]:
        properties = self._functions[function]
        group = PLACE.arn("logs", f"log-group:{properties['LoggingConfig']['LogGroup']}")
        for action in _WRITES_LOG:
            yield Use("Lambda's log", properties["Role"], Need(action, f"{group}:log-stream:any"))
        if properties["TracingConfig"]["Mode"] == "Active":
            for action in _TRACES:
                yield Use("Lambda's tracing", properties["Role"], Need(action, "*"))

    def _polling(self) -> Iterator[Use]:
        for source in self._cloud.aws("lambda").list_event_source_mappings()["EventSourceMappings"]:
            function = self._logical[source["FunctionArn"].rsplit(":", 1)[-1]]
            for action in _POLLS:
                role = self._functions[function]["Role"]
                yield Use("Lambda's poller", role, Need(action, source["EventSourceArn"]))

    def _walking(self) -> Iterator[Use]:
        states = self._cloud.aws("stepfunctions")
        for listed in states.list_state_machines()["stateMachines"]:
            machine = states.describe_state_machine(stateMachineArn=listed["stateMachineArn"])
            role = self._role(machine["roleArn"])
            for state in json.loads(machine["definition"])["States"].values():
                if "lambda:invoke" in state.get("Resource", ""):
                    need = Need("lambda:InvokeFunction", state["Parameters"]["FunctionName"])
                    yield Use(listed["name"], role, need)
            for action in (*_WORKFLOW_TRACES, *_DELIVERS_LOG):
                yield Use(f"{listed['name']}, tracing and logging", role, Need(action, "*"))

    def _scheduling(self) -> Iterator[Use]:
        scheduler = self._cloud.aws("scheduler")
        for listed in scheduler.list_schedules()["Schedules"]:
            target = scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])["Target"]
            yield Use(listed["Name"], self._role(target["RoleArn"]), Need("lambda:InvokeFunction", target["Arn"]))


def listed(uses: list[Use]) -> str:
    """Say what was refused, a line each."""
    return "\n".join(
        ["the role does not allow:", *(f"{u.who} ({u.role}): {u.need.action} on {u.need.resource}" for u in uses)]
    )
