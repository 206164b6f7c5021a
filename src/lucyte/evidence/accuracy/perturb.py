"""Images made harder in known steps, with their truth: noise, density, magnification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.objects import Labels

Image = npt.NDArray[Any]
Change = Callable[[Image, Labels, float, np.random.Generator], tuple[Image, Labels]]
MARGIN_PX = 2


@dataclass(frozen=True)
class Perturbation:
    """One step of a sweep.

    Attributes
    ----------
    name : {"noise", "density", "magnification"}
    level : float
        Noise: standard deviation over the range between the 1st and 99th percentile of a channel.
        Density: objects over objects in the image; below 1 some are taken out, above 1 mirrored
        ones are put where there is room. Magnification: px over px.
    """

    name: str
    level: float

    def apply(self, image: Image, truth: Labels, seed: int = 0) -> tuple[Image, Labels]:
        """Change an image ``Y X`` or ``C Y X`` and its label image ``Y X``.

        Raises
        ------
        UsageError
            Another name, a level or shapes that are none.
        """
        if self.name not in CHANGES:
            raise unknown("perturbation", self.name, CHANGES)
        if image.ndim not in (2, 3) or image.shape[-2:] != truth.shape:
            raise UsageError(f"an image {image.shape} needs a truth Y X, got {truth.shape}.")
        if not (np.isfinite(self.level) and self.level >= 0):
            raise UsageError(f"the level of {self.name} must be 0 or more, got {self.level:g}.")
        change = CHANGES[self.name]
        return change(image, truth, self.level, np.random.default_rng(seed))


def _noise(
    image: Image, truth: Labels, level: float, rng: np.random.Generator
) -> tuple[Image, Labels]:
    if level == 0:
        return image, truth
    low, high = np.percentile(image, [1, 99], axis=(-2, -1), keepdims=True)
    noisy = image + rng.normal(0, 1, image.shape) * level * (high - low)
    return _as(noisy, image), truth


def _magnification(
    image: Image, truth: Labels, level: float, rng: np.random.Generator
) -> tuple[Image, Labels]:
    if level == 0:
        raise UsageError("a magnification of 0 leaves no image.")
    if level == 1:
        return image, truth
    steps = (1.0,) * (image.ndim - 2) + (level, level)
    larger = ndimage.zoom(image.astype(np.float64), steps, order=1, grid_mode=True, mode="nearest")
    labels = ndimage.zoom(truth, level, order=0, grid_mode=True, mode="nearest")
    return _as(larger, image), labels


def _density(
    image: Image, truth: Labels, level: float, rng: np.random.Generator
) -> tuple[Image, Labels]:
    names = np.setdiff1d(np.unique(truth), [0])
    wanted = round(level * len(names))
    if wanted == len(names):
        return image, truth
    if wanted < len(names):
        return _without(image, truth, rng.choice(names, len(names) - wanted, replace=False), rng)
    return _crowded(image, truth, wanted - len(names), rng)


def _without(
    image: Image, truth: Labels, gone: npt.NDArray[Any], rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Fill objects, with a rim, by pixels drawn from the background."""
    taken = np.isin(truth, gone)
    kept = (truth > 0) & ~taken
    hole = ndimage.binary_dilation(taken, iterations=MARGIN_PX) & ~kept
    free = np.flatnonzero(~ndimage.binary_dilation(truth > 0, iterations=MARGIN_PX))
    if not len(free):
        raise UsageError("density cannot be lowered: the image has no background to fill with.")
    from_ = rng.choice(free, np.count_nonzero(hole))
    out = image.copy()
    planes = out.reshape(-1, *truth.shape)
    for plane, own in zip(planes, image.reshape(-1, truth.size), strict=True):
        plane[hole] = own[from_]
    return planes.reshape(image.shape), np.where(taken, 0, truth).astype(truth.dtype)


def _crowded(
    image: Image, truth: Labels, more: int, rng: np.random.Generator
) -> tuple[Image, Labels]:
    """Copy objects of the mirrored image to where they touch nothing."""
    mirrored, labels = image[..., ::-1, ::-1], truth[::-1, ::-1]
    out, result = image.copy(), truth.astype(np.int32)
    places = ndimage.find_objects(labels.astype(np.int32))
    top = int(truth.max())
    names = np.setdiff1d(np.unique(labels), [0])
    for name in rng.permutation(names):
        if not more:
            break
        box = places[int(name) - 1]
        window = tuple(
            slice(max(0, s.start - MARGIN_PX), min(n, s.stop + MARGIN_PX))
            for s, n in zip(box, truth.shape, strict=True)
        )
        shape = labels[window] == name
        rim = ndimage.binary_dilation(shape, iterations=MARGIN_PX)
        if (result[window][rim] > 0).any():
            continue
        top, more = top + 1, more - 1
        result[window][shape] = top
        place: tuple[Any, ...] = (..., *window)
        out[place][..., shape] = mirrored[place][..., shape]
    return out, result.astype(truth.dtype)


def _as(values: npt.NDArray[np.float64], like: Image) -> Image:
    if like.dtype.kind not in "iu":
        return values.astype(like.dtype)
    limits = np.iinfo(like.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(like.dtype)


CHANGES: dict[str, Change] = {
    "noise": _noise,
    "density": _density,
    "magnification": _magnification,
}
SWEEP = (
    *(Perturbation("noise", level) for level in (0.0, 0.05, 0.1, 0.2, 0.4)),
    *(Perturbation("density", level) for level in (0.25, 0.5, 1.0, 1.5, 2.0)),
    *(Perturbation("magnification", level) for level in (0.5, 0.75, 1.0, 1.5, 2.0)),
)
"""The steps to take where none are given; each sweep holds the image as it is."""
