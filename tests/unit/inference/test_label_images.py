"""Images of label sets: kept by their content, all or none; looked at once by each model, however often they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pytest

from pigeonhole.contract.messages import S3Grant, StoreLabelImagesCommand
from pigeonhole.errors import Overloaded, UnfetchableUrl, UnsupportedMedia
from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.encoders.fake_encoder import SIDE, FakeEncoder
from pigeonhole.inference.images.decode import ImageLimits, open_image
from pigeonhole.inference.label_images import LabelImageStore
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.scoring.calibration import prior_calibration
from pigeonhole.object_keys import label_images_grant
from support.fake_model import fake_background
from support.fake_web import GRANTS, RED_GREEN, Web, command, png
from support.fakes import FakeObjectStore

BUCKET = "jobs"


def own_place(tenant_id: str) -> list[S3Grant]:
    return [label_images_grant(tenant_id, BUCKET)]


@dataclass
class UploadLocation:
    """A web, a bucket, and a model that looks at both."""

    web: Web
    objects: FakeObjectStore = field(default_factory=FakeObjectStore)
    encoder: FakeEncoder = field(default_factory=FakeEncoder)

    def kept(self) -> LabelImageStore:
        image = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000)
        return LabelImageStore(
            objects=self.objects,
            bucket=BUCKET,
            sources=self.web,  # type: ignore[arg-type]
            encoder=self.encoder,
            decode=lambda data: self.encoder.fit(open_image(data, image, side=SIDE)),
            own_places=own_place,
            limits=ChunkLimits(image),
        )

    def keep(self, *values: str, tenant: str = "acme") -> list[str]:
        paths = [f"labels.{i}.value" for i in range(len(values))]
        asked = StoreLabelImagesCommand(
            log_id="l", tenant_id=tenant, label_set="colours", grants=GRANTS, values=list(values), paths=paths
        )
        return self.kept().keep(asked)

    def run(self) -> InferencePipeline:
        classifier = Classifier(
            encoder=self.encoder,
            sentence=FakeEncoder(model_id="sentence"),
            calibration=prior_calibration(self.encoder.info),
            background=fake_background(),
        )
        limits = ChunkLimits(ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000))
        return InferencePipeline(sources=self.web, classifier=classifier, limits=limits, kept=self.kept(), own_places=own_place)

    def give_back(self) -> None:
        """Let the bucket's objects be read as images are, and the web be gone."""
        self.web.files = {f"s3://{BUCKET}/{key}": data for key, data in self.objects.objects.items()}
        self.web.reads.clear()


def place() -> UploadLocation:
    return UploadLocation(Web({"red.png": png("red"), "blue.png": png("blue"), "again.png": png("red"), "bad": b"no image"}))


def images(objects: FakeObjectStore) -> list[str]:
    return [key for key in objects.objects if key.startswith("label-sets/")]


def test_images_are_kept_by_their_content() -> None:
    here = place()

    addresses = here.keep("red.png", "blue.png", "again.png")

    assert addresses[0] == addresses[2] != addresses[1]
    assert all(address.startswith(f"s3://{BUCKET}/label-sets/acme/colours/") for address in addresses)
    assert sorted(images(here.objects)) == sorted(it.removeprefix(f"s3://{BUCKET}/") for it in set(addresses))
    assert here.objects.objects[images(here.objects)[0]] == png("red")


def test_of_images_of_which_one_cannot_be_had_none_is_kept() -> None:
    here = place()

    with pytest.raises(UnfetchableUrl) as refused:
        here.keep("red.png", "gone.png", "bad")
    with pytest.raises(UnsupportedMedia):
        here.keep("bad")

    assert [fault.path for fault in refused.value.details] == ["labels.1.value", "labels.2.value"]
    assert here.objects.objects == {}


def test_a_kept_image_answers_after_its_link_has_died_and_is_not_fetched_again() -> None:
    here = place()
    (red,) = here.keep("red.png")
    here.give_back()

    labels = [{"type": "image", "value": red, "key": "warm"}, {"type": "text", "value": "green"}]
    for _ in range(2):
        result = here.run().classify(command([("text", "red paint")], labels))
        assert result.predictions == [["warm"]]
    assert here.web.reads == []


class Newer(FakeEncoder):
    """The same model in another revision."""

    @cached_property
    def info(self) -> EncoderInfo:
        return replace(FakeEncoder().info, revision="newer")


def test_another_model_looks_at_a_kept_image_once() -> None:
    here = place()
    (red,) = here.keep("red.png")
    here.give_back()
    here.encoder = Newer()
    labels = [{"type": "image", "value": red, "key": "warm"}, {"type": "text", "value": "green"}]

    for _ in range(2):
        assert here.run().classify(command([("text", "red paint")], labels)).predictions == [["warm"]]
    assert here.web.reads == [red]


def test_what_was_embedded_is_what_the_model_makes_of_the_image() -> None:
    here = place()
    (red,) = here.keep("red.png")

    pixels = here.encoder.fit(open_image(png("red"), ImageLimits(1_000_000, 1_000_000), side=SIDE))
    found = here.kept().embeddings([red])[red]

    np.testing.assert_array_equal(found, here.encoder.encode_image(pixels[None])[0])


def test_each_distinct_image_is_fetched_kept_and_embedded_once() -> None:
    here = place()

    addresses = here.keep(*["red.png", "blue.png"] * 10)

    assert sorted(here.web.reads) == ["blue.png", "red.png"]
    assert len(set(addresses)) == len(images(here.objects)) == 2
    assert addresses == addresses[:2] * 10


def test_what_was_read_once_is_remembered() -> None:
    here = place()
    (red,) = here.keep("red.png")
    kept = here.kept()
    first = kept.embeddings([red])
    here.objects.objects.clear()

    assert kept.embeddings([red]) == first
    assert here.kept().embeddings([red]) == {}


def test_a_sample_that_cannot_be_read_is_no_fault_of_the_label_that_names_it_too() -> None:
    here = place()
    (red,) = here.keep("red.png")
    labels = [{"type": "image", "value": red, "key": "warm"}, {"type": "text", "value": "green"}]

    result = here.run().classify(command([("image", red)], labels, on_error="null"))

    assert result.predictions == [None]


def test_embeddings_that_cannot_be_read_or_kept_cost_no_answer() -> None:
    here = place()
    (red,) = here.keep("red.png")
    here.give_back()

    def busy() -> None:
        raise Overloaded("busy")

    here.objects.before = busy
    labels = [{"type": "image", "value": red, "key": "warm"}, {"type": "text", "value": "green"}]

    assert here.run().classify(command([("text", "red paint")], labels)).predictions == [["warm"]]


def test_a_kept_image_is_its_tenants_alone() -> None:
    here = place()
    (theirs,) = here.keep("red.png", tenant="zeta")

    assert not here.kept().is_kept(theirs, "acme")
    assert not here.kept().is_kept(theirs, "zet")
    assert here.kept().is_kept(theirs, "zeta")
    for asked in (lambda: here.run().classify(command([("image", "red.png")], RED_GREEN)), lambda: here.keep("red.png")):
        here.web.grants.clear()
        asked()
        assert set(here.web.grants) == {(*GRANTS, *own_place("acme"))}, "and it is asked for as no one else"
