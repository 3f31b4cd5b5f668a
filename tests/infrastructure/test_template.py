"""What the template promises: protection, retention, dead letters on every edge, who may pass which door."""

import json
import re
from pathlib import Path

import pytest

from tests.infrastructure.assembly import FUNCTIONS, Assembly, pairs, referred, synthesize, texts


def test_cdk_nag_finds_nothing_that_has_no_written_reason(deployed: Assembly) -> None:
    report = json.loads((deployed.folder / "validation-report.json").read_text())

    conclusions = {one["pluginName"]: one["conclusion"] for one in report["pluginReports"]}

    assert deployed.code == 0, deployed.said
    assert conclusions == {"AwsSolutions": "success"}


def test_the_table_can_be_restored_and_is_not_deleted_by_mistake(deployed: Assembly) -> None:
    [table] = deployed.resources("AWS::DynamoDB::Table").values()

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_table_has_the_keys_and_indexes_of_the_key_map(deployed: Assembly) -> None:
    [table] = deployed.resources("AWS::DynamoDB::Table").values()

    indexes = {
        one["IndexName"]: ([key["AttributeName"] for key in one["KeySchema"]], one["Projection"]["ProjectionType"])
        for one in table["GlobalSecondaryIndexes"]
    }

    assert [key["AttributeName"] for key in table["KeySchema"]] == ["PK", "SK"]
    assert {one["AttributeType"] for one in table["AttributeDefinitions"]} == {"S"}
    assert indexes == {
        "GSI1": (["GSI1PK", "GSI1SK"], "KEYS_ONLY"),
        "GSI2": (["GSI2PK", "GSI2SK"], "ALL"),
        "GSI3": (["GSI3PK", "GSI3SK"], "ALL"),
        "GSI4": (["GSI4PK", "GSI4SK"], "ALL"),
        "GSI5": (["GSI5PK", "GSI5SK"], "ALL"),
    }


def test_every_bucket_is_private_encrypted_and_versioned(deployed: Assembly) -> None:
    buckets = deployed.resources("AWS::S3::Bucket")

    public = [name for name, one in buckets.items() if not all(one["PublicAccessBlockConfiguration"].values())]

    assert len(buckets) == 4
    assert public == []
    assert all(one["BucketEncryption"]["ServerSideEncryptionConfiguration"] for one in buckets.values())
    assert all(one["VersioningConfiguration"] == {"Status": "Enabled"} for one in buckets.values())


def test_buckets_queues_and_the_topic_refuse_plain_http(deployed: Assembly) -> None:
    kinds = {"AWS::S3::Bucket": "BucketPolicy", "AWS::SQS::Queue": "QueuePolicy", "AWS::SNS::Topic": "TopicPolicy"}

    for kind, policy in kinds.items():
        policies = deployed.resources(f"{kind.rpartition('::')[0]}::{policy}").values()
        denials = [one for one in policies if '{"Bool": {"aws:SecureTransport": "false"}}' in json.dumps(one)]
        assert len(denials) == len(deployed.resources(kind)), kind


@pytest.mark.parametrize(
    ("bucket", "days", "prefix"),
    [
        ("BucketsUploads", 180, "uploads/"),
        ("BucketsReports", 90, None),
        ("BucketsArchive", 30, None),
        ("BucketsAccess", 1095, None),
    ],
)
def test_a_bucket_forgets_on_time(deployed: Assembly, bucket: str, days: int, prefix: str | None) -> None:
    rules = deployed.resource("AWS::S3::Bucket", bucket)["LifecycleConfiguration"]["Rules"]

    expiring = [(one["ExpirationInDays"], one.get("Prefix")) for one in rules if "ExpirationInDays" in one]
    replaced = [one["NoncurrentVersionExpiration"]["NoncurrentDays"] for one in rules if "ExpirationInDays" not in one]

    assert expiring == [(days, prefix)]
    assert replaced == [30]


def test_every_log_ends_after_three_months(deployed: Assembly) -> None:
    groups = deployed.resources("AWS::Logs::LogGroup")

    assert len(groups) == len(FUNCTIONS) + 1
    assert {one["RetentionInDays"] for one in groups.values()} == {90}


def test_the_access_log_names_the_route_and_never_the_path_with_its_tokens(deployed: Assembly) -> None:
    [stage] = deployed.resources("AWS::ApiGatewayV2::Stage").values()

    log_format = stage["AccessLogSettings"]["Format"]

    assert "$context.routeKey" in log_format
    assert "path" not in log_format.lower()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 500


def test_who_signs_nothing_is_held_to_a_limit_of_its_own(deployed: Assembly) -> None:
    [(name, stage)] = [
        (name, one) for name, one in deployed.template["Resources"].items() if one["Type"] == "AWS::ApiGatewayV2::Stage"
    ]
    routes = deployed.resources("AWS::ApiGatewayV2::Route")
    unsigned = {key: one["RouteKey"] for key, one in routes.items() if one["RouteKey"].endswith("/{source}/{token}")}

    limits = stage["Properties"]["RouteSettings"]

    assert set(limits) == set(unsigned.values())
    assert set(limits) == {"GET /webhooks/{source}/{token}", "POST /webhooks/{source}/{token}"}
    assert list(limits.values()) == [
        {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100, "DetailedMetricsEnabled": True}
    ] * len(unsigned)
    assert set(unsigned) <= set(stage["DependsOn"])  # API Gateway does not find a route that is made later
    assert needs(deployed, name) >= set(unsigned)
    assert all(name not in needs(deployed, one) for one in unsigned)


def needs(assembly: Assembly, name: str) -> set[str]:
    """The logical ids of all that a resource waits for, directly or not."""
    resources, found, left = assembly.template["Resources"], set[str](), [name]
    while left:
        one = resources[left.pop()]
        named = {*texts(one.get("Properties", {})), *pairs(one.get("DependsOn", []))} & set(resources)
        left += named - found
        found |= named
    return found


def test_only_machines_links_and_the_description_pass_without_a_token(deployed: Assembly) -> None:
    routes = deployed.resources("AWS::ApiGatewayV2::Route").values()

    doors = {one["RouteKey"]: one["AuthorizationType"] for one in routes}

    assert doors == {
        "GET /webhooks/{source}": "NONE",
        "POST /webhooks/{source}": "NONE",
        "GET /webhooks/{source}/{token}": "NONE",
        "POST /webhooks/{source}/{token}": "NONE",
        "GET /r/{token}": "NONE",
        "HEAD /r/{token}": "NONE",
        "POST /r/{token}": "NONE",
        "GET /openapi.json": "NONE",
        "ANY /{proxy+}": "JWT",
    }


def test_people_cannot_write_which_rep_they_are(deployed: Assembly) -> None:
    [client] = deployed.resources("AWS::Cognito::UserPoolClient").values()
    groups = {one["GroupName"] for one in deployed.resources("AWS::Cognito::UserPoolGroup").values()}

    assert "custom:rep_id" in client["ReadAttributes"]
    assert "custom:rep_id" not in client["WriteAttributes"]
    assert client["IdTokenValidity"] == 12 * 60
    assert groups == {"rep", "manager", "director", "admin"}


def test_every_asynchronous_edge_ends_in_dead_letters(deployed: Assembly) -> None:
    invoked = deployed.resources("AWS::Lambda::EventInvokeConfig").values()
    mappings = deployed.resources("AWS::Lambda::EventSourceMapping").values()
    schedules = deployed.resources("AWS::Scheduler::Schedule").values()
    queues = deployed.resources("AWS::SQS::Queue")

    on_queue = [one for one in mappings if referred(one["EventSourceArn"]) in queues]
    on_stream = [one for one in mappings if one not in on_queue]

    assert sorted(referred(one["FunctionName"])[:5] for one in invoked) == ["Daily", "Dispa", "Recou", "Repla", "Sweep"]
    assert all(one["DestinationConfig"]["OnFailure"] for one in [*invoked, *on_stream])
    assert all(one["Target"]["DeadLetterConfig"] for one in schedules)
    assert all(queues[referred(one["EventSourceArn"])]["RedrivePolicy"]["deadLetterTargetArn"] for one in on_queue)


def test_the_dispatcher_hears_only_of_new_outbox_rows(deployed: Assembly) -> None:
    [stream] = [
        one for one in deployed.resources("AWS::Lambda::EventSourceMapping").values() if "FilterCriteria" in one
    ]

    [wanted] = [json.loads(one["Pattern"]) for one in stream["FilterCriteria"]["Filters"]]

    assert wanted == {"eventName": ["INSERT"], "dynamodb": {"Keys": {"PK": {"S": [{"prefix": "OUTBOX#"}]}}}}
    assert (stream["BisectBatchOnFunctionError"], stream["MaximumRetryAttempts"]) == (True, 5)
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_uploads_reach_the_recogniser_without_a_function_of_the_cdk(deployed: Assembly) -> None:
    notices = deployed.resource("AWS::S3::Bucket", "BucketsUploads")["NotificationConfiguration"]

    [rule] = notices["QueueConfigurations"]

    assert rule["Filter"] == {"S3Key": {"Rules": [{"Name": "prefix", "Value": "uploads/"}]}}
    assert rule["Event"] == "s3:ObjectCreated:*"
    assert len(deployed.resources("AWS::Lambda::Function")) == len(FUNCTIONS)


def test_the_sweep_is_called_every_minute_and_never_again_for_the_same_minute(deployed: Assembly) -> None:
    schedule = deployed.resource("AWS::Scheduler::Schedule", "EveryMinute")
    [invoked] = [
        one
        for one in deployed.resources("AWS::Lambda::EventInvokeConfig").values()
        if referred(one["FunctionName"]).startswith("Sweep")
    ]

    retry = schedule["Target"]["RetryPolicy"]

    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert retry == {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
    assert (invoked["MaximumRetryAttempts"], invoked["MaximumEventAgeInSeconds"]) == (0, 60)


def test_parked_deliveries_are_tried_again_every_five_minutes(deployed: Assembly) -> None:
    schedule = deployed.resource("AWS::Scheduler::Schedule", "EveryFiveMinutes")

    called = referred(schedule["Target"]["Arn"])

    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    assert called.startswith("ReplayFunction")
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0


def test_guessed_due_times_are_counted_anew_every_night_in_the_company_zone(deployed: Assembly) -> None:
    schedule = deployed.resource("AWS::Scheduler::Schedule", "EveryNight")

    called = referred(schedule["Target"]["Arn"])

    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "cron(0 2 * * ? *)",
        "Asia/Shanghai",
    )
    assert called.startswith("RecountFunction")


def test_the_daily_report_starts_at_half_past_eight_in_the_company_zone(deployed: Assembly) -> None:
    schedule = deployed.resource("AWS::Scheduler::Schedule", "EveryMorning")

    assert schedule["ScheduleExpression"] == "cron(30 8 * * ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "Asia/Shanghai"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_on_a_current_python_and_is_traced(deployed: Assembly, name: str) -> None:
    function = deployed.function(name)

    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["x86_64"]
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert "ReservedConcurrentExecutions" not in function
    assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == name


def test_the_outputs_are_what_the_operator_and_the_local_mode_read(deployed: Assembly) -> None:
    outputs = deployed.template["Outputs"]

    names = re.findall(r'"(\w+)":"', "".join(texts(outputs["Functions"]["Value"])))

    assert set(outputs) == {
        "ApiId", "ApiUrl", "TableName", "UploadsBucket", "ReportsBucket", "ArchiveBucket", "KeySecret",
        "UserPoolId", "UserPoolClientId", "Functions",
    }  # fmt: skip
    assert sorted(names) == sorted(FUNCTIONS)


def test_no_partition_and_no_address_suffix_is_written_out(deployed: Assembly) -> None:
    said = texts(deployed.template)

    # Service principals are spelled so in every partition.
    suffixes = [text for text in said if "amazonaws" in text and not re.fullmatch(r"[a-z0-9.]+\.amazonaws\.com", text)]

    assert [text for text in said if "arn:aws" in text] == []
    assert suffixes == []


def test_the_local_mode_drops_only_what_a_stand_in_cannot_bear(deployed: Assembly, local: Assembly) -> None:
    [table] = local.resources("AWS::DynamoDB::Table").values()
    [api] = local.resources("AWS::ApiGatewayV2::Api").values()
    environment = local.function("sweep")["Environment"]["Variables"]

    missing = set(deployed.template["Resources"]) - set(local.template["Resources"])

    assert table["DeletionProtectionEnabled"] is False
    assert api["Tags"] == {"ms-custom-id": "leadtrail"}
    assert (environment["ALLOW_NOW"], environment["PUBLIC_BASE_URL"]) == ("1", "http://127.0.0.1:1")
    assert local.function("recording")["Environment"]["Variables"]["MODEL_PATH"] == "/m"
    for name in ("enrich", "dispatch"):
        assert local.function(name)["Environment"]["Variables"]["WECOM_API"] == "http://127.0.0.1:2/wecom"
    assert all(re.search("Policy", name) for name in missing), missing
    assert "SecureTransport" not in json.dumps(local.template)
    assert "ALLOW_NOW" not in json.dumps(deployed.template)
    assert "WECOM_API" not in json.dumps(deployed.template)


def test_a_company_may_bring_its_own_key_and_its_own_sign_in(tmp_path: Path) -> None:
    choices = ["customer_key=true", "jwt_issuer=https://sign-in.example", "jwt_audience=leads", "layers=none"]

    chosen = synthesize(tmp_path, "--nag", *[option for choice in choices for option in ("-c", choice)])

    [key] = chosen.resources("AWS::KMS::Key").values()
    [people] = chosen.resources("AWS::ApiGatewayV2::Authorizer").values()
    assert chosen.code == 0, chosen.said
    assert key["EnableKeyRotation"] is True
    assert people["JwtConfiguration"] == {"Audience": ["leads"], "Issuer": "https://sign-in.example"}
    assert "kms:Decrypt" in json.dumps(chosen.statements("webhook"))
    assert chosen.resources("AWS::Cognito::UserPool") == {}
    assert "UserPoolId" not in chosen.template["Outputs"]
