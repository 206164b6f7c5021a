"""Pictures: what each class looks like, and the errors the model was surest of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from lucyte.learn.cross_validation import CrossValidation
from lucyte.report.classifier_content import ClassifierContent
from lucyte.report.content import Picture
from lucyte.report.markup import tag
from lucyte.report.palette import natural
from lucyte.report.picture import data_address, shrink
from lucyte.report.section import Figures, Section
from lucyte.report.wording import count, plural, short

TYPICAL = 4
"""Pictures per class."""
MOST_CLASSES = 40
ERRORS = 12
PER_PAIR = 2
"""Errors of one class taken for one other."""
MOST_PX = 160
JPEG = 88
LOSSLESS_PX = 72
"""Smaller pictures are kept to the pixel."""


@dataclass(frozen=True)
class ConfidentError:
    """A wrong answer, with what it was taken for.

    Attributes
    ----------
    row : int
    truth, called : str
    p : float
    """

    row: int
    truth: str
    called: str
    p: float


def examples_section(content: ClassifierContent, figures: Figures) -> Section:
    """Typical pictures of each class, then errors beside the class they were taken for."""
    title = "Look for yourself"
    if content.picture is None:
        return Section("examples", title, absent="No pictures were given.", link="Examples")
    typical = typical_rows(content.tested)
    wrong = confident_errors(content.tested)
    show = content.picture
    body = figures.figure(
        "typical",
        _typical(content.tested, typical, show),
        f"Up to {TYPICAL} {plural(content.thing)} of each class that were called right with a "
        "probability near the median of those: neither the clearest nor the least clear.",
        wide=True,
    )
    if wrong:
        n = sum(a != b for a, b in _answers(content.tested))
        body += tag("h3", "The surest errors")
        body += figures.figure(
            "errors",
            tag("ul", *(_error(each, typical, show) for each in wrong), class_="mistakes"),
            f"The {len(wrong)} of {count(n, 'error')} with the highest probability (at most "
            f"{PER_PAIR} of each pair of classes), beside a typical {content.thing} of the class "
            "they were taken for and of the one they are labelled as. Some may be wrong labels.",
            wide=True,
        )
    else:
        body += tag("p", f"No {content.thing} was called wrong.")
    return Section("examples", title, body, link="Examples")


def typical_rows(result: CrossValidation) -> dict[str, list[int]]:
    """Rows of each class called right with a probability near the median, from different groups
    where there are."""
    rows = result.rows()
    truth, answer = result.codes(rows)
    p = result.probabilities[rows]
    out: dict[str, list[int]] = {}
    for k, name in enumerate(result.classes):
        own = np.flatnonzero((truth == k) & (answer == k))
        if not len(own):
            own = np.flatnonzero(truth == k)
        if not len(own):
            continue
        sure = p[own, k]
        order = own[np.argsort(np.abs(sure - np.median(sure)), kind="stable")]
        out[name] = _spread([int(rows[i]) for i in order], result.groups, TYPICAL)
    return out


def _spread(rows: list[int], groups: tuple[str, ...], most: int) -> list[int]:
    """The first rows, a group again only when the others are used up."""
    first: list[int] = []
    for row in rows:
        if groups[row] not in {groups[k] for k in first}:
            first.append(row)
    rest = [row for row in rows if row not in first]
    return [*first, *rest][:most]


def confident_errors(result: CrossValidation, most: int = ERRORS) -> list[ConfidentError]:
    """Wrong answers, the surest first, at most `PER_PAIR` of each pair of classes."""
    rows = result.rows()
    truth, answer = result.codes(rows)
    p = result.probabilities[rows].max(axis=1)
    wrong = np.flatnonzero(truth != answer)
    taken: dict[tuple[int, int], int] = {}
    out: list[ConfidentError] = []
    for i in wrong[np.argsort(-p[wrong], kind="stable")]:
        pair = (int(truth[i]), int(answer[i]))
        if taken.get(pair, 0) >= PER_PAIR:
            continue
        taken[pair] = taken.get(pair, 0) + 1
        names = result.classes[pair[0]], result.classes[pair[1]]
        out.append(ConfidentError(int(rows[i]), *names, float(p[i])))
        if len(out) == most:
            break
    return out


def _answers(result: CrossValidation) -> list[tuple[str, str]]:
    predicted = result.predicted
    return [(result.labels[k], predicted[k]) for k in result.rows()]


def _typical(
    result: CrossValidation, rows: dict[str, list[int]], show: Callable[[int], Picture]
) -> Markup:
    parts = []
    predicted = result.predicted
    for name in natural(rows)[:MOST_CLASSES]:
        pictures = [_image(show(row), f"{name}, {result.names[row]}") for row in rows[name]]
        right = predicted[rows[name][0]] == name
        words = tag("span", name, class_="name")
        if not right:
            words += tag("span", "never called right", class_="few")
        parts.append(tag("li", tag("div", *pictures, class_="strip"), words))
    return tag("ul", *parts, class_="types")


def _error(
    each: ConfidentError, typical: dict[str, list[int]], show: Callable[[int], Picture]
) -> Markup:
    tiles = [
        _tile(show(each.row), f"called {each.called} ({each.p:.2f})", "error"),
        _beside(typical, each.called, show, "typical"),
        _beside(typical, each.truth, show, "labelled, typical"),
    ]
    return tag("li", *tiles)


def _beside(
    typical: dict[str, list[int]], name: str, show: Callable[[int], Picture], what: str
) -> Markup:
    if name not in typical:
        return tag("div", tag("span", f"{short(name, 40)}: none here"), class_="one")
    return _tile(show(typical[name][0]), f"{what}: {name}", "")


def _tile(picture: Picture, words: str, kind: str) -> Markup:
    return tag("div", _image(picture, words), tag("span", words), class_=f"one {kind}".strip())


def _image(picture: Picture, alt: str) -> Markup:
    small = shrink(np.ascontiguousarray(picture), MOST_PX)
    if small.ndim == 3 and (small == small[..., :1]).all():
        small = small[..., 0]  # a grey picture is a third of the size
    quality = None if max(small.shape[:2]) <= LOSSLESS_PX else JPEG
    return tag("img", src=data_address(small, quality), alt=alt, loading="lazy")


def pictures_shown(result: CrossValidation) -> npt.NDArray[np.int64]:
    """Rows whose pictures the page asks for, for a caller that has to read them first."""
    rows = [row for own in typical_rows(result).values() for row in own]
    rows += [each.row for each in confident_errors(result)]
    return np.unique(np.asarray(rows, dtype=np.int64))
