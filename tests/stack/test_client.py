"""`pigeonhole.client` and `pigeonhole.duckdb` against the deployed stack."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas
import polars
import pytest
from PIL import Image

import pigeonhole.duckdb
from pigeonhole.client import ApiError, AsyncClient, Client
from support.stack.deployment import TEXTS, Deployment

MOODS = ["positive", "negative"]
NAMES = ["cat", "rocket", "temple"]


@pytest.fixture(scope="module")
def client(deployed: Deployment) -> Iterator[Client]:
    with Client(deployed.url, deployed.key) as client:
        yield client


def open_image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def test_texts_are_classified_in_batches(client: Client) -> None:
    results = client.classify_texts(TEXTS * 35, MOODS)

    assert results.labels == MOODS * 35
    assert len(results.log_ids) == 3
    assert all(sum(score.probability for score in result.scores or ()) == pytest.approx(1, abs=1e-4) for result in results)


def test_images_are_files_bytes_images_arrays_and_addresses(client: Client, photos: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(photos["cat"])
    cat = open_image(photos["cat"])

    results = client.classify_images([str(path), path, photos["cat"], cat, np.asarray(cat), "gone.png"], NAMES)

    assert results.labels == ["cat"] * 5 + [None]
    assert [error.code for error in results.errors] == ["unreadable_image"]


def test_an_image_that_is_too_large_for_a_request_is_uploaded(client: Client, photos: dict[str, bytes]) -> None:
    large = io.BytesIO()
    open_image(photos["temple"]).resize((2_400, 1_600)).save(large, "BMP")
    assert large.tell() > 4_000_000

    assert client.classify_images([large.getvalue(), photos["cat"]], NAMES).labels == ["temple", "cat"]


def test_a_label_may_be_an_example_image(client: Client, photos: dict[str, bytes]) -> None:
    labels = {"feline": photos["cat"], "building": ["temple", photos["temple"]]}

    assert client.classify_images([photos["cat"], photos["temple"]], labels).labels == ["feline", "building"]


def test_questions_are_answered_together(client: Client) -> None:
    answers = client.ask_texts(TEXTS, {"mood": MOODS, "topic": {"labels": ["product", "weather"], "multiple_labels": True}})

    assert answers["mood"].labels == MOODS
    assert len(answers["topic"]) == 2


@pytest.mark.parametrize("package", [pandas, polars])
def test_a_column_of_a_frame_is_classified(client: Client, package: Any) -> None:
    frame = client.classify_frame(package.DataFrame({"review": [*TEXTS, None]}), "review", MOODS)

    assert list(frame["prediction"])[:2] == MOODS
    assert frame["prediction"].count() == 2


def test_a_job_is_submitted_and_waited_for(client: Client) -> None:
    job = client.wait_for_job(client.submit_texts(TEXTS * 50, MOODS).id, timeout_s=120)

    assert job.results is not None
    assert job.results.labels == MOODS * 50


def test_label_sets_models_and_the_account_are_read(client: Client) -> None:
    client.put_label_set("client-moods", MOODS)

    assert client.classify_texts(TEXTS, label_set="client-moods").labels == MOODS
    assert "client-moods" in [found.name for found in client.list_label_sets()]
    client.delete_label_set("client-moods")
    with pytest.raises(ApiError, match="not_found"):
        client.get_label_set("client-moods")
    assert client.list_models()
    assert client.get_account()


def test_a_wrong_key_is_an_error(deployed: Deployment) -> None:
    with Client(deployed.url, "wrong") as client, pytest.raises(ApiError) as raised:
        client.classify_texts(TEXTS, MOODS)

    assert (raised.value.code, raised.value.status) == ("invalid_api_key", 401)


def test_the_asynchronous_client_gives_the_same_results(deployed: Deployment, client: Client) -> None:
    async def classify() -> list[str | None]:
        async with AsyncClient(deployed.url, deployed.key) as asynchronous:
            return (await asynchronous.classify_texts(TEXTS * 35, MOODS)).labels

    assert asyncio.run(classify()) == client.classify_texts(TEXTS * 35, MOODS).labels


def test_sql_classifies_columns(client: Client, photos: dict[str, bytes]) -> None:
    with duckdb.connect() as con:
        pigeonhole.duckdb.register(con, client)
        con.execute("CREATE TABLE reviews AS SELECT unnest(?) AS review", [[*TEXTS * 20, None]])
        counted = con.sql("SELECT pigeonhole_classify(review, ['positive', 'negative']) m, count(*) FROM reviews GROUP BY m")
        scored = "SELECT pigeonhole_score_image(?::BLOB, ['cat', 'temple']).label"

        assert dict(counted.fetchall()) == {"positive": 20, "negative": 20, None: 1}
        assert con.execute(scored, [photos["temple"]]).fetchone() == ("temple",)
