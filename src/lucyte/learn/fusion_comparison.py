r"""Which channels carry the decision: every form of fusion under one protocol.

Same samples, folds, inner splits, seed, epochs and augmentation for all. Late fusion is made of
the very single-channel networks that stand beside it: for each outer fold its weights are learned
on the inner validation groups of that fold, so no tested group has a say.

Parts of one source (patches of a stack) are voted up to it before anything is counted.

What each channel does for a network that sees all is asked without training again: its planes are
exchanged between the samples of a tested fold, so that it tells nothing and looks as before.

References
----------
Breiman 2001, doi 10.1023/A:1010933404324 (importance by permutation).

A model's share of a time budget is its number of encoders:
:math:`s_m = B\, e_m / (K \sum_m e_m)` seconds in each of :math:`K` folds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import log_softmax, logsumexp

from lucyte.learn.cross_validation import (
    NEVER_SEEN,
    CrossValidation,
    Told,
    count,
    cross_validate,
    find_metric,
)
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.inner_split import inner_split
from lucyte.learn.late_weights import late_weights
from lucyte.learn.votes import vote
from lucyte.networks.fusion import FORMS
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import MASK_CHANNEL
from lucyte.schema.samples import Samples
from lucyte.stats.intervals import Interval, cluster_interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """One model of the comparison.

    Attributes
    ----------
    form : str
        ``single``, ``early``, ``intermediate`` or ``late``.
    channels : tuple of str
        Channels of light it sees.
    """

    form: str
    channels: tuple[str, ...]

    @property
    def name(self) -> str:
        """``early DNA+ER``."""
        return f"{self.form} {'+'.join(self.channels)}"

    @property
    def encoders(self) -> int:
        """Encoders that are trained for it; those of late fusion are the single channels'."""
        return {"intermediate": len(self.channels), "late": 0}.get(self.form, 1)


@dataclass(frozen=True)
class Trained:
    """An entry's out-of-fold answers, and what it cost.

    Attributes
    ----------
    entry : Entry
    result : CrossValidation
        For samples, or for their sources where several samples are parts of one.
    parameters : int
    seconds : float
    epochs : tuple of int
        By fold.
    weights : tuple of mapping
        Of late fusion, by fold.
    parts : CrossValidation or None
        Before the parts voted.
    exchanged : mapping of channel to CrossValidation
        Answers with that channel exchanged between the samples of a fold (intermediate fusion).
    """

    entry: Entry
    result: CrossValidation
    parameters: int
    seconds: float
    epochs: tuple[int, ...]
    weights: tuple[Mapping[str, float], ...] = ()
    parts: CrossValidation | None = None
    exchanged: Mapping[str, CrossValidation] = field(default_factory=dict)


@dataclass(frozen=True)
class FusionComparison:
    """All models of one comparison.

    Attributes
    ----------
    trained : tuple of Trained
    metric : str
    best_single : str
        Name of the single channel with the highest pooled metric. It is chosen on the same
        answers, which favours it.
    protocol : str
        What was the same for all, in words.
    """

    trained: tuple[Trained, ...]
    metric: str
    best_single: str
    protocol: str
    seed: int = 0
    _intervals: dict[tuple[str, str], Interval] = field(default_factory=dict, repr=False)

    def find(self, name: str) -> Trained:
        """An entry by name.

        Raises
        ------
        UsageError
            No entry is called so.
        """
        for each in self.trained:
            if each.entry.name == name:
                return each
        raise unknown("model", name, [each.entry.name for each in self.trained])

    def difference(self, name: str, other: str) -> Interval:
        """Pooled metric of one entry minus that of another, paired, interval over groups."""
        key = (name, other)
        if key not in self._intervals:
            a, b = self.find(name).result, self.find(other).result
            self._intervals[key] = paired_difference(a, b, self.metric, self.seed)
        return self._intervals[key]

    def frame(self) -> pd.DataFrame:
        """One row per model, best first."""
        measure = find_metric(self.metric)
        rows: list[dict[str, Any]] = []
        for each in self.trained:
            result = each.result
            folds = [measure(result.table(result.rows(k))) for k in range(result.folds)]
            pooled = result.interval(self.metric, self.seed)
            row: dict[str, Any] = {
                "model": each.entry.name,
                "form": each.entry.form,
                "channels": "+".join(each.entry.channels),
                self.metric: pooled.estimate,
                "low": pooled.low,
                "high": pooled.high,
                "n": pooled.n,
                "unit": result.unit,
                "samples": len(result.rows()),
            }
            row |= {f"fold_{k + 1}": value for k, value in enumerate(folds)}
            if each.entry.name != self.best_single:
                gain = self.difference(each.entry.name, self.best_single)
                row |= {
                    "over_best_single": gain.estimate,
                    "over_low": gain.low,
                    "over_high": gain.high,
                }
            row |= {
                "parameters": each.parameters,
                "seconds": each.seconds,
                "epochs": float(np.mean(each.epochs)),
            }
            rows.append(row)
        table = pd.DataFrame(rows)
        return table.sort_values(self.metric, ascending=False, kind="stable", ignore_index=True)

    def carriers(self) -> pd.DataFrame:
        """Per channel: alone, and what is lost without it (paired).

        Returns
        -------
        DataFrame
            ``channel, alone``; ``loss_without, low, high, n`` for early fusion trained again
            without it, where every combination was trained; ``loss_exchanged, exchanged_low,
            exchanged_high, n_exchanged`` for intermediate fusion with its planes exchanged
            between samples.
        """
        measure = find_metric(self.metric)
        names = [each.entry.name for each in self.trained]
        singles = [each for each in self.trained if each.entry.form == "single"]
        everything = tuple(each.entry.channels[0] for each in singles)
        rows: list[dict[str, Any]] = []
        for each in singles:
            channel = each.entry.channels[0]
            others = tuple(name for name in everything if name != channel)
            form = "early" if len(others) > 1 else "single"
            whole, without = Entry("early", everything).name, Entry(form, others).name
            row: dict[str, Any] = {"channel": channel, "alone": measure(each.result.table())}
            if whole in names and without in names:
                loss = self.difference(whole, without)
                row |= {"loss_without": loss.estimate, "low": loss.low, "high": loss.high}
                row["n"] = loss.n
            for fused in self.trained:
                if channel in fused.exchanged:
                    loss = paired_difference(
                        fused.result, fused.exchanged[channel], self.metric, self.seed
                    )
                    row |= {"loss_exchanged": loss.estimate, "exchanged_low": loss.low}
                    row |= {"exchanged_high": loss.high, "n_exchanged": loss.n}
            rows.append(row)
        return pd.DataFrame(rows)


def compare_fusion(
    samples: Samples,
    settings: ImageSettings,
    budget_s: float | None = None,
    *,
    folds: int = 5,
    seed: int = 0,
    forms: Sequence[str] = FORMS[:3],
    every_combination: bool = True,
    metric: str = "balanced_accuracy",
    pixel_size_um: float | None = None,
    folder: Path | None = None,
    told: Told = lambda _: None,
) -> FusionComparison:
    """Train every form of fusion, every channel alone and every combination, alike.

    Parameters
    ----------
    samples : Samples
    settings : ImageSettings
        ``form`` is set per model; everything else is shared.
    budget_s : float, optional
        Seconds of training for the whole comparison; shared as the module says.
    folds, seed : int
    forms : sequence of {"early", "intermediate", "late"}
        Of all channels together.
    every_combination : bool
        Early fusion of every set of two or more channels beside that of all.
    metric : str
        One of `lucyte.learn.cross_validation.METRICS`.
    folder : Path, optional
        Checkpoints; a comparison that was stopped goes on there.
    told : callable
        Receives a line per model and fold.

    Raises
    ------
    UsageError
        Fewer than two channels of light; what `cross_validate` refuses.
    """
    find_metric(metric)
    light = tuple(name for name in samples.channels if not name.startswith("mask:"))
    entries = plan_entries(light, forms, every_combination=every_combination)
    encoders = sum(each.encoders for each in entries)
    share = None if budget_s is None else budget_s / (folds * encoders)
    trained: dict[str, Trained] = {}
    models: dict[tuple[str, int], ImageClassifier] = {}
    for at, entry in enumerate(entries):
        said = f"model {at + 1} of {len(entries)}, {entry.name}"

        def tell(line: str, said: str = said) -> None:
            told(f"{said}: {line}")

        if entry.form == "late":
            trained[entry.name] = _late(samples, entry, trained, models, settings, seed)
            continue
        makers = _Makers(samples, entry, settings, share, pixel_size_um, folder)
        result = cross_validate(samples, makers, folds, seed, told=tell)
        fitted = [learner.made[0] for learner in makers.made]
        for fold, model in enumerate(fitted):
            if entry.form == "single":
                models[entry.channels[0], fold] = model
        exchanged = (
            {
                name: voted(_exchanged(samples, result, fitted, name, seed), samples)
                for name in entry.channels
            }
            if entry.form == "intermediate"
            else {}
        )
        trained[entry.name] = Trained(
            entry,
            voted(result, samples),
            fitted[0].parameters,
            sum(_cost(model)[0] for model in fitted),
            tuple(_cost(model)[1] for model in fitted),
            parts=result,
            exchanged=exchanged,
        )
    singles = [each for each in trained.values() if each.entry.form == "single"]
    measure = find_metric(metric)
    best = max(singles, key=lambda each: measure(each.result.table()))
    shared = "no time budget" if share is None else f"{share:.1f} s per encoder and fold"
    return FusionComparison(
        tuple(trained.values()),
        metric,
        best.entry.name,
        f"{settings.encoder} encoders, {folds} group folds, seed {seed}, at most "
        f"{settings.training.epochs} epochs, {shared}",
        seed,
    )


def plan_entries(
    light: Sequence[str], forms: Sequence[str] = FORMS[:3], *, every_combination: bool = True
) -> list[Entry]:
    """The models of a comparison, single channels first.

    Raises
    ------
    UsageError
        One channel only, or an unknown form.
    """
    for form in forms:
        if form not in FORMS[:3]:
            raise unknown("fusion form", form, FORMS[:3])
    if len(light) < 2:
        raise UsageError(
            f"fusion is compared between channels; there is {', '.join(light) or 'none'} only."
        )
    everything = tuple(light)
    out = [Entry("single", (name,)) for name in light]
    if every_combination:
        out += [
            Entry("early", chosen)
            for size in range(2, len(light))
            for chosen in combinations(light, size)
        ]
    return out + [Entry(form, everything) for form in forms]


def paired_difference(
    a: CrossValidation, b: CrossValidation, metric: str, seed: int = 0
) -> Interval:
    """Pooled metric of ``a`` minus that of ``b`` on the same samples, interval over groups.

    Raises
    ------
    UsageError
        Answers for other samples or other classes.
    """
    if a.names != b.names or a.classes != b.classes or a.groups != b.groups:
        raise UsageError("a paired difference needs answers for the same samples and classes.")
    measure, size = find_metric(metric), len(a.classes)
    rows = np.intersect1d(a.rows(), b.rows())
    truth, first = a.codes(rows)
    second = b.codes(rows)[1]

    def statistic(at: npt.NDArray[np.int64]) -> float:
        return measure(count(truth[at], first[at], size)) - measure(
            count(truth[at], second[at], size)
        )

    return cluster_interval(statistic, [a.groups[k] for k in rows], seed=seed)


class _Keeping(ImageLearner):
    """An ImageLearner whose model can be asked for afterwards."""

    made: list[ImageClassifier]

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> ImageClassifier:
        model = super().fit(samples, labels, groups, seed)
        object.__setattr__(self, "made", [model])
        return model


class _Makers:
    """Makes, and remembers, the learner of each fold."""

    def __init__(
        self,
        samples: Samples,
        entry: Entry,
        settings: ImageSettings,
        share: float | None,
        pixel_size_um: float | None,
        folder: Path | None,
    ) -> None:
        mask = [MASK_CHANNEL] if MASK_CHANNEL in samples.channels else []
        if samples.masks is not None:
            mask = [MASK_CHANNEL]
        self.channels = (*entry.channels, *mask)
        form = "early" if entry.form == "single" else entry.form
        training = settings.training
        if share is not None:
            training = replace(training, budget_s=share * entry.encoders)
        self.settings = replace(settings, form=form, training=training)
        self.pixel_size_um = pixel_size_um or samples.pixel_size_um
        self.folder, self.name = folder, entry.name
        self.made: list[_Keeping] = []

    def __call__(self, fold: int) -> _Keeping:
        folder = None
        if self.folder is not None:
            safe = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.name)
            folder = self.folder / f"{safe}-{fold + 1}"
        learner = _Keeping(self.channels, self.settings, self.pixel_size_um, folder)
        self.made.append(learner)
        return learner


def _late(
    samples: Samples,
    entry: Entry,
    trained: Mapping[str, Trained],
    models: Mapping[tuple[str, int], ImageClassifier],
    settings: ImageSettings,
    seed: int,
) -> Trained:
    """Late fusion from the single channels' own networks and out-of-fold answers."""
    parts = [trained[Entry("single", (name,)).name] for name in entry.channels]
    base = parts[0].parts or parts[0].result
    logits = np.full_like(base.logits, np.nan)
    learned: list[Mapping[str, float]] = []
    for fold in range(base.folds):
        fitted = np.flatnonzero((base.fold >= 0) & (base.fold != fold))
        labels = [base.labels[k] for k in fitted]
        groups = [base.groups[k] for k in fitted]
        _, inner, _ = inner_split(labels, groups, settings.validation, seed)
        own = [models[name, fold] for name in entry.channels]
        classes = own[0].classes
        held = samples.take(fitted[inner])
        told = [log_softmax(m.logits(held.for_channels(m.channels)), axis=1) for m in own]
        place = {name: k for k, name in enumerate(classes)}
        targets = np.array([place[labels[k]] for k in inner], dtype=np.int64)
        weights = late_weights(np.stack(told), targets)
        learned.append(dict(zip(entry.channels, weights, strict=True)))
        rows = base.rows(fold)
        answers = np.stack([log_softmax((p.parts or p.result).logits[rows], axis=1) for p in parts])
        with np.errstate(divide="ignore"):
            joint = answers + np.log(np.asarray(weights))[:, None, None]
        # A class that no fold's network knew keeps its very low but finite place.
        logits[rows] = np.maximum(logsumexp(joint, axis=0), -200.0)
    mixed = replace(base, logits=logits)
    slowest = [max(p.epochs[k] for p in parts) for k in range(base.folds)]
    return Trained(
        entry,
        voted(mixed, samples),
        sum(p.parameters for p in parts),
        math.fsum(p.seconds for p in parts),
        tuple(slowest),
        tuple(learned),
        parts=mixed,
    )


def _exchanged(
    samples: Samples,
    result: CrossValidation,
    models: Sequence[ImageClassifier],
    channel: str,
    seed: int,
) -> CrossValidation:
    """The answers of these models when one channel comes from another sample of the fold."""
    logits = result.logits.copy()
    for fold, model in enumerate(models):
        rows = result.rows(fold)
        images = np.array(samples.take(rows).for_channels(model.channels))
        at = model.channels.index(channel)
        chance = np.random.default_rng([seed, fold, at])
        images[:, at] = images[chance.permutation(len(rows)), at]
        answers = model.logits(images)
        logits[rows] = answers.min(axis=1, keepdims=True) + NEVER_SEEN
        known = np.array([result.classes.index(name) for name in model.classes], dtype=np.int64)
        logits[rows[:, None], known] = answers
    return replace(result, logits=logits)


def voted(result: CrossValidation, samples: Samples) -> CrossValidation:
    """Answers for sources (stacks) where samples are parts of them (patches); else as they are.

    Sources that hold several classes (fields of cells with a label each) cannot be voted on.
    """
    owners = set(zip(samples.sources, samples.labels, samples.groups, strict=True))
    if samples.sources == samples.names or len(owners) > len(set(samples.sources)):
        return result
    votes = vote(result.logits, samples.sources)
    return replace(
        result,
        logits=votes.log_probabilities,
        fold=result.fold[votes.first],
        labels=tuple(samples.labels[k] for k in votes.first),
        groups=tuple(samples.groups[k] for k in votes.first),
        names=votes.names,
    )


def _cost(model: ImageClassifier) -> tuple[float, int]:
    """Seconds and epochs of the training of a model."""
    networks: Mapping[str, Any] = model.training["networks"]
    rows = [value for name, value in networks.items() if name != "late_weights"]
    return float(sum(row["seconds"] for row in rows)), max(int(row["epochs"]) for row in rows)
