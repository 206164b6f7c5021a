"""What ``lucyte explain`` was asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lucyte.pipeline.asked_model import Wanted


@dataclass(frozen=True)
class ExplainRequest:
    """What ``lucyte explain`` was asked.

    Attributes
    ----------
    wanted : Wanted
    out : Path
    methods : tuple of str
        Of attribution; empty: ``CHOSEN``; ``all``: every one that the model allows.
    target : str
        Class to explain; empty: each cell's own answer.
    cells : int
        Shown per class.
    exam_cells : int
        On which maps are examined.
    layer : str or None
    baseline : str
    counterfactual : Path or None
        A model that can be turned round.
    direction : str
        Which way it goes.
    film_minutes : float
        Where no such model is given, so long one is trained on the way, into ``out/inverse``; 0:
        none.
    command : str
    """

    wanted: Wanted
    out: Path
    methods: tuple[str, ...] = ()
    target: str = ""
    cells: int = 4
    exam_cells: int = 48
    layer: str | None = None
    baseline: str = "local_background"
    counterfactual: Path | None = None
    direction: str = "means"
    film_minutes: float = 0.0
    command: str = ""
