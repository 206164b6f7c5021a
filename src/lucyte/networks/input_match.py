"""What a model is given, held against what it was made for: refused, rescaled, or warned of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Predictor
from lucyte.schema.samples import Samples

SAME_SIZE = 0.02
"""Pixel sizes that differ by less than this share are the same."""
OUTSIDE = 0.01
"""Share of px outside the card's range from which a warning is given."""


def match_input(
    model: Predictor,
    samples: Samples,
    *,
    intensity_range: Mapping[str, tuple[float, float]] | None = None,
    tested: Mapping[str, Sequence[str]] | None = None,
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """The crops a model takes, made from samples, and what must be said about them.

    Parameters
    ----------
    model : Predictor
    samples : Samples
    intensity_range : mapping of channel to (low, high), optional
        Raw units seen in training (the card's).
    tested : mapping of column to values, optional
        The card's tested conditions, held against ``samples.levels``.

    Returns
    -------
    array N C Y X
        Channels in the model's order, rescaled where both pixel sizes are known and differ, its
        size in px.
    tuple of str
        Warnings, a sentence each; empty where nothing differs.

    Raises
    ------
    UsageError
        A channel is missing, or crops of another size whose scale is not known.
    """
    crops = samples.for_channels(model.channels)
    told: list[str] = []
    wanted, got = model.pixel_size_um, samples.pixel_size_um
    if wanted and got and abs(got / wanted - 1) > SAME_SIZE:
        crops = rescale(crops, model.channels, got / wanted)
        told.append(
            f"Crops of {got:g} um per px were resampled to the model's {wanted:g} um per px."
        )
    elif bool(wanted) != bool(got):
        whose = "the images'" if wanted else "the model's"
        told.append(f"Size was not checked: {whose} pixel size is unknown.")
    crops = fit_side(crops, model.input_px, known=bool(wanted and got))
    told += _range(crops, model.channels, intensity_range or {})
    for name, values in (tested or {}).items():
        new = sorted(set(samples.levels.get(name, ())) - set(values) - {""})
        if new:
            more = f" and {len(new) - 3} more" if len(new) > 3 else ""
            told.append(f"{name} {', '.join(new[:3])}{more}: the model was never tested there.")
    return crops, tuple(told)


def check_channels(model: Predictor, channels: Sequence[str]) -> None:
    """Refuse channels that lack one of the model's.

    Raises
    ------
    UsageError
        Says how to map names.
    """
    for name in model.channels:
        if name not in channels:
            raise unknown(
                "channel", name, channels, f"Map names with --channels {name}=<one of these>."
            )


def rescale(
    crops: npt.NDArray[Any], channels: Sequence[str], factor: float
) -> npt.NDArray[np.float32]:
    """Crops with ``factor`` times as many px per side; masks stay 0 or 1."""
    side = max(1, round(crops.shape[-1] * factor))
    out = np.empty((*crops.shape[:2], side, side), np.float32)
    for at in range(0, len(crops), 256):
        some = torch.from_numpy(np.ascontiguousarray(crops[at : at + 256], dtype=np.float32))
        out[at : at + 256] = F.interpolate(
            some, (side, side), mode="bilinear", align_corners=False, antialias=factor < 1
        ).numpy()
    for plane, name in enumerate(channels):
        if name.startswith("mask:"):
            out[:, plane] = out[:, plane] > 0.5
    return out


def fit_side(crops: npt.NDArray[Any], side: int, *, known: bool) -> npt.NDArray[Any]:
    """Crops of this side around the same centre; a rim is repeated where they are smaller.

    Raises
    ------
    UsageError
        Another size although the scale is not known: a resized cell is another cell.
    """
    height, width = crops.shape[-2:]
    if (height, width) == (side, side):
        return crops
    if not known:
        raise UsageError(
            f"the model takes crops of {side} x {side} px, got {width} x {height}, and without "
            "both pixel sizes they cannot be brought to one scale. Cut or pad them with --fit "
            "keep-scale where the scale is the same, or give --pixel-size-um."
        )
    grow = [max(0, side - n) for n in (height, width)]
    room = [(0, 0), (0, 0), *((n // 2, n - n // 2) for n in grow)]
    padded = np.pad(crops, room, mode="edge") if any(grow) else crops
    top, left = (padded.shape[-2] - side) // 2, (padded.shape[-1] - side) // 2
    return padded[..., top : top + side, left : left + side]


def _range(
    crops: npt.NDArray[Any], channels: Sequence[str], known: Mapping[str, tuple[float, float]]
) -> list[str]:
    told = []
    some = crops[np.unique(np.linspace(0, len(crops) - 1, 256).astype(int))] if len(crops) else []
    for plane, name in enumerate(channels):
        if name not in known or not len(some):
            continue
        low, high = known[name]
        values = np.asarray(some)[:, plane]
        share = float(((values < low) | (values > high)).mean())
        # A set that fills only a corner of the range was taken with other settings too.
        dim = float(np.quantile(values, 0.999)) < low + 0.05 * (high - low)
        if share > OUTSIDE or dim:
            what = (
                f"{share:.0%} of px lie outside"
                if share > OUTSIDE
                else "stays in the lowest 5 % of"
            )
            told.append(
                f"Channel {name!r} {what} the range learned from ({low:g} to {high:g}; here "
                f"{values.min():g} to {values.max():g}): answers may not hold."
            )
    return told
