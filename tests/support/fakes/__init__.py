"""Fakes of the ports, in memory, and other stand-ins for what is outside of a test.

Each fake of a port with an adapter passes the same tests as the adapter (tests/contract).
"""

from __future__ import annotations

from support.fakes.aws import LambdaContext
from support.fakes.classifier import MODEL, FakeClassifierClient, error_reply, first_is_likely, first_label, kept_address
from support.fakes.failures import FailOnce
from support.fakes.jobs import FakeChunkQueue, FakeJobStore
from support.fakes.label_sets import FakeLabelSetStore
from support.fakes.notifications import FakeEventBus, FakePoster, FakeWebhookQueue
from support.fakes.objects import FakeBlobStore, FakeFileObjects, FakeObjectStore
from support.fakes.tenants import FakeApiKeyRegistry, FakeRateCounter, FakeTenantStore, FakeWebhookSecretStore
from support.fakes.uploads import FakeUploadForms, FakeUploadResultStore, FakeUploadTags

__all__ = [
    "MODEL",
    "FailOnce",
    "FakeApiKeyRegistry",
    "FakeBlobStore",
    "FakeChunkQueue",
    "FakeClassifierClient",
    "FakeEventBus",
    "FakeFileObjects",
    "FakeJobStore",
    "FakeLabelSetStore",
    "FakeObjectStore",
    "FakePoster",
    "FakeRateCounter",
    "FakeTenantStore",
    "FakeUploadForms",
    "FakeUploadResultStore",
    "FakeUploadTags",
    "FakeWebhookQueue",
    "FakeWebhookSecretStore",
    "LambdaContext",
    "error_reply",
    "first_is_likely",
    "first_label",
    "kept_address",
]
