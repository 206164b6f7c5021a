from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.learn.splits import (
    best_folds,
    even_sample,
    group_folds,
    leave_one_group_out,
    random_folds,
)
from lucyte.schema.errors import UsageError
from reference.splits import fewest_missing, is_even, missing_classes, shared_groups

samples = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([f"w{k}" for k in range(7)])),
    min_size=4,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(samples, st.integers(2, 4), st.integers(0, 5))
def test_groups_stay_whole_and_every_fold_is_used(pairs, k, seed):
    labels, groups = [p[0] for p in pairs], [p[1] for p in pairs]
    if len(set(labels)) < 2:
        with pytest.raises(UsageError, match="one class only"):
            group_folds(labels, groups, k, seed)
        return
    possible, why = best_folds(labels, groups, k)
    if possible < k:
        with pytest.raises(UsageError, match="are not possible: class"):
            group_folds(labels, groups, k, seed)
        assert ("at least 2" in why) == (possible == 0)
        return
    folds = group_folds(labels, groups, k, seed)
    assert shared_groups(folds, groups) == []
    assert set(folds) == set(range(k))
    assert np.array_equal(folds, group_folds(labels, groups, k, seed))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.lists(st.integers(0, 4), min_size=2, max_size=3), st.integers(0, 9))
def test_wells_of_one_class_give_folds_with_every_class(k, extra, seed):
    labels, groups = [], []
    for name, more in zip("abc", extra, strict=False):
        for well in range(k + more):
            cells = 1 + (7 * well + seed) % 5
            labels += [name] * cells
            groups += [f"{name}{well}"] * cells
    assert missing_classes(group_folds(labels, groups, k, seed), labels, k) == []


def test_mixed_groups_come_close_to_the_best_assignment_there_is():
    rng = np.random.default_rng(3)
    behind = []
    for _ in range(25):
        groups = rng.integers(0, 6, 30).astype(str)
        labels = np.array(list("aaabbc"))[rng.integers(0, 6, 30)]
        if best_folds(labels, groups, 2)[0] < 2:
            continue
        got = len(missing_classes(group_folds(labels, groups, 2, 0), labels, 2))
        behind.append(got - fewest_missing(labels, groups, 2))
    assert len(behind) > 15, "test invalid: too few cases allow two folds"
    assert min(behind) == 0
    assert sum(behind) <= 1


def test_refusals_say_what_is_possible():
    labels = ["fed"] * 6 + ["starved"] * 4
    groups = ["A1", "A1", "A2", "A2", "A3", "A3", "B1", "B1", "B2", "B2"]
    with pytest.raises(UsageError, match=r"'starved' is in 2 groups.*at most 2 folds"):
        group_folds(labels, groups, 3, 0)
    assert best_folds(labels, groups, 5)[0] == 2
    assert best_folds(labels, ["A"] * 6 + ["B"] * 4, 2) == (
        0,
        "class 'fed' is in 1 group; every class needs at least 2, one to learn from and one to "
        "be tested on.",
    )
    with pytest.raises(UsageError, match="at least 2 folds, got 1"):
        best_folds(labels, groups, 1)
    with pytest.raises(UsageError, match="one of each per sample"):
        group_folds(labels, groups[:3], 2, 0)


def test_leave_one_group_out():
    assert leave_one_group_out(["b", "a", "b"]).tolist() == [1, 0, 1]
    with pytest.raises(UsageError, match="one group only"):
        leave_one_group_out(["a", "a"])


def test_random_splits_must_be_asked_for_and_are_reported():
    labels, groups = list("aabb") * 10, ["w1", "w2"] * 20
    with pytest.raises(UsageError, match="--allow-leakage"):
        random_folds(labels, groups, 4, 0)
    folds, warning = random_folds(labels, groups, 4, 0, allow_leakage=True)
    assert shared_groups(folds, groups) == ["w1", "w2"]
    assert missing_classes(folds, labels, 4) == []
    assert "say nothing about new groups" in warning


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.integers(1, 30))
def test_even_sample_takes_from_all_groups_alike(groups, most):
    chosen = even_sample(groups, most, 1)
    assert len(chosen) == len(set(chosen.tolist())) == min(most, len(groups))
    assert is_even(chosen, groups)
