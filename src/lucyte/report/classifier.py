"""The page of a trained classifier: verdict first, then how good, where it errs, and why."""

from __future__ import annotations

from dataclasses import replace

from markupsafe import Markup

from lucyte.learn.cross_validation import CrossValidation
from lucyte.report.classifier_calibration import calibration_section
from lucyte.report.classifier_comparison import comparison_section, forms_named
from lucyte.report.classifier_confusion import confusion_section
from lucyte.report.classifier_content import LEFT_OUT, ClassifierContent, judged, sample_picture
from lucyte.report.classifier_curves import curves_section, learning_section
from lucyte.report.classifier_examples import examples_section, pictures_shown
from lucyte.report.classifier_numbers import Measured, fixed, limits
from lucyte.report.classifier_scores import (
    Level,
    classes_section,
    folds_section,
    score_levels,
    scores_section,
)
from lucyte.report.document import content_of, document, head
from lucyte.report.findings import findings_section
from lucyte.report.markup import NOTHING, join, tag
from lucyte.report.section import Figures, Section
from lucyte.report.wording import count, plural

__all__ = ["ClassifierContent", "pictures_shown", "render_classifier", "sample_picture"]

LEAK = "random split, groups on both sides"
CITED = (
    ("Gorodkin, Comput Biol Chem 28, 367 (2004), doi 10.1016/j.compbiolchem.2004.09.006", "MCC"),
    ("Hanley and McNeil, Radiology 143, 29 (1982), doi 10.1148/radiology.143.1.7063747", "AUROC"),
    ("Guo et al. (2017), arXiv 1706.04599", "temperature and calibration error"),
    ("Geifman and El-Yaniv (2017), arXiv 1705.08500", "abstention"),
    ("Efron, J Am Stat Assoc 82, 171 (1987), doi 10.1080/01621459.1987.10478410", "intervals"),
)


class _Marked(Figures):
    """Figures whose captions say what must go with everything made from a leaking split."""

    def figure(self, slug: str, body: Markup, caption: str | Markup, wide: bool = False) -> Markup:
        mark = tag("b", f" Not evidence: {LEAK}.")
        return super().figure(slug, body, join([caption, mark]), wide)


def render_classifier(content: ClassifierContent) -> str:
    """Make the page: one HTML file that opens offline, the same text for the same content.

    Parameters
    ----------
    content : ClassifierContent

    Returns
    -------
    str
        HTML to be written as UTF-8.
    """
    voted = None if content.voted is None else judged(content.voted)
    content = replace(content, tested=judged(content.tested), voted=voted)
    figures = _Marked() if content.tested.leakage else Figures()
    levels = score_levels(content)
    report = content_of(content.title, content.command, content.findings)
    sections = [
        findings_section(report),
        scores_section(content, levels, figures),
        confusion_section(content, figures),
        classes_section(content),
        folds_section(content, figures),
        curves_section(content, figures),
        calibration_section(content, figures),
        learning_section(content, figures),
        comparison_section(content, figures),
        examples_section(content, figures),
        _methods(content),
    ]
    return document(
        content.title,
        _opening(content, levels),
        sections,
        content.findings,
        ("classifier.css",),
    )


def _opening(content: ClassifierContent, levels: list[Level]) -> Markup:
    result = content.tested
    rows = result.rows()
    tiles = [
        (len({result.labels[k] for k in rows}), "class"),
        (len(rows), content.thing),
        (len({result.groups[k] for k in rows}), content.group),
        (result.folds, "fold"),
    ]
    if content.voted is not None:
        tiles.insert(1, (len(content.voted.rows()), content.source))
    shown = [(f"{n:,}", noun if n == 1 else plural(noun)) for n, noun in tiles]
    first = _score(levels, "balanced_accuracy")
    told = [*shown, (fixed(first.interval.estimate), "balanced accuracy")]
    top = head(content.title, told, _verdict(content, levels), content.findings)
    return top + _banner(result, content)


def _score(levels: list[Level], name: str) -> Measured:
    return next(each for each in levels[0][2] if each.name == name)


def _verdict(content: ClassifierContent, levels: list[Level]) -> str:
    """The answer with its n, then the loudest doubts."""
    each = _score(levels, "balanced_accuracy")
    found = each.interval
    n = count(found.n, content.group)
    ends = limits(found)
    how = f"95 % interval {ends}, n = {n}" if ends != "–" else f"n = {n}, no interval"
    chance = "" if each.chance is None else f", where guessing reaches {fixed(each.chance)}"
    words = [f"Balanced accuracy {fixed(found.estimate)} ({how}){chance}."]
    if content.tested.leakage:
        words.append(f"Not evidence: {LEAK}.")
    else:
        words.append(
            f"Every {levels[0][0]} was answered by a model that saw nothing of its {content.group}."
        )
    doubts = [each.why.split(". ")[0].rstrip(".") + "." for each in content.findings
              if each.verdict == "fail"]  # fmt: skip
    if doubts:
        words.append("Before you trust it: " + " ".join(doubts[:3]))
    return " ".join(words)


def _banner(result: CrossValidation, content: ClassifierContent) -> Markup:
    """What must be read before any number."""
    if not result.leakage and not result.warnings:
        return NOTHING
    lines = list(result.warnings)
    head = "The independence of these answers is unknown."
    if result.leakage:
        head = "These scores are not evidence: the split leaks."
        lines.append(
            f"Near-identical {plural(content.thing)} of one {content.group} were learned from and "
            "tested on; expect lower scores on anything new. Train again without --allow-leakage."
        )
    parts = [tag("p", tag("b", head)), *(tag("p", line) for line in lines)]
    kind = "banner" if result.leakage else "banner open"
    return tag("div", *parts, class_=kind, role="note")


def _methods(content: ClassifierContent) -> Section:
    """The protocol to copy, the card's facts, what was read, the command."""
    facts = join(
        tag("dt", str(name)) + tag("dd", str(value)) for name, value in _facts(content).items()
    )
    notes = [*_left_out(content), *content.notes]
    body = [
        tag("div", tag("p", _protocol(content)), class_="methods"),
        tag("dl", facts, class_="facts"),
    ]
    if notes:
        body += [tag("h3", "What was read"), tag("ul", *(tag("li", each) for each in notes))]
    cited = [tag("li", f"{what}: {source}.") for source, what in CITED]
    body += [tag("ol", *cited, class_="references"), tag("pre", content.command)]
    return Section("methods", "Methods", join(body))


def _protocol(content: ClassifierContent) -> str:
    result = content.tested
    rows = result.rows()
    things, groups = count(len(rows), content.thing), len({result.groups[k] for k in rows})
    unit = count(groups, content.group)
    if result.leakage:
        split = f"{things} were split at random into {count(result.folds, 'fold')}; " \
                f"{plural(content.group)} are on both sides of every split"  # fmt: skip
    elif result.folds == 1:
        split = f"{things} of {unit} were tested once, by a model that saw none of these " \
                f"{plural(content.group)}"  # fmt: skip
    else:
        split = (
            f"{things} of {unit} were answered in {count(result.folds, 'fold')}, stratified by "
            f"class and made of whole {plural(content.group)}, each by a model fitted on the "
            "other folds"
        )
    words = [split + "."]
    aside = result.rows(-1)
    if len(aside):
        held = count(len({result.groups[k] for k in aside}), content.group)
        words.append(
            f"{held} ({count(len(aside), content.thing)}) were set aside before anything else and "
            "answered once, by a model fitted on all folds."
        )
    if content.voted is not None:
        words.append(
            f"The answer for a {content.source} is the normalised mean of the log-probabilities of "
            f"its {plural(content.thing)}."
        )
    if content.comparison is not None:
        words.append(
            f"Compared under one protocol: {forms_named(content.comparison.trained)} "
            f"({content.comparison.protocol})."
        )
    if content.protocol:
        words.append(content.protocol.strip().rstrip(".") + ".")
    words.append(
        f"Intervals take whole {plural(content.group)} as independent, never "
        f"{plural(content.thing)}: none below 6, a jackknife with a t quantile up to 30, a BCa "
        "bootstrap above. Precision, recall and F1 are undefined, not 0, where a class was "
        "never called or is not there."
    )
    return " ".join(words)


def _facts(content: ClassifierContent) -> dict[str, str]:
    facts = {str(name): str(value) for name, value in content.facts.items()}
    kept = content.calibration
    if kept is not None:
        held = f", from {count(kept.n, content.thing)} of {count(kept.groups, content.group)}"
        facts["temperature"] = f"{kept.temperature:.3f}" + (held if kept.n else "")
        asked = (
            "" if kept.wanted_error is None else f" (wrong answers at most {kept.wanted_error:g})"
        )
        facts["abstention"] = (
            "always answers" if not kept.threshold else
            "never answers" if kept.threshold > 1 else
            f"“unknown” below {kept.threshold:.3f}"
        ) + asked  # fmt: skip
    return facts


def _left_out(content: ClassifierContent) -> list[str]:
    n = int((content.tested.fold == LEFT_OUT).sum())
    return [f"{count(n, content.thing)} without an answer: in no score."] if n else []
