"""The alarms, the dashboard, the access logs and the canary of template.yaml. No local stack runs them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from support import pages
from support.template import ROOT, find_all, list_references, read_template, translate

TEMPLATE = read_template()
RESOURCES: dict[str, Any] = translate()["Resources"]
ALARMS = {name: item for name, item in RESOURCES.items() if item["Type"] == "AWS::CloudWatch::Alarm"}
OPERATIONS = ROOT / "docs/operations.md"
OWN_NAMESPACE = {"Fn::Sub": "Pigeonhole/${AWS::StackName}"}
ROLLS_BACK = ["ServerErrorsAlarm", "InternalErrorsAlarm", "LatencyAlarm"]
OF_NEW_VERSIONS = {"ApiFunction": "NewApiAlarm", "ClassifyFunction": "NewClassifyAlarm"}


def metrics(alarm: str) -> list[dict[str, Any]]:
    """Return the metrics of an alarm, without its expression."""
    properties = ALARMS[alarm]["Properties"]
    return [properties] if "MetricName" in properties else find_all(properties["Metrics"], "Metric")


def dimensions(metric: dict[str, Any]) -> dict[str, Any]:
    return {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}


# ----------------------------------------------------------------------------------------------------------------- alarms


def test_each_trouble_has_an_alarm() -> None:
    watched = {metric["MetricName"] for alarm in ALARMS for metric in metrics(alarm)}

    assert watched == {
        *("errors", "5XXError", "Count", "Latency"),
        *("Errors", "Throttles", "ApproximateAgeOfOldestMessage"),
        *("failed_samples", "requeued_chunks", "ApproximateNumberOfMessagesVisible"),
    }


@pytest.mark.parametrize("alarm", ALARMS)
def test_a_service_without_requests_is_no_alarm(alarm: str) -> None:
    assert ALARMS[alarm]["Properties"]["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("alarm", ALARMS.keys() - OF_NEW_VERSIONS.values())
def test_an_alarm_writes_to_the_address_that_the_deployer_names(alarm: str) -> None:
    item = ALARMS[alarm]

    assert item["Condition"] == RESOURCES["AlarmTopic"]["Condition"] == "HasAlarms"
    assert item["Properties"]["AlarmActions"] == item["Properties"]["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert RESOURCES["AlarmTopic"]["Properties"]["Subscription"] == [{"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}]
    assert TEMPLATE["Parameters"]["AlarmEmail"]["Default"] == "", (
        "AWS would write to an address that the operator has not chosen"
    )


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_names_its_runbook(alarm: str) -> None:
    (section,) = re.findall(r'See "([\w ]+)" in docs/operations\.md', ALARMS[alarm]["Properties"]["AlarmDescription"])

    assert f"\n#### {section}\n" in OPERATIONS.read_text()


def test_each_runbook_is_that_of_an_alarm() -> None:
    runbooks = set(re.findall(r"^#### (.+)$", OPERATIONS.read_text(), re.MULTILINE))

    assert runbooks == {
        section
        for item in ALARMS.values()
        for section in re.findall(r'See "([\w ]+)" in', item["Properties"]["AlarmDescription"])
    }


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_watches_only_this_stack(alarm: str) -> None:
    """Two stacks may share an account and a region."""
    for metric in metrics(alarm):
        if metric["Namespace"] == "AWS/ApiGateway":
            assert dimensions(metric) == {
                "ApiName": RESOURCES["Api"]["Properties"]["Body"]["info"]["title"],
                "Stage": {"Ref": "StageName"},
            }
        elif metric["Namespace"] == OWN_NAMESPACE:
            assert (
                OWN_NAMESPACE["Fn::Sub"]
                == TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]["Fn::Sub"]
            )
        else:
            owner, *version = sorted(list_references(metric["Dimensions"]), key=len)
            assert RESOURCES[owner]["Type"] in ("AWS::Lambda::Function", "AWS::SQS::Queue")
            assert [RESOURCES[name]["Type"] for name in version] in ([], ["AWS::Lambda::Version"])


def test_the_services_own_metrics_exist() -> None:
    documented = {
        (row["metric"].strip("`"), service.strip())
        for row in pages.table_after(OPERATIONS.read_text(), "What to watch")
        for service in row["service"].split(",")
    }
    own = {
        (metric["MetricName"], dimensions(metric)["service"])
        for alarm in ALARMS
        for metric in metrics(alarm)
        if metric["Namespace"] == OWN_NAMESPACE
    }

    assert own
    assert own <= documented


def test_the_latency_alarm_leaves_room_for_callers_that_wait() -> None:
    max_wait_s, gateway_s = 24, 29

    assert max_wait_s * 1000 < ALARMS["LatencyAlarm"]["Properties"]["Threshold"] < gateway_s * 1000


def test_the_budget_needs_an_address_and_an_amount() -> None:
    has_budget = TEMPLATE["Conditions"]["HasBudget"]["Fn::And"]

    assert RESOURCES["Budget"]["Condition"] == "HasBudget"
    assert {"Condition": "HasAlarms"} in has_budget
    assert TEMPLATE["Parameters"]["MonthlyBudget"]["Default"] == 0


# ----------------------------------------------------------------------------------------------------------------- canary


@pytest.mark.parametrize(("function", "has_canary"), [("ApiFunction", "HasCanary"), ("ClassifyFunction", "HasClassifyCanary")])
def test_a_new_version_is_taken_back_if_an_alarm_rings(function: str, has_canary: str) -> None:
    group = RESOURCES[f"{function}DeploymentGroup"]["Properties"]
    condition, with_canary, without = group["AlarmConfiguration"]["Fn::If"]

    assert (condition, without) == (has_canary, {})
    alarms = [*ROLLS_BACK, OF_NEW_VERSIONS[function]]
    assert with_canary == {"Enabled": True, "Alarms": [{"Name": {"Ref": alarm}} for alarm in alarms]}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert group["DeploymentConfigName"]["Fn::If"][0] == has_canary
    assert RESOURCES[f"{function}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]


def test_a_function_with_provisioned_concurrency_has_no_canary() -> None:
    """Lambda refuses provisioned concurrency for an alias with weights."""
    assert TEMPLATE["Conditions"]["HasClassifyCanary"] == {
        "Fn::And": [{"Condition": "HasCanary"}, {"Fn::Not": [{"Condition": "HasProvisionedConcurrency"}]}]
    }
    provisioned = [
        name
        for name, item in TEMPLATE["Resources"].items()
        if item["Type"] == "AWS::Serverless::Function" and "ProvisionedConcurrencyConfig" in item["Properties"]
    ]
    assert provisioned == ["ClassifyFunction"]


@pytest.mark.parametrize(("function", "alarm"), OF_NEW_VERSIONS.items())
def test_a_single_crash_of_a_new_version_takes_it_back_without_a_mail(function: str, alarm: str) -> None:
    """A tenth of few requests is too little for a rate. The metric exists only while the alias has two versions."""
    properties = ALARMS[alarm]["Properties"]
    (version,) = (name for name, item in RESOURCES.items() if item["Type"] == "AWS::Lambda::Version" and function in name)

    assert (properties["Namespace"], properties["MetricName"], properties["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
    assert (properties["ComparisonOperator"], properties["Threshold"]) == ("GreaterThanThreshold", 0)
    assert properties["EvaluationPeriods"] == 1
    assert dimensions(properties) == {
        "FunctionName": {"Ref": function},
        "Resource": {"Fn::Sub": f"${{{function}}}:live"},
        "ExecutedVersion": {"Fn::GetAtt": [version, "Version"]},
    }
    assert RESOURCES[f"{function}Aliaslive"]["Properties"]["Name"] == "live"
    assert not {"AlarmActions", "OKActions"} & properties.keys(), "CodeDeploy reads the alarm, and says why a deploy failed"


@pytest.mark.parametrize("alarm", [*ROLLS_BACK, *OF_NEW_VERSIONS.values()])
def test_an_alarm_that_takes_a_version_back_rings_while_the_canary_runs(alarm: str) -> None:
    properties = ALARMS[alarm]["Properties"]
    (period_s,) = set(find_all(properties, "Period"))

    assert period_s * properties.get("DatapointsToAlarm", 1) <= 180, "the canary takes five minutes"


def test_the_gateway_calls_the_alias() -> None:
    """Calls to the function itself would always reach the newest version."""
    uris = {json.dumps(uri) for uri in find_all(RESOURCES["Api"]["Properties"]["Body"], "uri")}

    assert uris
    assert all("ApiFunctionAliaslive" in uri for uri in uris)


# ---------------------------------------------------------------------------------------------------- dashboard and logs


def test_the_dashboard_is_json_that_watches_only_this_stack() -> None:
    properties = RESOURCES["Dashboard"]["Properties"]
    body = json.loads(properties["DashboardBody"]["Fn::Sub"])

    assert len(body["widgets"]) == 6
    assert "${AWS::Region}" in properties["DashboardName"]["Fn::Sub"], "dashboards of all regions share a list"
    for widget in body["widgets"]:
        first = widget["properties"]["metrics"][0]
        assert "${" in json.dumps(first), "no names but those of this stack's resources"


def test_the_access_log_holds_nothing_that_a_caller_wrote() -> None:
    condition, setting, _ = RESOURCES["ApiStage"]["Properties"]["AccessLogSetting"]["Fn::If"]

    assert condition == "HasAccessLogs"
    assert set(json.loads(setting["Format"]).values()) == {
        "$context.requestId",
        "$context.requestTime",
        "$context.httpMethod",
        "$context.status",
        "$context.error.responseType",
        "$context.identity.apiKeyId",  # the id of the key, not its value
        "$context.identity.sourceIp",
        "$context.responseLatency",
        "$context.integration.latency",
        "$context.responseLength",
    }


def test_the_stage_waits_for_the_role_by_which_the_gateway_writes_logs() -> None:
    """Without that role API Gateway refuses a stage that has access logs."""
    _, setting, _ = RESOURCES["ApiStage"]["Properties"]["AccessLogSetting"]["Fn::If"]

    assert "AccessLogGroup" in list_references(setting["DestinationArn"])
    assert RESOURCES["AccessLogGroup"]["DependsOn"] == "ApiLogsAccount"
    assert list_references(RESOURCES["ApiLogsAccount"]["Properties"]) == {"ApiLogsRole"}
    assert TEMPLATE["Parameters"]["AccessLogs"]["Default"] == "false", "the role is a setting of the whole account"


def test_metrics_by_route_are_off_by_default() -> None:
    settings = RESOURCES["ApiStage"]["Properties"]["MethodSettings"]

    assert [row["MetricsEnabled"] for row in settings] == [{"Ref": "DetailedApiMetrics"}] * len(settings)
    assert TEMPLATE["Parameters"]["DetailedApiMetrics"]["Default"] == "false"
