"""What a cell would look like in another class: film strips, words, and whether to believe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.explain.counterfactual.changes import change_words, feature_tables
from lucyte.explain.counterfactual.closed_form import Counterfactuals, counterfactual
from lucyte.explain.counterfactual.crossing import DIRECTIONS
from lucyte.explain.counterfactual.paths import film_strips
from lucyte.explain.counterfactual.plane import class_plane
from lucyte.explain.latent.kept import latent_counterfactual, latent_strips
from lucyte.learn.feature_predictor import measure_inside
from lucyte.learn.models import load_model
from lucyte.networks.autoencoder import Autoencoder
from lucyte.networks.input_match import SAME_SIZE, fit_side
from lucyte.networks.invertible_classifier import InvertibleClassifier
from lucyte.networks.model_folder import Card, read_folder
from lucyte.pipeline.asked_model import AskedModel
from lucyte.pipeline.judged_counterfactuals import Judge, judged_findings, verdicts
from lucyte.pipeline.turning import side_for
from lucyte.report.counterfactual import Plane, Strip
from lucyte.schema.errors import LucyteError, UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.schema.plan import MeasureSettings
from lucyte.schema.samples import Samples

Turnable = InvertibleClassifier | Autoencoder
"""Models that a cell can be shown in another class by."""
DEFAULT = "means"
MOST_ON_PLANE = 400
STEPS = 7
CLIPPED = 0.01
"""Share of impossible px from which it is told."""


@dataclass(frozen=True)
class Otherwise:
    """Counterfactuals for a page; nothing where no model can make any.

    Attributes
    ----------
    strips : tuple of Strip
    plane : Plane or None
    findings : tuple of Finding
    notes : tuple of str
    """

    strips: tuple[Strip, ...] = ()
    plane: Plane | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def open_turnable(folder: Path | None, asked: AskedModel, direction: str) -> Turnable | None:
    """The model that shows cells in another class; None where there is none.

    Parameters
    ----------
    folder : Path or None
        None: the model asked about, if it can be turned round.
    asked : AskedModel
    direction : str
        Which way an invertible network goes; see `crossing`.

    Raises
    ------
    UsageError
        A model of another kind, an unknown direction, one that the model does not have.
    """
    if direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    model = asked.model if folder is None else load_model(folder)
    if isinstance(model, Autoencoder) and direction != DEFAULT:
        raise UsageError(
            f"an autoencoder goes one way only; --direction {direction} is of invertible networks."
        )
    if isinstance(model, InvertibleClassifier | Autoencoder):
        if folder is not None:
            _refuse_scale(model, read_folder(folder).card, asked)
        return model
    if folder is None:
        return None
    raise UsageError(
        f"{folder}: is no model that can be turned round; make one with: "
        "lucyte train invert DATA -o MODEL, or lucyte train autoencode DATA -o MODEL"
    )


def _refuse_scale(model: Turnable, card: Card, asked: AskedModel) -> None:
    """Cells of a run that were resampled for one model only have another size for the other."""
    scales = [
        (each.cut_px or side) / side
        for each, side in ((card, model.input_px), (asked.card, asked.model.input_px))
    ]
    if abs(scales[0] / scales[1] - 1) > SAME_SIZE:
        raise UsageError(
            f"the model that draws sees cells at 1/{scales[0]:.2g} of their size, {asked.name} at "
            f"1/{scales[1]:.2g}; train both with the same --side-px and --fit."
        )


def imagine(
    model: Turnable,
    asked: AskedModel,
    samples: Samples,
    masks: npt.NDArray[np.bool_],
    shown: npt.NDArray[np.int64],
    direction: str,
) -> Otherwise:
    """Each cell in the class that it is nearest to but its own.

    Parameters
    ----------
    model : Turnable
    asked : AskedModel
        Judges what was made, where it is another model.
    samples : Samples
    masks : bool array N Y X
    shown : int array
        Rows whose film strips a person sees; all of them are judged.
    direction : str
        Which way an invertible network goes; see `crossing`.

    Raises
    ------
    UsageError
        Channels that the samples lack.
    """
    crops = fit_side(samples.for_channels(model.channels), model.input_px, known=True)
    inside = fit_side(masks[:, None], model.input_px, known=True)[:, 0]
    findings: list[Finding] = []
    notes: list[str] = []
    made, order = _all(model, crops, direction, notes)
    if not made:
        return Otherwise(notes=tuple(notes))
    judge = Judge(asked.model, masks[order]) if model is not asked.model else None
    judged: dict[int, str] = {}
    if judge is None:
        notes.append(
            "The counterfactuals were judged by no other model: ask another model with "
            "--counterfactual to have them judged."
        )
    elif lacking := [name for name in judge.channels if name not in model.channels]:
        notes.append(
            f"The counterfactuals have no channel {', '.join(lacking)}, which the model that would "
            "judge them needs, so they were not judged; train the model that draws them on the "
            "same channels."
        )
    elif judge.input_px > model.input_px:
        notes.append(
            f"The counterfactuals are {model.input_px} px and the model that would judge them "
            f"takes {judge.input_px} px, so they were not judged; train the model that draws them "
            f"with --side-px {side_for(judge.input_px)} to have them judged."
        )
    else:
        findings += judged_findings(judge, made, order, samples, asked)
        judged = verdicts(judge, made, order, asked.name)
    words = _words(made, order, inside, model)
    strips = [
        replace(_strip(model, crops, samples, made, words, k, order), judged=judged.get(k, ""))
        for k in shown.tolist()
        if k in order
    ]
    return Otherwise(tuple(strips), _plane(model, crops, samples), tuple(findings), tuple(notes))


def _all(
    model: Turnable, crops: npt.NDArray[Any], direction: str, notes: list[str]
) -> tuple[list[Counterfactuals], npt.NDArray[np.int64]]:
    """Counterfactuals by target, and the rows of the samples in their order."""
    logits = model.logits(crops)
    own = logits.argmax(axis=1)
    logits[np.arange(len(own)), own] = -np.inf
    nearest = logits.argmax(axis=1)
    made: list[Counterfactuals] = []
    order: list[npt.NDArray[np.int64]] = []
    lead = _lead(model, own, nearest, notes)
    for target in np.unique(nearest[lead]):
        rows = np.flatnonzero((nearest == target) & lead)
        try:
            made.append(_made(model, crops[rows], model.classes[target], direction))
        except LucyteError as error:
            notes.append(f"No counterfactuals to {model.classes[target]}: {error}")
        else:
            order.append(rows)
    return made, np.concatenate(order) if order else np.zeros(0, dtype=np.int64)


def _lead(
    model: Turnable,
    own: npt.NDArray[np.int64],
    nearest: npt.NDArray[np.int64],
    notes: list[str],
) -> npt.NDArray[np.bool_]:
    """Cells whose way begins and ends at a class that the model was seen to answer."""
    known = _answered(model)
    lead: npt.NDArray[np.bool_] = known[own] & known[nearest]
    if not lead.all():
        names = ", ".join(n for n, k in zip(model.classes, known, strict=True) if not k)
        notes.append(
            f"No counterfactuals of {int((~lead).sum())} cells: the model that draws them answered "
            f"no training cell {names}, so it knows no way from there or to there."
        )
    return lead


def _answered(model: Turnable) -> npt.NDArray[np.bool_]:
    """Classes that some training crop was predicted."""
    centres = np.asarray(model.centres).reshape(len(model.classes), -1)
    return np.asarray(np.isfinite(centres).all(axis=1), dtype=np.bool_)


def _made(model: Turnable, crops: npt.NDArray[Any], target: str, direction: str) -> Counterfactuals:
    if isinstance(model, Autoencoder):
        return latent_counterfactual(model, crops, target)
    return counterfactual(model, crops, target, direction=direction)


def _words(
    made: Sequence[Counterfactuals],
    order: npt.NDArray[np.int64],
    masks: npt.NDArray[np.bool_],
    model: Turnable,
) -> dict[int, str]:
    """What changed in each cell, in the units of the feature table."""
    light = [name for name in model.channels if not name.startswith("mask:")]

    def measure(crops: npt.NDArray[Any], inside: npt.NDArray[np.bool_]) -> pd.DataFrame:
        return measure_inside(crops, inside, light, MeasureSettings())

    tables: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    at = 0
    for each in made:
        rows = order[at : at + len(each)]
        at += len(each)
        tables.append(feature_tables(each, masks[rows], measure))
    before, after = (pd.concat(each, ignore_index=True) for each in zip(*tables, strict=True))
    spread = before.std()  # over all cells: those of one target may be one or two
    return {
        row: change_words(before.iloc[k], after.iloc[k], spread)
        for k, row in enumerate(order.tolist())
    }


def _strip(
    model: Turnable,
    crops: npt.NDArray[Any],
    samples: Samples,
    made: Sequence[Counterfactuals],
    words: dict[int, str],
    row: int,
    order: npt.NDArray[np.int64],
) -> Strip:
    place = int(np.flatnonzero(order == row)[0])
    for each in made:
        if place < len(each):
            break
        place -= len(each)
    if isinstance(model, Autoencoder):
        path = latent_strips(model, crops[[row]], each.target, STEPS)
    else:
        path = film_strips(model, crops[[row]], each.target, STEPS, each.direction)
    light = [k for k, name in enumerate(model.channels) if not name.startswith("mask:")]
    return Strip(
        object_id=samples.names[row],
        where=samples.levels.get("well", samples.groups)[row],
        source=each.sources[place],
        target=each.target,
        channels=tuple(model.channels[k] for k in light),
        images=path.images[0][:, light],
        probability=tuple(float(p) for p in path.probability[0]),
        changed=words[row],
        said=_warned(each, place),
        known=samples.labels[row],
    )


def _warned(made: Counterfactuals, place: int) -> str:
    """What a person must know before they look, without the mathematics."""
    said = []
    if made.already[place]:
        said.append(f"The model that drew it called the cell {made.target} to begin with.")
    if made.clipped[place] > CLIPPED:
        said.append(
            f"{made.clipped[place]:.0%} of its pixels came out darker than black or brighter than "
            "the camera can say, and were cut off there."
        )
    if made.far[place]:
        said.append("No real cell looks like the last picture: do not trust it.")
    return " ".join(said)


def _plane(model: Turnable, crops: npt.NDArray[Any], samples: Samples) -> Plane | None:
    """The plane through the means of the classes, with the cells on it."""
    if isinstance(model, Autoencoder):
        return None
    counts = pd.Series(samples.labels).value_counts()
    answered = {n for n, k in zip(model.classes, _answered(model), strict=True) if k}
    names = [str(name) for name in counts.index if name in answered][:3]
    if len(names) < 2 or len(crops) < 3:
        return None
    rows = np.arange(len(crops))[:MOST_ON_PLANE]
    found = class_plane(model, crops[rows], tuple(sorted(names)))
    return Plane(
        found.probability,
        (found.across, found.up),
        found.cells,
        tuple(samples.labels[k] for k in rows),
        found.classes,
        found.anchors,
    )
