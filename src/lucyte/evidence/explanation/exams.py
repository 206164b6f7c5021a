"""The exams on offer, as rows: what each asks, what it needs, and how it is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lucyte.evidence.explanation.agreement import methods, seeds
from lucyte.evidence.explanation.curves import deletion, insertion, road
from lucyte.evidence.explanation.examined import Examined, ExamSettings, check_maps
from lucyte.evidence.explanation.infidelity import faithful
from lucyte.evidence.explanation.places import inside_cell, inside_structure, pointing
from lucyte.evidence.explanation.randomisation import label_randomisation, model_randomisation
from lucyte.evidence.explanation.stability import sensitivity
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.finding import Finding
from lucyte.schema.protocols import Differentiable

Exam = Callable[[Examined, ExamSettings], "Finding | list[Finding]"]


@dataclass(frozen=True)
class ExamRow:
    """One row of the table of exams.

    Attributes
    ----------
    name : str
        Second part of the Findings' names: ``<method>.<name>``.
    words : str
        What is done, for a person.
    needs : tuple of str
        Names in ``NEEDS`` beyond maps, crops, masks and units.
    hold : callable
    """

    name: str
    words: str
    needs: tuple[str, ...]
    hold: Exam


NEEDS: dict[str, tuple[str, Callable[[Examined], bool]]] = {
    "method": ("the method itself, to ask it again", lambda case: case.attribute is not None),
    "network": (
        "a model whose weights can be drawn anew",
        lambda case: isinstance(case.predictor, Differentiable),
    ),
    "learner": (
        "the learner and its labelled training data",
        lambda case: case.learner is not None and case.training is not None,
    ),
    "structures": ("masks of structures", lambda case: bool(case.structures)),
    "other_seeds": ("maps by models of other seeds", lambda case: bool(case.other_seeds)),
    "other_methods": ("maps by other methods", lambda case: bool(case.other_methods)),
}


def examine(
    case: Examined, settings: ExamSettings | None = None, exams: Sequence[str] | None = None
) -> list[Finding]:
    """Put one method's maps to the exams.

    Parameters
    ----------
    case : Examined
    settings : ExamSettings, optional
    exams : sequence of str, optional
        Names of rows of ``EXAMS``; default every one whose needs are met (`unmet` tells the rest).

    Returns
    -------
    list of Finding
        Named ``<method>.<exam>``, or ``<method>.<exam>.<structure>``; in the order of the table.

    Raises
    ------
    UsageError
        An unknown exam, one whose needs are not met, maps of another shape.
    """
    settings = settings or ExamSettings()
    lacking = unmet(case)
    rows = {row.name: row for row in EXAMS}
    for name in exams or ():
        if name not in rows:
            raise unknown("exam", name, rows)
        if name in lacking:
            raise UsageError(f"exam {name!r} needs {lacking[name]}; give it or leave the exam out.")
    chosen = [row for row in EXAMS if (row.name in exams if exams else row.name not in lacking)]
    found: list[Finding] = []
    for row in chosen:
        answer = row.hold(case, settings)
        found += answer if isinstance(answer, list) else [answer]
    return found


def examine_method(
    case: Examined, settings: ExamSettings | None = None, exams: Sequence[str] | None = None
) -> list[Finding]:
    """The same where only the method is at hand: the maps are made first (``case.maps`` is unread).

    Raises
    ------
    UsageError
        No method, or one that answers with maps of another shape.
    """
    if case.attribute is None:
        raise UsageError("no method was given: set `attribute`, or give maps to `examine`.")
    maps = np.asarray(case.attribute(case.predictor, case.crops, case.targets), dtype=np.float64)
    check_maps(f"maps of {case.method}", maps, case.crops, case.predictor.channels)
    return examine(replace(case, maps=maps), settings, exams)


def unmet(case: Examined) -> dict[str, str]:
    """What each exam that cannot be held lacks, in words."""
    out = {}
    for row in EXAMS:
        words = [NEEDS[need][0] for need in row.needs if not NEEDS[need][1](case)]
        if words:
            out[row.name] = " and ".join(words)
    return out


EXAMS: tuple[ExamRow, ...] = (
    ExamRow(
        "model_randomisation",
        "draw the weights anew from the head to the picture: the map must change",
        ("method", "network"),
        model_randomisation,
    ),
    ExamRow(
        "label_randomisation",
        "learn shuffled labels: the map must change",
        ("method", "learner"),
        label_randomisation,
    ),
    ExamRow("deletion", "take the most relevant pixels away", (), deletion),
    ExamRow("insertion", "put the most relevant pixels in", (), insertion),
    ExamRow("road", "impute the most relevant pixels from their neighbours", (), road),
    ExamRow("infidelity", "cover random squares and foretell the fall", (), faithful),
    ExamRow("sensitivity", "add invisible noise: the map must stay", ("method",), sensitivity),
    ExamRow("inside_cell", "relevance in the cell (Grad-CAMO)", (), inside_cell),
    ExamRow("inside_structure", "relevance in a structure", ("structures",), inside_structure),
    ExamRow("pointing_game", "the map's peak in a structure", ("structures",), pointing),
    ExamRow("agreement_seeds", "maps of models of other seeds", ("other_seeds",), seeds),
    ExamRow("agreement_methods", "maps by other methods", ("other_methods",), methods),
)
