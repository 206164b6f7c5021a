"""Many small pictures of one cell each, quickly: for testing models, explanations and evidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError
from lucyte.simulate.field import SimulatedField
from lucyte.simulate.layout import lay_out
from lucyte.simulate.life import Life, Pose
from lucyte.simulate.optics import count
from lucyte.simulate.settings import CHANNELS, WorldSettings, demo_settings
from lucyte.simulate.streams import stream
from lucyte.simulate.structures import KINDS
from lucyte.simulate.traits import draw_traits

VISIBLE = 0.5
"""A cause is in ``cause_masks`` where it moves the expected count by this many noise deviations."""
LARGEST_PX = 512


class Crops(NamedTuple):
    """Pictures of single cells with their causes.

    Attributes
    ----------
    crops : uint16 array N C Y X
        EGFP, mRFP, TL in raw counts.
    labels : tuple of str
        The condition that each cell shows.
    groups : tuple of str
        ``plate/well``: the level at which the condition was assigned.
    masks : bool array N Y X
        The cell at the centre.
    cause_masks : bool array N Y X
        Where its state makes a visible difference in any channel.
    decoy_masks : bool array N Y X
        Where its decoys are: as bright, and the same in both states.
    """

    crops: npt.NDArray[np.uint16]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    masks: npt.NDArray[np.bool_]
    cause_masks: npt.NDArray[np.bool_]
    decoy_masks: npt.NDArray[np.bool_]


def crops(
    settings: WorldSettings | None, n: int, px: int, seed: int, *, twins: bool = False
) -> Crops:
    """Simulate n cells, each in a picture of its own.

    Cells are spread evenly over the wells of the layout and randomly over its frames; some have
    neighbours at the edge. Each crop is an image of its own: corner marks and stripes are planted
    in every one. Cells larger than the crop allows are made smaller (``cell_px`` at most 0.75 px).

    Parameters
    ----------
    settings : WorldSettings or None
        The demo plate with cells that fill 0.6 of the crop by default.
    n : int
        Number of crops.
    px : int
        Side of a crop, 24 to 512.
    seed : int
    twins : bool
        Show each of the same cells in its other state instead, with the same noise; ``labels``
        are then those of the other state.

    Raises
    ------
    UsageError
        A size or number that makes no sense.
    """
    if not 24 <= px <= LARGEST_PX:
        raise UsageError(f"crops of {px} px: write 24 to {LARGEST_PX}.")
    if n < 1:
        raise UsageError(f"{n} crops: write at least 1.")
    settings = _fitted(settings, px)
    wells = list({(f.plate, f.well): f for f in lay_out(settings, seed)}.values())
    pictures = np.empty((n, len(CHANNELS), px, px), dtype=np.uint16)
    masks, causes, decoys = (np.zeros((n, px, px), dtype=bool) for _ in range(3))
    labels, groups = [], []
    names = settings.layout.conditions
    for index in range(n):
        well = wells[index % len(wells)]
        field = _lone(well, index)
        starved = field.starved != twins
        pose = field.life.frames[-1][0]
        here = field.expected(pose.frame, starved={1: starved})
        there = field.expected(pose.frame, starved={1: not starved})
        key = (*field.key, "crop", index)
        pictures[index] = count(here, settings.optics, seed, key, (0, 0))
        noise = np.sqrt(np.maximum(here, there) + settings.optics.read_noise_counts**2)
        causes[index] = (np.abs(here - there) > VISIBLE * noise).any(0)
        masks[index] = field.labels(pose.frame) == 1
        decoys[index] = _decoy_mask(field, pose, px)
        labels.append(names[int(starved)])
        groups.append(f"{well.plate}/{well.well}")
    return Crops(pictures, tuple(labels), tuple(groups), masks, causes, decoys)


def _fitted(settings: WorldSettings | None, px: int) -> WorldSettings:
    base = settings or demo_settings()
    wanted = 0.6 * px if settings is None else min(base.cell.cell_px, 0.75 * px)
    scale = wanted / base.cell.cell_px
    return base.model_copy(
        update={
            "layout": base.layout.model_copy(update={"size_px": px}),
            "cell": base.cell.model_copy(update={"cell_px": wanted}),
            "optics": base.optics.model_copy(
                update={"psf_px": base.optics.psf_px * min(1.0, scale)}
            ),
        }
    )


def _lone(well: SimulatedField, index: int) -> SimulatedField:
    """A field with one cell at its centre and perhaps neighbours at its edge."""
    settings, seed = well.settings, well.seed
    rng = stream(seed, "crop", *well.key, index)
    frame = int(rng.integers(0, settings.layout.frames))
    middle = 0.5 * settings.layout.size_px
    poses: list[Pose] = []
    for number in range(1 + int(rng.poisson(0.8))):
        key = (*well.key, "crop", index, number)
        traits = draw_traits(settings.cell, seed, *key)
        y, x = middle + rng.normal(0, 0.02, 2) * settings.layout.size_px
        angle, gap = rng.uniform(0, 2 * np.pi), rng.uniform(0.85, 1.2)
        if number:
            away = gap * (poses[0].radius_px + traits.radius_px)
            y, x = middle + away * np.sin(angle), middle + away * np.cos(angle)
        pose = Pose(number + 1, frame, float(y), float(x), traits.radius_px, 0.0, 0.0, traits, key)
        poses.append(pose)
    frames = (*(() for _ in range(frame)), tuple(poses))
    nothing = pd.DataFrame()
    return SimulatedField(
        settings,
        seed,
        well.plate,
        well.batch,
        well.day,
        well.well,
        well.site,
        well.condition,
        Life(frames, nothing, nothing),
    )


def _decoy_mask(field: SimulatedField, pose: Pose, px: int) -> npt.NDArray[np.bool_]:
    spots = field.spots(pose)
    at = spots.kind == KINDS.index("decoy")
    grid = np.arange(px)
    y = grid[None, :, None] - (spots.y[at] + pose.y_px)[:, None, None]
    x = grid[None, None, :] - (spots.x[at] + pose.x_px)[:, None, None]
    reach = spots.radius[at] + 0.5 + field.settings.optics.psf_px
    covered: npt.NDArray[np.bool_] = (y**2 + x**2 <= reach[:, None, None] ** 2).any(0)
    return covered
