"""One field: its cells, the light they add, what the camera sees of any part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import unknown
from lucyte.schema.objects import Labels
from lucyte.simulate.kernels import Stack, paint_labels
from lucyte.simulate.life import Life, Pose, live
from lucyte.simulate.optics import Counts, Origin, count, darken, mix, shift_plane
from lucyte.simulate.paint import Patch, paint, reach_px
from lucyte.simulate.settings import WorldSettings, condition_index
from lucyte.simulate.shortcuts import plant
from lucyte.simulate.streams import stream
from lucyte.simulate.structures import Spots, autophagy_level, find_spots

Shape = tuple[int, int]


@dataclass(frozen=True)
class SimulatedField:
    """One site of one well of a simulated plate; holds no pixels.

    Attributes
    ----------
    settings : WorldSettings
    seed : int
    plate, batch, day, well, site, condition : str
    given : Life, optional
        Cells placed by hand instead of simulated.
    """

    settings: WorldSettings
    seed: int
    plate: str
    batch: str
    day: str
    well: str
    site: str
    condition: str
    given: Life | None = None

    def __getstate__(self) -> dict[str, object]:
        """What was computed stays behind when a field travels to another process."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the random streams of this field."""
        return (self.plate, self.well, self.site)

    @property
    def starved(self) -> bool:
        """Whether this field's condition is the one with starvation."""
        return condition_index(self.settings, self.condition) == 1

    @cached_property
    def well_effects(self) -> tuple[float, float, float]:
        """Density, expression and response of this well, against 1."""
        rng = stream(self.seed, "well", self.plate, self.well)
        sd = self.settings.optics.well_sd
        density, expression, response = np.exp(rng.normal(0, sd, 3))
        return float(density), float(expression), float(response)

    @cached_property
    def lamp(self) -> tuple[float, float]:
        """Lamp power (plate and day) and medium light (day), against 1."""
        optics = self.settings.optics
        plate = stream(self.seed, "plate", self.plate).normal(0, optics.plate_sd)
        day = stream(self.seed, "day", self.day).normal(0, optics.day_sd, 2)
        return float(np.exp(plate + day[0])), float(np.exp(day[1]))

    @cached_property
    def life(self) -> Life:
        """Positions and fates of all cells; the same whatever the condition."""
        if self.given is not None:
            return self.given
        return live(self.settings, self.seed, self.key, self.well_effects[0])

    @cached_property
    def _found(self) -> dict[tuple[int, int, bool], Spots]:
        return {}

    def pose(self, track_id: int, frame: int) -> Pose:
        """One cell in one frame; refuses a cell that is not there."""
        poses = {pose.track_id: pose for pose in self.poses(frame)}
        if track_id not in poses:
            raise unknown("cell", str(track_id), [str(each) for each in poses])
        return poses[track_id]

    def poses(self, frame: int) -> tuple[Pose, ...]:
        """All cells of one frame (0 is the first)."""
        if not 0 <= frame < len(self.life.frames):
            raise unknown("frame", str(frame), [str(i) for i in range(len(self.life.frames))])
        return self.life.frames[frame]

    def level(self, pose: Pose, starved: bool | None = None) -> float:
        """Level of autophagy of a cell, in this field's condition or in the one asked for."""
        state = self.starved if starved is None else starved
        response = self.well_effects[2]
        return autophagy_level(self.settings, pose.traits, state, pose.frame, response)

    def spots(self, pose: Pose, starved: bool | None = None) -> Spots:
        """Spots and decoys of a cell."""
        state = self.starved if starved is None else starved
        name = (pose.track_id, pose.frame, state)
        if name not in self._found:
            level = self.level(pose, state)
            self._found[name] = find_spots(self.settings, self.seed, pose, level)
        return self._found[name]

    def patch(self, pose: Pose, starved: bool | None = None) -> Patch:
        """The light of one cell alone."""
        return paint(self.settings, pose, self.spots(pose, starved))

    def expected(
        self,
        frame: int,
        origin: Origin = (0, 0),
        shape: Shape | None = None,
        starved: Mapping[int, bool] | bool | None = None,
    ) -> Stack:
        """Expected photons on the camera over part of the field, without noise.

        Parameters
        ----------
        frame : int
        origin, shape : tuple of int
            The part; default the whole field.
        starved : mapping of track_id to bool, or bool
            Cells (or all cells) to show in a state other than the field's. Everything around the
            cells keeps the field's condition.

        Returns
        -------
        float32 array (3, h, w)
            EGFP, mRFP, TL.
        """
        size = self.settings.layout.size_px
        shape = shape or (size, size)
        optics = self.settings.optics
        pad = int(np.ceil(max(abs(s) for s in optics.shift_mrfp_px))) + 1
        pad = pad if any(optics.shift_mrfp_px) else 0
        wide = (origin[0] - pad, origin[1] - pad)
        photons = self._specimen(frame, wide, (shape[0] + 2 * pad, shape[1] + 2 * pad), starved)
        mix(photons, optics)
        if pad:
            photons[1] = shift_plane(photons[1], optics.shift_mrfp_px)
            photons = photons[:, pad:-pad, pad:-pad]
        darken(photons, optics, size, origin)
        photons[:2] *= np.float32(self.lamp[0])
        return plant(photons, self.settings.shortcut, self.starved, size, origin)

    def observe(
        self,
        frame: int,
        origin: Origin = (0, 0),
        shape: Shape | None = None,
        starved: Mapping[int, bool] | bool | None = None,
    ) -> Counts:
        """Counts of the camera: ``expected`` with the field's own noise.

        Returns
        -------
        uint16 array (3, h, w)
        """
        photons = self.expected(frame, origin, shape, starved)
        return count(photons, self.settings.optics, self.seed, (*self.key, frame), origin)

    def labels(self, frame: int) -> Labels:
        """Label image of track numbers; where cells overlap, the more central wins."""
        size = self.settings.layout.size_px
        best = np.ones((size, size), dtype=np.float32)
        labels = np.zeros((size, size), dtype=np.int32)
        for pose in self.poses(frame):
            centre = np.array([pose.y_px, pose.x_px])
            paint_labels(centre, pose.outline, pose.track_id, best, labels)
        return _whole(labels, self.poses(frame))

    def _specimen(
        self, frame: int, origin: Origin, shape: Shape, starved: Mapping[int, bool] | bool | None
    ) -> Stack:
        medium = np.array(self.settings.optics.medium_photons, dtype=np.float32)
        photons = np.empty((3, *shape), dtype=np.float32)
        photons[:2] = medium[:2, None, None] * np.float32(self.lamp[1])
        photons[2] = 1.0
        expression = np.float32(self.well_effects[1])
        for pose in self.poses(frame):
            if not _near(pose, reach_px(self.settings, pose) + 2, origin, shape):
                continue
            state = starved.get(pose.track_id) if isinstance(starved, Mapping) else starved
            patch = self.patch(pose, state)
            there, here = _overlap(patch, origin, shape)
            photons[(slice(0, 2), *there)] += expression * patch.light[(slice(None), *here)]
            photons[(2, *there)] += patch.relief[here]
        np.maximum(photons[2], 0.05, out=photons[2])
        photons[2] *= medium[2]
        return photons


def _near(pose: Pose, reach: float, origin: Origin, shape: tuple[int, ...]) -> bool:
    y, x = pose.y_px - origin[0], pose.x_px - origin[1]
    return -reach <= y < shape[0] + reach and -reach <= x < shape[1] + reach


def _overlap(
    patch: Patch, origin: Origin, shape: Shape
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the region and of the patch that lie on each other."""
    there, here = [], []
    for axis, start in enumerate((patch.y0 - origin[0], patch.x0 - origin[1])):
        low, high = max(0, start), min(shape[axis], start + patch.relief.shape[axis])
        high = max(low, high)
        there.append(slice(low, high))
        here.append(slice(low - start, high - start))
    return (there[0], there[1]), (here[0], here[1])


def _whole(labels: Labels, poses: tuple[Pose, ...]) -> Labels:
    """Every cell in one piece: the largest stays, and at least the pixel at its centre."""
    from scipy import ndimage

    boxes = ndimage.find_objects(labels, max_label=max((p.track_id for p in poses), default=0))
    for pose in poses:
        box = boxes[pose.track_id - 1]
        if box is None:
            if _near(pose, 0, (0, 0), labels.shape):
                labels[int(pose.y_px), int(pose.x_px)] = pose.track_id
            continue
        own = labels[box] == pose.track_id
        pieces, number = ndimage.label(own)
        if number > 1:
            sizes: npt.NDArray[np.int64] = np.bincount(pieces.ravel())
            sizes[0] = 0
            labels[box][own & (pieces != int(sizes.argmax()))] = 0
    return labels
