"""The GPU workers of template.yaml: nothing without a GpuImageUri, and with it what docs/gpu.md and the worker rely on."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from pigeonhole.bulk.gpu.failures import _PLACEMENT
from pigeonhole.bulk.gpu.task_worker import AGAIN, CONCURRENT_SPANS
from pigeonhole.settings import PREFIX, Settings, variable_name
from pigeonhole.wiring.gpu import STOP_S
from pigeonhole.wiring.inference import DECODE_PROCESS_BYTES
from support.handlers import ROOT
from support.template import find_all, list_references, read_template

TEMPLATE = read_template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
GPU = {name: item for name, item in RESOURCES.items() if item.get("Condition") == "HasGpu"}
DEFINITION = RESOURCES["GpuDefinition"]["Properties"]
CONTAINER = DEFINITION["ContainerProperties"]
ENVIRONMENT = {variable["Name"]: variable["Value"] for variable in CONTAINER["Environment"]}
REQUIRED = {item["Type"]: int(item["Value"]) for item in CONTAINER["ResourceRequirements"]}
ENGINE_BYTES = 4_000_000_000  # torch with its libraries for CUDA, the models, and the pixels of four batches


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: str) -> list[dict[str, Any]]:
    return [statement for part in find_all(RESOURCES[role]["Properties"]["Policies"], "Statement") for statement in part]


def actions(role: str) -> set[str]:
    return {action for statement in statements(role) for action in listed(statement["Action"])}


# ------------------------------------------------------------------------------------------------------ without an image


def test_without_an_image_no_machine_queue_role_or_rule_is_created() -> None:
    kinds = ("AWS::Batch::", "AWS::EC2::", "AWS::IAM::InstanceProfile", "AWS::Events::Rule")

    assert TEMPLATE["Parameters"]["GpuImageUri"]["Default"] == ""
    assert TEMPLATE["Conditions"]["HasGpu"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "GpuImageUri"}, ""]}]}
    assert {name for name, item in RESOURCES.items() if item["Type"].startswith(kinds) or name.startswith("Gpu")} == set(GPU)


def test_without_an_image_nothing_refers_to_what_is_not_created() -> None:
    def unconditional(node: Any) -> Any:
        """Leave out what an Fn::If of HasGpu gives only with an image."""
        if isinstance(node, dict):
            if node.get("Fn::If", [None])[0] == "HasGpu":
                return unconditional(node["Fn::If"][2])
            return {name: unconditional(value) for name, value in node.items()}
        return [unconditional(value) for value in node] if isinstance(node, list) else node

    others = {name: unconditional(item) for name, item in RESOURCES.items() if name not in GPU}

    assert not list_references(others) & set(GPU)
    assert not list_references(TEMPLATE["Outputs"]) & set(GPU)


def test_an_image_without_a_network_is_refused() -> None:
    (rule,) = TEMPLATE["Rules"].values()

    assert rule["RuleCondition"] == TEMPLATE["Conditions"]["HasGpu"]
    assert list_references(rule["Assertions"]) == {"GpuVpcId", "GpuSubnetIds"}


# -------------------------------------------------------------------------------------------------------------- the job


def test_a_worker_is_started_again_after_a_lost_machine_and_when_it_asks_for_it() -> None:
    retries = DEFINITION["RetryStrategy"]

    assert retries["Attempts"] == 5
    assert retries["EvaluateOnExit"] == [
        {"OnStatusReason": "Host EC2*", "Action": "RETRY"},
        {"OnReason": "CannotPull*", "Action": "RETRY"},
        {"OnExitCode": str(AGAIN), "Action": "RETRY"},
        {"OnExitCode": str(128 + signal.SIGTERM), "Action": "RETRY"},
        {"OnReason": "*", "Action": "EXIT"},
    ]


def test_a_worker_ends_before_aws_batch_stops_it() -> None:
    """AWS Batch starts no job again that exceeded its time."""
    assert DEFINITION["Timeout"]["AttemptDurationSeconds"] >= Settings().gpu_task_s + 5 * STOP_S


def test_a_worker_has_one_gpu_and_no_rights_on_its_machine() -> None:
    assert REQUIRED == {"GPU": 1, "VCPU": 4, "MEMORY": 14_000}
    assert CONTAINER["ReadonlyRootFilesystem"] is True
    assert CONTAINER["Privileged"] is False
    assert CONTAINER["LinuxParameters"]["SharedMemorySize"] == 1_024
    assert [mount["ContainerPath"] for mount in CONTAINER["LinuxParameters"]["Tmpfs"]] == ["/tmp"]


def test_the_command_is_the_program() -> None:
    python, option, module = CONTAINER["Command"]

    assert (python, option) == ("python", "-m")
    assert (ROOT / (module.replace(".", "/") + ".py")).is_file()


def test_a_worker_is_given_settings_that_exist() -> None:
    known = {variable_name(name) for name in vars(Settings())}

    assert {name for name in ENVIRONMENT if name.startswith(PREFIX)} <= known
    assert "PIGEONHOLE_JOB_QUEUE" not in ENVIRONMENT, "an open span is left for the next start, and not sent to Lambda"


def test_the_images_that_a_worker_has_at_a_time_fit_into_its_memory() -> None:
    settings = Settings.from_environ({name: value for name, value in ENVIRONMENT.items() if isinstance(value, str)})
    groups = CONCURRENT_SPANS * settings.encode_workers

    decoded = settings.decode_workers * (settings.max_image_memory_bytes + DECODE_PROCESS_BYTES)
    megabytes = (groups * (settings.max_request_bytes + decoded) + ENGINE_BYTES) / 2**20

    assert megabytes <= REQUIRED["MEMORY"]
    assert groups * settings.decode_workers >= REQUIRED["VCPU"], "each core decodes"


# --------------------------------------------------------------------------------------------------------- the machines


@pytest.mark.parametrize(
    ("name", "kind", "strategy"),
    [("GpuSpotMachines", "SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED"), ("GpuOnDemandMachines", "EC2", "BEST_FIT_PROGRESSIVE")],
)
def test_no_machine_runs_while_there_is_no_job(name: str, kind: str, strategy: str) -> None:
    machines = RESOURCES[name]["Properties"]["ComputeResources"]

    assert (machines["Type"], machines["AllocationStrategy"], machines["MinvCpus"]) == (kind, strategy, 0)
    assert machines["InstanceTypes"] == ["g6", "g5", "g4dn"]
    assert machines["Ec2Configuration"] == [{"ImageType": "ECS_AL2023_NVIDIA"}]
    assert "DesiredvCpus" not in machines, "an update would set it while jobs run"


def test_spot_machines_come_before_on_demand_machines() -> None:
    order = RESOURCES["GpuQueue"]["Properties"]["ComputeEnvironmentOrder"]

    assert [row["ComputeEnvironment"]["Ref"] for row in sorted(order, key=lambda row: row["Order"])] == [
        "GpuSpotMachines",
        "GpuOnDemandMachines",
    ]


def test_a_job_that_finds_no_machine_fails_with_its_reason() -> None:
    limits = RESOURCES["GpuQueue"]["Properties"]["JobStateTimeLimitActions"]

    assert {(row["State"], row["Action"], row["MaxTimeSeconds"]["Ref"]) for row in limits} == {
        ("RUNNABLE", "CANCEL", "GpuPlacementTimeout")
    }
    assert all(_PLACEMENT.fullmatch(row["Reason"]) for row in limits)
    assert TEMPLATE["Parameters"]["GpuPlacementTimeout"]["MinValue"] >= 600, "the minimum of AWS Batch"


def test_a_container_reaches_no_metadata_and_a_disk_is_encrypted() -> None:
    data = RESOURCES["GpuLaunchTemplate"]["Properties"]["LaunchTemplateData"]
    (disk,) = data["BlockDeviceMappings"]

    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert disk["Ebs"].items() >= {"VolumeSize": 100, "VolumeType": "gp3", "Encrypted": True}.items()


def test_nothing_connects_to_a_machine() -> None:
    group = RESOURCES["GpuSecurityGroup"]["Properties"]

    assert "SecurityGroupIngress" not in group
    assert {(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]} == {
        ("tcp", 443, 443)
    }


# ------------------------------------------------------------------------------------------------------------ the rights


def test_a_gpu_worker_may_do_no_more_than_a_worker() -> None:
    assert actions("GpuRole") < actions("WorkerRole")
    assert not {"sqs:ReceiveMessage", "sqs:DeleteMessage"} & actions("GpuRole")
    assert list_references([row["Resource"] for row in statements("GpuRole") if row["Action"] == "sqs:SendMessage"]) == {
        "PlanQueue"
    }


def test_a_gpu_worker_reads_what_a_worker_reads_of_callers() -> None:
    def reads(role: str) -> list[tuple[Any, Any]]:
        found = [(row["Action"], row["Resource"]) for row in statements(role)]
        return [row for row in found if {"UploadBucket", "ImageBucket"} & list_references(row[1])]

    assert reads("GpuRole") == reads("WorkerRole")


def test_only_the_planner_starts_runs_and_only_of_this_queue() -> None:
    (submits,) = (row for row in statements("PlanRole") if row["Action"] == "batch:SubmitJob")
    roles = [name for name, item in RESOURCES.items() if item["Type"] == "AWS::IAM::Role"]

    assert [role for role in roles if "Policies" in RESOURCES[role]["Properties"] and "batch:SubmitJob" in actions(role)] == [
        "PlanRole"
    ]
    queue, definition = submits["Resource"]
    assert queue == {"Ref": "GpuQueue"}
    assert definition["Fn::Sub"].endswith("job-definition/${AWS::StackName}-gpu:*")
    assert DEFINITION["JobDefinitionName"] == {"Fn::Sub": "${AWS::StackName}-gpu"}


# ---------------------------------------------------------------------------------------------------------- the failures


def test_only_failures_of_this_queue_reach_the_dead_letters() -> None:
    rule = RESOURCES["GpuFailures"]["Properties"]
    (allowed,) = RESOURCES["GpuFailuresPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert rule["EventPattern"] == {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {"status": ["FAILED"], "jobQueue": [{"Ref": "GpuQueue"}]},
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert json.dumps(allowed["Condition"]) == json.dumps(
        {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["GpuFailures", "Arn"]}}}
    )
