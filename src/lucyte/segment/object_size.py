"""At which scale the objects of an image are looked at, asked of the network itself.

The network knows objects over a wide range of sizes, does equally well over the middle of it, and
says how large they are. It looks at a small picture of the whole image and at pieces at finer
scales; where it sees most sets the scale. A scale that shows objects of a middle size is taken as
it is, and so is the answer where that look held the whole image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.grouping import Peaks, find_peaks, suppress
from lucyte.networks.object_network import ObjectConfig
from lucyte.networks.resample import halvings, sample_window
from lucyte.networks.views import Scale

Floats = npt.NDArray[np.float32]
MapsOf = Callable[[Floats, list[Scale]], Floats]
"""The network's answer over a window of resampled raw pixels."""
LOOK_PX = 256
"""Side of what is looked at, in network px."""
STEP = 3.0
"""From one look to the next finer; the network's range of sizes is three times as wide."""
FINEST, FINER_STILL = 0.9, 0.45
"""Image px per network px of the finest look, and of the one that is tried where none sees."""
NEARLY = 1.25
"""A look at the whole image that is this near to the finest is the finest."""
MAY_REPEAT_PX = 300_000
"""An image of fewer network px is looked at as a whole at once, and once more if need be."""
SURE = 0.35
"""Score of an object that counts."""
AIM = 0.86
"""Diameter to work at, in diameters that the model names: as good, and a quarter less to do."""
FITS = (0.65, 1.45)
"""Diameters, in the same, at which the network does as well."""
SMALLEST_PX, LARGEST_PX = 5.0, 600.0


@dataclass(frozen=True)
class Look:
    """What was seen at one scale.

    Attributes
    ----------
    ratio : float
        Image px per network px.
    size_px : float or None
        Typical diameter in network px; None where nothing is sure.
    seen : float
        Share of the view that is surely object.
    whole : float array K Y X or None
        The answer, where the look held the whole image.
    """

    ratio: float
    size_px: float | None
    seen: float = 0.0
    whole: Floats | None = None


def working_ratio(diameter_px: float, config: ObjectConfig) -> float:
    """Image px per network px for objects of an estimated diameter in image px."""
    size = float(np.clip(diameter_px, SMALLEST_PX, LARGEST_PX))
    return size / (AIM * config.diameter_px)


def fits(size_px: float | None, config: ObjectConfig) -> bool:
    """Whether objects of a diameter in network px are seen as well as any."""
    low, high = (each * config.diameter_px for each in FITS)
    return size_px is not None and low <= size_px <= high


def typical_size(peaks: Peaks, config: ObjectConfig) -> float | None:
    """Typical diameter (square root of the box area) of the sure ones, in network px.

    The median, each object counting by its score and diameter; None where none is sure.
    """
    size, sure = _sizes(peaks, config)
    if len(size) == 0:
        return None
    order = np.argsort(size, kind="stable")
    weight = np.cumsum((sure * size)[order])
    return float(size[order][np.searchsorted(weight, weight[-1] / 2)])


def find_scale(
    image: npt.NDArray[Any], scales: list[Scale], config: ObjectConfig, maps_of: MapsOf
) -> Look | None:
    """The scale at which the objects of an image are to be looked at.

    Parameters
    ----------
    image : array C Y X
    scales : list of Scale
        One per channel.
    config : ObjectConfig
    maps_of : callable

    Returns
    -------
    Look or None
        With the answer where it is there already; None where the network sees nothing at any
        scale.
    """

    def look(ratio: float) -> Look:
        return _look(image, ratio, scales, config, maps_of)

    looks = [look(ratio) for ratio in _ratios(max(image.shape[1:]))]
    if not any(each.size_px for each in looks):
        # Smaller than any look shows them, or as large as the image itself.
        looks = [look(FINER_STILL), look(max(image.shape[1:]) / config.diameters_px[1])]
    best = max(looks, key=lambda each: each.seen)
    if best.size_px is None or fits(best.size_px, config):
        return best if best.size_px else None
    ratio = working_ratio(best.size_px * best.ratio, config)
    if image[0].size <= MAY_REPEAT_PX * ratio**2:
        return Look(ratio, None)
    again = look(ratio)
    if again.size_px is None or fits(again.size_px, config):
        return again
    return Look(working_ratio(again.size_px * again.ratio, config), None)


def _ratios(longest: int) -> list[float]:
    """Scales to look at: the whole image small, then finer in even steps to about one to one."""
    coarse = max(longest / LOOK_PX, FINEST)
    steps = int(np.ceil(np.log(coarse / FINEST / NEARLY) / np.log(STEP)))
    if steps < 1:
        return [coarse]
    return [float(each) for each in np.geomspace(coarse, FINEST, steps + 1)]


def _look(
    image: npt.NDArray[Any],
    ratio: float,
    scales: list[Scale],
    config: ObjectConfig,
    maps_of: MapsOf,
) -> Look:
    shape = tuple(max(1, int(np.ceil(side / ratio))) for side in image.shape[1:])
    side = (min(LOOK_PX, shape[0]), min(LOOK_PX, shape[1]))
    origin = _busiest(image, ratio, side, scales)
    window = sample_window(image, ratio, origin, side)
    maps = maps_of(window, [scale.averaged(2 ** halvings(ratio)) for scale in scales])
    peaks = find_peaks(maps, SURE)
    peaks = peaks.take(suppress(peaks))
    size, sure = _sizes(peaks, config)
    seen = float((sure * size**2).sum() / (side[0] * side[1]))
    return Look(ratio, typical_size(peaks, config), seen, maps if side == shape else None)


def _sizes(peaks: Peaks, config: ObjectConfig) -> tuple[Floats, Floats]:
    """Diameters in network px, and scores, of the sure peaks in or near the range learned."""
    sizes = np.sqrt(np.prod(peaks.boxes[:, 2:] - peaks.boxes[:, :2], axis=1)) * config.stride
    low, high = config.diameters_px
    keep = (sizes > 0.6 * low) & (sizes < 1.5 * high) & (peaks.score >= SURE)
    return sizes[keep], peaks.score[keep]


def _busiest(
    image: npt.NDArray[Any], ratio: float, side: tuple[int, ...], scales: list[Scale]
) -> tuple[int, int]:
    """Corner, in network px, of the window with most light above the dark end."""
    height, width = image.shape[1:]
    if side[0] * ratio >= height and side[1] * ratio >= width:
        return 0, 0
    step = max(1, int(max(height, width) / 256))
    light = np.zeros(image[0, ::step, ::step].shape, np.float64)
    for plane, scale in zip(image, scales, strict=True):
        if not scale.flat:
            above = (np.nan_to_num(plane[::step, ::step].astype(np.float64)) - scale.low) / (
                scale.high - scale.low
            )
            light += np.clip(above, 0, 1)
    from scipy import ndimage as ndi

    window = [max(1, int(each * ratio / step)) for each in side]
    mean = ndi.uniform_filter(light, window, mode="constant")
    y, x = np.unravel_index(int(mean.argmax()), mean.shape)
    corner = []
    for at, own, length in zip((y, x), side, (height, width), strict=True):
        start = at * step / ratio - own / 2
        corner.append(int(np.clip(start, 0, max(0.0, length / ratio - own))))
    return corner[0], corner[1]
