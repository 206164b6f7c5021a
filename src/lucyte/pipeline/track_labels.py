"""``lucyte track``: label images of a movie, linked into lineages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.edits import read_edits
from lucyte.io.napari_tracks import write_napari_tracks
from lucyte.io.open import is_image, read_labels
from lucyte.io.trackmate import write_trackmate
from lucyte.io.write_ctc import write_ctc
from lucyte.io.write_geff import write_geff
from lucyte.io.write_table import write_parquet
from lucyte.measure.frame import measure_frame
from lucyte.pipeline.object_pictures import frame_picture
from lucyte.pipeline.out_folder import refuse_out
from lucyte.report.trails_movie import write_trails_movie
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.objects import FrameObjects, Labels, object_id
from lucyte.schema.plan import (
    MeasureSettings,
    TrackSettings,
)
from lucyte.schema.plate import Field
from lucyte.schema.tracks import Tracks
from lucyte.track.pieces import pieces_of, why_no_labels
from lucyte.track.plausibility import plausibility
from lucyte.track.repair import Repairs, link_and_repair

SHOWN_FRAMES = 200
"""Frames of the trails; a longer movie is a large file."""
FORMS: Mapping[str, Callable[[Path, Tracks], None]] = {
    "trackmate": lambda out, tracks: write_trackmate(out / "tracks.xml", tracks),
    "napari": lambda out, tracks: write_napari_tracks(out / "napari.csv", tracks),
    "parquet": lambda out, tracks: write_parquet(tracks.nodes, out / "tracks.parquet"),
}
"""Further forms of a lineage."""


def track_labels(
    labels: Path,
    out: Path,
    settings: dict[str, Any],
    images: Path | None = None,
    edits: Path | None = None,
    forms: Sequence[str] = (),
) -> str:
    """Link a folder of label images, one per frame, into lineages.

    Parameters
    ----------
    labels : Path
        Label images whose names end in the frame number.
    out : Path
        ``mask*.tif``, ``res_track.txt``, ``tracks.geff``, ``plausibility.csv``; ``repairs.csv``
        where something was repaired, ``trails.gif`` with images of one plane.
    settings : dict
        Of ``TrackSettings``.
    images : Path or None
        The images, in the same order; adds brightness to what links are judged by.
    edits : Path or None
        A person's corrections, see ``io.edits``.
    forms : sequence of str
        Further forms to write, of `FORMS`.

    Raises
    ------
    InputError, UsageError
        Frames that do not pair up, an unknown form, corrections that contradict each other.
    """
    refuse_out(out, Path("tracks"))
    for name in forms:
        if name not in FORMS:
            raise unknown("form", name, tuple(FORMS), "Give --to as a comma-separated list.")
    frames = numbered_images(labels)
    pictures = numbered_images(images) if images is not None else {}
    missing = sorted(set(frames) - set(pictures)) if images is not None else []
    if missing:
        raise UsageError(f"{images}: no image for frame {missing[0]}, which {labels} has.")

    def read(time_index: int) -> Labels:
        return read_labels(frames[time_index])

    table, split = _measured(frames, pictures, read)
    shape = read(next(iter(frames))).shape
    size = (int(shape[-2]), int(shape[-1]))
    said = read_edits(edits) if edits is not None else ()
    if edits is not None and not said:
        raise InputError(edits, "holds no correction.", "See docs/track.md for its columns.")
    wanted = TrackSettings(**settings)
    done = link_and_repair(table, wanted, labels=read, shape_yx=size, edits=said)
    tracks, seen = done.tracks, done.repairs.apply(read)
    write_ctc(out, tracks, seen, sorted(frames))
    here = _field_of(labels, frames, size)
    write_geff(out / "tracks.geff", {here.field_id: tracks}, {here.field_id: here})
    for name in forms:
        FORMS[name](out, tracks)
    checks = plausibility(tracks, done.nodes)
    checks.to_csv(out / "plausibility.csv", index=False)
    if done.repairs.changes:
        done.repairs.table().to_csv(out / "repairs.csv", index=False)
    if pictures and len(shape) == 2 and len(tracks.nodes):
        _write_trails(out / "trails.gif", pictures, tracks)
    told = _told(tracks, done.repairs, checks, frames, labels, out)
    return "\n".join(told + _in_pieces(split))


def _told(
    tracks: Tracks,
    repairs: Repairs,
    checks: pd.DataFrame,
    frames: Mapping[int, Path],
    labels: Path,
    out: Path,
) -> list[str]:
    """What was linked, what was repaired, what to look at first."""
    divisions = int((tracks.tracks["fate"] == "divides").sum()) if len(tracks.tracks) else 0
    lines = [
        f"Linked {len(tracks.nodes):,} objects in {len(frames)} frames into "
        f"{len(tracks.tracks):,} tracks with {divisions} divisions. Wrote {out}."
    ]
    kinds = [each.kind for each in repairs.changes]
    if kinds:
        lines.append(
            f"  Repaired: {kinds.count('split')} merged objects split, {kinds.count('bridge')} "
            f"missed ones bridged; each is in {out / 'repairs.csv'}."
        )
    odd = checks[checks["odd"] > 0] if len(checks) else checks
    if len(odd):
        first = odd.iloc[0]
        lines.append(
            f"  Plausibility {checks.attrs['score']:.2f}; look first at {first['check']}: "
            f"{first['odd']} of {first['n']} are odd, the worst in track {first['worst_track_id']} "
            f"({out / 'plausibility.csv'})."
        )
    gaps = _gaps(sorted(frames))
    if gaps:
        lines.append(f"  Frames missing from {labels}: {', '.join(map(str, gaps))}.")
    return lines + [f"  {note}" for note in (*tracks.notes, *repairs.notes)]


def _write_trails(path: Path, pictures: Mapping[int, Path], tracks: Tracks) -> None:
    """The movie with the last steps of every cell drawn over it; at most ``SHOWN_FRAMES``."""
    from lucyte.io.open import open_image

    def picture(time_index: int) -> Any:
        return frame_picture(open_image(pictures[time_index]).compute())

    times = sorted(set(pictures) & set(tracks.nodes["time_index"]))[:SHOWN_FRAMES]
    write_trails_movie(path, picture, dict.fromkeys(times), tracks.nodes)


def numbered_images(folder: Path) -> dict[int, Path]:
    """Images of a folder by the last number in their names, in rising order.

    Raises
    ------
    InputError, UsageError
        No folder, no images, a name without a number, or a number twice.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder of images, one per frame.")
    found: dict[int, Path] = {}
    for path in sorted(each for each in folder.iterdir() if each.is_file() and is_image(each)):
        numbers = re.findall(r"\d+", path.stem)
        if not numbers:
            raise UsageError(f"{path}: its name holds no frame number, e.g. mask000.tif.")
        number = int(numbers[-1])
        if number in found:
            raise UsageError(f"{path}: frame {number} is also {found[number].name}; keep one.")
        found[number] = path
    if not found:
        raise InputError(
            folder, "holds no images.", "Give a folder of label images, one per frame."
        )
    return dict(sorted(found.items()))


def _measured(
    frames: Mapping[int, Path], pictures: Mapping[int, Path], read: Callable[[int], Labels]
) -> tuple[pd.DataFrame, list[tuple[Path, int]]]:
    """All objects, and those (file, label) that lie in several pieces; refuses pictures."""
    parts, split = [], []
    for time_index, path in frames.items():
        labels = read(time_index)
        why = why_no_labels(labels)
        if why:
            raise InputError(path, why, "Segment the images first: lucyte segment IMAGES -o OUT.")
        names, pieces = pieces_of(labels)
        split += [(path, int(each)) for each in names[pieces > 1]]
        parts.append(_nodes(labels, time_index, pictures.get(time_index)))
    return pd.concat(parts, ignore_index=True), split


def _in_pieces(split: Sequence[tuple[Path, int]]) -> list[str]:
    if not split:
        return []
    path, label = split[0]
    return [
        f"  Labels in several pieces: {len(split)}, the first {label} in {path.name}; each counts "
        "as one object."
    ]


def _nodes(named: Labels, time_index: int, picture: Path | None) -> pd.DataFrame:
    # Measuring takes memory by the largest label, and labels may be any numbers.
    known, inverse = np.unique(named, return_inverse=True)
    known = known if len(known) and known[0] == 0 else np.append(0, known)
    labels = (inverse.reshape(named.shape) + len(known) - int(inverse.max(initial=0)) - 1).astype(
        np.int32
    )
    if picture is not None:
        from lucyte.io.open import open_image

        pixels = open_image(picture).compute()
        table = measure_frame(
            pixels,
            FrameObjects({"cell": labels}),
            MeasureSettings(families=["intensity", "shape"]),
            None,
        )
    else:
        table = _geometry(labels)
    table = table.assign(label=known[table["label"].to_numpy(dtype=np.int64)])
    names = [object_id("movie", time_index, "cell", int(label)) for label in table["label"]]
    return table.assign(object_id=names, time_index=time_index)


def _geometry(labels: Labels) -> pd.DataFrame:
    from skimage.measure import regionprops_table

    found: dict[str, Any] = regionprops_table(  # type: ignore[no-untyped-call]
        labels, properties=("label", "centroid", "area", "bbox")
    )
    last = labels.ndim
    return pd.DataFrame(
        {
            "label": found["label"],
            "centroid_y_px": found[f"centroid-{last - 2}"],
            "centroid_x_px": found[f"centroid-{last - 1}"],
            "area_px": found["area"],
            "x0_px": found[f"bbox-{last - 1}"],
            "y0_px": found[f"bbox-{last - 2}"],
            "x1_px": found[f"bbox-{2 * last - 1}"],
            "y1_px": found[f"bbox-{2 * last - 2}"],
        }
    )


def _gaps(frames: list[int]) -> list[int]:
    return sorted(set(range(frames[0], frames[-1] + 1)) - set(frames))


class _LabelFiles:
    """Stands for the label images as the source of a field; its pixels are not read."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths

    def paths_at(self, time_index: int) -> tuple[str, ...]:
        return self.paths

    def open(self) -> Any:
        raise UsageError("these are label images, not pictures.")


def _field_of(folder: Path, frames: dict[int, Path], shape_yx: tuple[int, ...]) -> Field:
    paths = tuple(str(path) for path in frames.values())
    return Field(
        plate=folder.name,
        well="",
        site="1",
        source=_LabelFiles(paths),
        channels=(),
        time_indices=tuple(frames),
        shape_yx=(int(shape_yx[0]), int(shape_yx[1])),
    )
