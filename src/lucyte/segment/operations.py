"""The image operations of scikit-image that segmentation is made of, with types."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Level = Literal["otsu", "li", "triangle"]


def label(array: npt.NDArray[Any], diagonal: bool = False) -> npt.NDArray[np.int64]:
    """Connected pieces of equal value, 1 to n; 0 stays 0."""
    from skimage import measure

    return np.asarray(
        measure.label(array, background=0, connectivity=array.ndim if diagonal else 1),  # type: ignore[no-untyped-call]
        dtype=np.int64,
    )


def flood(relief: npt.NDArray[Any], seeds: npt.NDArray[Any], mask: Mask) -> npt.NDArray[np.int32]:
    """Watershed of a relief from labelled seeds, within a mask.

    References
    ----------
    Vincent & Soille 1991, doi 10.1109/34.87344.
    """
    from skimage import segmentation

    return np.asarray(
        segmentation.watershed(relief, seeds, mask=mask),  # type: ignore[no-untyped-call]
        dtype=np.int32,
    )


def rebuild(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Morphological reconstruction by dilation of ``low`` under ``high``."""
    from skimage import morphology

    return np.asarray(morphology.reconstruction(low, high))  # type: ignore[no-untyped-call]


def level(values: npt.NDArray[Any], method: Level) -> float:
    """One threshold for all px.

    References
    ----------
    Otsu 1979, doi 10.1109/TSMC.1979.4310076; Li & Tam 1998, doi 10.1016/S0167-8655(98)00057-9;
    Zack et al. 1977 (triangle), doi 10.1177/25.7.70454.
    """
    from skimage import filters

    rules: dict[str, Any] = {
        "otsu": filters.threshold_otsu,
        "li": filters.threshold_li,
        "triangle": filters.threshold_triangle,
    }
    return float(rules[method](values))


def expand(labels: npt.NDArray[np.int32], distance_px: float) -> npt.NDArray[np.int32]:
    """Labels grown by a distance, each px to the nearest."""
    from skimage import segmentation

    return np.asarray(
        segmentation.expand_labels(labels, distance_px),  # type: ignore[no-untyped-call]
        dtype=np.int32,
    )


def fill_holes(mask: Mask, largest_px: float) -> Mask:
    """Fill holes of at most ``largest_px`` px that do not touch the image border."""
    outside = label(~mask)
    area = np.bincount(outside.reshape(-1))
    small = area <= largest_px
    small[0] = False
    for edge in (outside[0], outside[-1], outside[:, 0], outside[:, -1]):
        small[edge] = False
    filled: Mask = mask | small[outside]
    return filled


def opened(mask: Mask, side: float) -> Mask:
    """Opening by a cross of a sixteenth of ``side``; the image border erodes nothing."""
    from scipy import ndimage as ndi

    times = max(1, int(side / 16))
    eroded = ndi.binary_erosion(mask, iterations=times, border_value=1)
    out: Mask = ndi.binary_dilation(eroded, iterations=times) & mask
    return out


def h_maxima(relief: npt.NDArray[np.float32], height: float) -> npt.NDArray[np.int64]:
    """Label the maxima that rise at least ``height`` above the pass to a higher one."""
    lowered = rebuild(relief - height, relief)
    step = 1e-3 * height
    flat = rebuild(lowered - step, lowered)
    return label(lowered - flat > 0.5 * step)
