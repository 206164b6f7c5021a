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
from scipy.stats import norm as normal

from lucyte.evidence.model.inputs import grown
from lucyte.evidence.model.retrain import Answer, HeldOut, held_out, with_table
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.schema.crops import CropSet
from lucyte.stats.spectrum import Mask, half_plane, line_excess, log_power, mirrored, radius

Floats = npt.NDArray[np.float64]
Excess = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

LINES = 8
"""Frequencies that a line model may look at: at most a few per cent of those there are."""
FEWEST_CYCLES = 3
"""Repeats within a crop from which a pattern counts as periodic."""
FEWEST_FREE = 0.25
"""Share of a crop outside the cells from which its own spectrum is taken."""
SHOWN, CHANCE = 8, 0.05
"""Lines that are named, and exchanged between classes: at most so many, and beside the strongest
only those that differ more than any of all frequencies would by this chance (Bonferroni). To
exchange what differs by chance would make another picture."""
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


def line_spectra(crops: npt.NDArray[Any]) -> Excess:
    """Excess of every frequency over its ring, ``N C Y X``."""
    lowest = FEWEST_CYCLES / min(crops.shape[-2:])
    parts = [
        line_excess(log_power(crops[at : at + BATCH]), lowest) for at in range(0, len(crops), BATCH)
    ]
    return np.concatenate(parts)


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


@dataclass(frozen=True)
class Lines:
    """What the lines of one kind of picture tell.

    Attributes
    ----------
    told : HeldOut
        By a few lines, chosen without the units asked about.
    strongest : tuple of Line
    p : float
        Chance that the strongest of all frequencies differs as much with classes exchanged.
    """

    told: HeldOut
    strongest: tuple[Line, ...] = ()
    p: float = math.nan


def told_by_lines(spectra: Excess, cells: CropSet, settings: ChallengeSettings) -> Lines:
    """What whole left-out units tell by a few lines, and whether any line stands out."""
    answer = with_lines(spectra, cells.labels, settings.seed)
    return Lines(
        held_out(answer, cells.labels, cells.groups, settings.folds, settings.seed),
        strongest_lines(spectra, cells.labels, cells.channels, SHOWN),
        chance_of_line(spectra, cells, min(max(settings.permutations, 39), 99), settings.seed),
    )


def chance_of_line(spectra: Excess, cells: CropSet, permutations: int, seed: int) -> float:
    """How often the largest difference over all frequencies is beaten when classes are exchanged.

    Between units that hold one class each, else within units. Of so many frequencies some one
    always differs; a line must differ more.
    """
    flat = spectra[:, :, half_plane(*spectra.shape[-2:])].reshape(len(spectra), -1)
    labels, groups = (np.asarray(each, dtype=str) for each in (cells.labels, cells.groups))
    rng = np.random.default_rng(seed)
    names, at = np.unique(groups, return_inverse=True)
    held = [np.unique(labels[groups == name]) for name in names]
    whole = all(len(each) == 1 for each in held)
    drawn = [labels]
    for _ in range(permutations):
        if whole:
            drawn.append(rng.permutation(np.concatenate(held))[at])
            continue
        other = labels.copy()
        for k in range(len(names)):
            other[at == k] = rng.permutation(labels[at == k])
        drawn.append(other)
    squares = flat**2
    found = np.array([np.abs(difference(flat, truth, squares)).max() for truth in drawn])
    return float((1 + (found[1:] > found[0] * (1 + 1e-9)).sum()) / (1 + permutations))


def with_lines(spectra: Excess, labels: tuple[str, ...], seed: int) -> Answer:
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


def difference(
    values: Excess, truth: npt.NDArray[Any], squares: Excess | None = None
) -> npt.NDArray[Any]:
    """Difference of a class from the others over its standard error, per column.

    Two classes: the second less the first. More: of the class that differs most.
    """
    classes = np.unique(truth)
    squares = values**2 if squares is None else squares
    total, square = values.sum(axis=0), squares.sum(axis=0)
    found = []
    for name in classes[1:] if len(classes) == 2 else classes:
        own = (truth == name).astype(values.dtype)
        m, n = float(own.sum()), float(len(own) - own.sum())
        first, second = own @ values, own @ squares
        means = first / m, (total - first) / n
        spread = second / m - means[0] ** 2, (square - second) / n - means[1] ** 2
        error = np.maximum(spread[0], 0) / m + np.maximum(spread[1], 0) / n
        gap = means[0] - means[1]
        found.append(np.divide(gap, np.sqrt(error), out=np.zeros_like(gap), where=error > 1e-9))
    stacked = np.stack(found)
    best = np.abs(stacked).argmax(axis=0)
    chosen: npt.NDArray[Any] = np.take_along_axis(stacked, best[None], axis=0)[0]
    return chosen


def strongest_lines(
    spectra: Excess, labels: tuple[str, ...], channels: tuple[str, ...], count: int
) -> tuple[Line, ...]:
    """The frequencies that differ most, none beside another, strongest first."""
    height, width = spectra.shape[-2:]
    score = difference(spectra.reshape(len(spectra), -1), np.asarray(labels, dtype=str)).reshape(
        spectra.shape[1:]
    )
    left = np.abs(score) * half_plane(height, width)
    rows, columns = np.fft.fftfreq(height), np.fft.fftfreq(width)
    lines: list[Line] = []
    least = float(normal.isf(CHANCE / 2 / (len(channels) * half_plane(height, width).sum())))
    while len(lines) < count and left.max() > 0 and (not lines or left.max() >= least):
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


def name_pattern(lines: tuple[Line, ...]) -> str:
    """The strongest line in words."""
    if not lines:
        return "no pattern"
    line = lines[0]
    return (
        f"a pattern that repeats every {line.period_px:.1f} px at {line.angle_deg:.0f} degrees in "
        f"{line.channel}"
    )


def _around(height: int, width: int, y: int, x: int) -> Mask:
    near = np.zeros((height, width), dtype=np.bool_)
    steps = np.arange(-1, 2)
    near[np.ix_((y + steps) % height, (x + steps) % width)] = True
    found: Mask = near | mirrored(near)
    return found
