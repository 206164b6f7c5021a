"""Volumes, boxes, centres and light of objects in a stack, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.measure.volume import measure_volume
from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.schema.objects import FrameObjects


@pytest.fixture
def cuboids():
    labels = np.zeros((6, 20, 30), np.int32)
    labels[1:4, 2:8, 3:13] = 1
    labels[2:6, 10:20, 20:30] = 5
    values = np.random.default_rng(0).poisson(100, (2, 6, 20, 30)).astype(float)
    image = make_image(values, "CZYX", channels=["a", "b"], pixel_size_um=0.5, z_step_um=2.0)
    return image, labels, values


def test_a_row_says_what_counting_says(cuboids):
    image, labels, values = cuboids
    table = measure_volume(image, FrameObjects({"cell": labels}))
    assert table["label"].tolist() == [1, 5]
    first = table.iloc[0]
    assert [first[c] for c in ("x0_px", "y0_px", "z0_plane")] == [3, 2, 1]
    assert [first[c] for c in ("x1_px", "y1_px", "z1_plane")] == [13, 8, 4]
    assert first["volume_px"] == 180
    assert first["area_px"] == 60
    assert first["volume_um3"] == pytest.approx(180 * 0.25 * 2)
    centre = [first[f"centroid_{c}"] for c in ("z_plane", "y_px", "x_px")]
    assert centre == pytest.approx([2, 4.5, 7.5])
    for k, name in enumerate("ab"):
        for row, label in zip(table.itertuples(), (1, 5), strict=True):
            mean = values[k][labels == label].mean()
            assert getattr(row, f"intensity_mean_{name}") == pytest.approx(mean)


def test_parents_and_kinds(cuboids):
    image, labels, _ = cuboids
    inner = np.where(labels == 5, 2, 0).astype(np.int32)
    objects = FrameObjects({"cell": labels, "nucleus": inner}, {"nucleus": np.array([0, 0, 5])})
    table = measure_volume(image, objects)
    assert table["kind"].tolist() == ["cell", "cell", "nucleus"]
    assert table["parent_label"].tolist() == [0, 0, 5]


def test_without_a_step_in_z_there_are_no_micrometres_and_nan_hides_alone(cuboids):
    _, labels, values = cuboids
    broken = values[0].copy()
    broken[labels == 1] = np.nan
    broken[2, 15, 25] = np.nan
    plain = make_image(broken, "ZYX", pixel_size_um=0.5)
    table = measure_volume(plain, FrameObjects({"cell": labels}))
    assert "volume_um3" not in table
    assert np.isnan(table["intensity_mean_light"][0])
    rest = broken[(labels == 5) & np.isfinite(broken)].mean()
    assert table["intensity_mean_light"][1] == pytest.approx(rest)


def test_no_objects_and_refusals(cuboids):
    image, labels, _ = cuboids
    none = measure_volume(image, FrameObjects({"cell": np.zeros_like(labels)}))
    assert len(none) == 0
    assert {"kind", "label", "volume_px", "z0_plane"} <= set(none.columns)
    with pytest.raises(UsageError, match=r"labels of cell are \(5, 20, 30\), the image is"):
        measure_volume(image, FrameObjects({"cell": labels[1:]}))
    with pytest.raises(UsageError, match="one stack C Z Y X, got axes CYX"):
        measure_volume(image.isel(Z=0), FrameObjects({"cell": labels[0]}))
