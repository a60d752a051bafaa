"""Gives the containers of the second lane the image that the functions were just deployed with.

Run by `make deploy`. SAM names the image when it deploys, and a template cannot ask a function for its own: so the
stack is updated once more, with the image as a parameter. It does nothing where no second lane is asked for
(`BatchSubnets`), or where the image is the same.
"""

import sys
from typing import Any

IMAGE, SUBNETS, FUNCTION = "ComputeImageUri", "BatchSubnets", "RunExecuteFunction"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


def give_image(cloudformation: Any, lambdas: Any, stack: str) -> str | None:
    """Update a stack to the image of its own functions, and wait for it.

    Args:
        cloudformation: a boto3 client.
        lambdas: the same for Lambda.
        stack: its name.

    Returns:
        The image, or `None` where there was nothing to do.
    """
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    given = {each["ParameterKey"]: each["ParameterValue"] for each in described["Parameters"]}
    if not given.get(SUBNETS):
        return None
    found = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=FUNCTION)
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    image: str = lambdas.get_function(FunctionName=name)["Code"]["ImageUri"]
    if given.get(IMAGE) == image:
        return None
    kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in given if key != IMAGE]
    cloudformation.update_stack(
        StackName=stack,
        UsePreviousTemplate=True,
        Parameters=[*kept, {"ParameterKey": IMAGE, "ParameterValue": image}],
        Capabilities=CAPABILITIES,
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack)
    return image


if __name__ == "__main__":
    import boto3

    image = give_image(boto3.client("cloudformation"), boto3.client("lambda"), sys.argv[1])
    print(f"the second lane runs {image}" if image else "the second lane is as it was")
