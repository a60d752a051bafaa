"""The containers of the second lane get the image that the functions were deployed with, where there is a lane."""

import pytest

from scripts.second_lane import give_image


class Stack:
    """CloudFormation and Lambda, as far as the script asks them."""

    def __init__(self, **parameters):
        self.parameters = parameters
        self.updates = []

    def describe_stacks(self, StackName):
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        return {"Stacks": [{"StackName": StackName, "Parameters": given}]}

    def describe_stack_resource(self, StackName, LogicalResourceId):
        return {"StackResourceDetail": {"PhysicalResourceId": f"{StackName}-{LogicalResourceId}"}}

    def get_function(self, FunctionName):
        return {"Code": {"ImageUri": f"registry/{FunctionName}:2"}}

    def update_stack(self, **asked):
        self.updates.append(asked)

    def get_waiter(self, name):
        return self

    def wait(self, StackName):
        assert self.updates


@pytest.mark.parametrize(
    "parameters",
    [
        {"BatchSubnets": "", "ComputeImageUri": ""},
        {"BatchSubnets": "subnet-1", "ComputeImageUri": "registry/s-RunExecuteFunction:2"},
    ],
)
def test_nothing_is_updated_without_a_lane_or_a_new_image(parameters):
    stack = Stack(**parameters)
    assert give_image(stack, stack, "s") is None
    assert stack.updates == []


def test_the_stack_is_updated_to_the_image_of_its_functions_and_else_stays_as_it_is():
    stack = Stack(Stage="dev", BatchSubnets="subnet-1", ComputeImageUri="registry/s-RunExecuteFunction:1")
    assert give_image(stack, stack, "s") == "registry/s-RunExecuteFunction:2"
    (update,) = stack.updates
    assert update["UsePreviousTemplate"] is True
    assert update["Parameters"] == [
        {"ParameterKey": "Stage", "UsePreviousValue": True},
        {"ParameterKey": "BatchSubnets", "UsePreviousValue": True},
        {"ParameterKey": "ComputeImageUri", "ParameterValue": "registry/s-RunExecuteFunction:2"},
    ]
