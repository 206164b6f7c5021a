"""Where plates, wells and fields lie in an OME-Zarr plate, whose names allow letters and digits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lucyte.schema.plate import Field, well_sort_key


def plate_folders(plates: Sequence[str]) -> dict[str, str]:
    """Where each plate lies below the root: nowhere special if it is alone, else ``NAME/``."""
    if len(plates) == 1:
        return {plates[0]: ""}
    names = _distinct([re.sub(r"[^A-Za-z0-9.+-]+", "_", p) or "plate" for p in plates])
    return {plate: f"{name}/" for plate, name in zip(plates, names, strict=True)}


def field_places(fields: Sequence[Field]) -> dict[str, str]:
    """``row/column/site`` of every field of one plate."""
    wells = sorted({each.well for each in fields}, key=well_sort_key)
    proper = {w: m for w in wells if (m := re.fullmatch(r"([A-Za-z]{1,2})(\d{1,2})", w))}
    strange = [well for well in wells if well not in proper]
    rows = _distinct(["well" + re.sub(r"[^A-Za-z0-9]", "", well) for well in strange])
    folder = {well: f"{m[1].upper()}/{m[2]}" for well, m in proper.items()}
    folder |= {well: f"{row}/1" for well, row in zip(strange, rows, strict=True)}
    places = {}
    for well in wells:
        mine = [each for each in fields if each.well == well]
        sites = [each.site for each in mine]
        if any(re.fullmatch(r"[A-Za-z0-9]+", s) is None for s in sites) or _clash(sites):
            sites = [str(i) for i in range(len(mine))]
        for each, site in zip(mine, sites, strict=True):
            places[each.field_id] = f"{folder[well]}/{site}"
    return places


def _clash(sites: Sequence[str]) -> bool:
    return len({site.lower() for site in sites}) < len(sites)


def _distinct(names: Sequence[str]) -> list[str]:
    """Names made unique by a number at the end."""
    out: list[str] = []
    for name in names:
        candidate, count = name, 1
        while candidate.lower() in (taken.lower() for taken in out):
            count += 1
            candidate = f"{name}{count}"
        out.append(candidate)
    return out
