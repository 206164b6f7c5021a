"""Planes of a TIFF, each read on its own. A missing tile is an error, never zeros."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.scene import ReadPiece
from lucyte.schema.errors import InputError

Array = npt.NDArray[Any]


def plane_reader(
    path: Path, tif: Any, series: Any
) -> tuple[ReadPiece, tuple[str, ...], tuple[str, ...]]:
    """How to read the pages of a series, the files that hold them, and what is missing.

    Pages are remembered by their place in the file: reading plane 300 of a stack must not walk
    over the 299 before it.
    """
    page = series.keyframe
    outer = tuple(int(n) for n in series.shape[: len(series.shape) - len(page.shape)])
    if tuple(series.shape[len(outer) :]) != tuple(page.shape):
        raise InputError(path, f"its pages {page.shape} do not fit its axes {series.shape}.")
    start = None if series.is_multifile else series.dataoffset
    if start is not None:
        if start + series.nbytes > tif.filehandle.size:
            there = max(tif.filehandle.size - start, 0)
            raise InputError(
                path,
                f"is truncated: {there:,} of {series.nbytes:,} bytes of pixels are there;",
                "copy it again.",
            )
        dtype = np.dtype(page.dtype).newbyteorder(tif.byteorder)
        return _Contiguous(str(path), start, dtype, tuple(page.shape), outer), (str(path),), ()
    places = tuple(
        None if each is None else (str(_file(each, path)), int(each.offset)) for each in series
    )
    wanted = math.prod(outer)
    if len(places) < wanted:
        raise InputError(
            path,
            f"has {len(places)} of the {wanted} planes its header speaks of;",
            "copy it again.",
        )
    files = tuple(dict.fromkeys(place[0] for place in places if place)) or (str(path),)
    absent = sum(place is None for place in places)
    problems = (f"{absent} of {wanted} planes are missing",) if absent else ()
    return _Pages(str(path), places, outer), files, problems


def _file(page: Any, path: Path) -> Path:
    found = Path(page.parent.filehandle.path)
    return path if found.name == path.name and found.resolve() == path.resolve() else found


@dataclass(frozen=True)
class _Contiguous:
    """Uncompressed planes that follow one another."""

    path: str
    start: int
    dtype: np.dtype[Any]
    plane: tuple[int, ...]
    outer: tuple[int, ...]

    def __call__(self, index: tuple[int, ...]) -> Array:
        number = _flat(index, self.outer)
        count = math.prod(self.plane)
        offset = self.start + number * count * self.dtype.itemsize
        pixels = np.fromfile(self.path, self.dtype, count, offset=offset)
        if pixels.size != count:
            raise InputError(self.path, f"is truncated in plane {number};", "copy it again.")
        return pixels.reshape(self.plane).astype(self.dtype.newbyteorder("="), copy=False)


@dataclass(frozen=True)
class _Pages:
    """Planes by file and place of their directory; None for a plane that is not there."""

    path: str
    places: tuple[tuple[str, int] | None, ...]
    outer: tuple[int, ...]

    def __call__(self, index: tuple[int, ...]) -> Array:
        import tifffile

        number = _flat(index, self.outer)
        place = self.places[number]
        if place is None:
            raise InputError(
                self.path,
                f"plane {number} is missing (its file is not there or holds too few pages);",
                "put all files of the image into one folder.",
            )
        file, offset = place
        with quiet(), tifffile.TiffFile(file, is_ome=False) as tif:
            tif.filehandle.seek(offset)
            page = tifffile.TiffPage(tif, 0)
            _refuse_missing_segments(file, page, number, tif.filehandle.size)
            pixels: Array = page.asarray()
            return pixels


@dataclass(frozen=True)
class SamplesFirst:
    """Pages with their samples moved to the front, the first ``keep`` of them."""

    read: ReadPiece
    at: int
    keep: int

    def __call__(self, index: tuple[int, ...]) -> Array:
        return np.ascontiguousarray(np.moveaxis(self.read(index), self.at, 0)[: self.keep])


def _refuse_missing_segments(file: str, page: Any, number: int, size: int) -> None:
    what = "tiles" if page.is_tiled else "strips"
    there = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    wanted = len(there) if page.is_contiguous else math.prod(page.chunked)
    missing = max(wanted - len(there), 0) + sum(not offset or not count for offset, count in there)
    if missing:
        raise InputError(
            file,
            f"{missing} of {wanted} {what} of plane {number} are missing;",
            "they would read as zeros, so the plane is refused. Copy or export it again.",
        )
    if any(offset + count > size for offset, count in there):
        raise InputError(file, f"is truncated in plane {number};", "copy it again.")


def _flat(index: tuple[int, ...], outer: tuple[int, ...]) -> int:
    return int(np.ravel_multi_index(index, outer)) if outer else 0


class _Mute(logging.Filter):
    """Drops what one thread logs."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self.thread


@contextmanager
def quiet() -> Iterator[None]:
    """Keep tifffile's own log lines of this thread from the screen: we say it in our words."""
    log, mute = logging.getLogger("tifffile"), _Mute()
    log.addFilter(mute)
    try:
        yield
    finally:
        log.removeFilter(mute)
