"""A process reads the prompt embeddings that another process of the deployment has stored, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pigeonhole.errors import Overloaded
from pigeonhole.inference.embedder import Embedder
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.prompt_store import MIN_TOKENS, PromptStore
from pigeonhole.inference.scoring.calibration import Floats
from support.fake_model import IMAGE_LIMITS, RecordingEncoder, fake_classifier, fake_decoder
from support.fake_web import RED_GREEN, FakeWeb, classify_command, image_file
from support.fakes import FakeObjectStore

# FakeEncoder counts a token per word, and two more for each text.
PROMPTS = [f"a red car number {number} " + "and so on " * 20 for number in range(20)]
FEW = PROMPTS[:2]


@dataclass
class Deployment:
    """What the processes of a deployment share."""

    objects: FakeObjectStore = field(default_factory=FakeObjectStore)
    gets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        get = self.objects.get

        def counted(object_key: str) -> bytes | None:
            self.gets.append(object_key)
            return get(object_key)

        self.objects.get = counted  # type: ignore[method-assign]

    def embed(
        self, prompts: Sequence[str], *, tenant: str = "acme", encoder: RecordingEncoder | None = None
    ) -> tuple[dict[str, Floats], RecordingEncoder]:
        """Embed prompts in a process that starts, and return its encoder as well."""
        encoder = encoder or RecordingEncoder()
        stored = PromptStore(self.objects).of_tenant(tenant)
        embedder = Embedder(encoder=encoder, cache_size=99, batch=8, workers=1)
        (embedded,) = embedder.embed_all([encoder], prompts, stored)
        stored.save()
        return embedded, encoder


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_a_second_process_reads_what_the_first_one_stored(deployment: Deployment) -> None:
    first, _ = deployment.embed(PROMPTS)
    deployment.gets.clear()

    second, encoder = deployment.embed(PROMPTS[::-1])

    assert encoder.texts == []
    assert len(deployment.gets) == 1
    assert all(np.array_equal(first[prompt], second[prompt]) for prompt in PROMPTS)
    (object_key,) = deployment.objects.objects
    assert object_key.startswith("embeddings/acme/prompts/")


def test_prompts_that_are_encoded_faster_than_s3_answers_are_not_stored(deployment: Deployment) -> None:
    assert sum(RecordingEncoder().count_tokens(FEW)) < MIN_TOKENS

    deployment.embed(FEW)

    assert (deployment.gets, deployment.objects.objects) == ([], {})


def test_padding_counts_as_tokens(deployment: Deployment) -> None:
    encoder = RecordingEncoder()
    encoder.info = replace(encoder.info, pads_texts=True, max_text_tokens=MIN_TOKENS // 2)

    deployment.embed(FEW, encoder=encoder)

    assert len(deployment.objects.objects) == 1


def test_tenants_revisions_and_engines_share_nothing(deployment: Deployment) -> None:
    deployment.embed(PROMPTS)
    revised, in_int8 = RecordingEncoder(), RecordingEncoder()
    revised.info = replace(revised.info, revision="another")
    in_int8.info = replace(in_int8.info, engine="another")

    for tenant, encoder in (("globex", RecordingEncoder()), ("acme", revised), ("acme", in_int8)):
        deployment.embed(PROMPTS, tenant=tenant, encoder=encoder)
        assert sorted(encoder.texts) == sorted(PROMPTS)

    assert len(deployment.objects.objects) == 4


def test_a_list_of_which_a_part_is_in_memory_is_read_as_a_whole(deployment: Deployment) -> None:
    deployment.embed(PROMPTS)
    encoder = RecordingEncoder()
    embedder = Embedder(encoder=encoder, cache_size=99, batch=8, workers=1)
    embedder.embed_all([encoder], FEW)
    encoder.texts.clear()

    (embedded,) = embedder.embed_all([encoder], PROMPTS, PromptStore(deployment.objects).of_tenant("acme"))

    assert encoder.texts == []
    assert np.allclose(np.stack([embedded[prompt] for prompt in PROMPTS]), encoder.inner.encode_text(PROMPTS))


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b""])
def test_an_object_of_another_size_is_not_read(damage: object, deployment: Deployment) -> None:
    deployment.embed(PROMPTS)
    (object_key,) = deployment.objects.objects
    deployment.objects.objects[object_key] = damage(deployment.objects.objects[object_key])  # type: ignore[operator]

    embedded, encoder = deployment.embed(PROMPTS)

    assert sorted(encoder.texts) == sorted(PROMPTS)
    assert len(embedded) == len(PROMPTS)


def test_prompts_are_embedded_while_s3_is_too_busy(deployment: Deployment) -> None:
    def refuse() -> None:
        raise Overloaded()

    deployment.objects.before = refuse

    embedded, _ = deployment.embed(PROMPTS)

    assert len(embedded) == len(PROMPTS)
    assert deployment.objects.objects == {}


def test_a_request_about_images_shares_its_prompts(deployment: Deployment) -> None:
    command = classify_command([("image", "one")], RED_GREEN, instruction="and so on " * 190)
    encoders = [RecordingEncoder(), RecordingEncoder()]

    for encoder in encoders:
        pipeline = InferencePipeline(
            image_fetcher=FakeWeb({"one": image_file("red")}),  # type: ignore[arg-type]
            decoder=fake_decoder(),
            classifier=fake_classifier(encoder),
            limits=ChunkLimits(IMAGE_LIMITS),
            prompt_store=PromptStore(deployment.objects),
        )
        assert pipeline.classify(command).predictions == [["red"]]

    assert encoders[0].texts
    assert encoders[1].texts == []
