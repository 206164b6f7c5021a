"""Detectors read from ONNX files: each form, and the files that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.networks.yolo_onnx import read_yolo
from lucyte.schema.errors import InputError, UsageError
from worlds import tiny_onnx
from worlds.tiny_onnx import SIDE, bright_blocks, write

NAMES = {"names": "{0: 'dust', 1: 'cell'}", "task": "detect"}


@pytest.mark.parametrize("kind", [1, 10], ids=["float32", "float16"])
@pytest.mark.parametrize("form", ["v5", "v8", "end2end"])
def test_each_form_finds_the_bright_block(tmp_path, form, kind):
    path = write(tmp_path / "best.onnx", bright_blocks(form, classes=2, metadata=NAMES, kind=kind))
    model = read_yolo(path, threads=1)
    assert (model.form, model.names, model.input_px) == (form, ("dust", "cell"), (SIDE, SIDE))
    assert model.colours == 3 and len(model.sha256) == 64
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[8:16, 24:32] = 204
    found = model.propose(picture)
    sure = np.flatnonzero(found.scores > 0.5)
    assert len(sure) == (3 if form == "v5" else 1)
    np.testing.assert_allclose(found.boxes[sure[0]], [24, 8, 32, 16])
    assert found.scores[sure[0]] == pytest.approx(0.8, abs=1e-3)
    assert model.class_name(found.classes[sure[0]]) == "cell"


def test_colours_are_red_green_blue(tmp_path):
    path = write(tmp_path / "red.onnx", bright_blocks("v8", colour=0))
    model = read_yolo(path, threads=1)
    assert model.names == ("0",)
    for colour, expected in ((0, 1.0), (1, 0.0), (2, 0.0)):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        picture[..., colour] = 255
        assert model.propose(picture).scores.max() == pytest.approx(expected)


def test_an_open_input_size_comes_from_the_file_or_the_user(tmp_path):
    open_size = {"shape": ("batch", 3, "height", "width")}
    told = bright_blocks("v8", metadata={"imgsz": f"[{SIDE}, {SIDE}]"}, **open_size)
    assert read_yolo(write(tmp_path / "told.onnx", told), threads=1).input_px == (SIDE, SIDE)
    silent = write(tmp_path / "silent.onnx", bright_blocks("v8", **open_size))
    with pytest.raises(InputError, match=r"does not say which .* Give input_px, for example 1024"):
        read_yolo(silent)
    assert read_yolo(silent, input_px=SIDE, threads=1).input_px == (SIDE, SIDE)


def test_a_fixed_input_size_is_not_changed(tmp_path):
    path = write(tmp_path / "best.onnx", bright_blocks("v8"))
    with pytest.raises(UsageError, match=r"fixed to 64 x 64 px, got input_px=128\. Leave it out"):
        read_yolo(path, input_px=128)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"task": "segment"}, "is a network for the task 'segment'; boxes need 'detect'"),
        ({"task": "pose"}, "is a network for the task 'pose'"),
        ({"names": "{0: 'a', 1: 'b'}"}, "has room for 1 classes, the file names 2"),
        ({"names": "__import__('os').system('true')"}, "must be a list or a numbered dict"),
        ({"names": "[" * 5000}, "must be a list or a numbered dict"),
        ({"names": "{1: 'cell'}"}, "must be a list or a numbered dict"),
    ],
)
def test_metadata_is_plain_data_and_is_checked(tmp_path, metadata, message):
    path = write(tmp_path / "best.onnx", bright_blocks("v8", metadata=metadata))
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        read_yolo(path)


def test_other_networks_are_refused(tmp_path):
    two = tiny_onnx.model(
        [tiny_onnx.node("Identity", ["images"], name) for name in ("output0", "output1")],
        {},
        [tiny_onnx.value("images", (1, 3, 8, 8))],
        [tiny_onnx.value(name, (1, 3, 8, 8)) for name in ("output0", "output1")],
        {},
    )
    with pytest.raises(InputError, match=r"has 2 outputs .*\(segmentation\) have two"):
        read_yolo(write(tmp_path / "two.onnx", two))
    four = tiny_onnx.model(
        [tiny_onnx.node("Identity", ["images"], "output0")],
        {},
        [tiny_onnx.value("images", (1, 4, 8, 8))],
        [tiny_onnx.value("output0", (1, 4, 8, 8))],
        {},
    )
    with pytest.raises(InputError, match=r"4 colours; 3 \(RGB\) or 1 \(grey\) are known"):
        read_yolo(write(tmp_path / "four.onnx", four))


def test_damaged_and_missing_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_yolo(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="is not an ONNX network that can be read"):
        read_yolo(write(tmp_path / "text.onnx", b"not a network at all"))
    cut = bright_blocks("v8")
    with pytest.raises(InputError, match="is not an ONNX network that can be read"):
        read_yolo(write(tmp_path / "cut.onnx", cut[: len(cut) // 2]))
    with pytest.raises(InputError, match=r"is not an \.onnx file"):
        read_yolo(write(tmp_path / "best.pt", b""))


def test_a_picture_of_another_size_is_refused(tmp_path):
    model = read_yolo(write(tmp_path / "best.onnx", bright_blocks("v8")), threads=1)
    with pytest.raises(UsageError, match=r"takes uint8 \(64, 64, 3\), got uint8 \(32, 64, 3\)"):
        model.propose(np.zeros((32, 64, 3), np.uint8))


def test_the_lab_model_is_read(shared_data):
    path = shared_data.parent / "models" / "yolov8n-cellular-1024.onnx"
    if not path.is_file():
        pytest.skip("the detector of ../shared/models is not on this machine")
    model = read_yolo(path, threads=1)
    assert (model.names, model.input_px, model.form) == (("cell",), (1024, 1024), "v8")
