"""How to get a model that can be turned round, and how large its crops must be."""

from __future__ import annotations

import shlex

from lucyte.pipeline.asked_model import Wanted
from lucyte.pipeline.run_cells import is_run

SQUEEZED = 8
"""An invertible network halves the side of its crops three times."""


def side_for(px: int) -> int:
    """The smallest side that an invertible network takes and that holds a crop of ``px``."""
    return -(-px // SQUEEZED) * SQUEEZED


def how_to_turn(wanted: Wanted, input_px: int, command: str, cut_px: int = 0) -> str:
    """Train a model that can be turned round on the same cells, then ask again with it.

    Parameters
    ----------
    wanted : Wanted
        What was explained.
    input_px : int
        Side of the crops of the model that was explained, which judges what will be drawn.
    command : str
        As typed; empty where nobody typed.
    cut_px : int
        Side from which its crops were resampled; 0 where they were not.
    """
    reading = wanted.options
    known = {
        "--group-regex": reading.group_regex,
        "--group-column": reading.group_column,
        "--label-column": reading.label_column,
        "--masks": reading.masks,
    }
    words = [part for name, value in known.items() if value for part in (name, str(value))]
    data = str(wanted.first if wanted.data is None else wanted.data)
    if wanted.data is None or is_run(wanted.data):
        words += ["--side-px", str(side_for(input_px))]
        words += ["--fit", "resample"] if cut_px else []
    train = shlex.join(["lucyte", "train", "invert", data, *words, "-o", "inverse"])
    first = ["lucyte", "explain", str(wanted.first), *([] if wanted.data is None else [data])]
    return f"{train}; then: {command or shlex.join(first)} --counterfactual inverse"
