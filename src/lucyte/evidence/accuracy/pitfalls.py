"""Pitfalls of validation that apply to the data at hand, in words.

After Reinke et al. 2024 (doi 10.1038/s41592-023-02150-0): P1 the wrong category, P2 the wrong
metric (P2.4: what the output looks like), P3 a metric applied wrongly. Finer numbers than these are
not known to us, so none are given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lucyte.evidence.accuracy.fingerprint import Fingerprint
from lucyte.evidence.accuracy.fit import disc_iou
from lucyte.evidence.accuracy.measured import Measured
from lucyte.stats.intervals import FEWEST

LARGE_PX = 60.0
"""Diameter from which overlap no longer sees an outline 1 px off: our line."""
LOOSE = 0.25
"""Tolerance over diameter from which nearly every outline agrees: our line."""


@dataclass(frozen=True)
class Pitfall:
    """One that applies.

    Attributes
    ----------
    kind : str
        P1, P2, P2.4 or P3.
    text : str
        What is the case and what to do, one or two sentences.
    """

    kind: str
    text: str


Check = Callable[[Fingerprint, Measured, float], str]


def pitfalls(
    problem: Fingerprint, measured: Measured, tolerance_px: float = 2.0
) -> tuple[Pitfall, ...]:
    """Those that apply, the gravest first.

    Parameters
    ----------
    problem : Fingerprint
    measured : Measured
    tolerance_px : float
        Of the normalised surface distance.
    """
    told = ((kind, check(problem, measured, tolerance_px)) for kind, check in PITFALLS)
    return tuple(Pitfall(kind, text) for kind, text in told if text)


def _apart(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if not measured.disjoint:
        return ""
    return (
        "Prediction and truth do not overlap in any image. Are they of the same images, neither "
        "shifted, turned nor mirrored, and is 0 the background in both?"
    )


def _category(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if problem.category != "semantic segmentation" or measured.one_mask or not measured.objects:
        return ""
    if not problem.touching_objects:
        return ""
    return (
        f"The reference numbers its objects and {measured.touching:.0%} of them touch: a mask "
        "cannot tell them apart. If objects are counted or measured, use --task instance."
    )


def _few(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if measured.units >= FEWEST:
        return ""
    have = f"{measured.units} {measured.unit}{'' if measured.units == 1 else 's'}"
    return (
        f"With {have} there is no interval: {FEWEST} are needed, and the values of single "
        f"{measured.unit}s stand in evidence.json."
    )


def _independent(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if measured.grouped:
        return ""
    return (
        f"What belongs together is not known, so each {measured.unit} counts as independent. Those "
        "of one well or animal are not: name groups with --group-regex, or intervals are too "
        "narrow."
    )


def _imbalance(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if not problem.imbalanced or len(measured.classes) < 2:
        return ""
    most = max(measured.classes, key=lambda name: measured.classes[name])
    least = min(measured.classes, key=lambda name: measured.classes[name])
    return (
        f"Classes are unequally frequent ({measured.classes[most]} {most}, "
        f"{measured.classes[least]} {least}): accuracy mostly counts {most}."
    )


def _small(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    d = measured.diameter_px
    if not problem.small_structures or not d > 0:
        return ""
    return (
        f"Structures are {d:.0f} px across: drawn 1 px smaller a disc keeps an IoU of "
        f"{disc_iou(d):.2f}, so thresholds above 0.5 judge the drawing, not the finding."
    )


def _large(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    d = measured.diameter_px
    if problem.category not in ("semantic segmentation", "instance segmentation") or not (
        d >= LARGE_PX
    ):
        return ""
    return (
        f"Structures are {d:.0f} px across: drawn 1 px smaller a disc keeps an IoU of "
        f"{disc_iou(d):.2f}, so overlap hardly sees outlines; read it with NSD."
    )


def _loose(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    d = measured.diameter_px
    if not problem.boundaries_matter or not d > 0 or tolerance / d < LOOSE:
        return ""
    return (
        f"NSD takes outlines {tolerance:g} px apart as equal, and structures are {d:.0f} px "
        "across: nearly any outline agrees. Give a smaller --tolerance-px."
    )


def _spread(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if problem.category != "semantic segmentation" or not measured.spread >= 3:
        return ""
    return (
        f"Diameters differ {measured.spread:.0f}-fold: pixels of large structures drown the small "
        "ones. If small ones matter, count objects with --task instance."
    )


def _empty(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if not problem.empty_references or not measured.empty:
        return ""
    one = measured.empty == 1
    return (
        f"{measured.empty} of {measured.images} images hold{'s' if one else ''} nothing in the "
        "reference: most scores are not defined there or 0, so means say little of false alarms. "
        "Look at the pooled values."
    )


def _ties(problem: Fingerprint, measured: Measured, tolerance: float) -> str:
    if not measured.tied > 0.5:
        return ""
    return (
        f"{measured.tied:.0%} of the boxes share their score with another: average precision "
        "depends on how ties are ordered, and programs differ."
    )


PITFALLS: tuple[tuple[str, Check], ...] = (
    ("P3", _apart),
    ("P1", _category),
    ("P3", _few),
    ("P2", _imbalance),
    ("P2.4", _empty),
    ("P2", _small),
    ("P2", _loose),
    ("P2", _large),
    ("P2", _spread),
    ("P3", _ties),
    ("P3", _independent),
)
"""One row per pitfall: its kind, and the sentence where it applies."""
