"""Images of label sets are stored by their content, all or none, and each model embeds each image once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pytest

from pigeonhole.contract.commands import S3Grant, StoreLabelImagesCommand
from pigeonhole.errors import Overloaded, UnfetchableUrl, UnsupportedMedia
from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.label_images import LabelImageStore
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.object_keys import label_images_grant
from support.fake_encoder import SIDE, FakeEncoder
from support.fake_model import IMAGE_LIMITS, fake_classifier, fake_decoder
from support.fake_web import GRANTS, FakeWeb, classify_command, image_file
from support.fakes import FakeObjectStore

BUCKET = "jobs"


def implicit_grants(tenant_id: str) -> list[S3Grant]:
    return [label_images_grant(tenant_id, BUCKET)]


@dataclass
class Deployment:
    """A web, a bucket, and a model that reads images of both."""

    web: FakeWeb
    objects: FakeObjectStore = field(default_factory=FakeObjectStore)
    encoder: FakeEncoder = field(default_factory=FakeEncoder)

    def label_images(self) -> LabelImageStore:
        return LabelImageStore(
            objects=self.objects,
            bucket=BUCKET,
            image_fetcher=self.web,  # type: ignore[arg-type]
            decoder=fake_decoder(),
            encoder=self.encoder,
            implicit_grants=implicit_grants,
            limits=ChunkLimits(IMAGE_LIMITS),
        )

    def store(self, *values: str, tenant: str = "acme") -> list[str]:
        paths = [f"labels.{i}.value" for i in range(len(values))]
        command = StoreLabelImagesCommand(
            log_id="l", tenant_id=tenant, label_set="colours", grants=GRANTS, values=list(values), paths=paths
        )
        return self.label_images().store(command)

    def pipeline(self) -> InferencePipeline:
        return InferencePipeline(
            image_fetcher=self.web,  # type: ignore[arg-type]
            decoder=fake_decoder(),
            classifier=fake_classifier(self.encoder),
            limits=ChunkLimits(IMAGE_LIMITS),
            label_images=self.label_images(),
            implicit_grants=implicit_grants,
        )

    def expire_links(self) -> None:
        """Let only the bucket's objects be fetched from now on."""
        self.web.files = {f"s3://{BUCKET}/{object_key}": data for object_key, data in self.objects.objects.items()}
        self.web.fetched.clear()


@pytest.fixture
def deployment() -> Deployment:
    files = {"red.png": image_file("red"), "blue.png": image_file("blue"), "again.png": image_file("red"), "bad": b"no image"}
    return Deployment(FakeWeb(files))


def stored_images(objects: FakeObjectStore) -> list[str]:
    return [object_key for object_key in objects.objects if object_key.startswith("label-sets/")]


def warm_or_green(address: str) -> list[dict[str, str]]:
    return [{"type": "image", "value": address, "key": "warm"}, {"type": "text", "value": "green"}]


def test_images_are_stored_by_their_content(deployment: Deployment) -> None:
    addresses = deployment.store("red.png", "blue.png", "again.png")

    assert addresses[0] == addresses[2] != addresses[1]
    assert all(address.startswith(f"s3://{BUCKET}/label-sets/acme/colours/") for address in addresses)
    object_keys = sorted(address.removeprefix(f"s3://{BUCKET}/") for address in set(addresses))
    assert sorted(stored_images(deployment.objects)) == object_keys
    assert deployment.objects.objects[stored_images(deployment.objects)[0]] == image_file("red")


def test_no_image_is_stored_if_one_cannot_be_read(deployment: Deployment) -> None:
    with pytest.raises(UnfetchableUrl) as refused:
        deployment.store("red.png", "gone.png", "bad")
    with pytest.raises(UnsupportedMedia):
        deployment.store("bad")

    assert [fault.path for fault in refused.value.details] == ["labels.1.value", "labels.2.value"]
    assert deployment.objects.objects == {}


def test_a_stored_image_is_used_without_a_fetch_after_its_link_has_expired(deployment: Deployment) -> None:
    (red,) = deployment.store("red.png")
    deployment.expire_links()

    for _ in range(2):
        result = deployment.pipeline().classify(classify_command([("text", "red paint")], warm_or_green(red)))
        assert result.predictions == [["warm"]]
    assert deployment.web.fetched == []


class NewerEncoder(FakeEncoder):
    """The same model in another revision."""

    @cached_property
    def info(self) -> EncoderInfo:
        return replace(FakeEncoder().info, revision="newer")


class Int8Encoder(FakeEncoder):
    """The same model with an image tower in int8."""

    @cached_property
    def info(self) -> EncoderInfo:
        return replace(FakeEncoder().info, engine="fake-int8")


@pytest.mark.parametrize("other", [NewerEncoder, Int8Encoder])
def test_another_model_fetches_and_embeds_a_stored_image_once(other: type[FakeEncoder], deployment: Deployment) -> None:
    (red,) = deployment.store("red.png")
    deployment.expire_links()
    deployment.encoder = other()

    for _ in range(2):
        result = deployment.pipeline().classify(classify_command([("text", "red paint")], warm_or_green(red)))
        assert result.predictions == [["warm"]]
    assert deployment.web.fetched == [red]


def test_the_stored_embedding_is_that_of_the_encoder(deployment: Deployment) -> None:
    (red,) = deployment.store("red.png")

    pixels = np.asarray(deployment.encoder.fit(open_image(image_file("red"), IMAGE_LIMITS, side=SIDE)))
    embedding = deployment.label_images().read_embeddings([red])[red]

    np.testing.assert_array_equal(embedding, deployment.encoder.encode_image(pixels[None])[0])


def test_each_distinct_image_is_fetched_stored_and_embedded_once(deployment: Deployment) -> None:
    addresses = deployment.store(*["red.png", "blue.png"] * 10)

    assert sorted(deployment.web.fetched) == ["blue.png", "red.png"]
    assert len(set(addresses)) == len(stored_images(deployment.objects)) == 2
    assert addresses == addresses[:2] * 10


def test_embeddings_are_cached_in_memory(deployment: Deployment) -> None:
    (red,) = deployment.store("red.png")
    label_images = deployment.label_images()
    embeddings = label_images.read_embeddings([red])
    deployment.objects.objects.clear()

    assert label_images.read_embeddings([red]) == embeddings
    assert deployment.label_images().read_embeddings([red]) == {}


def test_an_unreadable_sample_does_not_fail_a_label_with_the_same_image(deployment: Deployment) -> None:
    (red,) = deployment.store("red.png")

    result = deployment.pipeline().classify(classify_command([("image", red)], warm_or_green(red), on_error="null"))

    assert result.predictions == [None]


def test_busy_storage_of_embeddings_fails_no_command(deployment: Deployment) -> None:
    (red,) = deployment.store("red.png")
    deployment.expire_links()

    def fail() -> None:
        raise Overloaded("busy")

    deployment.objects.before = fail
    result = deployment.pipeline().classify(classify_command([("text", "red paint")], warm_or_green(red)))

    assert result.predictions == [["warm"]]


def test_a_stored_image_belongs_to_one_tenant(deployment: Deployment) -> None:
    (address,) = deployment.store("red.png", tenant="zeta")

    assert not deployment.label_images().is_stored(address, "acme")
    assert not deployment.label_images().is_stored(address, "zet")
    assert deployment.label_images().is_stored(address, "zeta")
