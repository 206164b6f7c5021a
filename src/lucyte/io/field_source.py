"""One field's pixels from one file, or from one file per channel, frame and plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.io import cellular_merged
from lucyte.io.budget import check_budget
from lucyte.io.open import DEFAULT, How, open_image, scenes
from lucyte.io.scene import unique_names
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import AXES, channel_names, make_image, time_indices

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Slot:
    """One file (or one image of a file) and where its pixels go; None where unsaid."""

    path: str
    time_index: int | None = None
    channel: str | None = None
    z: int | None = None
    series: int | None = None


@dataclass(frozen=True)
class Header:
    """What one file of a field holds, known without its pixels.

    Attributes
    ----------
    dims : str
        From ``T C Z Y X``, without axes of length 1 that the file's name speaks for.
    shape : tuple of int
    dtype : str
    channels : tuple of str
    time_indices : tuple of int
        Empty where there is no T axis.
    pixel_size_um, z_step_um, interval_s : float or None
    flags : tuple of str
    """

    dims: str
    shape: tuple[int, ...]
    dtype: str
    channels: tuple[str, ...] = ()
    time_indices: tuple[int, ...] = ()
    pixel_size_um: float | None = None
    z_step_um: float | None = None
    interval_s: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Height and width, px."""
        return self.shape[-2:]


@dataclass(frozen=True)
class Reading:
    """How every file of a field is opened.

    Attributes
    ----------
    decode : str
        ``cellular-merged`` or empty.
    select : tuple of (axis, position)
    flags : tuple of str
        Added to what the file itself says.
    how : How
        What the files leave open.
    """

    decode: str = ""
    select: tuple[tuple[str, int], ...] = ()
    flags: tuple[str, ...] = ()
    how: How = DEFAULT

    def open(self, slot: Slot) -> xr.DataArray:
        """One file, lazily, without axes of length 1 that its name speaks for."""
        select = dict(self.select) or None
        image = open_image(slot.path, series=slot.series, select=select, how=self.how)
        if self.decode:
            image = _decoded(image, slot.path)
        for axis, told in (("T", slot.time_index), ("C", slot.channel), ("Z", slot.z)):
            if told is not None and axis in image.dims:
                if image.sizes[axis] > 1:
                    raise InputError(
                        slot.path,
                        f"holds {image.sizes[axis]} positions along {axis}, "
                        f"but its name stands for one ({told}).",
                        "Choose another layout or a pattern without that group.",
                    )
                image = image.isel({axis: 0}, drop=True)
        return image

    def header(self, slot: Slot) -> Header:
        """What one file holds; by far most files are told from their metadata alone."""
        return self._plain_header(slot) or self._header_of(self.open(slot))

    def _plain_header(self, slot: Slot) -> Header | None:
        """The header of a file that needs no decision; None where ``open`` must decide.

        Wrapping pixels for later costs several times what reading the metadata costs.
        """
        found = scenes(slot.path)
        number = slot.series or 0
        if self.decode or self.select or (slot.series is None and len(found) > 1):
            return None
        scene = found[number]
        told = {"T": slot.time_index, "C": slot.channel, "Z": slot.z}
        sizes = {a: n for a, n in scene.sizes.items() if n > 1 or told.get(a) is None}
        strange = [a for a in sizes if a not in AXES or told.get(a) is not None]
        if scene.refusal or strange:
            return None
        check_budget(scene.path, scene.shape, np.dtype(np.uint8), float("inf"))
        check_budget(scene.path, scene.shape[-scene.inner :], scene.dtype)
        return Header(
            dims="".join(sizes),
            shape=tuple(sizes.values()),
            dtype=str(scene.dtype),
            channels=tuple(unique_names(scene.channels, sizes["C"])) if "C" in sizes else (),
            time_indices=tuple(range(sizes.get("T", 0))),
            pixel_size_um=scene.pixel_size_um,
            z_step_um=scene.z_step_um if "Z" in sizes else None,
            interval_s=scene.interval_s if "T" in sizes else None,
            flags=tuple(dict.fromkeys((*scene.flags, *self.flags))),
        )

    def _header_of(self, image: xr.DataArray) -> Header:
        return Header(
            dims="".join(str(dim) for dim in image.dims),
            shape=tuple(image.shape),
            dtype=str(image.dtype),
            channels=channel_names(image),
            time_indices=time_indices(image) if "T" in image.dims else (),
            pixel_size_um=image.attrs.get("pixel_size_um"),
            z_step_um=image.attrs.get("z_step_um"),
            interval_s=image.attrs.get("interval_s"),
            flags=tuple(dict.fromkeys((*image.attrs.get("flags", ()), *self.flags))),
        )


@dataclass(frozen=True)
class FieldSource:
    """Opens one field. Picklable, cheap to hold; an ``ImageSource``.

    Attributes
    ----------
    slots : tuple of Slot
        Sorted by frame, channel, plane, and complete: every frame has every channel and plane.
    header : Header
        Holds for every file.
    reading : Reading
    rename : tuple of (name in the files, new name)
    keep_times : tuple of int or None
        Only these frames; None for all.
    pixel_size_um, interval_s : float or None
        The user's word; None leaves what the files say.
    """

    slots: tuple[Slot, ...]
    header: Header
    reading: Reading = Reading()
    rename: tuple[tuple[str, str], ...] = ()
    keep_times: tuple[int, ...] | None = None
    pixel_size_um: float | None = None
    interval_s: float | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The files it reads, each once, in the order of frames, channels and planes."""
        return tuple(dict.fromkeys(slot.path for slot in self.slots))

    def paths_at(self, time_index: int) -> tuple[str, ...]:
        """The files that hold one frame."""
        return tuple(
            dict.fromkeys(s.path for s in self.slots if s.time_index in (None, time_index))
        )

    @property
    def dims(self) -> str:
        """The axes that ``open`` gives."""
        named = self._named()
        planes = "Z" if len(named["Z"]) > 1 else ""
        told = "".join(axis for axis in "TC" if named[axis]) + planes
        return "".join(axis for axis in "TCZYX" if axis in told + self.header.dims)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names along C as ``open`` gives them; empty where there is no C axis."""
        new = dict(self.rename)
        names = self._named()["C"] or self.header.channels
        return tuple(new.get(str(name), str(name)) for name in names)

    @property
    def time_indices(self) -> tuple[int, ...]:
        """Frame numbers as ``open`` gives them; ``(0,)`` where there is no T axis."""
        if "T" not in self.dims:
            return (0,)
        times = tuple(int(t) for t in self._named()["T"]) or self.header.time_indices
        return times if self.keep_times is None else tuple(t for t in times if t in self.keep_times)

    @property
    def z_planes(self) -> int:
        """Planes; 1 where there is no Z axis."""
        told = len(self._named()["Z"])
        if told > 1:
            return told
        return dict(zip(self.header.dims, self.header.shape, strict=True)).get("Z", 1)

    def open(self) -> xr.DataArray:
        """The field's image, lazily: a file is read when its pixels are asked for.

        Raises
        ------
        InputError
            Names the damaged file, or the file that is not like the others of the field; while
            computing where the pixels themselves are damaged.
        """
        if len(self.slots) == 1:
            image = self.reading.open(self.slots[0])
            data, dims = image.data, "".join(str(dim) for dim in image.dims)
            for axis in "CT":
                if axis in self.dims and axis not in dims:
                    data, dims = data[None], axis + dims
            order = [dims.index(axis) for axis in self.dims]
            data = data.transpose(order)
        else:
            data = self._stacked()
        whole = make_image(
            data,
            self.dims,
            channels=self.channels or None,
            time_indices=self._all_times() if "T" in self.dims else None,
            pixel_size_um=self.pixel_size_um or self.header.pixel_size_um,
            z_step_um=self.header.z_step_um,
            interval_s=self.interval_s or self.header.interval_s,
            source=self.paths[0],
            flags=self.header.flags,
        )
        if "T" in self.dims and self.keep_times is not None:
            whole = whole.sel(T=list(self.time_indices))
        return whole

    def _named(self) -> dict[str, list[Any]]:
        """What the names of the files say along each axis, sorted; empty where nothing."""
        times = {slot.time_index for slot in self.slots if slot.time_index is not None}
        planes = {slot.z for slot in self.slots if slot.z is not None}
        channels = dict.fromkeys(s.channel for s in self.slots if s.channel is not None)
        return {"T": sorted(times), "C": list(channels), "Z": sorted(planes)}

    def _all_times(self) -> list[int]:
        return [int(t) for t in self._named()["T"]] or list(self.header.time_indices)

    def _stacked(self) -> Any:
        """A lazy array with one chunk per file, axes as in ``dims``."""
        array: Any = import_module("dask.array")  # untyped
        named = self._named()
        grid = [axis for axis in "TCZ" if len(named[axis]) > (1 if axis == "Z" else 0)]
        shape = tuple(len(named[axis]) for axis in grid)
        slots = np.empty(len(self.slots), dtype=object)
        slots[:] = self.slots
        table = slots.reshape(shape)
        inner = self.header.shape

        def block(block_id: tuple[int, ...]) -> Array:
            piece = self._read(table[block_id[: len(shape)]])
            return piece.reshape((1,) * len(shape) + piece.shape)

        chunks = tuple((1,) * n for n in shape) + tuple((n,) for n in inner)
        dtype = np.dtype(self.header.dtype)
        stacked = array.map_blocks(
            block, chunks=chunks, dtype=dtype, meta=np.empty((0,) * len(chunks), dtype)
        )
        have = "".join(grid) + self.header.dims
        return stacked.transpose([have.index(axis) for axis in self.dims])

    def _read(self, slot: Slot) -> Array:
        image = self.reading.open(slot)
        got = ("".join(str(dim) for dim in image.dims), tuple(image.shape), str(image.dtype))
        due = (self.header.dims, self.header.shape, self.header.dtype)
        if got != due:
            raise InputError(slot.path, unlike(got, due), "Take it out or export it again.")
        return np.asarray(image.data)


def unlike(
    got: tuple[str, tuple[int, ...], str],
    due: tuple[str, tuple[int, ...], str],
) -> str:
    """How one file differs from the others of its field, in words."""
    here, there = (f"{' x '.join(map(str, s))} ({d}) {t}" for d, s, t in (got, due))
    return f"is {here}, the other files of this field are {there}."


def renaming(wanted: dict[str, str], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Check a mapping ``new name = name in the files`` against the names that are there.

    Parameters
    ----------
    wanted : dict
        As in a plan or ``--channels GFP=w1``.
    names : sequence of str
        Channels in the files.

    Returns
    -------
    tuple of (name in the files, new name)

    Raises
    ------
    UsageError
        A name that is not in the files, one file channel with two names, a name that is taken.
    """
    for new, old in wanted.items():
        if old not in names:
            raise unknown("channel", old, names, f"Write channels as {new} = <one of these>.")
        if not new.strip():
            raise UsageError(f"channel {old!r} cannot be renamed to nothing; give it a name.")
    renamed = {old: new for new, old in wanted.items()}
    if len(renamed) < len(wanted):
        twice = next(old for old in renamed if list(wanted.values()).count(old) > 1)
        both = " and ".join(new for new, old in wanted.items() if old == twice)
        raise UsageError(f"channel {twice!r} was given two names, {both}; keep one.")
    after = [renamed.get(name, name) for name in names]
    for name in after:
        if after.count(name) > 1:
            raise UsageError(
                f"two channels would be called {name!r} (in the files: {', '.join(names)}); "
                "rename the other one too."
            )
    return tuple(renamed.items())


def _decoded(image: xr.DataArray, path: str) -> xr.DataArray:
    """A merged picture as named channels, still lazy."""
    if image.dims[-3:] != ("C", "Y", "X") or image.sizes["C"] != 3:
        raise InputError(
            path,
            f"is not an RGB picture (axes {''.join(map(str, image.dims))}), "
            "so no channels can be decoded from it.",
            "Raw channels have the layout cellular.",
        )
    array: Any = import_module("dask.array")  # untyped
    lazy = array.asarray(image.data).rechunk(image.shape)

    def block(rgb: Array) -> Array:
        return cellular_merged.decode(np.moveaxis(rgb, 0, -1))

    data = lazy.map_blocks(block, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))
    return make_image(
        data,
        "CYX",
        channels=cellular_merged.CHANNELS,
        pixel_size_um=image.attrs.get("pixel_size_um"),
        source=path,
        flags=image.attrs.get("flags", ()),
    )
