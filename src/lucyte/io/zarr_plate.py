"""The fields of an OME-Zarr high-content plate (0.4 and 0.5), from its metadata alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lucyte.io.layouts import Name, normal_well
from lucyte.schema.errors import InputError


def is_zarr_plate(path: Path) -> bool:
    """Whether a folder is an OME-Zarr plate (not an image)."""
    try:
        return path.suffix == ".zarr" and path.is_dir() and "plate" in read_attributes(path)
    except InputError:
        return False


def read_attributes(path: Path) -> dict[str, Any]:
    """The OME attributes of a Zarr group, of format 2 or 3.

    Raises
    ------
    InputError
        No Zarr group, or its metadata is damaged.
    """
    for name in ("zarr.json", ".zattrs"):
        file = path / name
        if not file.is_file():
            continue
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(file, f"is damaged ({error}).", "Copy the plate again.") from None
        attributes = found.get("attributes", {}) if name == "zarr.json" else found
        ome = attributes.get("ome", attributes)
        return ome if isinstance(ome, dict) else {}
    raise InputError(path, "is not an OME-Zarr group.", "Give the folder that ends in .zarr.")


def zarr_fields(path: Path) -> tuple[list[tuple[Path, Name]], list[tuple[Path, str]]]:
    """Every image of a plate and its identity.

    Parameters
    ----------
    path : Path
        The plate's folder.

    Returns
    -------
    images : list of (folder, identity)
        In the order of the plate's own list.
    broken : list of (folder, what is wrong)
        Wells that the plate names but whose metadata is missing or damaged.
    """
    plate = read_attributes(path)["plate"]
    title = path.name.removesuffix(".zarr").removesuffix(".ome")
    images: list[tuple[Path, Name]] = []
    broken: list[tuple[Path, str]] = []
    for well in plate.get("wells", ()):
        folder = path / str(well["path"])
        if not folder.is_dir():
            broken.append((folder, f"well {well['path']} is listed but is not there."))
            continue
        try:
            sites = _sites(folder)
        except InputError as error:
            broken.append((folder, error.problem))
            continue
        name = normal_well(str(well["path"]).replace("/", ""))
        images += [(folder / site, Name(plate=title, well=name, site=site)) for site in sites]
    return images, broken


def _sites(well: Path) -> list[str]:
    """The images that a well lists, or, as older writers leave the list out, those it holds."""
    try:
        attributes = read_attributes(well)
    except InputError:
        if any((well / name).exists() for name in ("zarr.json", ".zattrs")):
            raise
        attributes = {}
    if "well" in attributes:
        return [str(image["path"]) for image in attributes["well"].get("images", ())]
    found = []
    for each in sorted(path for path in well.iterdir() if path.is_dir()):
        try:
            found += [each.name] if "multiscales" in read_attributes(each) else []
        except InputError:
            continue
    if not found:
        raise InputError(well, "holds no images.")
    return found
