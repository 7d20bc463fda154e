"""functions/api with fakes behind it, called with raw events."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import pytest

from pigeonhole.api.account import ReadAccount
from pigeonhole.api.classify import Classify, ClassifyNow, DirectRules
from pigeonhole.api.describe_model import DescribeModel
from pigeonhole.api.rate_headers import Quota, RateMeter
from pigeonhole.contract.classification import RequestLimits
from pigeonhole.contract.messages import S3Grant
from pigeonhole.jobs.submit import SubmitJob
from pigeonhole.label_sets.service import LabelSets
from pigeonhole.observability import observer
from pigeonhole.settings import Settings
from pigeonhole.tenants.authenticate import Authenticate
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_of
from pigeonhole.tenants.webhook_secrets import RotateWebhookSecret
from pigeonhole.uploads.create import MakeUpload
from pigeonhole.uploads.read_results import ReadResults
from pigeonhole.wiring import ApiServices
from support.fakes import FakeClassifierClient, FakeRateCounter, FakeTenantStore, FakeUploadForms, LambdaContext
from support.handlers import KEY, event, load
from support.jobs_made import Jobs

TENANT = Tenant("acme", created_at=1_700_000_000, grants=(S3Grant(bucket="photos", prefix="acme/"),))
SETTINGS = Settings(quota_limit=100, quota_period="MONTH")


@dataclass(frozen=True)
class Answer:
    """What the handler gave to API Gateway. `headers`: names in lower case."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


@dataclass
class Api:
    """The function and what is behind it."""

    module: ModuleType
    classifier: Any = field(default_factory=FakeClassifierClient)
    store: FakeTenantStore = field(default_factory=FakeTenantStore)
    counter: FakeRateCounter = field(default_factory=FakeRateCounter)
    jobs: Jobs = field(default_factory=Jobs)
    log: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.store.add(ApiKeyRecord("id1", hash_of(KEY), "acme", "laptop", created_at=0), TENANT, known=None)

    @cached_property
    def sets(self) -> LabelSets:
        return replace(self.jobs.sets, classifier=self.classifier)

    @cached_property
    def services(self) -> ApiServices:
        limits, quota = RequestLimits(), Quota.of(SETTINGS.quota_limit, SETTINGS.quota_period)
        directly, rules = ClassifyNow(self.classifier), DirectRules(wait_s=24.0)
        return ApiServices(
            limits=limits,
            max_wait_s=rules.wait_s,
            authenticate=Authenticate(self.store),
            rates=RateMeter(self.counter, quota, wait_s=5),
            classify=Classify(directly, self.jobs.submit, self.jobs.read, self.jobs.apply, limits, rules),
            submit_job=SubmitJob(
                self.jobs.submit,
                self.jobs.read,
                self.jobs.apply,
                replace(limits, max_samples=SETTINGS.max_job_samples),
            ),
            read_job=self.jobs.read,
            list_jobs=self.jobs.list,
            cancel=self.jobs.cancel,
            label_sets=self.sets,
            make_upload=MakeUpload(FakeUploadForms(), self.jobs.label_sets, limits, "uploads"),
            read_results=ReadResults(self.jobs.results, "uploads", self.jobs.clock),
            rotate_webhook_secret=RotateWebhookSecret(self.jobs.secrets),
            describe_model=DescribeModel(self.classifier),
            read_account=ReadAccount(SETTINGS, limits, quota, self.jobs.secrets),
        )

    def send(self, raw: dict[str, Any]) -> Answer:
        """Hand a raw event to the handler. The answer must be one that Lambda can carry."""
        answer = json.loads(json.dumps(self.module.handler(raw, LambdaContext())))
        assert answer["isBase64Encoded"] is False
        headers = {}
        for name, values in answer["multiValueHeaders"].items():
            assert name.lower() not in headers, f"{name} is there twice"
            (headers[name.lower()],) = values
        return Answer(answer["statusCode"], answer["body"], headers)

    def call(self, method: str, path: str, **more: Any) -> Answer:
        return self.send(event(method, path, **more))


def api_with_fakes(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api(load("api"))
    monkeypatch.setattr(api.module, "services", lambda: api.services)
    monkeypatch.setattr(observer("api").logger.registered_handler, "stream", api.log)
    return api
