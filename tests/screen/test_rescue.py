"""Rescue against its definition, its coverage, and the way off the axis."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from lucyte.schema.errors import UsageError
from lucyte.screen.off_axis import off_axis
from lucyte.screen.rescue import control_axis, rescue_score, well_scores
from reference import screening


def plates(rng: np.random.Generator, m: int = 6, gap: float = 3.0) -> tuple[np.ndarray, ...]:
    """Two plates of a level of their own, m wells of each control."""
    names = np.repeat(["P1", "P2"], 2 * m)
    ill = np.tile(np.repeat([True, False], m), 2)
    values = np.where(ill, 0.0, gap) + np.where(names == "P1", 5.0, -2.0)
    return values + rng.normal(0, 0.5, 4 * m), names, ill


def test_as_defined() -> None:
    rng = np.random.default_rng(0)
    values, names, ill = plates(rng)
    axis = control_axis(values, names, ill, ~ill)
    treated, where = np.array([6.0, 6.5, -0.4]), np.array(["P1", "P1", "P2"])
    controls = [
        {p: values[(names == p) & side].tolist() for p in ("P1", "P2")} for side in (ill, ~ill)
    ]
    slow = screening.rescue({"P1": [6.0, 6.5], "P2": [-0.4]}, *controls)
    assert rescue_score(treated, where, axis).score == pytest.approx(slow)
    scores = well_scores(values, names, axis)
    assert scores[ill].mean() == pytest.approx(0, abs=1e-12)
    assert scores[~ill].mean() == pytest.approx(1)


@pytest.mark.parametrize("truth", [0.0, 0.6, 1.0])
def test_interval_covers(truth: float) -> None:
    rng = np.random.default_rng(int(10 * truth))
    held = small = 0
    trials = 300
    for _ in range(trials):
        values, names, ill = plates(rng)
        axis = control_axis(values, names, ill, ~ill)
        where = np.array(["P1", "P1", "P2", "P2"])
        treated = 3 * truth + np.where(where == "P1", 5.0, -2.0) + rng.normal(0, 0.5, 4)
        found = rescue_score(treated, where, axis)
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
        small += found.p <= 0.05
    assert 0.92 <= held / trials <= 0.99
    if truth == 0:
        assert small / trials < 0.08


def test_controls_that_do_not_differ_give_no_score() -> None:
    values, names, ill = plates(np.random.default_rng(4), gap=0.0)
    axis = control_axis(values, names, ill, ~ill)
    found = rescue_score([1.0, 2.0, 1.5], ["P1", "P1", "P2"], axis)
    assert math.isnan(found.score)
    assert found.why == "disease and wild type do not differ along this readout"


def test_refusals() -> None:
    values, names, ill = plates(np.random.default_rng(5))
    with pytest.raises(UsageError, match="plate P2 has no wild type well with a value"):
        control_axis(values, names, ill, ~ill & (names == "P1"))
    few = np.array([0, 1, 12, 6, 7, 18])
    with pytest.raises(UsageError, match="at least two more wells than plates"):
        control_axis(values[few], names[few], ill[few], ~ill[few])


def cloud(rng: np.random.Generator, n: int, at: float, off: float = 0.0) -> np.ndarray:
    """Wells at ``at`` from disease to health along the first two of eight features."""
    place = np.zeros(8)
    place[0], place[1], place[5] = 6 * at, -3 * at, off
    return place + rng.normal(0, 1, (n, 8)) @ np.diag([1, 1, 1, 2, 2, 1, 1, 0.5])


def test_leaving_the_axis_is_told_from_moving_along_it() -> None:
    rng = np.random.default_rng(6)
    parts = [cloud(rng, 12, 0), cloud(rng, 12, 1), cloud(rng, 6, 0.8), cloud(rng, 6, 0.8, 9),
             cloud(rng, 6, 0)]  # fmt: skip
    x = np.concatenate(parts)
    which = np.repeat(np.arange(5), [len(p) for p in parts])
    table = pd.DataFrame(x, columns=[f"f{k}" for k in range(8)]).assign(dull=1.0)
    found = off_axis(table, ["P"] * len(x), which == 0, which == 1)
    assert found.left_out == ("dull",)
    on = [float(np.median(found.on[which == k])) for k in range(5)]
    off = [float(np.median(found.off[which == k])) for k in range(5)]
    assert on[0] == pytest.approx(0, abs=0.15) and on[1] == pytest.approx(1, abs=0.15)
    assert on[2] == pytest.approx(0.8, abs=0.2)
    assert off[3] > 2.5
    assert max(off[2], off[4]) < 1.6


def test_wells_without_effect_are_no_farther_than_controls() -> None:
    """The distance of controls is taken with each left out, or every treatment would stand out."""
    rng = np.random.default_rng(7)
    ratio = []
    for _ in range(20):
        x = np.concatenate([cloud(rng, 8, 0), cloud(rng, 8, 1), cloud(rng, 12, 0)])
        which = np.repeat([0, 1, 2], [8, 8, 12])
        table = pd.DataFrame(x)
        found = off_axis(table, ["P"] * len(x), which == 0, which == 1)
        ratio.append(np.median(found.off[which == 2]))
    assert np.mean(ratio) == pytest.approx(1, abs=0.15)


def test_missing_features_and_too_few_controls() -> None:
    rng = np.random.default_rng(8)
    x = np.concatenate([cloud(rng, 12, 0), cloud(rng, 12, 1), cloud(rng, 2, 0)])
    which = np.repeat([0, 1, 2], [12, 12, 2])
    x[-1, 3] = np.nan
    firm = np.ones(26, bool)
    firm[-1] = False
    table = pd.DataFrame(x, columns=list("abcdefgh"))
    found = off_axis(table, ["P"] * 26, which == 0, which == 1, firm)
    assert math.isnan(found.off[-1]) and math.isfinite(found.off[-2])
    assert off_axis(table, ["P"] * 26, which == 0, which == 1).left_out == ("d",)
    with pytest.raises(UsageError, match="4 control wells: the direction from disease"):
        few = np.r_[0:2, 12:14]
        off_axis(table.iloc[few], ["P"] * 4, which[few] == 0, which[few] == 1)
