"""Metrics that do not fit a problem, and why: computed all the same, and said to be so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lucyte.evidence.accuracy.fingerprint import Fingerprint
from lucyte.evidence.accuracy.measured import Measured

Reason = Callable[[Fingerprint, Measured], str]
OVERLAP = ("pixel_F1", "pixel_Jaccard", "Dice", "IoU")
PIXELS = (*OVERLAP, "pixel_precision", "pixel_recall")
OBJECTS = ("AP@", "F1@", "precision@", "recall@", "PQ", "SQ", "DQ", "AJI", "SEG")
RARE = 0.1
"""Share of positives below which AUROC says little of the positives called: our line."""


@dataclass(frozen=True)
class Misfit:
    """When metrics say little.

    Attributes
    ----------
    metrics : tuple of str
        Names as the tables call them; one ending in ``@`` or ``:`` stands for all that begin so.
    why : callable
        Takes fingerprint and measured; an empty sentence where the metrics fit.
    """

    metrics: tuple[str, ...]
    why: Reason


def unfit(metric: str, problem: Fingerprint, measured: Measured) -> str:
    """Why a metric says little about this problem; empty where nothing speaks against it."""
    for row in MISFITS:
        if any(metric == name or (name[-1] in "@:" and metric.startswith(name))
               for name in row.metrics):  # fmt: skip
            told = row.why(problem, measured)
            if told:
                return told
    return ""


def disc_iou(diameter_px: float, off_px: float = 1.0) -> float:
    """IoU of a disc with the same disc drawn ``off_px`` too small all around."""
    return max(0.0, 1 - 2 * off_px / diameter_px) ** 2


def _accuracy(problem: Fingerprint, measured: Measured) -> str:
    if not problem.imbalanced or not measured.classes:
        return ""
    name, count = max(measured.classes.items(), key=lambda item: item[1])
    share = count / sum(measured.classes.values())
    return (
        f"{share:.0%} are {name}: whoever answers {name} to everything reaches an accuracy of "
        f"{share:.2f}. Look at balanced_accuracy or mcc."
    )


def _prevalence(problem: Fingerprint, measured: Measured) -> str:
    if problem.representative:
        return ""
    return (
        "it changes with how frequent the classes are, which here is not as where the answers "
        "will be used. Look at recall, balanced_accuracy, auroc or likelihood_ratio."
    )


def _rare(problem: Fingerprint, measured: Measured) -> str:
    counts = list(measured.classes.values())
    if len(counts) != 2 or not sum(counts) or counts[1] / sum(counts) >= RARE:
        return ""
    return (
        f"only {counts[1] / sum(counts):.0%} are positive: a high AUROC may still mean that most "
        "positive answers are wrong. Look at average_precision or precision."
    )


def _top_class(problem: Fingerprint, measured: Measured) -> str:
    if len(measured.classes) < 3:
        return ""
    return "it judges only the class that was answered. Look at class_ece."


def _pixels(problem: Fingerprint, measured: Measured) -> str:
    if problem.category != "instance segmentation":
        return ""
    if problem.touching_objects:
        return (
            f"{measured.touching:.0%} of the objects touch another: two cells merged into one cost "
            "it nothing. Look at PQ or F1@0.5."
        )
    return "it counts pixels, so one large cell outweighs many small ones. Look at PQ or F1@0.5."


def _small(problem: Fingerprint, measured: Measured) -> str:
    if not problem.small_structures or not measured.diameter_px > 0:
        return ""
    return (
        f"structures are {measured.diameter_px:.0f} px across, so an outline 1 px inside leaves an "
        f"IoU of {disc_iou(measured.diameter_px):.2f}: it measures the drawing of the outline."
    )


def _line(problem: Fingerprint, measured: Measured) -> str:
    if not problem.centre_matters or problem.category != "semantic segmentation":
        return ""
    return "it counts area, and centre lines are asked for. Look at clDice."


def _outline(problem: Fingerprint, measured: Measured) -> str:
    if problem.noisy_outlines:
        return (
            "outlines differ between people, and it looks at the worst of them. Look at NSD with "
            "--tolerance-px as large as people differ."
        )
    return ""


def _made_up(problem: Fingerprint, measured: Measured) -> str:
    return "it looks at true objects only: what was made up costs it nothing. Look at PQ or F1@0.5."


MISFITS: tuple[Misfit, ...] = (
    Misfit(("accuracy",), _accuracy),
    Misfit(
        (
            "accuracy",
            "macro_f1",
            "mcc",
            "average_precision",
            "precision:",
            "f1:",
            "fbeta:",
            "net_benefit",
        ),
        _prevalence,
    ),
    Misfit(("auroc",), _rare),
    Misfit(("ece",), _top_class),
    Misfit(PIXELS, _pixels),
    Misfit((*OVERLAP, *OBJECTS[:4], "mAP50-95", "PQ", "SQ", "AJI", "SEG"), _small),
    Misfit(OVERLAP, _line),
    Misfit(("HD95", "HD95_px", "HD95_um", "object_HD95_px", "object_HD95_um"), _outline),
    Misfit(("SEG", "recall@"), _made_up),
)
"""One row per reason; the first that applies is said."""
