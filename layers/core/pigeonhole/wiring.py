"""The composition root: settings to adapters to services. The only place that reads the environment and knows the adapters.

Each function's services are made at its first call and kept for the life of the process; each imports only what it needs, so
that functions/api does without numpy, Pillow, httpx and a model engine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pigeonhole.contract import RequestLimits
from pigeonhole.messages import ModelDescription
from pigeonhole.ports import ChunkQueue, JobStore, ObjectStore, WebhookQueue
from pigeonhole.rates import Quota, RateMeter
from pigeonhole.settings import Settings
from pigeonhole.use_cases.announce import Announce
from pigeonhole.use_cases.authenticate import Authenticate
from pigeonhole.use_cases.cancel import Cancel
from pigeonhole.use_cases.classify import Classify, DirectRules
from pigeonhole.use_cases.classify_now import ClassifyNow
from pigeonhole.use_cases.deliver_webhook import DeliverWebhook
from pigeonhole.use_cases.describe_model import DescribeModel, describe
from pigeonhole.use_cases.fail_dead import FailDead
from pigeonhole.use_cases.manage_keys import ManageKeys
from pigeonhole.use_cases.read_account import ReadAccount
from pigeonhole.use_cases.read_job import ListJobs, ReadJob
from pigeonhole.use_cases.redrive import Redrive
from pigeonhole.use_cases.submit import JobRules, Submit, SubmitJob
from pigeonhole.use_cases.sweep import Sweep
from pigeonhole.use_cases.webhook_secrets import RotateWebhookSecret
from pigeonhole.use_cases.write_part import WritePart

if TYPE_CHECKING:
    from boto3.session import Session

    from pigeonhole.net import NetRules
    from pigeonhole.use_cases.process_chunk import ProcessChunk
    from pigeonhole.use_cases.run_chunk import RunChunk

CONNECT_TIMEOUT_S = 2.0
LOOKUP_TIMEOUT_S, LOOKUP_ATTEMPTS = 0.5, 2
MB_PER_CORE = 1_769  # of a Lambda function's memory
JOB_TIMEOUT_S, JOB_ATTEMPTS = 5.0, 3  # of calls to the table, the bucket and the queue of jobs
LOCAL_REGION = "us-east-1"


@cache
def settings() -> Settings:
    """The settings of this process. Raises ValueError, naming the variable, for one that can't be read."""
    return Settings.read(os.environ)


@dataclass(frozen=True)
class ApiServices:
    """What functions/api calls."""

    limits: RequestLimits
    max_wait_s: float
    authenticate: Authenticate
    rates: RateMeter
    classify: Classify
    submit_job: SubmitJob
    read_job: ReadJob
    list_jobs: ListJobs
    cancel: Cancel
    rotate_webhook_secret: RotateWebhookSecret
    describe_model: DescribeModel
    read_account: ReadAccount


@cache
def api_services(settings: Settings) -> ApiServices:
    """Build functions/api's services."""
    from boto3.session import Session

    from pigeonhole.aws.dynamodb import DynamoRateCounter, DynamoSecretStore, DynamoTenantStore
    from pigeonhole.aws.lambda_invoke import LambdaClassifier

    session, limits = Session(), _limits(settings)
    quota = Quota.of(settings.quota_limit, settings.quota_period)
    lookups = _client(session, "dynamodb", timeout_s=LOOKUP_TIMEOUT_S, attempts=LOOKUP_ATTEMPTS)
    store = DynamoTenantStore(lookups, settings.table_name)
    hasty = _client(session, "dynamodb", timeout_s=settings.rate_counter_timeout_s, attempts=1)
    # One attempt: a repeated invocation would infer twice.
    lambdas = _client(session, "lambda", timeout_s=settings.invoke_timeout_s, attempts=1)
    classifier = LambdaClassifier(lambdas, settings.classify_function)
    jobs, secrets = _job_adapters(session, settings), DynamoSecretStore(lookups, settings.table_name)
    submit = Submit(jobs.store, jobs.objects, jobs.queue, secrets, _job_rules(settings))
    read_job = ReadJob(jobs.store, jobs.objects)
    return ApiServices(
        limits=limits,
        max_wait_s=settings.max_wait_s,
        authenticate=Authenticate(store),
        rates=RateMeter(DynamoRateCounter(hasty, settings.table_name), quota),
        classify=Classify(ClassifyNow(classifier), submit, read_job, limits, _direct_rules(settings)),
        submit_job=SubmitJob(submit, read_job, replace(limits, max_samples=settings.max_job_samples), settings.max_wait_s),
        read_job=read_job,
        list_jobs=ListJobs(jobs.store),
        cancel=Cancel(jobs.store),
        rotate_webhook_secret=RotateWebhookSecret(secrets),
        describe_model=DescribeModel(classifier),
        read_account=ReadAccount(settings, limits, quota, secrets),
    )


@dataclass(frozen=True)
class JobAdapters:
    """What stands behind every service that works on jobs."""

    store: JobStore
    objects: ObjectStore
    queue: ChunkQueue
    webhooks: WebhookQueue


def _job_adapters(session: Session, settings: Settings, endpoint_url: str | None = None) -> JobAdapters:
    from pigeonhole.aws.dynamodb_jobs import DynamoJobStore
    from pigeonhole.aws.s3 import S3ObjectStore
    from pigeonhole.aws.sqs import SqsQueue

    def client(service: str, **more: Any) -> Any:
        return _client(session, service, endpoint_url=endpoint_url, timeout_s=JOB_TIMEOUT_S, attempts=JOB_ATTEMPTS, **more)

    return JobAdapters(
        DynamoJobStore(client("dynamodb"), settings.table_name),
        # The signature of links: boto3's default is an older one, which newer regions and encrypted buckets refuse.
        # And their host: by default the one of all regions, which redirects where the signature doesn't hold.
        S3ObjectStore(client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"}), settings.job_bucket),
        SqsQueue(client("sqs"), settings.job_queue),
        SqsQueue(client("sqs"), settings.webhook_queue),
    )


@dataclass(frozen=True)
class ClassifyServices:
    """What functions/classify calls."""

    limits: RequestLimits
    run_chunk: RunChunk
    describe: Callable[[], ModelDescription]


@cache
def classify_services(settings: Settings) -> ClassifyServices:
    """Load the model and build functions/classify's services.

    Raises ModelUnavailable for a model folder that is missing or broken.
    """
    from boto3.session import Session

    from pigeonhole.aws.s3 import S3BlobStore
    from pigeonhole.calibration import calibration_from
    from pigeonhole.classifier import Classifier
    from pigeonhole.encoders import registry
    from pigeonhole.images import ImageLimits
    from pigeonhole.net import GuardedClient
    from pigeonhole.sources import Sources
    from pigeonhole.use_cases.run_chunk import ChunkLimits, RunChunk

    model = registry.load(Path(settings.model_dir), threads=settings.threads)
    calibration = calibration_from(model.calibration, model.encoder.info)
    classifier = Classifier(
        model.encoder,
        model.sentence,
        calibration,
        model.backgrounds,
        cache_size=settings.label_cache_size,
        batch=settings.encode_batch,
        workers=encode_workers(settings, os.environ),
    )
    s3 = _client(Session(), "s3", timeout_s=settings.fetch_timeout_s, attempts=2, connections=settings.fetch_workers)
    blobs = S3BlobStore(s3)
    limits = ChunkLimits(
        image=ImageLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_megapixels * 1_000_000),
        samples=settings.max_samples,
        request_bytes=settings.max_request_bytes,
        fetches=settings.fetch_workers,
        decodes=settings.decode_workers,
    )
    return ClassifyServices(
        limits=_limits(settings),
        run_chunk=RunChunk(
            Sources(GuardedClient(_net_rules(settings, timeout_s=settings.fetch_timeout_s)), blobs), classifier, limits
        ),
        describe=lambda: describe(model.encoder.info, model.sentence.info, calibrated=calibration.of_photos),
    )


@dataclass(frozen=True)
class WorkerServices:
    """What functions/worker calls. `queue`: for messages that are to come again soon."""

    process_chunk: ProcessChunk
    queue: ChunkQueue


@cache
def worker_services(settings: Settings) -> WorkerServices:
    """Load the model and build functions/worker's services. Raises ModelUnavailable as `classify_services`."""
    from boto3.session import Session

    from pigeonhole.aws.dynamodb import DynamoTenantStore
    from pigeonhole.use_cases.process_chunk import ProcessChunk

    of_classify, session = classify_services(settings), Session()
    jobs = _job_adapters(session, settings)
    process = ProcessChunk(
        jobs.store,
        DynamoTenantStore(_client(session, "dynamodb", timeout_s=JOB_TIMEOUT_S, attempts=JOB_ATTEMPTS), settings.table_name),
        jobs.objects,
        jobs.queue,
        of_classify.run_chunk,
        WritePart(jobs.store, jobs.objects),
        ReadJob(jobs.store, jobs.objects),
        of_classify.limits,
        settings.worker_stop_s,
    )
    return WorkerServices(process, jobs.queue)


@cache
def fail_dead(settings: Settings) -> FailDead:
    """Build functions/dead_letters' service."""
    from boto3.session import Session

    jobs = _job_adapters(Session(), settings)
    return FailDead(WritePart(jobs.store, jobs.objects))


@cache
def sweep(settings: Settings) -> Sweep:
    """Build functions/sweep's service."""
    from boto3.session import Session

    jobs = _job_adapters(Session(), settings)
    return Sweep(jobs.store, jobs.queue, jobs.webhooks, _job_rules(settings))


@cache
def announce(settings: Settings) -> Announce:
    """Build functions/notify's service."""
    from boto3.session import Session

    from pigeonhole.aws.events import EventBridgeBus

    session = Session()
    jobs = _job_adapters(session, settings)
    events = _client(session, "events", timeout_s=JOB_TIMEOUT_S, attempts=JOB_ATTEMPTS)
    return Announce(jobs.store, EventBridgeBus(events, settings.event_bus), jobs.webhooks)


@cache
def deliver_webhook(settings: Settings) -> DeliverWebhook:
    """Build functions/webhooks' service."""
    from boto3.session import Session

    from pigeonhole.aws.dynamodb import DynamoSecretStore
    from pigeonhole.net import GuardedClient

    session = Session()
    jobs = _job_adapters(session, settings)
    table = _client(session, "dynamodb", timeout_s=JOB_TIMEOUT_S, attempts=JOB_ATTEMPTS)
    client = GuardedClient(_net_rules(settings, timeout_s=settings.webhook_timeout_s))
    return DeliverWebhook(jobs.store, DynamoSecretStore(table, settings.table_name), client, settings.webhook_pause_s)


def encode_workers(settings: Settings, environ: Mapping[str, str]) -> int:
    """The setting, but no more than the function's memory has cores; anywhere but on Lambda the setting."""
    memory_mb = int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0))
    return min(settings.encode_workers, max(1, memory_mb // MB_PER_CORE)) if memory_mb else settings.encode_workers


def key_services(stack_name: str, endpoint_url: str | None = None) -> ManageKeys:
    """Build what `pigeonhole keys` calls, for a deployed stack. `endpoint_url`: of the local stack, None for AWS.

    Raises NotFound if there is no such stack or if it isn't one of this template.
    """
    from pigeonhole.aws.apigateway import ApiGatewayKeys
    from pigeonhole.aws.cloudformation import stack_outputs
    from pigeonhole.aws.dynamodb import DynamoTenantStore

    session = _operator_session(local=endpoint_url is not None)
    outputs = stack_outputs(session.client("cloudformation", endpoint_url=endpoint_url), stack_name, "TableName", "UsagePlanId")
    return ManageKeys(
        ApiGatewayKeys(session.client("apigateway", endpoint_url=endpoint_url), outputs["UsagePlanId"]),
        DynamoTenantStore(session.client("dynamodb", endpoint_url=endpoint_url), outputs["TableName"]),
    )


def redrive_services(stack_name: str, endpoint_url: str | None = None) -> Redrive:
    """Build what `pigeonhole jobs redrive` calls. `endpoint_url` and what is raised: as of `key_services`."""
    from pigeonhole.aws.cloudformation import stack_outputs
    from pigeonhole.aws.dynamodb import DynamoSecretStore, DynamoTenantStore

    session = _operator_session(local=endpoint_url is not None)
    needed = ("TableName", "JobBucketName", "ChunkQueueUrl")
    outputs = stack_outputs(session.client("cloudformation", endpoint_url=endpoint_url), stack_name, *needed)
    table, bucket, queue = (outputs[name] for name in needed)
    jobs = _job_adapters(session, Settings(table_name=table, job_bucket=bucket, job_queue=queue), endpoint_url)
    client = session.client("dynamodb", endpoint_url=endpoint_url)
    tenants, secrets = DynamoTenantStore(client, table), DynamoSecretStore(client, table)
    return Redrive(tenants, jobs.store, jobs.objects, jobs.queue, secrets)


def _operator_session(*, local: bool) -> Session:
    """The session of whoever types a command. The local stack takes any credentials; who has none needn't make some up."""
    from boto3.session import Session

    session = Session(region_name=os.environ.get("AWS_REGION") or None)
    if not local:
        return session
    region = session.region_name or LOCAL_REGION
    if session.get_credentials():
        return Session(region_name=region)
    return Session(region_name=region, aws_access_key_id="test", aws_secret_access_key="test")  # noqa: S106


@cache
def swagger_assets() -> tuple[str, str]:
    """Swagger UI's script and style, from the package that ships them."""
    from importlib.resources import files

    folder = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    return script, style


def _limits(settings: Settings) -> RequestLimits:
    return RequestLimits(
        max_samples=settings.max_samples,
        max_labels=settings.max_labels,
        max_text_chars=settings.max_text_chars,
        max_label_chars=settings.max_label_chars,
        max_instruction_chars=settings.max_instruction_chars,
        max_body_bytes=settings.max_body_bytes,
        local_webhooks=settings.allow_loopback,
    )


def _net_rules(settings: Settings, *, timeout_s: float) -> NetRules:
    from pigeonhole.net import NetRules

    return NetRules(
        allow_http=settings.allow_http,
        allow_loopback=settings.allow_loopback,
        timeout_s=timeout_s,
        max_redirects=settings.max_redirects,
    )


def _job_rules(settings: Settings) -> JobRules:
    return JobRules(
        text_chunk=settings.text_chunk,
        image_chunk=settings.image_chunk,
        keep_s=settings.job_days * 24 * 3600,
        stuck_s=settings.stuck_s,
    )


def _direct_rules(settings: Settings) -> DirectRules:
    return DirectRules(
        text_ms=settings.direct_text_ms,
        image_ms=settings.direct_image_ms,
        most_ms=settings.direct_ms,
        wait_s=settings.max_wait_s,
    )


def _client(
    session: Session,
    service: str,
    *,
    timeout_s: float,
    attempts: int,
    connections: int = 10,
    endpoint_url: str | None = None,
    **more: Any,
) -> Any:
    """A boto3 client that waits `timeout_s` for an answer, tries `attempts` times in all and keeps so many connections."""
    from botocore.config import Config

    config = Config(
        connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
        read_timeout=timeout_s,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        tcp_keepalive=True,
        max_pool_connections=connections,
        **more,
    )
    return session.client(service, endpoint_url=endpoint_url, config=config)
