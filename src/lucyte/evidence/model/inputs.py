"""The nested inputs: what is left of a crop when cells, light, size or surroundings are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float32]

FEWEST_FREE = 50
"""Cell-free pixels that a crop needs before its background level is believed."""


def grown(masks: npt.NDArray[np.bool_], halo_px: int) -> npt.NDArray[np.bool_]:
    """Masks ``N Y X`` widened by ``halo_px``, so that the light around a cell goes with it."""
    if halo_px <= 0:
        return masks
    structure = np.zeros((3, 3, 3), dtype=np.bool_)
    structure[1] = True
    return np.asarray(binary_dilation(masks, structure, iterations=halo_px), dtype=np.bool_)


def free_level(crops: CropSet, halo_px: int) -> Floats:
    """Median of the cell-free pixels of each crop, ``N x C``; nan with fewer than 50 of them.

    Raw counts of the image.
    """
    free = ~grown(crops.foreground, halo_px)
    out = np.full((len(crops), len(crops.channels)), np.nan, dtype=np.float32)
    for k in np.flatnonzero(free.sum(axis=(1, 2)) >= FEWEST_FREE):
        out[k] = np.median(crops.crops[k][:, free[k]], axis=1)
    return out


def masked(crops: CropSet, level: npt.ArrayLike) -> Floats:
    """Everything outside the own mask replaced by one constant per channel, the same for all.

    Parameters
    ----------
    level : array C
        The constant, raw counts. It carries no class as every crop gets the same.
    """
    fill = np.asarray(level, dtype=np.float32)[None, :, None, None]
    return np.where(crops.masks[:, None], crops.crops.astype(np.float32), fill)


def subtracted(crops: CropSet, halo_px: int) -> Floats:
    """Each crop minus the median of its own cell-free pixels, channel by channel.

    Raises
    ------
    UsageError
        A crop has too few cell-free pixels; leave those out first (`with_free_level`).
    """
    level = free_level(crops, halo_px)
    if np.isnan(level).any():
        count = int(np.isnan(level).any(axis=1).sum())
        raise UsageError(
            f"{count} crops have too few cell-free pixels to subtract; leave them out."
        )
    return np.asarray(crops.crops.astype(np.float32) - level[:, :, None, None])


def with_free_level(crops: CropSet, halo_px: int) -> CropSet:
    """Only the crops in which enough cell-free pixels are left."""
    return crops.take(np.isfinite(free_level(crops, halo_px)).all(axis=1))


def erased(crops: CropSet, halo_px: int, seed: int | np.random.Generator) -> Floats:
    """Every object overwritten by cell-free pixels drawn from the same crop.

    A drawn pixel brings all its channels, so tint and noise stay and the silhouettes go.
    """
    rng = np.random.default_rng(seed)
    covered = grown(crops.foreground, halo_px)
    out = crops.crops.astype(np.float32)
    for k in range(len(crops)):
        free = np.flatnonzero(~covered[k])
        if len(free) < FEWEST_FREE:
            raise UsageError(
                "a crop has too few cell-free pixels to erase its cells; leave it out."
            )
        flat = out[k].reshape(out.shape[1], -1)
        holes = np.flatnonzero(covered[k])
        flat[:, holes] = flat[:, rng.choice(free, len(holes))]
    return out


def silhouettes(crops: CropSet) -> Floats:
    """Outlines without light, as many planes as there are channels: size, shape and crowding.

    The own mask is the first plane and all objects (0 and 1) the others; with a single channel
    they are added. A learner made for these channels can so be fitted on them.
    """
    own, every = crops.masks, crops.foreground
    count = len(crops.channels)
    planes = [own, *[every] * (count - 1)] if count > 1 else [own.astype(np.int8) + every]
    return np.stack(planes, axis=1).astype(np.float32)


def matched_rows(
    crops: CropSet, seed: int, bins: tuple[int, int] = (12, 3)
) -> npt.NDArray[np.int64]:
    """Rows of a subsample in which the classes agree in size and local crowding.

    Coarsened exact matching: cells are binned by area of the own mask and by the share of the crop
    that other objects cover (``bins`` quantiles of all cells together); from each bin every class
    keeps equally many, drawn at random.

    References
    ----------
    Iacus, King and Porro 2012, doi 10.1093/pan/mpr013.
    """
    if not len(crops):
        return np.zeros(0, dtype=np.int64)
    area = crops.masks.sum(axis=(1, 2))
    crowd = (crops.foreground & ~crops.masks).mean(axis=(1, 2))
    code = _quantile_bin(area, bins[0]) * bins[1] + _quantile_bin(crowd, bins[1])
    truth = np.asarray(crops.labels)
    rng = np.random.default_rng(seed)
    kept: list[npt.NDArray[np.int64]] = []
    for each in np.unique(code):
        rows = [np.flatnonzero((code == each) & (truth == name)) for name in crops.classes]
        fewest = min(len(own) for own in rows)
        kept.extend(rng.permutation(own)[:fewest] for own in rows)
    return np.sort(np.concatenate(kept))


@dataclass(frozen=True)
class FieldStatistics:
    """Statistics of each field and frame.

    Attributes
    ----------
    labels, groups : list of str
    light : array fields x columns
        From cell-free pixels alone: level and spread per channel, difference of levels (tint).
    light_columns : list of str
    outlines : array fields x 2
        Mean area of the cells' own masks (px) and share of the crops that objects cover.
    outline_columns : list of str
    """

    labels: list[str]
    groups: list[str]
    light: npt.NDArray[np.float64]
    light_columns: list[str]
    outlines: npt.NDArray[np.float64]
    outline_columns: list[str]


def field_statistics(crops: CropSet, halo_px: int) -> FieldStatistics:
    """What a field looks like without looking into a cell.

    Fields with too few cell-free pixels are left out.

    Parameters
    ----------
    crops : CropSet
        Cells, and cell-free places where there are any.
    """
    free = ~grown(crops.foreground, halo_px)
    times = crops.time_index.tolist()
    own = list(zip(crops.field_ids, times, crops.labels, crops.groups, strict=True))
    area = crops.masks.sum(axis=(1, 2)).astype(np.float64)
    names = [f"{name}_{what}" for name in crops.channels for what in ("level", "spread")]
    tints = [(a, b) for a in range(len(crops.channels)) for b in range(a)]
    names += [f"{crops.channels[a]}_minus_{crops.channels[b]}" for a, b in tints]
    light, outlines, kept = [], [], []
    for key in sorted(set(own)):
        at = np.flatnonzero([each == key for each in own])
        pixels = np.concatenate([crops.crops[k][:, free[k]] for k in at], axis=1).astype(np.float64)
        if pixels.shape[1] < FEWEST_FREE:
            continue
        level = np.median(pixels, axis=1)
        spread = np.subtract(*np.percentile(pixels, [75, 25], axis=1))
        each = [x for pair in zip(level, spread, strict=True) for x in pair]
        light.append([*each, *(level[a] - level[b] for a, b in tints)])
        cells = at[area[at] > 0]
        size = area[cells].mean() if len(cells) else np.nan
        outlines.append([size, crops.foreground[cells].mean() if len(cells) else np.nan])
        kept.append(key)
    return FieldStatistics(
        [key[2] for key in kept],
        [key[3] for key in kept],
        np.asarray(light, dtype=np.float64).reshape(len(kept), len(names)),
        names,
        np.asarray(outlines, dtype=np.float64).reshape(len(kept), 2),
        ["mean_area_px", "share_covered"],
    )


def constant_level(crops: CropSet, halo_px: int) -> Floats:
    """One background level per channel for the whole set: median of the crops' own levels."""
    level = free_level(crops, halo_px)
    if np.isfinite(level).all(axis=1).any():
        return np.asarray(np.nanmedian(level, axis=0), dtype=np.float32)
    return np.zeros(len(crops.channels), dtype=np.float32)


def _quantile_bin(values: npt.NDArray[Any], bins: int) -> npt.NDArray[np.int64]:
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(np.unique(edges), values, side="left").astype(np.int64)
