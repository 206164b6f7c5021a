"""From a fingerprint to the metrics that fit, each with the reason it was chosen.

Steps S1 to S9 are those of *Metrics Reloaded* (Maier-Hein et al. 2024,
doi 10.1038/s41592-023-02151-z): S1 category, S2 multi-class counting, S3 per-class counting, S4
multi-threshold, S5 calibration, S6 overlap, S7 boundary, S8 localisation, S9 assignment. The
branches inside the steps follow the paper's main text where we know it and are our reading
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lucyte.evidence.accuracy.fingerprint import Fingerprint
from lucyte.evidence.accuracy.measured import Measured

POOLS = {
    "S2": "multi-class counting",
    "S3": "per-class counting",
    "S4": "multi-threshold",
    "S5": "calibration",
    "S6": "overlap",
    "S7": "boundary",
    "S8": "localisation",
    "S9": "assignment",
}


@dataclass(frozen=True)
class Recommended:
    """One metric of the recommended set.

    Attributes
    ----------
    metric : str
        As the tables call it; one ending in ``:`` stands for every class.
    pool : str
        The step it comes from.
    why : str
        A clause: what of this problem it answers to.
    """

    metric: str
    pool: str
    why: str


Rows = Iterator[Recommended]


def recommend(problem: Fingerprint, measured: Measured) -> tuple[Recommended, ...]:
    """The metrics to report, the first of a pool first.

    Parameters
    ----------
    problem : Fingerprint
    measured : Measured
        Decides between metrics that need scores and those that do not.
    """
    return tuple(_OF[problem.category](problem, measured))


def _classification(problem: Fingerprint, measured: Measured) -> Rows:
    yield _counting(problem)
    if problem.ordered_classes:
        yield Recommended("weighted_kappa", "S2", "the classes have a rank")
    elif problem.imbalanced or problem.unequal_costs:
        yield Recommended("mcc", "S2", "sees all four kinds of answer")
    yield Recommended("recall:", "S3", "who of each class is found")
    if problem.beta != 1:
        yield Recommended("fbeta:", "S3", f"a miss weighs {problem.beta:g} squared")
    elif problem.representative:
        yield Recommended("precision:", "S3", "which answers may be believed")
    else:
        yield Recommended("likelihood_ratio:", "S3", "does not depend on how frequent classes are")
    if not measured.scored:
        return
    two = len(measured.classes) == 2
    if two and problem.unequal_costs:
        yield Recommended("net_benefit", "S3", f"one acts from a probability of "
                          f"{problem.threshold:.2g} on")  # fmt: skip
    yield Recommended("auroc", "S4", "ranks without a threshold, whatever the prevalence")
    if problem.imbalanced and problem.representative:
        yield Recommended("average_precision", "S4", "the rare class, without a threshold")
    if two and problem.target_specificity is not None:
        kept = f"specificity {problem.target_specificity:g} must be kept"
        yield Recommended("sensitivity_at_specificity", "S4", kept)
    if problem.calibration_matters:
        yield Recommended("brier", "S5", "probabilities as a whole")
        yield Recommended(
            *(
                ("ece", "S5", "whether 80 % sure means 80 % right")
                if len(measured.classes) < 3
                else ("class_ece", "S5", "whether each class's probability is its share")
            )
        )


def _counting(problem: Fingerprint) -> Recommended:
    if problem.unequal_costs:
        return Recommended("expected_cost_normalised", "S2", "errors cost differently")
    if problem.imbalanced:
        return Recommended("balanced_accuracy", "S2", "every class counts the same")
    if not problem.representative:
        return Recommended("balanced_accuracy", "S2", "does not depend on the prevalence")
    return Recommended("accuracy", "S2", "classes are about equally frequent")


def _semantic(problem: Fingerprint, measured: Measured) -> Rows:
    if problem.centre_matters:
        yield Recommended("clDice", "S6", "centre lines are asked for")
    else:
        yield Recommended("pixel_F1", "S6", "overlap (Dice)")
    if problem.unequal_costs:
        yield Recommended("pixel_recall", "S6", "missed px and px too many are not the same")
        yield Recommended("pixel_precision", "S6", "missed px and px too many are not the same")
    if problem.boundaries_matter:
        yield from _outlines("", problem)
    if problem.volume_matters:
        yield Recommended("area_error", "S6", "area is the readout")


def _outlines(of: str, problem: Fingerprint) -> Rows:
    yield Recommended(f"{of}NSD", "S7", "overlap hardly sees outlines")
    if problem.small_structures:
        return
    if problem.noisy_outlines:
        yield Recommended(f"{of}mean_distance_px", "S7", "one bad stretch does not decide")
    else:
        yield Recommended(f"{of}HD95_px", "S7", "how far off the worst stretch is")


def _detection(problem: Fingerprint, measured: Measured) -> Rows:
    yield Recommended("F1@0.5", "S3", "boxes as they are, matched one to one")
    yield Recommended("recall@0.5", "S3", "who is found")
    yield Recommended("precision@0.5", "S3", "which boxes may be believed")
    if measured.scored:
        yield Recommended("mAP50", "S4", "ranks boxes, whatever the confidence")
        yield from _alarms(problem)


def _alarms(problem: Fingerprint) -> Rows:
    if problem.alarms_per_image is not None:
        kept = f"{problem.alarms_per_image:g} false positives per image would do"
        yield Recommended("sensitivity_at_alarms", "S4", kept)
    elif problem.target_sensitivity is not None:
        kept = f"sensitivity {problem.target_sensitivity:g} must be reached"
        yield Recommended("alarms_at_sensitivity", "S4", kept)
    elif problem.empty_references:
        yield Recommended("froc", "S4", "images without objects count too")


def _instance(problem: Fingerprint, measured: Measured) -> Rows:
    yield Recommended("F1@0.5", "S3", "objects found, at half overlap")
    yield Recommended("recall@0.5", "S3", "who is found")
    yield Recommended("precision@0.5", "S3", "what is not made up")
    yield Recommended("PQ", "S3", "finding and outlining in one number")
    yield Recommended("SQ", "S6", "overlap of the objects that were found")
    if problem.boundaries_matter:
        yield from _outlines("object_", problem)
    if problem.volume_matters:
        yield Recommended("area_error", "S6", "area is the readout")


def criteria(problem: Fingerprint) -> tuple[Recommended, ...]:
    """How objects are located (S8) and assigned (S9), where they are."""
    if problem.category not in ("object detection", "instance segmentation"):
        return ()
    what = "box" if problem.category == "object detection" else "mask"
    where = Recommended(f"{what} IoU of 0.5 or more", "S8", "extent counts")
    if problem.centre_matters or problem.small_structures:
        reason = "centres are asked for" if problem.centre_matters else "structures are small"
        where = Recommended(
            f"{what} IoU of 0.5 or more", "S8", f"{reason}: a distance of centres would fit better"
        )
    how = "as many pairs as possible; for average precision the surest box first"
    return where, Recommended(how, "S9", "two predictions cannot both claim one object")


_OF: dict[str, Callable[[Fingerprint, Measured], Rows]] = {
    "image-level classification": _classification,
    "semantic segmentation": _semantic,
    "object detection": _detection,
    "instance segmentation": _instance,
}
