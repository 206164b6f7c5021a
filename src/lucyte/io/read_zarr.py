"""OME-Zarr 0.4 and 0.5: images, labels, plates. A chunk that is not there is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lucyte.io.budget import check_budget
from lucyte.io.scene import Scene
from lucyte.io.tiff_sizes import Sizes, doubtful, square
from lucyte.io.units import seconds_per, um_per
from lucyte.schema.errors import InputError

_METADATA = ("zarr.json", ".zattrs", ".zgroup")
_REFERENCED = (
    "holds label images only, its pixels stay in the files listed in its metadata under lucyte; "
    "open those, or run again with --copy-images."
)
_OLD_AXES = ("t", "c", "z", "y", "x")


class HcsImage(NamedTuple):
    """One field of an OME-Zarr plate.

    Attributes
    ----------
    well : str
        Row and column as the plate writes them (``B03``).
    site : str
        Name of the field in its well.
    image_path : str
        Folder of the image, to be given to ``open_image``.
    label_names : tuple of str
        Label images of this field, in ``image_path/labels/<name>``.
    """

    well: str
    site: str
    image_path: str
    label_names: tuple[str, ...]


def read_hcs_plate(path: str | Path) -> tuple[HcsImage, ...]:
    """The fields of an OME-Zarr plate, in the order of its wells.

    Where a well does not list its fields, the images in its folder are taken.

    Raises
    ------
    InputError
        Not a plate, or a well or field it lists is not there.
    """
    root = Path(path)
    plate = _ome(root).get("plate")
    if not isinstance(plate, Mapping):
        raise InputError(path, "is not an OME-Zarr plate (it has no plate metadata).")
    found: list[HcsImage] = []
    for well in plate.get("wells", ()):
        folder = root / str(well["path"])
        if not folder.is_dir():
            raise InputError(path, f"well {well['path']!r} is listed but its folder is missing.")
        name = str(well["path"]).replace("/", "")
        for field in _fields(folder):
            if not (folder / field).is_dir():
                raise InputError(path, f"field {well['path']}/{field} is listed but is missing.")
            labels = label_names(folder / field)
            found.append(HcsImage(name, field, str(folder / field), labels))
    return tuple(found)


def plate_wells(path: str | Path) -> tuple[str, ...]:
    """Names of the wells of an OME-Zarr plate."""
    return tuple(dict.fromkeys(image.well for image in read_hcs_plate(path)))


def label_names(image: str | Path) -> tuple[str, ...]:
    """Names of the label images that belong to an OME-Zarr image."""
    folder = Path(image) / "labels"
    if not folder.is_dir():
        return ()
    names = _ome(folder).get("labels")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def scenes(path: Path, empty_chunks: bool = False) -> tuple[Scene, ...]:
    """The images of an OME-Zarr folder: one, those of a plate, or those of a collection.

    Parameters
    ----------
    path : Path
    empty_chunks : bool
        Whether absent chunks are zeros on purpose (always so in label images).

    Raises
    ------
    InputError
        No OME-Zarr metadata, a version or axes that are not read, a level that is missing.
    """
    ome = _ome(path)
    if "plate" in ome:
        fields = [Path(image.image_path) for image in read_hcs_plate(path)]
        return tuple(
            _scene(path, field, field.relative_to(path).as_posix(), empty_chunks)
            for field in fields
        )
    if "well" in ome:
        return tuple(_scene(path, path / name, name, empty_chunks) for name in _fields(path))
    if "bioformats2raw.layout" in ome:
        folders = sorted(
            (p for p in path.iterdir() if p.name.isdecimal()), key=lambda p: int(p.name)
        )
        return tuple(_scene(path, folder, folder.name, empty_chunks) for folder in folders)
    return (_scene(path, path, "", empty_chunks),)


def _fields(well: Path) -> tuple[str, ...]:
    listed = _ome(well).get("well", {}).get("images") if _has_metadata(well) else None
    if listed:
        return tuple(str(image["path"]) for image in listed)
    folders = [
        each.name for each in well.iterdir() if each.is_dir() and "multiscales" in _ome(each)
    ]
    return tuple(sorted(folders, key=lambda name: (int(re.sub(r"\D", "", name) or 0), name)))


def _has_metadata(folder: Path) -> bool:
    return any((folder / name).exists() for name in _METADATA)


def _ome(folder: Path) -> Mapping[str, Any]:
    """OME metadata of a Zarr group: under ``ome`` since 0.5, at the top before."""
    attributes = _attributes(folder)
    found: Mapping[str, Any] = attributes.get("ome", attributes)
    return found


def _attributes(folder: Path) -> Mapping[str, Any]:
    for name in _METADATA[:2]:
        file = folder / name
        if not file.exists():
            continue
        try:
            content = json.loads(file.read_text())
        except (ValueError, OSError) as error:
            raise InputError(
                file, f"cannot be read as JSON ({error});", "copy it again."
            ) from error
        found: Mapping[str, Any] = content.get("attributes", {}) if name == "zarr.json" else content
        return found
    return {}


def _scene(root: Path, folder: Path, name: str, empty_chunks: bool) -> Scene:
    import zarr

    ome, ours = _ome(folder), _attributes(folder).get("lucyte") or {}
    if not ome.get("multiscales"):
        raise InputError(folder, "is a Zarr folder without the metadata of an OME-Zarr image.")
    image = ome["multiscales"][0]
    listed = image["datasets"]
    absent = [str(each["path"]) for each in listed if not (folder / str(each["path"])).is_dir()]
    if absent:
        raise InputError(folder, f"resolution level {absent[0]!r} is listed but missing.")
    arrays: list[Any] = [
        zarr.open_array(str(folder / str(each["path"])), mode="r") for each in listed
    ]
    full = max(range(len(arrays)), key=lambda i: int(np.prod(arrays[i].shape)))
    array, level = arrays[full], listed[full]
    axes = _axes(image)
    if len(axes) != array.ndim:
        raise InputError(folder, f"names {len(axes)} axes for an array of shape {array.shape}.")
    labels = "image-label" in ome or folder.parent.name == "labels"
    lengths = {axis.name: n for axis, n in zip(axes, array.shape, strict=True)}
    sizes = _sizes(axes, lengths, _scale(image, len(axes)) * _scale(level, len(axes)))
    channels, notes = _channels(ome, lengths.get("C", 1))
    check_budget(folder, array.metadata.chunk_grid.chunk_shape, np.dtype(array.dtype))
    return Scene(
        path=str(folder),
        format=f"OME-Zarr {image.get('version') or ome.get('version') or 'without version'}",
        name=name,
        axes=tuple(lengths),
        shape=tuple(int(n) for n in array.shape),
        dtype=np.dtype(np.uint8) if array.dtype == np.bool_ else array.dtype.newbyteorder("="),
        inner=2,
        read=_ReadZarr(str(folder / str(level["path"])), empty_chunks or labels),
        channels=channels,
        pixel_size_um=sizes.pixel_size_um,
        z_step_um=sizes.z_step_um,
        interval_s=sizes.interval_s,
        time_indices=tuple(int(t) for t in ours.get("time_indices", ())),
        problems=sizes.problems + notes,
        refusal=_REFERENCED if ours.get("pixels") == "referenced" else "",
        files=(str(root),),
    )


@dataclass(frozen=True)
class _Axis:
    name: str
    kind: str
    unit: str


def _axes(image: Mapping[str, Any]) -> tuple[_Axis, ...]:
    """Axes by the names of the charter; versions before 0.3 had no axes and always these five."""
    found = []
    for each in image.get("axes", _OLD_AXES):
        entry = {"name": each} if isinstance(each, str) else each
        name, kind = str(entry["name"]), str(entry.get("type", ""))
        own = {"channel": "C", "time": "T"}.get(kind) or (
            name.upper() if name in _OLD_AXES else name
        )
        found.append(_Axis(own, kind, str(entry.get("unit") or "")))
    return tuple(found)


def _scale(holder: Mapping[str, Any], count: int) -> npt.NDArray[np.float64]:
    """Product of the scales among the transformations of a level or an image."""
    scale = np.ones(count)
    for transform in holder.get("coordinateTransformations") or ():
        if transform.get("type") == "scale" and len(transform.get("scale", ())) == count:
            scale = scale * np.asarray(transform["scale"], dtype=np.float64)
    return scale


def _sizes(
    axes: tuple[_Axis, ...], lengths: Mapping[str, int], scale: npt.NDArray[np.float64]
) -> Sizes:
    """Sizes where an axis states a unit; a bare number is no size."""
    um: dict[str, float] = {}
    for axis, step in zip(axes, scale, strict=True):
        per = um_per(axis.unit) if axis.name != "T" else seconds_per(axis.unit)
        if per is not None and step > 0 and lengths[axis.name] > 0:
            um[axis.name] = float(step) * per
    pixel, problems = square(um.get("Y"), um.get("X"))
    z_step = um.get("Z") if lengths.get("Z", 1) > 1 else None
    interval = um.get("T") if lengths.get("T", 1) > 1 else None
    return doubtful(Sizes((), pixel, z_step, interval, problems))


def _channels(ome: Mapping[str, Any], count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    listed = (ome.get("omero") or {}).get("channels") or []
    names = tuple(str(each.get("label") or "") for each in listed)
    if names and len(names) != count:
        return (), (f"names {len(names)} channels but has {count}, so the names are not used",)
    return names, ()


@dataclass(frozen=True)
class _ReadZarr:
    """One plane. Zarr itself would read a chunk that was lost as zeros."""

    path: str
    empty_chunks: bool

    def __call__(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        import zarr

        array: Any = zarr.open_array(self.path, mode="r")
        if not self.empty_chunks:
            self._refuse_lost_chunks(array, index)
        return np.asarray(array[(*index, slice(None), slice(None))])

    def _refuse_lost_chunks(self, array: Any, index: tuple[int, ...]) -> None:
        chunk = array.metadata.chunk_grid.chunk_shape
        where = [(i // n,) for i, n in zip(index, chunk, strict=False)]
        plane = zip(array.shape[len(index) :], chunk[len(index) :], strict=True)
        keys = product(*where, *(range(-(-length // n)) for length, n in plane))
        for key in keys:
            name = array.metadata.encode_chunk_key(key)
            if not (Path(self.path) / name).is_file():
                raise InputError(
                    Path(self.path) / name,
                    "this chunk is missing and would read as zeros, so its plane is refused.",
                    "Copy the image again, or say that its writer leaves out empty chunks "
                    "([input] empty_chunks = true).",
                )
