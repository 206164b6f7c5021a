"""TIFF through tifffile: plain, ImageJ, OME (also over several files), MetaMorph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lucyte.io import tiff_sizes
from lucyte.io.budget import check_axes, check_budget, check_claim
from lucyte.io.read_picture import ALPHA_PROBLEM, PALETTE_REFUSAL, RGB, is_ramp
from lucyte.io.scene import ReadPiece, Scene, damaged
from lucyte.io.tiff_planes import SamplesFirst, plane_reader, quiet
from lucyte.io.tiff_sizes import Sizes
from lucyte.schema.errors import InputError

_INVERTED = "stored inverted (MinIsWhite): large numbers are dark; the numbers are kept as stored"
_LOST_OME = "its OME-XML cannot be read, so names and sizes are unknown"
_MIN_IS_WHITE, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_PAGES = ("I", "Q")


def scenes(path: Path, max_gb: float | None = None, pages: str | None = None) -> tuple[Scene, ...]:
    """The images of a TIFF, thumbnails and smaller pyramid levels left out.

    Parameters
    ----------
    path : Path
    max_gb : float or None
        Budget for one plane.
    pages : {"T", "Z", "C"} or None
        What the pages of a plain stack are, where the file does not say.

    Raises
    ------
    InputError
        Not a TIFF, cut off, or its header asks for more than there is.
    """
    import tifffile

    try:
        with quiet(), tifffile.TiffFile(path) as tif:
            _refuse_impossible(path, tif, max_gb)
            whole = [one for one in tif.series if not one.keyframe.is_reduced] or list(tif.series)
            _refuse_lost_order(path, tif, whole[0])
            return tuple(_scene(path, tif, i, one, max_gb, pages) for i, one in enumerate(whole))
    except InputError:
        raise
    except Exception as error:
        raise damaged(str(path), error) from error


def _refuse_impossible(path: Path, tif: Any, max_gb: float | None) -> None:
    """Check the first header before anything follows from it."""
    if not len(tif.pages):
        raise InputError(path, "holds no image pages.")
    first = tif.pages.first
    if first.dtype is None:
        bits = first.bitspersample
        raise InputError(path, f"has pixels of a type that cannot be read ({bits} bits).")
    if first.dtype.kind == "c":
        raise InputError(path, "holds complex numbers, not an image.")
    check_axes(path, first.shape)
    check_budget(path, first.shape, first.dtype, max_gb)
    check_claim(path, first.nbytes, tif.filehandle.size)


def _refuse_lost_order(path: Path, tif: Any, series: Any) -> None:
    """Where ImageJ's or OME's description does not fit the pages, do not guess another reading."""
    first = tif.pages.first
    if first.is_imagej and series.kind != "imagej":
        meta = tif.imagej_metadata or {}
        raise InputError(
            path,
            f"its ImageJ header speaks of {meta.get('images', 'several')} planes, which do not fit "
            "the file;",
            "it is truncated or damaged, copy or export it again.",
        )
    if first.is_ome and series.kind != "ome" and len(tif.pages) > 1:
        raise InputError(
            path,
            "its OME-XML cannot be read, and without it the order of its pages is unknown;",
            "export it again.",
        )


def _scene(
    path: Path, tif: Any, number: int, series: Any, max_gb: float | None, pages: str | None
) -> Scene:
    page = series.keyframe
    check_budget(path, page.shape, page.dtype, max_gb)
    read, files, problems = plane_reader(path, tif, series)
    read, axes, shape, dropped = _samples(read, page, tuple(series.axes), tuple(series.shape))
    if pages is not None:
        axes = tuple(pages if axis in _PAGES else axis for axis in axes)
    long = tuple(axis for axis, n in zip(axes, shape, strict=True) if n > 1)
    sizes, kind = _sizes(tif, series, number, long, dict(zip(axes, shape, strict=True)))
    sizes = tiff_sizes.doubtful(sizes)
    coloured = page.photometric in (_RGB, _YCBCR) and "C" in page_axes(page)
    # ImageJ's palette is a lookup table for the screen; anyone else's gives the numbers a meaning.
    palette = page.photometric == _PALETTE and series.kind != "imagej"
    palette = palette and not is_ramp(page.colormap.T)
    notes = ((ALPHA_PROBLEM,) if dropped else ()) + sizes.problems + problems
    return Scene(
        path=str(path),
        format=kind,
        name=str(series.name or ""),
        axes=axes,
        shape=shape,
        dtype=np.dtype(np.uint8) if page.dtype == np.bool_ else page.dtype.newbyteorder("="),
        inner=len(page.shape),
        read=read,
        channels=RGB if coloured else sizes.channels,
        pixel_size_um=sizes.pixel_size_um,
        z_step_um=sizes.z_step_um,
        interval_s=sizes.interval_s,
        flags=(("palette",) if palette else ()) + (("lossy",) if _is_lossy(page) else ()),
        problems=notes + ((_INVERTED,) if page.photometric == _MIN_IS_WHITE else ()),
        refusal=PALETTE_REFUSAL if palette else "",
        files=files,
    )


def page_axes(page: Any) -> tuple[str, ...]:
    """Axes of one page after `_samples`: colour samples are channels."""
    return tuple("C" if axis == "S" else axis for axis in page.axes)


def _samples(
    read: ReadPiece, page: Any, axes: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[ReadPiece, tuple[str, ...], tuple[int, ...], bool]:
    """Move the samples of a page (R G B) to its front and call them C. Drops transparency."""
    outer = len(axes) - len(page.axes)
    if "S" not in page.axes:
        return read, axes, shape, False
    at = page.axes.index("S")
    count = shape[outer + at]
    keep = min(count, 3) if page.photometric in (_RGB, _YCBCR) else count
    inner_axes, inner_shape = list(axes[outer:]), list(shape[outer:])
    del inner_axes[at], inner_shape[at]
    name = "S" if "C" in axes else "C"
    return (
        SamplesFirst(read, at, keep),
        (*axes[:outer], name, *inner_axes),
        (*shape[:outer], keep, *inner_shape),
        keep < count,
    )


def _is_lossy(page: Any) -> bool:
    return page.compression in (6, 7, 33007, 34892)


def _sizes(
    tif: Any, series: Any, number: int, long: tuple[str, ...], lengths: dict[str, int]
) -> tuple[Sizes, str]:
    """Sizes and the name of the format that told them."""
    tags = {
        name: series.keyframe.tags.valueof(name)
        for name in ("XResolution", "YResolution", "ResolutionUnit")
    }
    if series.kind == "imagej":
        meta = tif.imagej_metadata or {}
        names = tiff_sizes.imagej_channels(meta, lengths)
        return tiff_sizes.imagej(meta, tags, long, names), "ImageJ TIFF"
    if series.kind == "ome":
        images = ElementTree.fromstring(tif.ome_metadata).findall("{*}Image")
        named = [image for image in images if image.get("Name") == series.name]
        chosen = images[number] if number < len(images) else images[0]
        return tiff_sizes.ome(named[0] if len(named) == 1 else chosen, long), "OME-TIFF"
    if tif.is_metaseries:
        return tiff_sizes.metamorph(tif.metaseries_metadata or {}), "MetaMorph TIFF"
    if tif.pages.first.is_ome:
        return replace(tiff_sizes.plain(tags), problems=(_LOST_OME,)), "TIFF"
    return tiff_sizes.plain(tags), "TIFF"
