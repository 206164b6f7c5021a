"""Median polish, B-scores, crowded lines and effects of place."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.screen.b_score import b_scores, crowded_lines, median_polish
from lucyte.screen.plate_places import place_of, shape_of
from lucyte.screen.positions import position_effects
from reference import screening

ALL = [(r, c) for r in range(8) for c in range(12)]


def test_polish_is_the_slow_one() -> None:
    rng = np.random.default_rng(2)
    plate = rng.normal(0, 1, (5, 6)) + np.arange(5)[:, None] - 0.5 * np.arange(6)
    plate[1, 2] = plate[4, 5] = np.nan
    found = median_polish(plate, rounds=200, tolerance=1e-9)
    lists = [[None if np.isnan(x) else float(x) for x in row] for row in plate]
    slow = screening.median_polish(lists)
    expected = np.array([[np.nan if x is None else x for x in row] for row in slow])
    np.testing.assert_allclose(found.residuals, expected, atol=1e-6)
    assert found.settled
    whole = found.overall + found.rows[:, None] + found.columns + found.residuals
    np.testing.assert_allclose(whole, plate, atol=1e-9)


def test_b_score_removes_rows_and_keeps_single_hits() -> None:
    rng = np.random.default_rng(5)
    plate = rng.normal(0, 1, (8, 12)) + 6 * np.sin(np.arange(8))[:, None]
    plate[3, 4] += 12
    scores = b_scores(plate)
    assert scores[3, 4] > 8
    assert np.abs(np.nanmedian(scores, axis=1)).max() < 0.6


def test_b_score_eats_a_row_of_hits() -> None:
    """Why crowded lines are named: here half a row's real effect is gone."""
    rng = np.random.default_rng(6)
    plate = rng.normal(0, 1, (8, 12))
    hot = np.zeros((8, 12), dtype=bool)
    hot[2, :8] = True
    plate[hot] += 10
    assert plate[hot].mean() > 9
    assert b_scores(plate)[hot].mean() < 3
    assert crowded_lines(hot, np.ones((8, 12), bool)) == (("row", 2),)


def test_a_third_is_not_crowded() -> None:
    hot = np.zeros((4, 6), dtype=bool)
    hot[0, :2] = hot[1:3, 0] = True
    assert crowded_lines(hot, np.ones((4, 6), bool)) == (("column", 0),)


def test_no_plate() -> None:
    with pytest.raises(UsageError, match="a median polish needs a plate of rows and columns"):
        median_polish([1.0, 2.0])


def test_places() -> None:
    assert place_of("A01") == (0, 0) and place_of("AA12") == (26, 11)
    assert place_of("field_3") is None
    assert shape_of([(0, 0), (7, 11)]) == (8, 12)
    assert shape_of([(8, 0)]) == (16, 24)


def test_edge_effect_is_found_and_measured() -> None:
    rng = np.random.default_rng(0)
    strata = rng.choice(["L1|a", "L1|b", "L1|c"], 96)
    edge = np.array([r in (0, 7) or c in (0, 11) for r, c in ALL])
    level = {"L1|a": 0.0, "L1|b": 5.0, "L1|c": -3.0}
    values = rng.normal(0, 0.5, 96) + np.array([level[s] for s in strata]) + 1.0 * edge
    found = {e.effect: e for e in position_effects(values, ALL, strata, (8, 12), 999)}
    assert found["edge"].size == pytest.approx(1.0, abs=0.3)
    assert found["edge"].p == pytest.approx(0.001)
    assert found["edge"].n == 96


def test_one_bad_row_is_named() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.5, 96)
    values[[r == 4 for r, _ in ALL]] += 1.5
    found = {e.effect: e for e in position_effects(values, ALL, ["x"] * 96, (8, 12), 999)}
    assert found["row"].worst == "E" and found["row"].p <= 0.002
    assert found["column"].p > 0.05


def test_level_of_the_test() -> None:
    """Treatments in one column each: no effect of place is claimed more often than 5 %."""
    rng = np.random.default_rng(2)
    hits = np.zeros(3)
    for trial in range(120):
        strata = [f"{c}" for _, c in ALL]
        values = rng.normal(0, 1, 96) + 3 * np.array([c for _, c in ALL])
        for at, e in enumerate(position_effects(values, ALL, strata, (8, 12), 99, trial)):
            hits[at] += e.p <= 0.05
    assert hits[0] / 120 < 0.11 and hits[2] / 120 < 0.11
    # With one treatment per column, exchanging within treatments leaves column means alone.
    assert hits[1] == 0


def test_what_cannot_be_asked_says_so() -> None:
    found = position_effects([1.0, 2.0], [(0, 0), (0, 3)], ["a", "b"], (8, 12))
    assert found[0].why == "no two wells of a plate were treated alike"
    inside = position_effects([1.0, 2.0, 3.0], [(2, 2), (2, 3), (2, 4)], ["a"] * 3, (8, 12), 99)
    assert inside[0].why == "all 3 wells that were treated alike lie in one row"
    assert inside[2].why.startswith("no wells treated alike lie both at the edge")
