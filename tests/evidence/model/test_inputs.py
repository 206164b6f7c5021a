"""Each nested input takes away what it says it takes away, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.evidence.model import inputs
from lucyte.schema.errors import UsageError
from worlds.crops import world


def test_masked_crops_hold_one_constant_outside() -> None:
    cells = world(tint=50).of_kind("cell")
    out = inputs.masked(cells, [7, 8])
    outside = ~cells.masks
    assert np.ptp(cells.crops[:, 1][outside]) > 50, "the tint must be there to be removed"
    assert set(np.unique(out[:, 1][outside])) == {8.0}
    assert np.array_equal(out[:, 0][cells.masks], cells.crops[:, 0][cells.masks])


def test_subtracting_removes_a_tint_that_adds_everywhere() -> None:
    plain, tinted = world().of_kind("cell"), world(tint=50).of_kind("cell")
    assert np.abs(plain.crops - tinted.crops).max() > 49
    gap = inputs.subtracted(plain, 3) - inputs.subtracted(tinted, 3)
    assert np.abs(gap).max() < 1e-4


def test_erasing_leaves_background_alone() -> None:
    cells = world(signal=500).of_kind("cell")
    out = inputs.erased(cells, 3, seed=0)
    free = ~inputs.grown(cells.foreground, 3)
    assert np.array_equal(out[:, 0][free], cells.crops[:, 0][free])
    for k in range(5):
        assert set(out[k, 0].ravel()) <= set(cells.crops[k, 0][free[k]].ravel())
    pair = {tuple(p) for p in cells.crops[0][:, free[0]].T}
    assert {tuple(p) for p in out[0].reshape(2, -1).T} <= pair, "channels of a pixel stay together"


def test_matching_equalises_size() -> None:
    cells = world(size=1.5, cells=60).of_kind("cell")
    area = cells.masks.sum(axis=(1, 2))
    starved = np.asarray(cells.labels) == "starved"
    before = area[starved].mean() - area[~starved].mean()
    rows = inputs.matched_rows(cells, seed=0)
    after = area[rows][starved[rows]].mean() - area[rows][~starved[rows]].mean()
    assert before > 50
    assert abs(after) < before / 5
    assert starved[rows].sum() * 2 == len(rows) > 20


def test_silhouettes_hold_no_light() -> None:
    assert np.array_equal(
        inputs.silhouettes(world(1).of_kind("cell")),
        inputs.silhouettes(world(1, tint=90, signal=0).of_kind("cell")),
    )


def test_a_mask_that_covers_everything_is_refused_with_a_reason() -> None:
    from dataclasses import replace

    cells = world().of_kind("cell")
    covered = replace(cells, foreground=np.ones_like(cells.foreground))
    assert np.isnan(inputs.free_level(covered, 3)).all()
    assert len(inputs.with_free_level(covered, 3)) == 0
    with pytest.raises(UsageError, match="too few cell-free pixels to subtract"):
        inputs.subtracted(covered, 3)
    with pytest.raises(UsageError, match="too few cell-free pixels to erase"):
        inputs.erased(covered, 3, 0)


def test_field_statistics_see_the_tint_not_the_light_of_cells() -> None:
    found = inputs.field_statistics(world(tint=20, signal=500), 3)
    tint = found.light[:, found.light_columns.index("RFP_minus_GFP")]
    starved = np.asarray(found.labels) == "starved"
    assert len(tint) == 12
    assert tint[starved] == pytest.approx(20, abs=2)
    assert tint[~starved] == pytest.approx(0, abs=2)
    area = found.outlines[:, 0]
    assert area == pytest.approx(np.pi * 36, rel=0.1)
