"""Permutation over units, multiplicity and power."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.schema.errors import UsageError
from lucyte.stats.multiplicity import benjamini_hochberg, holm
from lucyte.stats.permutation import permutation_test, smallest_p, unit_labels
from lucyte.stats.power import fewest_for_permutation, t_power, units_for_power
from reference.permutation import adjust_bh, adjust_holm, exact_p


def gap(values: list[float]):  # type: ignore[no-untyped-def]
    x = np.asarray(values)
    return lambda labels: float(
        x[np.asarray(labels) == 1].mean() - x[np.asarray(labels) == 0].mean()
    )


def test_three_against_three_reaches_a_tenth() -> None:
    result = permutation_test(gap([1, 2, 3, 11, 12, 13]), [0, 0, 0, 1, 1, 1])
    assert result.exact
    assert (result.arrangements, result.p, result.smallest_p) == (20, 0.1, 0.1)
    assert not result.can_reach(0.05)
    assert smallest_p([0, 0, 0, 1, 1, 1]) == 0.1
    assert smallest_p([0, 0, 0, 1, 1, 1, 1]) == pytest.approx(1 / 35)
    assert smallest_p([0] * 3 + [1] * 3, "greater") == 0.05
    assert fewest_for_permutation(0.05) == 4


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=5, max_size=6), st.integers(1, 4), st.booleans())
def test_exact_p_equals_brute_force(values: list[int], ones: int, two_sided: bool) -> None:
    labels = [1] * ones + [0] * (len(values) - ones)
    statistic = gap([float(v) for v in values])
    side = "two-sided" if two_sided else "greater"
    result = permutation_test(statistic, labels, side)
    assert result.p == pytest.approx(exact_p(statistic, labels, two_sided), abs=1e-9)
    assert result.p >= result.smallest_p >= smallest_p(labels, side) - 1e-12


def test_drawn_p_is_b_plus_one_over_m_plus_one() -> None:
    values = list(range(24))
    labels = [0] * 12 + [1] * 12
    result = permutation_test(gap(values), labels, permutations=199, seed=1)
    assert not result.exact
    assert result.p == 1 / 200
    assert result.smallest_p == 1 / 200
    assert result == permutation_test(gap(values), labels, permutations=199, seed=1)


def test_p_is_not_too_small_under_the_null() -> None:
    rng = np.random.default_rng(0)
    labels = [0] * 5 + [1] * 5
    p = np.array(
        [
            permutation_test(gap(rng.normal(size=10).tolist()), labels, permutations=99, seed=k).p
            for k in range(400)
        ]
    )
    for alpha in (0.05, 0.1, 0.2):
        error = np.sqrt(alpha * (1 - alpha) / 400)
        assert (p <= alpha).mean() <= alpha + 3 * error


def test_units_need_one_label_each() -> None:
    assert unit_labels(["f", "s", "f"], ["w2", "w1", "w2"]) == (("w1", "w2"), ("s", "f"))
    with pytest.raises(UsageError, match=r"unit 'w1' holds \['f', 's'\]"):
        unit_labels(["f", "s"], ["w1", "w1"])
    with pytest.raises(UsageError, match="at least two classes"):
        permutation_test(lambda _: 0.0, [1, 1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_equal_twins(p: list[float]) -> None:
    assert holm(p) == pytest.approx(adjust_holm(p), abs=1e-9)
    assert benjamini_hochberg(p) == pytest.approx(adjust_bh(p), abs=1e-9)


def test_a_question_not_asked_does_not_count() -> None:
    adjusted = holm([0.01, np.nan, 0.02])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(adjusted[1])
    with pytest.raises(UsageError, match="between 0 and 1"):
        holm([1.2])


def test_power_agrees_with_simulation_and_its_inverse() -> None:
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4000, 5)), rng.normal(1.5, 1, size=(4000, 7))
    seen = (ttest_ind(a, b, axis=1).pvalue < 0.05).mean()
    assert t_power(1.5, (5, 7)) == pytest.approx(seen, abs=0.025)
    n = units_for_power(1.0)
    assert n == 17  # Cohen 1988, table 2.4.1
    assert t_power(1.0, (n, n)) >= 0.8 > t_power(1.0, (n - 1, n - 1))
    with pytest.raises(UsageError, match="cannot be found"):
        units_for_power(0.0)
