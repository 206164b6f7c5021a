"""``lucyte train classify``: labelled pictures in, a tested model folder with its page out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.classify.duplicates import near_duplicates
from lucyte.classify.patches import PatchSettings
from lucyte.classify.sample_guards import GuardSettings, sample_guards
from lucyte.evidence.accuracy import classification_accuracy
from lucyte.evidence.ledger import write as write_ledger
from lucyte.io.atomic import atomic_path, write_json
from lucyte.io.labelled import SampleOptions
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
from lucyte.networks.model_folder import Card, pack
from lucyte.pipeline.fingerprint import hash_texts
from lucyte.pipeline.labelled_data import LabelledData, read_labelled
from lucyte.pipeline.words import counted
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples
from lucyte.stats.classification import Score
from lucyte.stats.intervals import Interval

SHOWN = ("balanced_accuracy", "macro_f1", "mcc", "accuracy")
"""Scores that get an interval and go on the card."""
LEAK = "Trained and tested on a random split: the same group is on both sides (--allow-leakage)."
EVERY_S = 15.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class ClassifierRequest:
    """What ``lucyte train classify`` was asked.

    Attributes
    ----------
    data, out : Path
    options : SampleOptions
    patches : PatchSettings or None
        Stacks are cut into patches.
    use : tuple of str
        Channels to look at, ``mask:cell`` among them erases what is outside the cell; empty: all.
    settings : ImageSettings
    folds : int
    held_out : tuple of str
        Groups set aside before anything else.
    compare : bool
        Train every form of fusion and every combination of channels alike.
    minutes : float
        Of training in all; 0: until early stopping.
    trials : int
        Of the search for settings, inside the training groups; 0: none.
    allow_leakage : bool
    licence : str
    seed : int
    command : str
        As typed, for the page.
    quiet : bool
    """

    data: Path
    out: Path
    options: SampleOptions = field(default_factory=SampleOptions)
    patches: PatchSettings | None = None
    use: tuple[str, ...] = ()
    settings: ImageSettings = field(default_factory=ImageSettings)
    folds: int = 5
    held_out: tuple[str, ...] = ()
    compare: bool = False
    minutes: float = 0.0
    trials: int = 0
    allow_leakage: bool = False
    licence: str = "unknown"
    seed: int = 0
    command: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Trained:
    """Everything that came of one training, before it is written.

    Attributes
    ----------
    data : LabelledData
    tested : CrossValidation
    voted : CrossValidation or None
        The same at the level of the sources (stacks), where pictures were cut.
    findings : tuple of Finding
    duplicates : DataFrame
    model : ImageClassifier
    comparison : FusionComparison or None
    temperatures : mapping of fold to float
        What each fold's model divided its logits by.
    history : DataFrame
        ``network`` (fold and form), ``epoch`` and what training told.
    notes : tuple of str
    """

    data: LabelledData
    tested: CrossValidation
    voted: CrossValidation | None
    findings: tuple[Finding, ...]
    duplicates: pd.DataFrame
    model: ImageClassifier
    comparison: FusionComparison | None
    temperatures: Mapping[int, float]
    history: pd.DataFrame
    notes: tuple[str, ...]


def train_classifier(request: ClassifierRequest) -> str:
    """Train and test a classifier; write the model folder, its tables and its page.

    Returns
    -------
    str
        For the terminal.

    Raises
    ------
    InputError, UsageError
        Data that cannot be learned from; names the culprit, and nothing is written.
    """
    options = replace(request.options, training=True)
    data = read_labelled(request.data, options, request.patches, quiet=request.quiet)
    log = _Log(request.quiet)
    for note in data.notes:
        log.say(note)
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
    known = None if same is None else same.result
    tested = known or _test(data.samples, request, settings, log, kept)
    log.network = "final"
    learner = _learner(data.samples, request, settings, log)
    inside = [k for k in range(len(data.samples)) if tested.fold[k] >= 0]
    own = data.samples.take(inside) if len(inside) < len(data.samples) else data.samples
    model = learner.fit(own.for_channels(learner.channels), own.labels, own.groups, request.seed)
    voted = _voted(tested, data.samples)
    findings = (*guards.findings, *_accuracy(voted or tested))
    trained = Trained(
        data,
        tested,
        voted,
        findings,
        guards.duplicates,
        model,
        comparison,
        {fold: each.calibration.temperature for fold, each in kept.items() if fold >= 0},
        pd.DataFrame(log.rows),
        (*tested.warnings, *([LEAK] if request.allow_leakage else [])),
    )
    _write(request, settings, trained)
    return _told(request, trained)


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


def _guards(data: LabelledData, request: ClassifierRequest, log: _Log) -> _Guards:
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
    samples: Samples, request: ClassifierRequest, settings: ImageSettings, log: _Log
) -> ImageLearner:
    channels = request.use or samples.channels
    return ImageLearner(channels, settings, samples.pixel_size_um, None, log.epoch)


def _tuned(samples: Samples, request: ClassifierRequest, log: _Log) -> ImageSettings:
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
    samples: Samples, request: ClassifierRequest, settings: ImageSettings, log: _Log
) -> FusionComparison:
    light = tuple(name for name in request.use or samples.channels if name in samples.channels)
    if len(light) < 2:
        raise UsageError(
            f"--compare needs two channels or more; {request.data} gives {', '.join(light)}."
        )
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
    log: _Log,
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


def prediction_table(tested: CrossValidation) -> pd.DataFrame:
    """One row per picture: name, truth, out-of-fold state, ``p_<class>``, group and fold."""
    chances = {f"p_{name}": tested.probabilities[:, k] for k, name in enumerate(tested.classes)}
    return pd.DataFrame(
        {
            "image": tested.names,
            "truth": tested.labels,
            "state": tested.predicted,
            **chances,
            "group": tested.groups,
            "fold": tested.fold,
        }
    )


def score_table(tested: CrossValidation) -> pd.DataFrame:
    """``fold, score, value, low, high, n, unit``; fold is a number, ``pooled`` or ``held-out``."""
    rows: list[dict[str, Any]] = []

    def add(name: str, scores: Mapping[str, Score], groups: Sequence[str]) -> None:
        for score, found in scores.items():
            asked = name == "pooled" and score in SHOWN
            low, high = _ends(score, tested.interval(score) if asked else None)
            rows.append(
                {
                    "fold": name,
                    "score": score,
                    "value": found.value,
                    "low": low,
                    "high": high,
                    "n": len(set(groups)),
                    "unit": tested.unit,
                }
            )

    for fold in sorted(set(tested.fold.tolist())):
        name = "held-out" if fold < 0 else str(fold + 1)
        add(name, tested.scores(fold), [tested.groups[k] for k in tested.rows(fold)])
    add("pooled", tested.scores(), [tested.groups[k] for k in tested.rows()])
    return pd.DataFrame(rows)


def _card(request: ClassifierRequest, trained: Trained) -> Card:
    tested, samples = trained.voted or trained.tested, trained.data.samples
    metrics: dict[str, dict[str, Any]] = {}
    for name in SHOWN:
        found = tested.interval(name)
        if not np.isfinite(found.estimate):  # one answer throughout has no correlation
            continue
        low, high = _ends(name, found)
        metrics[name] = {
            "value": round(found.estimate, 4),
            "low": None if low is None else round(low, 4),
            "high": None if high is None else round(high, 4),
            "n": found.n,
            "unit": tested.unit,
        }
    how = "random split" if tested.leakage else f"whole {tested.unit}s held out"
    limits = [each.why for each in trained.findings if each.verdict == "fail"]
    return Card(
        training_data=f"{request.data.name}: {counted(len(samples), 'picture')} of "
        f"{counted(len(samples.classes), 'class').replace('classs', 'classes')}",
        data_sha256=hash_texts({name: samples.labels[k] for k, name in enumerate(samples.names)}),
        split=f"{tested.folds} folds, {how}; seed {request.seed}",
        metrics=metrics,
        tested_conditions={
            name: tuple(sorted(set(values)))
            for name, values in samples.levels.items()
            if len(set(values)) <= 200
        },
        data_licence=request.licence,
        limits=(*trained.notes, *limits),
    )


def _write(request: ClassifierRequest, settings: ImageSettings, trained: Trained) -> None:
    from lucyte.pipeline.classifier_page import classifier_page

    stored = trained.model.store(_card(request, trained))
    if request.patches is not None:
        config = {**stored.config, "patches": asdict(request.patches)}
        stored = replace(stored, config=config)
    with atomic_path(request.out) as temporary:
        temporary.mkdir()
        for name, content in pack(stored).items():
            (temporary / name).write_bytes(content)
        prediction_table(trained.tested).to_csv(temporary / "predictions.csv", index=False)
        if trained.voted is not None:
            prediction_table(trained.voted).to_csv(temporary / "voted.csv", index=False)
        score_table(trained.voted or trained.tested).to_csv(temporary / "scores.csv", index=False)
        trained.history.to_csv(temporary / "training.csv", index=False)
        if trained.comparison is not None:
            trained.comparison.frame().to_csv(temporary / "comparison.csv", index=False)
        if trained.data.attrition is not None:
            trained.data.attrition.to_csv(temporary / "attrition.csv", index=False)
        if len(trained.duplicates):
            trained.duplicates.to_csv(temporary / "duplicates.csv", index=False)
        write_json(temporary / "evidence.json", write_ledger(trained.findings))
        write_json(temporary / "settings.json", asdict(settings))
        page = classifier_page(request.command, request.data.name, settings, request.seed, trained)
        (temporary / "report.html").write_text(page, encoding="utf-8")


def _told(request: ClassifierRequest, trained: Trained) -> str:
    tested = trained.voted or trained.tested
    what = f"{tested.unit}s" if tested.unit != "image" else "images"
    lines = [f"{tested.folds} folds over {len(set(tested.groups))} {what}, each answered unseen:"]
    for name in SHOWN:
        found = tested.interval(name)
        low, high = _ends(name, found)
        limits = "" if low is None else f" ({low:.3f} to {high:.3f})"
        words = name.replace("_", " ")
        value = f"{found.estimate:.3f}" if np.isfinite(found.estimate) else "undefined"
        lines.append(f"  {words:<18} {value}{limits}, n = {found.n} {what}")
    lines += [f"  {note}" for note in trained.notes]
    failed = [each for each in trained.findings if each.verdict == "fail"]
    lines += [f"  Not to be believed: {each.why}" for each in failed]
    lines.append(
        f"Wrote {request.out}: model.json, weights.safetensors, report.html, predictions.csv ..."
    )
    return "\n".join(lines)


def _ends(name: str, found: Interval | None) -> tuple[float | None, float | None]:
    """An interval inside what the score can be, as the page shows it."""
    if found is None or found.low is None or found.high is None:
        return None, None
    return max(-1.0 if name == "mcc" else 0.0, found.low), min(1.0, found.high)


class _Log:
    """Rows of training, and lines for a person who waits."""

    def __init__(self, quiet: bool, write: Callable[[str], None] | None = None) -> None:
        self.quiet, self.network = quiet, ""
        self.rows: list[dict[str, Any]] = []
        self.started = self._last = time.perf_counter()
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))

    def say(self, line: str) -> None:
        """One line, at once."""
        if not self.quiet:
            self._write(line)

    def epoch(self, name: str, row: Mapping[str, float]) -> None:
        """A row of training; a line of it now and then."""
        self.rows.append({"network": f"{self.network} {name}".strip(), **row})
        now = time.perf_counter()
        if now - self._last > EVERY_S:
            self._last = now
            told = ", ".join(f"{key} {value:.3g}" for key, value in row.items())
            self.say(f"  {self.network} {name}: {told}, {(now - self.started) / 60:.1f} min")
