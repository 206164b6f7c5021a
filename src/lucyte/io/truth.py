"""What is known about images: Cell Tracking Challenge truth, YOLO boxes, one mask per cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.annotated_paint import Piece, paint, piece_of
from lucyte.io.open import read_labels
from lucyte.schema.errors import InputError
from lucyte.schema.objects import BOX, Labels

_EDGE = 1e-6  # YOLO files round to about this much


@dataclass(frozen=True)
class CtcTruth:
    """A truth folder of the Cell Tracking Challenge, or a result in the same form.

    Attributes
    ----------
    markers : mapping of time index to path
        ``TRA/man_track*.tif`` (``mask*.tif`` of a result): every cell a marker, its track number.
    masks : mapping of time index to path
        ``SEG/man_seg*.tif``: outlines, their own numbers; few frames, maybe not all cells. 3D
        sets with annotated single slices (``man_seg_013_002.tif``) are not read.
    tracks : DataFrame
        ``L, B, E, P``: track, first and last time index, parent track (0: none), as int64.

    References
    ----------
    .. [1] M. Maška et al. (2023), doi 10.1038/s41592-023-01879-y
    """

    markers: Mapping[int, str]
    masks: Mapping[int, str]
    tracks: pd.DataFrame


def read_ctc_truth(folder: str | Path) -> CtcTruth:
    """Find what a folder like ``01_GT`` (or ``01_RES``) holds; label images stay unread.

    Parameters
    ----------
    folder : str or Path
        With ``TRA`` and ``SEG`` inside, or itself such a folder.

    Raises
    ------
    InputError
        No truth in there; a track table that is damaged.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(root, "no such folder.", "Give the folder 01_GT that belongs to 01.")
    tra = root / "TRA" if (root / "TRA").is_dir() else root
    seg = root / "SEG" if (root / "SEG").is_dir() else root
    markers = _numbered(tra, r"(?:man_track|mask)(\d+)\.tiff?")
    masks = _numbered(seg, r"man_seg(\d+)\.tiff?")
    if not markers and not masks:
        raise InputError(
            root,
            "holds no man_track*.tif, man_seg*.tif or mask*.tif.",
            "Give a folder in the form of the Cell Tracking Challenge, such as 01_GT.",
        )
    table = next((p for n in ("man_track.txt", "res_track.txt") if (p := tra / n).is_file()), None)
    if markers and table is None:
        raise InputError(tra, "has label images but no man_track.txt.", "Copy the folder again.")
    return CtcTruth(markers, masks, _tracks(table) if table else _no_tracks())


def read_yolo_boxes(path: str | Path, width: int, height: int) -> pd.DataFrame:
    """Boxes of one image from a YOLO text file (``class x y width height``, relative centres).

    Parameters
    ----------
    path : str or Path
        An empty file means that there is nothing to see.
    width, height : int
        Of the image, px.

    Returns
    -------
    DataFrame
        ``class_id, x0_px, y0_px, x1_px, y1_px`` in the order of the file: half-open, not rounded,
        cut at the image's border. A box without width or height, as some annotation tools leave
        behind, holds no pixel and is left out; ``attrs["empty_lines"]`` lists the lines, and
        ``attrs["cut_lines"]`` those that reached more than half a pixel beyond the border.

    Raises
    ------
    InputError
        Names the line that is not a box, or whose centre lies outside the image.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(path, "no such file of boxes.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not a text file of boxes ({error}).") from None
    boxes = {
        number: _box(path, number, line, width, height)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    }
    rows = [box for box in boxes.values() if box is not None]
    table = pd.DataFrame(rows, columns=["class_id", *BOX])
    table = table.astype({"class_id": "int64", **dict.fromkeys(BOX, "float64")})
    table.attrs["empty_lines"] = [number for number, box in boxes.items() if box is None]
    table.attrs["cut_lines"] = [
        number
        for number, box in boxes.items()
        if box is not None and _was_cut(lines[number - 1], box, width, height)
    ]
    return table


@dataclass(frozen=True)
class MaskFolder:
    """One mask file per cell, together.

    Attributes
    ----------
    labels : int32 array, Y X
        Cell ``k`` of ``table`` as ``k``; where masks overlap, the smaller cell is on top.
    table : DataFrame
        ``label, file, state, x0_px, y0_px, x1_px, y1_px, area_px, hidden_px``: the class folder
        (empty where there is none), box and area of the whole mask, and how much of it lies under
        other masks.
    """

    labels: Labels
    table: pd.DataFrame


def read_mask_folder(folder: str | Path, *, skip_empty: bool = False) -> MaskFolder:
    """Read a folder with one mask image per cell, in subfolders named after states or not.

    Parameters
    ----------
    folder : str or Path
        PNG or TIFF masks of one image; what is not 0 is cell.
    skip_empty : bool
        Leave masks without a pixel out instead of refusing them; ``table.attrs["empty_files"]``
        lists them.

    Returns
    -------
    MaskFolder
        ``table.attrs["overlaps"]`` lists ``(label, label, px)`` of masks that meet.

    Raises
    ------
    InputError
        No masks, an empty mask, masks of different size; names the file.
    """
    root = Path(folder)
    files = mask_files(root)
    if not files:
        raise InputError(root, "holds no mask images (PNG or TIFF).")
    pieces: list[Piece] = []
    rows = []
    empty: list[str] = []
    shape: tuple[int, int] | None = None
    for path in files:
        mask = _mask(path)
        shape = shape or (mask.shape[0], mask.shape[1])
        if mask.shape != shape:
            raise InputError(path, f"is {mask.shape}, the first mask is {shape}.")
        piece = piece_of(mask)  # 400 whole masks of a large field would not fit in memory
        name = path.relative_to(root).as_posix()
        if piece is None:
            if not skip_empty:
                raise InputError(path, "is an empty mask.", "Delete it or draw the cell.")
            empty.append(name)
            continue
        pieces.append(piece)
        rows.append((name, "" if path.parent == root else path.parent.name, *piece.box, piece.area))
    table = pd.DataFrame(rows, columns=["file", "state", *BOX, "area_px"])
    painted = paint(pieces, shape or (0, 0))
    table.insert(0, "label", np.arange(1, len(table) + 1))
    seen = np.bincount(painted.labels.ravel(), minlength=len(table) + 1)[1:]
    table["hidden_px"] = table["area_px"].to_numpy() - seen
    table.attrs |= {"overlaps": painted.overlaps, "empty_files": tuple(empty)}
    return MaskFolder(painted.labels, table)


def mask_files(folder: Path) -> list[Path]:
    """The mask images in a folder and below it, sorted."""
    suffixes = (".png", ".tif", ".tiff")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and path.name[0] != "." and path.is_file()
    )


def _numbered(folder: Path, pattern: str) -> dict[int, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(pattern, path.name, re.IGNORECASE)
        if match:
            found[int(match[1])] = str(path)
    return dict(sorted(found.items()))


def _no_tracks() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="int64") for name in "LBEP"})


def _tracks(path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 4 or not all(part.isdigit() for part in parts):
            raise InputError(
                path, f"line {number} is not 'track begin end parent' (whole numbers): {line!r}."
            )
        rows.append([int(part) for part in parts])
    if not rows:
        return _no_tracks()
    table = pd.DataFrame(rows, columns=list("LBEP")).astype("int64")
    known = {0, *table["L"]}
    for track, parent in zip(table["L"], table["P"], strict=True):
        if parent not in known:
            raise InputError(path, f"track {track} has a parent {parent} that is not in the table.")
    return table


def _box(
    path: str | Path, number: int, line: str, width: int, height: int
) -> tuple[int, float, float, float, float] | None:
    try:
        kind, x, y, w, h = (float(part) for part in line.split())
    except ValueError:
        raise InputError(
            path, f"line {number} is not 'class x y width height': {line.strip()[:60]!r}."
        ) from None
    inside = all(-_EDGE <= value <= 1 + _EDGE for value in (x, y)) and 0 <= w <= 1 and 0 <= h <= 1
    if not inside or kind != int(kind):
        raise InputError(
            path,
            f"line {number} is no box inside the image: {line.strip()[:60]!r}.",
            "YOLO boxes are relative to the image (0 to 1).",
        )
    if w == 0 or h == 0:
        return None
    left, right = max(0.0, x - w / 2), min(1.0, x + w / 2)
    top, bottom = max(0.0, y - h / 2), min(1.0, y + h / 2)
    return (int(kind), left * width, top * height, right * width, bottom * height)


def _was_cut(
    line: str, box: tuple[int, float, float, float, float], width: int, height: int
) -> bool:
    w, h = (float(part) for part in line.split()[3:])
    return w * width - (box[3] - box[1]) > 0.5 or h * height - (box[4] - box[2]) > 0.5


def _mask(path: Path) -> npt.NDArray[np.bool_]:
    array: npt.NDArray[Any] = read_labels(path)
    if array.ndim != 2:
        raise InputError(path, f"a mask has axes Y X, this one has shape {array.shape}.")
    return array > 0
