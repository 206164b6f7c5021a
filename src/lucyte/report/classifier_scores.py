"""How good: scores with n and interval, class by class, fold by fold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from lucyte.learn.cross_validation import CrossValidation
from lucyte.report.chart import chart
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.classifier_forest import Row, forest, upto_one
from lucyte.report.classifier_numbers import WORDS, Measured, basis, fixed, limits, measured
from lucyte.report.markup import NOTHING, join, tag
from lucyte.report.palette import OKABE_ITO, natural
from lucyte.report.section import Figures, Section
from lucyte.report.table import table
from lucyte.report.wording import count, listed, plural
from lucyte.stats.classification import auroc, average_precision, f1, precision, recall
from lucyte.stats.intervals import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_IN = 9.3
FEW_GROUPS = 3
"""A class with fewer groups than this is grey: its scores say little of the next group."""

Level = tuple[str, CrossValidation, Sequence[Measured]]


def score_levels(content: ClassifierContent) -> list[Level]:
    """Scores of each level (source, then thing) over the folds, and of what was held out."""
    out: list[Level] = []
    for thing, result in content.levels:
        for fold, words in ((None, thing), (-1, f"{thing}, held out")):
            rows = result.rows(fold)
            if len(rows):
                out.append((words, result, measured(result, rows, content.seed)))
    return out


def scores_section(
    content: ClassifierContent, levels: Sequence[Level], figures: Figures
) -> Section:
    """Every score with its interval and n, for each level of answers."""
    rows = []
    for words, result, scores in levels:
        at = result.rows(-1 if words.endswith("held out") else None)
        for each in scores:
            rows.append(_line(each, words, basis(result, at, words.split(",")[0]), content))
    if len(levels) == 1:
        rows = [{k: v for k, v in row.items() if k != "answers for each"} for row in rows]
    groups = levels[0][2][0].interval.n
    few = groups < FEWEST
    marks = (
        f"circles are single {plural(content.group)}, too few for an interval"
        if few
        else f"bars are 95 % intervals over {plural(content.group)}"
    )
    figure = figures.figure(
        "scores",
        _drawn(levels, content),
        f"Scores of answers, each by {content.unseen}; "
        f"diamonds are pooled over folds, {marks}; the dashed tick is what guessing reaches.",
    )
    method = "none, fewer than 6 units" if few else levels[0][2][0].interval.method
    note = tag(
        "p",
        f"Intervals: {method}. Guessing: the commonest class for accuracy. AUROC ranks the answers "
        "of different folds' models together; with more than two classes it is the mean of one "
        "class against the rest.",
        class_="note",
    )
    return Section("scores", "How good it is", figure + table(rows, "Scores") + note, link="Scores")


def _line(each: Measured, words: str, n: str, content: ClassifierContent) -> dict[str, Any]:
    ends = limits(each.interval)
    if ends == "–" and each.interval.n < FEWEST:
        ends = f"none from {count(each.interval.n, content.group)}"
    return {
        "score": WORDS[each.name],
        "answers for each": words,
        "value": _undefined(each) if each.undefined else _right(fixed(each.interval.estimate)),
        "95 % interval": tag("span", ends, style="white-space:nowrap"),
        "guessing": _right("–" if each.chance is None else fixed(each.chance)),
        "n": n,
    }


def _undefined(each: Measured) -> Markup:
    return tag("span", f"undefined: {each.undefined}", class_="few")


def _right(text: str) -> Markup:
    return tag("span", text, class_="figures")


def _drawn(levels: Sequence[Level], content: ClassifierContent) -> Markup:
    rows = []
    for name, words in WORDS.items():
        for place, (level, _, scores) in enumerate(levels):
            each = next(score for score in scores if score.name == name)
            found = each.interval
            rows.append(
                Row(
                    f"{words}, {level}" if len(levels) > 1 else words,
                    found.estimate,
                    found.low,
                    found.high,
                    tuple(each.points.values()),
                    fixed(found.estimate) if math.isfinite(found.estimate) else "",
                    each.chance,
                    OKABE_ITO[place % len(OKABE_ITO)],
                    "Dos^"[place % 4],
                )
            )

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        forest(axes, rows, f"score (n = {count(levels[0][2][0].interval.n, content.group)})")
        lowest = min([0.0, *(x.low for x in rows if x.low is not None)])
        upto_one(axes, lowest)

    told = "; ".join(f"{row.label} {fixed(row.estimate)}" for row in rows)
    return chart((WIDTH_IN, 0.75 + 0.33 * len(rows)), draw, f"Scores: {told}.")


def classes_section(content: ClassifierContent) -> Section:
    """Precision, recall, F1 and AUROC of every class with the samples and groups behind it."""
    parts = []
    for thing, result in content.levels:
        title = f"Classes, {thing} by {thing}" if content.voted is not None else "Classes"
        parts.append(class_table(result, thing, title, hide=content.voted is None))
    note = tag(
        "p",
        f"Called: answers given with that name, which precision is a share of. Grey: the class is "
        f"in fewer than {FEW_GROUPS} {plural(content.group)}, so its numbers say little of the "
        "next one. AUROC and average precision: this class against all others.",
        class_="note",
    )
    return Section("classes", "Class by class", join(parts) + note, link="Classes")


def class_table(result: CrossValidation, thing: str, caption: str, hide: bool = True) -> Markup:
    """The table of classes; a class in fewer than `FEW_GROUPS` groups is grey and says so."""
    rows = result.rows()
    counts = result.table()
    truth, _ = result.codes(rows)
    p = result.probabilities[rows]
    groups = np.asarray([result.groups[k] for k in rows])
    scores = {"precision": precision(counts), "recall": recall(counts), "F1": f1(counts)}
    heads = ["class", plural(thing), plural(result.unit), "called", *scores,
             "AUROC", "average precision"]  # fmt: skip
    if thing == result.unit:
        heads[2] = "groups"
    body = []
    for name in natural(result.classes):
        k = result.classes.index(name)
        own = truth == k
        behind = len(set(groups[own]))
        few = behind < FEW_GROUPS
        numbers = [scores[head][k] for head in scores]
        numbers += [auroc(p[:, k], own), average_precision(p[:, k], own)]
        cells = [
            tag("td", f"{int(own.sum()):,}", class_="number"),
            tag("td", f"{behind:,}{' (few)' if few else ''}", class_="number"),
            tag("td", f"{int(counts[:, k].sum()):,}", class_="number"),
            *(tag("td", fixed(float(x), 2), class_="number") for x in numbers),
        ]
        label = tag("th", name, scope="row", class_="long")
        body.append(tag("tr", label, *cells, class_="few" if few else None))
    head = join(
        tag("th", each, scope="col", class_=None if each == "class" else "number") for each in heads
    )
    inside = tag(
        "table",
        tag("caption", caption, class_="hidden" if hide else None),
        tag("thead", tag("tr", head)),
        tag("tbody", *body),
        class_="classes",
    )
    return tag("div", inside, class_="scroll", tabindex=0, role="region", aria_label=caption)


def folds_section(content: ClassifierContent, figures: Figures) -> Section:
    """One point per fold, and what each fold held."""
    title = "Fold by fold"
    result = content.levels[0][1]
    if result.folds < 2:
        return Section("folds", title, absent="There is one fold only.", link="Folds")
    told = [result.scores(k) for k in range(result.folds)]
    pooled = result.scores()
    rows = [
        Row(
            words,
            pooled[name].value,
            points=[scores[name].value for scores in told],
            said=fixed(pooled[name].value),
        )
        for name, words in WORDS.items()
    ]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        forest(axes, rows, "score")
        known = [x for row in rows for x in (*row.points, row.estimate) if math.isfinite(x)]
        low = min(known, default=0.0)
        upto_one(axes, max(-1.0, min(low - 0.05, 0.9)))

    alt = f"Five scores in {count(result.folds, 'fold')}, one circle per fold."
    figure = figures.figure(
        "folds",
        chart((WIDTH_IN, 0.75 + 0.36 * len(rows)), draw, alt),
        "One circle per fold, the diamond is pooled over folds. Folds share training data, so "
        "their spread is not an interval. The axis does not start at 0.",
    )
    lines = [_fold(result, k, told[k]) for k in range(result.folds)]
    body = figure + table(lines, "Folds") + _gaps(result, content.levels[0][0])
    return Section("folds", title, body, link="Folds")


def _fold(result: CrossValidation, k: int, scores: Mapping[str, Any]) -> dict[str, Any]:
    rows = result.rows(k)
    values = {words: _right(fixed(scores[name].value)) for name, words in WORDS.items()}
    return {
        "fold": str(k + 1),
        "tested": len(rows),
        plural(result.unit): len({result.groups[i] for i in rows}),
        "classes": len({result.labels[i] for i in rows}),
        **values,
    }


def _gaps(result: CrossValidation, thing: str) -> Markup:
    """Which classes a fold did not test, or did not learn."""
    told = []
    for k in range(result.folds):
        here = {result.labels[i] for i in result.rows(k)}
        gone = [name for name in natural(result.classes) if name not in here]
        if gone:
            told.append(f"Fold {k + 1} tested no {thing} of {listed(gone)}.")
        there = {result.labels[i] for i in result.rows() if result.fold[i] != k}
        never = [name for name in natural(here) if name not in there]
        if never and result.folds > 1:
            told.append(f"Fold {k + 1} could not learn {listed(never)}: all of it was tested.")
    if not told:
        return NOTHING
    more = "Means over classes are over those that are there."
    return tag("p", " ".join([*told, more]), class_="note")
