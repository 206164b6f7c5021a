"""Is it an object? Judged by how it stands out, how sharp it ends and how convex it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.measure.regions import Regions, regions
from lucyte.measure.shape import shape_features
from lucyte.schema.objects import Labels
from lucyte.segment.light import Plane
from lucyte.segment.operations import expand
from lucyte.segment.outline import object_levels

_EVIDENT, _RAGGED = 5.0, 0.85
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Standard:
    """What an object must reach.

    Attributes
    ----------
    contrast : float
        Upper quartile of its light, in spreads of the background, if it ends sharply.
    blurred : float
        How much more contrast is asked for per share of its light found around it.
    around : float
        At most this share of that light in the ring an eighth of a diameter wide around it,
        where no other object is.
    solidity : float
        Share of its convex hull that it fills; 0.85 of this where its light is five times what is
        asked for: what stands out so is there, if ragged.
    """

    contrast: float
    blurred: float
    around: float
    solidity: float


NUCLEUS = Standard(contrast=3.0, blurred=20.0, around=0.42, solidity=0.87)
CELL = Standard(contrast=3.0, blurred=10.0, around=0.7, solidity=0.7)


def accept(
    labels: Labels, linear: Plane, side: float, standard: Standard, sensitivity: float = 1.0
) -> Labels:
    """Only the objects that reach the standard.

    Parameters
    ----------
    labels : int32 array Y X
    linear : float32 array Y X
        Light above background in units of its spread.
    side : float
        Diameter of a typical object in px.
    standard : Standard
    sensitivity : float
        Multiplies the contrast asked for.
    """
    listed = regions(labels)
    if len(listed) == 0:
        return labels
    solidity = shape_features(listed)["solidity"]
    light = object_levels(linear, labels, 1.0)[listed.labels]
    around = np.maximum(_ring_median(labels, linear, listed, side), 0)
    asked = standard.contrast + standard.blurred * around / np.maximum(light, 1e-12)
    good = (
        (light >= asked * sensitivity)
        & (around <= standard.around * light)
        & (solidity >= np.where(light >= _EVIDENT * asked, _RAGGED, 1.0) * standard.solidity)
    )
    keep = np.zeros(int(listed.labels[-1]) + 1, dtype=bool)
    keep[listed.labels[good]] = True
    out: Labels = np.where(keep[labels], labels, 0).astype(np.int32)
    return out


def roundness(labels: Labels) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Labels, the share each has of the ellipse with its moments, and its solidity."""
    listed = regions(labels)
    shape = shape_features(listed)
    axes = np.maximum(shape["major_axis_px"], 1) * np.maximum(shape["minor_axis_px"], 1)
    return listed.labels, shape["area_px"] / (np.pi / 4 * axes), shape["solidity"]


def _ring_median(labels: Labels, linear: Plane, listed: Regions, side: float) -> Floats:
    """Median light just outside each object; 0 where other objects leave no room."""
    ring = expand(labels, max(2.0, side / 8))
    ring[labels > 0] = 0
    count = np.bincount(ring.reshape(-1), minlength=int(listed.labels[-1]) + 1)[listed.labels]
    out = np.zeros(len(listed))
    here = count > 0
    if here.any():
        out[here] = ndi.median(linear, ring, listed.labels[here])
    return out
