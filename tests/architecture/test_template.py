"""template.yaml holds together: nothing is missing, nothing is open, and there is room to grow."""

import copy
import math
import os
import re
from collections import Counter, defaultdict
from typing import Any
from unittest.mock import patch

import pytest
from samtranslator.translator.transform import transform

from tests.template import Function, functions, template

MAX_RESOURCES = 450
"""CloudFormation ends at 500."""
PLANNED_FUNCTIONS = 130
PLANNED_DOMAINS = 17
"""The rooms of the design, and run, ops, docs."""
PLANNED_WORKFLOWS = 7
PLANNED_HOT = 6
MAX_METRICS = 10
"""What one alarm may add up."""

RESOURCES: dict[str, dict[str, Any]] = template()["Resources"]
DOMAINS = sorted({function.domain for function in functions().values()})
HOT = sorted(name for name, function in functions().items() if "SnapStart" in function.properties)


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


def of_domain(domain: str) -> list[Function]:
    return [function for function in functions().values() if function.domain == domain]


# --- Size ---


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    """What CloudFormation would get."""
    document = template_with_artifacts()
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}):
        parameters = {name: str(value.get("Default", "")) for name, value in document["Parameters"].items()}
        return transform(document, parameters, managed_policy_loader=_NoManagedPolicies())


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def template_with_artifacts() -> dict[str, Any]:
    """The template as `sam package` leaves it: with places in S3 and ECR instead of folders."""
    document = copy.deepcopy(template())
    for name, resource in document["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function" if properties.get("PackageType") == "Image":
                properties["ImageUri"] = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ketbase:1"
            case "AWS::Serverless::Function":
                properties["CodeUri"] = f"s3://artifacts/{name}"
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = f"s3://artifacts/{name}"
            case "AWS::Serverless::StateMachine":
                properties["DefinitionUri"] = f"s3://artifacts/{name}"
    return document


def test_there_is_room_for_all_planned_functions(
    translated: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    resources = translated["Resources"]
    kinds = Counter(resource["Type"] for resource in resources.values())
    of_functions = kinds["AWS::Lambda::Function"] + kinds["AWS::Lambda::Permission"]
    of_domains = sum(belongs_to_a_domain(name) for name in resources)
    of_snapshots = kinds["AWS::Lambda::Version"] + kinds["AWS::Lambda::Alias"]
    fixed = len(resources) - of_functions - of_domains - of_snapshots
    projected = (
        fixed
        + math.ceil(of_functions / len(functions()) * PLANNED_FUNCTIONS)
        + math.ceil(of_domains / len(DOMAINS) * PLANNED_DOMAINS)
        + PLANNED_FUNCTIONS // MAX_METRICS  # at most so many domains need a second alarm on throttles
        + 2 * PLANNED_HOT
        + PLANNED_WORKFLOWS
    )
    with capsys.disabled():
        print(
            f"\n{len(functions())} functions in {len(DOMAINS)} domains make {len(resources)} resources; "
            f"{PLANNED_FUNCTIONS} in {PLANNED_DOMAINS} would make {projected} (limit {MAX_RESOURCES})"
        )
    assert len(resources) < MAX_RESOURCES
    assert projected < MAX_RESOURCES


def belongs_to_a_domain(name: str) -> bool:
    own = r"(Role|LogGroup|ErrorsFilter|DurationFilter|ErrorsAlarm|DurationAlarm|ThrottlesAlarm\d*)"
    return any(re.fullmatch(domain.capitalize() + own, name) for domain in DOMAINS)


# --- Each domain ---


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domains_functions_share_its_role_its_log_group_and_its_tag(domain: str) -> None:
    room = domain.capitalize()
    for function in of_domain(domain):
        assert function.properties["Role"] == {"Fn::GetAtt": [f"{room}Role", "Arn"]}
        assert function.properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{room}LogGroup"}
        assert function.properties["LoggingConfig"]["LogFormat"] == "JSON"
        assert function.properties["Tags"]["domain"] == domain
    assert "RetentionInDays" in RESOURCES[f"{room}LogGroup"]["Properties"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_has_alarms_on_errors_and_slowness_from_its_log_group(domain: str) -> None:
    room = domain.capitalize()
    for what in ("Errors", "Duration"):
        alarm = RESOURCES[f"{room}{what}Alarm"]["Properties"]
        metric_filter = RESOURCES[f"{room}{what}Filter"]["Properties"]
        (metric,) = metric_filter["MetricTransformations"]
        assert metric_filter["LogGroupName"] == {"Ref": f"{room}LogGroup"}
        assert (alarm["Namespace"], alarm["MetricName"]) == (metric["MetricNamespace"], metric["MetricName"])
    assert RESOURCES[f"{room}DurationAlarm"]["Properties"]["ExtendedStatistic"] == "p95"


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_has_alarms_on_the_throttles_of_each_of_its_functions(domain: str) -> None:
    watched = []
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        if not re.fullmatch(domain.capitalize() + r"ThrottlesAlarm\d*", name):
            continue
        metrics = [
            metric["MetricStat"]["Metric"] for metric in alarm["Properties"]["Metrics"] if "MetricStat" in metric
        ]
        assert len(metrics) <= MAX_METRICS
        assert {metric["MetricName"] for metric in metrics} == {"Throttles"}
        watched += [metric["Dimensions"][0]["Value"]["Ref"] for metric in metrics]
    assert sorted(watched) == sorted(function.name for function in of_domain(domain))


def test_all_alarms_tell_the_topic() -> None:
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"


def test_dead_letters_and_broken_workflows_raise_alarms() -> None:
    assert RESOURCES["DeadLettersAlarm"]["Properties"]["Dimensions"][0]["Value"] == {
        "Fn::GetAtt": ["DeadLetterQueue", "QueueName"]
    }
    metrics = RESOURCES["WorkflowFailuresAlarm"]["Properties"]["Metrics"]
    machines = {m["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"] for m in metrics if "MetricStat" in m}
    assert machines == set(of_type("AWS::Serverless::StateMachine"))


# --- Privileges ---

# Actions for which AWS knows no resource.
WITHOUT_RESOURCE = re.compile(
    r"xray:\w+|braket:Search\w+|logs:\w+(LogDelivery|LogDeliveries|ResourcePolic\w+|LogGroups)|ecr:GetAuthorizationToken|batch:DescribeJobs"
)


def statements() -> list[tuple[str, dict[str, Any]]]:
    """Each role's statements, and those that it has under a condition."""
    return [
        (name, statement.get("Fn::If", ["", statement])[1])
        for name, role in of_type("AWS::IAM::Role").items()
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_roles_name_actions_and_resources() -> None:
    for role, statement in statements():
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), role
        if statement["Resource"] == "*":
            assert all(WITHOUT_RESOURCE.fullmatch(action) for action in actions), role


def test_a_container_of_the_second_lane_may_do_what_the_function_may() -> None:
    run, batch = (RESOURCES[name]["Properties"] for name in ("RunRole", "BatchRole"))
    assert batch["Policies"] == run["Policies"]
    (trusted,) = batch["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}


def test_roles_hold_no_policies_written_elsewhere() -> None:
    assert not any("ManagedPolicyArns" in role["Properties"] for role in of_type("AWS::IAM::Role").values())


def test_functions_get_no_role_of_their_own(translated: dict[str, Any]) -> None:
    made = {name for name, resource in translated["Resources"].items() if resource["Type"] == "AWS::IAM::Role"}
    assert made == set(of_type("AWS::IAM::Role"))


# --- Functions ---


def test_image_functions_take_nothing_that_only_zip_functions_may_have() -> None:
    for name, function in functions().items():
        if function.image:
            assert not {"Runtime", "Handler", "Layers", "SnapStart"} & set(function.properties), name
            assert function.handler == f"functions.{function.domain}.{function.action}.app.handler"


def test_quantum_steps_and_compute_routes_are_image_functions() -> None:
    image = sorted(function.folder for function in functions().values() if function.image)
    assert image == [
        "circuits/create",
        "circuits/diagram",
        "circuits/qasm",
        "circuits/state",
        "datasets/check",
        "models/card",
        "models/export",
        "models/predict",
        "optimize/search",
        "providers/poll",
        "providers/refresh",
        "run/compile",
        "run/execute",
        "run/fetch",
        "run/submit",
        "run/withdraw",
        "states/search",
        "training/finish",
        "training/prepare",
        "training/train",
    ]


def test_hot_routes_have_an_alias_for_their_snapshot() -> None:
    assert HOT == ["CircuitsGetFunction", "CircuitsRunFunction", "JobsGetFunction"]
    for name in HOT:
        assert functions()[name].properties["AutoPublishAlias"] == "live"


def test_an_http_function_answers_before_the_api_gives_up() -> None:
    for name, function in functions().items():
        if function.routes:
            assert function.timeout_s < 30, name


def test_the_doorbell_waits_six_times_as_long_as_its_function() -> None:
    visibility = RESOURCES["DoorbellQueue"]["Properties"]["VisibilityTimeout"]
    woken = [f for f in functions().values() if any(kind == "SQS" for kind, _ in f.events)]
    assert [f.folder for f in woken] == ["jobs/dispatch"]
    assert visibility >= 6 * woken[0].timeout_s


def test_every_setting_that_the_template_gives_is_one_that_ketbase_reads() -> None:
    from ketbase.runtime.settings import Settings

    known = {f"KETBASE_{name.upper()}" for name in Settings.model_fields}
    given: dict[str, set[str]] = defaultdict(set)
    for name, function in functions().items():
        for variable in function.properties["Environment"]["Variables"]:
            if variable.startswith("KETBASE_"):
                given[variable].add(name)
    assert set(given) <= known


def test_a_container_of_the_second_lane_has_settings_that_ketbase_reads_and_the_functions_have() -> None:
    from ketbase.runtime.settings import Settings

    container = RESOURCES["BatchDefinition"]["Properties"]["ContainerProperties"]
    given = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert {name for name in given if name.startswith("KETBASE_")} <= {
        f"KETBASE_{name.upper()}" for name in Settings.model_fields
    }
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    own = {"KETBASE_LANE", "KETBASE_BATCH_MEMORY_MB"}  # of the second, the functions have 0 where there is no lane
    assert {name: value for name, value in given.items() if name not in own} == {
        name: shared[name] for name in given if name not in own
    }
    assert given["KETBASE_LANE"] == "batch"


def test_the_second_lane_is_there_only_where_it_has_a_network_and_an_image() -> None:
    conditions = template()["Conditions"]
    assert "BatchSubnets" in str(conditions["HasBatch"])
    assert "ComputeImageUri" in str(conditions["HasBatch"])
    of_batch = {name for name, each in RESOURCES.items() if each["Type"].startswith("AWS::Batch::")}
    assert of_batch == {"BatchEnvironment", "BatchQueue", "BatchDefinition"}
    assert all(RESOURCES[name]["Condition"] == "HasBatch" for name in of_batch)


def test_batch_tries_again_what_the_entry_point_calls_passing_and_nothing_else() -> None:
    from ketbase.local.batch import ATTEMPTS
    from ketbase.runtime.batch import REFUSED

    retry = RESOURCES["BatchDefinition"]["Properties"]["RetryStrategy"]
    first, *_, last = retry["EvaluateOnExit"]
    assert first == {"OnExitCode": str(REFUSED), "Action": "EXIT"}
    assert last == {"OnReason": "*", "Action": "RETRY"}
    assert retry["Attempts"] == ATTEMPTS


# --- Data ---


def test_the_tables_indexes_are_those_of_the_records_port() -> None:
    from ketbase.ports.records import Index

    table = RESOURCES["Table"]["Properties"]
    keys = {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    assert keys == {index.value: [f"{index}_partition", f"{index}_sort"] for index in Index}
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["partition", "sort"]
    assert table["TimeToLiveSpecification"]["AttributeName"] == "expires_at"
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"]["SSEEnabled"] is True


def test_buckets_are_closed_encrypted_and_speak_tls_only() -> None:
    policies = {p["Properties"]["Bucket"]["Ref"]: p for p in of_type("AWS::S3::BucketPolicy").values()}
    for name, bucket in of_type("AWS::S3::Bucket").items():
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket["Properties"]
        assert "LifecycleConfiguration" in bucket["Properties"]
        assert bucket["Properties"]["VersioningConfiguration"]["Status"] == "Enabled"
        denied = [
            statement
            for statement in policies[name]["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
        ]
        assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_what_is_forgotten_by_its_age_is_what_the_settings_say() -> None:
    from ketbase.runtime.settings import Settings

    rules = {rule["Id"]: rule for rule in RESOURCES["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    for prefix, field, parameter in (("jobs/", "result_days", "ResultDays"), ("audit/", "audit_days", "AuditDays")):
        rule = rules[f"forget-{prefix.strip('/')}"]
        assert (rule["Prefix"], rule["ExpirationInDays"]) == (prefix, {"Ref": parameter})
        assert variables[f"KETBASE_{field.upper()}"] == {"Ref": parameter}
        assert template()["Parameters"][parameter]["Default"] == Settings.model_fields[field].default


# --- Browsers ---


def test_the_gateway_grants_pages_what_the_application_grants(translated: dict[str, Any]) -> None:
    from ketbase.runtime import headers

    (api,) = (r for r in translated["Resources"].values() if r["Type"] == "AWS::ApiGatewayV2::Api")
    condition, granted, otherwise = api["Properties"]["Body"]["x-amazon-apigateway-cors"]["Fn::If"]
    assert (condition, otherwise) == ("HasCors", {"Ref": "AWS::NoValue"})
    assert granted.pop("allowOrigins") == ""  # the parameter's default
    assert granted == {
        "allowCredentials": True,
        "allowMethods": list(headers.CORS_METHODS),
        "allowHeaders": list(headers.CORS_ALLOWED),
        "exposeHeaders": list(headers.CORS_EXPOSED),
        "maxAge": headers.CORS_MAX_AGE_S,
    }
    assert template()["Globals"]["Function"]["Environment"]["Variables"]["KETBASE_CORS_ORIGINS"] == {
        "Fn::Join": [",", {"Ref": "CorsOrigins"}]
    }
