"""Features of the own pixels against slow definitions, one object at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lucyte.measure.own import own_features
from lucyte.measure.regions import regions
from lucyte.measure.spots import find_spots
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import MeasureSettings
from reference import features as slow

ALL = MeasureSettings(ratios=[("EGFP", "mRFP")])


def blobs(seed: int) -> np.ndarray:
    """Touching ellipses, one with a hole, one in two pieces, one cut by the border."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 70), np.int32)
    yy, xx = np.mgrid[:60, :70]
    for label in (3, 9, 1, 40, 5):
        y, x, a, b = rng.uniform([0, 0, 4, 4], [60, 70, 14, 14])
        labels[((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 <= 1] = label
    labels[labels == 9] *= (rng.random((labels == 9).sum()) > 0.1).astype(np.int32)
    labels[0, 0] = 77
    return labels


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_feature_equals_its_definition(seed):
    labels = blobs(seed)
    rng = np.random.default_rng(seed + 100)
    planes = {name: rng.gamma(2, 40, labels.shape) for name in ("EGFP", "mRFP")}
    listed = regions(labels)
    got = own_features(listed, planes, ALL)
    assert len(listed) >= 4, "test invalid"
    for k, label in enumerate(listed.labels):
        mask = labels == label
        expected = slow.shape(mask) if mask.sum() > 1 else {"area_px": 1, "solidity": 1.0}
        for channel, plane in planes.items():
            values = slow.light(mask, plane)
            expected |= {f"{name}_{channel}": value for name, value in values.items()}
        a, b = planes["EGFP"][mask], planes["mRFP"][mask]
        expected["ratio_mean_EGFP_to_mRFP"] = a.mean() / b.mean()
        if mask.sum() > 1:
            expected["correlation_EGFP_to_mRFP"] = np.corrcoef(a, b)[0, 1]
        for name, value in expected.items():
            assert got[name][k] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("seed", [0, 1])
def test_shape_and_intensity_equal_regionprops(seed):
    from skimage.measure import regionprops_table

    labels = blobs(seed)
    plane = np.random.default_rng(seed).gamma(2, 40, labels.shape)
    got = own_features(regions(labels), {"x": plane}, MeasureSettings())
    names = {
        "area": "area_px",
        "perimeter": "perimeter_px",
        "eccentricity": "eccentricity",
        "orientation": "orientation",
        "axis_major_length": "major_axis_px",
        "axis_minor_length": "minor_axis_px",
        "intensity_mean": "intensity_mean_x",
        "intensity_max": "intensity_max_x",
        "intensity_min": "intensity_min_x",
    }
    table = regionprops_table(labels, plane, properties=list(names))
    many = got["area_px"] > 1
    for theirs, ours in names.items():
        np.testing.assert_allclose(got[ours][many], table[theirs][many], rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(arrays(np.int32, (9, 10), elements=st.integers(0, 2)))
def test_any_scatter_of_pixels_has_the_shape_of_its_definition(labels):
    listed = regions(labels)
    got = own_features(listed, {}, MeasureSettings())
    for k, label in enumerate(listed.labels):
        mask = labels == label
        assert got["solidity"][k] == pytest.approx(mask.sum() / slow.hull_area(mask))
        assert got["thickness_px"][k] == pytest.approx(slow.depth(mask).max() / 3)
        assert 0 < got["solidity"][k] <= 1 + 1e-12


@pytest.mark.parametrize("diameter", [3.0, 5.0])
def test_spots_are_those_of_their_definition(diameter):
    rng = np.random.default_rng(5)
    labels = np.zeros((50, 64), np.int32)
    yy, xx = np.mgrid[:50, :64]
    for label, (y, x) in enumerate([(22, 20), (26, 46)], 1):
        labels[(yy - y) ** 2 + (xx - x) ** 2 < 16**2] = label
    plane = rng.normal(100, 3, labels.shape)
    for y, x in [(18, 18), (30, 24), (25, 45), (15, 50)]:
        plane += 80 * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * (diameter / 2.5) ** 2))
    found = find_spots(regions(labels), plane, diameter)
    got = [
        {tuple(p) for p in np.argwhere(found.index == k).tolist()} for k in range(len(found.owner))
    ]
    expected = [s for label in (1, 2) for s in slow.spots(labels == label, plane, diameter)]
    assert len(expected) == 4, "test invalid"
    assert sorted(map(sorted, got)) == sorted(map(sorted, expected))
    assert found.owner.tolist() == [0, 0, 1, 1]


def test_yellow_and_red_alone_are_told_apart():
    labels = np.ones((40, 60), np.int32)
    yy, xx = np.mgrid[:40, :60]

    def dots(places):
        out = np.full(labels.shape, 50.0)
        for y, x in places:
            out += 100 * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 4)
        return out

    yellow, red = [(10, 10), (10, 30)], [(30, 15), (30, 35), (30, 50)]
    planes = {"EGFP": dots(yellow), "mRFP": dots(yellow + red)}
    got = own_features(regions(labels), planes, ALL)
    assert got["spots_count_EGFP"] == [2]
    assert got["spots_count_mRFP"] == [5]
    assert got["spots_both_count_EGFP_to_mRFP"] == [2]
    assert got["spots_alone_count_EGFP_to_mRFP"] == [3]
    assert got["spots_ratio_EGFP_to_mRFP"] == pytest.approx([2 / 5], abs=0.02)


def test_an_object_without_spots_has_none_and_no_mean():
    labels = np.ones((30, 30), np.int32)
    got = own_features(regions(labels), {"EGFP": np.full((30, 30), 9.0)}, MeasureSettings())
    assert got["spots_count_EGFP"] == [0]
    assert got["spots_excess_EGFP"] == [0]
    assert math.isnan(got["spots_mean_EGFP"][0])
    assert math.isnan(got["texture_correlation_1px_EGFP"][0])


def test_a_pixel_that_is_nan_makes_its_object_nan_and_no_other():
    labels = np.array([[1, 1, 0, 2, 2]] * 3, np.int32)
    plane = np.arange(15, dtype=float).reshape(3, 5)
    plane[0, 0] = np.nan
    got = own_features(regions(labels), {"x": plane}, MeasureSettings())
    for name in ("intensity_mean_x", "intensity_q05_x", "texture_step_1px_x", "spots_excess_x"):
        assert math.isnan(got[name][0]), name
        assert math.isfinite(got[name][1]), name


def test_refusals():
    with pytest.raises(UsageError, match="takes a label image Y X, got 3 axes"):
        regions(np.zeros((2, 2, 2), int))
    with pytest.raises(UsageError, match=r"unknown channel 'GFP', did you mean 'EGFP'\?"):
        own_features(
            regions(np.eye(3, dtype=int)),
            {"EGFP": np.eye(3)},
            MeasureSettings(spot_channels=["GFP"]),
        )
    with pytest.raises(UsageError, match=r"named in measure\.ratios"):
        own_features(regions(np.eye(3, dtype=int)), {"EGFP": np.eye(3)}, ALL)


def test_labels_far_apart_are_listed_as_they_are():
    labels = np.array([[0, 2_000_000_000, 5], [7, 7, 0]])
    listed = regions(labels)
    assert listed.labels.tolist() == [5, 7, 2_000_000_000]
    assert listed.area.tolist() == [1, 2, 1]
    assert listed.pixels.tolist() == [2, 3, 4, 1]
