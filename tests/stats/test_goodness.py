"""Every score that the package gives has a row that says which way is better."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.boxes import average_precision, box_scores
from lucyte.stats.classification import evaluate
from lucyte.stats.foreground import PixelCounts, foreground_scores
from lucyte.stats.goodness import MEASURES, find_measure, measure_of
from lucyte.stats.instances import count_instances, scores
from lucyte.stats.object_boundary import mean_boundaries, object_boundaries


def given() -> dict[str, float]:
    """Scores of answers that are partly wrong, by every function that gives scores."""
    truth, prediction = np.zeros((2, 20, 20), int)
    truth[2:8, 2:8], prediction[3:8, 2:8], prediction[12:, 12:] = 1, 1, 2
    boxes = [[[0, 0, 4, 4]]]
    states, told = ["fed", "starved"] * 2, ["fed", "starved", "fed", "fed"]
    chances = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]]
    out = scores(count_instances(truth, prediction))
    out |= average_precision(boxes, boxes, [[0.5]]) | box_scores(boxes, boxes)
    out |= foreground_scores(PixelCounts(3, 4, 2))
    out |= mean_boundaries(object_boundaries(truth, prediction))
    out |= {k: v.value for k, v in evaluate(states, told, ["fed", "starved"], chances).items()}
    return out


def test_every_score_has_a_row_and_keeps_to_its_bounds():
    for name, value in given().items():
        row = measure_of(name)
        assert row.low <= value <= row.high, name
        assert row.better == ("lower" if row.low == 0 and "distance" in name else row.better)


def test_perfect_answers_reach_the_better_bound():
    labels = np.kron(np.eye(3, dtype=int) * [1, 2, 3], np.ones((6, 6), int))
    perfect = scores(count_instances(labels, labels))
    perfect |= mean_boundaries(object_boundaries(labels, labels))
    for name, value in perfect.items():
        row = measure_of(name)
        assert value == (row.high if row.better == "higher" else row.low), name


def test_names_with_thresholds_units_and_classes_find_their_row():
    assert measure_of("AP@0.75").name == "AP@t"
    assert measure_of("AP@0.5:0.9").name == "AP@0.5:0.9"
    assert measure_of("object_HD95_um").better == "lower"
    assert measure_of("recall:fed").name == "recall:class"
    assert measure_of("HD95").improves(1.0, 2.0)
    assert not measure_of("PQ").improves(math.nan, 0.2)
    assert find_measure("image") is None
    with pytest.raises(UsageError, match="unknown score 'HD59', did you mean 'HD95'"):
        measure_of("HD59")
    assert len({row.name for row in MEASURES}) == len(MEASURES)
