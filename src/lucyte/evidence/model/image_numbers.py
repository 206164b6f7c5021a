"""Statistics of a crop, family by family: light outside the objects, crowding, file, whole crop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.evidence.model.inputs import FEWEST_FREE, grown
from lucyte.evidence.model.jpeg_traces import jpeg_traces
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
FOCUS_PX = (0.7, 1.4, 2.8)
"""Widths between which detail is fine, and coarse."""


@dataclass(frozen=True)
class Family:
    """Some columns that say one thing.

    Attributes
    ----------
    name, what : str
        ``what`` in words, to be read before "alone".
    values : float array N x columns
        nan where a crop does not show it.
    alike : bool
        One column per channel, each fitted by itself, and the channel that tells least counts: the
        microscope changes all channels alike, biology seldom does.
    over_units : bool
        Cells vary in it by nature, or hide it, so means over units are judged, too.
    signed : bool
        Only which way it differs counts, not how far: that cells of one class scatter more may be
        biology. Fitted without squares, and not together with others.
    """

    name: str
    what: str
    values: Floats
    alike: bool = False
    over_units: bool = False
    signed: bool = False


def outside_families(subject: Subject, halo_px: int) -> tuple[Family, ...]:
    """What a crop tells without its cell: each family that these crops show.

    Level, tint, spread and grain come from px outside every object; the sharpness of outlines is
    the slope of light across the cell's border over the step it makes, which does not depend on
    how much light the cell holds; crowding counts the other objects; file size and JPEG traces
    are those of the file and the whole crop.
    """
    crops = subject.crops
    free = ~grown(crops.foreground, halo_px)
    light = _light(crops, free)
    found = [
        Family("mean", "the light level outside the objects", light["level"]),
        Family("spread", "the spread of light outside the objects", light["spread"]),
        Family("noise", "the noise outside the objects", light["noise"]),
        Family("sharpness", "the grain outside the objects", light["grain"]),
        Family("specks", "specks outside the objects", _specks(crops, free), over_units=True),
        Family("outline", "the sharpness of the cells' outlines", outline_sharpness(crops)),
        Family("density", "the neighbours in the crop", _crowding(crops)),
        Family("JPEG traces", "traces of JPEG compression", jpeg_traces(crops.crops)),
        Family("cut off", "light cut off below what others hold", _cut_off(crops.crops)),
        Family("direction", "the direction of grain outside the objects", directions(crops, free)),
    ]
    if len(crops.channels) > 1:
        found.insert(1, Family("tint", "the tint outside the objects", _tint(light["level"])))
        what = "marks outside the objects, in every channel at one place"
        found.append(Family("marks", what, _marks(crops, free), over_units=True))
        what = "the focus of every channel alike"
        found.append(Family("focus", what, focus(crops), alike=True, over_units=True))
    if subject.file_bytes is not None and np.isfinite(subject.file_bytes).any():
        found.append(Family("file size", "the size of the file", subject.file_bytes[:, None]))
    return tuple(each for each in found if _varies(each.values))


def whole_families(crops: CropSet) -> tuple[Family, ...]:
    """Single numbers of the whole crop, the cell included."""
    x = np.asarray(crops.crops, dtype=np.float32)
    mean, spread = x.mean(axis=(2, 3)), x.std(axis=(2, 3))
    found = [
        Family("mean", "the mean of the crop", mean),
        Family("contrast", "the spread of light in the crop", spread),
        Family("sharpness", "the sharpness of the crop", sharpness(crops)),
        Family("size", "the size of the cell", crops.masks.sum(axis=(1, 2))[:, None]),
        Family("clipping", "the px at the floor or the ceiling of all light", _clipped(x)),
        Family("direction", "the direction of detail in the crop", directions(crops)),
    ]
    if len(crops.channels) > 1:
        found.insert(1, Family("tint", "the tint of the crop", _tint(mean)))
    return tuple(each for each in found if _varies(each.values))


def ranked(values: Floats) -> Floats:
    """Columns as ranks from -1 to 1 and the squares of these, missing ones in the middle.

    A linear model of them sees a statistic that is high in one class, or in the middle, whatever
    its unit; no label is looked at.
    """
    from scipy.stats import rankdata

    out = np.zeros(values.shape)
    for k, column in enumerate(values.T):
        known = np.isfinite(column)
        if known.sum() > 1:
            place = rankdata(column[known])
            out[known, k] = 2 * (place - 1) / (len(place) - 1) - 1
    return np.hstack([out, out**2 - 1 / 3])


def sharpness(crops: CropSet) -> Floats:
    """Logarithm of the variance of the Laplacian, ``N x C``; noise and spots count alike.

    References
    ----------
    Pech-Pacheco et al. 2000, doi 10.1109/ICPR.2000.903548.
    """
    x = np.asarray(crops.crops, dtype=np.float32)
    return np.asarray(np.log(np.maximum(_laplacian(x).var(axis=(2, 3)), 1e-9)), dtype=np.float64)


def focus(crops: CropSet) -> Floats:
    """Fine over coarse detail of the cell and 2 px around it, logarithm, ``N x C``.

    Energy of the band between Gaussians of 0.7 and 1.4 px over that between 1.4 and 2.8 px: does
    not depend on how bright a cell is, and little on noise. nan where a crop has no mask or no
    detail.

    References
    ----------
    Pertuz, Puig and Garcia 2013, doi 10.1016/j.patcog.2012.11.011 (measures of focus).
    """
    x = np.asarray(crops.crops, dtype=np.float32)
    own = grown(crops.masks, 2)[:, None]
    fine, middle, coarse = (ndi.gaussian_filter(x, (0, 0, s, s)) for s in FOCUS_PX)
    energy = [((a - b) ** 2 * own).sum(axis=(2, 3)) for a, b in ((fine, middle), (middle, coarse))]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(energy[0] / energy[1])
    return np.where(np.isfinite(found), found, np.nan).astype(np.float64)


def outline_sharpness(crops: CropSet) -> Floats:
    """Slope of light across the cell's outline over the step it makes there, per px, ``N x C``.

    nan where a cell makes no clear step: less than three deviations of the light outside.
    """
    x = np.asarray(crops.crops, dtype=np.float32)
    out = np.full((len(crops), x.shape[1]), np.nan)
    inner = _eroded(crops.masks, 2)
    outer = grown(crops.masks, 5) & ~grown(crops.masks, 2) & ~crops.foreground
    band = grown(crops.masks, 1) & ~_eroded(crops.masks, 1)
    for k in range(len(crops)):
        if min(inner[k].sum(), outer[k].sum(), band[k].sum()) < 9:
            continue
        for c, picture in enumerate(ndi.gaussian_filter(x[k], (0, 0.7, 0.7))):
            step = picture[inner[k]].mean() - picture[outer[k]].mean()
            noise = picture[outer[k]].std()
            if abs(step) > 3 * noise and step != 0:
                slope = np.hypot(*np.gradient(picture))
                out[k, c] = slope[band[k]].mean() / abs(step)
    return out


def directions(crops: CropSet, where: Bools | None = None) -> Floats:
    """How detail lies along rows and columns, and on which of two px, ``N x 5 C``.

    Per channel: logarithm of mean steps from row to row over those from column to column;
    difference of the correlations of neighbours there; and the light less its surroundings on even
    less odd rows, columns and squares of a chequerboard, in its deviations. A camera reads, moves
    and interlaces along its axes; cells lie anyhow. nan where too few px are looked at.
    """
    x = np.asarray(crops.crops, dtype=np.float64)
    count, channels, side, _ = x.shape
    rough = x - ndi.uniform_filter(x, (0, 0, 5, 5))
    seen = np.ones((count, side, side), dtype=np.bool_) if where is None else where
    own = seen[:, None]
    out = np.full((count, 5, channels), np.nan)
    down, right = own[:, :, 1:] & own[:, :, :-1], own[..., 1:] & own[..., :-1]
    steps = [
        _mean_where(np.abs(x[:, :, 1:] - x[:, :, :-1]), down),
        _mean_where(np.abs(x[..., 1:] - x[..., :-1]), right),
    ]
    power = _mean_where(rough**2, own)
    alike = [
        _mean_where(rough[:, :, 1:] * rough[:, :, :-1], down),
        _mean_where(rough[..., 1:] * rough[..., :-1], right),
    ]
    row, column = np.indices((side, side)) % 2 * 2 - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        out[:, 0] = np.log(steps[0] / steps[1])
        out[:, 1] = (alike[0] - alike[1]) / power
        for k, sign in enumerate((row, column, row * column), start=2):
            out[:, k] = _mean_where(rough * sign, own) / np.sqrt(power)
    out[seen.sum(axis=(1, 2)) < FEWEST_FREE] = np.nan
    flat = out.reshape(count, -1)
    return np.where(np.isfinite(flat), flat, np.nan)


def _mean_where(values: Floats, where: Bools) -> Floats:
    """Mean over the px of each crop and channel, ``N x C``; nan where there is none."""
    held = np.broadcast_to(where, values.shape)
    with np.errstate(invalid="ignore"):
        found: Floats = (values * held).sum(axis=(2, 3)) / held.sum(axis=(2, 3))
    return found


def _light(crops: CropSet, free: Bools) -> Mapping[str, Floats]:
    x = np.asarray(crops.crops, dtype=np.float32)
    shape = (len(crops), x.shape[1])
    out = {name: np.full(shape, np.nan) for name in ("level", "spread", "noise", "grain")}
    rough = np.abs(_laplacian(x))
    for k in np.flatnonzero(free.sum(axis=(1, 2)) >= FEWEST_FREE):
        px = x[k][:, free[k]]
        low, middle, high = np.percentile(px, [25, 50, 75], axis=1)
        out["level"][k] = middle
        out["spread"][k] = high - low
        out["noise"][k] = np.median(rough[k][:, free[k]], axis=1)
        typical = px.std(axis=1)
        out["grain"][k] = rough[k][:, free[k]].mean(axis=1) / np.where(typical > 0, typical, np.nan)
    return out


def _clipped(x: npt.NDArray[np.float32]) -> Floats:
    """Share of each crop's px that hold the least, and the largest, value of all, ``N x 2 C``."""
    least, most = x.min(axis=(0, 2, 3)), x.max(axis=(0, 2, 3))
    held = [(x == each[:, None, None]).mean(axis=(2, 3)) for each in (least, most)]
    return np.concatenate(held, axis=1).astype(np.float64)


def _cut_off(crops: npt.NDArray[Any]) -> Floats:
    """How high the crop's largest value, and its least, stands in the histogram, ``N x 2 C``.

    Logarithm of the px that hold it over those that hold the next value: light cut off piles up at
    its ceiling or floor, whole light thins out. 0 where the value is the extreme of all crops: the
    camera's own limit, which is reached for the cells' sake, too.
    """
    out = np.zeros((len(crops), 2 * crops.shape[1]))
    for c in range(crops.shape[1]):
        most, least = crops[:, c].max(), crops[:, c].min()
        for k, plane in enumerate(crops[:, c]):
            values, counts = np.unique(plane, return_counts=True)
            if len(values) > 1 and values[-1] != most:
                out[k, 2 * c] = np.log(counts[-1] / counts[-2])
            if len(values) > 1 and values[0] != least:
                out[k, 2 * c + 1] = np.log(counts[0] / counts[1])
    return out


def _specks(crops: CropSet, free: Bools) -> Floats:
    """How far the brightest and the darkest px outside stand out: hot px, dust, ``N x 2 C``."""
    out = np.full((len(crops), 2 * len(crops.channels)), np.nan)
    for k, px in _standing_out(crops, free):
        out[k] = np.concatenate([px.max(axis=1), px.min(axis=1)])
    return out


def _marks(crops: CropSet, free: Bools) -> Floats:
    """The same of the channel in which a px stands out least: writing, dust, ``N x 2``."""
    out = np.full((len(crops), 2), np.nan)
    for k, px in _standing_out(crops, free):
        out[k] = px.min(axis=0).max(), px.max(axis=0).min()
    return out


def _standing_out(crops: CropSet, free: Bools) -> Iterator[tuple[int, Floats]]:
    """Crops, and their px outside less the 5 x 5 px around them, ``C x px``.

    In typical deviations of the px outside. Light that falls off beside a cell is smooth there and
    leaves nothing.
    """
    x = np.asarray(crops.crops, dtype=np.float32)
    rough = x - ndi.uniform_filter(x, (0, 0, 5, 5))
    for k in np.flatnonzero(free.sum(axis=(1, 2)) >= FEWEST_FREE):
        px = rough[k][:, free[k]]
        typical = np.median(np.abs(px), axis=1, keepdims=True)
        yield int(k), px / np.where(typical > 0, typical, np.nan)


def _tint(levels: Floats) -> Floats:
    pairs = list(combinations(range(levels.shape[1]), 2))
    return np.column_stack([levels[:, a] - levels[:, b] for a, b in pairs])


def _crowding(crops: CropSet) -> Floats:
    others = crops.foreground & ~grown(crops.masks, 1)
    count = np.array([ndi.label(each)[1] for each in others], dtype=np.float64)
    return np.column_stack([others.mean(axis=(1, 2)), count])


def _laplacian(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    kernel = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=np.float32)[None, None]
    return np.asarray(ndi.convolve(x, kernel, mode="reflect"), dtype=np.float32)


def _eroded(masks: Bools, px: int) -> Bools:
    structure = np.zeros((3, 3, 3), dtype=np.bool_)
    structure[1] = True
    return np.asarray(ndi.binary_erosion(masks, structure, iterations=px), dtype=np.bool_)


def _varies(values: Floats) -> bool:
    """Whether any column differs between crops; one that no crop shows says nothing of others."""
    known = [column[np.isfinite(column)] for column in values.T]
    return any(len(each) > 1 and np.ptp(each) > 0 for each in known)
