"""World ``lineage`` on disk: images in CELLULAR's form, truth in the Cell Tracking Challenge's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import lucyte
from lucyte.simulate.lineage import LineageField, LineageTruth, LineageWorld
from lucyte.simulate.lineage_settings import LINEAGE_CHANNELS
from lucyte.simulate.write_cellular import claim


def write_lineage(world: LineageWorld, folder: str | Path) -> None:
    """Write images, label truth, states and rates.

    ``images/Timepoint_<t>_<plate>_<well>_s<site>_w<1 EGFP, 2 mRFP>.tif`` (frames that were not
    imaged are absent), ``platemap.csv`` (well, condition), ``truth/<field>/TRA`` (Cell Tracking
    Challenge), ``truth/states.csv`` (per cell and frame), ``truth/switches.csv``,
    ``truth/tracks.csv``, ``truth/divisions.csv``, ``truth/rates.csv``, ``truth/stage.csv`` and
    ``world.json``.

    Parameters
    ----------
    world : LineageWorld
    folder : path
        Made if absent.

    Raises
    ------
    InputError
        The folder holds something else already. The same world, whole or half written, is
        written again.
    """
    folder = Path(folder)
    marker = claim(folder, json.dumps(_describe(world), indent=2) + "\n")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("states", "switches", "tracks", "divisions", "stage")
    }
    for each in world.fields:
        truth = each.truth()
        _write_film(each, truth, folder)
        for name in ("states", "switches", "tracks", "divisions"):
            tables[name].append(_named(getattr(truth, name), each))
        tables["stage"].append(_named(_stage(each), each))
    for name, parts in tables.items():
        pd.concat(parts, ignore_index=True).to_csv(folder / "truth" / f"{name}.csv", index=False)
    world.rates().to_csv(folder / "truth" / "rates.csv", index=False)
    wells = [(each.well, each.condition) for each in world.fields]
    pd.DataFrame(wells, columns=["well", "condition"]).to_csv(folder / "platemap.csv", index=False)
    marker.replace(folder / "world.json")


def _write_film(film: LineageField, truth: LineageTruth, folder: Path) -> None:
    import tifffile

    tra = folder / "truth" / film.field_id / "TRA"
    tra.mkdir(parents=True, exist_ok=True)
    size = film.settings.pixel_size_um
    for time_index in film.settings.imaged:
        stem = f"Timepoint_{time_index:03d}_{film.plate}_{film.well}_s{film.site}"
        for number, plane in enumerate(film.image(time_index), start=1):
            tifffile.imwrite(
                folder / "images" / f"{stem}_w{number}.tif",
                plane,
                resolution=(1e4 / size, 1e4 / size),
                resolutionunit="CENTIMETER",
            )
        tifffile.imwrite(
            tra / f"man_track{time_index:03d}.tif",
            film.labels(time_index).astype(np.uint16),
            compression="zlib",
        )
    rows = truth.tracks[["L", "B", "E", "P"]].to_numpy(np.int64).tolist()
    (tra / "man_track.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))


def _stage(film: LineageField) -> pd.DataFrame:
    """``time_index, y_px, x_px``: where the stage stood in the frames that were taken."""
    imaged = list(film.settings.imaged)
    offsets = film.life.offsets[imaged]
    return pd.DataFrame({"time_index": imaged, "y_px": offsets[:, 0], "x_px": offsets[:, 1]})


def _named(table: pd.DataFrame, film: LineageField) -> pd.DataFrame:
    return table.assign(field_id=film.field_id, well=film.well, condition=film.condition)


def _describe(world: LineageWorld) -> dict[str, object]:
    return {
        "world": "lineage",
        "seed": world.seed,
        "version": lucyte.__version__,
        "channels": {f"w{i}": name for i, name in enumerate(LINEAGE_CHANNELS, start=1)},
        "settings": world.settings.model_dump(mode="json"),
    }
