"""A model that can be turned round, for film strips: trained on the way, or how to get one."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from lucyte.pipeline.asked_model import AskedModel, Wanted
from lucyte.pipeline.counterfactuals import Turnable, open_turnable
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.pipeline.train_inverse import InverseRequest, train_inverse
from lucyte.schema.errors import InputError, UsageError

SQUEEZED = 8
"""An invertible network halves the side of its crops three times."""


def side_for(px: int) -> int:
    """The smallest side that an invertible network takes and that holds a crop of ``px``."""
    return -(-px // SQUEEZED) * SQUEEZED


def train_on_the_way(wanted: Wanted, input_px: int, minutes: float, out: Path) -> None:
    """Train an i-ResNet on the cells that are explained.

    Parameters
    ----------
    wanted : Wanted
        What is explained.
    input_px : int
        Side of the crops of the model that is explained.
    minutes : float
    out : Path
        Its model folder.

    Raises
    ------
    InputError, UsageError
        Cells without labels, or in too few groups to keep some back.
    """
    data = wanted.first if wanted.data is None else wanted.data
    options = wanted.options
    if wanted.data is None and not options.side_px:
        options = replace(options, side_px=side_for(input_px))
    train_inverse(
        InverseRequest(
            data, out, options, squeeze="haar", minutes=minutes, seed=wanted.seed,
            quiet=wanted.quiet,
        )
    )  # fmt: skip


def trained_drawer(
    request: ExplainRequest, asked: AskedModel, absent: dict[str, str]
) -> Turnable | None:
    """What draws the film strips, trained on these cells; None, and why not, where they forbid."""
    out = request.out / "inverse"
    try:
        train_on_the_way(request.wanted, asked.model.input_px, request.film_minutes, out)
        return open_turnable(out, asked, request.direction)
    except (InputError, UsageError) as error:
        absent["film strips"] = str(error)
        return None


def how_to_turn(wanted: Wanted, input_px: int, command: str) -> str:
    """Train a model that can be turned round on the same cells, then ask again with it.

    Parameters
    ----------
    wanted : Wanted
        What was explained.
    input_px : int
        Side of the crops of the model that was explained, which judges what will be drawn.
    command : str
        As typed; empty where nobody typed.
    """
    reading = wanted.options
    known = {
        "--group-regex": reading.group_regex,
        "--group-column": reading.group_column,
        "--label-column": reading.label_column,
        "--masks": reading.masks,
    }
    words = [part for name, value in known.items() if value for part in (name, str(value))]
    if wanted.data is None:
        words += ["--side-px", str(side_for(input_px))]
    data = str(wanted.first if wanted.data is None else wanted.data)
    train = shlex.join(["lucyte", "train", "invert", data, *words, "-o", "inverse"])
    first = ["lucyte", "explain", str(wanted.first), *([] if wanted.data is None else [data])]
    return f"{train}; then: {command or shlex.join(first)} --counterfactual inverse"
