"""A simulated plate on disk, in CELLULAR's own form, with the truth that CELLULAR lacks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import lucyte
from lucyte.schema.errors import InputError
from lucyte.schema.objects import Labels
from lucyte.simulate.field import SimulatedField
from lucyte.simulate.settings import CHANNELS
from lucyte.simulate.truth import UNIDENTIFIED, FieldTruth
from lucyte.simulate.worlds import SimulatedPlate

COUNTS_PER_GREY = {"EGFP": 5.25, "mRFP": 5.25, "TL": 23.0}
"""Counts of one grey level of the merged picture; the camera's offset is grey 0."""
JPEG_QUALITY = 85


def write_cellular(simulated: SimulatedPlate, folder: str | Path, merged: bool = True) -> None:
    """Write images, masks, boxes, plate map and truth.

    ``images/Timepoint_<t>_<plate>_<well>_s<site>_w<1 EGFP, 2 mRFP, 3 TL>.tif``,
    ``merged/....jpg``, ``masks/<stem>/<class>/<stem>_<track>.png``, ``boxes/<stem>.txt`` (class,
    x and y of the centre, width, height; relative) with ``boxes/classes.txt``, ``platemap.csv``
    (well, condition), ``truth/<field>/TRA`` (Cell Tracking Challenge), ``truth/spots.parquet``,
    ``truth/states.csv``, ``truth/divisions.csv`` and ``world.json``.

    Parameters
    ----------
    simulated : SimulatedPlate
    folder : path
        Made if absent.
    merged : bool
        Write the merged JPEG pictures too.

    Raises
    ------
    InputError
        The folder holds something else already. The same plate, whole or half written, is
        written again.
    """
    folder = Path(folder)
    description = json.dumps(_describe(simulated), indent=2) + "\n"
    marker = claim(folder, description)
    names = ["images", "masks", "boxes", "truth", *(["merged"] if merged else [])]
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    classes = (*simulated.settings.layout.conditions, UNIDENTIFIED)
    (folder / "boxes" / "classes.txt").write_text("\n".join(classes) + "\n")
    spots: list[pd.DataFrame] = []
    states: list[pd.DataFrame] = []
    divisions: list[pd.DataFrame] = []
    for each, site in zip(simulated.plate.fields, simulated.sites, strict=True):
        truth = simulated.truth(each.field_id)
        _write_tracks(truth, folder / "truth" / each.field_id / "TRA")
        for frame, time_index in enumerate(truth.time_indices):
            stem = f"Timepoint_{time_index:03d}_{site.plate}_{site.well}_s{site.site}"
            _write_images(site, frame, folder, stem, merged)
            rows = truth.states[truth.states["time_index"] == time_index]
            _write_boxes(rows, classes, site.settings.layout.size_px, folder / "boxes", stem)
            _write_masks(truth.labels[frame], rows, folder / "masks" / stem, stem)
        for table, kept in (
            (truth.spots, spots),
            (truth.states, states),
            (truth.divisions, divisions),
        ):
            kept.append(table.assign(field_id=each.field_id))
    pd.concat(spots, ignore_index=True).to_parquet(folder / "truth" / "spots.parquet")
    pd.concat(states, ignore_index=True).to_csv(folder / "truth" / "states.csv", index=False)
    pd.concat(divisions, ignore_index=True).to_csv(folder / "truth" / "divisions.csv", index=False)
    wells = {site.well: site.condition for site in simulated.sites}
    pd.DataFrame(list(wells.items()), columns=["well", "condition"]).to_csv(
        folder / "platemap.csv", index=False
    )
    marker.replace(folder / "world.json")


def merge(image: npt.NDArray[np.uint16], offset_counts: float) -> npt.NDArray[np.uint8]:
    """Counts (EGFP, mRFP, TL; C Y X) as CELLULAR's merged picture: grey TL added to R, G and B.

    Returns
    -------
    uint8 array Y X 3
        R = TL + mRFP, G = TL + EGFP, B = TL, each clipped at 255.
    """
    scale = np.array([COUNTS_PER_GREY[name] for name in CHANNELS], dtype=np.float32)
    green, red, grey = (image.astype(np.float32) - np.float32(offset_counts)) / scale[:, None, None]
    grey = np.maximum(grey, 0)
    merged = np.stack([grey + np.maximum(red, 0), grey + np.maximum(green, 0), grey], axis=-1)
    picture: npt.NDArray[np.uint8] = np.clip(np.rint(merged), 0, 255).astype(np.uint8)
    return picture


def claim(folder: Path, description: str) -> Path:
    """Mark a folder as being written; the marker becomes ``world.json`` when all is there."""
    marker, done = folder / "world.json.partial", folder / "world.json"
    if folder.exists() and any(folder.iterdir()):
        found = [each for each in (done, marker) if each.is_file()]
        if not found:
            raise InputError(
                folder, "is not empty and holds no simulated plate.", "Choose another."
            )
        if found[0].read_text() != description:
            raise InputError(folder, "holds another simulated plate.", "Choose another folder.")
        done.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(description)
    return marker


def _write_images(site: SimulatedField, frame: int, folder: Path, stem: str, merged: bool) -> None:
    import tifffile
    from PIL import Image

    image = site.observe(frame)
    for number, plane in enumerate(image, start=1):
        tifffile.imwrite(folder / "images" / f"{stem}_w{number}.tif", plane)
    if merged:
        picture = Image.fromarray(merge(image, site.settings.optics.offset_counts))
        picture.save(folder / "merged" / f"{stem}.jpg", quality=JPEG_QUALITY, subsampling="4:2:0")


def _write_masks(labels: Labels, rows: pd.DataFrame, folder: Path, stem: str) -> None:
    from PIL import Image

    for name in sorted(set(rows["annotation"])):
        (folder / name).mkdir(parents=True, exist_ok=True)
    boxes = rows[["track_id", "annotation", "y0_px", "y1_px", "x0_px", "x1_px"]]
    for track_id, name, y0, y1, x0, x1 in boxes.itertuples(index=False, name=None):
        mask = np.zeros(labels.shape, dtype=bool)
        mask[y0:y1, x0:x1] = labels[y0:y1, x0:x1] == track_id
        picture = Image.fromarray(mask)
        picture.save(folder / name / f"{stem}_{track_id:04d}.png", compress_level=1)


def _write_boxes(
    rows: pd.DataFrame, classes: tuple[str, ...], size_px: int, folder: Path, stem: str
) -> None:
    lines = []
    columns = rows[["annotation", "x0_px", "y0_px", "x1_px", "y1_px"]]
    for name, x0, y0, x1, y1 in columns.itertuples(index=False, name=None):
        numbers = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        relative = " ".join(f"{number / size_px:.10g}" for number in numbers)
        lines.append(f"{classes.index(name)} {relative}\n")
    (folder / f"{stem}.txt").write_text("".join(lines))


def _write_tracks(truth: FieldTruth, folder: Path) -> None:
    import tifffile

    folder.mkdir(parents=True, exist_ok=True)
    for time_index, labels in zip(truth.time_indices, truth.labels, strict=True):
        path = folder / f"man_track{time_index:03d}.tif"
        tifffile.imwrite(path, labels.astype(np.uint16), compression="zlib")
    rows = truth.tracks[["L", "B", "E", "P"]].to_numpy()
    text = "".join(" ".join(str(int(number)) for number in row) + "\n" for row in rows)
    (folder / "man_track.txt").write_text(text)


def _describe(simulated: SimulatedPlate) -> dict[str, object]:
    return {
        "world": simulated.world,
        "seed": simulated.seed,
        "version": lucyte.__version__,
        "channels": {f"w{i}": name for i, name in enumerate(CHANNELS, start=1)},
        "counts_per_grey": COUNTS_PER_GREY,
        "settings": simulated.settings.model_dump(mode="json"),
    }
