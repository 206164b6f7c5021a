"""What lies in a folder: a plate, a collection, tables, arrays. For ``lucyte info FOLDER``."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lucyte.io.assemble import name_files, open_plate
from lucyte.io.field_source import FieldSource
from lucyte.io.files import TRUTH_FOLDER
from lucyte.schema.errors import InputError, LucyteError, UsageError
from lucyte.schema.plan import InputSettings
from lucyte.schema.plate import Field, Plate, well_sort_key

TABLES = (".csv", ".tsv", ".parquet")
ARRAYS = (".npz", ".npy")
MOST_SITES = 100


def survey(path: str | Path) -> dict[str, Any]:
    """What a file or folder holds, in JSON types.

    Parameters
    ----------
    path : str or Path
        A folder (of images, of folders, of tables), a glob, an OME-Zarr plate, or one file.

    Returns
    -------
    dict
        ``path``; ``kind`` (``plate``, ``collection``, ``arrays``, ``tables``); for a plate
        ``layout, fields, plates, wells, sites, frames, time_indices, channels, dtypes, sizes_px
        ([height, width, fields]), z_planes, pixel_size_um, interval_s, conditions, flags,
        problems``; for a collection ``parts``, a survey each. ``truth``, ``tables`` and ``arrays``
        list what else is there. Keys without content are left out.

    Raises
    ------
    InputError
        Nothing there that Lucyte knows.
    """
    folder = Path(path)
    found: dict[str, Any] = {"path": str(path)}
    plain = folder.is_dir() and folder.suffix != ".zarr"
    extras = _extras(folder) if plain else {}
    parts = _parts(folder) if plain else []
    if parts:
        found |= {"kind": "collection", "parts": [_part(each) for each in parts]}
    else:
        try:
            plate = open_plate(InputSettings(path=folder.name), folder.parent)
            found |= {"kind": "plate", **_describe(plate)}
        except InputError:
            if not (extras.get("arrays") or extras.get("tables")):
                raise
            found["kind"] = "arrays" if extras.get("arrays") else "tables"
    return found | extras


def _parts(folder: Path) -> list[Path]:
    """Subfolders to survey one by one, where the folder itself is not one plate."""
    try:
        named = name_files(InputSettings(path=folder.name), folder.parent)
    except LucyteError:
        return []
    if named.layout != "plain":
        return []
    images = [path.relative_to(folder) for path, _ in named.files]
    if any(len(path.parts) == 1 and path.suffix != ".zarr" for path in images):
        return []
    tops = list(dict.fromkeys(path.parts[0] for path in images))
    if len(tops) == 1 and (folder / tops[0]).suffix != ".zarr":
        return [] if tops[0].lower() == "images" else [folder / tops[0]]
    return [folder / top for top in tops]


def _part(folder: Path) -> dict[str, Any]:
    try:
        return survey(folder)
    except (InputError, UsageError) as error:
        return {"path": str(folder), "kind": "unreadable", "problem": str(error)}


def _describe(plate: Plate) -> dict[str, Any]:
    fields = plate.fields
    times = sorted({time for each in fields for time in each.time_indices})
    sizes = Counter(each.shape_yx for each in fields)
    dtypes = Counter(_dtype(each) for each in fields)
    conditions = Counter(each.condition for each in fields if each.condition)
    sites = _names(each.site for each in fields)
    listed = plate.layout not in ("plain", "folder-per-class") and len(sites) <= MOST_SITES
    found = {
        "layout": plate.layout,
        "fields": len(fields),
        "plates": _names(each.plate for each in fields),
        "wells": sorted({each.well for each in fields if each.well}, key=well_sort_key),
        "sites": sites if listed else [],
        "frames": sum(len(each.time_indices) for each in fields),
        "time_indices": times if times != [0] else [],
        "channels": list(dict.fromkeys(name for each in fields for name in each.channels)),
        "dtypes": sorted(dtypes),
        "sizes_px": [[h, w, n] for (h, w), n in sorted(sizes.items())],
        "z_planes": sorted({each.z_planes for each in fields if each.z_planes > 1}),
        "pixel_size_um": _numbers(each.pixel_size_um for each in fields),
        "interval_s": _numbers(each.interval_s for each in fields),
        "conditions": dict(sorted(conditions.items())),
        "flags": _names(flag for each in fields for flag in each.flags),
        "problems": [asdict(problem) for problem in plate.problems],
    }
    return {key: value for key, value in found.items() if value or key == "problems"}


def _dtype(each: Field) -> str:
    source = each.source
    return source.header.dtype if isinstance(source, FieldSource) else str(source.open().dtype)


def _names(values: Iterable[str]) -> list[str]:
    return sorted({value for value in values if value})


def _numbers(values: Iterable[float | None]) -> list[float]:
    return sorted({float(value) for value in values if value is not None})


def _extras(folder: Path) -> dict[str, Any]:
    """Truth folders, tables and arrays beside the images."""
    truth, tables, arrays = [], [], []
    for each in sorted(folder.iterdir()):
        if each.is_dir() and TRUTH_FOLDER.fullmatch(each.name):
            truth.append(_truth(each))
        elif each.suffix.lower() in TABLES and each.is_file():
            tables.append(_table(each))
        elif each.suffix.lower() in ARRAYS and each.is_file():
            arrays.append({"file": each.name, "arrays": _arrays(each)})
    extras = {"truth": truth, "tables": tables, "arrays": arrays}
    return {key: value for key, value in extras.items() if value}


def _truth(folder: Path) -> dict[str, Any]:
    suffixes = Counter(p.suffix.lower() for p in folder.rglob("*") if p.is_file())
    kinds = {
        "boxes": folder.name.lower() == "boxes" or set(suffixes) == {".txt"},
        "tracks": any(folder.rglob("man_track.txt")) or any(folder.rglob("res_track.txt")),
        "labels": bool(set(suffixes) & {".tif", ".tiff", ".png"}),
    }
    kind = next((name for name in ("tracks", "boxes", "labels") if kinds[name]), "unknown")
    return {"folder": folder.name, "kind": kind, "files": dict(sorted(suffixes.items()))}


def _table(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                rows, columns = file.metadata.num_rows, list(file.schema_arrow.names)
        except (OSError, ValueError) as error:
            return {"file": path.name, "problem": f"damaged: {str(error).splitlines()[0]}"}
        return {"file": path.name, "rows": rows, "columns": columns}
    import pandas as pd

    try:
        table = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", dtype=str)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        return {"file": path.name, "problem": f"no table: {str(error).splitlines()[0]}"}
    return {"file": path.name, "rows": len(table), "columns": [str(c) for c in table.columns]}


def _arrays(path: Path) -> list[dict[str, Any]]:
    """Name, shape and type of what an .npy or .npz holds, from the headers alone."""
    from numpy.lib import format as npy

    def describe(name: str, stream: Any) -> dict[str, Any]:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        return {"name": name, "shape": list(shape), "dtype": str(dtype)}

    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return [describe(path.stem, file)]
        with zipfile.ZipFile(path) as archive:
            found = []
            for name in archive.namelist():
                with archive.open(name) as stream:
                    found.append(describe(name.removesuffix(".npy"), stream))
            return found
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return [{"name": path.name, "problem": f"damaged: {error}"}]
