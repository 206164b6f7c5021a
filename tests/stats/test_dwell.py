"""Spells and first passages, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.stats.dwell import first_passage, spells


def test_a_switch_lies_half_way() -> None:
    found = spells([7] * 5, [0, 1, 2, 4, 5], ["a", "a", "b", "b", "a"])
    assert found["state"].tolist() == ["a", "b", "a"]
    assert found["starts_h"].tolist() == [0, 1.5, 4.5]
    assert found["ends_h"].tolist() == [1.5, 4.5, 5]
    assert found["start_seen"].tolist() == [False, True, True]
    assert found["end_seen"].tolist() == [True, True, False]
    assert found["next_state"].tolist() == ["b", "a", ""]


def test_births_start_a_spell_and_gaps_cut_it() -> None:
    found = spells([1, 1, 1, 2, 2], [1, 2, 9, 1, 2], ["a"] * 5, {2: 0.5}, longest_gap_h=3)
    assert found["track"].tolist() == [1, 1, 2]
    assert found["start_seen"].tolist() == [False, False, True]
    assert found["at_birth"].tolist() == [False, False, True]
    assert found["duration_h"].tolist() == [1, 0, 1.5]
    assert not found["end_seen"].any()


def test_unknown_states_and_nothing() -> None:
    assert spells([1, 1, 1], [0, 1, 2], ["a", "", "a"])["looks"].tolist() == [2]
    assert spells([], [], []).empty
    with pytest.raises(UsageError, match="track 1 has two states at 0 h"):
        spells([1, 1], [0, 0], ["a", "b"])


def test_first_passage_kinds() -> None:
    found = first_passage(
        [1, 1, 2, 2, 3, 3, 4, 4], [0, 2, 1, 2, 0, 2, 0, 2], [0, 1, 1, 1, 0, 0, 1, 0]
    )
    assert found["kind"].tolist() == ["interval", "left", "right", "already"]
    assert found["lower_h"].tolist() == [0, 0, 2, 0]
    assert found["upper_h"].tolist() == [2, 1, np.inf, 0]
