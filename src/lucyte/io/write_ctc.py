"""Lineages in the form of the Cell Tracking Challenge: one label image per frame and a table.

In that form a track is there in every frame from its begin to its end. A Lucyte track may miss
frames (``max_gap``). Such a track is written as several, each the child of the one before, so that
nothing is claimed for frames in which nobody saw the cell; the lineage stays whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.atomic import atomic_path, write_text
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels
from lucyte.schema.tracks import Tracks

MOST_TRACKS = np.iinfo(np.uint16).max


def write_ctc(
    folder: str | Path,
    tracks: Tracks,
    labels: Callable[[int], Labels],
    time_indices: Sequence[int],
) -> pd.DataFrame:
    """Write ``mask000.tif`` ... and ``res_track.txt``.

    Parameters
    ----------
    folder : str or Path
    tracks : Tracks
    labels : callable
        Gives the label image of a time index (Y X or Z Y X), numbered as ``tracks.nodes.label``.
        Objects that are in no track are left out of the masks.
    time_indices : sequence of int
        The frames to write, numbered as the microscope counted.

    Returns
    -------
    DataFrame
        ``L, B, E, P`` as written, and ``track_id``: which track of Lucyte it is part of.

    Raises
    ------
    UsageError
        A track in a frame that is not there or without its object; a child that begins before its
        parent ends; more than 65,535 tracks.

    References
    ----------
    .. [1] M. Maška et al. (2023), doi 10.1038/s41592-023-01879-y
    """
    root = Path(folder)
    nodes = tracks.nodes
    table, number = _split(nodes, time_indices)
    stale = {path.name for path in root.glob("mask*.tif")} if root.is_dir() else set()
    for time_index in time_indices:
        here = nodes[nodes["time_index"] == time_index] if len(nodes) else nodes
        mask = _relabelled(labels(time_index), here, number, time_index)
        name = f"mask{time_index:03d}.tif"
        _write_mask(root / name, mask)
        stale.discard(name)
    for name in stale:
        (root / name).unlink()
    lines = [" ".join(str(v) for v in row) for row in table[list("LBEP")].to_numpy().tolist()]
    write_text(root / "res_track.txt", "".join(f"{line}\n" for line in lines))
    return table


def _split(
    nodes: pd.DataFrame, time_indices: Sequence[int]
) -> tuple[pd.DataFrame, dict[tuple[int, int], int]]:
    """Rows of the table, and the number of each (track, frame) in the masks."""
    order = {time: i for i, time in enumerate(sorted(time_indices))}
    number: dict[tuple[int, int], int] = {}
    pieces: dict[int, list[tuple[int, int]]] = {}
    parents: dict[int, int] = {}
    ordered = nodes.sort_values(["track_id", "time_index"]) if len(nodes) else nodes
    columns = ("track_id", "time_index", "parent_track_id")
    plain = [[int(v) for v in ordered[c]] for c in columns] if len(nodes) else [[], [], []]
    tracks: dict[int, list[int]] = {}
    for track, time, parent in zip(*plain, strict=True):
        tracks.setdefault(track, []).append(time)
        parents.setdefault(track, parent)
    for track, times in tracks.items():
        strange = next((t for t in times if t not in order), None)
        if strange is not None:
            raise UsageError(f"track {track} has an object in frame {strange}, which is not there.")
        if len(set(times)) < len(times):
            raise UsageError(f"track {track} has two objects in one frame; a track has one.")
        # The form counts frames by number, so a frame that the microscope lacks is a gap too.
        breaks = [i for i in range(1, len(times)) if times[i] != times[i - 1] + 1]
        starts = [0, *breaks]
        ends = [*breaks, len(times)]
        pieces[track] = [(times[a], times[b - 1]) for a, b in zip(starts, ends, strict=True)]
    rows = []
    last: dict[int, int] = {}
    extra = max(pieces, default=0)
    for track, spans in sorted(pieces.items()):
        for i, (begin, end) in enumerate(spans):
            extra += i > 0
            here = track if i == 0 else extra
            rows.append([here, begin, end, parents[track] if i == 0 else last[track], track])
            last[track] = here
            number |= {(track, t): here for t in range(begin, end + 1)}
    if extra > MOST_TRACKS:
        raise UsageError(f"{extra} tracks; this form holds at most {MOST_TRACKS} in one movie.")
    return _with_parents(rows, last, pieces), number


def _with_parents(
    rows: list[list[int]], last: dict[int, int], pieces: dict[int, list[tuple[int, int]]]
) -> pd.DataFrame:
    """A daughter's parent is the last piece of the mother's track."""
    for row in rows:
        number, begin, _, parent, track = row
        if parent == 0 or number != track:
            continue
        if parent not in pieces:
            raise UsageError(f"track {track} has a parent {parent} that does not exist.")
        if pieces[parent][-1][1] >= begin:
            raise UsageError(
                f"track {track} begins in frame {begin}, before its parent {parent} ends "
                f"({pieces[parent][-1][1]})."
            )
        row[3] = last[parent]
    table = pd.DataFrame(sorted(rows), columns=[*"LBEP", "track_id"])
    return table.astype("int64")


def _relabelled(
    labels: npt.NDArray[Any], here: pd.DataFrame, number: dict[tuple[int, int], int], time: int
) -> npt.NDArray[np.uint16]:
    top = int(labels.max()) if labels.size else 0
    table = np.zeros(top + 1, dtype=np.uint16)
    present = np.zeros(top + 1, dtype=bool)
    present[np.unique(labels)] = True
    if len(here):
        for label, track in zip(here["label"], here["track_id"], strict=True):
            if not 0 < label <= top or not present[label]:
                raise UsageError(
                    f"track {track} has object {label} in frame {time}, which its label image "
                    "does not hold."
                )
            table[label] = number[int(track), time]
    mask: npt.NDArray[np.uint16] = table[labels]
    return mask


def _write_mask(path: Path, mask: npt.NDArray[np.uint16]) -> None:
    import tifffile

    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            mask,
            compression="zlib",
            photometric="minisblack",
            software="lucyte",
            metadata=None,
        )
