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
    scheduled = {f.name: f.every_s for f in template.functions.values() if f.every_s}
    assert scheduled == {
        "AuthRotateFunction": 2_592_000,
        "CostsAlertFunction": 900,
        "JobsDispatchFunction": 60,
        "OpsDeliverFunction": 60,
        "OpsPurgeFunction": 3_600,
        "OpsReconcileFunction": 86_400,
        "OpsSealFunction": 60,
        "OpsSweepFunction": 60,
        "OrganizationEraseFunction": 60,
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

    names = set(called(json.loads(template.workflows["run"])))
    assert names == {"RunCompileFunction", "RunExecuteFunction", "RunCollectFunction", "RunFailFunction"}
    assert names <= set(template.functions)
