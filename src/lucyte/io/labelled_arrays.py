"""Pictures as rows of one array: ``.npz``, ``.npy`` or Zarr. Nothing about axes is guessed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lucyte.io.labelled_fit import choose_frame, fitted
from lucyte.io.labelled_items import Labelled, SampleOptions
from lucyte.io.labelled_pictures import Pixels, Progress, chosen_channels
from lucyte.io.labelled_scratch import scratch_array
from lucyte.io.open import open_image, scenes
from lucyte.schema.errors import InputError, UsageError, unknown

Array = npt.NDArray[Any]
FEW = 8
"""An axis of pictures is longer, an axis of channels is not."""
_BLOCK = 1 << 24


def read_array(found: Labelled, options: SampleOptions, progress: Progress | None = None) -> Pixels:
    """Read pictures that are rows of an array, as many as the table has.

    Raises
    ------
    InputError
        Damaged, no numbers, or another number of rows than the table.
    UsageError
        Axes that the shape leaves open, several arrays and none chosen.
    """
    path, notes = found.array, []
    assert path is not None
    masks: Array | None = None
    names: tuple[str, ...] = ()
    if path.suffix.lower() == ".zarr":
        images, names = _read_zarr(path, options)
        axes = "NCYX"
    else:
        images, masks = _read_numpy(path, options)
        axes, said = axes_of(images.shape, options, str(path))
        notes += said
    if len(images) != len(found.items):
        raise InputError(
            path,
            f"has {len(images)} pictures and its table {len(found.items)} rows;",
            "they must agree, row for row.",
        )
    if axes == "NYX":
        images = images[:, None]
    elif axes == "NYXC":
        images = np.moveaxis(images, 3, 1)
    names = names or tuple(f"C{k}" for k in range(images.shape[1]))
    images, channels = chosen_channels(images, names, options.channels)
    if not options.channels and names[0] == "C0" and len(names) > 1:
        notes.append(f"Channels have no names: {', '.join(names)} (--channels names them).")
    shape = (int(images.shape[2]), int(images.shape[3]))
    frame = choose_frame([shape], [path.name], options.side_px, options.fit)
    if frame.way != "none":
        out = scratch_array((len(images), len(channels), *frame.shape), images.dtype)
        for row, picture in enumerate(images):
            out[row] = fitted(np.asarray(picture), frame)
        images = out
        notes.append(frame.note)
    if progress is not None:
        progress(len(images), len(images))
    return Pixels(
        images,
        channels,
        None if masks is None else np.stack([fitted(each, frame, mask=True) for each in masks]),
        found.items,
        tuple(notes),
    )


def axes_of(shape: Sequence[int], options: SampleOptions, name: str) -> tuple[str, list[str]]:
    """Which axis is what, where one order alone is possible; a note where it was recognised.

    Raises
    ------
    UsageError
        The shape fits two orders, or none.
    """
    given = len(options.channels) if not isinstance(options.channels, Mapping) else 0
    if options.axes:
        if len(options.axes) != len(shape):
            raise UsageError(f"{name}: --axes {options.axes} for an array of shape {tuple(shape)}.")
        return options.axes, []
    if len(shape) == 3:
        return "NYX", []
    if len(shape) != 4:
        raise UsageError(
            f"{name}: an array of pictures has axes N C Y X, N Y X C or N Y X, "
            f"this one shape {tuple(shape)}."
        )

    def channel_like(length: int) -> bool:
        return length == given if given else length <= FEW

    first = channel_like(shape[1]) and min(shape[2:]) > FEW
    last = channel_like(shape[3]) and min(shape[1:3]) > FEW
    if first == last:
        raise UsageError(
            f"{name}: shape {tuple(shape)} does not tell which axis holds the channels; "
            "say --axes NCYX or --axes NYXC."
        )
    axes = "NCYX" if first else "NYXC"
    where = "second" if first else "last"
    count = shape[1] if first else shape[3]
    return axes, [
        f"Shape {' x '.join(str(n) for n in shape)} is read as {axes}: the {where} axis holds the "
        f"{count} channels (--axes says otherwise)."
    ]


@dataclass(frozen=True)
class _Member:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    open: Callable[[], IO[bytes]]


def _read_numpy(path: Path, options: SampleOptions) -> tuple[Array, Array | None]:
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False), None
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            name = _chosen(path, members, options)
            masks = None
            if options.masks:
                if options.masks not in members:
                    raise unknown("array", options.masks, members, f"In {path} (--masks).")
                masks = _read(path, members[options.masks], options.scratch_gb) > 0
            images = _read(path, members[name], options.scratch_gb)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(path, f"cannot be read ({reason});", "copy it again.") from None
    if masks is not None and len(masks) != len(images):
        raise InputError(path, f"has {len(images)} pictures and {len(masks)} masks.", "Save all.")
    return images, masks


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, _Member]:
    found = {}
    for info in archive.infolist():
        with archive.open(info) as file:
            version = np.lib.format.read_magic(file)
            read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
            shape, fortran, dtype = read(file)

        def reopen(info: zipfile.ZipInfo = info) -> IO[bytes]:
            return archive.open(info)

        found[info.filename.removesuffix(".npy")] = _Member(shape, dtype, fortran, reopen)
    return found


def _chosen(path: Path, members: Mapping[str, _Member], options: SampleOptions) -> str:
    if options.array:
        if options.array not in members:
            raise unknown("array", options.array, members, f"In {path}.")
        return options.array
    likely = [name for name, each in members.items() if len(each.shape) in (3, 4)]
    likely = [name for name in likely if name != options.masks]
    if len(likely) != 1:
        listed = ", ".join(f"{name} {each.shape}" for name, each in members.items())
        raise UsageError(f"{path}: which array holds the pictures? Say --array; it has {listed}.")
    return likely[0]


def _read(path: Path, member: _Member, most_gb: float) -> Array:
    if member.dtype.hasobject:
        raise InputError(path, "holds Python objects, not numbers.", "Save plain arrays.")
    if member.dtype.kind not in "uifb":
        raise InputError(path, f"holds {member.dtype}, not numbers.", "Save plain arrays.")
    out = scratch_array(member.shape, member.dtype, most_gb)
    flat = out.reshape(-1).view(np.uint8)
    with member.open() as file:
        np.lib.format.read_magic(file)
        skip = np.lib.format.read_array_header_1_0
        skip(file)
        at = 0
        while at < len(flat):
            block = file.read(min(_BLOCK, len(flat) - at))
            if not block:
                raise EOFError("it ends before its pixels do")
            flat[at : at + len(block)] = np.frombuffer(block, np.uint8)
            at += len(block)
    if member.fortran:
        out = out.reshape(member.shape[::-1]).transpose()
    return out if out.dtype.isnative else out.astype(out.dtype.newbyteorder("="))


def _read_zarr(path: Path, options: SampleOptions) -> tuple[Array, tuple[str, ...]]:
    """Rows of an OME-Zarr image along T or Z, its images one by one, or a bare Zarr array."""
    import zarr

    if not any((path / mark).exists() for mark in (".zattrs", ".zgroup")) and _bare(path):
        array: Any = zarr.open_array(str(path), mode="r")
        axes, _ = axes_of(array.shape, options, str(path))
        out = scratch_array(array.shape, array.dtype, options.scratch_gb)
        for row in range(len(out)):
            out[row] = array[row]
        out = out[:, None] if axes == "NYX" else out
        return (np.moveaxis(out, 3, 1) if axes == "NYXC" else out), ()
    count = len(scenes(path))
    images = [open_image(path, series=k) for k in range(count)]
    if count == 1:
        rows = next((axis for axis in ("T", "Z") if axis in images[0].dims), None)
        if rows is None:
            raise InputError(path, "is one picture; rows lie along T or Z, or are images each.")
        images = [images[0].isel({rows: k}) for k in range(images[0].sizes[rows])]
    first = images[0] if "C" in images[0].dims else images[0].expand_dims("C")
    if "Z" in first.dims or "T" in first.dims:
        raise UsageError(f"{path}: has both T and Z; rows of pictures lie along one of them.")
    out = scratch_array((len(images), *first.shape), first.dtype, options.scratch_gb)
    for row, image in enumerate(images):
        pixels = np.asarray(image.data)
        pixels = pixels if pixels.ndim == 3 else pixels[None]
        if pixels.shape != first.shape:
            raise InputError(path, f"image {row} has shape {pixels.shape}, not {first.shape}.")
        out[row] = pixels
    named = "C" in images[0].dims and "C" in images[0].coords
    return out, tuple(str(each) for each in images[0]["C"].values) if named else ()


def _bare(path: Path) -> bool:
    import json

    if (path / ".zarray").is_file():
        return True
    marker = path / "zarr.json"
    return marker.is_file() and json.loads(marker.read_text()).get("node_type") == "array"
