"""What the page of a trained classifier is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lucyte.io.merge import choose_colours, choose_limits, merge_channels
from lucyte.learn.cross_validation import HELD_OUT, CrossValidation
from lucyte.learn.fusion_comparison import FusionComparison
from lucyte.networks.abstention import Calibration
from lucyte.report.content import Picture
from lucyte.report.wording import plural
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples

LOOKED_AT = 200
"""So many samples, spread evenly, decide how bright the pictures are."""
LEFT_OUT = -2
"""Fold of a sample that got no answer."""


@dataclass(frozen=True)
class ClassifierContent:
    """Everything on the page of a trained classifier.

    Attributes
    ----------
    title, command : str
    tested : CrossValidation
        Out-of-fold answers.
    findings : tuple of Finding
        Guards and accuracy.
    notes : tuple of str
        What was read, left out and lost on the way; one sentence each.
    history : DataFrame or None
        One row per epoch: ``network`` (or ``fold``, from 0), ``epoch``, ``loss`` and whatever
        starts with ``validation_``.
    picture : callable or None
        Row of ``tested`` to a picture a person can read; called for the few that are shown.
    comparison : FusionComparison or None
    facts : mapping of str to str
        The card, in its order: encoder, form, channels, parameters, seconds, seed, split.
    voted : CrossValidation or None
        The answers voted up to the sources, where pictures are parts of something.
    calibration : Calibration or None
        Of the model that is kept.
    temperatures : mapping of fold to float
        What the logits of each fold have been divided by. Empty: the page fits a temperature for
        each fold on the other folds.
    protocol : str
        What the methods paragraph says of the training; full sentences.
    thing, source : str
        What a sample and what a source is called: ``picture``, ``patch``; ``stack``.
    seed : int
        Of the intervals.
    """

    title: str
    command: str
    tested: CrossValidation
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    history: pd.DataFrame | None = None
    picture: Callable[[int], Picture] | None = None
    comparison: FusionComparison | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    voted: CrossValidation | None = None
    calibration: Calibration | None = None
    temperatures: Mapping[int, float] = field(default_factory=dict)
    protocol: str = ""
    thing: str = "picture"
    source: str = "stack"
    seed: int = 0

    @property
    def group(self) -> str:
        """What an independent unit is called."""
        return self.tested.unit

    @property
    def unseen(self) -> str:
        """What a model had seen, for captions: a leaking split must not read like a sound one."""
        if self.tested.leakage:
            return f"a model that had seen other {plural(self.thing)} of its {self.group}"
        return f"a model that saw no {self.thing} of its {self.group}"

    @property
    def levels(self) -> tuple[tuple[str, CrossValidation], ...]:
        """The answers by what they are for, the level that counts first."""
        own = ((self.thing, self.tested),)
        return own if self.voted is None else ((self.source, self.voted), *own)


def judged(result: CrossValidation) -> CrossValidation:
    """The same answers, those that are no numbers out of every fold.

    Where groups were held out and nothing else was tested, they are the one fold.
    """
    answered = np.isfinite(result.logits).all(axis=1)
    fold = np.where(answered, result.fold, LEFT_OUT)
    if not (fold >= 0).any():
        fold = np.where(fold == HELD_OUT, 0, fold)
    return replace(result, fold=fold)


def sample_picture(samples: Samples) -> Callable[[int], Picture]:
    """A function that shows a sample: channels merged, brightness the same for all.

    Parameters
    ----------
    samples : Samples

    Returns
    -------
    callable
        Row to a uint8 array Y X 3.
    """
    light = [name for name in samples.channels if not name.startswith("mask:")]
    planes = [samples.channels.index(name) for name in light]
    rows = np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).astype(int))
    some = np.asarray(samples.images[rows])[:, planes]
    together = np.moveaxis(some, 1, 0).reshape(len(planes), -1, some.shape[-1])
    limits = choose_limits(together, light)
    colours = choose_colours(light)

    def show(row: int) -> Picture:
        return merge_channels(np.asarray(samples.images[row])[planes], colours, limits)

    return show
