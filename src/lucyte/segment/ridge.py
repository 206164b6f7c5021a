r"""Tubes (mitochondria, microtubules): where light bends sharply across a line, not along it.

With :math:`H` the Hessian of the square root of the light after a Gaussian of :math:`\sigma`,
scaled by :math:`\sigma^2`, and :math:`\lambda_1 \le \lambda_2 (\le \lambda_3)` its eigenvalues, the
response is the largest over three scales of :math:`-\lambda_1` in 2-D and :math:`-\lambda_2` in
3-D: the bend in the direction across the tube in which it is weakest. In noises of its background
it is followed from its strong places into weaker ones that hang together with them, so that a dim
stretch does not cut a tube.

References
----------
Sato et al. 1998, doi 10.1016/S1361-8415(98)80009-1; Frangi et al. 1998, doi 10.1007/BFb0056195;
Canny 1986 (two levels), doi 10.1109/TPAMI.1986.4767851.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import ndimage as ndi

from lucyte.schema.objects import Labels
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.light import finite
from lucyte.segment.operations import Mask, label
from lucyte.segment.outline import renumber
from lucyte.segment.spots import in_noises

TUBE_PX = 4.0
_SCALES = (0.3, 0.42, 0.6)
_FINEST = 0.8
_STRONG, _WEAK = 6.0, 2.5
_SHARE = 0.35

Floats = npt.NDArray[np.float32]


def find_ridges(
    planes: Sequence[npt.NDArray[Any]],
    within: Labels | None,
    settings: ObjectSettings,
    anisotropy: float = 1.0,
) -> Labels:
    """Label tubes; those that touch are one network, in each parent its own.

    Parameters
    ----------
    planes : sequence of array Y X or Z Y X
        Raw channels; responses are summed in units of their noise.
    within : int32 array or None
        Parents; a network ends where its parent does.
    settings : ObjectSettings
        ``diameter_px``: width of a tube (``auto``: 4 px); ``sensitivity`` multiplies both levels;
        ``min_area_px`` (``auto``: the square of twice the width).
    anisotropy : float
        Step in Z over the size of a px, of a stack.

    Returns
    -------
    int32 array of the shape of a plane
    """
    width = TUBE_PX if settings.diameter_px == "auto" else float(settings.diameter_px)
    shape = planes[0].shape
    where = np.ones(shape, dtype=np.bool_) if within is None else within > 0
    if min(shape[-2:]) < 3 or not where.any():
        return np.zeros(shape, np.int32)
    response = np.zeros(shape, np.float32)
    for plane in planes:
        response += in_noises(ridge_response(finite(plane), width, anisotropy), where)
    response /= np.float32(np.sqrt(len(planes)))
    steps = (anisotropy, 1.0, 1.0)[-len(shape) :]
    mask = _followed(response, settings.sensitivity, [width / step for step in steps]) & where
    owner = mask.astype(np.int32) if within is None else np.where(mask, within, 0)
    least = (2 * width) ** 2 if settings.min_area_px == "auto" else float(settings.min_area_px)
    found = label(owner, diagonal=True)
    keep = np.bincount(found.reshape(-1)) >= least
    keep[0] = False
    return renumber(np.where(keep[found], found, 0).astype(np.int32))


def ridge_response(plane: Floats, width_px: float, anisotropy: float = 1.0) -> Floats:
    """Bend across the tube, the largest over three scales.

    Parameters
    ----------
    plane : float32 array Y X or Z Y X
    width_px : float
        Width of a tube in px of Y and X.
    anisotropy : float
        Step in Z over the size of a px.

    Returns
    -------
    float32 array of the same shape
        Negative where the light bends the other way.
    """
    root = np.sqrt(np.maximum(plane - plane.min(), 0)).astype(np.float32)
    best: Floats | None = None
    for scale in _SCALES:
        sigma = max(scale * width_px, _FINEST)
        steps = (anisotropy, 1.0, 1.0)[-plane.ndim :]
        each = _across(scaled_hessian(root, [sigma / step for step in steps]))
        best = each if best is None else np.maximum(best, each)
    assert best is not None
    return best


def scaled_hessian(values: Floats, sigmas: Sequence[float]) -> Floats:
    """Second derivatives times the two sigmas; pairs of axes in the order 00, 01, (02,) 11, ...

    Returns
    -------
    float32 array, 3 or 6 by the shape of ``values``
    """
    smooth = ndi.gaussian_filter(values, sigmas, mode="nearest")
    parts = []
    for i in range(values.ndim):
        # Differences: derivatives of a Gaussian narrower than a plane would not add up to 0.
        first = ndi.correlate1d(smooth, (-0.5, 0, 0.5), axis=i, mode="nearest")
        for j in range(i, values.ndim):
            if i == j:
                part = ndi.correlate1d(smooth, (1, -2, 1), axis=i, mode="nearest")
            else:
                part = ndi.correlate1d(first, (-0.5, 0, 0.5), axis=j, mode="nearest")
            parts.append(part * np.float32(sigmas[i] * sigmas[j]))
    return np.stack(parts)


def _across(hessian: Floats) -> Floats:
    flat = np.ascontiguousarray(hessian.reshape(len(hessian), -1))
    bend = _second_of_three(flat) if len(hessian) == 6 else _first_of_two(flat)
    out: Floats = -np.asarray(bend, dtype=np.float32).reshape(hessian.shape[1:])
    return out


def _followed(response: Floats, sensitivity: float, reach: Sequence[float]) -> Mask:
    """Above the weak level and hanging together with a px above the strong one.

    Beside a bright tube the weak level would lie in its halo: a px also needs a share of the
    strongest response within one width.
    """
    weak = response > _WEAK * sensitivity
    strongest = ndi.maximum_filter(response, size=[max(1, round(each)) | 1 for each in reach])
    weak &= response > _SHARE * strongest
    pieces = label(weak, diagonal=True)
    strong = np.zeros(int(pieces.max()) + 1, dtype=np.bool_)
    strong[pieces[response > _STRONG * sensitivity]] = True
    strong[0] = False
    out: Mask = strong[pieces]
    return out


@njit(cache=True)
def _first_of_two(h: Any) -> Any:  # pragma: no cover
    """Smallest eigenvalue of each symmetric 2 x 2 matrix."""
    out = np.empty(h.shape[1], np.float32)
    for i in range(h.shape[1]):
        middle = 0.5 * (h[0, i] + h[2, i])
        half = 0.5 * (h[0, i] - h[2, i])
        out[i] = middle - np.sqrt(half * half + h[1, i] * h[1, i])
    return out


@njit(cache=True)
def _second_of_three(h: Any) -> Any:  # pragma: no cover
    """Middle eigenvalue of each symmetric 3 x 3 matrix, by the cosine of a third of an angle."""
    out = np.empty(h.shape[1], np.float32)
    for i in range(h.shape[1]):
        a, b, c = float(h[0, i]), float(h[1, i]), float(h[2, i])
        d, e, f = float(h[3, i]), float(h[4, i]), float(h[5, i])
        q = (a + d + f) / 3
        p = (a - q) ** 2 + (d - q) ** 2 + (f - q) ** 2 + 2 * (b * b + c * c + e * e)
        p = np.sqrt(p / 6)
        if p < 1e-12:
            out[i] = q
            continue
        x, y, z = (a - q) / p, (d - q) / p, (f - q) / p
        u, v, w = b / p, c / p, e / p
        r = 0.5 * (x * (y * z - w * w) - u * (u * z - w * v) + v * (u * w - y * v))
        angle = np.arccos(min(1.0, max(-1.0, r))) / 3
        largest = q + 2 * p * np.cos(angle)
        smallest = q + 2 * p * np.cos(angle + 2 * np.pi / 3)
        out[i] = 3 * q - largest - smallest
    return out
