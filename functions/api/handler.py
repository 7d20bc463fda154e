"""Answer the HTTP API: find the route and the tenant, call one service, shape the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from pigeonhole import wiring
from pigeonhole.api import answers, openapi
from pigeonhole.api import http as http_api
from pigeonhole.api import swagger_page as docs_page
from pigeonhole.api.http import Answer, Call
from pigeonhole.api.rate_headers import RateState
from pigeonhole.api.routes import route_of
from pigeonhole.contract.jobs import Preference
from pigeonhole.contract.label_sets import RemovedResponse
from pigeonhole.contract.service import HealthResponse, ModelsResponse
from pigeonhole.errors import InternalError, Overloaded, PigeonholeError
from pigeonhole.jobs.job import Job
from pigeonhole.observability import observed, observer, stack_trace
from pigeonhole.tenants.tenant import Tenant

app = APIGatewayRestResolver()


def services() -> wiring.ApiServices:
    return wiring.api_services(wiring.settings())


@dataclass
class Exchange:
    """One call and what became of it. `rate`: the caller's figures, once it is known who calls."""

    call: Call
    rate: Callable[[], RateState]
    tenant: Tenant | None = None
    code: str = "ok"

    def authenticate(self) -> Tenant:
        self.tenant = services().authenticator.authenticate(self.call.api_key)
        self.rate = services().rates.begin(self.tenant.id)
        return self.tenant


def exchange() -> Exchange:
    current: Exchange = app.context["exchange"]
    return current


def respond(answer: Answer) -> Response:
    return Response(answer.status, answer.content_type, answer.body, dict(answer.headers))


def accepted(job: Job, wanted: Preference) -> Response:
    return respond(http_api.accepted(answers.to_job_response(job, exchange().call.log_id), wanted))


@app.post("/v1/classification")
def classification() -> Response:
    now, own = exchange(), services()
    tenant, wanted = now.authenticate(), now.call.preference(own.max_wait_s)
    body, key = now.call.json(own.limits.max_body_bytes), now.call.idempotency_key()
    answer = own.classification.classify(body, tenant=tenant, log_id=now.call.log_id, preference=wanted, idempotency_key=key)
    if isinstance(answer, Job):
        return accepted(answer, wanted)
    seen = observer("api")
    seen.count("samples", len(answer.predictions))
    seen.milliseconds("inference_ms", answer.usage.inference_time_tokens)
    return respond(replace(http_api.success(answer), headers=http_api.applied(wanted)))


@app.post("/v1/classification/jobs")
def submit_job() -> Response:
    now, own = exchange(), services()
    tenant, wanted = now.authenticate(), now.call.preference(own.max_wait_s)
    body, key = now.call.json(own.limits.max_body_bytes), now.call.idempotency_key()
    job = own.classification.submit_job(body, tenant=tenant, log_id=now.call.log_id, preference=wanted, idempotency_key=key)
    if wanted.wait_s and job.has_ended:
        with suppress(Overloaded):  # the job is taken: whoever asked must not send it again
            answer = http_api.shown_job(own.job_responder.respond(job, now.call.log_id))
            return respond(replace(answer, headers=answer.headers | http_api.applied(wanted)))
    return accepted(job, wanted)


@app.get("/v1/classification/jobs")
def list_jobs() -> Response:
    now, own = exchange(), services()
    tenant, call = now.authenticate(), now.call
    page = own.job_reader.list(tenant.id, call.status(), call.number("limit", 20, least=1, most=100), call.cursor())
    return respond(http_api.success(answers.to_jobs_response(page, call.log_id)))


@app.get("/v1/classification/jobs/<job_id>")
def read_job(job_id: str) -> Response:
    now, own = exchange(), services()
    tenant, call = now.authenticate(), now.call
    job = own.job_reader.get(tenant.id, job_id, call.number("wait", 0, most=own.max_wait_s))
    known = http_api.unchanged(answers.to_job_info(job), call)
    return respond(known or http_api.shown_job(own.job_responder.respond(job, call.log_id)))


@app.delete("/v1/classification/jobs/<job_id>")
def cancel_job(job_id: str) -> Response:
    now, own = exchange(), services()
    job = own.job_canceler.cancel(now.authenticate(), job_id)
    return respond(http_api.success(own.job_responder.respond(job, now.call.log_id)))


@app.post("/v1/uploads")
def make_upload() -> Response:
    now, own = exchange(), services()
    tenant = now.authenticate()
    form = own.upload_forms.create(now.call.json(own.limits.max_body_bytes), tenant)
    return respond(http_api.success(answers.to_upload_response(form, now.call.log_id)))


@app.get("/v1/results")
def read_results() -> Response:
    now, own = exchange(), services()
    tenant, call = now.authenticate(), now.call
    page = own.upload_results.read(tenant.id, call.results_wanted())
    return respond(http_api.success(answers.to_upload_results_response(page, call.log_id)))


@app.put("/v1/label-sets/<name>")
def put_label_set(name: str) -> Response:
    now, own = exchange(), services()
    tenant, call = now.authenticate(), now.call
    body, precondition = call.json(own.limits.max_body_bytes), call.precondition()
    made = own.label_sets.put(body, name, tenant=tenant, log_id=call.log_id, precondition=precondition)
    return respond(http_api.shown_set(answers.to_label_set_response(made, call.log_id), made))


@app.get("/v1/label-sets")
def list_label_sets() -> Response:
    now, own = exchange(), services()
    tenant, call = now.authenticate(), now.call
    page = own.label_sets.list(tenant, call.number("limit", 20, least=1, most=100), call.set_cursor())
    return respond(http_api.success(answers.to_label_sets_response(page, call.log_id)))


@app.get("/v1/label-sets/<name>")
def read_label_set(name: str) -> Response:
    now, own = exchange(), services()
    found = own.label_sets.get(now.authenticate(), name)
    return respond(http_api.shown_set(answers.to_label_set_response(found, now.call.log_id), found))


@app.delete("/v1/label-sets/<name>")
def remove_label_set(name: str) -> Response:
    now, own = exchange(), services()
    own.label_sets.delete(now.authenticate(), name, now.call.precondition())
    return respond(http_api.success(RemovedResponse(log_id=now.call.log_id)))


@app.get("/v1/account")
def read_account() -> Response:
    now = exchange()
    tenant = now.authenticate()
    account = services().account_reader.read(tenant)
    return respond(http_api.success(answers.to_account_response(account, now.rate(), now.call.log_id)))


@app.post("/v1/account/webhook-secret")
def make_webhook_secret() -> Response:
    now = exchange()
    tenant = now.authenticate()
    secret = services().webhook_secrets.rotate(tenant)
    return respond(http_api.success(answers.to_webhook_secret_response(secret, now.call.log_id)))


@app.get("/v1/models")
def models() -> Response:
    now = exchange()
    now.authenticate()
    model = services().model_describer.describe(now.call.log_id)
    return respond(http_api.success(ModelsResponse(log_id=now.call.log_id, models=[answers.to_model_info(model)])))


@app.get("/v1/health")
def health() -> Response:
    now, model = exchange(), None
    if now.call.flag("deep"):
        now.authenticate()
        model = answers.to_model_info(services().model_describer.describe(now.call.log_id))
    return respond(http_api.success(HealthResponse(log_id=now.call.log_id, model=model)))


@app.get("/openapi.json")
def openapi_json() -> Response:
    return respond(Answer(200, openapi.as_json()))


@app.get("/docs")
def docs() -> Response:
    script, style = wiring.swagger_assets()
    page = docs_page.docs_page(openapi.document(), script=script, style=style)
    return respond(Answer(200, page, "text/html; charset=utf-8", {"Content-Security-Policy": docs_page.POLICY}))


@app.not_found
def no_route(_: Exception) -> Response:
    if exchange().call.method == "OPTIONS":
        return respond(Answer(204, ""))
    return known(http_api.no_route(exchange().call))


@app.exception_handler(PigeonholeError)
def known(error: PigeonholeError) -> Response:
    now = exchange()
    now.code = error.code
    if error.status >= 500:
        # Not the messages: one may quote a sample, which no log may hold.
        observer("api").logger.error("could not answer", code=error.code, trace=stack_trace(error))
    return respond(http_api.failure(error, now.call))


@app.exception_handler(Exception)
def unexpected(error: Exception) -> Response:
    public = InternalError()
    public.__cause__ = error  # for the log's trace; the answer has nothing of it
    return known(public)


@observed("api", log_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    started = time.perf_counter()
    now = Exchange(Call.of(event), services().rates.idle)
    app.append_context(exchange=now)
    answer = app.resolve({**event, "path": now.call.path}, context)
    rate = now.rate()
    for name, value in http_api.common_headers(now.call, rate).items():
        answer["multiValueHeaders"][name] = [value]
    _record(now, rate, answer["statusCode"], time.perf_counter() - started)
    return answer


def _record(now: Exchange, rate: RateState, status: int, seconds: float) -> None:
    seen = observer("api")
    seen.count("requests")
    if now.code != "ok":
        seen.failed(now.code)
    if now.tenant and not rate.is_counted:
        seen.count("uncounted_requests")
    tenant = now.tenant.id if now.tenant else None
    route = route_of(now.call.path) or "unknown"
    seen.logger.info(
        "answered", method=now.call.method, route=route, status=status, code=now.code, tenant=tenant, ms=round(seconds * 1000)
    )
