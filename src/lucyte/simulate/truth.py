"""What is true of a simulated field: labels, lineage, divisions, spots, states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.simulate.field import SimulatedField
from lucyte.simulate.life import Pose
from lucyte.simulate.structures import KINDS, Spots

UNIDENTIFIED = "unidentified"
_SPOTS = ("time_index", "track_id", "y_px", "x_px", "radius_px", "photons", "kind")


@dataclass(frozen=True)
class FieldTruth:
    """The truth of one field.

    Attributes
    ----------
    labels : int32 array T Y X
        Every cell's label is its track number in every frame; 0 is background.
    time_indices : tuple of int
        Frame numbers along T.
    tracks : DataFrame
        ``L, B, E, P`` (label, first and last time index, parent or 0) and ``fate``: ``divides``,
        ``dies``, ``leaves`` or ``ends``.
    divisions : DataFrame
        ``time_index`` (the daughters' first), ``parent_id, child_1, child_2``.
    spots : DataFrame
        ``time_index, track_id, y_px, x_px, radius_px, photons, kind`` with kind
        ``autophagosome``, ``autolysosome`` or ``decoy``.
    states : DataFrame
        Per cell and frame: ``time_index, track_id, state`` (the condition), ``annotation`` (what a
        person could see: the state, or ``unidentified`` when dying or far out of focus),
        ``level`` of autophagy, ``photons, defocus_px, phase, y_px, x_px``, the box and the
        number of spots of each kind.
    """

    labels: npt.NDArray[np.int32]
    time_indices: tuple[int, ...]
    tracks: pd.DataFrame
    divisions: pd.DataFrame
    spots: pd.DataFrame
    states: pd.DataFrame


def field_truth(field: SimulatedField) -> FieldTruth:
    """Work out the truth of one field; renders no light."""
    layout = field.settings.layout
    first = layout.first_time_index
    labels = np.stack([field.labels(frame) for frame in range(layout.frames)])
    tracks = field.life.tracks.copy()
    tracks[["B", "E"]] += first
    divisions = field.life.divisions.rename(columns={"frame": "time_index"})
    divisions["time_index"] += first
    spots: list[npt.NDArray[np.float64]] = []
    states: list[dict[str, object]] = []
    for frame in range(layout.frames):
        boxes = _boxes(labels[frame])
        for pose in field.poses(frame):
            found = field.spots(pose)
            spots.append(_spot_rows(found, pose, first))
            counts = np.bincount(found.kind, minlength=len(KINDS))
            number = {f"{kind}s": int(n) for kind, n in zip(KINDS, counts, strict=True)}
            states.append(_state_row(field, pose, first) | boxes[pose.track_id] | number)
    rows = pd.DataFrame(np.concatenate([np.empty((0, len(_SPOTS))), *spots]), columns=list(_SPOTS))
    rows = rows.astype({"time_index": np.int64, "track_id": np.int64, "kind": np.int64})
    rows["kind"] = [KINDS[kind] for kind in rows["kind"]]
    size = layout.size_px
    seen = rows["y_px"].between(0, size - 1) & rows["x_px"].between(0, size - 1)
    return FieldTruth(
        labels=labels,
        time_indices=tuple(range(first, first + layout.frames)),
        tracks=tracks,
        divisions=divisions,
        spots=rows[seen].reset_index(drop=True),
        states=pd.DataFrame(states),
    )


def _spot_rows(spots: Spots, pose: Pose, first: int) -> npt.NDArray[np.float64]:
    """Columns as in ``_SPOTS``, the kind as its number."""
    same = np.ones(len(spots.y))
    y, x = spots.y + pose.y_px, spots.x + pose.x_px
    time, track = (pose.frame + first) * same, pose.track_id * same
    return np.stack([time, track, y, x, spots.radius, spots.photons, spots.kind], axis=1)


def annotation(field: SimulatedField, pose: Pose) -> str:
    """The class a person could give the cell."""
    blurred = pose.traits.defocus_px > 0.05 * field.settings.cell.cell_px
    return UNIDENTIFIED if pose.dying or blurred else field.condition


def _state_row(field: SimulatedField, pose: Pose, first: int) -> dict[str, object]:
    phase = "dying" if pose.dying else "rounding" if pose.rounding == 1 else "alive"
    return {
        "time_index": pose.frame + first,
        "track_id": pose.track_id,
        "state": field.condition,
        "annotation": annotation(field, pose),
        "level": field.level(pose),
        "photons": pose.traits.photons * field.well_effects[1],
        "defocus_px": pose.traits.defocus_px,
        "phase": phase,
        "y_px": pose.y_px,
        "x_px": pose.x_px,
    }


def _boxes(labels: npt.NDArray[np.int32]) -> dict[int, dict[str, int]]:
    """Half-open boxes by label."""
    from scipy import ndimage

    return {
        label: {
            "x0_px": box[1].start,
            "y0_px": box[0].start,
            "x1_px": box[1].stop,
            "y1_px": box[0].stop,
        }
        for label, box in enumerate(ndimage.find_objects(labels), start=1)
        if box is not None
    }
