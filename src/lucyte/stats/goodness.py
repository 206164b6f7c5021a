"""What each score means as data: which way is better, between which bounds, and what it needs.

Reports, summaries and refusals are written from these rows; no other place says that a larger
Dice or a smaller Hausdorff distance is the better one.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from lucyte.schema.errors import unknown

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Measure:
    """One kind of score.

    Attributes
    ----------
    name : str
        Of the family: ``AP@t`` stands for ``AP@0.5``, ``recall:class`` for ``recall:fed``.
    better : {"higher", "lower"}
    low, high : float
        The bounds it keeps to.
    needs : str
        What must be known for it to be defined.
    meaning : str
    """

    name: str
    better: Better
    low: float
    high: float
    needs: str
    meaning: str

    def improves(self, new: float, old: float) -> bool:
        """Whether ``new`` is the better of two values; False where one is nan."""
        return new > old if self.better == "higher" else new < old


_ANY = "an object in truth or prediction"
_TRUE = "an object in the truth"
_FOUND = "an object in the prediction"
_BOTH = "foreground in truth and prediction"
_PAIR = "a pair of objects at IoU 0.5 or more"
_SCORED = "boxes with scores, and a true box"
_CASES = "one object with a truth"
_CHANCES = "probabilities of the classes"


def _share(name: str, needs: str, meaning: str) -> Measure:
    return Measure(name, "higher", 0.0, 1.0, needs, meaning)


def _away(name: str, needs: str, meaning: str, high: float = math.inf) -> Measure:
    return Measure(name, "lower", 0.0, high, needs, meaning)


MEASURES: tuple[Measure, ...] = (
    _share("AP@t", _ANY, "TP / (TP + FP + FN) of objects at IoU t; of scored boxes COCO's AP"),
    _share("AP@0.5:0.9", _ANY, "mean of AP@t over t = 0.5, 0.6 ... 0.9"),
    _share("F1@t", _ANY, "2 TP / (2 TP + FP + FN) at IoU t"),
    _share("precision@t", _FOUND, "share of what was found that is there"),
    _share("recall@t", _TRUE, "share of what is there that was found"),
    _share("mAP50", _SCORED, "COCO average precision at IoU 0.5, all detections"),
    _share("mAP50-95", _SCORED, "mean over IoU 0.5, 0.55 ... 0.95 of COCO average precision"),
    _share("PQ", _ANY, "panoptic quality, SQ times DQ"),
    _share("SQ", "a pair at IoU over 0.5", "mean IoU of matched pairs"),
    _share("DQ", _ANY, "F1 at IoU over 0.5"),
    _share("AJI", _ANY, "aggregated Jaccard index"),
    _share("SEG", _TRUE, "Cell Tracking Challenge: mean IoU of true objects with their match"),
    _share("Dice", _ANY, "twice the shared foreground over both"),
    _share("IoU", _ANY, "shared foreground over the union"),
    _share("pixel_precision", _FOUND, "share of predicted foreground that is true"),
    _share("pixel_recall", _TRUE, "share of true foreground that was predicted"),
    _share("pixel_F1", _ANY, "harmonic mean of the two: Dice"),
    _share("pixel_Jaccard", _ANY, "shared foreground over the union"),
    _share("clDice", _ANY, "centre lines that lie inside the other mask"),
    _share("boundary_IoU", _ANY, "IoU of bands along the outlines"),
    _share("NSD", _ANY, "share of the outlines within the tolerance of the other"),
    _away("HD95", _BOTH, "95th percentile of distances between outlines"),
    _away("mean_distance", _BOTH, "mean distance between outlines"),
    _share("object_boundary_IoU", _PAIR, "boundary IoU, mean over matched objects"),
    _share("object_NSD", _PAIR, "NSD, mean over matched objects"),
    _away("object_HD95", _PAIR, "HD95, mean over matched objects"),
    _away("object_mean_distance", _PAIR, "mean distance, mean over matched objects"),
    _share("accuracy", _CASES, "share of right answers"),
    _share("balanced_accuracy", _CASES, "mean recall of the classes"),
    _share("macro_f1", _CASES, "mean F1 of the classes"),
    Measure("mcc", "higher", -1.0, 1.0, "two classes in truth and answers", "correlation"),
    _share("recall:class", _CASES, "share of a class that was recognised"),
    _share("precision:class", "an answer of that class", "share of such answers that are right"),
    _share("f1:class", _CASES, "harmonic mean of the two"),
    _share("auroc", _CHANCES, "chance that a positive is ranked above a negative"),
    _share("average_precision", _CHANCES, "area under precision over recall"),
    _away("brier", _CHANCES, "squared error of the probabilities", 2.0),
    _away("log_loss", _CHANCES, "surprise at the truth, in nats"),
    _away("ece", _CHANCES, "gap between confidence and accuracy", 1.0),
    _away("class_ece", _CHANCES, "gap between probability and share, over all classes", 1.0),
    _away("root_brier", _CHANCES, "root of the squared error: bounds the calibration error", 1.42),
    _away("expected_cost", _CASES, "mean cost of an answer"),
    _away("expected_cost_normalised", _CASES, "cost beside that of the best single answer"),
    Measure("weighted_kappa", "higher", -1.0, 1.0, "two classes", "agreement in rank over chance"),
    Measure("net_benefit", "higher", -math.inf, 1.0, _CHANCES, "hits less weighted false alarms"),
    _share("fbeta:class", _CASES, "recall weighted beta times as much as precision"),
    Measure("likelihood_ratio:class", "higher", 0.0, math.inf, "a false alarm", "rise of the odds"),
    _share("sensitivity_at_specificity", _CHANCES, "sensitivity where specificity is as asked"),
    _share("froc", _SCORED, "mean sensitivity at 1/8 to 8 false positives per image"),
    _share("sensitivity_at_alarms", _SCORED, "sensitivity at the false positives per image asked"),
    _away("alarms_at_sensitivity", _SCORED, "false positives per image at that sensitivity"),
    _away("area_error", "foreground in the truth", "area found too much or too little, over truth"),
    _share("DET", _TRUE, "Cell Tracking Challenge: detection"),
    _share("TRA", _TRUE, "Cell Tracking Challenge: tracking"),
    _share("LNK", "a true link", "Cell Tracking Challenge: linking"),
)
"""One row per family of scores."""

_ROWS = {row.name: row for row in MEASURES}
_NUMBER = re.compile(r"@[\d.]+$")
_UNIT = re.compile(r"_(?:px|um)$")
_CLASS = re.compile(r":.+$")


def find_measure(name: str) -> Measure | None:
    """The row of a score as tables call it (``AP@0.75``, ``HD95_um``, ``recall:fed``), or None."""
    plain = _UNIT.sub("", name)
    for each in (plain, _NUMBER.sub("@t", plain), _CLASS.sub(":class", plain)):
        if each in _ROWS:
            return _ROWS[each]
    return None


def measure_of(name: str) -> Measure:
    """The row of a score.

    Raises
    ------
    UsageError
        No score is called so.
    """
    found = find_measure(name)
    if found is None:
        raise unknown("score", name, _ROWS)
    return found
