"""World ``leigh`` on disk: OME-TIFF images with named channels, a plate map, the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import lucyte
from lucyte.simulate.leigh import LeighWorld
from lucyte.simulate.leigh_settings import LEIGH_CHANNELS
from lucyte.simulate.write_cellular import claim


def write_leigh(world: LeighWorld, folder: str | Path) -> int:
    """Write images, plate map and truth; the number of fields.

    ``images/<plate>_<well>_s<site>.tif`` (OME-TIFF, channels TMRM and Hoechst), ``platemap.csv``
    (plate, well, condition, line, dose_um, control), ``truth/<field>/SEG`` (label images),
    ``truth/wells.csv`` (what was really done there), ``truth/compounds.csv``,
    ``truth/cells.csv`` and ``world.json``.

    Parameters
    ----------
    world : LeighWorld
    folder : path
        Made if absent.

    Raises
    ------
    InputError
        The folder holds something else already. The same world, whole or half written, is
        written again.
    """
    import tifffile

    folder = Path(folder)
    marker = claim(folder, json.dumps(_describe(world), indent=2) + "\n")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    size = world.settings.pixel_size_um
    metadata = {
        "axes": "CYX",
        "Channel": {"Name": list(LEIGH_CHANNELS)},
        "PhysicalSizeX": size,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": size,
        "PhysicalSizeYUnit": "µm",
    }
    cells: list[pd.DataFrame] = []
    written = 0
    for each in world.fields:
        path = folder / "images" / f"{each.field_id}.tif"
        tifffile.imwrite(path, each.image(), ome=True, photometric="minisblack", metadata=metadata)
        seg = folder / "truth" / each.field_id / "SEG"
        seg.mkdir(parents=True, exist_ok=True)
        labels = each.labels().astype(np.uint16)
        tifffile.imwrite(seg / "man_seg000.tif", labels, compression="zlib")
        table = pd.DataFrame([vars(cell) for cell in each.cells])
        cells.append(table.assign(field_id=each.field_id))
        written += 1
    truth = folder / "truth"
    pd.concat(cells, ignore_index=True).to_csv(truth / "cells.csv", index=False)
    world.truth().to_csv(truth / "wells.csv", index=False)
    compounds = pd.DataFrame([vars(each) for each in world.compounds])
    compounds.to_csv(truth / "compounds.csv", index=False)
    world.platemap().to_csv(folder / "platemap.csv", index=False)
    marker.replace(folder / "world.json")
    return written


def _describe(world: LeighWorld) -> dict[str, object]:
    return {
        "world": "leigh",
        "seed": world.seed,
        "version": lucyte.__version__,
        "channels": list(LEIGH_CHANNELS),
        "settings": world.settings.model_dump(mode="json"),
    }
