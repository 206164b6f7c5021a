r"""Maps of overlapping patches and z-planes back in the field, without seams.

.. math:: F(p) = \sum_k w(p - p_k)\, v_k(p - p_k) \Big/ \sum_k w(p - p_k)

with :math:`w` a window that is highest at a patch's centre: there the network sees a place with its
surroundings, at the border with half of them.

``cosine``: :math:`w = h(y) h(x),\ h(i) = \max(\sin^2(\pi (i + 1/2) / n),\ 10^{-3})`;
``gaussian``: :math:`h(i) = \exp(-\tfrac12 ((i + 1/2 - n/2) / (n/6))^2)`; ``flat``: 1.

References
----------
Overlapping patches with weights for finer heat maps: HISS 2026, doi 10.1007/s13755-025-00425-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]
WINDOWS = ("cosine", "gaussian", "flat")
FLOOR = 1e-3
"""Weight at a patch's border over that at its centre: a px that only borders reach still counts."""


def window(side_px: int, shape: str = "cosine") -> Floats:
    """Weights ``Y X`` of a patch.

    Raises
    ------
    UsageError
        An unknown shape.
    """
    at = np.arange(side_px) + 0.5
    if shape == "cosine":
        line = np.sin(np.pi * at / side_px) ** 2
    elif shape == "gaussian":
        line = np.exp(-0.5 * ((at - side_px / 2) / (side_px / 6)) ** 2)
    elif shape == "flat":
        line = np.ones(side_px)
    else:
        raise unknown("window", shape, WINDOWS)
    line = np.maximum(line, FLOOR)
    return np.outer(line, line)


def stitch(
    maps: npt.NDArray[Any],
    places: Sequence[tuple[int, int, int]] | npt.NDArray[np.int64],
    shape_zyx: tuple[int, int, int],
    shape: str = "cosine",
) -> Floats:
    """Weighted mean of patches in the stack they were cut from.

    Parameters
    ----------
    maps : array N L Y X
        Relevance of square patches.
    places : N (z, y, x)
        Plane and first px of each.
    shape_zyx : triple of int
        Of the field; one plane where it is no stack.
    shape : {"cosine", "gaussian", "flat"}
        Of the window.

    Returns
    -------
    float array L Z Y X
        nan where no patch lies.

    Raises
    ------
    UsageError
        Lengths that differ, patches that are not square or leave the field.
    """
    if maps.ndim != 4 or maps.shape[2] != maps.shape[3] or len(places) != len(maps):
        raise UsageError(
            f"stitching takes square maps N L Y X and a place (z, y, x) for each; got "
            f"{maps.shape} and {len(places)} places."
        )
    side = maps.shape[2]
    weight = window(side, shape)
    light = np.zeros((maps.shape[1], *shape_zyx))
    total = np.zeros(shape_zyx)
    for own, (z, y, x) in zip(maps, np.asarray(places, dtype=np.int64), strict=True):
        high = np.array(shape_zyx) - (1, side, side)
        if min(z, y, x) < 0 or (np.array([z, y, x]) > high).any():
            raise UsageError(f"the patch at z {z}, y {y}, x {x} leaves the field {shape_zyx}.")
        light[:, z, y : y + side, x : x + side] += weight * own
        total[z, y : y + side, x : x + side] += weight
    out: Floats = np.divide(light, total, out=np.full(light.shape, np.nan), where=total > 0)
    return out


def flatten_stack(
    stack: npt.NDArray[Any], weights: Sequence[float] | npt.NDArray[np.float64] | None = None
) -> Floats:
    """Weighted mean over the planes of ``L Z Y X``; planes without a value leave it to the others.

    Parameters
    ----------
    stack : array L Z Y X
        From `stitch`.
    weights : sequence of Z, optional
        How much each plane says, such as its sharpness or the probability the model gave there;
        default all the same.

    Raises
    ------
    UsageError
        Another number of weights than of planes, or weights below 0.
    """
    planes = stack.shape[1]
    given = np.ones(planes) if weights is None else np.asarray(weights, dtype=np.float64)
    if given.shape != (planes,) or not (given >= 0).all():
        raise UsageError(f"{planes} planes need as many weights from 0, got {given.tolist()}.")
    there = np.isfinite(stack) * given[None, :, None, None]
    total = there.sum(axis=1)
    light = (np.nan_to_num(stack) * there).sum(axis=1)
    out: Floats = np.divide(light, total, out=np.full(light.shape, np.nan), where=total > 0)
    return out
