"""Removing, moving and adding spots of one crop.

A spot is what its px hold above the light around them (see `filling`), one px of rim included.
Moving takes that excess away and adds it elsewhere in the cell; adding adds a copy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from lucyte.explain.perturbation.filling import filled, surrounding
from lucyte.explain.perturbation.scene import EIGHT, Scene, a_place

Floats = npt.NDArray[np.float64]
TRIES = 40
"""Other cells looked at for a spot where the cell has none."""


class Stamp(NamedTuple):
    """A spot to be put elsewhere.

    Attributes
    ----------
    shape : int array M 2
        Rows and columns from 0.
    light : float array C M
        What it adds to each chosen channel.
    """

    shape: npt.NDArray[np.int64]
    light: Floats


def remove_spots(
    scene: Scene, at: list[int], level: float, k: int, rng: np.random.Generator
) -> Floats:
    """Crop k without this share of its spots."""
    return _without(scene, at, k, _chosen(scene, level, k, rng), rng)


def move_spots(
    scene: Scene, at: list[int], level: float, k: int, rng: np.random.Generator
) -> Floats:
    """Crop k with this share of its spots at other places of the cell."""
    numbers = _chosen(scene, level, k, rng)
    stamps = [stamp_of(scene, at, k, number) for number in numbers]
    return _with(scene, at, k, _without(scene, at, k, numbers, rng), (stamps, rng))


def add_spots(
    scene: Scene, at: list[int], level: float, k: int, rng: np.random.Generator
) -> Floats:
    """Crop k with so many more spots."""
    stamps: list[Stamp] = []
    for _ in range(round(level)):
        source = _source(scene, k, rng)
        if source is None:
            break
        number = int(rng.integers(1, scene.labels[source].max() + 1))
        stamps.append(stamp_of(scene, at, source, number))
    return _with(scene, at, k, scene.crops[k].astype(np.float64), (stamps, rng))


def stamp_of(scene: Scene, at: list[int], k: int, number: int) -> Stamp:
    """One spot of crop k: its px and rim, and its light above what is around."""
    spot = ndimage.binary_dilation(scene.labels[k] == number, EIGHT)
    kept = _around(scene, k)
    px = np.argwhere(spot)
    light = []
    for channel in at:
        plane = scene.crops[k, channel].astype(np.float64)
        light.append((plane - surrounding(plane, kept & ~spot))[spot])
    # A cell that is spots and nothing else has no light around them to compare with.
    return Stamp(px - px.min(axis=0), np.nan_to_num(np.stack(light)))


def _around(scene: Scene, k: int) -> npt.NDArray[np.bool_]:
    """Px of the cell that are in no spot and beside none."""
    free: npt.NDArray[np.bool_] = scene.masks[k] & ~ndimage.binary_dilation(
        scene.labels[k] > 0, EIGHT
    )
    return free


def _chosen(scene: Scene, level: float, k: int, rng: np.random.Generator) -> list[int]:
    """The first of the cell's spots, in an order that hangs on chance alone."""
    order = rng.permutation(int(scene.labels[k].max(initial=0))) + 1
    return [int(number) for number in order[: round(level * len(order))]]


def _without(
    scene: Scene, at: list[int], k: int, numbers: list[int], rng: np.random.Generator
) -> Floats:
    out: Floats = scene.crops[k].astype(np.float64)
    gone = np.isin(scene.labels[k], numbers)
    # The rim of a spot that goes may be the px of one that stays.
    hole = ndimage.binary_dilation(gone, EIGHT) & (gone | (scene.labels[k] == 0))
    kept = _around(scene, k)
    source = kept if kept.any() else ~hole
    for channel in at:
        out[channel] = filled(out[channel], hole, source, rng)
    return out


def _with(
    scene: Scene,
    at: list[int],
    k: int,
    light: Floats,
    added: tuple[list[Stamp], np.random.Generator],
) -> Floats:
    """Light with stamps at free places of the cell; one that finds no place is left out."""
    stamps, rng = added
    free = _around(scene, k)
    for stamp in stamps:
        place = a_place(stamp.shape, free, rng)
        if place is None:
            continue
        for channel, light_of in zip(at, stamp.light, strict=True):
            light[channel][place[:, 0], place[:, 1]] += light_of
        free[place[:, 0], place[:, 1]] = False
    return light


def _source(scene: Scene, k: int, rng: np.random.Generator) -> int | None:
    """This cell where it has spots, else another one that has."""
    if scene.labels[k].any():
        return k
    for other in rng.permutation(len(scene))[:TRIES]:
        if scene.labels[int(other)].any():
            return int(other)
    return None
