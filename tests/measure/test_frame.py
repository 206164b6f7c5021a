"""One row per object of every kind; what is around and beside it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from lucyte.measure.columns import FEATURES, describe, model_features, parse
from lucyte.measure.frame import measure_frame
from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.schema.objects import FrameObjects
from lucyte.schema.plan import MeasureSettings

ALL = MeasureSettings(ratios=[("EGFP", "mRFP")])


@pytest.fixture(scope="module")
def cell_world():
    """Two cells, one with two nuclei, one without; nuclei three times brighter in EGFP."""
    cell = np.zeros((80, 120), np.int32)
    cell[10:50, 10:50], cell[20:60, 60:100] = 4, 7
    nucleus = np.zeros_like(cell)
    nucleus[20:30, 20:30], nucleus[32:42, 32:42] = 1, 2
    cytoplasm = np.where(nucleus > 0, 0, cell)
    light = np.full((3, 80, 120), 10.0)
    light[:, cell > 0] += 20
    light[1, nucleus > 0] = 10 + 60
    image = make_image(light.astype(np.uint8), "CYX", channels=["DAPI", "EGFP", "mRFP"])
    objects = FrameObjects(
        {"nucleus": nucleus, "cell": cell, "cytoplasm": cytoplasm},
        parents={
            "nucleus": np.array([0, 4, 4], np.int32),
            "cytoplasm": np.array([0, 0, 0, 0, 4, 0, 0, 7], np.int32),
        },
    )
    return image, objects


def test_one_row_per_object_of_every_kind(cell_world):
    table = measure_frame(*cell_world, ALL)
    assert list(zip(table["kind"], table["label"], table["parent_label"], strict=True)) == [
        ("nucleus", 1, 4),
        ("nucleus", 2, 4),
        ("cell", 4, 0),
        ("cell", 7, 0),
        ("cytoplasm", 4, 4),
        ("cytoplasm", 7, 7),
    ]
    assert table.loc[0, ["x0_px", "y0_px", "x1_px", "y1_px"]].tolist() == [20, 20, 30, 30]
    assert "area_um2" not in table
    assert measure_frame(*cell_world, ALL, 0.5).loc[0, "area_um2"] == 25


def test_nucleus_to_cytoplasm_and_background(cell_world):
    table = measure_frame(*cell_world, ALL).set_index(["kind", "label"])
    assert table.loc[("cell", 4), "nucleus_to_cytoplasm_EGFP"] == pytest.approx(70 / 30)
    assert table.loc[("nucleus", 2), "nucleus_to_cytoplasm_corrected_EGFP"] == pytest.approx(3)
    assert table.loc[("cell", 4), "children_count_nucleus"] == 2
    assert table.loc[("cell", 7), "children_count_nucleus"] == 0
    assert table.loc[("cell", 4), "nucleus_fraction"] == pytest.approx(200 / 1600)
    assert math.isnan(table.loc[("cell", 7), "nucleus_to_cytoplasm_EGFP"])
    assert table.loc[("cell", 7), "background_mRFP"] == 10
    assert table.loc[("cell", 7), "intensity_mean_corrected_mRFP"] == 20


def test_background_is_nan_where_no_pixel_is_free():
    labels = np.ones((30, 30), np.int32)
    image = make_image(np.ones((30, 30), np.uint8), "YX")
    table = measure_frame(image, FrameObjects({"cell": labels}), MeasureSettings())
    assert math.isnan(table.loc[0, "background_light"])
    assert math.isnan(table.loc[0, "intensity_mean_corrected_light"])
    assert table.loc[0, "intensity_mean_light"] == 1


def test_saturation_is_known_for_counts_and_unknown_for_fractions():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    plane = np.full((20, 20), 7)
    plane[5:10, 5:15] = 4095
    objects = FrameObjects({"cell": labels})

    def share(values):
        table = measure_frame(make_image(values, "YX"), objects, MeasureSettings())
        return table.loc[0, "saturated_fraction_light"]

    assert share(plane.astype(np.uint16)) == 0.5
    assert share((plane - 1).clip(0).astype(np.uint16)) == 0
    assert math.isnan(share(plane.astype(np.float32)))


def test_neighbours_are_of_the_same_kind():
    labels = np.zeros((40, 100), np.int32)
    for label, x in enumerate((5, 20, 80), 1):
        labels[10:20, x : x + 10] = label
    image = make_image(np.zeros((40, 100), np.uint8), "YX")
    table = measure_frame(image, FrameObjects({"cell": labels}), MeasureSettings())
    assert table["nearest_distance_px"].tolist() == [15, 15, 60]
    assert table["neighbour_count"].tolist() == [1, 1, 0]
    alone = FrameObjects({"cell": (labels == 3).astype(np.int32)})
    assert math.isnan(measure_frame(image, alone, MeasureSettings()).loc[0, "nearest_distance_px"])


def test_a_frame_without_objects_has_the_columns_and_no_rows(cell_world):
    image, objects = cell_world
    empty = FrameObjects({kind: np.zeros_like(each) for kind, each in objects.labels.items()})
    table = measure_frame(image, empty, ALL)
    assert len(table) == 0
    assert set(table.columns) >= {"area_px", "intensity_mean_EGFP", "background_DAPI"}
    assert len(measure_frame(image, FrameObjects({}), ALL)) == 0


def test_a_kind_without_objects_leaves_the_types_of_the_others(cell_world):
    image, objects = cell_world
    some = {**objects.labels, "spot": np.zeros_like(objects.labels["cell"])}
    table = measure_frame(image, FrameObjects(some, objects.parents), ALL)
    assert table["label"].dtype == np.int64
    assert table["touches_border"].dtype == bool


def test_every_column_is_in_the_grammar_and_can_be_told(cell_world):
    table = measure_frame(*cell_world, ALL, 0.5)
    unknown = [name for name in table.columns if parse(name) is None]
    assert unknown == []
    used = {parse(name)[0].name for name in table.columns}
    by_a_network = {"score", "uncertainty"}
    cells = {feature.name for feature in FEATURES if feature.family != "organelles"}
    assert used | by_a_network == cells
    assert describe("intensity_mean_EGFP") == "mean EGFP inside the cell"
    assert describe("intensity_mean_EGFP", "nucleus") == "mean EGFP inside the nucleus"
    assert describe("spots_alone_count_EGFP_to_mRFP") == "number of mRFP spots without EGFP"
    assert describe("field_id") == "field_id"


def test_the_longest_feature_name_wins_and_channels_may_hold_anything():
    assert parse("intensity_mean_corrected_EGFP")[0].name == "intensity_mean_corrected"
    assert parse("intensity_mean_my_dye 2")[1] == ("my_dye 2",)
    assert parse("ratio_mean_a_b_to_c")[1] == ("a_b", "c")
    assert parse("ratio_mean_a") is None


def test_model_features_know_nothing_of_place_and_surroundings(cell_world):
    image, objects = cell_world
    table = measure_frame(image, objects, ALL, 0.5)
    names = model_features(table.columns)
    assert {"area_px", "intensity_mean_EGFP", "ratio_mean_EGFP_to_mRFP"} <= set(names)
    assert "nucleus_to_cytoplasm_EGFP" not in names
    assert "nucleus_to_cytoplasm_EGFP" in model_features(table.columns, from_crop=False)

    rng = np.random.default_rng(0)
    outside = ~np.any([each > 0 for each in objects.labels.values()], axis=0)
    other = image.copy(data=image.values.copy())
    other.values[:, outside] = rng.integers(0, 250, (3, outside.sum()))
    changed = measure_frame(other, objects, ALL, 0.5)
    assert not changed["background_EGFP"].equals(table["background_EGFP"]), "test invalid"
    pd.testing.assert_frame_equal(changed[names], table[names])


def test_refusals(cell_world):
    image, objects = cell_world
    with pytest.raises(UsageError, match=r"labels of cell are \(5, 5\), the image is \(80, 120\)"):
        measure_frame(image, FrameObjects({"cell": np.zeros((5, 5), np.int32)}), ALL)
    stack = make_image(np.zeros((2, 8, 8)), "ZYX")
    with pytest.raises(UsageError, match=r"got axis Z of 2\. Select one with --select Z=0"):
        measure_frame(stack, FrameObjects({"cell": np.zeros((8, 8), np.int32)}), ALL)
    bad = FrameObjects(objects.labels, {"cell": np.zeros(3, np.int32)})
    with pytest.raises(UsageError, match="parents of cell name 2 objects, the labels go up to 7"):
        measure_frame(image, bad, ALL)
