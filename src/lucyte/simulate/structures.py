"""What the condition does to a cell: autophagosomes and autolysosomes; and decoys, which it leaves.

Every cell has a fixed list of places where a spot may form, each with its own threshold. The
level of autophagy decides which exist, how large they are and which have matured (their EGFP
quenched). Changing the level changes nothing else, so the twin has the same spots and more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lucyte.simulate.life import Pose
from lucyte.simulate.outline import directions
from lucyte.simulate.settings import WorldSettings
from lucyte.simulate.streams import stream
from lucyte.simulate.traits import Traits

KINDS = ("autophagosome", "autolysosome", "decoy")
DECOY_RING, DECOY_GREEN = 0, 1


class Spots(NamedTuple):
    """The spots of one cell in one frame, positions relative to its centre.

    Attributes
    ----------
    y, x, radius : array (n,)
        px.
    photons : array (n,)
        Peak light.
    kind : array (n,) of int
        Index into ``KINDS``.
    form : array (n,) of int
        For decoys: 0 a ring in both channels, 1 a green disc. 0 otherwise.
    """

    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    radius: npt.NDArray[np.float64]
    photons: npt.NDArray[np.float64]
    kind: npt.NDArray[np.int64]
    form: npt.NDArray[np.int64]


def autophagy_level(
    settings: WorldSettings, traits: Traits, starved: bool, frame: int, well_response: float
) -> float:
    """How far autophagy has gone in one cell, 0 to 1.

    ``basal + starved * effect * response * (0.95 - basal) * (1 - exp(-h / onset))`` with h the
    hours since starvation began.
    """
    basal = traits.basal
    if not starved:
        return basal
    hours = settings.layout.start_h + frame * settings.layout.interval_h
    risen = 1 - np.exp(-hours / settings.cell.onset_h)
    pull = settings.cell.effect * min(1.0, traits.response * well_response)
    return float(basal + pull * max(0.0, 0.95 - basal) * risen)


def find_spots(settings: WorldSettings, seed: int, pose: Pose, level: float) -> Spots:
    """The spots of one cell at a level of autophagy.

    Parameters
    ----------
    settings : WorldSettings
    seed : int
    pose : Pose
    level : float
        From ``autophagy_level``.
    """
    cell = settings.cell
    rng = stream(seed, "spots", *pose.key)
    number = cell.spots
    need, ripe = rng.random(number), rng.random(number)
    base = 0.0125 * cell.cell_px * np.exp(rng.normal(0, 0.3, number))
    swell = rng.beta(0.8, 2.4, number)
    light = (
        cell.spot_photons * np.exp(rng.normal(0, 0.35, number)) * _brightness(pose, cell.photons)
    )
    places = _places(rng, number, pose)
    exists = need < 0.10 + 0.55 * level
    matured = ripe < 0.45 + 0.5 * level
    radius = base * (1 + np.where(matured, 8.0, 1.0) * swell * level)
    kinds = np.where(matured, 1, 0)
    decoys = _decoys(settings, seed, pose)
    return Spots(
        y=np.concatenate([places[exists, 0], decoys.y]),
        x=np.concatenate([places[exists, 1], decoys.x]),
        radius=np.concatenate([radius[exists], decoys.radius]),
        photons=np.concatenate([light[exists], decoys.photons]),
        kind=np.concatenate([kinds[exists], decoys.kind]),
        form=np.concatenate([np.zeros(int(exists.sum()), dtype=np.int64), decoys.form]),
    )


def _decoys(settings: WorldSettings, seed: int, pose: Pose) -> Spots:
    """Structures as large and as bright as those of autophagy, in any condition alike."""
    cell = settings.cell
    rng = stream(seed, "decoys", *pose.key)
    number = int(rng.poisson(cell.decoys))
    middle = rng.uniform(0.1, 0.8, number)
    base = 0.0125 * cell.cell_px * np.exp(rng.normal(0, 0.3, number))
    light = (
        cell.spot_photons * np.exp(rng.normal(0, 0.35, number)) * _brightness(pose, cell.photons)
    )
    places = _places(rng, number, pose)
    return Spots(
        y=places[:, 0],
        x=places[:, 1],
        radius=base * (1.3 + 8.0 * rng.beta(0.8, 2.4, number) * middle),
        photons=light,
        kind=np.full(number, KINDS.index("decoy")),
        form=np.where(rng.random(number) < 0.6, DECOY_RING, DECOY_GREEN),
    )


def _brightness(pose: Pose, median_photons: float) -> float:
    """Spots of dim cells are seen too: light rises with the root of expression."""
    return float(0.45 + 0.55 * np.sqrt(min(pose.traits.photons / median_photons, 6.0)))


def _places(rng: np.random.Generator, number: int, pose: Pose) -> npt.NDArray[np.float64]:
    """Around the nucleus, more on one side, drifting a little from frame to frame."""
    side = rng.uniform(0, 2 * np.pi)
    angle = side + rng.normal(0, 1.25, number)
    far = np.clip(rng.normal(0.52, 0.17, number), 0.12, 0.82)
    turn, slide = rng.normal(0, 0.12, number), rng.normal(0, 0.03, number)
    angle = angle + turn * pose.frame
    edge = np.interp(angle, directions(), pose.outline[0], period=2 * np.pi)
    far = np.clip(far + slide * pose.frame, 0.08, 0.82) * np.minimum(edge, pose.radius_px)
    return np.stack([far * np.sin(angle), far * np.cos(angle)], axis=1)
