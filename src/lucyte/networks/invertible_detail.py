r"""What lies finer than the broad light of a crop, in its own contrast, and where in the crop.

With :math:`u` the prepared planes of a crop, :math:`b` its *broad* light (running medians along
rows and columns over a quarter of the crop, both orders averaged, so that quarter turns and mirrors
change nothing) and :math:`s` how much the detail there usually differs,

.. math:: e = (u - b) / s

is the *detail*: one vector of all channels per px. Px are told apart by *zone*, a quarter of the
crop's px each, from where its broad light is least to where it is most; :math:`s` is the lower
30 % of :math:`|u - b|` in the zone, so what few bright spots do leaves it alone. How bright a cell
is, how large and of what shape stays in :math:`b` and :math:`s`.

Where spots crowd, medians move with them, so classes differ a little in :math:`b` as well. That is
kept as the *levels* of a class, the mean of :math:`b` over its crops by channel and zone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
ZONES = 4
COMMON = 0.3
"""Share of px whose detail is smaller than what counts as 1."""
REMEMBERED = 12_000
"""Vectors of detail kept per class and zone."""
LEAST = 0.02
"""Added to every scale, in deviations of the channel, so that a flat crop has no detail."""


@dataclass(frozen=True, eq=False)
class Detail:
    """Planes taken apart.

    Attributes
    ----------
    broad : float array N C H W
        Prepared units.
    fine : float array N C H W
        e above.
    scale : float array N C H W
        s above, prepared units.
    zone : int array N H W
        0 where the broad light is least.
    """

    broad: Floats
    fine: Floats
    scale: Floats
    zone: npt.NDArray[np.int64]

    def planes(self, fine: Floats) -> Floats:
        """Put together again, with other detail."""
        return self.broad + fine * self.scale


def take_apart(planes: Floats) -> Detail:
    """Broad light and detail of prepared planes ``N C H W``."""
    broad = broad_light(planes)
    n, channels, height, width = planes.shape
    rest = (planes - broad).reshape(n, channels, -1)
    order = np.argsort(broad.sum(axis=1).reshape(n, -1), axis=1, kind="stable")
    scale, zone = np.ones_like(rest), np.zeros((n, height * width), dtype=np.int64)
    for k, px in enumerate(np.array_split(order, ZONES, axis=1)):
        here = np.take_along_axis(np.abs(rest), px[:, None], axis=2)
        size = np.quantile(here, COMMON, axis=2, keepdims=True) + LEAST
        everywhere = np.broadcast_to(px[:, None], here.shape)
        np.put_along_axis(scale, everywhere, np.broadcast_to(size, here.shape), axis=2)
        np.put_along_axis(zone, px, k, axis=1)
    shape = planes.shape
    return Detail(
        broad,
        (rest / scale).reshape(shape),
        scale.reshape(shape),
        zone.reshape(n, height, width),
    )


def broad_light(planes: Floats) -> Floats:
    """Running medians over a quarter of the crop, along rows and columns, both orders averaged."""
    reach = planes.shape[-1] // 4 // 2 * 2 + 1
    across, down = (1, 1, 1, reach), (1, 1, reach, 1)
    first = median_filter(median_filter(planes, across, mode="reflect"), down, mode="reflect")
    second = median_filter(median_filter(planes, down, mode="reflect"), across, mode="reflect")
    return np.asarray(0.5 * (first + second), dtype=np.float64)


def remember(
    planes: Floats,
    said: npt.NDArray[np.int64],
    classes: int,
    seed: int,
    apart: Detail | None = None,
) -> npt.NDArray[np.float32]:
    """Detail of crops by class and zone.

    Parameters
    ----------
    planes : float array N C H W
        Prepared.
    said : int array N
        The class each crop is predicted.
    classes : int
    seed : int
        Which px are remembered.
    apart : Detail, optional
        The planes taken apart, where that is done already.

    Returns
    -------
    float32 array K Z M C
        nan for a class without any crop.
    """
    shape = (classes, ZONES, REMEMBERED, planes.shape[1])
    out = np.full(shape, np.nan, dtype=np.float32)
    apart, chance = apart or take_apart(planes), np.random.default_rng(seed)
    vectors = apart.fine.transpose(0, 2, 3, 1)
    for k in np.unique(said):
        own = said == k
        for zone in range(ZONES):
            found = vectors[own][apart.zone[own] == zone]
            out[k, zone] = found[chance.choice(len(found), REMEMBERED, len(found) < REMEMBERED)]
    return out


def broad_levels(
    planes: Floats, said: npt.NDArray[np.int64], classes: int, apart: Detail | None = None
) -> Floats:
    """Mean broad light of crops by class, channel and zone.

    Parameters
    ----------
    planes : float array N C H W
        Prepared.
    said : int array N
        The class each crop is predicted.
    classes : int
    apart : Detail, optional
        See `remember`.

    Returns
    -------
    float array K C Z
        Prepared units; nan for a class without any crop.
    """
    apart = apart or take_apart(planes)
    out = np.full((classes, planes.shape[1], ZONES), np.nan)
    for k in np.unique(said):
        own = said == k
        light = apart.broad[own].transpose(0, 2, 3, 1)
        for zone in range(ZONES):
            out[k, :, zone] = light[apart.zone[own] == zone].mean(axis=0)
    return out


def over_zones(broad: Floats, levels: Floats) -> Floats:
    """Numbers by channel and zone as planes, without a step where zones meet.

    A px of rank r among the P of its crop (by broad light, all channels added; alike px share
    their mean rank, from 1) lies at Z (r - 1/2) / P - 1/2 between the middles of zones, and takes
    the number there by linear interpolation, that of the outermost zone beyond its middle.

    Parameters
    ----------
    broad : float array N C H W
    levels : float array C Z

    Returns
    -------
    float array N C H W
    """
    n, _, height, width = broad.shape
    rank = rankdata(broad.sum(axis=1).reshape(n, -1), axis=1)
    zones = levels.shape[1]
    at = zones * (rank - 0.5) / (height * width) - 0.5
    each = [np.interp(at, np.arange(zones), row) for row in levels]
    return np.stack(each, axis=1).reshape(n, len(levels), height, width)
