"""template.yaml fits the contract, the settings and the constants of the code.

tests/stack/test_policies.py measures the permissions.
"""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pigeonhole.aws.dynamodb.job_records import ANNOUNCEMENTS
from pigeonhole.contract.classification import ErrorResponse
from pigeonhole.errors import BY_CODE
from pigeonhole.jobs import sweep
from pigeonhole.jobs.job import LEASE_S, NotificationStatus
from pigeonhole.object_keys import (
    BULK,
    EMBEDDINGS,
    INCOMING,
    JOB_INPUTS,
    JOB_RESULTS,
    LABEL_IMAGES,
    UPLOAD_RESULTS,
    UPLOADS,
    upload_results_key,
)
from pigeonhole.settings import PREFIX, Settings, variable_name
from pigeonhole.tenants.authenticate import REFUSAL
from pigeonhole.uploads import ingest
from pigeonhole.wiring.api import LOOKUP_ATTEMPTS
from pigeonhole.wiring.clients import CONNECT_TIMEOUT_S, job_rules
from support import handlers
from support.template import read_template, translate

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = read_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
API = RESOURCES["Api"]["Properties"]
SHARED: dict[str, Any] = TEMPLATE["Globals"]["Function"]
FUNCTIONS: dict[str, Any] = {
    name: {key: value for key, value in SHARED.items() if key not in item.get("IgnoreGlobals", [])} | item["Properties"]
    for name, item in RESOURCES.items()
    if item["Type"] == "AWS::Serverless::Function"
}
EVENTS = {name: event["Properties"] for name, event in FUNCTIONS["ApiFunction"]["Events"].items()}
ROLES = [function["Role"]["Fn::GetAtt"][0] for function in FUNCTIONS.values()]


def environment(function: str) -> dict[str, Any]:
    variables: dict[str, Any] = FUNCTIONS[function]["Environment"]["Variables"]
    return SHARED["Environment"]["Variables"] | variables


def statements(role: str) -> list[dict[str, Any]]:
    """Give the statements of a role's own policies, with those that depend on a parameter."""
    policies = [policy["Fn::If"][1] if "Fn::If" in policy else policy for policy in RESOURCES[role]["Properties"]["Policies"]]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# ------------------------------------------------------------------------------------------------- the gateway's errors


@pytest.mark.parametrize("kind", API["GatewayResponses"])
def test_a_gateway_response_is_an_error_of_the_contract(kind: str) -> None:
    response = API["GatewayResponses"][kind]

    body = ErrorResponse.model_validate(json.loads(response["ResponseTemplates"]["application/json"]))

    assert body.success is False
    assert body.log_id == "$context.requestId"
    assert BY_CODE[body.error.code].status == response["StatusCode"]


@pytest.mark.parametrize("kind", API["GatewayResponses"])
def test_a_browser_may_read_a_gateway_response(kind: str) -> None:
    headers = API["GatewayResponses"][kind]["ResponseParameters"]["Headers"]

    assert headers["Access-Control-Allow-Origin"] == "'*'"
    assert ("Retry-After" in headers) == (API["GatewayResponses"][kind]["StatusCode"] in (429, 503))
    assert ("Retry-After" in headers) == ("Retry-After" in headers.get("Access-Control-Expose-Headers", ""))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("INVALID_API_KEY", 401),
        ("MISSING_AUTHENTICATION_TOKEN", 401),
        ("UNAUTHORIZED", 401),
        ("ACCESS_DENIED", 403),
        ("WAF_FILTERED", 403),
        ("REQUEST_TOO_LARGE", 413),
        ("THROTTLED", 429),
        ("QUOTA_EXCEEDED", 429),
        ("INTEGRATION_TIMEOUT", 504),
        ("DEFAULT_4XX", 400),
        ("DEFAULT_5XX", 500),
    ],
)
def test_the_gateways_errors_have_the_contracts_status(kind: str, status: int) -> None:
    assert API["GatewayResponses"][kind]["StatusCode"] == status


def test_the_gateway_and_the_function_refuse_a_key_with_one_message() -> None:
    body = json.loads(API["GatewayResponses"]["INVALID_API_KEY"]["ResponseTemplates"]["application/json"])

    assert body["message"] == REFUSAL


# ------------------------------------------------------------------------------------------------------------- the API


def test_only_these_routes_are_open() -> None:
    assert API["Auth"]["ApiKeyRequired"] is True

    opened = {
        (route["Method"], route["Path"]) for route in EVENTS.values() if route.get("Auth", {}).get("ApiKeyRequired") is False
    }

    pages = {"/v1/health", "/", "/playground/{file}", "/openapi.json", "/docs"}
    reads = {(method, page) for method in ("GET", "HEAD") for page in pages}
    assert opened == reads | {("OPTIONS", path) for path in {*pages, "/{proxy+}"}}


def test_the_authorizer_names_the_api_key_of_each_request_to_a_route_that_needs_one() -> None:
    authorizer = API["Auth"]["Authorizers"][API["Auth"]["DefaultAuthorizer"]]

    assert API["ApiKeySourceType"] == "AUTHORIZER", "the gateway admits, throttles and counts the key that it names"
    assert authorizer["FunctionArn"] == {"Fn::GetAtt": ["AuthorizeFunction", "Arn"]}
    assert authorizer["FunctionPayloadType"] == "REQUEST"
    # API Gateway would refuse requests that lack one of the headers that identify an answer, and share answers otherwise.
    assert authorizer["Identity"] == {"ReauthorizeEvery": 0}


def test_the_authorizer_runs_for_the_routes_that_need_a_key_and_for_no_other() -> None:
    paths = translate()["Resources"]["Api"]["Properties"]["Body"]["paths"]
    security = {(method, path): verb.get("security") for path, verbs in paths.items() for method, verb in verbs.items()}
    opened = {
        (route["Method"].lower(), route["Path"])
        for route in EVENTS.values()
        if route.get("Auth", {}).get("ApiKeyRequired") is False
    }

    assert {route for route, schemes in security.items() if not schemes} == opened
    assert all(schemes == [{"SentApiKey": []}, {"api_key": []}] for schemes in security.values() if schemes)


def test_the_authorizer_may_do_nothing_but_log() -> None:
    assert {statement["Sid"] for statement in statements("AuthorizeRole")} == {"Traces", "Logs"}


def test_every_route_and_verb_reaches_the_function() -> None:
    """The gateway creates a resource for each path and its parents, and itself answers a verb that a resource lacks."""
    paths = [PurePosixPath(route["Path"]) for route in EVENTS.values()]
    resources = {str(resource) for path in paths for resource in (path, *path.parents)}

    assert {"/", "/{proxy+}", "/v1", "/v1/health"} <= resources
    assert {route["Path"] for route in EVENTS.values() if route["Method"] == "ANY"} == resources


def test_a_parameter_switches_the_playground_off() -> None:
    assert environment("ApiFunction")["PIGEONHOLE_PLAYGROUND"] == {"Ref": "Playground"}
    assert TEMPLATE["Parameters"]["Playground"]["Default"] == "true"


def test_each_open_route_has_its_own_throttle() -> None:
    """A usage plan counts only calls to routes that need a key."""
    opened = {
        (route["Method"], route["Path"]) for route in EVENTS.values() if route.get("Auth", {}).get("ApiKeyRequired") is False
    }
    throttle = {"ThrottlingRateLimit": {"Ref": "OpenThrottleRate"}, "ThrottlingBurstLimit": {"Ref": "OpenThrottleBurst"}}
    throttled = {
        (row["HttpMethod"], row["ResourcePath"].removeprefix("/").replace("~1", "/") or "/")  # the root path is one slash
        for row in API["MethodSettings"]
        if row.items() >= throttle.items()
    }

    assert throttled == opened


def test_the_usage_plan_is_set_by_parameters() -> None:
    plan = RESOURCES["UsagePlan"]["Properties"]

    assert plan["Throttle"] == {"RateLimit": {"Ref": "ThrottleRate"}, "BurstLimit": {"Ref": "ThrottleBurst"}}
    assert plan["Quota"] == {"Limit": {"Ref": "QuotaLimit"}, "Period": {"Ref": "QuotaPeriod"}}


# ------------------------------------------------------------------------------------------------------- the functions


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_given_settings_that_exist(function: str) -> None:
    known = {variable_name(name) for name in vars(Settings())}

    assert {name for name in environment(function) if name.startswith(PREFIX)} <= known


@pytest.mark.parametrize("name", ["ALLOW_HTTP", "ALLOW_LOOPBACK", "MODEL_DIR"])
def test_settings_of_the_local_stack_are_not_in_the_template(name: str) -> None:
    assert PREFIX + name not in (ROOT / "template.yaml").read_text()


def test_each_timeout_is_shorter_than_that_of_the_caller() -> None:
    gateway_s, lookups = 29, 2  # of an API key and of its tenant, over an open connection
    invoke_s = Settings().invoke_timeout_s
    api_s = FUNCTIONS["ApiFunction"]["Timeout"]

    assert lookups * LOOKUP_ATTEMPTS * Settings().lookup_timeout_s + CONNECT_TIMEOUT_S + invoke_s <= 28 < gateway_s
    assert api_s > gateway_s, "the gateway's own timeout is a 504, the function's a 500"


def test_the_classify_function_runs_no_longer_than_its_caller_waits() -> None:
    assert FUNCTIONS["ClassifyFunction"]["Timeout"] == Settings().invoke_timeout_s


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_template_overrides_no_timeout(function: str) -> None:
    assert not [name for name in environment(function) if name.startswith(PREFIX) and name.endswith("_TIMEOUT_S")]


# ---------------------------------------------------------------------------------------------------------------- jobs


def read_default(value: Any) -> float:
    return float(TEMPLATE["Parameters"][value["Ref"]]["Default"] if isinstance(value, dict) else value)


@pytest.mark.parametrize("function", ["ClassifyFunction", "WorkerFunction"])
def test_numpy_has_one_thread_where_samples_are_classified(function: str) -> None:
    assert environment(function)["OPENBLAS_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("function", "queue"),
    [
        ("WorkerFunction", "ChunkQueue"),
        ("DeadLettersFunction", "DeadLetterQueue"),
        ("WebhooksFunction", "WebhookQueue"),
        ("IngestFunction", "IngestQueue"),
    ],
)
def test_a_message_is_invisible_for_six_times_the_timeout_of_its_function(function: str, queue: str) -> None:
    visible_after = read_default(RESOURCES[queue]["Properties"]["VisibilityTimeout"])
    window_s = TEMPLATE["Parameters"]["IngestWindow"]["MaxValue"] if queue == "IngestQueue" else 0

    assert visible_after >= 6 * read_default(FUNCTIONS[function]["Timeout"]) + window_s


def test_a_planner_that_was_killed_is_soon_followed_by_another_one() -> None:
    """Two planners of a job do no harm, so the message needn't be invisible for six times the timeout."""
    timeout_s = FUNCTIONS["PlanFunction"]["Timeout"]

    assert timeout_s < RESOURCES["PlanQueue"]["Properties"]["VisibilityTimeout"] <= 1.5 * timeout_s
    assert Settings().planning_s > timeout_s


@pytest.mark.parametrize(("function", "queue"), [("worker", "ChunkQueue"), ("ingest", "IngestQueue")])
def test_a_handler_knows_how_often_its_queue_delivers_a_message(function: str, queue: str) -> None:
    receives = RESOURCES[queue]["Properties"]["RedrivePolicy"]["maxReceiveCount"]

    assert receives == handlers.load(function).MAX_RECEIVES


@pytest.mark.parametrize(
    "function", [name for name, function in FUNCTIONS.items() if "Runtime" in function or "Events" in function]
)
def test_one_message_of_a_batch_may_fail(function: str) -> None:
    sources = [
        event["Properties"] for event in FUNCTIONS[function].get("Events", {}).values() if event["Type"] in ("SQS", "DynamoDB")
    ]

    assert [source["FunctionResponseTypes"] for source in sources] == [["ReportBatchItemFailures"]] * len(sources)


@pytest.mark.parametrize("parameter", ["WorkerConcurrency", "WebhookConcurrency", "IngestConcurrency"])
def test_the_concurrency_of_a_queues_function_is_at_least_the_minimum_of_sqs(parameter: str) -> None:
    assert TEMPLATE["Parameters"][parameter]["MinValue"] == 2


@pytest.mark.parametrize(
    ("function", "last_begin_s"), [("IngestFunction", ingest.STOP_S), ("SweepFunction", sweep.STOP_AFTER_S)]
)
def test_a_function_that_stops_early_has_time_before_and_after(function: str, last_begin_s: float) -> None:
    assert 0 < last_begin_s < FUNCTIONS[function]["Timeout"]


def test_two_sweeps_never_overlap() -> None:
    (every,) = (event["Properties"]["Schedule"] for event in FUNCTIONS["SweepFunction"]["Events"].values())

    assert every == "rate(1 minute)"
    assert FUNCTIONS["SweepFunction"]["Timeout"] < 60


@pytest.mark.parametrize(
    ("parameter", "setting"), [("QuotaLimit", "quota_limit"), ("QuotaPeriod", "quota_period"), ("EventBusName", "event_bus")]
)
def test_a_setting_has_the_default_of_its_parameter(parameter: str, setting: str) -> None:
    assert TEMPLATE["Parameters"][parameter]["Default"] == vars(Settings())[setting]


def test_a_worker_has_time_before_it_stops_starting_samples() -> None:
    assert TEMPLATE["Parameters"]["WorkerTimeout"]["MinValue"] > Settings().worker_stop_s


def test_a_job_is_stuck_only_after_all_attempts_of_a_message() -> None:
    visibility = TEMPLATE["Parameters"]["ChunkVisibility"]
    variables = RESOURCES["SweepFunction"]["Properties"]["Environment"]["Variables"]

    assert variables["PIGEONHOLE_CHUNK_VISIBILITY_S"] == {"Ref": "ChunkVisibility"}
    assert Settings().chunk_visibility_s == visibility["Default"]
    for seconds in (visibility["Default"], 6 * TEMPLATE["Parameters"]["WorkerTimeout"]["MaxValue"]):
        assert (
            job_rules(Settings(chunk_visibility_s=seconds)).stuck_s
            > RESOURCES["ChunkQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] * seconds
        )


def test_the_objects_of_a_job_expire_with_the_job() -> None:
    rules = RESOURCES["JobBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules} == {
        kind: {"Ref": "JobDays"} for kind in (JOB_INPUTS, JOB_RESULTS, BULK, EMBEDDINGS, LABEL_IMAGES)
    }
    assert [rule["Prefix"] for rule in rules if "TagFilters" in rule] == [LABEL_IMAGES], "only unused label images expire"
    assert environment("ApiFunction")["PIGEONHOLE_JOB_DAYS"] == {"Ref": "JobDays"}
    assert Settings().job_days == TEMPLATE["Parameters"]["JobDays"]["Default"]
    assert RESOURCES["Table"]["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_job_bucket_is_closed_and_encrypted() -> None:
    bucket = RESOURCES["JobBucket"]["Properties"]
    (denied,) = RESOURCES["JobBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert all(item["Properties"]["SqsManagedSseEnabled"] for item in RESOURCES.values() if item["Type"] == "AWS::SQS::Queue")


def test_every_log_group_expires() -> None:
    groups = [item["Properties"] for item in RESOURCES.values() if item["Type"] == "AWS::Logs::LogGroup"]

    assert [group["RetentionInDays"] for group in groups] == [{"Ref": "LogRetentionDays"}] * len(groups)


def test_the_function_that_runs_before_each_request_logs_only_what_goes_wrong() -> None:
    assert FUNCTIONS["AuthorizeFunction"]["LoggingConfig"] == {
        "LogGroup": {"Ref": "FunctionLogs"},
        "LogFormat": "JSON",
        "SystemLogLevel": "WARN",
    }


def test_the_functions_that_decode_callers_files_share_their_logs_with_no_other_function() -> None:
    group = {name: function["LoggingConfig"]["LogGroup"]["Ref"] for name, function in FUNCTIONS.items()}
    images = [name for name, function in FUNCTIONS.items() if function.get("PackageType") == "Image"]

    assert len(images) == 3
    assert all(list(group.values()).count(group[name]) == 1 for name in images)


def test_the_api_function_is_light_and_the_classify_function_is_an_image() -> None:
    api, classify = FUNCTIONS["ApiFunction"], FUNCTIONS["ClassifyFunction"]

    assert api["Layers"] == [{"Ref": "CoreLayer"}]
    assert not (ROOT / api["CodeUri"] / "requirements.txt").exists()
    assert classify["PackageType"] == "Image"
    assert (ROOT / RESOURCES["ClassifyFunction"]["Metadata"]["Dockerfile"]).is_file()


def test_the_runtime_and_the_architecture_are_parameters() -> None:
    layer = RESOURCES["CoreLayer"]

    assert TEMPLATE["Parameters"]["PythonRuntime"]["Default"] == "python3.13"
    assert set(TEMPLATE["Parameters"]["Architecture"]["AllowedValues"]) == {"arm64", "x86_64"}
    assert FUNCTIONS["ApiFunction"]["Runtime"] == {"Ref": "PythonRuntime"}
    assert layer["Metadata"] == {"BuildMethod": {"Ref": "PythonRuntime"}, "BuildArchitecture": {"Ref": "Architecture"}}
    assert TEMPLATE["Globals"]["Function"]["Architectures"] == [{"Ref": "Architecture"}]


# -------------------------------------------------------------------------------------------------- what is installed


def pinned(lines: list[str]) -> dict[str, str]:
    """Split requirement lines into names and versions."""
    matches = (re.match(r"([\w.-]+(?:\[\w+\])?)(.*)", line) for line in lines if line and not line.startswith("#"))
    return {match[1].lower(): match[2].strip() for match in matches if match}


def test_the_layer_and_the_image_install_the_packages_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core, onnx = pinned(project["dependencies"]), pinned(project["optional-dependencies"]["onnx"])
    layer = pinned((ROOT / "layers/core/requirements.txt").read_text().splitlines())
    image = pinned((ROOT / "functions/classify/requirements.txt").read_text().splitlines())

    assert layer == core
    both = {
        name: range_ for name, range_ in (core | onnx).items() if name != "backports.zstd"
    }  # bodies reach only functions/api
    assert {name: range_ for name, range_ in image.items() if name != "awslambdaric"} == both
    assert "awslambdaric" in image
    for path in (ROOT / "functions").glob("*/requirements.txt"):
        assert pinned(path.read_text().splitlines()).items() <= (core | onnx | {"awslambdaric": image["awslambdaric"]}).items()


def test_the_webhooks_function_installs_its_http_client() -> None:
    webhooks = FUNCTIONS["WebhooksFunction"]

    assert "httpx" in pinned((ROOT / webhooks["CodeUri"] / "requirements.txt").read_text().splitlines())
    assert webhooks["Layers"] == [{"Ref": "CoreLayer"}]


# ------------------------------------------------------------------------------------------------- what follows an end


@pytest.mark.parametrize("role", ROLES)
def test_only_the_command_line_writes_api_keys_and_tenants(role: str) -> None:
    writes = {"dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}
    kinds = {
        kind
        for statement in statements(role)
        if writes.intersection(listed(statement["Action"]))
        for kind in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    }

    assert not kinds & {"KEY#*", "KEYS", "TENANT#*"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("bucket", ["JobBucket", "UploadBucket"])
def test_a_reader_of_the_deployments_own_objects_can_tell_missing_from_denied(role: str, bucket: str) -> None:
    """Without s3:ListBucket, S3 denies a missing object, and a denied read is retried. For callers' images: see S3BlobStore."""
    callers_images = (
        {LABEL_IMAGES, INCOMING, UPLOADS}
        if role in ("ClassifyRole", "WorkerRole")
        else {INCOMING, UPLOADS}
        if role in ("PlanRole", "DeadLettersRole")
        else set()
    )
    read = {
        match[1]
        for statement in statements(role)
        if "s3:GetObject" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if (match := re.fullmatch(rf"\${{{bucket}\.Arn}}/([\w-]+/)\*", resource["Fn::Sub"]))
    }

    assert [folder for folder in read - callers_images if not may_list(role, bucket, folder + "acme/pets/1.json")] == []


@pytest.mark.parametrize("role", ROLES)
def test_only_objects_of_a_known_job_or_label_set_can_be_listed(role: str) -> None:
    folders = [
        folder + owner for folder in (JOB_INPUTS, JOB_RESULTS, EMBEDDINGS, LABEL_IMAGES) for owner in ("", "acme/", "acme/0")
    ]

    assert [folder for folder in folders if may_list(role, "JobBucket", folder)] == []


def may_list(role: str, bucket: str, key: str) -> bool:
    """Whether S3 tells a role that an object is missing, or lists the objects whose keys begin with `key`."""
    patterns = [
        pattern
        for statement in statements(role)
        if "s3:ListBucket" in listed(statement["Action"]) and statement["Resource"] == {"Fn::GetAtt": [bucket, "Arn"]}
        for pattern in (statement["Condition"]["StringLike"]["s3:prefix"] if "Condition" in statement else ["*"])
    ]
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def test_the_stream_delivers_only_ends_of_jobs() -> None:
    ends = FUNCTIONS["NotifyFunction"]["Events"]["Ends"]["Properties"]
    (pattern,) = ends["FilterCriteria"]["Filters"]

    assert RESOURCES["Table"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    pending = ANNOUNCEMENTS[NotificationStatus.PENDING]
    assert json.loads(pattern["Pattern"]) == {"dynamodb": {"NewImage": {"announcement": {"S": [pending]}}}}
    assert ends["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert ends["MaximumRetryAttempts"] >= 1, "a failing record must not block its shard for a day"


def test_a_webhook_attempt_ends_before_its_lease() -> None:
    assert Settings().webhook_timeout_s < FUNCTIONS["WebhooksFunction"]["Timeout"] < LEASE_S
    assert FUNCTIONS["NotifyFunction"]["Timeout"] <= LEASE_S


# -------------------------------------------------------------------------------------------------------- dropped files


def test_uploads_start_ingest_and_results_do_not() -> None:
    bucket = RESOURCES["UploadBucket"]["Properties"]
    (notified,) = bucket["NotificationConfiguration"]["QueueConfigurations"]
    (rule,) = notified["Filter"]["S3Key"]["Rules"]

    assert (notified["Event"], notified["Queue"]) == ("s3:ObjectCreated:*", {"Fn::GetAtt": ["IngestQueue", "Arn"]})
    assert rule == {"Name": "prefix", "Value": INCOMING}
    assert not upload_results_key("acme", "pets", "1" * 32).startswith(INCOMING)
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, "a job reads the version that was uploaded"


def test_uploads_and_their_results_expire() -> None:
    rules = {rule["Prefix"]: rule for rule in RESOURCES["UploadBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}

    assert rules[UPLOADS]["ExpirationInDays"] == rules[INCOMING]["ExpirationInDays"] == {"Ref": "UploadDays"}
    assert rules[UPLOAD_RESULTS]["ExpirationInDays"] == {"Ref": "JobDays"}
    assert all("NoncurrentVersionExpiration" in rules[kind] for kind in (UPLOADS, INCOMING, UPLOAD_RESULTS))
    assert Settings().upload_days == TEMPLATE["Parameters"]["UploadDays"]["Default"]


def test_only_s3_of_this_account_may_notify_of_uploads() -> None:
    (allowed,) = RESOURCES["IngestQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert (allowed["Effect"], allowed["Principal"], allowed["Action"]) == (
        "Allow",
        {"Service": "s3.amazonaws.com"},
        "sqs:SendMessage",
    )
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_uploads_are_collected_and_fail_one_by_one() -> None:
    source = FUNCTIONS["IngestFunction"]["Events"]["Dropped"]["Properties"]

    assert source["BatchSize"] > 10, "a thousand files are few jobs"
    assert source["MaximumBatchingWindowInSeconds"] == {"Ref": "IngestWindow"}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert RESOURCES["IngestQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == 5


def test_the_notifier_handles_one_job_at_a_time() -> None:
    """A job may have hundreds of uploads, and each takes a call, or three with tags."""
    ends = FUNCTIONS["NotifyFunction"]["Events"]["Ends"]["Properties"]

    assert ends["BatchSize"] == 1
    assert ends["ParallelizationFactor"] > 1, "the uploads of one tenant delay no other tenant"
    assert environment("NotifyFunction")["PIGEONHOLE_TAG_UPLOADS"] == {"Ref": "TagUploads"}
    assert str(Settings().tag_uploads).lower() == TEMPLATE["Parameters"]["TagUploads"]["Default"]
