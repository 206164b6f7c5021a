"""Narrow periodic patterns: what the lines of a spectrum alone tell of the classes.

Cells differ in how fine their texture is, and that is broad and, over many cells, without
direction. A grid, a wave or a camera's pattern is a line: one place of the spectrum that stands
out from all others equally far from frequency 0, at the same place in every crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.inputs import grown
from lucyte.evidence.model.retrain import Answer, HeldOut, held_out, with_table
from lucyte.schema.crops import CropSet
from lucyte.stats.spectrum import Mask, half_plane, line_excess, log_power, mirrored, radius

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

LINES = 8
"""Frequencies that a line model may look at: at most a few per cent of those there are."""
FEWEST_CYCLES = 3
"""Repeats within a crop from which a pattern counts as periodic."""
FEWEST_FREE = 0.25
"""Share of a crop outside the cells from which its own spectrum is taken."""
RINGS = 8
BATCH = 256


@dataclass(frozen=True)
class Line:
    """A frequency at which the classes differ more than around it.

    Attributes
    ----------
    channel : str
    period_px : float
        Length after which the pattern repeats.
    angle_deg : float
        Direction in which it repeats: 0 along the rows, 90 down the columns.
    score : float
        Difference of the classes' excess over its standard error.
    at : (int, int, int)
        Channel, row, column in the order of `numpy.fft.fft2`.
    """

    channel: str
    period_px: float
    angle_deg: float
    score: float
    at: tuple[int, int, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "period_px": self.period_px,
            "angle_deg": self.angle_deg,
            "score": self.score,
        }


def line_spectra(crops: npt.NDArray[Any]) -> Floats:
    """Excess of every frequency over its ring, ``N C Y X``."""
    lowest = FEWEST_CYCLES / min(crops.shape[-2:])
    parts = [
        line_excess(log_power(crops[at : at + BATCH]), lowest) for at in range(0, len(crops), BATCH)
    ]
    return np.concatenate(parts).astype(np.float32).astype(np.float64)


def beside_cells(crops: CropSet, halo_px: int) -> tuple[npt.NDArray[np.float32], Mask]:
    """Crops whose cells are painted over with the mean of their own free pixels, and which can be.

    Returns
    -------
    float32 array N C Y X
    bool array N
        Where enough of the crop is free.
    """
    free = ~grown(crops.foreground, halo_px)
    enough = free.mean(axis=(1, 2)) >= FEWEST_FREE
    light = crops.crops.astype(np.float32)
    weight = free[:, None].astype(np.float32)
    count = np.maximum(weight.sum(axis=(2, 3), keepdims=True), 1)
    level = (light * weight).sum(axis=(2, 3), keepdims=True) / count
    return np.where(free[:, None], light, level).astype(np.float32), enough


def told_by_lines(
    spectra: Floats, labels: tuple[str, ...], groups: tuple[str, ...], folds: int, seed: int
) -> HeldOut:
    """What whole left-out units tell by a few lines, chosen without them."""
    return held_out(with_lines(spectra, labels, seed), labels, groups, folds, seed)


def with_lines(spectra: Floats, labels: tuple[str, ...], seed: int) -> Answer:
    """An Answer that looks at the `LINES` frequencies that differ most in the training rows."""
    flat = spectra[:, :, half_plane(*spectra.shape[-2:])].reshape(len(spectra), -1)
    truth = np.asarray(labels, dtype=str)

    def answer(train: Rows, test: Rows) -> Floats:
        score = difference(flat[train], truth[train])
        best = np.argsort(-np.abs(score), kind="stable")[:LINES]
        return with_table(flat[:, best], labels, seed)(train, test)

    return answer


def texture_table(crops: npt.NDArray[Any]) -> Floats:
    """Mean log power in `RINGS` rings per channel: texture by size alone, no direction."""
    height, width = crops.shape[-2:]
    ring = np.minimum((radius(height, width) / 0.5 * RINGS).astype(int), RINGS - 1).ravel()
    weight = np.eye(RINGS)[ring]
    weight /= weight.sum(axis=0)
    parts = []
    for at in range(0, len(crops), BATCH):
        power = log_power(crops[at : at + BATCH])
        parts.append((power.reshape(*power.shape[:2], -1) @ weight).reshape(len(power), -1))
    return np.concatenate(parts)


def difference(values: Floats, truth: npt.NDArray[Any]) -> Floats:
    """Difference of a class from the others over its standard error, per column.

    Two classes: the second less the first. More: of the class that differs most.
    """
    classes = np.unique(truth)
    found = []
    for name in classes[1:] if len(classes) == 2 else classes:
        own, other = values[truth == name], values[truth != name]
        error = own.var(axis=0) / max(len(own), 1) + other.var(axis=0) / max(len(other), 1)
        gap = own.mean(axis=0) - other.mean(axis=0)
        found.append(np.divide(gap, np.sqrt(error), out=np.zeros_like(gap), where=error > 0))
    stacked = np.stack(found)
    best = np.abs(stacked).argmax(axis=0)
    chosen: Floats = np.take_along_axis(stacked, best[None], axis=0)[0]
    return chosen


def strongest_lines(
    spectra: Floats, labels: tuple[str, ...], channels: tuple[str, ...], count: int
) -> tuple[Line, ...]:
    """The frequencies that differ most, none beside another, strongest first."""
    height, width = spectra.shape[-2:]
    score = difference(spectra.reshape(len(spectra), -1), np.asarray(labels, dtype=str)).reshape(
        spectra.shape[1:]
    )
    left = np.abs(score) * half_plane(height, width)
    rows, columns = np.fft.fftfreq(height), np.fft.fftfreq(width)
    lines: list[Line] = []
    while len(lines) < count and left.max() > 0:
        c, y, x = (int(v) for v in np.unravel_index(left.argmax(), left.shape))
        fy, fx = float(rows[y]), float(columns[x])
        lines.append(
            Line(
                channels[c],
                1 / math.hypot(fy, fx),
                math.degrees(math.atan2(fy, fx)) % 180,
                float(score[c, y, x]),
                (c, y, x),
            )
        )
        left[c][_around(height, width, y, x)] = 0
    return tuple(lines)


def line_mask(lines: tuple[Line, ...], shape: tuple[int, int, int]) -> Mask:
    """The lines, their direct neighbours and mirrors, ``C Y X``."""
    mask = np.zeros(shape, dtype=np.bool_)
    for line in lines:
        c, y, x = line.at
        mask[c] |= _around(shape[1], shape[2], y, x)
    mask[:, 0, 0] = False
    return mask


def _around(height: int, width: int, y: int, x: int) -> Mask:
    near = np.zeros((height, width), dtype=np.bool_)
    steps = np.arange(-1, 2)
    near[np.ix_((y + steps) % height, (x + steps) % width)] = True
    found: Mask = near | mirrored(near)
    return found
