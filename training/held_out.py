"""Write the photos that were never trained on as Parquet files for `pigeonhole eval` and `pigeonhole models calibrate`.

    python training/held_out.py --data SHARDS --work build/training --out build/held-out

There are two folders: `calibrate/` for calibration and for choices, `report/` for reported figures. Each has half of the
photos of every class, by a fixed seed. Near-duplicates are in the same half. `photos.parquet` is the held-out tenth of
train-photos, `val-tiny-imagenet.parquet` the validation set.

Other files are for a model that was trained with --leave-out. `left-out.parquet` has the photos of the left-out classes.
`hotdogs.parquet` has all hotdogs and the held-out photos of `report/`. `calibrate-seen/` is `calibrate/` without either.
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
from train import LEFT_OUT_EVERY, LEFT_OUT_PHOTOS

HALVES_SEED = 20261125


def group_near_duplicates(hashes: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Assign one number to all photos that a chain of near-duplicates links: bool (n, 64) hashes -> int64 (n,)."""
    groups = np.arange(len(hashes))
    for start in range(0, len(hashes), 1000):
        for row, other in zip(*np.nonzero(near_duplicates(hashes[start : start + 1000], hashes)), strict=True):
            group, other_group = groups[start + row], groups[other]
            if group != other_group:
                groups[groups == max(group, other_group)] = min(group, other_group)
    return groups


def report_half(photos: PhotoSet) -> npt.NDArray[np.bool_]:
    """Choose the photos for reported figures: about half of each class, in whole groups of near-duplicates. bool (n,)."""
    rng = np.random.default_rng(HALVES_SEED)
    groups = group_near_duplicates(perceptual_hashes(photos.pixels))
    is_reported: dict[int, bool] = {}
    for index in range(len(photos.names)):
        # Drawn class by class, so that each class is halved. A group that two classes share is drawn with the first class.
        groups_of_class = rng.permutation(np.unique(groups[photos.classes == index]))
        for position, group in enumerate(groups_of_class):
            is_reported.setdefault(int(group), position % 2 == 0)
    return np.array([is_reported[int(group)] for group in groups])


def write(table: pa.Table, rows: npt.NDArray[np.int64], path: Path) -> None:
    """Write rows of a table, with each label reduced to its common name."""
    taken = table.take(rows)
    labels = pa.array([common_name(label) for label in taken["label"].to_pylist()])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(taken.set_column(taken.schema.get_field_index("label"), "label", labels), path)
    print(f"{path}: {len(rows)} photos, {len(set(labels.to_pylist()))} classes")


def main() -> None:
    """Write the files from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the Parquet shards")
    parser.add_argument("--work", type=Path, required=True, help="folder with the decoded cache of train.py")
    parser.add_argument("--out", type=Path, required=True, help="folder for the Parquet files")
    args = parser.parse_args()

    for stem in ("train-photos", "val-tiny-imagenet"):
        photos = load(args.data, [stem], args.work / "cache")
        table = pq.read_table(args.data / f"{stem}.parquet")
        names = np.array([common_name(photos.names[index]) for index in photos.classes])
        held_out = np.flatnonzero(held_out_rows(photos)) if stem == "train-photos" else np.arange(len(photos))
        to_report = report_half(photos.take(held_out))
        calibrate, report = held_out[~to_report], held_out[to_report]
        if stem == "train-photos":
            left_out = np.flatnonzero(np.isin(names, LEFT_OUT_PHOTOS))
            write(table, np.union1d(left_out, report), args.out / "hotdogs.parquet")
        else:
            left_out = np.flatnonzero(np.isin(names, [common_name(name) for name in photos.names[::LEFT_OUT_EVERY]]))
            write(table, left_out, args.out / "left-out.parquet")
        calibrate_seen = np.setdiff1d(calibrate, left_out)
        for folder, rows in (("calibrate", calibrate), ("calibrate-seen", calibrate_seen), ("report", report)):
            write(table, rows, args.out / folder / f"{stem.removeprefix('train-')}.parquet")


if __name__ == "__main__":
    main()
