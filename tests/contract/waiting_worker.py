"""A process that runs the executions of a journal, whose one function writes its tokens down, until it is killed.

`python -m tests.contract.waiting_worker JOURNAL TOKENS`
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

from ketbase.adapters.clock import SystemClock
from ketbase.adapters.workflows.local import LocalWorkflows
from ketbase.local.runner import WorkflowRunner
from ketbase.local.template import Function, Template
from ketbase.local.workers import Workers

MACHINE: dict[str, Any] = {
    "StartAt": "Submit",
    "States": {
        "Submit": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": "submit",
                "Payload": {"token.$": "$$.Task.Token", "job.$": "$.job"},
            },
            "TimeoutSeconds": 1_209_600,
            "Next": "Check",
        },
        "Check": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.answer", "StringEquals": "ä", "Next": "Done"}],
            "Default": "Other",
        },
        "Done": {"Type": "Succeed"},
        "Other": {"Type": "Fail"},
    },
}


def main() -> None:
    journal, tokens = map(Path, sys.argv[1:])

    def submit(event: dict[str, Any], _context: object) -> dict[str, Any]:
        with tokens.open("a") as file:
            file.write(event["token"] + "\n")
        return {}

    function = Function("submit", Path("-"), route=False, image=False, timeout_s=5, schedules=(), on_doorbell=False)
    template = Template({"submit": function}, {"wait": json.dumps(MACHINE)})
    clock = SystemClock()
    workflows = LocalWorkflows(journal, clock)
    WorkflowRunner(workflows, template, {"submit": submit}, cast(Workers, None), clock).run()


if __name__ == "__main__":
    main()
