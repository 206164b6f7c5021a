"""The inner split keeps groups whole and classes learnable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.learn.inner_split import inner_split
from lucyte.schema.errors import UsageError


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=8, max_size=80),
    st.integers(0, 5),
)
def test_no_group_on_both_sides_and_every_class_is_learned(pairs, seed):
    labels = [f"c{a}" for a, _ in pairs] + ["c0", "c1"]
    groups = [f"g{b}" for _, b in pairs] + ["g0", "g1"]
    train, validation, told = inner_split(labels, groups, 0.25, seed)
    y, g = np.array(labels), np.array(groups)
    assert not set(g[train]) & set(g[validation])
    assert sorted([*train, *validation]) == list(range(len(y)))
    assert set(y[train]) == set(y)
    assert told


def test_every_class_is_validated_where_groups_allow():
    labels = ["a"] * 30 + ["b"] * 30 + ["rare"] * 6
    groups = [f"a{k // 5}" for k in range(30)] + [f"b{k // 5}" for k in range(30)]
    groups += ["r0"] * 3 + ["r1"] * 3
    train, validation, told = inner_split(labels, groups, 0.2, 0)
    assert set(np.array(labels)[validation]) == {"a", "b", "rare"}
    assert told == "inner validation on 4 of 14 groups (18 of 66 samples)"
    assert np.array_equal(train, inner_split(labels, groups, 0.2, 0)[0])


def test_a_class_in_one_group_is_learned_and_named():
    labels = ["a"] * 20 + ["b"] * 20 + ["lone"] * 4
    groups = [f"a{k // 5}" for k in range(20)] + [f"b{k // 5}" for k in range(20)] + ["l"] * 4
    train, _, told = inner_split(labels, groups, 0.3, 1)
    assert set(np.array(labels)[train]) == {"a", "b", "lone"}
    assert told.endswith("not validated, for want of groups: lone")


def test_what_is_refused():
    with pytest.raises(UsageError, match=r"got one class only \('a'\)"):
        inner_split(["a", "a"], ["x", "y"], 0.2, 0)
    with pytest.raises(UsageError, match=r"from 0 to below 1, got 1.5"):
        inner_split(["a", "b"], ["x", "y"], 1.5, 0)
    assert len(inner_split(["a", "b"], ["x", "y"], 0, 0)[1]) == 0
