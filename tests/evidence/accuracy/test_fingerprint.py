"""From what is known of a problem to the scores that fit, warnings and pitfalls."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucyte.evidence.accuracy.fingerprint import Fingerprint, fingerprint_of
from lucyte.evidence.accuracy.fit import MISFITS, disc_iou, unfit
from lucyte.evidence.accuracy.measured import Measured, box_structures, pooled, structures
from lucyte.evidence.accuracy.pitfalls import pitfalls
from lucyte.evidence.accuracy.recommend import POOLS, criteria, recommend
from lucyte.schema.errors import UsageError
from lucyte.stats.goodness import find_measure


def known(task: str, measured: Measured, **said: Any) -> Fingerprint:
    found = fingerprint_of(task, measured, said, "f.toml")
    assert found is not None
    return found.fingerprint


def metrics(task: str, measured: Measured, **said: Any) -> list[str]:
    return [each.metric for each in recommend(known(task, measured, **said), measured)]


TWO = Measured(100, 10, "well", True, classes={"fed": 50, "starved": 50}, scored=True)
RARE = Measured(100, 10, "well", True, classes={"fed": 95, "starved": 5}, scored=True)
CELLS = Measured(10, 10, "image", True, objects=200, diameter_px=30.0, touching=0.4)


# measuring


def test_sizes_and_neighbours() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[2:12, 2:12] = 3
    labels[12:22, 2:12] = 7  # beside 3
    labels[2:6, 20:24] = 9
    found = structures(labels)
    assert np.allclose(np.sort(found.diameters_px), 2 * np.sqrt(np.array([16, 100, 100]) / math.pi))
    assert found.touching == 2
    corner = np.zeros((6, 6), np.int32)
    corner[1:3, 1:3], corner[3:5, 3:5] = 1, 2
    assert structures(corner).touching == 2
    assert structures(np.zeros((5, 5), np.int32)).touching == 0
    ball = structures(np.ones((4, 4, 4), np.int32))
    assert ball.diameters_px[0] == pytest.approx((6 * 64 / math.pi) ** (1 / 3))


def test_boxes_and_pools() -> None:
    found = box_structures([[0, 0, 10, 10], [5, 5, 15, 15], [30, 30, 34, 34]])
    assert found.diameters_px.tolist() == [10.0, 10.0, 4.0] and found.touching == 2
    told = pooled([found, box_structures(np.zeros((0, 4)))])
    assert (told["objects"], told["empty"], told["diameter_px"]) == (3, 1, 10.0)
    assert told["touching"] == pytest.approx(2 / 3) and math.isnan(told["spread"])


def test_imbalance() -> None:
    assert RARE.imbalance == 19
    assert math.isnan(Measured(1, 1, "image", classes={"a": 5, "b": 0}).imbalance)


# the fingerprint


def test_the_data_answer_what_was_not_told() -> None:
    assert known("classification", RARE).imbalanced
    assert not known("classification", TWO).imbalanced
    told = fingerprint_of("classification", RARE, {"imbalanced": False, "beta": 2})
    assert told is not None
    assert (told.fingerprint.imbalanced, told.fingerprint.beta) == (False, 2.0)
    assert told.said == ("imbalanced", "beta")
    assert known("instance", CELLS).touching_objects and known("instance", CELLS).boundaries_matter
    small = Measured(3, 3, "image", objects=9, diameter_px=8.0, empty=1)
    assert known("instance", small).small_structures and known("instance", small).empty_references
    assert fingerprint_of("tracking", CELLS) is None


@pytest.mark.parametrize(
    ("task", "said", "told"),
    [
        ("instance", {"tuching_objects": True}, r"f.toml: unknown fingerprint field "
         r"'tuching_objects', did you mean 'touching_objects'\? Allowed: category"),
        ("instance", {"beta": 0}, "f.toml: beta should be greater than 0, got 0.0"),
        ("instance", {"unequal_costs": "yes"}, "should be a valid boolean, got 'yes'"),
        ("instance", {"category": "object detection"}, "is not that of --task instance"),
        ("tracking", {"beta": 2}, "--task tracking has no fingerprint"),
    ],
)  # fmt: skip
def test_mistakes_in_a_fingerprint(task: str, said: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        fingerprint_of(task, CELLS, said, "f.toml")


def test_the_page_names_every_field() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "metrics-reloaded.md"
    named = re.findall(r"^\| `(\w+)` \|", page.read_text("utf-8"), re.MULTILINE)
    assert named == list(Fingerprint.model_fields)


# the recommended set


def test_balanced_and_imbalanced_classes() -> None:
    assert metrics("classification", TWO)[0] == "accuracy"
    rare = metrics("classification", RARE)
    assert rare[:2] == ["balanced_accuracy", "mcc"]
    assert "accuracy" not in rare and "average_precision" in rare


def test_costs_ranks_and_prevalence() -> None:
    costs = metrics("classification", RARE, unequal_costs=True)
    assert costs[0] == "expected_cost_normalised" and "net_benefit" in costs
    assert "weighted_kappa" in metrics("classification", TWO, ordered_classes=True)
    other = metrics("classification", RARE, representative=False)
    assert "likelihood_ratio:" in other and "precision:" not in other
    assert "average_precision" not in other
    assert "fbeta:" in metrics("classification", TWO, beta=2.0)
    kept = metrics("classification", TWO, target_specificity=0.9)
    assert "sensitivity_at_specificity" in kept
    three = Measured(9, 9, "well", True, classes={"a": 3, "b": 3, "c": 3}, scored=True)
    assert "class_ece" in metrics("classification", three)
    bare = Measured(100, 10, "well", True, classes={"fed": 50, "starved": 50})
    assert not {"auroc", "brier", "ece"} & set(metrics("classification", bare))


def test_masks_boxes_and_objects() -> None:
    assert metrics("semantic", CELLS) == ["pixel_F1", "NSD", "HD95_px"]
    assert metrics("semantic", CELLS, centre_matters=True)[0] == "clDice"
    assert "mean_distance_px" in metrics("semantic", CELLS, noisy_outlines=True)
    assert "area_error" in metrics("instance", CELLS, volume_matters=True)
    assert metrics("instance", CELLS)[:4] == ["F1@0.5", "recall@0.5", "precision@0.5", "PQ"]
    assert "object_NSD" in metrics("instance", CELLS)
    scored = Measured(9, 9, "image", objects=5, diameter_px=20.0, scored=True, empty=2)
    assert metrics("detection", scored)[-2:] == ["mAP50", "froc"]
    assert metrics("detection", scored, alarms_per_image=1)[-1] == "sensitivity_at_alarms"
    assert metrics("detection", scored, target_sensitivity=0.9)[-1] == "alarms_at_sensitivity"
    where, how = criteria(known("detection", scored, centre_matters=True))
    assert (where.pool, how.pool) == ("S8", "S9") and "distance of centres" in where.why


@pytest.mark.parametrize("task", ["classification", "semantic", "detection", "instance"])
def test_every_recommended_score_has_a_pool_a_reason_and_a_meaning(task: str) -> None:
    problem = known(task, RARE, unequal_costs=True, volume_matters=True)
    for each in recommend(problem, RARE):
        assert each.pool in POOLS and each.why
        name = each.metric + "x" if each.metric.endswith(":") else each.metric
        assert find_measure(name), each.metric


# scores that do not fit


def test_accuracy_on_rare_classes_says_what_a_constant_reaches() -> None:
    why = unfit("accuracy", known("classification", RARE), RARE)
    assert why.startswith("95% are fed: whoever answers fed to everything reaches an accuracy of 0")
    assert unfit("accuracy", known("classification", TWO), TWO) == ""
    assert "only 5% are positive" in unfit("auroc", known("classification", RARE), RARE)


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("Dice", "40% of the objects touch another: two cells merged"),
        ("SEG", "what was made up costs it nothing"),
        ("recall@0.5", "what was made up costs it nothing"),
        ("F1@0.5", ""),
        ("object_NSD", ""),
    ],
)
def test_objects_that_touch(metric: str, told: str) -> None:
    why = unfit(metric, known("instance", CELLS), CELLS)
    assert told in why and bool(why) == bool(told)


def test_small_structures_lines_and_prevalence() -> None:
    small = Measured(3, 3, "image", True, objects=9, diameter_px=8.0)
    assert "leaves an IoU of 0.56" in unfit("mAP50-95", known("detection", small), small)
    assert disc_iou(8.0) == pytest.approx((6 / 8) ** 2)
    line = known("semantic", CELLS, centre_matters=True)
    assert "Look at clDice" in unfit("pixel_F1", line, CELLS)
    noisy = known("semantic", CELLS, noisy_outlines=True)
    assert "differ between people" in unfit("HD95_px", noisy, CELLS)
    moved = known("classification", TWO, representative=False)
    assert "how frequent the classes are" in unfit("precision:fed", moved, TWO)
    for row in MISFITS:
        for name in row.metrics:
            assert find_measure(name.replace("@", "@0.5").replace(":", ":x")), name


# pitfalls


def told(task: str, measured: Measured, tolerance: float = 2.0) -> str:
    return " ".join(each.text for each in pitfalls(known(task, measured), measured, tolerance))


def test_pitfalls_in_words() -> None:
    assert pitfalls(known("instance", CELLS), CELLS) == ()
    assert "a mask cannot tell them apart" in told("semantic", CELLS)
    one = Measured(
        10, 10, "image", True, objects=200, diameter_px=30.0, touching=0.4, one_mask=True
    )
    assert "a mask cannot tell them apart" not in told("semantic", one)
    small = Measured(8, 8, "image", True, objects=9, diameter_px=7.0, empty=3)
    text = told("instance", small)
    assert "Structures are 7 px across" in text and "3 of 8 images hold nothing" in text
    assert "nearly any outline agrees" in text
    assert "nearly any outline agrees" not in told("instance", small, 1.0)
    large = Measured(8, 8, "image", True, objects=9, diameter_px=200.0)
    assert "overlap hardly sees outlines" in told("instance", large)
    few = Measured(50, 3, "well", True, classes={"fed": 40, "starved": 10})
    text = told("classification", few)
    assert "With 3 wells there is no interval: 6 are needed" in text
    assert "(40 fed, 10 starved): accuracy mostly counts fed" in text
    apart = Measured(8, 8, "image", objects=9, diameter_px=20.0, disjoint=True)
    first = pitfalls(known("instance", apart), apart)[0]
    assert first.text.startswith("Prediction and truth do not overlap in any image.")
    tied = Measured(8, 8, "image", True, objects=9, diameter_px=20.0, scored=True, tied=0.8)
    assert "80% of the boxes share their score" in told("detection", tied)
