"""The component tree against labelling every level; the best set against trying all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lucyte.segment import tree
from reference import component_tree as slow


@settings(max_examples=30, deadline=None)
@given(arrays(np.int32, (5, 6), elements=st.integers(0, 4)))
def test_the_patches_of_the_tree_are_those_of_all_levels(levels):
    flat = levels.ravel()
    parent, order = tree.component_tree(flat, levels.shape[1])
    position = np.argsort(order)
    assert (position[parent] <= position).all()
    members = {}
    for i in range(flat.size):
        node = i if parent[i] == i or flat[parent[i]] != flat[i] else parent[i]
        while True:
            members.setdefault(node, set()).add(i)
            if parent[node] == node:
                break
            node = parent[node]
    got = {(int(flat[node]), frozenset(each)) for node, each in members.items()}
    assert got == set(slow.patches(levels))


@settings(max_examples=20, deadline=None)
@given(arrays(np.int32, (4, 5), elements=st.integers(0, 30)))
def test_the_best_set_is_worth_what_trying_all_finds(levels):
    flat = levels.ravel()
    parent, order = tree.component_tree(flat, levels.shape[1])
    worth = tree._worth(parent, order, flat, levels.shape[1], 2.0, 12.0)
    values = []
    for level, patch in slow.patches(levels):
        if not 2 <= len(patch) <= 12:
            continue
        area, ellipse, growth = slow.worth(level, patch, levels, tree._SINK * tree._STEPS)
        fit = math.exp(-max(0.0, 1 - ellipse) / tree._ELLIPSE)
        values.append((area * (tree._CLUMP + fit) * math.exp(-growth / tree._SPREAD), patch))
    if len(values) > 12:
        values = sorted(values, key=lambda each: -each[0])[:12]
        assert _sum(parent, order, flat, worth) >= slow.best_sum(values) - 1e-9
    else:
        assert _sum(parent, order, flat, worth) == pytest.approx(slow.best_sum(values))


def _sum(parent, order, flat, worth):
    labels = tree._best(parent, order, flat, worth)
    total = 0.0
    for name in np.unique(labels[labels > 0]):
        inside = np.flatnonzero(labels == name)
        total += worth[inside].max() if len(inside) else 0.0
        tops = [i for i in inside if worth[i] > 0 and labels[parent[i]] != name]
        total += (worth[tops[0]] - worth[inside].max()) if tops else 0.0
    return total


def test_a_dim_disc_beside_one_a_hundred_times_brighter_is_its_own():
    yy, xx = np.mgrid[:60, :90]
    bright = np.zeros((60, 90), np.float32)
    near = np.hypot(yy - 30, xx - 28) < 12
    far = np.hypot(yy - 30, xx - 62) < 12
    bright[near], bright[far] = 8.0, 2.0
    labels = tree.best_patches(bright, 24.0)
    assert labels.max() == 2
    assert set(np.unique(labels[near])) != set(np.unique(labels[far]))
    assert (labels[~near & ~far] == 0).all()
