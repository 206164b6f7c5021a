"""How fast cells are simulated: one movie of CELLULAR's size."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lucyte.simulate.settings import LayoutSettings, WorldSettings, tiny_settings
from lucyte.simulate.worlds import simulate
from lucyte.simulate.write_cellular import write_cellular
from lucyte.testing.outcome import Outcome
from lucyte.testing.stopwatch import Times, clocked

GOAL_S = 60.0


def measure(size_px: int = 2048, cells: int = 250, frames: int = 5) -> Outcome:
    """Seconds to render one field's frames, and to write one field of each condition to disk."""
    _render(tiny_settings(1, 1))  # compile
    layout = LayoutSettings(
        wells_per_condition=1, frames=frames, size_px=size_px, cells=cells, sites_per_well=1
    )
    settings = WorldSettings(layout=layout)
    rendered, found = _render(settings)
    with tempfile.TemporaryDirectory() as name:
        plate = simulate("autophagy", settings, 0)
        written, _ = clocked(lambda: write_cellular(plate, Path(name) / "plate"))
    rows = (
        {"": f"render {frames} frames of one field", **rendered.row(), "cells": found},
        {"": "two fields, written with masks, boxes and truth", **written.row()},
    )
    goal = "seconds, not minutes"
    met = rendered.seconds < GOAL_S
    return Outcome(f"{rendered.seconds:.1f} s", goal, met, rows, ("Compiled beforehand.",))


def _render(settings: WorldSettings) -> tuple[Times, int]:
    """Time for all frames of the first field, and the cells of its first frame."""
    site = simulate("autophagy", settings, 0).sites[0]

    def render() -> None:
        for frame in range(settings.layout.frames):
            site.observe(frame)

    times, _ = clocked(render)
    labels = site.labels(0)
    return times, len(set(labels[labels > 0].tolist()))
