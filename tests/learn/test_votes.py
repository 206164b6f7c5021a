"""Votes of parts for what they are parts of."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.learn.votes import vote
from lucyte.schema.errors import UsageError


def test_votes_by_hand():
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    found = vote(np.log(p) + 7.0, ["s2", "s2", "s1"])
    assert found.names == ("s1", "s2") and list(found.n) == [1, 2]
    mean = np.sqrt([0.9 * 0.4, 0.1 * 0.6])
    assert np.exp(found.log_probabilities) == pytest.approx(
        np.array([[0.2, 0.8], mean / mean.sum()])
    )
    assert found.carry("label", ["x", "x", "y"], ["s2", "s2", "s1"]) == ("y", "x")


def test_parts_that_differ_and_parts_that_are_unknown():
    logits = np.array([[1.0, 0.0], [np.nan, 0.0]])
    assert list(vote(logits, ["a", "a"]).n) == [1]
    with pytest.raises(UsageError, match="parts of 'a' differ in label: 'x' and 'y'"):
        vote(np.zeros((2, 2)), ["a", "a"]).carry("label", ["x", "y"], ["a", "a"])
    with pytest.raises(UsageError, match="no answer is known"):
        vote(np.full((1, 2), np.nan), ["a"])
    with pytest.raises(UsageError, match="got 2 answers and 1 sources"):
        vote(np.zeros((2, 2)), ["a"])
