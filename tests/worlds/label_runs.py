"""A finished run small enough to make in a moment: fields of discs, two channels, eight wells."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import tifffile

from lucyte.io.plates import open_plate
from lucyte.io.write_table import write_parquet
from lucyte.io.write_zarr import create_plate, write_labels
from lucyte.schema.objects import object_id
from lucyte.schema.plan import load_plan
from worlds.runs import start

SIDE, RADIUS = 128, 9
WELLS = ("C03", "D03", "E03", "F03", "I03", "J03", "K03", "L03")
CENTRES = [(y, x) for y in (32, 64, 96) for x in (32, 64, 96)]
"""Nine whole cells per field; a tenth touches the border."""
BORDER = (4, 64)
PLAN = """\
[input]
path = "images"
layout = "cellular"

[input.channels]
EGFP = "w1"
mRFP = "w2"

[[segment.objects]]
kind = "cell"
channels = ["EGFP"]
"""


def disc(centre: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """A cell's pixels in its field."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.asarray((y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= RADIUS**2)


def write_run(folder: Path, *, states: bool = True) -> Path:
    """A run folder as ``lucyte run`` leaves it, as far as labelling reads it.

    Cells of wells C to F are ``fed``, bright in EGFP; the others are starved, bright in mRFP.
    """
    run = folder / "run"
    (run / "images").mkdir(parents=True)
    (run / "stages").mkdir()
    (run / "plan.toml").write_text(PLAN)
    rng = np.random.default_rng(0)
    for well in WELLS:
        for number in (1, 2):
            bright = 900 if (well < "G") == (number == 1) else 200
            pixels = rng.normal(100, 5, (SIDE, SIDE))
            for centre in (*CENTRES, BORDER):
                pixels[disc(centre)] += bright
            name = f"Timepoint_000_260101-ST_{well}_s1_w{number}.tif"
            tifffile.imwrite(run / "images" / name, pixels.astype(np.uint16))
    plate = open_plate(load_plan(run / "plan.toml").input, run)
    create_plate(run / "plate.zarr", plate.fields)
    rows = []
    for here in plate.fields:
        labels = np.zeros((SIDE, SIDE), np.int32)
        for number, centre in enumerate((*CENTRES, BORDER), start=1):
            own = disc(centre)
            labels[own] = number
            y, x = np.nonzero(own)
            state = "fed" if here.well < "G" else "starved"
            rows.append({
                "object_id": object_id(here.field_id, 0, "cell", number),
                "field_id": here.field_id, **here.identity, "condition": f"secret-{state}",
                "time_index": 0, "kind": "cell", "label": number, "parent_id": "",
                "x0_px": int(x.min()), "y0_px": int(y.min()),
                "x1_px": int(x.max()) + 1, "y1_px": int(y.max()) + 1,
                **({"state": state, "p_fed": 0.5, "p_starved": 0.5} if states else {}),
            })  # fmt: skip
        write_labels(run / "plate.zarr", here, "cell", 0, labels)
    write_parquet(pd.DataFrame(rows), run / "objects.parquet")
    return run


def write_images(folder: Path, count: int = 6) -> Path:
    """Plain pictures in one subfolder per condition; one of them is damaged."""
    root = folder / "pictures"
    rng = np.random.default_rng(1)
    for at in range(count):
        where = root / ("treated" if at % 2 else "control")
        where.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(where / f"img {at}.tif", rng.integers(0, 999, (40, 60), np.uint16))
    (root / "control" / "broken.tif").write_bytes(b"II*\0 nothing here")
    return root


def lucyte_start(*arguments: object) -> subprocess.Popen[str]:
    """Start the command; its output is read as it comes. No browser is opened."""
    return start(*arguments, "--no-browser")


def opened(process: subprocess.Popen[str]) -> str:
    """The page's address, from the terminal."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"Open (http://\S+)", line):
            return found[1]
    raise AssertionError(f"no address: {process.communicate()}")
