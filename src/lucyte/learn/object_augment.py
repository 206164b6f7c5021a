"""Light, stain and camera as they vary between laboratories, for training object networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lighting:
    """Chances of each change; ranges are those met between laboratories.

    Attributes
    ----------
    gamma, uneven, haze, objects, spots, blur, noise, gain, drop : float
        Chance of a changed contrast curve, uneven light, out-of-focus haze, single objects
        brighter or dimmer, bright spots and patches within objects (chromocentres, condensing
        chromatin), blur, camera noise, another gain and offset, a missing channel (never all of
        them).
    """

    gamma: float = 0.5
    uneven: float = 0.4
    haze: float = 0.3
    objects: float = 0.4
    spots: float = 0.3
    blur: float = 0.3
    noise: float = 0.5
    gain: float = 0.7
    drop: float = 0.1


def relight(
    image: Floats,
    noise: tuple[float, ...],
    labels: npt.NDArray[np.int32],
    stride: int,
    chance: Lighting,
    rng: np.random.Generator,
) -> tuple[Floats, list[float]]:
    """A crop as another microscope might have seen it.

    Parameters
    ----------
    image : float32 array C Y X
        0 is the dark, 1 the bright end of each channel.
    noise : tuple of float
        Pixel noise per channel in the same units.
    labels : int32 array Y/stride X/stride
        Objects, for those changes that go by object.
    stride : int
    chance : Lighting
    rng : Generator

    Returns
    -------
    float32 array C Y X, list of float
        The crop and what its pixel noise would be measured as.
    """
    side = image.shape[1:]
    out = image.copy()
    if labels.any() and rng.random() < chance.objects:
        gain = np.exp(rng.normal(0, 0.5, int(labels.max()) + 1)).astype(np.float32)
        gain[0] = 1
        field = np.repeat(np.repeat(gain[labels], stride, 0), stride, 1)
        out *= ndi.gaussian_filter(field, 1.0)
    if labels.any() and rng.random() < chance.spots:
        out *= 1 + _spots(labels, stride, rng)
    if rng.random() < chance.uneven:
        out *= np.exp(rng.uniform(0.2, 0.8) * _smooth(side, rng))
    if rng.random() < chance.haze:
        out += rng.uniform(0.05, 0.4) * np.maximum(_smooth(side, rng), 0)
    measured = []
    for c, plane in enumerate(out):
        sigma = noise[c] * float(np.exp(rng.normal(0, 0.3)))
        if rng.random() < chance.blur:
            plane[...] = ndi.gaussian_filter(plane, rng.uniform(0.4, 1.8))
        if rng.random() < chance.gamma:
            np.power(np.maximum(plane, 0), rng.uniform(0.6, 1.7), out=plane)
        if rng.random() < chance.noise:
            own = rng.uniform(0.0, 0.08) ** 1.3
            shot = own * np.sqrt(np.maximum(plane, 0) + 0.05)
            plane += (shot * rng.standard_normal(plane.shape)).astype(np.float32)
            sigma = float(np.hypot(sigma, own * 0.3))
        if rng.random() < chance.gain:
            stronger = float(np.exp(rng.uniform(-0.5, 0.5)))
            plane *= stronger
            plane += np.float32(rng.uniform(-0.05, 0.08))
            sigma *= stronger
        measured.append(sigma)
    if len(out) > 1 and rng.random() < chance.drop:
        out[rng.integers(len(out))] = 0
    return np.maximum(out, 0), measured


def _spots(labels: npt.NDArray[np.int32], stride: int, rng: np.random.Generator) -> Floats:
    """How much brighter spots make each px of some of the objects, in shares of its own light."""
    out = np.zeros(labels.shape, np.float32)
    for label, place in enumerate(ndi.find_objects(labels), start=1):
        if place is None or rng.random() < 0.5:
            continue
        own = labels[place] == label
        ys, xs = np.nonzero(own)
        diameter = float(np.sqrt(len(ys)))
        y, x = np.ogrid[: own.shape[0], : own.shape[1]]
        sigma = np.exp(rng.uniform(np.log(0.05), np.log(0.25))) * diameter
        height = rng.uniform(0.3, 2.5)
        light = np.zeros(own.shape, np.float32)
        for at in rng.integers(len(ys), size=rng.integers(1, 10)):
            far = (y - ys[at]) ** 2 + (x - xs[at]) ** 2
            light += np.exp(-far / (2 * max(sigma, 0.6) ** 2)).astype(np.float32)
        out[place][own] += height * light[own]
    whole = np.repeat(np.repeat(out, stride, 0), stride, 1)
    return np.asarray(ndi.gaussian_filter(whole, stride / 2), np.float32)


def _smooth(side: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """A field that varies over about half the crop, between about -1 and 1."""
    coarse = rng.normal(0, 1, (5, 5))
    zoomed = ndi.zoom(coarse, (side[0] / 5, side[1] / 5), order=1, mode="nearest", grid_mode=True)
    return np.asarray(zoomed / max(float(np.abs(zoomed).max()), 1e-6), np.float32)
