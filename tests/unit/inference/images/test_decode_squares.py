"""A long image is cut into squares from end to end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pigeonhole.inference.images.decode import squares
from pigeonhole.inference.images.limits import MAX_SQUARES
from support.pictures import stripes


@pytest.mark.parametrize(
    ("size", "count"),
    [((100, 100), 0), ((150, 100), 0), ((178, 100), 0), ((199, 100), 0), ((200, 100), 2), ((100, 250), 2), ((300, 100), 3)],
)
def test_the_number_of_squares_depends_on_the_shape(size: tuple[int, int], count: int) -> None:
    assert len(list(squares(Image.new("RGB", size)))) == count


def test_a_very_long_image_gives_at_most_the_limit() -> None:
    assert len(list(squares(Image.new("RGB", (5000, 10))))) == MAX_SQUARES


@pytest.mark.parametrize("turned", [False, True])
def test_the_squares_show_both_ends(turned: bool) -> None:
    image = stripes(64, 16)
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_270)

    parts = list(squares(image))

    assert {square.size for square in parts} == {(16, 16)}
    assert np.unique(np.asarray(parts[0]).reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]
    assert np.unique(np.asarray(parts[-1]).reshape(-1, 3), axis=0).tolist() == [[255, 255, 255]]


@given(st.integers(1, 300), st.integers(1, 300))
def test_every_square_lies_within_the_image(width: int, height: int) -> None:
    for square in squares(Image.new("RGB", (width, height), "white")):
        assert square.size == (min(width, height),) * 2
        assert np.asarray(square).min() == 255
