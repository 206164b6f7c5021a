"""Pictures of what was found: contact sheets and learning curves."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from lucyte.io.merge import choose_colours, choose_limits, merge_channels
from lucyte.pipeline.score_objects import Seen
from lucyte.report.contact_sheet import Panel
from lucyte.schema.image import channel_names


def colour_picture(image: npt.NDArray[np.generic], names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """An image C Y X in colours a person can read."""
    clean = np.nan_to_num(np.asarray(image, np.float32))
    return merge_channels(clean, choose_colours(names), choose_limits(clean, names))


def frame_picture(pixels: xr.DataArray) -> npt.NDArray[np.uint8]:
    """A frame in colours a person can read."""
    if "C" not in pixels.dims:
        return colour_picture(np.asarray(pixels.values)[None], ("grey",))
    return colour_picture(np.asarray(pixels.values), channel_names(pixels))


def panels_of(seen: Sequence[Seen], table: pd.DataFrame, score: str, each: int = 3) -> list[Panel]:
    """The worst, the middle and the best images: truth in blue, what was found in yellow."""
    if not len(table):
        return []
    order = table[score].fillna(1.0).to_numpy().argsort(kind="stable")
    middle = len(order) // 2
    rows = [*order[:each], *order[middle : middle + each], *order[-each:]]
    by_name = {one.image.name: one for one in seen}
    words = ["worst"] * each + ["middle"] * each + ["best"] * each
    panels = []
    for row, word in dict(zip(rows, words, strict=False)).items():
        one = by_name[str(table["image"].iloc[row])]
        masks = one.truth.labels is not None
        confident = one.found.boxes[one.found.scores >= 0.3]
        panels.append(
            Panel(
                title=f"{word}: {one.image.name[:34]}  {score} {table[score].iloc[row]:.2f}",
                picture=colour_picture(one.pixels, one.image.channels[: len(one.pixels)]),
                labels=one.found.labels if masks else None,
                boxes=None if masks else confident,
                truth_labels=one.truth.labels,
                truth_boxes=None if masks else one.truth.boxes,
            )
        )
    return panels


def learning_curve(history: pd.DataFrame) -> npt.NDArray[np.uint8]:
    """Loss and validation score against steps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(history["step"], history["loss"], color="#444444")
    left.set(xlabel="step", ylabel="training loss", yscale="log")
    right.plot(history["step"], history["validation_score"], color="#0b6e99", marker="o", ms=3)
    right.set(xlabel="step", ylabel="validation score")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[..., :3])


def write_picture(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    """A PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    path.write_bytes(buffer.getvalue())
