"""Worlds of small crops with one planted shortcut, with none, or with the same machinery dealt
to wells without regard to their class (shams).

Cells come from a pool of simulated wells; a world draws its wells from it, turns and mirrors the
cells, plants, and exposes them anew. Where a shortcut is planted all cells are fed ones, so that
nothing else tells the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.evidence.model.sample_crops import subject_from_samples
from lucyte.evidence.model.subject import Subject
from lucyte.schema.samples import Samples
from lucyte.simulate.crops import crops
from lucyte.simulate.settings import (
    CHANNELS,
    CellSettings,
    LayoutSettings,
    OpticsSettings,
    ShortcutSettings,
    WorldSettings,
)
from lucyte.simulate.shortcuts import plant
from lucyte.testing.benchmarks.evidence_model import PlaceLearner

Light = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

PX, SOURCE_PX = 32, 40
"""Side of a crop, and of the wider picture that it is cut from (so that cells can be moved)."""
CLASSES = ("fed", "starved")
POOL_WELLS, POOL_CELLS = 60, 12
"""Wells of each class in the pool, and cells of each."""
SIZES = ((6, 8), (8, 6), (12, 4))
"""Wells of each class and cells of each, one pair per world; as many again to learn from."""
BLUR_PX, NOISE_COUNTS, MOVED_PX = 1.6, 12.0, 3.0
SMALL, LARGER = 0.8, 0.5
"""Scale of every cell where size is planted, and how much larger the starved ones are."""
QUALITY, WORSE = 95, 60
PLATE_LAMP, PLATE_MEDIUM = 1.15, 8.0
GREY_PER_COUNT = (4.0, 4.0, 16.0)
"""Counts to one of the 256 grey values of a JPEG, per channel."""

SIMULATED = ("tint", "gain", "corner", "stripe", "frequency")
"""Planted by `lucyte.simulate.shortcuts`; the others here."""
NAMED: Mapping[str, tuple[str, ...]] = {
    "tint": ("statistics.data_permit", "statistics.model_relies"),
    "gain": ("statistics.data_permit", "statistics.model_relies"),
    "noise": ("statistics.data_permit", "statistics.model_relies"),
    "blur": ("statistics.data_permit",),
    "JPEG": ("statistics.data_permit",),
    "corner": ("position.data_permit", "position.model_relies"),
    "offset": ("position.data_permit", "position.model_relies"),
    "stripe": ("frequency.data_permit", "frequency.model_relies"),
    "frequency": ("frequency.data_permit", "frequency.model_relies"),
    "size": ("background.data_permit.silhouettes",),
    "plate": ("batch.confounding.plate",),
}
"""Each shortcut with the Findings that must catch it, named before any world was made."""


@dataclass(frozen=True)
class World:
    """One world.

    Attributes
    ----------
    kind : str
        A key of `NAMED`, or ``none``.
    strength : float
        From 0 to 1, of what is planted; of a sham the most that a well is given.
    sham : bool
        Dealt to wells at random.
    effect : bool
        Starved cells are starved cells; otherwise all are fed ones.
    seed : int
    """

    kind: str
    strength: float
    sham: bool
    effect: bool
    seed: int


class Pool(NamedTuple):
    """Noise-free light of cells by class, well and cell: ``2 W K C Y X`` photons, and masks."""

    light: Light
    masks: Bools


class _Wells(NamedTuple):
    """Class, side and strength of the shortcut, and plate of each well of a world."""

    starved: Bools
    side: Bools
    strength: npt.NDArray[np.float64]
    plate: npt.NDArray[np.int64]


@cache
def pool(wells: int = POOL_WELLS, cells: int = POOL_CELLS) -> Pool:
    """Simulate the pool; the same every time."""
    settings = WorldSettings(
        layout=LayoutSettings(wells_per_condition=wells, frames=1, start_h=6.0),
        cell=CellSettings(
            cell_px=18.0, silent=0.0, defocused=0.0, expression_sd=0.4, spot_photons=1500.0
        ),
        optics=OpticsSettings(psf_px=0.6, noise=False, offset_counts=0.0),
    )
    made = crops(settings, 2 * wells * cells, SOURCE_PX, seed=5)
    order = np.lexsort((np.asarray(made.groups), np.asarray(made.labels)))
    shape = (2, wells, cells)
    return Pool(
        made.crops[order].reshape(*shape, len(CHANNELS), SOURCE_PX, SOURCE_PX).astype(np.float32),
        made.masks[order].reshape(*shape, SOURCE_PX, SOURCE_PX),
    )


def subject_of(world: World) -> Subject:
    """Cells to ask about and a model that was made from other wells of the same world."""
    rng = np.random.default_rng([world.seed, ["none", *NAMED].index(world.kind)])
    wells, cells = SIZES[int(rng.integers(len(SIZES)))]
    learned, asked = (samples_of(world, rng, wells, cells, part) for part in (0, 1))
    learner = PlaceLearner(CHANNELS)
    model = learner.fit(learned.images, learned.labels, learned.groups, world.seed)
    return subject_from_samples(asked, model, learner, unseen=True)


def samples_of(
    world: World, rng: np.random.Generator, wells: int, cells: int, part: int
) -> Samples:
    """Half of a world: so many wells of each class, so many cells in each.

    Wells lie anywhere on two plates, half of each class on either (a deal by chance alone would now
    and then put five of six wells on one plate, and such a design *is* confounded).
    """
    drawn = _deal(world, rng, wells)
    stock = pool()
    images, masks = [], []
    places = rng.choice(96, 2 * wells, replace=False)
    homes = {True: 0, False: 0}
    half = np.arange(part, stock.light.shape[1], 2)  # a model's wells are no others' too
    free = {state: rng.permutation(half) for state in (False, True)}
    for k in range(2 * wells):
        state = bool(drawn.starved[k] and world.effect)
        home = free[state][homes[state]]
        homes[state] += 1
        at = rng.choice(stock.light.shape[2], cells, replace=False)
        light, own = _turned(
            stock.light[int(state), home, at], stock.masks[int(state), home, at], rng
        )
        amount = float(drawn.strength[k]) * float(drawn.side[k])
        light, own = _cut(light, own, world.kind, amount, rng)
        light = _through(light, world, drawn, k, rng)
        images.append(_exposed(light, world.kind, amount, rng))
        masks.append(own)
    plates = np.repeat([f"plate{number + 1}" for number in drawn.plate], cells)
    names = np.repeat([f"{'ABCDEFGH'[place // 12]}{place % 12 + 1:02d}" for place in places], cells)
    groups = tuple(f"{part}-{p}/{w}" for p, w in zip(plates, names, strict=True))
    labels = np.repeat(np.where(drawn.starved, CLASSES[1], CLASSES[0]), cells)
    return Samples(
        images=np.concatenate(images),
        channels=CHANNELS,
        names=tuple(f"{group}/{k}" for k, group in enumerate(groups)),
        labels=tuple(labels.tolist()),
        groups=groups,
        unit="well",
        levels={"plate": tuple(plates.tolist()), "well": tuple(names.tolist())},
        masks=np.concatenate(masks),
    )


def _deal(world: World, rng: np.random.Generator, wells: int) -> _Wells:
    """What each well is given; fed wells first."""
    starved = np.repeat([False, True], wells)
    plate = np.concatenate([rng.permutation(np.arange(wells) % 2) for _ in range(2)])
    if world.kind == "plate" and not world.sham:
        true = round(wells * (1 + world.strength) / 2)
        plate = np.concatenate(
            [rng.permutation(np.arange(wells) >= true), rng.permutation(np.arange(wells) < true)]
        ).astype(np.int64)
    if not world.sham:
        return _Wells(starved, starved, np.full(2 * wells, world.strength), plate)
    side = rng.random(2 * wells) < 0.5
    return _Wells(starved, side, world.strength * rng.random(2 * wells), plate)


def _turned(light: Light, masks: Bools, rng: np.random.Generator) -> tuple[Light, Bools]:
    """Each cell turned by quarters and mirrored at random."""
    turned, own = np.empty_like(light), np.empty_like(masks)
    for k in range(len(light)):
        quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        one, mask = np.rot90(light[k], quarters, (1, 2)), np.rot90(masks[k], quarters)
        turned[k], own[k] = (one[:, :, ::-1], mask[:, ::-1]) if mirrored else (one, mask)
    return turned, own


def _cut(
    light: Light, masks: Bools, kind: str, amount: float, rng: np.random.Generator
) -> tuple[Light, Bools]:
    """Crops at the cells' middle, give or take a px; moved or magnified where that is planted."""
    out = np.empty((*light.shape[:2], PX, PX), dtype=np.float32)
    own = np.empty((len(light), PX, PX), dtype=np.bool_)
    spare = (SOURCE_PX - PX) // 2
    for k in range(len(light)):
        y, x = rng.integers(-1, 2, 2) + spare
        one, mask = light[k], masks[k]
        if kind == "offset":
            x -= int(np.floor(MOVED_PX * amount + rng.random()))
        if kind == "size":
            factor = SMALL * float(np.exp(rng.normal(0, 0.05))) * (1 + LARGER * amount)
            middle = (SOURCE_PX - 1) / 2 * (1 - 1 / factor)
            one = np.stack(
                [
                    ndi.affine_transform(c, [1 / factor] * 2, middle, order=1, mode="mirror")
                    for c in one
                ]
            )
            mask = (
                ndi.affine_transform(mask.astype(np.float32), [1 / factor] * 2, middle, order=1)
                > 0.5
            )
        out[k] = one[:, y : y + PX, x : x + PX]
        own[k] = mask[y : y + PX, x : x + PX]
    return out, own


def _through(light: Light, world: World, drawn: _Wells, k: int, rng: np.random.Generator) -> Light:
    """The well's own lamp and medium, the plate's, and what is planted in the light."""
    lamp = np.exp(rng.normal(0, [0.03, 0.03, 0.02])).astype(np.float32)
    medium = np.append(rng.normal(0, 2.0, 2), 0.0).astype(np.float32)
    if world.kind == "plate" and drawn.plate[k]:
        lamp, medium = lamp * np.float32(PLATE_LAMP), medium + np.float32(PLATE_MEDIUM)
    light = light * lamp[:, None, None] + medium[:, None, None]
    strength, side = float(drawn.strength[k]), bool(drawn.side[k])
    if world.kind in SIMULATED:
        shortcut = ShortcutSettings.model_validate({"kind": world.kind, "strength": strength})
        planted = np.stack([plant(one, shortcut, side, PX, (0, 0)) for one in light])
        if world.kind == "stripe":  # line noise: the mean light stays
            planted -= (planted - light).mean(axis=(2, 3), keepdims=True)
        light = planted
    if world.kind == "blur":
        width = np.hypot(rng.uniform(0, 0.3, len(light)), BLUR_PX * strength * side)
        light = np.stack(
            [ndi.gaussian_filter(one, (0, w, w)) for one, w in zip(light, width, strict=True)]
        )
    return light


def _exposed(light: Light, kind: str, amount: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Counts of the camera, or grey values of JPEG pictures."""
    extra = NOISE_COUNTS * amount if kind == "noise" else 0.0
    counts = rng.poisson(np.maximum(light, 0)) + rng.normal(100, np.hypot(3.0, extra), light.shape)
    whole = np.clip(np.round(counts), 0, 4095).astype(np.uint16)
    if kind != "JPEG":
        return whole
    from imagecodecs import jpeg8_decode, jpeg8_encode

    grey = np.clip(whole / np.array(GREY_PER_COUNT)[:, None, None], 0, 255).astype(np.uint8)
    quality = round(QUALITY - WORSE * amount)
    planes = [[jpeg8_decode(jpeg8_encode(c, level=quality)) for c in one] for one in grey]
    return np.asarray(planes, dtype=np.uint8)
