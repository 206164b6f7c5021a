"""Dimming and swapping channels, exchanging the background of one crop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.explain.perturbation.filling import filled
from lucyte.explain.perturbation.scene import EIGHT, Scene
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
HALO_PX = 2
"""Width around the cell that stays with it: its own blurred light."""


def dim_channel(
    scene: Scene, at: list[int], level: float, k: int, rng: np.random.Generator
) -> Floats:
    """Crop k with this share of a channel's light above the dark level gone, noise with it.

    The dark level is the median outside the cell, or the lowest value where all is cell.
    """
    out: Floats = scene.crops[k].astype(np.float64)
    outside = ~scene.masks[k]
    for channel in at:
        plane = out[channel]
        dark = float(np.median(plane[outside])) if outside.any() else float(plane.min())
        above = plane - dark
        out[channel] = dark + np.where(above > 0, (1 - level) * above, above)
    return out


def swap_channels(
    scene: Scene, at: list[int], level: float, k: int, rng: np.random.Generator
) -> Floats:
    """Crop k with two channels' pictures exchanged, each at the other's mean and deviation."""
    if level != 1:
        raise UsageError(f"channels are swapped or not: level 0 or 1, got {level:g}.")
    out: Floats = scene.crops[k].astype(np.float64)
    first, second = out[at[0]].copy(), out[at[1]].copy()
    out[at[0]] = _levelled(second, first)
    out[at[1]] = _levelled(first, second)
    return out


def _levelled(plane: Floats, like: Floats) -> Floats:
    deviation = float(plane.std())
    shape = (plane - plane.mean()) / deviation if deviation > 0 else plane * 0
    return np.asarray(like.mean() + like.std() * shape, dtype=np.float64)


def exchange_background(
    scene: Scene, at: list[int], level: float, k: int, rng: np.random.Generator
) -> Floats:
    """Crop k with px outside the cell from a cell of another unit; where that cell is, filled.

    Raises
    ------
    UsageError
        All cells are of one unit.
    """
    others = background_donors(scene, k)
    if not len(others):
        raise UsageError(
            f"no crop of another {scene.unit} than {scene.groups[k]} shows anything beside its "
            "cell; a background is exchanged with that of another."
        )
    donor = int(others[rng.integers(len(others))])
    cell = _grown(scene.masks[donor])
    goes = _farthest(_grown(scene.masks[k]), level)
    out: Floats = scene.crops[k].astype(np.float64)
    for channel in at:
        beside = scene.crops[donor, channel].astype(np.float64)
        beside = filled(beside, cell, ~cell, rng, width_px=4.0)
        out[channel] = np.where(goes, beside, out[channel])
    return out


def background_donors(scene: Scene, k: int) -> npt.NDArray[np.int64]:
    """Cells of other units than crop k's whose crops show more than themselves."""
    others = np.flatnonzero(np.asarray(scene.groups, dtype=str) != scene.groups[k])
    fit = [not _grown(scene.masks[other]).all() for other in others]
    return np.asarray(others[np.array(fit, dtype=np.bool_)], dtype=np.int64)


def _grown(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return np.asarray(ndimage.binary_dilation(mask, EIGHT, iterations=HALO_PX), dtype=np.bool_)


def _farthest(stays: npt.NDArray[np.bool_], level: float) -> npt.NDArray[np.bool_]:
    """This share of the px outside, those farthest from the cell first."""
    distance = ndimage.distance_transform_edt(~stays)
    order = np.argsort(-distance, axis=None, kind="stable")
    goes = np.zeros(stays.size, dtype=np.bool_)
    goes[order[: round(level * int((~stays).sum()))]] = True
    return goes.reshape(stays.shape) & ~stays
