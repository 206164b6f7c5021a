from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from lucyte.networks.engine import choose_engine
from lucyte.networks.model_folder import read_folder
from lucyte.networks.object_network import MAPS
from lucyte.networks.shipped import model_path
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.finder import find_with, planes_for
from lucyte.segment.found import ellipses
from lucyte.segment.network import ObjectFinder
from lucyte.stats.instances import count_instances, scores


@pytest.fixture(scope="module")
def finder() -> ObjectFinder:
    return ObjectFinder(read_folder(model_path("nuclei")), "nuclei", engine="openvino", threads=1)


def nuclei(diameter, count, seed=0, shape=(256, 256), noise=0.02):
    """Blurred ellipses that do not overlap, dim and bright, on uneven light."""
    from scipy import ndimage as ndi

    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    image = np.zeros(shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    placed = 0
    for _ in range(400):
        if placed == count:
            break
        cy, cx = rng.uniform(0.6 * diameter, np.array(shape) - 0.6 * diameter)
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.85, 1.15)
        u = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
        v = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)
        inside = (u * stretch) ** 2 + (v / stretch) ** 2 < (diameter / 2) ** 2
        if (ndi.binary_dilation(inside, iterations=2) & (labels > 0)).any():
            continue
        placed += 1
        labels[inside] = placed
        image[inside] = rng.uniform(0.3, 1)
    image = ndi.gaussian_filter(image, diameter / 20) * np.linspace(0.7, 1.2, shape[1])
    return 200 + 3000 * (image + rng.normal(0, noise, shape)), labels


def f1(truth, found):
    return scores(count_instances(truth, found))["F1@0.5"]


@pytest.mark.parametrize(
    ("diameter", "count", "side"), [(9, 40, 160), (20, 25, 256), (60, 12, 420), (140, 8, 900)]
)
def test_finds_nuclei_of_any_size_untold(finder, diameter, count, side):
    image, truth = nuclei(diameter, count, shape=(side, side))
    found = finder.find(image[None])
    assert truth.max() == count, "test invalid: not all nuclei fitted"
    assert f1(truth, found.labels) > 0.9
    assert 0.7 < found.diameter_px / diameter < 1.4
    assert found.estimated
    assert len(found.boxes) == len(found.scores) == found.labels.max()


def test_tiles_leave_no_seam(finder):
    image, _ = nuclei(20, 160, shape=(640, 704))
    whole = finder.find(image[None], 20.0)
    halo, tile = finder.halo_px, finder.tile_px
    try:
        finder.tile_px = 256
        tiled = finder.find(image[None], 20.0)
    finally:
        finder.tile_px = tile
    assert 640 / (20 / finder.config.diameter_px) > 256 + halo, "test invalid: one tile holds all"
    assert len(whole.boxes) > 100
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    np.testing.assert_allclose(tiled.scores, whole.scores, atol=1e-4)


def test_engines_agree(finder):
    image, _ = nuclei(24, 40, shape=(320, 320))
    stored = read_folder(model_path("nuclei"))
    first = finder.find(image[None], 24.0)
    other = ObjectFinder(stored, engine="torch", device="cpu", threads=1).find(image[None], 24.0)
    counts = count_instances(first.labels, other.labels, (0.9,))
    assert scores(counts)["F1@0.9"] >= 0.999
    half = ObjectFinder(stored, engine="openvino-bf16", threads=1).find(image[None], 24.0)
    assert scores(count_instances(first.labels, half.labels, (0.9,)))["F1@0.9"] >= 0.95


def test_mirrored_looks_tell_what_is_sure(finder):
    image, _ = nuclei(20, 20, noise=0.15)
    four = ObjectFinder(read_folder(model_path("nuclei")), threads=1, tta=True)
    found = four.find(image[None], 20.0)
    assert found.uncertainty is not None and len(found.uncertainty) == len(found.boxes)
    assert (found.uncertainty >= 0).all() and found.uncertainty.max() < 0.6
    clean = four.find(nuclei(20, 20, noise=0.01)[0][None], 20.0)
    assert clean.uncertainty.mean() < found.uncertainty.mean()
    assert finder.find(image[None], 20.0).uncertainty is None


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64)),
        np.full((64, 64), 7.0),
        np.full((64, 64), np.nan),
        np.full((80, 80), 65535, np.uint16),
        np.zeros((1, 40)),
        np.zeros((3, 3)),
    ],
    ids=["zero", "constant", "nan", "saturated", "one row", "tiny"],
)
def test_an_image_of_nothing_holds_nothing(finder, image):
    found = finder.find(image[None])
    assert found.labels.shape == image.shape and not found.labels.any()
    assert len(found.boxes) == 0 and np.isnan(found.diameter_px)


def test_noise_holds_hardly_anything(finder):
    rng = np.random.default_rng(0)
    for image in (rng.normal(500, 30, (256, 256)), rng.poisson(3, (200, 300))):
        found = finder.find(image[None])
        assert len(found.boxes) <= 2 and found.labels.max() == len(found.boxes)


def test_part_of_an_image_that_is_nan_costs_that_part_only(finder):
    image, truth = nuclei(20, 25)
    image[:, 200:] = np.nan
    found = finder.find(image[None], 20.0).labels
    assert not found[:, 206:].any()
    whole = np.isin(truth, np.unique(truth[:, 190:]), invert=True) & (truth > 0)
    assert f1(np.where(whole, truth, 0), np.where(whole, found, 0)) > 0.9


def test_one_object_may_fill_the_image(finder):
    y, x = np.mgrid[:200, :200]
    image = 100 + 900 * (np.hypot(y - 100, x - 100) < 92)
    found = finder.find(image[None].astype(float))
    assert len(found.boxes) == 1
    assert abs((found.labels > 0).sum() / (np.pi * 92**2) - 1) < 0.15


def test_another_number_of_channels_is_refused(finder):
    with pytest.raises(UsageError, match="nuclei looks at nucleus, got A, B of shape"):
        finder.find(np.zeros((2, 8, 8)), channels=("A", "B"))
    with pytest.raises(UsageError, match="diameter_px must be above 0, got -3"):
        finder.find(np.zeros((1, 8, 8)), -3)
    assert MAPS == 8


def named(*channels):
    data = np.zeros((len(channels), 40, 40))
    return xr.DataArray(data, dims=("C", "Y", "X"), coords={"C": list(channels)})


def test_a_model_of_one_channel_looks_where_it_is_told(finder):
    def chosen(image, **keys):
        settings = ObjectSettings(kind="nucleus", method="network", model="nuclei", **keys)
        return planes_for(image, finder, settings)[1]

    assert chosen(named("DAPI", "GFP")) == ("DAPI",)
    assert chosen(named("GFP")) == ("GFP",)
    assert chosen(named("DAPI", "GFP"), channels=["GFP"]) == ("GFP",)
    with pytest.raises(UsageError, match="looks at one channel, got no choice among GFP, RFP"):
        chosen(named("GFP", "RFP"))
    with pytest.raises(UsageError, match="got GFP, RFP among"):
        chosen(named("GFP", "RFP"), channels=["GFP", "RFP"])


def test_a_model_of_several_channels_says_how_to_map_them():
    cellular = ObjectFinder(read_folder(model_path("cellular")), "cellular", threads=1)
    settings = ObjectSettings(kind="cell", method="network", model="cellular")
    with pytest.raises(UsageError, match=r"--channels EGFP=w1,mRFP=w2,TL=w3"):
        find_with(named("w1", "w2", "w3"), settings, {"cellular": cellular})
    with pytest.raises(UsageError, match="the image has GFP"):
        find_with(named("GFP"), settings, {"cellular": cellular})
    found = find_with(named("TL", "EGFP", "mRFP"), settings, {"cellular": cellular})
    assert len(found.boxes) == 0 and found.outline == "guess"


def test_a_model_must_be_named():
    settings = ObjectSettings(kind="cell", method="network")
    with pytest.raises(UsageError, match='Write model = "nuclei"'):
        find_with(named("GFP"), settings, {})


def test_ellipses_share_what_overlaps():
    labels = ellipses(np.array([[0, 0, 20, 20], [15, 0, 35, 20], [5, 5, 5, 9]]), (20, 40))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert labels[10, 16] == 1 and labels[10, 19] == 2
    assert labels[0, 0] == 0


def test_engines_by_name():
    assert choose_engine("auto", "cpu") == ("openvino", "cpu")
    with pytest.raises(UsageError, match="unknown engine 'tensorrt'"):
        choose_engine("tensorrt")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        choose_engine("auto", "gpu")
