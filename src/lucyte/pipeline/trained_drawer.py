"""A model that draws film strips, trained on the way on the cells that are explained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lucyte.pipeline.asked_model import AskedModel, Wanted
from lucyte.pipeline.counterfactuals import Turnable, open_turnable
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.pipeline.run_cells import is_run
from lucyte.pipeline.train_inverse import InverseRequest, train_inverse
from lucyte.pipeline.turning import side_for
from lucyte.schema.errors import LucyteError


def train_on_the_way(wanted: Wanted, asked: AskedModel, minutes: float, out: Path) -> None:
    """Train an i-ResNet on the cells that are explained.

    Parameters
    ----------
    wanted : Wanted
        What is explained.
    asked : AskedModel
        The model that is explained, whose crops are drawn.
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
    if is_run(data) and not options.side_px:
        own = asked.model.input_px
        side = side_for(own)
        cut = round(asked.card.cut_px * side / own)
        options = replace(options, side_px=side, cut_px=cut)
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
        train_on_the_way(request.wanted, asked, request.film_minutes, out)
        return open_turnable(out, asked, request.direction)
    except LucyteError as error:
        absent["film strips"] = str(error)
        return None
