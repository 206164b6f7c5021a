"""Crops of cells and of empty places; measured in a crop as in the field."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lucyte.measure.columns import model_features
from lucyte.measure.crops import background_patches, cut_crops
from lucyte.measure.frame import measure_frame
from lucyte.measure.mosaic import measure_crops
from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.schema.objects import FrameObjects
from lucyte.schema.plan import MeasureSettings

ALL = MeasureSettings(ratios=[("EGFP", "mRFP")])


@pytest.fixture(scope="module")
def field():
    """Cells that touch, with spots, one cut by the border, and room between."""
    rng = np.random.default_rng(1)
    labels = np.zeros((200, 260), np.int32)
    yy, xx = np.mgrid[:200, :260]
    places = [(40, 40), (40, 66), (60, 200), (150, 60), (160, 200), (2, 120), (170, 230)]
    light = rng.normal(100, 4, (2, 200, 260))
    for label, (y, x) in enumerate(places, 1):
        a, b = rng.uniform(10, 16, 2)
        labels[((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 < 1] = label
        for _ in range(3):
            sy, sx = np.array([y, x]) + rng.uniform(-7, 7, 2)
            light += 150 * np.exp(-((yy - sy) ** 2 + (xx - sx) ** 2) / 5)
    image = make_image(light.astype(np.uint16), "CYX", channels=["EGFP", "mRFP"])
    table = measure_frame(image, FrameObjects({"cell": labels}), ALL)
    table = table.assign(
        object_id=[f"f/t000/cell/{k}" for k in table["label"]],
        field_id="f",
        time_index=3,
        plate="P",
        well="A1",
        condition="fed",
    )
    return image, labels, table


def test_a_crop_measures_as_the_field_does(field):
    image, labels, table = field
    crops = cut_crops(image, labels, table, 48)
    names = model_features(table.columns)
    kept = table.set_index("object_id").loc[list(crops.object_ids), names].reset_index(drop=True)
    assert kept["spots_count_EGFP"].sum() > 4, "test invalid"
    got = measure_crops(crops.crops, crops.masks, crops.channels, ALL)
    assert list(got.columns) == names
    pd.testing.assert_frame_equal(got, kept, check_dtype=False, rtol=1e-9, atol=0)


def test_crops_are_centred_and_carry_their_identity(field):
    image, labels, table = field
    crops = cut_crops(image, labels, table.iloc[::-1], 48)
    assert "f/t000/cell/6" not in crops.object_ids
    assert len(crops) == 6
    for crop, mask, name in zip(crops.crops, crops.masks, crops.object_ids, strict=True):
        label = int(name.rsplit("/", 1)[1])
        assert mask.sum() == (labels == label).sum()
        assert set(np.unique(crop[0][mask])) == set(np.unique(image.values[0][labels == label]))
        y, x = np.nonzero(mask)
        assert abs(y.min() + y.max() + 1 - 48) <= 1
        assert abs(x.min() + x.max() + 1 - 48) <= 1
    touching = crops.object_ids.index("f/t000/cell/1")
    assert crops.foreground[touching].sum() > crops.masks[touching].sum()
    assert set(crops.groups) == {"P/A1"}
    assert set(crops.labels) == {"fed"}
    assert crops.time_index.tolist() == [3] * 6
    assert len(cut_crops(image, labels, table, 48, limit=2)) == 2


def test_background_patches_hold_no_object_and_know_how_far_it_is(field):
    image, labels, _ = field
    got = background_patches(image, labels > 0, 24, 12, seed=4)
    assert len(got) == 12
    assert not got.foreground.any()
    assert set(got.kind) == {"background"}
    again = background_patches(image, labels > 0, 24, 12, seed=4)
    np.testing.assert_array_equal(got.crops, again.crops)
    other = background_patches(image, labels > 0, 24, 12, seed=5)
    assert not np.array_equal(got.crops, other.crops)
    # Where is each patch? Its pixels are noise, so they are found only there.
    inside = np.argwhere(labels > 0)
    windows = np.lib.stride_tricks.sliding_window_view(image.values[0], (24, 24))
    for crop, distance in zip(got.crops, got.distance_px, strict=True):
        (corner,) = np.argwhere((windows == crop[0]).all((-1, -2)))
        nearest = np.sqrt(((inside - (corner + 12)) ** 2).sum(1).min())
        assert distance == pytest.approx(nearest)


def test_without_room_there_are_no_patches(field):
    image, labels, _ = field
    assert len(background_patches(image, np.ones(labels.shape, bool), 8, 5, 0)) == 0
    assert len(background_patches(image, labels > 0, 500, 5, 0)) == 0
    free = background_patches(image, np.zeros(labels.shape, bool), 24, 5, 0)
    assert np.isinf(free.distance_px).all()


def test_an_empty_mask_is_a_row_of_nan_in_its_place(field):
    image, labels, table = field
    crops = cut_crops(image, labels, table, 48)
    masks = crops.masks.copy()
    masks[1] = False
    got = measure_crops(crops.crops, masks, crops.channels, ALL)
    assert got.iloc[1].isna().all()
    assert got["area_px"].notna().sum() == len(crops) - 1


def test_refusals(field):
    image, labels, table = field
    with pytest.raises(UsageError, match="needs the columns label, x0_px"):
        cut_crops(image, labels, table[["plate"]], 48)
    with pytest.raises(UsageError, match="a side of at least 1 px, got 0"):
        cut_crops(image, labels, table, 0)
    with pytest.raises(UsageError, match=r"crops are cut from one frame C Y X, got Z Y X"):
        background_patches(make_image(np.zeros((2, 9, 9)), "ZYX"), labels > 0, 3, 1, 0)
    with pytest.raises(UsageError, match="crops must be N C Y X and masks N Y X"):
        measure_crops(np.zeros((2, 1, 8, 8)), np.zeros((3, 8, 8), bool), ["a"], ALL)
    with pytest.raises(UsageError, match="got 2 channel names for 1 channels"):
        measure_crops(np.zeros((2, 1, 8, 8)), np.zeros((2, 8, 8), bool), ["a", "b"], ALL)
