"""Build the services of functions/api."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from pigeonhole.api.account import AccountReader
from pigeonhole.api.classify import ClassificationService, DirectClassifier, DirectRules
from pigeonhole.api.decisions.openai import OpenAiDecisions
from pigeonhole.api.decisions.questions import QuestionAsker
from pigeonhole.api.decisions.typesafe import TypeSafeDecisions
from pigeonhole.api.describe_model import ModelDescriber
from pigeonhole.api.job_responder import JobResponder
from pigeonhole.api.rate_headers import Quota, RateMeter
from pigeonhole.bulk.read import BulkJobReader
from pigeonhole.bulk.submit import BulkSubmitter
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.jobs.cancel import JobCanceler
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.label_sets.service import LabelSetService
from pigeonhole.settings import Settings
from pigeonhole.tenants.authenticate import Authenticator
from pigeonhole.tenants.webhook_secrets import WebhookSecretRotator
from pigeonhole.uploads.create import UploadFormCreator
from pigeonhole.uploads.read_results import UploadResultReader
from pigeonhole.uploads.stored_files import FileStore
from pigeonhole.wiring.adapters import JobAdapters
from pigeonhole.wiring.clients import client_config, job_rules, request_limits
from pigeonhole.wiring.jobs import bulk_job_creator, job_results_assembler

LOOKUP_ATTEMPTS = 2


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """What functions/api calls."""

    limits: RequestLimits
    max_wait_s: float
    has_playground: bool
    authenticator: Authenticator
    rates: RateMeter
    classification: ClassificationService
    bulk: BulkSubmitter
    job_reader: JobReader
    job_responder: JobResponder
    job_canceler: JobCanceler
    label_sets: LabelSetService
    upload_results: UploadResultReader
    upload_forms: UploadFormCreator
    files: FileStore
    webhook_secrets: WebhookSecretRotator
    openai_decisions: OpenAiDecisions
    typesafe_decisions: TypeSafeDecisions
    model_describer: ModelDescriber
    account_reader: AccountReader


@cache
def api_services(settings: Settings) -> ApiServices:
    """Build functions/api's services.

    Raises:
        MissingSetting: A required setting is missing.
        ValueError: No usage plan has the period `quota_period`.
    """
    settings.require(
        "table_name", "classify_function", "job_bucket", "job_queue", "plan_function", "plan_queue", "upload_bucket"
    )
    from boto3.session import Session

    from pigeonhole.aws.dynamodb.label_sets import DynamoLabelSetStore
    from pigeonhole.aws.dynamodb.rate_counter import DynamoRateCounter
    from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore
    from pigeonhole.aws.lambda_invoke import LambdaClassifier, LambdaPlanner

    session, limits = Session(), request_limits(settings)
    quota = Quota.parse(settings.quota_limit, settings.quota_period)
    # Every request waits for these, so they may take less time than the reads of jobs.
    lookups = session.client("dynamodb", config=client_config(timeout_s=settings.lookup_timeout_s, attempts=LOOKUP_ATTEMPTS))
    rate_counter = DynamoRateCounter(
        session.client("dynamodb", config=client_config(timeout_s=settings.rate_counter_timeout_s, attempts=1)),
        settings.table_name,
    )
    # One attempt, because a repeated invocation would classify twice.
    lambdas = session.client("lambda", config=client_config(timeout_s=settings.invoke_timeout_s, attempts=1))
    classifier = LambdaClassifier(lambdas, settings.classify_function)
    label_set_store = DynamoLabelSetStore(lookups, settings.table_name)
    adapters = JobAdapters(session, settings)
    job_reader = JobReader(store=adapters.store, objects=adapters.objects)
    jobs = JobSubmitter(
        store=adapters.store,
        objects=adapters.objects,
        queue=adapters.chunk_queue,
        secrets=adapters.secrets,
        rules=job_rules(settings),
    )
    label_set_applier = LabelSetApplier(store=label_set_store, max_questions=limits.max_questions)
    bulk_reader = BulkJobReader(spans=adapters.spans, objects=adapters.objects, bucket=settings.job_bucket)
    rules = DirectRules(
        text_ms=settings.direct_text_ms,
        pair_ms=settings.direct_pair_ms,
        image_ms=settings.direct_image_ms,
        max_ms=settings.direct_ms,
        wait_s=settings.max_wait_s,
    )
    asker = QuestionAsker(classifier=classifier, limits=limits, rules=rules)
    return ApiServices(
        limits=limits,
        max_wait_s=settings.max_wait_s,
        has_playground=settings.playground,
        authenticator=Authenticator(store=DynamoTenantStore(lookups, settings.table_name)),
        rates=RateMeter(counter=rate_counter, quota=quota),
        classification=ClassificationService(
            direct=DirectClassifier(classifier=classifier),
            jobs=jobs,
            job_reader=job_reader,
            label_sets=label_set_applier,
            limits=limits,
            job_limits=replace(limits, max_samples=settings.max_job_samples),
            rules=rules,
        ),
        bulk=BulkSubmitter(
            creator=bulk_job_creator(adapters, jobs, settings),
            label_sets=label_set_applier,
            planner=LambdaPlanner(lambdas, settings.plan_function),
            access=adapters.manifest_access,
            limits=limits,
            has_gpu=settings.gpu_max_vcpus > 0,
        ),
        job_reader=job_reader,
        job_responder=JobResponder(
            job_reader=job_reader,
            results_assembler=job_results_assembler(adapters, job_reader),
            bulk_reader=bulk_reader,
        ),
        job_canceler=JobCanceler(store=adapters.store, plan_queue=adapters.plan_queue),
        label_sets=LabelSetService(
            store=label_set_store,
            objects=adapters.objects,
            classifier=classifier,
            limits=limits,
            bucket=settings.job_bucket,
        ),
        upload_forms=UploadFormCreator(
            forms=adapters.upload_forms,
            label_sets=label_set_store,
            limits=limits,
            bucket=settings.upload_bucket,
            form_s=settings.upload_form_s,
            keep_s=settings.upload_days * 24 * 3600,
        ),
        files=FileStore(objects=adapters.files, bucket=settings.upload_bucket),
        upload_results=UploadResultReader(
            store=adapters.upload_results, jobs=adapters.store, bulk=bulk_reader, bucket=settings.upload_bucket
        ),
        webhook_secrets=WebhookSecretRotator(store=adapters.secrets),
        openai_decisions=OpenAiDecisions(asker=asker, limits=limits),
        typesafe_decisions=TypeSafeDecisions(asker=asker, limits=limits),
        model_describer=ModelDescriber(classifier=classifier),
        account_reader=AccountReader(settings=settings, limits=limits, quota=quota, secrets=adapters.secrets),
    )


@cache
def swagger_assets() -> tuple[str, str]:
    """Return Swagger UI's script and style sheet, which Powertools ships."""
    from importlib.resources import files

    folder = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    return script, style
