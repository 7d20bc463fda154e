"""Answer the HTTP API: parse the request, call one service, shape the answer.

`OPERATIONS` declares every route. `ENDPOINTS` has the function that answers each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from pigeonhole.api import answers, openapi, playground, swagger_page
from pigeonhole.api.decisions.dialects import client_headers, to_decision_answer, to_error_answer, to_models_answer
from pigeonhole.api.http_answers import (
    HttpAnswer,
    common_headers,
    preference_headers,
    to_accepted,
    to_file_answer,
    to_job_answer,
    to_label_set_answer,
    to_no_route_error,
    to_not_modified,
    to_ok,
)
from pigeonhole.api.http_request import HttpRequest
from pigeonhole.api.page import Page, to_page_answer
from pigeonhole.api.rate_headers import RateState
from pigeonhole.api.routes import find_operation, find_route
from pigeonhole.contract.bulk import BulkEstimateResponse
from pigeonhole.contract.label_sets import RemovedResponse
from pigeonhole.contract.service import HealthResponse
from pigeonhole.contract.uploads import DeletedFileResponse
from pigeonhole.errors import InternalError, NotFound, Overloaded, PigeonholeError
from pigeonhole.jobs.job import Job
from pigeonhole.observability import observed, observer, stack_trace
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.wiring import api, settings


def services() -> api.ApiServices:
    """Return the function's services. The first call builds them."""
    return api.api_services(settings())


@dataclass
class Exchange:
    """One HTTP request, and what is known of it while it is answered.

    Attributes:
        request: The request.
        read_rate: Returns the rate figures for the answer's headers. They are the caller's once the caller is known.
        caller: The caller's tenant, None until the API key is checked.
        code: The code of the error that is answered, "ok" if there is none.
    """

    request: HttpRequest
    read_rate: Callable[[], RateState]
    caller: Tenant | None = None
    code: str = "ok"

    @property
    def tenant(self) -> Tenant:
        """The caller's tenant, which `authenticate` must have found before."""
        if self.caller is None:
            raise RuntimeError("the caller isn't authenticated")
        return self.caller

    def authenticate(self) -> None:
        """Find the tenant of the API key, and count the request."""
        self.caller = services().authenticator.authenticate(self.request.api_key)
        self.read_rate = services().rates.begin(self.caller.id)


def classify(exchange: Exchange) -> HttpAnswer:
    """Classify samples now, or with a job if the caller prefers one."""
    request, api = exchange.request, services()
    preference = request.parse_preference(api.max_wait_s)
    body = request.parse_json(api.limits.max_body_bytes)
    answer = api.classification.classify(
        body,
        tenant=exchange.tenant,
        log_id=request.log_id,
        preference=preference,
        idempotency_key=request.parse_idempotency_key(api.limits.max_body_bytes),
    )
    if isinstance(answer, Job):
        return to_accepted(answers.to_job_response(answer, request.log_id), preference)
    telemetry = observer("api")
    telemetry.count("samples", answer.sample_count)
    telemetry.record_ms("inference_ms", answer.usage.inference_time_tokens)
    return to_ok(answer).with_headers(preference_headers(preference))


def submit_job(exchange: Exchange) -> HttpAnswer:
    """Submit samples, or a manifest of them, as a job."""
    request, api = exchange.request, services()
    preference = request.parse_preference(api.max_wait_s)
    body = request.parse_json(api.limits.max_body_bytes)
    idempotency_key = request.parse_idempotency_key(api.limits.max_body_bytes)
    if isinstance(body, dict) and body.get("input") is not None:
        if body.get("dry_run"):
            estimate = api.bulk.estimate(body, tenant=exchange.tenant, log_id=request.log_id)
            return to_ok(BulkEstimateResponse(log_id=request.log_id, estimate=estimate))
        job = api.bulk.submit(body, tenant=exchange.tenant, log_id=request.log_id, idempotency_key=idempotency_key)
    else:
        job = api.classification.submit_job(
            body,
            tenant=exchange.tenant,
            log_id=request.log_id,
            preference=preference,
            idempotency_key=idempotency_key,
        )
    if preference.wait_s and job.has_ended:
        # The job is stored. A 503 would make the caller send the request again, so the answer is 202 instead.
        with suppress(Overloaded):
            answer = to_job_answer(api.job_responder.respond(job, request.log_id))
            return answer.with_headers(preference_headers(preference))
    return to_accepted(answers.to_job_response(job, request.log_id), preference)


def decide(exchange: Exchange) -> HttpAnswer:
    """Answer questions in the shape of OpenAI."""
    request, api = exchange.request, services()
    body = request.parse_json(api.limits.max_body_bytes)
    return to_decision_answer(api.openai_decisions.decide(body, tenant=exchange.tenant, log_id=request.log_id))


def answer_system_one(exchange: Exchange) -> HttpAnswer:
    """Answer questions in the shape of TypeSafe."""
    request, api = exchange.request, services()
    form = request.parse_form(api.limits.max_body_bytes)
    return to_decision_answer(api.typesafe_decisions.decide(form, tenant=exchange.tenant, log_id=request.log_id))


def list_jobs(exchange: Exchange) -> HttpAnswer:
    """List the caller's jobs."""
    request = exchange.request
    page = services().job_reader.list(
        exchange.tenant.id, request.parse_job_status(), request.parse_limit(), request.parse_job_cursor()
    )
    return to_ok(answers.to_jobs_response(page, request.log_id))


def read_job(exchange: Exchange, job_id: str) -> HttpAnswer:
    """Read a job and the results of its samples, or answer that it hasn't changed."""
    request, api = exchange.request, services()
    job = api.job_reader.get(exchange.tenant.id, job_id, request.parse_wait_s(api.max_wait_s))
    not_modified = to_not_modified(api.job_responder.describe(job), request)
    return not_modified or to_job_answer(api.job_responder.respond(job, request.log_id))


def cancel_job(exchange: Exchange, job_id: str) -> HttpAnswer:
    """Cancel a job."""
    job = services().job_canceler.cancel(exchange.tenant, job_id)
    return to_ok(services().job_responder.respond(job, exchange.request.log_id))


def create_upload(exchange: Exchange) -> HttpAnswer:
    """Create a form that uploads a file."""
    request, api = exchange.request, services()
    form = api.upload_forms.create(request.parse_json(api.limits.max_body_bytes), exchange.tenant)
    return to_ok(answers.to_upload_response(form, request.log_id))


def store_file(exchange: Exchange) -> HttpAnswer:
    """Store a file under a key."""
    request, api = exchange.request, services()
    sent = request.parse_file(api.limits.max_body_bytes)
    file = api.files.store(sent.content, exchange.tenant, sent.options)
    return to_ok(answers.to_stored_file_response(file, request.log_id))


def read_file(exchange: Exchange, key: str) -> HttpAnswer:
    """Read a stored file."""
    return to_file_answer(services().files.read(exchange.tenant, key))


def delete_file(exchange: Exchange, key: str) -> HttpAnswer:
    """Delete a stored file."""
    services().files.delete(exchange.tenant, key)
    return to_ok(DeletedFileResponse(log_id=exchange.request.log_id))


def read_upload_results(exchange: Exchange) -> HttpAnswer:
    """Read the result of one upload, or list those of many."""
    request = exchange.request
    reader, query = services().upload_results, request.parse_upload_results_query()
    if query.object_key is None:
        page = reader.list(exchange.tenant.id, query)
        return to_ok(answers.to_upload_results_response(page, request.log_id))
    result = reader.get(exchange.tenant.id, query.object_key)
    return to_ok(answers.to_upload_result_response(result, reader.link_lines(result), request.log_id))


def put_label_set(exchange: Exchange, name: str) -> HttpAnswer:
    """Store a label set."""
    request, api = exchange.request, services()
    label_set = api.label_sets.put(
        request.parse_json(api.limits.max_body_bytes),
        name,
        tenant=exchange.tenant,
        log_id=request.log_id,
        precondition=request.parse_precondition(),
    )
    return to_label_set_answer(answers.to_label_set_response(label_set, request.log_id), label_set)


def list_label_sets(exchange: Exchange) -> HttpAnswer:
    """List the caller's label sets."""
    request = exchange.request
    page = services().label_sets.list(exchange.tenant, request.parse_limit(), request.parse_label_set_cursor())
    return to_ok(answers.to_label_sets_response(page, request.log_id))


def read_label_set(exchange: Exchange, name: str) -> HttpAnswer:
    """Read a label set."""
    label_set = services().label_sets.get(exchange.tenant, name)
    return to_label_set_answer(answers.to_label_set_response(label_set, exchange.request.log_id), label_set)


def delete_label_set(exchange: Exchange, name: str) -> HttpAnswer:
    """Delete a label set."""
    services().label_sets.delete(exchange.tenant, name, exchange.request.parse_precondition())
    return to_ok(RemovedResponse(log_id=exchange.request.log_id))


def read_account(exchange: Exchange) -> HttpAnswer:
    """Read the caller's account."""
    account = services().account_reader.read(exchange.tenant)
    return to_ok(answers.to_account_response(account, exchange.read_rate(), exchange.request.log_id))


def rotate_webhook_secret(exchange: Exchange) -> HttpAnswer:
    """Create a new webhook secret."""
    secret = services().webhook_secrets.rotate(exchange.tenant)
    return to_ok(answers.to_webhook_secret_response(secret, exchange.request.log_id))


def list_models(exchange: Exchange) -> HttpAnswer:
    """List the deployed models."""
    return to_models_answer(services().model_describer.describe(exchange.request.log_id), exchange.request)


def read_health(exchange: Exchange) -> HttpAnswer:
    """Answer that the service works. With `deep`, first ask the classifier."""
    log_id, model = exchange.request.log_id, None
    if exchange.request.parse_flag("deep"):
        exchange.authenticate()  # the route is open, and asking the classifier isn't
        model = answers.to_model_info(services().model_describer.describe(log_id))
    return to_ok(HealthResponse(log_id=log_id, model=model))


def read_playground(exchange: Exchange) -> HttpAnswer:
    """Answer with the playground. Relative addresses in it need a slash at the end of its own."""
    if stage := exchange.request.bare_stage:
        return HttpAnswer(302, "", headers={"Location": f"{stage}/"})
    return read_playground_file(exchange, playground.INDEX)


def read_playground_file(exchange: Exchange, file: str) -> HttpAnswer:
    """Answer with a file of the playground, unless it is switched off."""
    if not services().has_playground:
        raise NotFound(
            "This deployment has no playground. Its operator can switch it on by the template's parameter Playground."
        )
    return to_page_answer(playground.find_page(file), exchange.request)


def read_openapi(_: Exchange) -> HttpAnswer:
    """Answer with the OpenAPI document."""
    return HttpAnswer(200, openapi.as_json())


def read_docs(exchange: Exchange) -> HttpAnswer:
    """Answer with the page that shows the OpenAPI document."""
    return to_page_answer(_docs_page(services().has_playground), exchange.request)


@cache
def _docs_page(has_playground: bool) -> Page:
    script, style = api.swagger_assets()
    return swagger_page.render(
        openapi.document(),
        swagger_script=script,
        swagger_style=style,
        style=playground.find_page("base.css").text + playground.find_page("docs.css").text,
        logo=playground.find_page("logo.svg").text,
        has_playground=has_playground,
    )


# By operation id. A function takes the exchange, and the parameters of its path by name.
ENDPOINTS: dict[str, Callable[..., HttpAnswer]] = {
    "classify": classify,
    "submitJob": submit_job,
    "listJobs": list_jobs,
    "readJob": read_job,
    "cancelJob": cancel_job,
    "makeUpload": create_upload,
    "storeFile": store_file,
    "readFile": read_file,
    "deleteFile": delete_file,
    "readResults": read_upload_results,
    "putLabelSet": put_label_set,
    "listLabelSets": list_label_sets,
    "readLabelSet": read_label_set,
    "removeLabelSet": delete_label_set,
    "decide": decide,
    "systemOne": answer_system_one,
    "readAccount": read_account,
    "makeWebhookSecret": rotate_webhook_secret,
    "listModels": list_models,
    "health": read_health,
    "playground": read_playground,
    "playgroundFile": read_playground_file,
    "openapi": read_openapi,
    "docs": read_docs,
}


def answer(exchange: Exchange) -> HttpAnswer:
    """Answer a request by its operation. The API key is checked first, unless the operation is open.

    Raises:
        PigeonholeError: The request is answered with this error.
    """
    request = exchange.request
    if request.method == "OPTIONS":
        return HttpAnswer(204, "")
    found = find_operation(request.method, request.path)
    if found is None:
        raise to_no_route_error(request)
    operation, path_parameters = found
    if not operation.is_open:
        exchange.authenticate()
    if not operation.is_page and not operation.ignores_query:
        request.check_query(operation.query_names)
    return ENDPOINTS[operation.id](exchange, **path_parameters)


def answer_error(error: PigeonholeError, exchange: Exchange) -> HttpAnswer:
    """Answer with an error."""
    exchange.code = error.code
    if error.status >= 500:
        # Not the messages, because they may quote a sample.
        observer("api").logger.error("could not answer", code=error.code, trace=stack_trace(error))
    return to_error_answer(error, exchange.request)


def answer_or_error(exchange: Exchange) -> HttpAnswer:
    """Answer a request. An unexpected error is answered with 500, and logged with where it came from."""
    try:
        return answer(exchange)
    except PigeonholeError as error:
        return answer_error(error, exchange)
    except Exception as error:
        internal_error = InternalError()
        internal_error.__cause__ = error  # for the trace in the log; the answer shows nothing of it
        return answer_error(internal_error, exchange)


@observed("api", log_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one HTTP request from API Gateway."""
    started = time.perf_counter()
    exchange = Exchange(HttpRequest.from_event(event), services().rates.uncounted)
    http_answer = answer_or_error(exchange)
    rate = exchange.read_rate()
    _record(exchange, rate, http_answer.status, time.perf_counter() - started)
    headers = common_headers(exchange.request, rate) | client_headers(exchange.request, rate, time.time())
    return http_answer.with_default_headers(headers).to_event(exchange.request)


def _record(exchange: Exchange, rate: RateState, status: int, duration_s: float) -> None:
    telemetry, caller = observer("api"), exchange.caller
    telemetry.count("requests")
    if exchange.code != "ok":
        telemetry.count_error(exchange.code)
    if caller and not rate.is_counted:
        telemetry.count("uncounted_requests")
    telemetry.logger.info(
        "answered",
        method=exchange.request.method,
        route=find_route(exchange.request.path) or "unknown",
        status=status,
        code=exchange.code,
        tenant=caller.id if caller else None,
        ms=round(duration_s * 1000),
    )
