"""The model folder of a classifier: what was asked, what came of it, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.classify.patches import PatchSettings
from lucyte.evidence.ledger import write as write_ledger
from lucyte.io.atomic import atomic_path, write_json
from lucyte.io.labelled import SampleOptions
from lucyte.learn.cross_validation import CrossValidation
from lucyte.learn.fusion_comparison import FusionComparison
from lucyte.learn.image_learner import ImageSettings
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.networks.model_folder import Card, pack
from lucyte.pipeline.fingerprint import hash_samples
from lucyte.pipeline.labelled_data import LabelledData
from lucyte.pipeline.words import counted
from lucyte.schema.finding import Finding
from lucyte.stats.classification import Score
from lucyte.stats.intervals import Interval

SHOWN = ("balanced_accuracy", "macro_f1", "mcc", "accuracy")
"""Scores that get an interval and go on the card."""


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
    intervals : mapping of score to Interval
        Of ``SHOWN``, at the level that counts.
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
    intervals: Mapping[str, Interval]
    temperatures: Mapping[int, float]
    history: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def counts(self) -> CrossValidation:
        """The answers at the level that counts: the sources where pictures were cut."""
        return self.voted or self.tested


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


def score_table(tested: CrossValidation, intervals: Mapping[str, Interval]) -> pd.DataFrame:
    """``fold, score, value, low, high, n, unit``; fold is a number, ``pooled`` or ``held-out``."""
    rows: list[dict[str, Any]] = []

    def add(name: str, scores: Mapping[str, Score], groups: Sequence[str]) -> None:
        for score, found in scores.items():
            known = intervals.get(score) if name == "pooled" else None
            rows.append(
                {
                    "fold": name,
                    "score": score,
                    "value": found.value,
                    "low": None if known is None else known.low,
                    "high": None if known is None else known.high,
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
    tested, samples = trained.counts, trained.data.samples
    metrics: dict[str, dict[str, Any]] = {}
    for name, found in trained.intervals.items():
        if not np.isfinite(found.estimate):  # one answer throughout has no correlation
            continue
        metrics[name] = {
            "value": round(found.estimate, 4),
            "low": None if found.low is None else round(found.low, 4),
            "high": None if found.high is None else round(found.high, 4),
            "n": found.n,
            "unit": tested.unit,
        }
    how = "random split" if tested.leakage else f"whole {tested.unit}s held out"
    limits = [each.why for each in trained.findings if each.verdict == "fail"]
    return Card(
        training_data=f"{request.data.name}: {counted(len(samples), 'picture')} of "
        f"{counted(len(samples.classes), 'class')}",
        data_sha256=hash_samples(samples),
        split=f"{tested.folds} folds, {how}; seed {request.seed}",
        metrics=metrics,
        tested_conditions={
            name: tuple(sorted(set(values)))
            for name, values in samples.levels.items()
            if len(set(values)) <= 200
        },
        cut_px=request.options.cut_px,
        data_licence=request.licence,
        limits=(*trained.notes, *limits),
    )


def write_classifier(request: ClassifierRequest, settings: ImageSettings, trained: Trained) -> None:
    """The model folder, whole or not at all: model, tables, findings and the page."""
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
        scores = score_table(trained.counts, trained.intervals)
        scores.to_csv(temporary / "scores.csv", index=False)
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


def told(request: ClassifierRequest, trained: Trained) -> str:
    """What a person who waited is told."""
    tested = trained.counts
    what = f"{tested.unit}s" if tested.unit != "image" else "images"
    lines = [f"{tested.folds} folds over {len(set(tested.groups))} {what}, each answered unseen:"]
    for name, found in trained.intervals.items():
        limits = "" if found.low is None else f" ({found.low:.3f} to {found.high:.3f})"
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
