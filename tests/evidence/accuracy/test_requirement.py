"""What was asked for, held against an interval, or against points where there are few."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.evidence.accuracy.objects import instance_accuracy
from lucyte.evidence.accuracy.requirement import Requirement, meets
from lucyte.evidence.accuracy.state_scores import Answers, Stated, score_interval
from lucyte.stats.intervals import Interval


def points(*values: float) -> Interval:
    return Interval(float(np.mean(values)), None, None, len(values), "no interval")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.9,), "inconclusive"),
        ((0.9, 0.95, 0.9), "inconclusive"),
        ((0.9, 0.95, 0.9, 0.92), "pass"),
        ((0.9, 0.7, 0.9, 0.92), "inconclusive"),
        ((0.5,), "fail"),
    ],
)
def test_few_units_reassure_from_four(values: tuple[float, ...], verdict: str) -> None:
    told, why = meets(points(*values), values, 0.8)
    assert told == verdict
    if len(values) < 4 and verdict == "inconclusive":
        assert "of the 4 that are needed to be sure" in why


def test_many_units_without_an_interval_are_no_few_units() -> None:
    lost = Interval(0.9, None, None, 20, "undefined when a unit is left out")
    assert meets(lost, [0.9], 0.8) == (
        "inconclusive",
        "there is no interval to hold against the 0.8 asked for (undefined when a unit is left "
        "out)",
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict", "words"),
    [
        (0.05, 0.15, "pass", "keeps to the 0.2"),
        (0.15, 0.25, "inconclusive", "holds the 0.2"),
        (0.25, 0.4, "fail", "lies above the 0.2"),
    ],
)
def test_what_is_better_when_lower(low: float, high: float, verdict: str, words: str) -> None:
    told, why = meets(Interval((low + high) / 2, low, high, 9, "t"), [], 0.2, "lower")
    assert told == verdict and words in why


def test_a_distance_is_held_against_the_most_that_was_asked_for() -> None:
    table = pd.DataFrame({"field_id": [f"f{k}" for k in range(8)], "HD95_px": np.linspace(2, 4, 8)})
    assert instance_accuracy(table, "HD95_px", requirement=Requirement(6.0)).verdict == "pass"
    assert instance_accuracy(table, "HD95_px", requirement=Requirement(1.0)).verdict == "fail"


def test_an_undefined_score_says_what_it_needs() -> None:
    table = pd.DataFrame({"field_id": ["a", "b"], "HD95_px": [np.nan, np.nan]})
    found = instance_accuracy(table, "HD95_px")
    assert np.isnan(found.statistic)
    assert "it needs foreground in truth and prediction" in found.why


def test_a_thousand_images_have_an_interval() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 1000)
    said = np.where(rng.random(1000) < 0.905, truth, 1 - truth)
    answers = Answers(("a", "b"), truth, said, None)
    units = np.array([f"{k:04d}" for k in range(1000)])
    found = score_interval("accuracy", answers, units, Stated())
    assert found.n == 1000 and found.low is not None and found.high is not None
    wide = 2 * 1.96 * np.sqrt(0.905 * 0.095 / 1000)
    assert found.high - found.low == pytest.approx(wide, rel=0.3)
    assert meets(found, [], 0.9)[0] == "inconclusive"
