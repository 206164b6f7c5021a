"""Small pictures of single cells with their causes."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.simulate.crops import crops
from lucyte.simulate.settings import demo_settings, shortcut_settings


def test_crops_are_balanced_masked_and_repeatable() -> None:
    pictures, labels, groups, masks, causes, decoys = crops(None, 48, 48, 1)
    assert pictures.shape == (48, 3, 48, 48) and pictures.dtype == np.uint16
    assert labels.count("fed") == labels.count("starved") == 24
    assert len(set(groups)) == 12
    pairs = set(zip(groups, labels, strict=True))
    assert len(pairs) == 12, "every well holds one condition"
    assert masks[:, 24, 24].mean() > 0.9
    assert 0.1 < masks.mean() < 0.6
    assert (causes & masks).sum() > 0 and (causes & ~masks).sum() < 0.1 * causes.sum()
    assert decoys.any()
    again = crops(None, 48, 48, 1)
    assert np.array_equal(pictures, again.crops) and np.array_equal(causes, again.cause_masks)
    assert not np.array_equal(pictures, crops(None, 48, 48, 2).crops)
    assert np.array_equal(pictures[:12], crops(None, 12, 48, 1).crops), "more is only more"


def test_twin_crops_differ_where_the_cause_is_and_nowhere_else() -> None:
    here = crops(None, 40, 64, 3)
    there = crops(None, 40, 64, 3, twins=True)
    assert np.array_equal(here.masks, there.masks)
    assert np.array_equal(here.decoy_masks, there.decoy_masks)
    assert np.array_equal(here.cause_masks, there.cause_masks)
    assert all(a != b for a, b in zip(here.labels, there.labels, strict=True))
    changed = np.abs(here.crops.astype(int) - there.crops).max(1)
    inside, outside = changed[here.cause_masks], changed[~here.cause_masks]
    assert np.median(inside) > 20 * max(np.median(outside), 1)


def test_without_effect_nothing_is_a_cause_but_the_shortcut_shows() -> None:
    planted = crops(shortcut_settings("tint"), 24, 40, 0)
    sham = crops(shortcut_settings("tint", sham=True), 24, 40, 0)
    zero = crops(shortcut_settings("tint", 0.0), 24, 40, 0)
    assert not planted.cause_masks.any()
    assert np.array_equal(sham.crops, zero.crops)
    red = np.median(planted.crops[:, 1].astype(float) - planted.crops[:, 0], axis=(1, 2))
    starved = np.array(planted.labels) == "starved"
    assert np.median(red[starved]) > np.median(red[~starved]) + 10


def test_the_condition_can_be_told_from_the_causes() -> None:
    late = demo_settings()
    late = late.model_copy(update={"layout": late.layout.model_copy(update={"start_h": 6.0})})
    here = crops(late, 96, 64, 5)
    there = crops(late, 96, 64, 5, twins=True)
    starved = np.array(here.labels) == "starved"
    more_red = here.crops[:, 1].astype(float).sum((1, 2)) - there.crops[:, 1].sum((1, 2))
    assert np.mean((more_red > 0) == starved) > 0.95


@pytest.mark.parametrize(
    ("n", "px", "message"), [(0, 64, "0 crops"), (3, 8, "crops of 8 px: write 24 to 512")]
)
def test_sizes_that_make_no_sense_are_refused(n: int, px: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        crops(None, n, px, 0)
