"""Values of overlapping patches back in the field, without seams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
FLOOR = 1e-3
"""Weight at a patch's border over that at its centre: a px that only borders reach still counts."""


def weights_for_stitching(side_px: int) -> Floats:
    r"""How much each px of a patch says about the field: most at the centre, little at the border.

    .. math:: w(y, x) = h(y)\,h(x), \quad
        h(i) = \max(\sin^2(\pi (i + 1/2) / n),\ 10^{-3})

    Of patches that overlap by half the weights add up to one.

    Parameters
    ----------
    side_px : int

    Returns
    -------
    float array Y X
    """
    if side_px < 1:
        raise UsageError(f"a patch is 1 px or more on a side, got {side_px}.")
    line = np.maximum(np.sin(np.pi * (np.arange(side_px) + 0.5) / side_px) ** 2, FLOOR)
    return np.outer(line, line)


def stitch(
    values: npt.NDArray[Any],
    y0_px: Sequence[int] | npt.NDArray[np.int64],
    x0_px: Sequence[int] | npt.NDArray[np.int64],
    shape_yx: tuple[int, int],
    side_px: int | None = None,
) -> Floats:
    r"""Weighted mean of patches in the field; nan where no patch lies.

    .. math:: F(p) = \sum_k w(p - p_k)\, v_k(p - p_k) \Big/ \sum_k w(p - p_k)

    Parameters
    ----------
    values : array N, or N Y X
        One value per patch, or one per px of it (a heat map).
    y0_px, x0_px : int arrays N
        First px of each patch.
    shape_yx : pair of int
        Size of the field.
    side_px : int, optional
        Side of a patch where ``values`` has one value each.

    Raises
    ------
    UsageError
        Lengths that differ, a patch outside the field, no side.
    """
    if values.ndim not in (1, 3) or not len(values) == len(y0_px) == len(x0_px):
        raise UsageError(
            f"stitching takes N or N Y X values and N places, got {values.shape}, {len(y0_px)} "
            f"and {len(x0_px)}."
        )
    side = int(values.shape[1]) if values.ndim == 3 else side_px
    if side is None or (values.ndim == 3 and values.shape[2] != side):
        raise UsageError("stitching needs square patches, or side_px where values are single.")
    weight = weights_for_stitching(side)
    total, light = np.zeros(shape_yx), np.zeros(shape_yx)
    for value, y, x in zip(values, y0_px, x0_px, strict=True):
        if y < 0 or x < 0 or y + side > shape_yx[0] or x + side > shape_yx[1]:
            raise UsageError(f"the patch at y {y}, x {x} leaves the field {shape_yx}.")
        light[y : y + side, x : x + side] += weight * value
        total[y : y + side, x : x + side] += weight
    out: Floats = np.divide(light, total, out=np.full(shape_yx, np.nan), where=total > 0)
    return out
