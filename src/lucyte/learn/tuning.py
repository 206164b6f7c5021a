"""Hyperband over a small named space, judged by the inner validation groups alone.

References
----------
Li et al. 2018, JMLR 18:185 (Hyperband). Akiba et al. 2019, doi 10.1145/3292500.3330701 (optuna).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.image_augment import AugmentSettings
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.schema.errors import LucyteError, UsageError, unknown

SPACE = ("rate", "dropout", "l2", "strength", "width")
WIDTHS = (24, 32, 48)
FEWEST_EPOCHS = 3


@dataclass(frozen=True)
class Tuned:
    """The best settings found.

    Attributes
    ----------
    settings : ImageSettings
    score : float
        Balanced accuracy on the inner validation groups; optimistic, for it was chosen by it.
    trials : DataFrame
        One row per trial: what was tried, epochs, score, ``complete`` or ``pruned``.
    """

    settings: ImageSettings
    score: float
    trials: pd.DataFrame


def tune(
    images: npt.NDArray[Any],
    labels: Sequence[str],
    groups: Sequence[str],
    seed: int,
    *,
    channels: Sequence[str],
    settings: ImageSettings,
    trials: int = 20,
    space: Sequence[str] = SPACE,
    budget_s: float | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Search rate, dropout, L2, strength of augmentation and width.

    Parameters
    ----------
    images : array N C Y X
        Raw units; training groups only.
    labels, groups : sequence of N str
    seed : int
        Of the sampler, the inner split and every training.
    channels : sequence of str
    settings : ImageSettings
        What is not searched; its own values are the first trial.
    trials : int
    space : sequence of str
        Of `SPACE`; width is searched for encoder ``small`` alone.
    budget_s : float, optional
        No new trial begins after so many seconds.
    told : callable
        Receives a line per trial.

    Raises
    ------
    UsageError
        An unknown name in the space, no validation split, no trial that came to an end.
    """
    import optuna

    for name in space:
        if name not in SPACE:
            raise unknown("setting to search", name, SPACE)
    if settings.validation <= 0:
        raise UsageError("tuning is judged by validation groups; set a share for validation.")
    searched = [n for n in space if n != "width" or settings.encoder == "small"]
    epochs = settings.training.epochs
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(8, trials)),
        pruner=optuna.pruners.HyperbandPruner(
            min_resource=min(FEWEST_EPOCHS, epochs), max_resource=epochs, reduction_factor=3
        ),
    )
    study.enqueue_trial(_start(settings, searched))
    rows: list[dict[str, Any]] = []
    began = time.perf_counter()
    for number in range(trials):
        if number and budget_s is not None and time.perf_counter() - began >= budget_s:
            break
        trial = study.ask()
        chosen = {name: _suggest(trial, name) for name in searched}
        row = _try(trial, chosen, (images, labels, groups, seed), tuple(channels), settings)
        pruned = row["state"] == "pruned"
        state = optuna.trial.TrialState
        study.tell(
            trial,
            None if pruned else row["score"],
            state=state.PRUNED if pruned else state.COMPLETE,
        )
        rows.append({"trial": number, **chosen, **row})
        told(f"trial {number + 1} of {trials}: {row['state']}, {row['score']:.3f}")
    table = pd.DataFrame(rows)
    if not any(row["state"] == "complete" for row in rows):
        raise UsageError("no trial came to an end; give more trials or more time.")
    best = max((row for row in rows if row["state"] == "complete"), key=lambda row: row["score"])
    values = {name: best[name] for name in searched}
    return Tuned(apply(settings, values), float(best["score"]), table)


def apply(settings: ImageSettings, chosen: Mapping[str, Any]) -> ImageSettings:
    """Settings with what a trial chose."""
    training = settings.training
    if "rate" in chosen:
        training = replace(training, rate=float(chosen["rate"]))
    if "l2" in chosen:
        training = replace(training, l2=float(chosen["l2"]))
    if "strength" in chosen:
        scaled: AugmentSettings = training.augment.scaled(float(chosen["strength"]))
        training = replace(training, augment=scaled)
    out = replace(settings, training=training)
    if "dropout" in chosen:
        out = replace(out, dropout=float(chosen["dropout"]))
    if "width" in chosen:
        out = replace(out, width=int(chosen["width"]))
    return out


class _Pruned(LucyteError):
    """Hyperband gave this trial up."""


def _try(
    trial: Any,
    chosen: Mapping[str, Any],
    data: tuple[Any, Sequence[str], Sequence[str], int],
    channels: tuple[str, ...],
    settings: ImageSettings,
) -> dict[str, Any]:
    best = {"score": float("-inf"), "epochs": 0}

    def watch(_name: str, row: Mapping[str, float]) -> None:
        score = row.get("validation_balanced_accuracy")
        if score is None:
            raise UsageError("tuning needs validation groups, and the classes allow none.")
        best["score"] = max(best["score"], float(score))
        best["epochs"] = int(row["epoch"])
        trial.report(best["score"], best["epochs"])
        if trial.should_prune():
            raise _Pruned

    try:
        ImageLearner(channels, apply(settings, chosen), told=watch).fit(*data)
    except _Pruned:
        return {**best, "state": "pruned"}
    return {**best, "state": "complete"}


def _suggest(trial: Any, name: str) -> float | int:
    if name == "rate":
        return float(trial.suggest_float(name, 5e-4, 1e-2, log=True))
    if name == "dropout":
        return float(trial.suggest_float(name, 0.0, 0.6))
    if name == "l2":
        return float(trial.suggest_float(name, 1e-4, 0.2, log=True))
    if name == "strength":
        return float(trial.suggest_float(name, 0.3, 2.0))
    return int(trial.suggest_categorical(name, WIDTHS))


def _start(settings: ImageSettings, searched: Sequence[str]) -> dict[str, Any]:
    """The settings as they are, in the space's own terms and bounds."""
    own = {
        "rate": float(np.clip(settings.training.rate, 5e-4, 1e-2)),
        "dropout": float(np.clip(settings.dropout, 0.0, 0.6)),
        "l2": float(np.clip(settings.training.l2, 1e-4, 0.2)),
        "strength": 1.0,
        "width": settings.width if settings.width in WIDTHS else 32,
    }
    return {name: own[name] for name in searched}
