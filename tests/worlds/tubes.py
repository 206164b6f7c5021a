"""Curved tubes in cells, with their masks and centre lines known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi


@dataclass(frozen=True)
class Tubes:
    """Counts, the tubes' own mask, their centre lines, and the cells they lie in."""

    image: npt.NDArray[np.uint16]
    mask: npt.NDArray[np.bool_]
    line: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.int32]


def tubes(
    seed: int = 0,
    *,
    shape: tuple[int, ...] = (200, 260),
    number: int = 14,
    width: float = 4.0,
    light: float = 120.0,
    haze: float = 60.0,
    anisotropy: float = 1.0,
) -> Tubes:
    """Random curves in two cells; a third of the brightness varies along each.

    shape: Y X or Z Y X; width and blur in px of Y and X.
    """
    rng = np.random.default_rng(seed)
    steps = np.array((anisotropy, 1.0, 1.0))[-len(shape) :]
    cells = _two_cells(shape)
    line = np.zeros(shape, np.bool_)
    bright = np.zeros(shape)
    for _ in range(number):
        at = rng.uniform(0.25, 0.75, len(shape)) * shape * steps
        heading = rng.normal(size=len(shape))
        own = rng.uniform(0.5, 1.5)
        for k in range(int(rng.uniform(60, 160))):
            heading += 0.25 * rng.normal(size=len(shape))
            heading /= np.linalg.norm(heading)
            at = at + 0.5 * heading
            px = tuple(np.round(at / steps).astype(int))
            if any(
                p < 2 * (n > 50) or p >= n - 2 * (n > 50) for p, n in zip(px, shape, strict=True)
            ):
                break
            if cells[px] == 0:
                break
            line[px] = True
            bright[px] = own * (1 + 0.5 * np.sin(k / 8))
    near, where = ndi.distance_transform_edt(~line, sampling=steps, return_indices=True)
    mask = near <= width / 2
    signal = np.where(mask, bright[tuple(where)], 0) * light
    blurred = ndi.gaussian_filter(signal, 1.0 / steps)
    out_of_focus = ndi.gaussian_filter((cells > 0) * haze, 6 / steps)
    image = rng.poisson(blurred + out_of_focus + 20).astype(np.uint16)
    return Tubes(image, mask, line, cells)


def _two_cells(shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    plane = np.zeros(shape[-2:], np.int32)
    for k, centre in enumerate((0.27, 0.73), 1):
        inside = ((y / shape[-2] - 0.5) / 0.47) ** 2 + ((x / shape[-1] - centre) / 0.22) ** 2 < 1
        plane[inside] = k
    return np.broadcast_to(plane, shape).copy()


def cl_dice(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> float:
    """Harmonic mean of the shares of either skeleton that lie in the other mask (clDice).

    Shit et al. 2021, doi 10.1109/CVPR46437.2021.01629.
    """
    from skimage.morphology import skeletonize

    thin_true, thin_found = skeletonize(truth), skeletonize(found)
    precision = (thin_found & truth).sum() / max(thin_found.sum(), 1)
    sensitivity = (thin_true & found).sum() / max(thin_true.sum(), 1)
    return float(2 * precision * sensitivity / max(precision + sensitivity, 1e-9))


def dice(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> float:
    """Twice the shared px over the px of both."""
    return float(2 * (truth & found).sum() / max(truth.sum() + found.sum(), 1))
