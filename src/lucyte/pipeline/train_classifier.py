"""``lucyte train classify``: labelled pictures in, a tested model folder with its page out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.classify.duplicates import near_duplicates
from lucyte.classify.sample_guards import GuardSettings, sample_guards
from lucyte.evidence.accuracy.objects import classification_accuracy
from lucyte.learn.cross_validation import CrossValidation, cross_validate
from lucyte.learn.fusion_comparison import FusionComparison, compare_fusion, plan_entries
from lucyte.learn.fusion_comparison import Trained as Compared
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.splits import group_folds
from lucyte.learn.tuning import tune
from lucyte.learn.votes import vote
from lucyte.networks.encoders import ENCODERS
from lucyte.networks.fusion import used_channels
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.pipeline.classifier_folder import (
    SHOWN,
    ClassifierRequest,
    Trained,
    prediction_table,
    told,
    write_classifier,
)
from lucyte.pipeline.labelled_data import LabelledData, read_labelled, resampling, with_mask
from lucyte.pipeline.out_folder import refuse_model_out
from lucyte.pipeline.training_log import TrainingLog
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples

LEAK = "Trained and tested on a random split: the same group is on both sides (--allow-leakage)."


def train_classifier(request: ClassifierRequest) -> str:
    """Train and test a classifier; write the model folder, its tables and its page.

    Returns
    -------
    str
        For the terminal.

    Raises
    ------
    InputError, UsageError
        Data that cannot be learned from, an OUT that is no model folder; names the culprit, and
        nothing is written.
    """
    refuse_model_out(request.out, Path("model"))
    options = resampling(request.data, replace(request.options, training=True))
    request = replace(request, options=options)
    data = read_labelled(request.data, options, request.patches, quiet=request.quiet)
    log = TrainingLog(request.quiet)
    for note in data.notes:
        log.say(note)
    if request.settings.background == "subtracted":
        use = with_mask(data.samples, request.use or data.samples.channels)
        request = replace(request, use=use)
    _check_request(data.samples, request)
    guards = _guards(data, request, log)
    log.started = time.perf_counter()
    settings = _tuned(data.samples, request, log)
    comparison = _compare(data.samples, request, settings, log) if request.compare else None
    kept: dict[int, ImageClassifier] = {}
    same = _compared(comparison, request, settings)
    if request.minutes:
        share = 60 * request.minutes / (request.folds + 1)
        budget = same.seconds / request.folds if same is not None else share
        settings = replace(settings, training=replace(settings.training, budget_s=budget))
    known = None if same is None else same.parts or same.result
    tested = known or _test(data.samples, request, settings, log, kept)
    log.network = "final"
    learner = _learner(data.samples, request, settings, log)
    inside = [k for k in range(len(data.samples)) if tested.fold[k] >= 0]
    own = data.samples.take(inside) if len(inside) < len(data.samples) else data.samples
    model = learner.fit(own.for_channels(learner.channels), own.labels, own.groups, request.seed)
    voted = _voted(tested, data.samples)
    counts = voted or tested
    findings = (*guards.findings, *_accuracy(counts))
    trained = Trained(
        data,
        tested,
        voted,
        findings,
        guards.duplicates,
        model,
        comparison,
        {name: counts.interval(name) for name in SHOWN},
        {fold: each.calibration.temperature for fold, each in kept.items() if fold >= 0},
        pd.DataFrame(log.rows),
        (*tested.warnings, *([LEAK] if request.allow_leakage else [])),
    )
    write_classifier(request, settings, trained)
    return told(request, trained)


def _check_request(samples: Samples, request: ClassifierRequest) -> None:
    """Wrong wishes are told before the guards, which take minutes."""
    settings, channels = request.settings, request.use or samples.channels
    for name in request.use:
        if name not in (*samples.channels, *(["mask:cell"] if samples.masks is not None else [])):
            hint = f"Map names with --channels {name}=<one of these>."
            raise unknown("channel", name, samples.channels, hint)
    light = [name for name in channels if name in samples.channels]
    rows = {row.name: row for row in ENCODERS}
    if settings.encoder not in rows:
        raise unknown("encoder", settings.encoder, rows)
    used_channels(settings.form, light)
    if request.compare and len(light) < 2:
        raise UsageError(
            f"--compare needs two channels or more; {request.data} gives {', '.join(light)}."
        )
    groups = sorted(set(samples.groups))
    for name in request.held_out:
        if name not in groups:
            raise unknown("group", name, groups, "Of those to hold out.")
    if not request.allow_leakage:
        inside = [k for k, g in enumerate(samples.groups) if g not in request.held_out]
        labels = [samples.labels[k] for k in inside]
        group_folds(labels, [samples.groups[k] for k in inside], request.folds, request.seed)


@dataclass(frozen=True)
class _Guards:
    findings: tuple[Finding, ...]
    duplicates: pd.DataFrame


def _guards(data: LabelledData, request: ClassifierRequest, log: TrainingLog) -> _Guards:
    """What tells the classes beside the cells, announced before anything is trained."""
    finding, pairs = near_duplicates(data.samples)
    told = sample_guards(data.samples, GuardSettings(seed=request.seed), data.file_bytes)
    findings = (*told, finding)
    for each in findings:
        if each.verdict != "pass":
            head = "Before you trust this" if each.verdict == "fail" else "Keep in mind"
            log.say(f"{head}: {each.why}")
    return _Guards(findings, pairs)


def _learner(
    samples: Samples, request: ClassifierRequest, settings: ImageSettings, log: TrainingLog
) -> ImageLearner:
    channels = request.use or samples.channels
    return ImageLearner(channels, settings, samples.pixel_size_um, None, log.epoch)


def _tuned(samples: Samples, request: ClassifierRequest, log: TrainingLog) -> ImageSettings:
    if not request.trials:
        return request.settings
    if request.held_out:
        samples = samples.take(np.array([g not in request.held_out for g in samples.groups]))
    channels = request.use or samples.channels
    found = tune(
        samples.for_channels(channels),
        samples.labels,
        samples.groups,
        request.seed,
        channels=channels,
        settings=request.settings,
        trials=request.trials,
        told=log.say,
    )
    log.say(
        "Settings were searched on groups that are also in the folds; the scores below are a "
        "little too good for it. Hold groups out with --held-out to see by how much."
    )
    return found.settings


def _compare(
    samples: Samples, request: ClassifierRequest, settings: ImageSettings, log: TrainingLog
) -> FusionComparison:
    if request.held_out:
        samples = samples.take(np.array([g not in request.held_out for g in samples.groups]))
    light = tuple(name for name in request.use or samples.channels if name in samples.channels)
    entries = plan_entries(light)
    networks = request.folds * sum(each.encoders for each in entries)
    share = f", {60 * request.minutes / networks:.0f} s each" if request.minutes else ""
    log.say(f"Comparing {len(entries)} models: {networks} encoders to train{share}.")
    chosen = replace(samples, images=samples.for_channels(light), channels=light)
    return compare_fusion(
        chosen,
        settings,
        60 * request.minutes or None,
        folds=request.folds,
        seed=request.seed,
        pixel_size_um=samples.pixel_size_um,
        told=log.say,
    )


def _compared(
    comparison: FusionComparison | None, request: ClassifierRequest, settings: ImageSettings
) -> Compared | None:
    """The entry of the comparison that is the model asked for; it need not be trained again."""
    if comparison is None or request.held_out or request.allow_leakage:
        return None
    wanted = tuple(request.use) or None
    for each in comparison.trained:
        same = each.entry.form == settings.form.partition(":")[0]
        whole = len(each.entry.channels) == max(len(e.entry.channels) for e in comparison.trained)
        if same and whole and wanted in (None, each.entry.channels):
            return each
    return None


@dataclass(frozen=True)
class _Keeping:
    """A learner whose model is kept, by fold."""

    learner: ImageLearner
    fold: int
    kept: dict[int, ImageClassifier]

    @property
    def channels(self) -> tuple[str, ...]:
        return self.learner.channels

    def fit(
        self, samples: npt.NDArray[Any], labels: Sequence[str], groups: Sequence[str], seed: int
    ) -> ImageClassifier:
        self.kept[self.fold] = self.learner.fit(samples, labels, groups, seed)
        return self.kept[self.fold]


def _test(
    samples: Samples,
    request: ClassifierRequest,
    settings: ImageSettings,
    log: TrainingLog,
    kept: dict[int, ImageClassifier],
) -> CrossValidation:
    def make(fold: int) -> _Keeping:
        log.network = f"fold {fold + 1}" if fold >= 0 else "held-out"
        return _Keeping(_learner(samples, request, settings, log), fold, kept)

    return cross_validate(
        samples,
        make,
        request.folds,
        request.seed,
        held_out_groups=request.held_out or None,
        allow_leakage=request.allow_leakage,
        told=log.say,
    )


def _voted(tested: CrossValidation, samples: Samples) -> CrossValidation | None:
    """Answers of patches voted up to their stacks."""
    if samples.sources == samples.names:
        return None
    votes = vote(tested.logits, samples.sources)
    first = votes.first
    return CrossValidation(
        tested.classes,
        votes.log_probabilities,
        tested.fold[first],
        tuple(samples.labels[k] for k in first),
        tuple(samples.groups[k] for k in first),
        votes.names,
        tested.unit,
        tested.warnings,
        tested.leakage,
    )


def _accuracy(tested: CrossValidation) -> tuple[Finding, ...]:
    return classification_accuracy(prediction_table(tested), tested.classes, "group")
