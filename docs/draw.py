"""Draws the picture of planted shortcuts in simulate.md: python docs/draw.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lucyte.io.merge import choose_limits, merge_channels
from lucyte.simulate.settings import PLANTS, LayoutSettings, WorldSettings, shortcut_settings
from lucyte.simulate.settings import demo_settings as demo
from lucyte.simulate.worlds import simulate

COLOURS = {"EGFP": "green", "mRFP": "magenta"}
SIDE, GAP = 256, 4


def main() -> None:
    """One starved field with nothing planted and with each shortcut, on one scale."""
    layout = LayoutSettings(wells_per_condition=1, size_px=SIDE, cells=9, frames=1)
    optics = demo().optics.model_copy(update={"noise": False})  # the tint would drown in it
    base = WorldSettings(layout=layout, cell=demo().cell, optics=optics)
    pictures = []
    for kind in PLANTS:
        world = "autophagy" if kind == "none" else "shortcut"
        settings = base if kind == "none" else shortcut_settings(kind, base=base)
        if kind == "none":
            cell = base.cell.model_copy(update={"effect": 0.0})
            settings = base.model_copy(update={"cell": cell})
        sites = simulate(world, settings, seed=5).sites
        # random streams go by the plate's name, and the world of gain has plates of its own
        starved = replace(next(site for site in sites if site.starved), plate="260101-ST")
        pictures.append(starved.observe(0)[:2])
    limits = choose_limits(np.concatenate(pictures, axis=2), list(COLOURS))
    limits = {name: (low, low + 0.2 * (high - low)) for name, (low, high) in limits.items()}
    step = SIDE + GAP
    sheet = Image.new("RGB", (3 * step - GAP, 2 * (step + 16) - GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (kind, picture) in enumerate(zip(PLANTS, pictures, strict=True)):
        corner = (index % 3 * step, index // 3 * (step + 16))
        pen.text((corner[0] + 2, corner[1] + 2), kind, fill="black")
        place = (corner[0], corner[1] + 16)
        sheet.paste(Image.fromarray(merge_channels(picture, COLOURS, limits)), place)
    sheet.quantize(128).save(Path(__file__).parent / "images" / "shortcuts.png", optimize=True)


if __name__ == "__main__":
    main()
