"""Write what training never saw as Parquet files for `pigeonhole eval` and `pigeonhole models calibrate`.

    python training/held_out.py --data SHARDS --work build/training --out build/held-out

Two folders: `calibrate/` to calibrate and choose on, `report/` to report, each with half of the photos of every class by a
fixed seed; near-duplicates lie in one half. `photos.parquet` is the held-out tenth of train-photos, `val-tiny-imagenet.parquet`
the validation set. Beside them, for a model that was trained with --leave-out and saw none of these: `left-out.parquet`, the
photos of the left-out classes, and `hotdogs.parquet`, all hotdogs and the held-out photos to report on; `calibrate-seen/` is
`calibrate/` without either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from data import PhotoSet, held_out_rows, load, near_duplicates, perceptual_hashes
from general_words import common_name
from train import LEFT_OUT_EVERY, LEFT_OUT_TOO

HALVES_SEED = 20261125


def groups_of(hashes: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """bool (n, 64) perceptual hashes -> int64 (n,): one number for all photos that near-duplicates link."""
    groups = np.arange(len(hashes))
    for start in range(0, len(hashes), 1000):
        for row, other in zip(*np.nonzero(near_duplicates(hashes[start : start + 1000], hashes)), strict=True):
            one, two = groups[start + row], groups[other]
            if one != two:
                groups[groups == max(one, two)] = min(one, two)
    return groups


def report_half(photos: PhotoSet) -> npt.NDArray[np.bool_]:
    """Which photos are to report on: of each class about a half, whole groups of near-duplicates. bool (n,)."""
    rng = np.random.default_rng(HALVES_SEED)
    groups = groups_of(perceptual_hashes(photos.pixels))
    side: dict[int, bool] = {}
    for index in range(len(photos.names)):
        # Drawn class by class, so that each class is halved; a group that two classes share is drawn with the first.
        own = rng.permutation(np.unique(groups[photos.classes == index]))
        for position, group in enumerate(own):
            side.setdefault(int(group), position % 2 == 0)
    return np.array([side[int(group)] for group in groups])


def write(table: pa.Table, rows: npt.NDArray[np.int64], path: Path) -> None:
    """Write some rows, the label cut to its common name."""
    taken = table.take(rows)
    labels = pa.array([common_name(label) for label in taken["label"].to_pylist()])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(taken.set_column(taken.schema.get_field_index("label"), "label", labels), path)
    print(f"{path}: {len(rows)} photos, {len(set(labels.to_pylist()))} classes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder of the decoded cache that train.py uses")
    parser.add_argument("--out", type=Path, required=True, help="where the files go")
    args = parser.parse_args()

    for stem in ("train-photos", "val-tiny-imagenet"):
        photos = load(args.data, [stem], args.work / "cache")
        table = pq.read_table(args.data / f"{stem}.parquet")
        names = np.array([common_name(photos.names[index]) for index in photos.classes])
        held_out = np.flatnonzero(held_out_rows(photos)) if stem == "train-photos" else np.arange(len(photos))
        to_report = report_half(photos.take(held_out))
        calibrate, report = held_out[~to_report], held_out[to_report]
        if stem == "train-photos":
            left_out = np.flatnonzero(np.isin(names, LEFT_OUT_TOO))
            write(table, np.union1d(left_out, report), args.out / "hotdogs.parquet")
        else:
            left_out = np.flatnonzero(np.isin(names, [common_name(name) for name in photos.names[::LEFT_OUT_EVERY]]))
            write(table, left_out, args.out / "left-out.parquet")
        seen = np.setdiff1d(calibrate, left_out)
        for folder, rows in (("calibrate", calibrate), ("calibrate-seen", seen), ("report", report)):
            write(table, rows, args.out / folder / f"{stem.removeprefix('train-')}.parquet")


if __name__ == "__main__":
    main()
