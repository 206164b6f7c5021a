"""A YOLO detector on annotated fields: python benchmarks/yolo_onnx.py MODEL.onnx DATA [--split S].

DATA holds images.csv (image, split, well, ...), images/ and boxes/ in YOLO form, as CELLULAR does.
Prints average precision over the fields of the split and of each field, without a limit on the
number of boxes. Nothing is asserted; the table is read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lucyte.io.truth import read_yolo_boxes
from lucyte.networks.yolo_onnx import read_yolo
from lucyte.schema.objects import BOX
from lucyte.segment.foreign_boxes import detect_boxes
from lucyte.stats.boxes import average_precision
from lucyte.testing.outcome import markdown_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="val")
    parser.add_argument("--tile-px", type=int, default=None)
    parser.add_argument("--iou", type=float, default=0.7)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--threads", type=int, default=None)
    asked = parser.parse_args()
    model = read_yolo(asked.model, precision=asked.precision, threads=asked.threads)
    fields = pd.read_csv(asked.data / "images.csv")
    rows, truth, boxes, scores = [], [], [], []
    for name in fields.loc[fields["split"] == asked.split, "image"]:
        picture = np.asarray(Image.open(asked.data / "images" / name).convert("RGB"))
        height, width = picture.shape[:2]
        known = read_yolo_boxes(asked.data / "boxes" / f"{Path(name).stem}.txt", width, height)
        start = time.perf_counter()
        found = detect_boxes(model, picture, confidence=0.001, iou=asked.iou, tile_px=asked.tile_px)
        seconds = time.perf_counter() - start
        truth.append(known[list(BOX)].to_numpy())
        boxes.append(found[list(BOX)].to_numpy())
        scores.append(found["score"].to_numpy())
        each = average_precision(truth[-1:], boxes[-1:], scores[-1:])
        rows.append(_row(name, len(known), len(found), each, seconds))
    whole = average_precision(truth, boxes, scores)
    seconds = float(np.median([float(row["s"]) for row in rows]))
    rows.append(_row("all", sum(map(len, truth)), sum(map(len, boxes)), whole, seconds))
    print(model, markdown_table(tuple(rows)), sep="\n\n")


def _row(
    name: str, known: int, found: int, scores: dict[str, float], seconds: float
) -> dict[str, str]:
    return {
        "field": name,
        "true boxes": str(known),
        "boxes": str(found),
        "mAP50": f"{scores['mAP50']:.3f}",
        "mAP50-95": f"{scores['mAP50-95']:.3f}",
        "s": f"{seconds:.2f}",
    }


if __name__ == "__main__":
    main()
