from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.neighbours import continuity, jaccard, nearest, overlap, trustworthiness
from reference import neighbours as slow


def test_neighbours_are_those_of_the_definition(monkeypatch):
    monkeypatch.setattr("lucyte.stats.neighbours.ROWS", 7)
    rng = np.random.default_rng(0)
    points = rng.integers(0, 5, (40, 2)).astype(float)  # many ties, some points coincide
    assert nearest(points, 6).tolist() == slow.nearest(points, 6)


def test_overlap_and_jaccard_are_those_of_sets():
    rng = np.random.default_rng(1)
    first, second = nearest(rng.normal(size=(30, 3)), 5), nearest(rng.normal(size=(30, 3)), 5)
    share = overlap(first, second)
    assert jaccard(share) == pytest.approx(slow.jaccard(first, second))
    assert overlap(first, first).tolist() == [1.0] * 30


def test_a_ring_cut_open_is_trustworthy_and_not_continuous():
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring, line = np.column_stack([np.cos(angle), np.sin(angle)]), angle[:, None]
    assert trustworthiness(ring, line, 4) > 0.995
    assert continuity(ring, line, 4) < 0.98
    assert continuity(ring, ring, 4) == 1.0
    rng = np.random.default_rng(2)
    high, low = rng.normal(size=(25, 4)), rng.normal(size=(25, 2))
    assert trustworthiness(high, low, 5) == pytest.approx(slow.trustworthiness(high, low, 5))
    assert continuity(high, low, 5) == pytest.approx(slow.continuity(high, low, 5))


def test_impossible_neighbours_are_refused():
    with pytest.raises(UsageError, match="5 neighbours of 5 points: 1 to 4 exist"):
        nearest(np.zeros((5, 2)), 5)
    with pytest.raises(UsageError, match="without a place has no neighbours"):
        nearest(np.array([[0.0, np.nan], [1, 1]]), 1)
    with pytest.raises(UsageError, match="do not compare"):
        overlap(np.zeros((3, 2), int), np.zeros((3, 1), int))
