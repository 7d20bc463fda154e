"""functions/api over fakes, called with raw events."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import pytest

from pigeonhole.api.account import AccountReader
from pigeonhole.api.classify import ClassificationService, DirectClassifier, DirectRules
from pigeonhole.api.decisions.openai import OpenAiDecisions
from pigeonhole.api.decisions.questions import QuestionAsker
from pigeonhole.api.decisions.typesafe import TypeSafeDecisions
from pigeonhole.api.describe_model import ModelDescriber
from pigeonhole.api.rate_headers import Quota, RateMeter
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.label_sets.service import LabelSetService
from pigeonhole.observability import observer
from pigeonhole.settings import Settings
from pigeonhole.tenants.authenticate import Authenticator
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key
from pigeonhole.tenants.webhook_secrets import WebhookSecretRotator
from pigeonhole.uploads.create import UploadFormCreator
from pigeonhole.uploads.stored_files import FileStore
from pigeonhole.wiring.api import ApiServices
from support.fakes import (
    FakeClassifierClient,
    FakeFileObjects,
    FakeRateCounter,
    FakeTenantStore,
    FakeUploadForms,
    LambdaContext,
)
from support.handlers import API_KEY, event, load
from support.job_fixtures import Jobs

TENANT = Tenant("acme", created_at=1_700_000_000, grants=(S3Grant(bucket="photos", prefix="acme/"),))
SETTINGS = Settings(quota_limit=100, quota_period="MONTH")


@dataclass(frozen=True)
class Answer:
    """What the handler returned to API Gateway. The names of headers are in lower case. A body of bytes is in `data`."""

    status: int
    text: str
    headers: dict[str, str]
    data: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


@dataclass
class Api:
    """The function, and the fakes that its services use."""

    module: ModuleType
    classifier: Any = field(default_factory=FakeClassifierClient)
    store: FakeTenantStore = field(default_factory=FakeTenantStore)
    counter: FakeRateCounter = field(default_factory=FakeRateCounter)
    jobs: Jobs = field(default_factory=Jobs)
    log: io.StringIO = field(default_factory=io.StringIO)
    has_playground: bool = True

    def __post_init__(self) -> None:
        self.store.add_api_key(ApiKeyRecord("id1", hash_api_key(API_KEY), "acme", "laptop", created_at=0), TENANT, known=None)

    @cached_property
    def sets(self) -> LabelSetService:
        return replace(self.jobs.sets, classifier=self.classifier)

    @cached_property
    def services(self) -> ApiServices:
        limits, quota = RequestLimits(), Quota.parse(SETTINGS.quota_limit, SETTINGS.quota_period)
        rules = DirectRules(wait_s=24.0)
        asker = QuestionAsker(classifier=self.classifier, limits=limits, rules=rules)
        return ApiServices(
            limits=limits,
            max_wait_s=rules.wait_s,
            has_playground=self.has_playground,
            authenticator=Authenticator(store=self.store),
            rates=RateMeter(counter=self.counter, quota=quota, wait_s=5),
            classification=ClassificationService(
                direct=DirectClassifier(classifier=self.classifier),
                jobs=self.jobs.submitter,
                job_reader=self.jobs.reader,
                label_sets=self.jobs.label_set_applier,
                limits=limits,
                job_limits=replace(limits, max_samples=SETTINGS.max_job_samples),
                rules=rules,
            ),
            bulk=self.jobs.bulk_submitter,
            job_reader=self.jobs.reader,
            job_responder=self.jobs.responder,
            job_canceler=self.jobs.canceler,
            label_sets=self.sets,
            upload_forms=UploadFormCreator(
                forms=FakeUploadForms(), label_sets=self.jobs.label_sets, limits=limits, bucket="uploads"
            ),
            files=FileStore(objects=FakeFileObjects(), bucket="uploads"),
            upload_results=self.jobs.upload_result_reader,
            webhook_secrets=WebhookSecretRotator(store=self.jobs.secrets),
            openai_decisions=OpenAiDecisions(asker=asker, limits=limits),
            typesafe_decisions=TypeSafeDecisions(asker=asker, limits=limits),
            model_describer=ModelDescriber(classifier=self.classifier),
            account_reader=AccountReader(settings=SETTINGS, limits=limits, quota=quota, secrets=self.jobs.secrets),
        )

    def send(self, raw: dict[str, Any]) -> Answer:
        """Call the handler with a raw event. Lambda must be able to carry the answer."""
        answer = json.loads(json.dumps(self.module.handler(raw, LambdaContext())))
        headers = {}
        for name, values in answer["multiValueHeaders"].items():
            assert name.lower() not in headers, f"{name} is sent twice"
            (headers[name.lower()],) = values
        if answer["isBase64Encoded"]:
            return Answer(answer["statusCode"], "", headers, base64.b64decode(answer["body"], validate=True))
        return Answer(answer["statusCode"], answer["body"], headers)

    def call(self, method: str, path: str, **more: Any) -> Answer:
        return self.send(event(method, path, **more))


def api_with_fakes(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api(load("api"))
    monkeypatch.setattr(api.module, "services", lambda: api.services)
    monkeypatch.setattr(observer("api").logger.registered_handler, "stream", api.log)
    return api
