"""Kinds in their order, their parents, and the refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.schema.plan import ObjectSettings, SegmentSettings
from lucyte.segment.frame import default_objects, segment_frame
from lucyte.segment.parents import parents_by_overlap
from lucyte.segment.spots import find_spots
from worlds.ellipsoids import ellipsoids


@pytest.fixture(scope="module")
def tissue():
    """Nine cells of 40 px with a nucleus of 16 px each and two spots in every second cell."""
    rng = np.random.default_rng(0)
    yy, xx = np.mgrid[:180, :180]
    cells, nuclei = np.zeros((2, 180, 180), np.int32)
    gfp = np.full((180, 180), 20.0)
    spots = []
    for k in range(9):
        y, x = 30 + 60 * (k // 3), 30 + 60 * (k % 3)
        cells[np.hypot(yy - y, xx - x) < 20] = k + 1
        nuclei[np.hypot(yy - y + 3, xx - x) < 8] = k + 1
        if k % 2 == 0:
            spots += [(y + 12, x - 6), (y + 12, x + 6)]
    gfp += 80 * (cells > 0)
    for y, x in spots:
        gfp += 200 * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 4)
    planes = [100 + 20 * rng.standard_normal((180, 180)), 20 + 300.0 * (nuclei > 0), gfp]
    image = make_image(
        rng.poisson(np.clip(planes, 0, None)).astype(np.uint16),
        "CYX",
        channels=["TL", "DAPI", "GFP"],
    )
    return image, cells, nuclei, len(spots)


def plan(*objects: ObjectSettings) -> SegmentSettings:
    return SegmentSettings(objects=list(objects))


SPOTS = ObjectSettings(kind="spot", channels=["GFP"], method="log", diameter_px=4)


def test_nucleus_cell_cytoplasm_and_spots_with_parents(tissue):
    image, cells, _, n_spots = tissue
    found = segment_frame(image, plan(*default_objects(("TL", "DAPI", "GFP")), SPOTS))
    assert list(found.labels) == ["nucleus", "cell", "cytoplasm", "spot"]
    assert found.labels["nucleus"].max() == 9
    assert found.parents["nucleus"].tolist() == list(range(10))
    cell, nucleus, cytoplasm = (found.labels[k] for k in ("cell", "nucleus", "cytoplasm"))
    assert np.array_equal(cytoplasm, np.where(nucleus > 0, 0, cell))
    assert found.parents["cytoplasm"].tolist() == list(range(10))
    for k in range(1, 10):
        mine = cells == k
        name = np.bincount(cell[mine]).argmax()
        assert (cell[mine] == name).mean() > 0.85
        # The outline lies where the light is still above noise, about 2 px outside the disc.
        assert ((cell == name) & ~mine).sum() < 0.25 * mine.sum()
    spot = found.labels["spot"]
    assert spot.max() == n_spots
    per_cell = np.bincount(found.parents["spot"][1:], minlength=10)
    assert sorted(per_cell[1:]) == [0] * 4 + [2] * 5


def test_spots_lie_in_the_parent_that_is_named(tissue):
    image, *_ = tissue
    nucleus = ObjectSettings(kind="nucleus", channels=["DAPI"])
    named = SPOTS.model_copy(update={"parent": "nucleus"})
    found = segment_frame(image, plan(nucleus, named))
    assert found.labels["spot"].max() == 0
    alone = segment_frame(image, plan(SPOTS))
    assert alone.labels["spot"].max() >= 10
    assert not alone.parents["spot"].any()


def test_noise_alone_holds_no_spots():
    rng = np.random.default_rng(1)
    flat = rng.poisson(500, (200, 200)).astype(np.uint16)
    assert find_spots([flat], None, SPOTS).max() <= 1
    assert find_spots([np.zeros((50, 50))], None, SPOTS).max() == 0
    assert find_spots([flat], np.zeros(flat.shape, np.int32), SPOTS).max() == 0


def test_default_objects_follow_the_names():
    def kinds(*names):
        return [(each.kind, each.channels, each.method) for each in default_objects(names)]

    assert kinds("TL", "mRFP", "EGFP") == [("cell", ["mRFP", "EGFP"], "threshold")]
    assert kinds("Hoechst 33342") == [("nucleus", ["Hoechst 33342"], "threshold")]
    assert kinds("H2B-mCherry", "GFP") == [
        ("nucleus", ["H2B-mCherry"], "threshold"),
        ("cell", ["GFP"], "grow"),
        ("cytoplasm", [], "subtract"),
    ]
    assert kinds("BF") == kinds("DIC") == kinds("Brightfield") == []
    assert kinds() == [("cell", [], "threshold")]
    assert kinds("Adnan", "Tetraspeck")[0][0] == "cell"
    assert kinds("ch1", "w2", "Channel 3") == [("cell", [], "threshold")]
    assert kinds("ch1") == [("cell", ["ch1"], "threshold")]
    assert kinds("GFP", "ch2") == [("cell", ["GFP"], "threshold")]
    assert kinds("DAPI", "ch2") == [("nucleus", ["DAPI"], "threshold")]


def test_parents_hold_at_least_half():
    children = np.array([[1, 1, 2, 2, 3, 3, 0]])
    parents = np.array([[5, 5, 5, 6, 0, 0, 6]])
    assert parents_by_overlap(children, parents).tolist() == [0, 5, 5, 0]
    assert parents_by_overlap(np.zeros((1, 2), np.int32), parents[:, :2]).tolist() == [0]


def test_an_empty_frame_has_every_kind_and_no_object(tissue):
    image, *_ = tissue
    dark = image.copy(data=np.zeros_like(image.values))
    found = segment_frame(dark, plan(*default_objects(("TL", "DAPI", "GFP")), SPOTS))
    assert {kind: int(labels.max()) for kind, labels in found.labels.items()} == {
        "nucleus": 0,
        "cell": 0,
        "cytoplasm": 0,
        "spot": 0,
    }
    assert found.parents["spot"].tolist() == [0]


def test_refusals(tissue):
    image, *_ = tissue
    cell = ObjectSettings(kind="cell", channels=["GFP"])
    with pytest.raises(UsageError, match="unknown channel 'EGFP', did you mean 'GFP'"):
        segment_frame(image, plan(ObjectSettings(channels=["EGFP"])))
    with pytest.raises(UsageError, match="'TL' is transmitted light, in which a threshold finds"):
        segment_frame(image, plan(ObjectSettings(channels=["TL"])))
    with pytest.raises(UsageError, match="'cell' is listed twice"):
        segment_frame(image, plan(cell, cell))
    with pytest.raises(UsageError, match=r"List nucleus before cell in segment\.objects"):
        segment_frame(image, plan(cell.model_copy(update={"method": "grow"})))
    with pytest.raises(UsageError, match=r"no channel's name says where to look for nucleus"):
        two = make_image(np.zeros((2, 9, 9)), "CYX", channels=["a", "b"])
        segment_frame(two, plan(ObjectSettings(kind="nucleus")))
    with pytest.raises(UsageError, match=r"got axis T of 3\. Select one with --select T=0"):
        segment_frame(make_image(np.zeros((3, 9, 9)), "TYX"), plan(ObjectSettings()))
    with pytest.raises(UsageError, match=r"has no named channels, cell asks for GFP"):
        segment_frame(make_image(np.zeros((9, 9)), "YX"), plan(cell))


@pytest.fixture
def nameless(tissue):
    """Transmitted light, nuclei and cells under names that say nothing."""
    image, *_ = tissue
    return make_image(image.values, "CYX", channels=["ch1", "ch2", "ch3"])


def test_channels_without_a_telling_name_are_looked_at(nameless):
    chosen = default_objects(("ch1", "ch2", "ch3"), nameless)
    assert [(each.kind, each.channels) for each in chosen] == [("cell", ["ch2", "ch3"])]


def test_what_looks_like_transmitted_light_is_never_summed_unasked(nameless):
    with pytest.raises(
        UsageError, match=r'ch1 looks like transmitted light .* channels = \["ch2", "ch3"\]'
    ):
        segment_frame(nameless, plan(ObjectSettings()))
    named = ObjectSettings(channels=["ch2", "ch3"])
    assert segment_frame(nameless, plan(named)).labels["cell"].max() == 9


def test_transmitted_light_of_real_cells_is_told_from_fluorescence(shared_data):
    from skimage.io import imread

    from lucyte.segment.channels import looks_transmitted

    for path in sorted((shared_data / "cellular" / "images").iterdir())[::15]:
        red, green, blue = np.moveaxis(imread(path).astype(float), -1, 0)
        assert looks_transmitted(blue)
        assert not looks_transmitted(red - blue)
        assert not looks_transmitted(green - blue)
    nuclei = sorted((shared_data / "dsb2018" / "images").iterdir())[3::30]
    assert not any(looks_transmitted(imread(path)) for path in nuclei)


def stack(anisotropy=None, channels=("Hoechst", "Mito")):
    """Two nuclei in two cells with spots of light, Z Y X; the step in Z known or not."""
    nuclei = ellipsoids([(7, 40, 35), (7, 44, 92)], [(14, 12, 12)] * 2, (15, 84, 128))
    cells = ellipsoids([(7, 42, 35), (7, 42, 92)], [(20, 24, 24)] * 2, (15, 84, 128))
    rng = np.random.default_rng(0)
    signal = 120.0 * (cells > 0)
    z, y, x = np.mgrid[:15, :84, :128]
    for at in ((7, 60, 35), (4, 40, 55), (8, 42, 110)):
        d = ((z - at[0]) * 3) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2
        signal += 900 * np.exp(-d / 6)
    planes = rng.poisson(np.stack([30 + 300.0 * (nuclei > 0), 20 + signal])).astype(np.uint16)
    size = {} if anisotropy is None else {"pixel_size_um": 0.2, "z_step_um": 0.2 * anisotropy}
    image = make_image(planes, "CZYX", channels=list(channels), source="stack.tif", **size)
    return image, nuclei, cells


def test_a_stack_gives_nuclei_cells_cytoplasm_and_spots_with_parents():
    image, nuclei, cells = stack(3.0)
    spots = ObjectSettings(kind="spot", channels=["Mito"], method="log", diameter_px=5)
    found = segment_frame(image, plan(*default_objects(("Hoechst", "Mito")), spots))
    assert {kind: labels.shape for kind, labels in found.labels.items()} == dict.fromkeys(
        ("nucleus", "cell", "cytoplasm", "spot"), (15, 84, 128)
    )
    for truth, kind in ((nuclei, "nucleus"), (cells, "cell")):
        got = found.labels[kind]
        assert got.max() == 2
        assert ((got > 0) & (truth > 0)).sum() > 0.75 * ((got > 0) | (truth > 0)).sum()
    assert found.parents["nucleus"].tolist() == [0, 1, 2]
    assert found.labels["spot"].max() == 3
    assert sorted(np.bincount(found.parents["spot"][1:])) == [0, 1, 2]
    outside = np.where(found.labels["nucleus"] > 0, 0, found.labels["cell"])
    assert np.array_equal(found.labels["cytoplasm"], outside)


@pytest.mark.parametrize("way", ["planes", "volume"])
def test_a_stack_by_planes_or_as_a_volume(way):
    image, nuclei, _ = stack(3.0)
    asked = ObjectSettings(kind="nucleus", stack=way)
    got = segment_frame(image, plan(asked)).labels["nucleus"]
    assert got.max() == 2
    assert ((got > 0) & (nuclei > 0)).sum() > 0.85 * ((got > 0) | (nuclei > 0)).sum()


def test_a_step_in_z_that_is_unknown_is_asked_for_only_where_it_is_needed():
    image, *_ = stack()
    by_planes = ObjectSettings(kind="nucleus")
    assert segment_frame(image, plan(by_planes)).labels["nucleus"].max() == 2
    volume = by_planes.model_copy(update={"stack": "volume"})
    message = r"stack\.tif: nucleus by threshold works in 3-D .* unknown.*Write anisotropy = 3\.0"
    with pytest.raises(UsageError, match=message):
        segment_frame(image, plan(volume))
    told = volume.model_copy(update={"anisotropy": 3.0})
    assert segment_frame(image, plan(told)).labels["nucleus"].max() == 2


def test_a_stack_of_one_plane_is_a_plane():
    image, *_ = stack(3.0)
    one = image.isel(Z=[7])
    kinds = [
        ObjectSettings(kind="nucleus"),
        ObjectSettings(kind="cell", method="grow"),
        ObjectSettings(kind="organelle:Mito", method="ridge"),
    ]
    found = segment_frame(one, plan(*kinds))
    flat = segment_frame(image.isel(Z=7), plan(*kinds))
    for kind, labels in found.labels.items():
        assert labels.shape == (1, 84, 128)
        assert np.array_equal(labels[0], flat.labels[kind])


GREY = {
    "one_px": np.full((1, 1), 7, np.uint16),
    "one_row": np.arange(60, dtype=np.uint16)[None],
    "smaller_than_any_window": np.random.default_rng(0).poisson(9, (4, 5)).astype(np.uint16),
    "zero": np.zeros((50, 60), np.uint16),
    "saturated": np.full((50, 60), 65535, np.uint16),
    "nan": np.full((50, 60), np.nan, np.float32),
    "infinite": np.full((50, 60), np.inf, np.float32),
    "no_rows": np.zeros((0, 60), np.uint16),
}
KINDS = {
    "adaptive": ObjectSettings(),
    "otsu": ObjectSettings(threshold="otsu"),
    "spots": ObjectSettings(kind="spot", method="log"),
    "ridge": ObjectSettings(kind="organelle:Mito", method="ridge"),
    "organelles": ObjectSettings(kind="organelle:Mito"),
    "volume": ObjectSettings(stack="volume", anisotropy=3.0),
}


@pytest.mark.parametrize("method", sorted(KINDS))
@pytest.mark.parametrize("name", sorted(GREY))
def test_a_bad_image_holds_nothing_and_stops_nothing(name, method):
    asked = KINDS[method].model_copy(update={"anisotropy": 3.0})
    empty = name in ("one_px", "smaller_than_any_window", "one_row")
    for image in (make_image(GREY[name], "YX"), make_image(np.stack([GREY[name]] * 3), "ZYX")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = segment_frame(image, plan(asked)).labels[asked.kind]
        assert found.shape == image.shape
        assert found.max(initial=0) == 0 or (empty and found.max() == 1)


def test_an_image_filled_by_one_object_is_that_object_or_nothing():
    yy, xx = np.mgrid[:90, :90]
    disc = np.hypot(yy - 45, xx - 45) < 42
    image = make_image(np.random.default_rng(0).poisson(20 + 200 * disc).astype(np.uint16), "YX")
    for threshold in ("adaptive", "otsu"):
        got = segment_frame(image, plan(ObjectSettings(threshold=threshold))).labels["cell"]
        assert got.max() == 1
        assert ((got > 0) & disc).sum() > 0.8 * ((got > 0) | disc).sum()
    full = make_image(np.random.default_rng(0).poisson(220, (90, 90)).astype(np.uint16), "YX")
    assert segment_frame(full, plan(ObjectSettings())).labels["cell"].max() == 0
