"""Boxes of a foreign detector in px of the image: sizes, tiles, thresholds, the lab's model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lucyte.io.truth import read_yolo_boxes
from lucyte.networks.yolo_onnx import read_yolo
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import BOX
from lucyte.segment.foreign_boxes import detect_boxes, tiles
from lucyte.stats.boxes import average_precision
from worlds.tiny_onnx import SIDE, bright_blocks, write

COLUMNS = [*BOX, "score", "class"]


@pytest.fixture(scope="module", params=["v5", "v8", "end2end"])
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("yolo") / f"{request.param}.onnx"
    named = {"names": "['dust', 'cell']"}
    return read_yolo(
        write(path, bright_blocks(request.param, classes=2, metadata=named)), threads=1
    )


def blocks(height: int, width: int, at: list[tuple[int, int]], side: int = 8) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    for y, x in at:
        picture[y : y + side, x : x + side] = 255
    return picture


def test_one_box_per_object_in_px_of_the_image(model):
    picture = blocks(2 * SIDE, 2 * SIDE, [(16, 48), (96, 32)], side=16)
    table = detect_boxes(model, picture, confidence=0.5)
    assert list(table.columns) == COLUMNS and len(table) == 2
    rows = sorted(table[list(BOX)].to_numpy().tolist())
    assert rows == [[32, 96, 48, 112], [48, 16, 64, 32]]
    assert set(table["class"]) == {"cell"}
    np.testing.assert_allclose(table["score"], 1.0, atol=1e-3)


def test_a_wide_picture_is_padded_and_its_boxes_come_back(model):
    picture = blocks(SIDE // 2, SIDE, [(8, 24)])
    table = detect_boxes(model, picture, confidence=0.9)
    assert table[list(BOX)].to_numpy().tolist() == [[24, 8, 32, 16]]


def test_tiles_find_what_the_whole_picture_is_too_small_for(model):
    at = [(16, 32), (64, 96), (200, 128), (240, 248)]
    picture = blocks(256, 256, at)
    whole = detect_boxes(model, picture, confidence=0.5)
    assert len(whole) == 0, "test invalid: the objects are 2 px wide in a reduced picture"
    table = detect_boxes(model, picture, confidence=0.95, tile_px=SIDE, overlap=0.5)
    expected = sorted([x, y, x + 8, y + 8] for y, x in at)
    assert sorted(table[list(BOX)].to_numpy().tolist()) == expected


def test_tiles_cover_and_agree_on_who_answers():
    for size, tile, overlap in ((500, 64, 0.25), (129, 64, 0.0), (64, 64, 0.25), (1000, 333, 0.6)):
        rows = [
            (each.y0, each.y1, each.own[0], each.own[2])
            for each in tiles((size, 10), tile, overlap)
        ]
        assert rows[0][0] == 0 and rows[-1][1] == size
        for (_, end, _, high), (start, _, low, _) in pairwise(rows):
            assert end - start >= int(tile * overlap)  # neighbours share at least the overlap
            assert start <= low <= high <= end
        for y in np.linspace(0, size, 400):
            assert any(low <= y < high for _, _, low, high in rows)


def test_a_box_cut_by_a_tile_is_left_to_the_neighbour():
    first, second = tiles((96, 64), 64, 0.5)
    assert (first.y0, first.y1, second.y0, second.y1) == (0, 64, 32, 96)
    cut_by_first = np.array([[10.0, 50.0, 20.0, 64.0]])  # of an object from 50 to 74
    whole = np.array([[10.0, 50.0, 20.0, 74.0]])
    assert not first.owns(cut_by_first)[0]
    assert second.owns(whole)[0]


def test_more_than_three_hundred_stay(tmp_path):
    model = read_yolo(write(tmp_path / "best.onnx", bright_blocks("v8")), threads=1)
    at = [(y, x) for y in range(0, 512, 16) for x in range(0, 512, 16)]
    table = detect_boxes(model, blocks(512, 512, at), confidence=0.95, tile_px=64, overlap=0.5)
    assert len(table) == len(at) == 1024


def test_thresholds_are_respected(model):
    picture = blocks(SIDE, SIDE, [(8, 8)])
    picture[40:48, 40:48] = 51  # score 0.2
    assert len(detect_boxes(model, picture, confidence=0.1)) == 2
    assert len(detect_boxes(model, picture, confidence=0.25)) == 1
    nothing = detect_boxes(model, np.zeros((40, 40, 3), np.uint8))
    assert list(nothing.columns) == COLUMNS and len(nothing) == 0


def test_refusals(model):
    with pytest.raises(UsageError, match=r"takes a uint8 picture Y X 3, got float32 \(8, 8, 3\)"):
        detect_boxes(model, np.zeros((8, 8, 3), np.float32))
    with pytest.raises(UsageError, match=r"got uint8 \(2, 8, 8\). colour_picture makes one"):
        detect_boxes(model, np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(UsageError, match="holds no pixels"):
        detect_boxes(model, np.zeros((0, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="confidence must be from 0 to 1, got 25"):
        detect_boxes(model, np.zeros((8, 8, 3), np.uint8), confidence=25)
    with pytest.raises(UsageError, match="tile_px must be at least 32, got 4"):
        detect_boxes(model, np.zeros((8, 8, 3), np.uint8), tile_px=4)
    with pytest.raises(UsageError, match=r"overlap must be from 0 to 0\.75"):
        detect_boxes(model, np.zeros((8, 8, 3), np.uint8), tile_px=64, overlap=1)


@pytest.mark.slow
def test_the_lab_model_on_a_validation_field(shared_data):
    path = shared_data.parent / "models" / "yolov8n-cellular-1024.onnx"
    if not path.is_file():
        pytest.skip("the detector of ../shared/models is not on this machine")
    folder = shared_data / "cellular"
    fields = pd.read_csv(folder / "images.csv")
    name = fields.loc[fields["split"] == "val", "image"].iloc[0]
    picture = np.asarray(Image.open(folder / "images" / name))
    known = read_yolo_boxes(folder / "boxes" / name.replace(".jpg", ".txt"), 2048, 2048)
    table = detect_boxes(read_yolo(path, threads=1), picture, confidence=0.001)
    got = average_precision([known[list(BOX)]], [table[list(BOX)]], [table["score"]])
    assert got["mAP50"] == pytest.approx(0.796, abs=0.01)
