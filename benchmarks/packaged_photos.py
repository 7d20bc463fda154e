"""The photos that the benchmarks classify: real photos from the scikit-image and scikit-learn wheels."""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import skimage
import sklearn.datasets
from PIL import Image, ImageOps

PACKAGED = Path(skimage.__file__).parent / "data"
PHOTOS = [
    *(PACKAGED / name for name in ("chelsea.png", "coffee.png", "motorcycle_left.png", "astronaut.png", "rocket.jpg")),
    *(Path(sklearn.datasets.__file__).parent / "images" / name for name in ("flower.jpg", "china.jpg")),
]
SIZE = (640, 480)
MIN_SHARE = 0.6  # of a photo's width or height, whichever limits the cut


def create_varied(count: int) -> list[bytes]:
    """Create `count` different JPEG files of 640 x 480 pixels, the same each time.

    They are cut from PHOTOS at random positions, and some are mirrored.
    """
    rng = random.Random(0)  # noqa: S311 - no secret
    photos = []
    for path in PHOTOS:
        with Image.open(path) as image:
            photos.append(image.convert("RGB"))
    files = []
    for number in range(count):
        photo = photos[number % len(photos)]
        scale = rng.uniform(MIN_SHARE, 1) * min(photo.width / SIZE[0], photo.height / SIZE[1])
        width, height = SIZE[0] * scale, SIZE[1] * scale
        left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
        cut = photo.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
        with io.BytesIO() as target:
            (ImageOps.mirror(cut) if rng.random() < 0.5 else cut).save(target, "JPEG", quality=90)
            files.append(target.getvalue())
    return files


@contextmanager
def serve(files: Sequence[bytes]) -> Iterator[list[str]]:
    """Serve files to this machine by HTTP, and yield their URLs."""

    class FileHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files[int(self.path.strip("/"))]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), FileHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield [f"http://127.0.0.1:{server.server_port}/{number}" for number in range(len(files))]
        finally:
            server.shutdown()
            thread.join()


# For photos in general: 24, as many as a request may have.
LABELS = (
    *("cat", "dog", "horse", "bird", "cow", "sheep", "elephant", "bear", "cup of coffee", "motorcycle", "person", "rocket"),
    *("flower", "temple", "bicycle", "car", "airplane", "boat", "chair", "table", "pizza", "guitar", "mountain", "beach"),
)
