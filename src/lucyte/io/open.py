"""Open any image file or folder as an image of the charter. One table of formats, no registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import xarray as xr

from lucyte.io.budget import MAX_READ_GB, check_budget
from lucyte.io.scene import Scene, damaged, to_image
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.objects import Labels, check_labels


@dataclass(frozen=True)
class Format:
    """One row of `FORMATS`: how a format is known and which module reads it."""

    name: str
    suffixes: tuple[str, ...]
    magic: tuple[bytes, ...]
    module: str


FORMATS = (
    Format(
        "TIFF",
        (".tif", ".tiff", ".btf", ".tf8"),
        (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
        "read_tiff",
    ),
    Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",), "read_picture"),
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8\xff",), "read_picture"),
    Format("ND2", (".nd2",), (b"\xda\xce\xbe\x0a", b"\x00\x00\x00\x0cjP  "), "read_nd2"),
    Format("LIF", (".lif",), (b"\x70\x00\x00\x00",), "read_lif"),
    Format("CZI", (".czi",), (b"ZISRAWFILE",), "read_czi"),
)
SUFFIXES = tuple(suffix for row in FORMATS for suffix in row.suffixes)
"""Suffixes of image files, in lower case. Folders that end in ``.zarr`` are images too."""

_ZARR_MARKS = ("zarr.json", ".zattrs", ".zgroup")


@dataclass(frozen=True)
class How:
    """What a reader needs to be told where files leave it open.

    Attributes
    ----------
    max_gb : float or None
        Budget for one plane in GB; None for the default of `lucyte.io.budget`.
    pages : {"T", "Z", "C"} or None
        What the pages of a plain TIFF stack are.
    empty_chunks : bool
        Whether chunks that an OME-Zarr image leaves out are zeros on purpose.
    """

    max_gb: float | None = None
    pages: str | None = None
    empty_chunks: bool = False

    def __post_init__(self) -> None:
        if self.pages is not None and self.pages not in ("T", "Z", "C"):
            raise unknown("meaning of pages", self.pages, ("T", "Z", "C"))


DEFAULT = How()


def is_image(path: str | Path) -> bool:
    """Whether a path looks like an image by its name: a known suffix, or an OME-Zarr folder."""
    path = Path(path)
    if path.suffix.lower() == ".zarr":
        return path.is_dir()
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def series_names(path: str | Path) -> tuple[str, ...]:
    """Names of the images in a file, in its order; ``"0"`` for one without a name.

    A name that occurs twice is followed by its number.
    """
    return named_series(scenes(path))


def open_image(
    path: str | Path,
    *,
    series: int | str | None = None,
    select: Mapping[str, int] | None = None,
    how: How = DEFAULT,
) -> xr.DataArray:
    """Open one image, lazily.

    Axes of length 1 are dropped, except Y, X and a C whose one channel the file names. Colour
    samples are channels ``R``, ``G``, ``B``. Channels without a name are ``C0``, ``C1`` ...

    Parameters
    ----------
    path : str or Path
        TIFF, PNG, JPEG, ND2, LIF or CZI file, or an OME-Zarr folder.
    series : int, str or None
        Which image of the file, by number or name; None where there is one.
    select : mapping of axis to position
        Positions along axes that the charter does not keep (``{"M": 0}``).
    how : How
        Answers to what files leave open.

    Returns
    -------
    DataArray
        Dims from ``T C Z Y X``; one dask chunk per plane. Pixels in the units of the file.

    Raises
    ------
    InputError
        The file cannot be read. Damage in the pixels is raised when they are computed.
    UsageError
        Several series and none chosen; an axis outside the charter.
    """
    return to_image(_choose(path, scenes(path, how), series), select, how.max_gb)


def read_labels(path: str | Path, *, series: int | str | None = None) -> Labels:
    """Read a label image, ``Y X`` or ``Z Y X``, as int32.

    Pages of a plain TIFF stack are taken as Z. Chunks that an OME-Zarr label image leaves out are
    background, as its writers mean them. A palette's numbers are the labels.

    Raises
    ------
    InputError
        The file cannot be read, or has more axes than a label image.
    UsageError
        Fractions or negative numbers.
    """
    scene = _choose(path, scenes(path, How(pages="Z", empty_chunks=True)), series)
    check_budget(path, scene.shape, scene.dtype, MAX_READ_GB)
    image = to_image(replace(scene, refusal="") if "palette" in scene.flags else scene)
    if image.dims not in (("Y", "X"), ("Z", "Y", "X")):
        if image.dims[0] == "C" and image.sizes["C"] == 1:
            image = image.isel(C=0)
        else:
            dims = " ".join(str(dim) for dim in image.dims)
            raise InputError(path, f"a label image has axes Y X or Z Y X, this one {dims}.")
    return check_labels(image.compute().values, str(path))


@dataclass(frozen=True)
class FileSource:
    """One image of one file, as `lucyte.schema.plate.ImageSource`. Picklable."""

    path: str
    series: int | str | None = None
    select: Mapping[str, int] = field(default_factory=dict)
    how: How = DEFAULT

    @property
    def paths(self) -> tuple[str, ...]:
        """The files it reads; an OME-TIFF may spread over several."""
        if ".ome.tif" in Path(self.path).name.lower():
            return _choose(self.path, scenes(self.path, self.how), self.series).files
        return (self.path,)

    def paths_at(self, time_index: int) -> tuple[str, ...]:
        """The same files for every frame."""
        return self.paths

    def open(self) -> xr.DataArray:
        """The image."""
        return open_image(self.path, series=self.series, select=self.select, how=self.how)


def scenes(path: str | Path, how: How = DEFAULT) -> tuple[Scene, ...]:
    """Every image of a file as the file holds it, without reading pixels."""
    path = Path(path)
    reader: Any = import_module(f"lucyte.io.{_module(path)}")
    try:
        if reader.__name__.endswith("read_tiff"):
            found: tuple[Scene, ...] = reader.scenes(path, how.max_gb, how.pages)
        elif reader.__name__.endswith("read_zarr"):
            found = reader.scenes(path, how.empty_chunks)
        elif reader.__name__.endswith("read_picture"):
            found = reader.scenes(path, how.max_gb)
        else:
            found = reader.scenes(path)
    except (InputError, UsageError):
        raise
    except Exception as error:
        raise damaged(str(path), error) from error
    if not found:
        raise InputError(path, "holds no images.")
    return found


def _module(path: Path) -> str:
    """Which module reads a path. The first bytes decide; a name that disagrees is refused."""
    if path.is_dir():
        if any((path / mark).exists() for mark in _ZARR_MARKS):
            return "read_zarr"
        what = "is a folder without OME-Zarr metadata"
        raise InputError(path, f"{what}, not an image.", "Give one of the files in it.")
    if not path.exists():
        raise InputError(path, "does not exist.", "Check the path.")
    row = next((row for row in FORMATS if path.suffix.lower() in row.suffixes), None)
    if row is None:
        allowed = ", ".join((*SUFFIXES, ".zarr"))
        raise InputError(path, f"has no suffix of an image format. Allowed: {allowed}.")
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(path, f"cannot be opened ({error.strerror}).") from error
    if not head:
        raise InputError(path, "is empty (0 bytes);", "copy it again.")
    if head.startswith(row.magic):
        return row.module
    real = next((other.name for other in FORMATS if head.startswith(other.magic)), None)
    if real is not None:
        raise InputError(path, f"is named like a {row.name} file but is {real}.", "Rename it.")
    raise InputError(path, f"is not a {row.name} file: it begins with {head[:8]!r}.")


def named_series(found: tuple[Scene, ...]) -> tuple[str, ...]:
    """Names of scenes, made different from one another."""
    raw = [scene.name or str(i) for i, scene in enumerate(found)]
    return tuple(name if raw.count(name) == 1 else f"{name} [{i}]" for i, name in enumerate(raw))


def _choose(path: str | Path, found: tuple[Scene, ...], series: int | str | None) -> Scene:
    names = named_series(found)
    if series is None:
        if len(found) == 1:
            return found[0]
        shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        raise UsageError(
            f"{path}: holds {len(found)} images ({shown}). Choose one by name or number "
            f"(--series {names[0]})."
        )
    if isinstance(series, str) and series in names:
        return found[names.index(series)]
    if str(series).isdecimal() and int(series) < len(found):
        return found[int(series)]
    raise unknown("series", str(series), names, f"In {path}.")
