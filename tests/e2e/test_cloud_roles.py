"""No role of the deployed stack may do what nothing does; to be run behind all other tests of the cloud."""

from tests.e2e.roles import Roles, listed
from tests.template import functions

# What a role needs where things go wrong in a way that no test here brings about.
ELSEWHERE = {"BatchRole"}
"""Roles of what the emulator does not run; a test of the template holds this one to the same as RunRole."""
RARELY = {
    ("CircuitsRole", "s3:ListBucket"): "S3 answers 403, not 404, for a missing object without it",
    ("CostsRole", "s3:ListBucket"): "the same",
    ("DatasetsRole", "s3:ListBucket"): "the same",
    ("JobsRole", "s3:ListBucket"): "the same",
    ("ModelsRole", "s3:ListBucket"): "the same",
    ("RunRole", "s3:ListBucket"): "the same",
    ("StatesRole", "s3:ListBucket"): "the same",
    (
        "AuthRole",
        "secretsmanager:GetSecretValue",
    ): "the client secret, read when somebody comes back from a provider",
    ("OptimizeRole", "s3:ListBucket"): "as for the circuits",
    ("TrainingRole", "s3:ListBucket"): "as for the circuits",
    ("TrainingRole", "secretsmanager:GetSecretValue"): "a training whose circuits run at a provider",
    ("OptimizeRole", "secretsmanager:GetSecretValue"): "a machine of IBM's, whose couplings only IBM tells",
    **{
        (role, f"lambda:{verb}ProvisionedConcurrencyConfig"): "warm functions, which the emulator takes for others"
        for role in ("ModelsRole", "OrganizationRole")
        for verb in ("Get", "Put", "Delete")
    },
    **{
        ("WorkflowRole", action): "the second lane, which the emulator has no Batch for"
        for action in (
            "batch:DescribeJobs",
            "batch:SubmitJob",
            "batch:TerminateJob",
            "events:DescribeRule",
            "events:PutRule",
            "events:PutTargets",
        )
    },
    **{
        ("OrganizationRole", f"lambda:{action}ProvisionedConcurrencyConfig"): "others have models in service"
        for action in ("Get", "Put")
    },
    ("JobsRole", "dynamodb:ConditionCheckItem"): "a training that is the first thing a month has to pay",
    ("JobsRole", "states:DescribeExecution"): "an execution that ended while its job was being cancelled",
}


def test_aws_may_do_in_each_roles_name_what_it_has_to(cloud):
    roles = Roles(cloud)
    uses = roles.in_their_name()
    assert {use.who for use in uses} >= {"Lambda's log", "Lambda's poller", "ketbase-dev-run"}
    assert not (refused := roles.refused(uses)), listed(refused)


def test_every_function_that_needs_aws_was_heard(cloud):
    silent = {"DocsOpenapiFunction", "DocsShowFunction", "OpsHealthFunction"}
    heard = {use.who for use in Roles(cloud).called()}
    unheard = functions().keys() - silent - heard
    assert not unheard, "\n".join(sorted(unheard))


def test_no_role_may_do_what_nothing_does(cloud):
    roles = Roles(cloud)
    idle = roles.idle(roles.called() | roles.in_their_name())
    surplus = {(role, grant.action) for role, grant in idle if role not in ELSEWHERE} - RARELY.keys()
    assert not surplus, "\n".join(map(str, sorted(surplus)))
