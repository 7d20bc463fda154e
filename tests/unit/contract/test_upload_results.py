"""Results of uploads: their labels with probabilities, and the order in which a query lists them."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.upload_results import UploadResult, UploadResultsQuery


def result(**fields: Any) -> UploadResult:
    times = {"classified_at": "1970-01-01T00:10:00Z", "expires_at": "1970-01-01T00:30:00Z"}
    return UploadResult.model_validate({"key": "k", "status": "succeeded", "results_uri": "s3://b/k", **times, **fields})


@pytest.mark.parametrize(("prediction", "labels"), [("cat", ["cat"]), (["cat", "dog"], ["cat", "dog"]), (None, [])])
def test_the_labels_are_those_of_the_prediction(prediction: object, labels: list[str]) -> None:
    assert result(prediction=prediction).labels == labels


def test_a_probability_is_known_for_labels_with_a_score() -> None:
    cat = result(prediction="cat", scores=[{"label": "cat", "probability": 0.75, "similarity": 0.3}])

    assert (cat.probability("cat"), cat.probability("dog")) == (0.75, None)


@pytest.mark.parametrize(
    ("query", "is_by_object_key"),
    [
        (UploadResultsQuery(), False),
        (UploadResultsQuery(prefix="incoming/"), True),
        (UploadResultsQuery(prefix="incoming/", since=1.0), False),
        (UploadResultsQuery(prefix="incoming/", until=1.0), False),
    ],
)
def test_results_are_sorted_by_object_key_only_below_a_prefix_of_all_times(
    query: UploadResultsQuery, is_by_object_key: bool
) -> None:
    assert query.is_by_object_key is is_by_object_key
