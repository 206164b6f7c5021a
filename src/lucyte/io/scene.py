"""Scene: one image as its file holds it, and the way from there to the charter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.io.budget import check_axes, check_budget
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import AXES, make_image

Array = npt.NDArray[Any]

_OWN = tuple(AXES)
_PLANE = ("Y", "X")
MEANING = {
    "A": "angle",
    "B": "block",
    "E": "wavelength",
    "H": "phase or lifetime",
    "I": "pages whose meaning the file does not state",
    "L": "exposure",
    "M": "mosaic tile",
    "P": "position or phase",
    "Q": "pages whose meaning the file does not state",
    "R": "rotation or tile",
    "S": "sample",
    "V": "view",
    "λ": "wavelength",
}


class ReadPiece(Protocol):
    """Reads one piece of a scene. Picklable; opens the file on every call."""

    def __call__(self, index: tuple[int, ...]) -> Array:
        """The piece at this position along the outer axes, in native byte order."""


@dataclass(frozen=True)
class Scene:
    """One image (series, position, scene) of a file, before the charter.

    Attributes
    ----------
    path : str
        The file, for messages.
    format : str
        ``OME-TIFF``, ``ND2`` ...
    name : str
        What the file calls this image; an empty string where it has no name.
    axes : tuple of str
        One name per axis in the order of the file; the charter's own are ``T C Z Y X``.
    shape : tuple of int
    dtype : numpy dtype
    inner : int
        How many of the last axes one call of ``read`` returns.
    read : ReadPiece
    channels : tuple of str
        Names along ``C`` as written in the file (empty where it names none; ``""`` for one
        without a name).
    pixel_size_um, z_step_um, interval_s : float or None
        None means unknown.
    time_indices : tuple of int
        Frame numbers along ``T`` where the file gives them; empty for 0, 1, 2 ...
    flags : tuple of str
        ``lossy``, ``display-referred``, ``palette``.
    problems : tuple of str
        What looked wrong while the header was read.
    refusal : str
        Why this cannot be an image at all; empty where it can.
    files : tuple of str
        All files that hold its pixels.
    """

    path: str
    format: str
    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    inner: int
    read: ReadPiece
    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    z_step_um: float | None = None
    interval_s: float | None = None
    time_indices: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    refusal: str = ""
    files: tuple[str, ...] = field(default=())

    @property
    def sizes(self) -> dict[str, int]:
        """Length per axis, the charter's axes last and in its order; lengths of 1 left out.

        Y and X are always there, and C where the file names its one channel.
        """
        lengths = dict(zip(self.axes, self.shape, strict=True))
        foreign = [axis for axis in self.axes if axis not in _OWN]
        own = [axis for axis in _OWN if axis in lengths]
        return {axis: lengths[axis] for axis in foreign + own if self._kept(axis, lengths[axis])}

    def _kept(self, axis: str, length: int) -> bool:
        return length != 1 or axis in _PLANE or (axis == "C" and any(self.channels))


def read_piece(scene: Scene, index: tuple[int, ...]) -> Array:
    """One piece of a scene, checked: whatever goes wrong inside becomes an InputError."""
    expected = scene.shape[len(scene.shape) - scene.inner :]
    try:
        piece = scene.read(index)
    except (InputError, UsageError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise damaged(scene.path, error) from error
    if piece.shape != expected:
        raise InputError(
            scene.path,
            f"a plane has shape {piece.shape} where the header says {expected};",
            "the file is damaged, copy it again.",
        )
    return piece.astype(scene.dtype, copy=False)


def damaged(path: str, error: BaseException) -> InputError:
    """What a reading library stumbled over, in one line."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KeyError):
        reason = f"without {reason}"
    if isinstance(error, MemoryError):
        return InputError(path, "does not fit into memory.", "Use a machine with more memory.")
    return InputError(
        path,
        f"cannot be read ({reason[:200]});",
        "the file is damaged or truncated, copy it again.",
    )


def to_image(
    scene: Scene, select: Mapping[str, int] | None = None, max_gb: float | None = None
) -> xr.DataArray:
    """A scene as a lazily backed image of the charter, one chunk per piece.

    Parameters
    ----------
    scene : Scene
    select : mapping of axis to position
        Positions along axes that are not wanted or that the charter does not keep.
    max_gb : float or None
        Budget for one piece, see `lucyte.io.budget`.

    Raises
    ------
    InputError
        No image can come of it, or one piece is over the budget. Damage that shows only in the
        pixels is raised when they are computed.
    UsageError
        An axis outside the charter without a selection; a selection that does not exist.
    """
    if scene.refusal:
        raise InputError(scene.path, scene.refusal)
    check_axes(scene.path, scene.shape)
    check_budget(scene.path, scene.shape[-scene.inner :], scene.dtype, max_gb)
    chosen = _selection(scene, select or {})
    key: list[Any] = []
    kept: list[str] = []
    for axis, length in zip(scene.axes, scene.shape, strict=True):
        if axis in chosen:
            key.append(chosen[axis])
        elif axis not in scene.sizes:
            key.append(0)
        elif axis not in _OWN:
            raise UsageError(_foreign(scene, axis, length))
        else:
            key.append(slice(None))
            kept.append(axis)
    dims = "".join(sorted(kept, key=_OWN.index))
    data = _lazy(scene)[tuple(key)].transpose([kept.index(axis) for axis in dims])
    image = make_image(
        data,
        dims,
        channels=_names(scene) if "C" in dims else None,
        time_indices=(scene.time_indices or None) if "T" in dims else None,
        pixel_size_um=scene.pixel_size_um,
        z_step_um=scene.z_step_um if "Z" in dims else None,
        interval_s=scene.interval_s if "T" in dims else None,
        source=scene.path,
        flags=scene.flags,
    )
    image.name = None  # not dask's name of its last step
    return image


@dataclass(frozen=True)
class _Block:
    """One dask chunk of a scene. A class, not a closure, so that images can be pickled."""

    scene: Scene

    def __call__(self, block_id: tuple[int, ...]) -> Array:
        outer = len(self.scene.shape) - self.scene.inner
        piece = read_piece(self.scene, tuple(int(i) for i in block_id[:outer]))
        return piece.reshape((1,) * outer + piece.shape)


def _lazy(scene: Scene) -> Any:
    import dask.array

    outer = len(scene.shape) - scene.inner
    chunks = tuple((1,) * n for n in scene.shape[:outer])
    chunks += tuple((n,) for n in scene.shape[outer:])
    meta = np.empty((0,) * len(chunks), scene.dtype)
    blocks: Any = dask.array.map_blocks  # dask carries no types
    return blocks(_Block(scene), chunks=chunks, dtype=scene.dtype, meta=meta)


def _selection(scene: Scene, select: Mapping[str, int]) -> dict[str, int]:
    lengths = dict(zip(scene.axes, scene.shape, strict=True))
    for axis, position in select.items():
        if axis not in lengths or axis in _PLANE:
            allowed = [name for name in lengths if name not in _PLANE]
            raise unknown("axis", axis, allowed, f"In {scene.path}.")
        if not 0 <= position < lengths[axis]:
            raise UsageError(
                f"{scene.path}: axis {axis} has positions 0 to {lengths[axis] - 1}, "
                f"asked for {position}."
            )
    return dict(select)


def _foreign(scene: Scene, axis: str, length: int) -> str:
    meaning = f" ({MEANING[axis]})" if axis in MEANING else ""
    advice = f"Select one position along it (--select {axis}=0)"
    if meaning == f" ({MEANING['I']})":
        advice += ", or say what the pages are (--pages T, Z or C)"
    return (
        f"{scene.path}: has an axis {axis!r}{meaning} of length {length} that Lucyte does not "
        f"keep. Allowed: T C Z Y X. {advice}."
    )


def _names(scene: Scene) -> list[str]:
    count = scene.shape[scene.axes.index("C")]
    return unique_names(scene.channels, count)


def unique_names(names: Sequence[str], count: int) -> list[str]:
    """One name per channel: the file's own, ``C<i>`` where it has none, ``_2`` on a repeat."""
    result: list[str] = []
    for i in range(count):
        base = (names[i].strip() if i < len(names) else "") or f"C{i}"
        name, copy = base, 2
        while name in result:
            name, copy = f"{base}_{copy}", copy + 1
        result.append(name)
    return result
