"""Effects, permutations, power and answers against their slow definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.evidence.hypothesis.answer import finding, holm_levels, judge_family
from lucyte.evidence.hypothesis.foresight import foresee
from lucyte.evidence.hypothesis.ledger import Frozen
from lucyte.evidence.hypothesis.record import Hypothesis, parse_record
from lucyte.evidence.hypothesis.trial import Rows, Trial, design_of, hold_trial
from lucyte.schema.errors import UsageError
from reference.hypotheses import (
    exchange_p,
    holm_rejected,
    paired_correlations,
    paired_differences,
    sign_p,
)


def record(
    relation: str = "positive correlation", effect: float = 0.1, **keys: object
) -> Hypothesis:
    rest = "\n".join(f"{key} = {value!r}" for key, value in keys.items() if key not in TOP)
    return parse_record(
        f"""
name = "{keys.get("name", "one")}"
claim = "Cells that look starved have more spots."
interventional = {str(keys.get("interventional", False)).lower()}
[quantity]
name = "{keys.get("quantity", "margin")}"
{f"above = {keys['above']}" if "above" in keys else ""}
[measurement]
column = "spots_count_EGFP"
[test]
relation = "{relation}"
smallest_effect = {effect}
{rest}
"""
    )


TOP = ("name", "quantity", "above", "interventional")


def rows(units: int, slope: float, cells: int = 30, seed: int = 0, own: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    names = np.repeat([f"w{k:02d}" for k in range(units)], cells)
    quantity = rng.normal(size=len(names)) + np.repeat(rng.normal(size=units), cells)
    slopes = np.repeat(slope + own * rng.normal(size=units), cells)
    return Rows(
        names, quantity, np.asarray(slopes * quantity + rng.normal(size=len(names)), np.float64)
    )


def listed(of: Rows) -> list[tuple[str, float, float]]:
    return list(zip(of.units.tolist(), of.quantity.tolist(), of.measurement.tolist(), strict=True))


def answered(asked: Hypothesis, of: Rows) -> str:
    (judged,) = judge_family([frozen(asked, hold_trial(asked, of))])
    return judged.answer


def frozen(asked: Hypothesis, trial: Trial | None = None, order: int = 1) -> Frozen:
    return Frozen(asked, "ab" * 32, order, "T", (("d", trial),) if trial else ())


def test_paired_correlation_equals_its_twin() -> None:
    of = rows(7, 0.5)
    trial = hold_trial(record(), of)
    slow = paired_correlations(listed(of))
    assert trial.design == "paired correlation"
    assert trial.per_unit == pytest.approx(slow, abs=1e-9)
    assert trial.effect == pytest.approx(sum(slow.values()) / 7, abs=1e-9)
    assert trial.p == pytest.approx(sign_p(list(slow.values())))
    assert trial.smallest_p == 2 / 2**7


def test_paired_difference_equals_its_twin_and_turns_its_sign() -> None:
    of = rows(6, 0.3)
    more, less = (hold_trial(record(r, above=0.2), of) for r in ("greater", "less"))
    slow = paired_differences(listed(of), 0.2)
    assert more.per_unit == pytest.approx(slow, abs=1e-9)
    assert less.per_unit == pytest.approx({k: -v for k, v in slow.items()}, abs=1e-9)
    assert more.p == less.p == pytest.approx(sign_p(list(slow.values())))


def test_unit_correlation_equals_its_twin() -> None:
    of = rows(6, 1.0, cells=4, seed=3)
    trial = hold_trial(record(across="units"), of)
    beside, measured = list(trial.beside.values()), list(trial.per_unit.values())
    assert beside == pytest.approx([of.quantity[of.units == u].mean() for u in trial.per_unit])
    assert trial.p == pytest.approx(exchange_p(beside, measured))
    turned = hold_trial(record("negative correlation", across="units"), of)
    assert turned.effect == -trial.effect
    low, high = trial.interval().low, trial.interval().high
    assert low is not None
    assert high is not None
    assert (turned.interval().low, turned.interval().high) == pytest.approx((-high, -low))


def test_unit_difference_is_welch_over_units() -> None:
    names = np.array([f"w{k}" for k in range(8)])
    side = np.array([0, 0, 0, 0, 1, 1, 1, 1.0])
    of = Rows(names, side, np.array([1.0, 2, 3, 4, 11, 12, 13, 14]))
    trial = hold_trial(record("greater", 5, quantity="state", across="units"), of)
    assert (trial.effect, trial.p, trial.smallest_p) == (10.0, 2 / 70, 2 / 70)
    half = 2.446911848791681 * math.sqrt(2 * (5 / 3) / 4)
    assert trial.interval().low == pytest.approx(10 - half)
    assert answered(record("greater", 5, quantity="state", across="units"), of) == "supported"
    assert answered(record("less", 5, quantity="state", across="units"), of) == "falsified"


def test_units_without_a_comparison_are_counted_and_left_out() -> None:
    of = rows(8, 0.5)
    few = of.units == "w00"
    few[np.flatnonzero(few)[:4]] = False
    flat = of.quantity.copy()
    flat[of.units == "w01"] = 1.0
    kept = Rows(of.units[~few], flat[~few], of.measurement[~few])
    trial = hold_trial(record(), kept)
    assert sorted(trial.per_unit) == [f"w{k:02d}" for k in range(2, 8)]
    assert trial.left_out == {
        "fewer than 5 cells": 1,
        "the same the model says of all its cells": 1,
    }


def test_p_against_a_value_is_the_level_at_which_the_interval_meets_it() -> None:
    trial = hold_trial(record(), rows(9, 0.4, own=0.3))
    for value in (-0.2, 0.0, 0.25, 0.6):
        p = trial.p_against(value)
        found = trial.interval(1 - p)
        assert found.low is not None
        assert found.high is not None
        edge = min(abs(found.low - value), abs(found.high - value))
        assert edge < 1e-6
    few = hold_trial(record(), rows(5, 0.4))
    assert few.p_against(0.1) == 1.0


def test_answers_true_false_and_too_few() -> None:
    assert answered(record(effect=0.1), rows(12, 0.8)) == "supported"
    assert answered(record(effect=0.3), rows(12, 0.0)) == "falsified"
    assert answered(record(effect=0.1), rows(12, -0.8)) == "falsified"
    assert answered(record(effect=0.1), rows(5, 0.8)) == "inconclusive"
    assert answered(record(effect=0.1), rows(8, 0.1, own=0.5)) == "inconclusive"


def test_the_sentence_says_how_many_units_are_needed() -> None:
    asked = record(effect=0.1, spread=0.2)
    trial = hold_trial(asked, rows(4, 0.8))
    (judged,) = judge_family([frozen(asked, trial)])
    told = finding(judged, ("taken for granted",), {"maps": "few"})
    assert (told.verdict, told.low, told.n, told.unit) == ("inconclusive", None, 4, "well")
    assert "4 wells allow no interval (at least 6 are needed)" in told.why
    # G*Power: one-sample t, d = 0.5, power 0.8, two-sided 0.05 asks for 34
    assert "about 34 wells are needed for 80% power" in told.why
    assert told.details["power"]["needed"] == 34
    assert told.assumed == ("taken for granted", "wells are independent")
    assert told.question.endswith("Does it hold?")


def test_three_against_three_is_inconclusive_whatever_it_says() -> None:
    of = Rows(np.array(list("abcdef")), np.array([0, 0, 0, 1, 1, 1.0]), np.arange(0, 600, 100.0))
    asked = record("greater", 1, quantity="state", across="units")
    (judged,) = judge_family([frozen(asked, hold_trial(asked, of))])
    assert judged.answer == "inconclusive"
    why = finding(judged, (), {}).why
    assert "no outcome could have had p below 0.1, and 0.05 was needed" in why


def test_interventional_is_marked() -> None:
    asked = record(interventional=True)
    (judged,) = judge_family([frozen(asked, hold_trial(asked, rows(12, 0.8)))])
    told = finding(judged, (), {})
    assert told.assumed[0] == "interventional: it tests the model, not the sample"
    assert told.why.endswith("This is about the model, not the sample.")
    assert told.details["interventional"] is True


def test_nothing_to_compare_is_nan_with_the_reason() -> None:
    of = Rows(np.array(["a"] * 6 + ["b"] * 6), np.ones(12), np.arange(12.0))
    asked = record()
    (judged,) = judge_family([frozen(asked, hold_trial(asked, of))])
    told = finding(judged, (), {})
    assert math.isnan(told.statistic)
    assert told.verdict == "inconclusive"
    assert "Could not be tested: no well allows a comparison (2: the same the model" in told.why


def test_a_number_needs_a_threshold_to_make_groups() -> None:
    with pytest.raises(UsageError, match=r"one: greater compares two groups .* set quantity.above"):
        hold_trial(record("greater", 1), rows(6, 1.0))


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=7))
def test_holm_levels_agree_with_holms_steps(p: Sequence[float]) -> None:
    rejected = holm_rejected(p, 0.05)
    for k, level in enumerate(holm_levels(p, 0.05)):
        assert (p[k] <= 1 - level + 1e-12) == (k in rejected)


def test_a_registered_family_costs_whether_it_was_tested_or_not() -> None:
    asked = record(effect=0.2, family="f")
    trial = hold_trial(asked, rows(9, 0.4, own=0.15, seed=3))
    alone = judge_family([frozen(asked, trial)])[0]
    others = [frozen(record(name=f"n{k}", family="f"), None, k) for k in range(2, 22)]
    among = judge_family([frozen(asked, trial), *others])[0]
    assert alone.answer == "supported"
    assert (alone.level, among.level) == (0.95, 1 - 0.05 / 21)
    assert among.members == 21
    assert among.p_adjusted == pytest.approx(min(1.0, 21 * alone.p_adjusted))
    assert among.answer == "inconclusive"
    assert among.foresight.needed is not None
    assert alone.foresight.needed is not None
    assert among.foresight.needed > alone.foresight.needed


def test_foresight_looks_at_the_spread_and_never_at_the_effect() -> None:
    of = rows(10, 0.5, own=0.3)
    asked = record()
    trial = hold_trial(asked, of)
    moved = Trial(
        trial.design,
        trial.effect + 5,
        {k: v + 5 for k, v in trial.per_unit.items()},
        {},
        trial.p,
        trial.smallest_p,
        trial.rows,
    )
    here, there = foresee(asked, trial, 1), foresee(asked, moved, 1)
    assert here.power == pytest.approx(there.power)
    assert here.spread_from == "of the units at hand around their own mean"
    assert here.needed == there.needed
    declared = foresee(record(spread=0.05), trial, 1)
    assert (declared.spread, declared.spread_from) == (0.05, "declared in the record")
    assert declared.needed == 6


def test_under_the_null_few_are_supported() -> None:
    """300 worlds without a relation: at most 5 % and 2 standard errors say that there is one."""
    asked, alarms = record(effect=0.001), 0
    for k in range(300):
        trial = hold_trial(asked, rows(8, 0.0, cells=8, seed=k))
        low = trial.interval().low
        assert low is not None
        alarms += trial.p <= 0.05 and low > 0.001
    assert alarms / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_a_trial_survives_json() -> None:
    trial = hold_trial(record(), rows(6, 0.5))
    assert Trial.from_json(trial.to_json()) == trial
    nothing = hold_trial(record(), rows(2, 0.5, cells=3))
    assert math.isnan(Trial.from_json(nothing.to_json()).effect)
    assert design_of(record("greater", 1, quantity="state", across="units")) == "unit difference"
