"""How large the objects of an image are, asked of the network itself.

The network knows objects over a wide range of sizes and says how large they are. It looks at a
small picture of the whole image and at pieces at finer scales; where it sees most, its answer sets
the next scale, until the answer stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.grouping import find_peaks, suppress
from lucyte.networks.object_network import ObjectConfig
from lucyte.networks.resample import sample_window
from lucyte.networks.views import Scale

Floats = npt.NDArray[np.float32]
LOOK_PX = 320
"""Side of what is looked at, in network px."""
SURE = 0.35
"""Score of an object that counts."""
SMALLEST_PX, LARGEST_PX = 5.0, 600.0


def estimate_diameter(
    image: npt.NDArray[Any],
    scales: list[Scale],
    config: ObjectConfig,
    maps_of: Callable[[Floats, list[Scale]], Floats],
) -> float | None:
    """Typical diameter (square root of the box area) of the objects, in image px.

    Parameters
    ----------
    image : array C Y X
    scales : list of Scale
        One per channel.
    config : ObjectConfig
    maps_of : callable
        The network's answer over a window of resampled raw pixels.

    Returns
    -------
    float or None
        None where the network sees nothing at any scale.
    """
    longest = max(image.shape[1:])
    coarse = longest / LOOK_PX
    looks = [_look(image, ratio, scales, config, maps_of) for ratio in _ratios(coarse)]
    best = max(looks, key=lambda each: each[1])
    if best[0] is None:
        return None
    diameter = best[0]
    for _ in range(2):
        ratio = diameter / config.diameter_px
        again, _seen = _look(image, ratio, scales, config, maps_of)
        if again is None:
            break
        settled = abs(np.log(again / diameter)) < 0.12
        diameter = again
        if settled:
            break
    return float(np.clip(diameter, SMALLEST_PX, LARGEST_PX))


def _ratios(coarse: float) -> list[float]:
    """Scales to look at: the whole image small, then finer by 2.5 down to half a px per px."""
    ratios = [max(coarse, 0.5)]
    while ratios[-1] > 0.6:
        ratios.append(max(ratios[-1] / 2.5, 0.45))
    return ratios


def _look(
    image: npt.NDArray[Any],
    ratio: float,
    scales: list[Scale],
    config: ObjectConfig,
    maps_of: Callable[[Floats, list[Scale]], Floats],
) -> tuple[float | None, float]:
    """Diameter seen at one scale, and how much of the view is surely object."""
    shape = [int(np.ceil(side / ratio)) for side in image.shape[1:]]
    side = (min(LOOK_PX, shape[0]), min(LOOK_PX, shape[1]))
    origin = _busiest(image, ratio, side, scales)
    maps = maps_of(sample_window(image, ratio, origin, side), scales)
    peaks = find_peaks(maps, SURE)
    peaks = peaks.take(suppress(peaks))
    sizes = np.sqrt(np.prod(peaks.boxes[:, 2:] - peaks.boxes[:, :2], axis=1)) * config.stride
    low, high = config.diameters_px
    fits = (sizes > 0.6 * low) & (sizes < 1.5 * high)
    sizes, sure = sizes[fits], peaks.score[fits]
    if len(sizes) == 0:
        return None, 0.0
    seen = float((sure * sizes**2).sum() / (side[0] * side[1]))
    order = np.argsort(sizes)
    weight = np.cumsum((sure * sizes)[order])
    middle = sizes[order][np.searchsorted(weight, weight[-1] / 2)]
    return float(middle * ratio), seen


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
