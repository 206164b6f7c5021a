"""Centre-line Dice: whether thin things are whole, however thick they were drawn."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.stats.foreground import Mask, two_masks


def cl_dice(truth: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> float:
    r"""Harmonic mean of the shares of each skeleton that lie in the other mask.

    ``clDice = 2 Tp Ts / (Tp + Ts)`` with ``Tp = |S_P n V_T| / |S_P|`` and
    ``Ts = |S_T n V_P| / |S_T|``; V is a mask, S its skeleton.

    Parameters
    ----------
    truth, prediction : integer or bool array, Y X or Z Y X
        Not 0 is foreground.

    Returns
    -------
    float
        In [0, 1]; 0 where one of both is empty; nan where both are, or where thinning leaves
        nothing of a mask, as it may of a box two voxels thick.

    Raises
    ------
    UsageError
        Shapes differ, or an array holds fractions.

    References
    ----------
    Shit et al. 2021, doi 10.1109/CVPR46437.2021.01629.
    """
    first, second = two_masks(truth, prediction)
    if not first.any() and not second.any():
        return math.nan
    if not first.any() or not second.any():
        return 0.0
    line_first, line_second = skeleton(first), skeleton(second)
    if not line_first.any() or not line_second.any():
        return math.nan
    precision = float((line_second & first).sum() / line_second.sum())
    sensitivity = float((line_first & second).sum() / line_first.sum())
    both = precision + sensitivity
    return 2 * precision * sensitivity / both if both else 0.0


def skeleton(mask: Mask) -> Mask:
    """Centre lines one pixel wide, as scikit-image draws them; parts and holes stay as many.

    In the plane a variant of Zhang and Suen 1984 (doi 10.1145/357994.358023), in volumes after Lee
    et al. 1994 (doi 10.1006/cgip.1994.1042).
    """
    morphology: Any = import_module("skimage.morphology")  # untyped
    thin: Mask = morphology.skeletonize(mask).astype(np.bool_)
    return thin
