"""What a probability is worth, before and after a temperature; what silence buys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from lucyte.learn.calibration import FEWEST, fit_temperature
from lucyte.learn.cross_validation import CrossValidation
from lucyte.report.chart import SOFT, chart, quiet
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.classifier_numbers import basis, fixed
from lucyte.report.markup import tag
from lucyte.report.section import Figures, Section
from lucyte.report.wording import plural
from lucyte.stats.classification import expected_calibration_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
WIDTH_IN = 9.3
BINS = 15
THIN = 10
"""Samples in a bin below which its point is hollow."""
MOST_POINTS = 300
BEFORE, AFTER = "#8a6d3b", "#0072B2"


def calibration_section(content: ClassifierContent, figures: Figures) -> Section:
    """Confidence against accuracy before and after the temperature; errors against coverage."""
    title = "What a probability is worth"
    result = content.tested
    rows = result.rows()
    truth, _ = result.codes(rows)
    before, after, how = tempered(content)
    errors = {
        name: expected_calibration_error(truth, p, range(len(result.classes)), BINS)
        for name, p in (("before", before), ("after", after))
    }
    n = basis(result, rows, content.thing)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        _reliability(left, truth, before, after, errors)
        _coverage(right, truth, after, result, rows, content)

    alt = (
        f"Calibration error {fixed(errors['before'])} before and {fixed(errors['after'])} after "
        "the temperature; share of wrong answers against share answered."
    )
    figure = figures.figure(
        "calibration",
        chart((WIDTH_IN, 3.9), draw, alt),
        f"Left: confidence of the answer against the share that is right, {BINS} bins; hollow "
        f"points hold fewer than {THIN} {plural(content.thing)}. ECE: expected "
        f"calibration error (n = {n}). Right: wrong answers among those given when the least sure "
        "get none; thin lines are folds.",
    )
    words = tag("p", how + _promise(content, truth, after))
    return Section("calibration", title, words + figure, link="Calibration")


def tempered(content: ClassifierContent) -> tuple[Floats, Floats, str]:
    """Probabilities of the rows of all folds before and after a temperature, and how it was found.

    Where the folds' logits have been divided already, that is undone for the first. Else each
    fold gets the temperature that fits the answers of the other folds.
    """
    result = content.tested
    rows = result.rows()
    fold, logits = result.fold[rows], result.logits[rows]
    truth, _ = result.codes(rows)
    if content.temperatures:
        t = np.array([content.temperatures.get(int(k), 1.0) for k in fold])
        low, high = t.min(), t.max()
        how = (
            "Each fold's temperature was fitted inside its training groups "
            f"({low:.2f} to {high:.2f}). "
        )
        return softmax(logits * t[:, None], axis=1), softmax(logits, axis=1), how
    found = np.ones(len(rows))
    for k in np.unique(fold):
        others = fold != k
        if np.count_nonzero(others) >= FEWEST:
            found[fold == k] = fit_temperature(logits[others], truth[others])
    same = bool((found == 1).all())
    how = (
        "There is one fold only, so no temperature could be fitted on other folds. "
        if same
        else "Before: as the models answered. After: with the temperature that fits the other "
        f"folds ({found.min():.2f} to {found.max():.2f}; above 1 the models were too sure). "
    )
    return softmax(logits, axis=1), softmax(logits / found[:, None], axis=1), how


def _promise(content: ClassifierContent, truth: npt.NDArray[np.int64], p: Floats) -> str:
    kept = content.calibration
    if kept is None:
        return ""
    if not kept.threshold:
        return "The model that is kept always answers."
    if kept.threshold > 1:
        return (
            f"The model that is kept never answers: no threshold keeps to "
            f"{_percent(kept.wanted_error)} wrong answers."
        )
    given = p.max(axis=1) >= kept.threshold
    wrong = p.argmax(axis=1) != truth
    error = float(wrong[given].mean()) if given.any() else math.nan
    asked = (
        ""
        if kept.wanted_error is None
        else f" for at most {_percent(kept.wanted_error)} wrong answers"
    )
    return (
        f"The model that is kept answers from a probability of {fixed(kept.threshold)}{asked}; at "
        f"that threshold the folds' models answer {_percent(float(given.mean()))} of the "
        f"{plural(content.thing)}, and {_percent(error)} of these answers are wrong."
    )


def _percent(share: float | None) -> str:
    return "–" if share is None or not math.isfinite(share) else f"{100 * share:.3g} %"


def _reliability(
    axes: Axes,
    truth: npt.NDArray[np.int64],
    before: Floats,
    after: Floats,
    errors: dict[str, float],
) -> None:
    quiet(axes, "both")
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.9, linestyle=(0, (3, 3)))
    looks = [("before", before, BEFORE, "s", "--"), ("after", after, AFTER, "o", "-")]
    if np.array_equal(before, after):
        looks.pop()
    for name, p, colour, marker, line in looks:
        sure, right, n = reliability(truth, p)
        label = f"{name}: ECE {fixed(errors[name])}"
        axes.plot(sure, right, color=colour, linewidth=1.4, linestyle=line, label=label,
                  marker=marker, markersize=0)  # fmt: skip
        thin = n < THIN
        axes.scatter(sure[~thin], right[~thin], s=26, color=colour, marker=marker, zorder=3)
        axes.scatter(sure[thin], right[thin], s=22, facecolor="white", edgecolor=colour,
                     marker=marker, zorder=3)  # fmt: skip
    handles, labels = axes.get_legend_handles_labels()
    for handle in handles:
        handle.set_markersize(5)  # type: ignore[attr-defined]
    axes.legend(handles, labels, frameon=False, fontsize=8, loc="upper left", handlelength=3)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), title="Reliability")
    axes.set_xlabel("confidence of the answer")
    axes.set_ylabel("share of answers that are right")


def reliability(
    truth: npt.NDArray[np.int64], p: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Mean confidence, accuracy and number of samples of each bin that is not empty."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == truth
    at = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    n = np.bincount(at, minlength=BINS)
    here = n > 0
    confidence = np.bincount(at, weights=sure, minlength=BINS)[here] / n[here]
    accurate = np.bincount(at, weights=right, minlength=BINS)[here] / n[here]
    return confidence, accurate, n[here]


def _coverage(
    axes: Axes,
    truth: npt.NDArray[np.int64],
    p: Floats,
    result: CrossValidation,
    rows: npt.NDArray[np.int64],
    content: ClassifierContent,
) -> None:
    quiet(axes, "both")
    fold = result.fold[rows]
    top = 0.0
    parts: list[tuple[Any, dict[str, Any]]] = [
        (fold == k, {"color": "#9aa5ae", "linewidth": 0.8}) for k in np.unique(fold)
    ]
    parts = parts if len(parts) > 1 else []
    parts.append((np.ones(len(rows), np.bool_), {"color": AFTER, "linewidth": 2.0}))
    for own, look in parts:
        answered, wrong = coverage(truth[own], p[own])
        axes.plot(answered, wrong, **look)
        top = max(top, float(wrong[answered > 0.1].max(initial=0.0)))
    kept = content.calibration
    if kept is not None and 0 < kept.threshold <= 1:
        given = p.max(axis=1) >= kept.threshold
        if given.any():
            error = float((p.argmax(axis=1) != truth)[given].mean())
            axes.scatter([given.mean()], [error], s=52, marker="D", color="#D55E00",
                         edgecolor="white", zorder=4)  # fmt: skip
            axes.annotate("threshold", (float(given.mean()), error), xytext=(-6, 6),
                          textcoords="offset points", fontsize=8, ha="right")  # fmt: skip
    axes.set(xlim=(0, 1.02), ylim=(0, min(1.0, max(0.02, 1.15 * top))), title="Abstention")
    axes.set_xlabel("share of samples answered")
    axes.set_ylabel("share of answers that are wrong")


def coverage(truth: npt.NDArray[np.int64], p: Floats) -> tuple[Floats, Floats]:
    """Share answered and share of these that is wrong, the surest first; from ten answers on."""
    order = np.argsort(-p.max(axis=1), kind="stable")
    wrong = (p.argmax(axis=1) != truth)[order]
    given = np.arange(1, len(wrong) + 1)
    start = min(THIN, len(wrong)) - 1
    share = np.cumsum(wrong) / given
    keep = np.unique(np.linspace(start, len(wrong) - 1, MOST_POINTS).astype(int))
    return given[keep] / len(wrong), share[keep]
