"""Label images and pictures as OME-Zarr 0.5 plates that other readers open.

One plate name: the root is the plate. Several: the root is a plain Zarr group and each plate is a
group ``NAME`` in it. Inside a plate the place of a field is ``row/column/site``:

- a well such as ``B03`` is row ``B``, column ``03``;
- any other well has a row of its own, ``well`` and what of its name Zarr allows, column ``1``;
- OME-Zarr allows letters and digits in these names only. Where a well has a site with other signs,
  its sites are numbered from 0 instead.

The attributes under ``lucyte`` say which field lies where and what was renamed, which frame number
each step along ``t`` is, and which files hold the pixels. Every frame is a chunk of its own, so
writing one touches no other. Fields may be written by several processes, one field by one.

A field has no picture until ``write_image`` copies one: then its image *is* its first label image
(its ``multiscales`` name says so), which keeps the plate valid without a pixel that was made up.

References
----------
.. [1] OME-Zarr 0.5, https://ngff.openmicroscopy.org/0.5/
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.io.atomic import disk_errors, fsync, write_json
from lucyte.io.zarr_places import field_places, plate_folders
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import channel_names
from lucyte.schema.objects import Labels, check_labels
from lucyte.schema.plate import Field

VERSION = "0.5"
PALETTE = ("00FF00", "FF00FF", "00FFFF", "FFFFFF", "FFFF00", "0080FF")
CHUNK_PX = 4096


def create_plate(path: str | Path, fields: Sequence[Field]) -> None:
    """Write the metadata of a plate: rows, columns, wells, and where each field lies.

    Calling it again with the same fields changes nothing; frames that are there stay.

    Parameters
    ----------
    path : str or Path
        Usually ``plate.zarr``.
    fields : sequence of Field

    Raises
    ------
    InputError
        The disk is full.
    """
    root = Path(path)
    plates = sorted({each.plate for each in fields})
    folders = plate_folders(plates)
    places: dict[str, str] = {}
    placed: dict[str, tuple[list[Field], dict[str, str]]] = {}
    for plate in plates:
        mine = [each for each in fields if each.plate == plate]
        placed[plate] = (mine, field_places(mine))
        places |= {name: f"{folders[plate]}{at}" for name, at in placed[plate][1].items()}
    names = {folders[plate].rstrip("/"): plate for plate in plates}
    root_attributes = {"lucyte": {"fields": places, "plates": names}}
    if len(plates) != 1:
        _write_group(root, root_attributes)
    for plate, (mine, inside) in placed.items():
        more = root_attributes if len(plates) == 1 else {}
        _write_one_plate(root / folders[plate], (plate, more), mine, inside)


def write_labels(
    path: str | Path, field: Field, kind: str, time_index: int, labels: npt.NDArray[Any]
) -> None:
    """Write the label image of one frame into a plate that ``create_plate`` made.

    Parameters
    ----------
    path : str or Path
    field : Field
    kind : str
        ``cell``, ``nucleus``, ``organelle:mRFP`` ... (a ``:`` is ``.`` in the folder's name).
    time_index : int
        As the microscope counted; one of ``field.time_indices``.
    labels : integer array, Y X or Z Y X

    Raises
    ------
    InputError
        The disk is full.
    UsageError
        A frame or field that the plate does not have, an array of another size.
    """
    array = check_labels(labels, f"labels of {field.field_id}")
    group = _field_group(path, field)
    if array.shape[-2:] != tuple(field.shape_yx):
        raise UsageError(
            f"labels of {field.field_id} are {array.shape[-2:]}, the field is {field.shape_yx}."
        )
    position = _position(field, time_index)
    folder = group / "labels" / _folder_name(kind)
    axes = "tzyx" if array.ndim == 3 else "tyx"
    _ensure_array(folder / "0", axes, (len(field.time_indices), *array.shape), "int32")
    ome: dict[str, Any] = {
        "multiscales": [_multiscale(kind, axes, field)],
        "image-label": {"source": {"image": "../../"}},
    }
    _write_group(folder, {"ome": {"version": VERSION, **ome}, "lucyte": {"kind": kind}})
    _list_labels(group, kind)
    if not (group / "zarr.json").exists():
        name = f"labels of {kind}; the pixels are in the files listed under lucyte"
        scale = _multiscale(name, axes, field, f"labels/{_folder_name(kind)}/0")
        _write_field_group(group, field, {"multiscales": [scale]}, copied=False)
    _write_frame(folder / "0", position, array)


def write_image(path: str | Path, field: Field, time_index: int, image: xr.DataArray) -> None:
    """Copy the pixels of one frame into the plate.

    Parameters
    ----------
    path : str or Path
    field : Field
    time_index : int
    image : DataArray
        One frame, dims from ``C Z Y X``, as ``schema.image.frame`` gives it.

    Raises
    ------
    InputError
        The disk is full.
    UsageError
        A frame or field that the plate does not have.
    """
    group = _field_group(path, field)
    position = _position(field, time_index)
    axes = "t" + "".join(str(dim) for dim in image.dims).lower()
    array = np.asarray(image.values)
    _ensure_array(group / "0", axes, (len(field.time_indices), *array.shape), str(array.dtype))
    if _attributes(group).get("lucyte", {}).get("pixels") != "copied":
        ome: dict[str, Any] = {"multiscales": [_multiscale(field.field_id, axes, field)]}
        if "c" in axes:
            ome["omero"] = {"channels": _display(channel_names(image), array)}
        _write_field_group(group, field, ome, copied=True)
    _write_frame(group / "0", position, array)


def clear_field(path: str | Path, field: Field) -> None:
    """Forget the labels and pixels of one field, so that none of another plan stay.

    Parameters
    ----------
    path : str or Path
    field : Field
        One of those that ``create_plate`` was given.
    """
    shutil.rmtree(_field_group(path, field), ignore_errors=True)


def read_labels_frame(path: str | Path, field: Field, kind: str, time_index: int) -> Labels:
    """Read back the label image of one frame.

    Returns
    -------
    int32 array, Y X or Z Y X

    Raises
    ------
    InputError
        That frame was never written (it is not taken for an empty one), or it is damaged.
    """
    import zarr

    group = _field_group(path, field)
    folder = group / "labels" / _folder_name(kind) / "0"
    if not (folder / "zarr.json").exists():
        raise InputError(folder.parent, f"holds no labels of kind {kind!r}.")
    position = _position(field, time_index)
    array = zarr.open_array(str(folder), mode="r")
    inner = array.ndim - 1
    grid = [-(-n // c) for n, c in zip(array.shape[1:], array.chunks[1:], strict=True)]
    for index in np.ndindex(*grid):
        chunk = folder.joinpath("c", str(position), *map(str, index))
        if not chunk.exists():
            raise InputError(
                folder.parent, f"frame {time_index} was never written.", "Run the stage again."
            )
    try:
        frame = np.asarray(array[(position,) + (slice(None),) * inner])
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(folder.parent, f"frame {time_index} is damaged ({reason}).") from None
    return frame.astype(np.int32, copy=False)


def field_path(path: str | Path, field: Field) -> str:
    """Where a field lies inside a plate, ``row/column/site`` (after ``plate/`` with several)."""
    root = Path(path)
    try:
        fields = _fields(root, (root / "zarr.json").stat().st_mtime_ns)
    except (KeyError, FileNotFoundError):
        raise InputError(root, "is no plate that Lucyte wrote.") from None
    if field.field_id not in fields:
        raise unknown("field", field.field_id, fields, f"In {root}.")
    return str(fields[field.field_id])


@lru_cache(maxsize=4)
def _fields(root: Path, _changed: int) -> dict[str, str]:
    """The root's list of fields; read again only when its file changes."""
    found: dict[str, str] = _attributes(root)["lucyte"]["fields"]
    return found


def _write_one_plate(
    root: Path,
    named: tuple[str, Mapping[str, Any]],
    fields: Sequence[Field],
    places: Mapping[str, str],
) -> None:
    """One plate's metadata; ``named`` is its name and what else goes into its attributes."""
    wells: dict[str, list[Field]] = {}
    for each in fields:
        wells.setdefault(places[each.field_id].rsplit("/", 1)[0], []).append(each)
    rows = sorted({well.split("/")[0] for well in wells}, key=lambda row: (len(row), row))
    columns = sorted({well.split("/")[1] for well in wells}, key=lambda c: (int(c), c))
    listed = [
        {
            "path": well,
            "rowIndex": rows.index(well.split("/")[0]),
            "columnIndex": columns.index(well.split("/")[1]),
        }
        for well in wells
    ]
    plate = {
        "version": VERSION,
        "name": named[0] or "plate",
        "rows": [{"name": row} for row in rows],
        "columns": [{"name": column} for column in columns],
        "wells": listed,
        "field_count": max(len(inside) for inside in wells.values()),
    }
    _write_group(root, {"ome": {"version": VERSION, "plate": plate}, **named[1]})
    for row in rows:
        _write_group(root / row, {})
    for well, inside in wells.items():
        images = [{"path": places[each.field_id].rsplit("/", 1)[1]} for each in inside]
        lucyte = {"well": inside[0].well, "sites": [each.site for each in inside]}
        ome = {"version": VERSION, "well": {"version": VERSION, "images": images}}
        _write_group(root / well, {"ome": ome, "lucyte": lucyte})


def _write_field_group(group: Path, field: Field, ome: Mapping[str, Any], *, copied: bool) -> None:
    lucyte = {
        "field_id": field.field_id,
        **field.identity,
        "time_indices": list(field.time_indices),
        "channels": list(field.channels),
        "pixels": "copied" if copied else "referenced",
        "files": list(field.source.paths),
    }
    _write_group(group, {"ome": {"version": VERSION, **ome}, "lucyte": lucyte})


def _list_labels(group: Path, kind: str) -> None:
    folder = group / "labels"
    listed: list[str] = _attributes(folder).get("ome", {}).get("labels", [])
    names = [*listed, *([] if _folder_name(kind) in listed else [_folder_name(kind)])]
    _write_group(folder, {"ome": {"version": VERSION, "labels": names}})


def _field_group(path: str | Path, field: Field) -> Path:
    return Path(path) / field_path(path, field)


def _position(field: Field, time_index: int) -> int:
    if time_index not in field.time_indices:
        times = [str(t) for t in field.time_indices]
        raise unknown("time index", str(time_index), times, f"Field {field.field_id}.")
    return field.time_indices.index(time_index)


def _folder_name(kind: str) -> str:
    return re.sub(r"[^A-Za-z0-9_+-]+", ".", kind)


def _multiscale(name: str, axes: str, field: Field, path: str = "0") -> dict[str, Any]:
    size, interval = field.pixel_size_um, field.interval_s
    described: list[dict[str, str]] = []
    scale: list[float] = []
    for axis in axes:
        entry = {"name": axis, "type": {"t": "time", "c": "channel"}.get(axis, "space")}
        step = 1.0
        if axis in "yx" and size is not None:
            entry["unit"], step = "micrometer", size
        if axis == "t" and interval is not None:
            entry["unit"], step = "second", interval
        described.append(entry)
        scale.append(step)
    transform = {"type": "scale", "scale": scale}
    datasets = [{"path": path, "coordinateTransformations": [transform]}]
    return {"name": name, "axes": described, "datasets": datasets}


def _display(names: Sequence[str], array: npt.NDArray[Any]) -> list[dict[str, Any]]:
    """Colours and limits for viewers: the 1st and 99.8th percentile of the first frame."""
    channels = []
    for index, name in enumerate(names):
        low, high = (float(v) for v in np.percentile(array[index], (1.0, 99.8)))
        bottom, top = float(array[index].min()), float(array[index].max())
        window = {
            "start": low,
            "end": max(high, low + 1.0),
            "min": bottom,
            "max": max(top, low + 1),
        }
        channels.append(
            {
                "label": name,
                "color": PALETTE[index % len(PALETTE)],
                "active": True,
                "window": window,
            }
        )
    return channels


def _ensure_array(folder: Path, axes: str, shape: tuple[int, ...], dtype: str) -> None:
    """An empty array; one of another form, left by another plan, is replaced."""
    import zarr
    from zarr.codecs import ZstdCodec

    found = _metadata(folder)
    if found and (tuple(found["shape"]), found["data_type"]) == (shape, dtype):
        return
    shutil.rmtree(folder, ignore_errors=True)
    small = {"t": 1, "c": 1, "z": 1}
    chunks = tuple(small.get(a, min(n, CHUNK_PX)) for a, n in zip(axes, shape, strict=True))
    with disk_errors(folder):
        zarr.create_array(
            str(folder),
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            dimension_names=tuple(axes),
            compressors=ZstdCodec(level=3),
            fill_value=0,
        )
        fsync(folder / "zarr.json")


def _write_frame(folder: Path, position: int, frame: npt.NDArray[Any]) -> None:
    """One frame into its own chunks; chunks of zeros too, so that absent means never written."""
    import zarr

    with disk_errors(folder), zarr.config.set({"array.write_empty_chunks": True}):
        array = zarr.open_array(str(folder), mode="r+")
        if array.shape[1:] != frame.shape:
            raise UsageError(f"{folder}: holds frames of {array.shape[1:]}, got {frame.shape}.")
        array[position] = frame
        chunks = folder / "c" / str(position)
        for each in sorted(chunks.rglob("*")):
            fsync(each)
        fsync(chunks)


def _write_group(folder: Path, attributes: Mapping[str, Any]) -> None:
    """A Zarr 3 group; an equal one stays as it is."""
    value = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
    if _metadata(folder) != value:
        write_json(folder / "zarr.json", value)


def _attributes(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = _metadata(folder).get("attributes", {})
    return found


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(folder / "zarr.json", f"is damaged ({error}).") from None
    return found
