"""What the local stack reads from template.yaml."""

import json

import pytest

from ketbase.local.template import home, read_template


@pytest.fixture(scope="module")
def template():
    return read_template(home())


def test_every_function_has_a_handler(template):
    assert all(callable(function.handler()) for function in template.functions.values())


def test_a_route_function_has_a_router_with_one_route_and_a_step_has_none(template):
    for function in template.functions.values():
        module = function.load()
        assert (len(module.router.routes) == 1) if function.route else not hasattr(module, "router")


def test_the_doorbell_and_the_schedules_wake_what_they_should(template):
    assert [f.name for f in template.functions.values() if f.on_doorbell] == ["JobsDispatchFunction"]
    scheduled = {f.name: [each.every_s for each in f.schedules] for f in template.functions.values() if f.schedules}
    assert scheduled == {
        "AuthRotateFunction": [2_592_000],
        "CostsAlertFunction": [900],
        "JobsDispatchFunction": [60],
        "OpsDeliverFunction": [60],
        "OpsPurgeFunction": [3_600],
        "OpsReconcileFunction": [86_400],
        "OpsSealFunction": [60],
        "OpsSweepFunction": [60],
        "OrganizationEraseFunction": [60],
        "ProvidersPollFunction": [60, 60, 60],
        "ProvidersRefreshFunction": [3_600, 3_600, 3_600, 86_400],
    }


def test_the_state_machines_call_functions_that_there_are(template):
    def called(node):
        if isinstance(node, dict):
            yield from ([node["FunctionName"]] if "FunctionName" in node else [])
            for value in node.values():
                yield from called(value)
        elif isinstance(node, list):
            for value in node:
                yield from called(value)

    for definition in template.workflows.values():
        names = set(called(json.loads(definition)))
        assert names
        assert names <= set(template.functions)


SCHEDULED = """
Resources:
  PollFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/providers/poll
      Events:
        Ionq:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(1 minute)
            Input: '{"engine": "ionq"}'
        Ibm:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(2 hours)
            Input: '{"engine": "ibm", "n": [1]}'
        Plain:
          Type: Schedule
          Properties:
            ScheduleExpression: rate(1 day)
"""


def test_a_function_may_have_several_schedules_each_with_its_event(tmp_path):
    (tmp_path / "template.yaml").write_text(SCHEDULED)
    function = read_template(tmp_path).functions["PollFunction"]
    assert [(each.every_s, each.event) for each in function.schedules] == [
        (60, {"engine": "ionq"}),
        (7_200, {"engine": "ibm", "n": [1]}),
        (86_400, {"source": "aws.scheduler", "detail-type": "Scheduled Event"}),
    ]


@pytest.mark.parametrize("text", ["'[1]'", "'\"text\"'", "!Sub '{}'", "{engine: ionq}"])
def test_an_input_that_is_no_text_of_a_json_object_is_refused(tmp_path, text):
    (tmp_path / "template.yaml").write_text(SCHEDULED.replace('\'{"engine": "ionq"}\'', text))
    with pytest.raises(ValueError, match="JSON object"):
        read_template(tmp_path)
