"""Two annotators: kappa, agreement per class, intervals over groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from lucyte.schema.errors import UsageError
from lucyte.stats.agreement_kappa import pair_agreement
from reference.agreement import slow_jackknife, slow_kappa, slow_specific

CLASSES = ("fed", "starved", "unknown")


def two_annotators(n: int, wells: int, seed: int) -> tuple[list[str], list[str], list[str]]:
    """Calls that agree about three times in four, and the well of each."""
    rng = np.random.default_rng(seed)
    first = rng.choice(CLASSES, n, p=(0.5, 0.4, 0.1)).tolist()
    other = rng.choice(CLASSES, n).tolist()
    second = [a if rng.random() < 0.7 else b for a, b in zip(first, other, strict=True)]
    return first, second, [f"w{k % wells}" for k in range(n)]


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1))
def test_kappa_and_each_class_are_as_defined(calls: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in calls], [b for _, b in calls]
    got = pair_agreement(first, second, ["w"] * len(calls), CLASSES)
    assert got.kappa.estimate == pytest.approx(slow_kappa(first, second), nan_ok=True)
    for each in got.per_class:
        wanted = slow_specific(first, second, each.name)
        assert each.specific.estimate == pytest.approx(wanted, nan_ok=True)
        assert (each.first, each.second) == (first.count(each.name), second.count(each.name))
    assert got.confusion.sum() == got.n == len(calls)


def test_kappa_equals_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    first, second, wells = two_annotators(200, 10, seed=1)
    got = pair_agreement(first, second, wells, CLASSES)
    assert got.kappa.estimate == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert 0.3 < got.kappa.estimate < 0.9, "test invalid: nothing to tell apart"
    assert (got.confusion == confusion_matrix(first, second, labels=CLASSES)).all()


def test_the_interval_leaves_whole_wells_out() -> None:
    first, second, wells = two_annotators(120, 8, seed=2)
    got = pair_agreement(first, second, wells).kappa
    kept = [[k for k, well in enumerate(wells) if well != f"w{out}"] for out in range(8)]
    values = [slow_kappa([first[k] for k in rows], [second[k] for k in rows]) for rows in kept]
    wanted = slow_jackknife(values, slow_kappa(first, second), float(student.ppf(0.975, 7)))
    assert (got.low, got.high) == pytest.approx(wanted, abs=1e-9)
    assert (got.n, got.method) == (8, "jackknife t over units")


def test_few_wells_have_no_interval_and_many_a_bootstrap() -> None:
    first, second, wells = two_annotators(60, 5, seed=3)
    few = pair_agreement(first, second, wells).kappa
    assert (few.low, few.high, few.method) == (None, None, "no interval: fewer than 6 units")
    first, second, wells = two_annotators(200, 40, seed=3)
    many = pair_agreement(first, second, wells)
    assert many.kappa.method == "BCa bootstrap over units"
    assert many.kappa.low is not None and many.kappa.high is not None
    assert many.kappa.low < many.kappa.estimate < many.kappa.high <= 1
    assert many.kappa == pair_agreement(first, second, wells).kappa, "the same seed, another answer"


def test_one_class_alone_says_nothing() -> None:
    got = pair_agreement(["fed"] * 9, ["fed"] * 9, [f"w{k}" for k in range(9)], CLASSES)
    assert math.isnan(got.kappa.estimate)
    assert got.observed.estimate == 1
    assert math.isnan(got.per_class[1].specific.estimate)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="each with a group; got 2, 1 and 2"):
        pair_agreement(["a", "b"], ["a"], ["w", "w"])
    with pytest.raises(UsageError, match="nothing in common yet"):
        pair_agreement([], [], [])
    with pytest.raises(UsageError, match="unknown class 'fad', did you mean 'fed'"):
        pair_agreement(["fad"], ["fed"], ["w"], CLASSES)
