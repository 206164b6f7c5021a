"""Kinds in their order, their parents, and the refusals."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.schema.plan import ObjectSettings, SegmentSettings
from lucyte.segment.frame import default_objects, segment_frame
from lucyte.segment.parents import parents_by_overlap
from lucyte.segment.spots import find_spots


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
    with pytest.raises(UsageError, match=r"got axis Z of 3\. Select one with --select Z=0"):
        segment_frame(make_image(np.zeros((3, 9, 9)), "ZYX"), plan(ObjectSettings()))
    with pytest.raises(UsageError, match=r"has no named channels, cell asks for GFP"):
        segment_frame(make_image(np.zeros((9, 9)), "YX"), plan(cell))
