"""Combine calibrations of several models into one: the mean of the coefficients of each pair.

    python training/mean_calibration.py build/half-a build/half-b build/texts --model build/tiny --out models/tiny

A tower that has seen a set of photos is surer of it than of sets that it hasn't seen. So the tower is calibrated by proxy:
towers that were trained without some sets are calibrated on these sets, and the shipped one gets the mean of their
coefficients. Each folder may also have coefficients for texts only, or for photos only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders import artifact

TEXTS = "text-text"
DIGITS = 4


def combine(calibrations: Sequence[Mapping[str, Any]], revision: str) -> dict[str, Any]:
    """Combine calibrations.

    Args:
        calibrations: The contents of calibration.json files of one format.
        revision: The revision of the model that the result is for.

    Raises:
        ValueError: The calibrations have different formats.
    """
    formats = {calibration["format"] for calibration in calibrations}
    if len(formats) != 1:
        raise ValueError(f"these calibrations have different formats: {sorted(formats)}")
    # Only a calibration on texts has chosen the weights of the languages.
    of_texts = [calibration for calibration in calibrations if TEXTS in calibration["single"]]
    return {
        "format": formats.pop(),
        "revision": revision,
        **{part: _mean_tables([calibration[part] for calibration in calibrations]) for part in ("single", "multiple")},
        "thresholds": _mean([calibration["thresholds"] for calibration in calibrations]),
        "multilingual": _mean([calibration["multilingual"] for calibration in of_texts]),
        "measured_on": sorted({name for calibration in calibrations for name in calibration["measured_on"]}),
        "left_out": _mean_tables([calibration["left_out"] for calibration in calibrations]),
    }


def _mean_tables(tables: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: _mean([table[name] for table in tables if name in table]) for name in names}


def _mean(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average each number over the tables that have it."""
    names = dict.fromkeys(name for table in tables for name in table)
    values = {name: [table[name] for table in tables if name in table] for name in names}
    return {name: round(sum(numbers) / len(numbers), DIGITS) for name, numbers in values.items()}


def main() -> None:
    """Combine calibrations from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders that hold a calibration.json")
    parser.add_argument("--model", type=Path, required=True, help="the artifact folder of the model that it is for")
    parser.add_argument("--out", type=Path, required=True, help="folder for the combined calibration.json")
    args = parser.parse_args()
    calibrations = [json.loads((folder / artifact.CALIBRATION).read_bytes()) for folder in args.folders]
    combined = combine(calibrations, artifact.read_info(args.model).encoder.revision)
    (args.out / artifact.CALIBRATION).write_text(json.dumps(combined, indent=2) + "\n")


if __name__ == "__main__":
    main()
