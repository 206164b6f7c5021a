"""Traversals: a cell with one of its latents moved, step by step, and what the model says then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.explain.counterfactual.closed_form import possible
from lucyte.explain.latent.kept import keep_rest
from lucyte.learn.margins import class_margin
from lucyte.networks.autoencoder import Autoencoder
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding, Verdict
from lucyte.schema.protocols import Predictor
from lucyte.stats.intervals import FEWEST_TO_REASSURE, unit_mean_interval, unit_means, why_open

Floats = npt.NDArray[np.float64]
SHIFTS = (-3.0, -1.5, 0.0, 1.5, 3.0)
AGREES = 0.5
"""Share of the claimed change of score that the picture must show at least."""


@dataclass(frozen=True)
class Traversal:
    """Crops with one latent moved.

    Attributes
    ----------
    latent : int
        From 0.
    shifts : float array S
        In deviations of that latent over training crops; from lowest to highest.
    images : array N S C Y X
        Raw units.
    channels : tuple of str
    target : str
        The class whose score is followed.
    claimed, asked : float array N S
        Margin of the target in logits: as the moved latents say it, and as the judge answers the
        picture.
    """

    latent: int
    shifts: Floats
    images: npt.NDArray[Any]
    channels: tuple[str, ...]
    target: str
    claimed: Floats
    asked: Floats

    @property
    def light(self) -> tuple[str, ...]:
        """Channels of light, in order."""
        return tuple(name for name in self.channels if not name.startswith("mask:"))

    @property
    def moved(self) -> Floats:
        """How far the judge's margin goes from the first picture to the last, N."""
        told: Floats = self.asked[:, -1] - self.asked[:, 0]
        return told


def traverse(
    model: Autoencoder,
    crops: npt.NDArray[Any],
    latent: int,
    target: str,
    shifts: Sequence[float] = SHIFTS,
    judge: Predictor | None = None,
) -> Traversal:
    """Move one latent of each crop; what the autoencoder cannot draw is kept.

    Parameters
    ----------
    model : Autoencoder
    crops : array N C Y X
        Raw units, in the model's channels.
    latent : int
        From 0.
    target : str
        The class whose score is followed.
    shifts : sequence of float
        In deviations of the latent over training crops; 2 or more, rising.
    judge : Predictor, optional
        Who is asked about the pictures, of the same channels and classes: the teacher, or a model
        trained apart. The autoencoder itself where None.

    Raises
    ------
    UsageError
        A latent or class that is not there, shifts that do not rise, crops of another form.
    """
    asked_by: Predictor = judge or model
    for known in (model.classes, asked_by.classes):
        if target not in known:
            raise unknown("class", target, known)
    missing = [name for name in asked_by.channels if name not in model.channels]
    if missing:
        raise UsageError(
            f"the judge needs {', '.join(missing)}; the pictures have {', '.join(model.channels)}."
        )
    if not 0 <= latent < model.plan.latents:
        raise UsageError(
            f"latents are numbered 0 to {model.plan.latents - 1}, got {latent}; "
            f"the class is in the first {model.plan.told}."
        )
    steps = np.asarray(shifts, dtype=np.float64)
    if len(steps) < 2 or not (np.diff(steps) > 0).all():
        raise UsageError(f"shifts are 2 or more rising numbers, got {list(shifts)}.")
    model.seen.check(crops)
    drawing = keep_rest(model, crops)
    at = [model.channels.index(name) for name in asked_by.channels]
    z = model.encode(crops)
    images, claimed, asked = [], [], []
    for shift in steps:
        moved = z.clone()
        moved[:, latent] += float(shift * model.spread[latent])
        images.append(possible(drawing, crops, moved)[0])
        claimed.append(_margin(model.latent_logits(moved), model.classes.index(target)))
        told = asked_by.logits(images[-1][:, at])
        asked.append(_margin(told, asked_by.classes.index(target)))
    return Traversal(
        latent,
        steps,
        np.stack(images, axis=1),
        model.channels,
        target,
        np.stack(claimed, axis=1),
        np.stack(asked, axis=1),
    )


def traverse_first(
    model: Autoencoder,
    crops: npt.NDArray[Any],
    target: str,
    shifts: Sequence[float] = SHIFTS,
    judge: Predictor | None = None,
) -> tuple[Traversal, ...]:
    """`traverse` each of the first latents, those the class is read from."""
    return tuple(traverse(model, crops, k, target, shifts, judge) for k in range(model.plan.told))


def _margin(logits: Floats, target: int) -> Floats:
    return class_margin(logits, np.full(len(logits), target, dtype=np.int64))


def score_finding(
    walks: Sequence[Traversal], groups: Sequence[str], unit: str, judge: str = "the model itself"
) -> Finding:
    """Whether the score moves with the pictures as far as the latents say.

    The statistic is the slope, through 0 and over all latents and steps of a unit's cells, of the
    judge's change of margin on the claimed one: 1 where pictures show all that is claimed, 0 where
    the judge does not see it. A judge with larger logits than the model has a larger slope.

    Parameters
    ----------
    walks : sequence of Traversal
        Of the same crops and target.
    groups : sequence of N str
    unit : str
    judge : str
        Who was asked, in words.
    """
    if not walks:
        raise UsageError("no traversal is given; make them with traverse_first.")
    per_cell = np.stack([_products(walk) for walk in walks]).sum(axis=0)
    names, above = unit_means(per_cell[:, 0], groups)
    _, below = unit_means(per_cell[:, 1], groups)
    question = "Does the score move with the pictures as the latents say?"
    if not (below > 0).all():
        return Finding(
            "latent.score", question, "inconclusive", float("nan"), None, None, len(names), unit,
            (), "No latent claims any change of the score.", "slope", "explanation",
        )  # fmt: skip
    slopes = above / below
    interval = unit_mean_interval(slopes, names)
    low, high = interval.low, interval.high
    many = len(slopes) >= FEWEST_TO_REASSURE
    surely = low >= AGREES if low is not None else many and bool((slopes >= AGREES).all())
    hardly = high < AGREES if high is not None else bool((slopes < AGREES).all())
    verdict: Verdict = "pass" if surely else "fail" if hardly else "inconclusive"
    why = (
        f"Asked about the pictures, {judge} moves by {interval.estimate:.2f} of what the latents "
        "claim"
    )
    why += {
        "pass": ": what a latent shows is what moves the score.",
        "fail": ": the pictures do not show what moves the score, so do not read a cause in them.",
        "inconclusive": why_open(len(names), unit),
    }[verdict]
    return Finding(
        "latent.score",
        question,
        verdict,
        float(interval.estimate),
        low,
        high,
        len(names),
        unit,
        (f"{judge} is whom the explanation is about",),
        why,
        "slope",
        "explanation",
        {
            "reviewer": (
                f"Regression through 0 of the change of margin on the claimed one per {unit}; "
                f"{interval.method}; pass from {AGREES:g}, fail below."
            ),
            "per_unit": dict(zip(names, map(float, slopes), strict=True)),
            "moved_per_latent": {str(w.latent): float(w.moved.mean()) for w in walks},
        },
    )


def _products(walk: Traversal) -> Floats:
    """Sums over steps of claimed times asked and claimed squared, ``N 2``; against the middle."""
    middle = int(np.abs(walk.shifts).argmin())
    claimed = walk.claimed - walk.claimed[:, [middle]]
    asked = walk.asked - walk.asked[:, [middle]]
    return np.stack([(claimed * asked).sum(axis=1), np.square(claimed).sum(axis=1)], axis=1)


def strip_of(walk: Traversal, cell: int) -> npt.NDArray[Any]:
    """Pictures of one cell for `lucyte.report.film_strip.film_strip`, ``S C Y X``, light alone."""
    at = [walk.channels.index(name) for name in walk.light]
    return np.asarray(walk.images[cell][:, at])
