"""The services of functions/api."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from pigeonhole.api.account import ReadAccount
from pigeonhole.api.classify import Classify, ClassifyNow, DirectRules
from pigeonhole.api.describe_model import DescribeModel
from pigeonhole.api.rate_headers import Quota, RateMeter
from pigeonhole.contract.classification import RequestLimits
from pigeonhole.jobs.cancel import Cancel
from pigeonhole.jobs.read import ListJobs, ReadJob
from pigeonhole.jobs.submit import Submit, SubmitJob
from pigeonhole.label_sets.apply import ApplyLabelSet
from pigeonhole.label_sets.service import LabelSets
from pigeonhole.settings import Settings
from pigeonhole.tenants.authenticate import Authenticate
from pigeonhole.tenants.webhook_secrets import RotateWebhookSecret
from pigeonhole.uploads.create import MakeUpload
from pigeonhole.uploads.read_results import ReadResults
from pigeonhole.wiring.clients import aws_client, job_rules, request_limits
from pigeonhole.wiring.jobs import JobAdapters

LOOKUP_TIMEOUT_S, LOOKUP_ATTEMPTS = 0.5, 2


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
    label_sets: LabelSets
    read_results: ReadResults
    make_upload: MakeUpload
    rotate_webhook_secret: RotateWebhookSecret
    describe_model: DescribeModel
    read_account: ReadAccount


@cache
def api_services(settings: Settings) -> ApiServices:
    """Build functions/api's services."""
    from boto3.session import Session

    from pigeonhole.aws.dynamodb import DynamoRateCounter, DynamoTenantStore
    from pigeonhole.aws.dynamodb_label_sets import DynamoLabelSetStore
    from pigeonhole.aws.lambda_invoke import LambdaClassifier

    session, limits = Session(), request_limits(settings)
    quota = Quota.of(settings.quota_limit, settings.quota_period)
    lookups = aws_client(session, "dynamodb", timeout_s=LOOKUP_TIMEOUT_S, attempts=LOOKUP_ATTEMPTS)
    store = DynamoTenantStore(lookups, settings.table_name)
    hasty = aws_client(session, "dynamodb", timeout_s=settings.rate_counter_timeout_s, attempts=1)
    # One attempt: a repeated invocation would infer twice.
    lambdas = aws_client(session, "lambda", timeout_s=settings.invoke_timeout_s, attempts=1)
    classifier = LambdaClassifier(lambdas, settings.classify_function)
    jobs = JobAdapters(session, settings)
    submit = Submit(jobs.store, jobs.objects, jobs.queue, jobs.secrets, job_rules(settings))
    read_job = ReadJob(jobs.store, jobs.objects)
    # Looked up on the way of a request, as its tenant is: no longer than that may take.
    kept_sets = DynamoLabelSetStore(lookups, settings.table_name)
    apply = ApplyLabelSet(kept_sets)
    rules = DirectRules(
        text_ms=settings.direct_text_ms,
        image_ms=settings.direct_image_ms,
        most_ms=settings.direct_ms,
        wait_s=settings.max_wait_s,
    )
    of_jobs = replace(limits, max_samples=settings.max_job_samples)
    return ApiServices(
        limits=limits,
        max_wait_s=settings.max_wait_s,
        authenticate=Authenticate(store),
        rates=RateMeter(DynamoRateCounter(hasty, settings.table_name), quota),
        classify=Classify(ClassifyNow(classifier), submit, read_job, apply, limits, rules),
        submit_job=SubmitJob(submit, read_job, apply, of_jobs),
        read_job=read_job,
        list_jobs=ListJobs(jobs.store),
        cancel=Cancel(jobs.store),
        label_sets=LabelSets(kept_sets, jobs.objects, classifier, limits, settings.job_bucket),
        make_upload=MakeUpload(
            jobs.uploads, kept_sets, limits, settings.upload_bucket, settings.upload_form_s, settings.upload_days * 24 * 3600
        ),
        read_results=ReadResults(jobs.results, settings.upload_bucket),
        rotate_webhook_secret=RotateWebhookSecret(jobs.secrets),
        describe_model=DescribeModel(classifier),
        read_account=ReadAccount(settings, limits, quota, jobs.secrets),
    )


@cache
def swagger_assets() -> tuple[str, str]:
    """Swagger UI's script and style, from the package that ships them."""
    from importlib.resources import files

    folder = files("aws_lambda_powertools.event_handler.openapi.swagger_ui")
    script, style = ((folder / name).read_text("utf-8") for name in ("swagger-ui-bundle.min.js", "swagger-ui.min.css"))
    return script, style
