"""Does the background of CELLULAR tell fed from starved? python benchmarks/cellular_background.py

Reads the merged pictures of ../shared/data/cellular (or LUCYTE_DATA) at half size, takes boxes for
cells (an ellipse in each box for its outline) and wells as units (3 fed, 3 starved), and prints
the background Findings. Nothing is asserted. Two numbers may follow: side of a cell's crop and of
a cell-free place, px at half size (64 and the same; 96 32 shows whole cells). A third word, times,
prints instead what each nested input tells at every time point, wells unseen.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy.ndimage import distance_transform_edt

from lucyte.evidence.model.background import Retraining, data_permit, model_relies
from lucyte.io.cellular_merged import CHANNELS, decode
from lucyte.learn.crops import CropLearner
from lucyte.schema.crops import CropSet, join
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import MASK_CHANNEL, Predictor

HALF = 1024
Floats = npt.NDArray[np.float32]


def read_field(folder: Path, name: str) -> tuple[Floats, npt.NDArray[np.float64]]:
    """Channels ``C Y X`` at half size and boxes ``x0 y0 x1 y1`` in its px."""
    light = decode(np.asarray(Image.open(folder / "images" / name))).astype(np.float32)
    small = light.reshape(3, HALF, 2, HALF, 2).mean(axis=(2, 4))
    rows = np.loadtxt(folder / "boxes" / (name[:-4] + ".txt"), ndmin=2)[:, 1:] * HALF
    centre, size = rows[:, :2], np.maximum(rows[:, 2:], 1.0)
    return small, np.hstack([centre - size / 2, centre + size / 2])


@dataclass(frozen=True)
class Outlines:
    """Ellipses in boxes, numbered, and everything inside any box."""

    cells: npt.NDArray[np.int32]
    boxed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, boxes: npt.NDArray[np.float64]) -> Outlines:
        y, x = np.mgrid[:HALF, :HALF]
        cells = np.zeros((HALF, HALF), dtype=np.int32)
        boxed = np.zeros((HALF, HALF), dtype=np.bool_)
        for number, (x0, y0, x1, y1) in enumerate(boxes, start=1):
            a, b = (slice(max(0, int(lo)), int(np.ceil(hi))) for lo, hi in ((y0, y1), (x0, x1)))
            boxed[a, b] = True
            inside = ((x[a, b] - (x0 + x1) / 2) / (x1 - x0)) ** 2
            inside = inside + ((y[a, b] - (y0 + y1) / 2) / (y1 - y0)) ** 2 <= 0.25
            cells[a, b][inside] = number
        return cls(cells, boxed)


def cut_cells(
    row: Any, light: Floats, boxes: npt.NDArray[np.float64], px: int, seed: int
) -> CropSet:
    """Up to 48 cells of one field, at random."""
    found = Outlines.of(boxes)
    order = np.random.default_rng(seed).permutation(len(boxes))
    middle = (boxes[order][:, [1, 0]] + boxes[order][:, [3, 2]]) / 2
    corners = np.round(middle - px / 2).astype(int)
    fits = np.flatnonzero((corners.min(axis=1) >= 0) & (corners.max(axis=1) + px <= HALF))[:48]
    return _crop_set(row, light, found, (corners[fits], order[fits] + 1), px)


def cut_places(
    row: Any, light: Floats, boxes: npt.NDArray[np.float64], px: int, seed: int
) -> CropSet:
    """Up to 24 squares of one field that touch no box, at random."""
    found = Outlines.of(boxes)
    total = np.zeros((HALF + 1, HALF + 1), dtype=np.int64)
    total[1:, 1:] = found.boxed.cumsum(0).cumsum(1)
    free = total[px:, px:] - total[:-px, px:] - total[px:, :-px] + total[:-px, :-px] == 0
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(free))[:24]
    corners = np.stack(np.divmod(chosen, free.shape[1]), axis=1)
    return _crop_set(row, light, found, (corners, np.zeros(len(corners), dtype=int)), px)


def _crop_set(
    row: Any, light: Floats, found: Outlines, chosen: tuple[Any, Any], px: int
) -> CropSet:
    corners, own = chosen
    far = distance_transform_edt(~found.boxed)
    count = len(own)

    def squares(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        cut = [array[..., r : r + px, c : c + px] for r, c in corners]
        return np.stack(cut) if cut else np.zeros((0, *array.shape[:-2], px, px), array.dtype)

    away = [
        0.0 if k else far[r + px // 2, c + px // 2] for k, (r, c) in zip(own, corners, strict=True)
    ]
    field = f"{row.well}_s{row.site}"
    return CropSet(
        crops=squares(light),
        channels=CHANNELS,
        object_ids=tuple(f"{field}/t{row.timepoint}/{k}" for k in range(count)),
        labels=(row.condition,) * count,
        groups=(row.well,) * count,
        masks=(squares(found.cells) == own[:, None, None]) & (own > 0)[:, None, None],
        foreground=squares(found.cells > 0),
        distance_px=np.array(away, dtype=np.float64),
        kind=tuple("cell" if number else "background" for number in own),
        field_ids=(field,) * count,
        time_index=np.full(count, row.timepoint, dtype=np.int64),
    )


@dataclass(frozen=True)
class Corrected:
    """A Predictor that subtracts the crop's own background and looks inside the mask alone."""

    inner: Predictor
    channels: tuple[str, ...] = (*CHANNELS, MASK_CHANNEL)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.inner.classes

    @property
    def pixel_size_um(self) -> float | None:
        return None

    @property
    def input_px(self) -> int:
        return self.inner.input_px

    def logits(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        return self.inner.logits(corrected(crops[:, :-1], crops[:, -1] > 0.5))


def corrected(crops: npt.NDArray[Any], masks: npt.NDArray[np.bool_]) -> Floats:
    """Crops less the tenth percentile of the pixels outside the mask, 0 outside."""
    out = np.zeros(crops.shape, dtype=np.float32)
    for k, mask in enumerate(masks):
        beside = crops[k][:, ~mask] if not mask.all() else crops[k].reshape(len(crops[k]), -1)
        base = np.percentile(beside, 10, axis=1)
        out[k] = np.where(mask, crops[k] - base[:, None, None], 0)
    return out


def show(finding: Finding) -> None:
    """One Finding and its tables."""
    print(f"\n{finding.name}: {finding.verdict} (n = {finding.n} {finding.unit}s)\n  {finding.why}")
    for key in ("inputs", "distance_curve", "statistics", "exchanges"):
        for row in finding.details.get(key, []):
            units = row.get("per_unit", {})
            cells = ", ".join(f"{name} {value:.2f}" for name, value in units.items())
            plain = {k: v for k, v in row.items() if not isinstance(v, dict) and k != "what"}
            print("   ", {k: round(v, 3) if isinstance(v, float) else v for k, v in plain.items()})
            print("       ", cells)


def by_time(crops: CropSet, places: CropSet) -> pd.DataFrame:
    """AUROC of every nested input, wells held out: all time points together, and one by one.

    Wells are one plate of one day, so the biological n is 1 whatever the table says.
    """
    rows: dict[str, dict[str, float]] = {}
    times = [int(t) for t in np.unique(crops.time_index)]
    for t in [None, *times]:
        some = crops if t is None else crops.take(crops.time_index == t)
        empty = places if t is None else places.take(places.time_index == t)
        found = data_permit(some, CropLearner(), Retraining(), empty)
        told = {str(row["input"]): row for row in found[0].details["inputs"]}
        name = "all" if t is None else f"t{t}"
        rows[name] = {key: float(row["auroc"]) for key, row in told.items()}
        rows[name] |= {"cells": len(some), "wells": len(set(some.groups))}
    return pd.DataFrame(rows).T


def main(px: int = 64, place_px: int | None = None, *, times: bool = False) -> None:
    """Cut, ask, print."""
    start = time.perf_counter()
    root = Path(os.environ.get("LUCYTE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    folder = root / "cellular"
    table = pd.read_csv(folder / "images.csv")
    cells, places = [], []
    for seed, row in enumerate(table.itertuples()):
        light, boxes = read_field(folder, str(row.image))
        cells.append(cut_cells(row, light, boxes, px, seed))
        places.append(cut_places(row, light, boxes, place_px or px, seed))
    crops, empty = join(cells), join(places)
    both = join([crops, empty]) if px == empty.crop_px else crops
    print(pd.crosstab([*crops.groups, *empty.groups], [*crops.kind, *empty.kind]))
    print(f"cells {px} px, places {empty.crop_px} px (half size)")
    if times:
        print(by_time(crops, empty).round(2).to_string())
        return
    print(f"cut in {time.perf_counter() - start:.0f} s")
    for finding in data_permit(crops, CropLearner(), Retraining(), empty):
        show(finding)
    print(f"\ndata_permit: {time.perf_counter() - start:.0f} s")
    named = CropLearner(CHANNELS)
    print("\n--- a model of plain crops")
    show(model_relies(named.fit(crops.crops, crops.labels, crops.groups, 0), both))
    print("\n--- a model of corrected crops (own background subtracted, masked)")
    inner = named.fit(corrected(crops.crops, crops.masks), crops.labels, crops.groups, 0)
    show(model_relies(Corrected(inner), both))
    print(f"\n{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    main(*numbers[:2], times="times" in sys.argv[1:])
