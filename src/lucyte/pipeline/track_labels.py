"""``lucyte track``: label images of a movie, linked into lineages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from lucyte.io.open import is_image, read_labels
from lucyte.io.write_ctc import write_ctc
from lucyte.io.write_geff import write_geff
from lucyte.measure.frame import measure_frame
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.objects import FrameObjects, Labels, object_id
from lucyte.schema.plan import (
    MeasureSettings,
    TrackSettings,
)
from lucyte.schema.plate import Field
from lucyte.track.link import link


def track_labels(labels: Path, out: Path, settings: dict[str, Any], images: Path | None) -> str:
    """Link a folder of label images, one per frame, into lineages.

    Parameters
    ----------
    labels : Path
        Label images whose names end in the frame number.
    out : Path
        ``mask*.tif``, ``res_track.txt``, ``tracks.geff``.
    settings : dict
        Of ``TrackSettings``.
    images : Path or None
        The images, in the same order; adds brightness to what links are judged by.
    """
    frames = numbered_images(labels)
    pictures = numbered_images(images) if images is not None else {}
    missing = sorted(set(frames) - set(pictures)) if images is not None else []
    if missing:
        raise UsageError(f"{images}: no image for frame {missing[0]}, which {labels} has.")

    def read(time_index: int) -> Labels:
        return read_labels(frames[time_index])

    nodes = [_nodes(read(t), t, pictures.get(t)) for t in frames]
    shapes = {read_labels(path).shape for path in list(frames.values())[:1]}
    table = pd.concat(nodes, ignore_index=True)
    tracks = link(table, TrackSettings(**settings), labels=read, shape_yx=next(iter(shapes))[-2:])
    write_ctc(out, tracks, read, sorted(frames))
    here = _field_of(labels, frames, next(iter(shapes))[-2:])
    write_geff(out / "tracks.geff", {here.field_id: tracks}, {here.field_id: here})
    divisions = int((tracks.tracks["fate"] == "divides").sum()) if len(tracks.tracks) else 0
    gaps = _gaps(sorted(frames))
    lines = [
        f"Linked {len(table):,} objects in {len(frames)} frames into {len(tracks.tracks):,} tracks "
        f"with {divisions} divisions. Wrote {out}."
    ]
    if gaps:
        lines.append(f"  Frames missing from {labels}: {', '.join(map(str, gaps))}.")
    return "\n".join(lines)


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


def _nodes(labels: Labels, time_index: int, picture: Path | None) -> pd.DataFrame:
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
