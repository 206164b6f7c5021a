"""A CropSet keeps its rows together and refuses what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.schema.crops import join
from lucyte.schema.errors import UsageError
from worlds.crops import world


def test_rows_stay_together() -> None:
    crops = world()
    order = np.random.default_rng(0).permutation(len(crops))
    taken = crops.take(order)
    for k in (0, 7, 100):
        assert taken.object_ids[k] == crops.object_ids[order[k]]
        assert np.array_equal(taken.crops[k], crops.crops[order[k]])
        assert taken.distance_px[k] == crops.distance_px[order[k]]
    cells, places = crops.of_kind("cell"), crops.of_kind("background")
    assert (len(cells), len(places)) == (96, 72)
    both = join([cells, places])
    assert sorted(both.object_ids) == sorted(crops.object_ids)
    assert both.units_per_class() == {"fed": 3, "starved": 3}


def test_a_predictor_gets_its_channels_by_name() -> None:
    crops = world()
    given = crops.for_channels(("RFP", "mask:cell", "GFP"))
    assert np.array_equal(given[:, 0], crops.crops[:, 1])
    assert np.array_equal(given[:, 1] > 0, crops.masks)
    assert np.array_equal(given[:, 2], crops.crops[:, 0])
    with pytest.raises(UsageError, match="unknown channel 'mRFP', did you mean 'RFP'"):
        crops.for_channels(["mRFP"])


def test_what_does_not_fit_is_refused() -> None:
    crops = world()
    with pytest.raises(UsageError, match="square"):
        replace(crops, crops=crops.crops[..., :20])
    with pytest.raises(UsageError, match="labels must have one entry per crop"):
        replace(crops, labels=crops.labels[:-1])
    with pytest.raises(UsageError, match="unknown kind of crop 'cel'"):
        replace(crops, kind=("cel",) * len(crops))
    with pytest.raises(UsageError, match="crops to join must share channels, size and unit"):
        join([crops, replace(crops, unit="field")])
    with pytest.raises(UsageError, match="no crops to join"):
        join([])
