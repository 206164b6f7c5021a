"""What segmentation missed or merged, put right where the movie says so; every change is listed.

A merged pair is cut along the line that is as deep in one cell as in the other, both laid there
from the frames around (see ``merged``, ``between``); then all is linked anew. A cell that is missed
between two of its own frames gets a mask between both, where nothing else is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lucyte.schema.objects import Labels
from lucyte.schema.plan import TrackSettings
from lucyte.schema.tracks import Edit, Tracks
from lucyte.track.between import (
    Corner,
    Mask,
    Shape,
    depth_between,
    shape_of,
    window_between,
)
from lucyte.track.bridges import Bridge, bridged_tracks, missing_places, renamed
from lucyte.track.detections import Detections, read_detections
from lucyte.track.link import link
from lucyte.track.merged import MergedRun, merged_runs
from lucyte.track.overlap import LabelsAt

GAP = 2
"""Frames that a cell may be missed when repair is on, at least."""
FREE = 0.5
"""Share of an interpolated mask that must be free of other objects."""
PIECE = 0.2
"""Least share of a merged object that each of both cells must get."""
CHANGE_COLUMNS = ("time_index", "kind", "label", "new_label", "y_px", "x_px", "area_px", "why")


@dataclass(frozen=True)
class Change:
    """One mask that was painted.

    Attributes
    ----------
    time_index : int
    kind : str
        ``split`` or ``bridge``.
    label : int
        The merged object, 0 for a bridge.
    new_label : int
        What is painted.
    corner : tuple of int
        y and x of the first pixel of ``mask`` in the image.
    mask : bool array Y X
    why : str
        What the movie says, one line.
    """

    time_index: int
    kind: str
    label: int
    new_label: int
    corner: Corner
    mask: Mask
    why: str


@dataclass(frozen=True)
class Repairs:
    """All changes of one movie.

    Attributes
    ----------
    changes : tuple of Change
    notes : tuple of str
        Why nothing was done, where nothing could be.
    """

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    _at: dict[int, list[Change]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for each in self.changes:
            self._at.setdefault(each.time_index, []).append(each)

    def table(self) -> pd.DataFrame:
        """One row per change, ``CHANGE_COLUMNS``."""
        rows = []
        for each in self.changes:
            y, x = np.nonzero(each.mask)
            place = (float(y.mean() + each.corner[0]), float(x.mean() + each.corner[1]))
            first = (each.time_index, each.kind, each.label, each.new_label)
            rows.append((*first, *place, len(y), each.why))
        return pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))

    def apply(self, labels: LabelsAt) -> LabelsAt:
        """The repaired label images: time index to image, the given ones left as they are."""

        def repaired(time_index: int) -> Labels:
            image = np.asarray(labels(time_index))
            if time_index in self._at:
                image = image.copy()
                for each in self._at[time_index]:
                    _paint(image, each)
            return image

        return repaired


@dataclass(frozen=True)
class Repaired:
    """A lineage after repair.

    Attributes
    ----------
    tracks : Tracks
        Of the repaired objects.
    repairs : Repairs
    nodes : DataFrame
        The given table with the places and sizes of what changed; other columns of changed objects
        are those of the objects they came from, until they are measured anew.
    """

    tracks: Tracks
    repairs: Repairs
    nodes: pd.DataFrame


def link_and_repair(
    nodes: pd.DataFrame,
    settings: TrackSettings,
    *,
    labels: LabelsAt,
    pixel_size_um: float | None = None,
    shape_yx: tuple[int, int] | None = None,
    edits: Sequence[Edit] = (),
) -> Repaired:
    """Link a movie and put right what ``settings.repair`` allows.

    Parameters
    ----------
    nodes, settings, labels, pixel_size_um, shape_yx, edits
        As ``link`` takes them; repair needs the label images, Y X.

    Returns
    -------
    Repaired
        With ``repair = "off"`` what ``link`` gives, and no changes.
    """
    if settings.repair == "off" or not len(nodes):
        return Repaired(
            link(
                nodes,
                settings,
                labels=labels,
                pixel_size_um=pixel_size_um,
                shape_yx=shape_yx,
                edits=edits,
            ),
            Repairs(),
            nodes,
        )
    found = read_detections(nodes, shape_yx)
    flat = np.asarray(labels(int(found.times[0]))).ndim == 2
    cuts: list[Change] = []
    if settings.repair == "all" and flat:
        for run in merged_runs(found, labels):
            cuts += _cut(found, run, labels)
    nodes = _with_pieces(nodes, cuts, labels)
    seen = Repairs(tuple(cuts)).apply(labels)
    wide = replace_gap(settings)
    tracks = link(
        nodes, wide, labels=seen, pixel_size_um=pixel_size_um, shape_yx=shape_yx, edits=edits
    )
    if not flat:
        note = "repair works on images of one plane; nothing was repaired."
        return Repaired(tracks, Repairs(notes=(note,)), nodes)
    found = read_detections(nodes, shape_yx)
    bridges = missing_places(found, tracks)
    painted = _bridge(found, bridges, seen)
    tracks = bridged_tracks(tracks, [(each, change.new_label) for each, change in painted])
    changes = sorted([*cuts, *(each for _, each in painted)], key=lambda each: each.time_index)
    nodes = _with_bridges(nodes, painted)
    return Repaired(tracks, Repairs(tuple(changes)), nodes)


def replace_gap(settings: TrackSettings) -> TrackSettings:
    """The settings with gaps as long as repair bridges."""
    return settings.model_copy(update={"max_gap": max(settings.max_gap, GAP)})


def _paint(image: Labels, change: Change) -> None:
    (y, x), (height, width) = change.corner, change.mask.shape
    part = image[y : y + height, x : x + width]
    part[change.mask & (part == change.label)] = change.new_label


def _cut(found: Detections, run: MergedRun, labels: LabelsAt) -> list[Change]:
    """One cell of a pair keeps the merged label, the other gets a new one, in every frame."""
    before = [_look(found, each, labels) for each in run.before]
    after = [_look(found, each, labels) for each in run.after]
    changes = []
    start = int(found.time[run.before[0]])
    whole = int(found.time[run.after[0]]) - start
    for each in run.merged:
        time = int(found.time[each])
        image = np.asarray(labels(time))
        x0, y0, x1, y1 = (round(float(v)) for v in found.box[each])
        window = (y0, x0), (y1 - y0, x1 - x0)
        weight = (time - start) / whole
        one, two = (
            depth_between(a, b, weight, *window) for a, b in zip(before, after, strict=True)
        )
        own = image[y0:y1, x0:x1] == found.label[each]
        mask = own & (two < one)
        share = mask.sum() / own.sum()
        if not PIECE <= share <= 1 - PIECE:
            return []
        why = (
            f"two objects lie in it in frame {start} and in frame {start + whole}; "
            f"its area is that of both"
        )
        label = int(found.label[each])
        changes.append(Change(time, "split", label, 0, (y0, x0), mask, why))
    return changes


def _look(found: Detections, index: int, labels: LabelsAt) -> Shape:
    image = np.asarray(labels(int(found.time[index])))
    return shape_of(image, int(found.label[index]), found.box[index])


def _bridge(
    found: Detections, bridges: Sequence[Bridge], labels: LabelsAt
) -> list[tuple[Bridge, Change]]:
    by_time: dict[int, list[Bridge]] = defaultdict(list)
    for each in bridges:
        by_time[each.time_index].append(each)
    painted = []
    for time, here in sorted(by_time.items()):
        image = np.asarray(labels(time)).copy()
        for bridge in here:
            a, b = (_look(found, each, labels) for each in (bridge.before, bridge.after))
            window = window_between(a, b, (image.shape[0], image.shape[1]))
            inside = depth_between(a, b, bridge.weight, *window) < 0
            (y, x), (height, width) = window
            mask = inside & (image[y : y + height, x : x + width] == 0)
            if mask.sum() < max(FREE * inside.sum(), 1):
                continue
            new = int(image.max()) + 1
            change = Change(time, "bridge", 0, new, (y, x), mask, bridge.why)
            _paint(image, change)
            painted.append((bridge, change))
    return _whole_chains(painted, bridges)


def _whole_chains(
    painted: list[tuple[Bridge, Change]], bridges: Sequence[Bridge]
) -> list[tuple[Bridge, Change]]:
    """Only gaps all of whose frames could be bridged."""
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for bridge in bridges:
        wanted[bridge.edge] += 1
    done: dict[tuple[str, str], int] = defaultdict(int)
    for bridge, _ in painted:
        done[bridge.edge] += 1
    return [each for each in painted if done[each[0].edge] == wanted[each[0].edge]]


def _with_pieces(nodes: pd.DataFrame, cuts: list[Change], labels: LabelsAt) -> pd.DataFrame:
    """The table with both cells of every cut; gives the new labels, in place of the 0."""
    if not cuts:
        return nodes
    nodes = nodes.copy()
    top = {cut.time_index: int(np.max(labels(cut.time_index))) for cut in cuts}
    fresh = []
    for number, cut in enumerate(cuts):
        top[cut.time_index] += 1
        cuts[number] = replace(cut, new_label=int(top[cut.time_index]))
        at = (nodes["time_index"] == cut.time_index) & (nodes["label"] == cut.label)
        old = nodes.loc[at].iloc[0]
        fresh.append(_moved(old, cuts[number]))
        rest = _rest(old, fresh[-1])
        for name, value in rest.items():
            nodes.loc[at, name] = value
    return pd.concat([nodes, pd.DataFrame(fresh)], ignore_index=True)


def _with_bridges(nodes: pd.DataFrame, painted: list[tuple[Bridge, Change]]) -> pd.DataFrame:
    if not painted:
        return nodes
    known = nodes.set_index("object_id", drop=False)
    fresh = [_moved(known.loc[[bridge.like]].iloc[0], change) for bridge, change in painted]
    return pd.concat([nodes, pd.DataFrame(fresh)], ignore_index=True)


def _moved(old: pd.Series[float], change: Change) -> dict[str, object]:
    """The row of an object that was painted, after the one it came from."""
    y, x = np.nonzero(change.mask)
    (y0, x0) = change.corner
    row = {str(name): value for name, value in old.items()}
    place = {
        "object_id": renamed(str(row["object_id"]), change.time_index, change.new_label),
        "time_index": change.time_index,
        "label": change.new_label,
        "centroid_y_px": float(y.mean() + y0),
        "centroid_x_px": float(x.mean() + x0),
        "area_px": float(len(y)),
        "x0_px": float(x.min() + x0),
        "y0_px": float(y.min() + y0),
        "x1_px": float(x.max() + x0 + 1),
        "y1_px": float(y.max() + y0 + 1),
    }
    return row | place


def _rest(old: pd.Series[float], piece: dict[str, object]) -> dict[str, float]:
    """Place and size of what is left of an object; its box stays, which it fills less."""
    whole, cut = float(old["area_px"]), float(str(piece["area_px"]))
    moved = {"area_px": whole - cut}
    for name in ("centroid_y_px", "centroid_x_px"):
        both = float(old[name]) * whole - float(str(piece[name])) * cut
        moved[name] = both / (whole - cut)
    return moved
