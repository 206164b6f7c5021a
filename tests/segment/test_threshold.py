"""Nuclei and cells in small worlds, in bad images, and in real ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lucyte.schema.plan import ObjectSettings
from lucyte.segment.size import estimate_diameter
from lucyte.segment.threshold import threshold_objects
from lucyte.stats.instances import count_instances, scores

NUCLEUS = ObjectSettings(kind="nucleus")


def discs(diameter: float, seed: int = 0, side: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses of about one size, brightness over a factor of ten, noise and a slope of light."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    light = np.zeros((side, side))
    yy, xx = np.mgrid[:side, :side]
    pitch = 1.5 * diameter
    for i, y in enumerate(np.arange(pitch / 2, side, pitch)):
        for j, x in enumerate(np.arange(pitch / 2, side, pitch)):
            a, b = diameter / 2 * rng.uniform(0.85, 1.15, 2)
            inside = ((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 < 1
            labels[inside] = 1 + i * 1000 + j
            light[inside] = 60 * 10 ** rng.uniform(0, 1)
    image = rng.poisson(light + 100 + 40 * xx / side)
    return image.astype(np.uint16), labels


@pytest.mark.parametrize("diameter", [10, 24, 60, 120])
def test_objects_of_any_size_are_found_and_their_size_estimated(diameter):
    image, truth = discs(diameter, side=max(256, 4 * diameter))
    assert estimate_diameter([image]) == pytest.approx(diameter, rel=0.3)
    got = scores(count_instances(truth, threshold_objects([image], NUCLEUS)))
    assert got["F1@0.5"] > 0.9


@pytest.mark.parametrize("threshold", ["adaptive", "otsu", "local", "li"])
def test_every_threshold_finds_even_objects(threshold):
    _, truth = discs(24)
    even = np.where(truth > 0, 900, 100).astype(np.uint16)
    chosen = ObjectSettings(kind="nucleus", threshold=threshold)
    got = scores(count_instances(truth, threshold_objects([even], chosen)))
    assert got["F1@0.5"] > 0.95


def touching() -> tuple[np.ndarray, np.ndarray]:
    yy, xx = np.mgrid[:120, :160]
    truth = np.zeros((120, 160), np.int32)
    truth[np.hypot(yy - 60, xx - 50) < 18] = 1
    truth[(np.hypot(yy - 60, xx - 83) < 18) & (truth == 0)] = 2
    truth[np.hypot(yy - 25, xx - 130) < 18] = 3
    rng = np.random.default_rng(0)
    return rng.poisson(50 + 300 * (truth > 0)).astype(np.uint16), truth


@pytest.mark.parametrize("threshold", ["adaptive", "otsu"])
def test_touching_objects_are_split_only_if_asked(threshold):
    image, truth = touching()
    split = threshold_objects([image], ObjectSettings(kind="nucleus", threshold=threshold))
    whole = threshold_objects(
        [image], ObjectSettings(kind="nucleus", threshold=threshold, split=False)
    )
    assert scores(count_instances(truth, split))["F1@0.5"] == 1.0
    assert whole.max() < 3


def test_one_dim_channel_counts_beside_a_bright_one():
    _, truth = discs(24, seed=1)
    left = truth * (np.arange(truth.shape[1]) < 120)
    right = truth * (np.arange(truth.shape[1]) >= 120)
    rng = np.random.default_rng(0)
    bright = rng.poisson(100 + 5000 * (left > 0)).astype(np.uint16)
    dim = rng.poisson(20 + 60 * (right > 0)).astype(np.uint16)
    assert bright.mean() > 20 * dim.mean(), "test invalid"
    found = threshold_objects([bright, dim], ObjectSettings(kind="cell"))
    assert scores(count_instances(truth, found))["recall@0.5"] > 0.9


def test_labels_are_one_piece_each_and_consecutive():
    from skimage.measure import label

    image, _ = discs(24, seed=3)
    got = threshold_objects([image], NUCLEUS)
    assert got.dtype == np.int32
    assert np.array_equal(np.unique(got), np.arange(got.max() + 1))
    assert label(got, connectivity=1).max() == got.max()


def test_an_object_below_the_smallest_area_is_dropped():
    image, _ = touching()
    chosen = ObjectSettings(kind="nucleus", min_area_px=5000, split=False)
    assert threshold_objects([image], chosen).max() == 0


BAD = {
    "zero": np.zeros((64, 64), np.uint16),
    "constant": np.full((64, 64), 700, np.uint16),
    "saturated": np.full((64, 64), 65535, np.uint16),
    "nan": np.full((64, 64), np.nan),
    "tiny": np.ones((5, 7), np.uint8),
    "line": np.arange(40, dtype=np.uint8).reshape(1, 40),
    "one_px": np.ones((1, 1)),
    "noise": np.random.default_rng(0).poisson(100, (200, 200)).astype(np.uint16),
}


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("threshold", ["adaptive", "local"])
def test_an_image_without_objects_gives_none_and_no_warning(name, threshold):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = threshold_objects([BAD[name]], ObjectSettings(threshold=threshold))
    assert got.shape == BAD[name].shape
    if threshold == "adaptive":
        assert got.max() == 0


def test_pixels_that_are_nan_hide_themselves_alone():
    image, truth = discs(24)
    broken = image.astype(float)
    broken[:40, :40] = np.nan
    broken[0, 100] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = threshold_objects([broken], NUCLEUS)
    clear = np.ones(truth.shape, bool)
    clear[:60, :60] = False
    assert scores(count_instances(truth * clear, got * clear))["F1@0.5"] > 0.85


def test_one_object_that_fills_most_of_the_image_is_one():
    yy, xx = np.mgrid[:128, :128]
    truth = (np.hypot(yy - 64, xx - 64) < 55).astype(np.int32)
    image = np.random.default_rng(0).poisson(100 + 400 * truth)
    got = threshold_objects([image], ObjectSettings(kind="nucleus"))
    assert scores(count_instances(truth, got))["PQ"] > 0.85


def test_a_saturated_object_is_found():
    image, truth = touching()
    got = threshold_objects([np.where(truth > 0, 65535, image)], NUCLEUS)
    assert scores(count_instances(truth, got))["F1@0.5"] == 1.0


def test_real_nuclei_of_very_different_brightness(shared_data):
    import tifffile

    folder = shared_data / "ctc" / "Fluo-N2DH-GOWT1"
    image = tifffile.imread(folder / "01" / "t010.tif")
    truth = tifffile.imread(folder / "01_GT" / "TRA" / "man_track010.tif")
    found = threshold_objects([image], NUCLEUS)
    # Tracking truth is full but marks cores only: each must lie in an object of its own.
    hit = [np.bincount(found[truth == k]).argmax() for k in np.unique(truth)[1:]]
    alone = [name for name in hit if name and hit.count(name) == 1]
    assert len(alone) >= 0.85 * len(hit)
    assert found.max() <= 1.3 * len(hit)


@pytest.mark.parametrize("threshold", ["adaptive", "otsu"])
def test_real_nuclei_of_many_laboratories(shared_data, threshold):
    from skimage.io import imread

    folder = shared_data / "dsb2018"
    found_ap = []
    for path in sorted((folder / "images").iterdir())[5::60]:
        image = imread(path)
        image = image[..., 0] if image.ndim == 3 else image
        truth = imread(folder / "labels" / f"{path.stem}.tif")
        chosen = NUCLEUS.model_copy(update={"threshold": threshold})
        found = threshold_objects([image], chosen)
        found_ap.append(scores(count_instances(truth, found))["AP@0.5"])
    assert np.mean(found_ap) > 0.65
