"""Truth that others made: CTC folders, YOLO boxes, one mask per cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lucyte.io.truth import read_ctc_truth, read_mask_folder, read_yolo_boxes
from lucyte.schema.errors import InputError

# The challenge's folders


def test_the_real_truth_of_gowt1(shared_data: Path) -> None:
    truth = read_ctc_truth(shared_data / "ctc" / "Fluo-N2DH-GOWT1" / "01_GT")
    assert list(truth.markers) == list(range(92))
    assert list(truth.masks)[:3] == [2, 5, 6]
    assert len(truth.masks) == 30
    assert truth.markers[7].endswith("man_track007.tif")
    first = tifffile.imread(truth.markers[0])
    there = truth.tracks.query("B == 0")["L"]
    assert set(np.unique(first)) - {0} == set(there)


@pytest.mark.parametrize(
    ("name", "tracks", "daughters"),
    [("Fluo-N2DH-GOWT1", 27, 4), ("Fluo-N2DH-SIM+", 95, 59), ("Fluo-C2DL-MSC", 15, 0)],
)
def test_the_real_tables_are_whole(
    shared_data: Path, name: str, tracks: int, daughters: int
) -> None:
    folder = shared_data / "ctc" / name / "01_GT"
    table = read_ctc_truth(folder).tracks
    lines = (folder / "TRA" / "man_track.txt").read_text().split("\n")
    assert table.values.tolist() == [[int(v) for v in line.split()] for line in lines if line]
    assert (table["B"] <= table["E"]).all()
    assert (len(table), int((table["P"] > 0).sum())) == (tracks, daughters)


def test_the_real_data_hold_thirty_divisions(shared_data: Path) -> None:
    divisions = 0
    for name in ("Fluo-N2DH-GOWT1", "Fluo-N2DH-SIM+", "Fluo-C2DL-MSC"):
        table = read_ctc_truth(shared_data / "ctc" / name / "01_GT").tracks
        parents = table.query("P > 0").groupby("P").size()
        divisions += int((parents >= 2).sum())
    assert divisions == 30


def make_truth(folder: Path, table: str) -> Path:
    (folder / "TRA").mkdir(parents=True)
    tifffile.imwrite(folder / "TRA" / "man_track000.tif", np.zeros((4, 4), np.uint16))
    (folder / "TRA" / "man_track.txt").write_text(table)
    return folder


def test_bad_truth_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="01_GT: no such folder"):
        read_ctc_truth(tmp_path / "01_GT")
    with pytest.raises(InputError, match=r"holds no man_track\*.tif"):
        read_ctc_truth(tmp_path)
    with pytest.raises(InputError, match=r"line 2 is not 'track begin end parent'.*'2 0 x 0'"):
        read_ctc_truth(make_truth(tmp_path / "a", "1 0 0 0\n2 0 x 0\n"))
    with pytest.raises(InputError, match="track 2 has a parent 5 that is not in the table"):
        read_ctc_truth(make_truth(tmp_path / "b", "1 0 0 0\n2 1 1 5\n"))
    bare = make_truth(tmp_path / "c", "")
    assert len(read_ctc_truth(bare).tracks) == 0
    (bare / "TRA" / "man_track.txt").unlink()
    with pytest.raises(InputError, match=r"has label images but no man_track.txt"):
        read_ctc_truth(bare)


# Boxes


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 300), st.integers(1, 90), st.integers(1, 80)),
        max_size=6,
    ),
    st.integers(0, 3),
)
def test_boxes_come_back_in_pixels(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[tuple[int, int, int, int]], kind: int
) -> None:
    width, height = 500, 400
    path = tmp_path_factory.mktemp("boxes") / "a.txt"
    lines = [
        f"{kind} {(x + w / 2) / width!r} {(y + h / 2) / height!r} {w / width!r} {h / height!r}"
        for x, y, w, h in boxes
    ]
    path.write_text("\n".join(lines) + "\n\n")
    table = read_yolo_boxes(path, width, height)
    assert list(table.columns) == ["class_id", "x0_px", "y0_px", "x1_px", "y1_px"]
    assert (table["class_id"] == kind).all()
    expected = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes]).reshape(-1, 4)
    assert np.abs(table.iloc[:, 1:].to_numpy() - expected).max(initial=0) < 1e-6


def test_boxes_end_at_the_border(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.0 0.9 0.2 0.4\n")
    row = read_yolo_boxes(tmp_path / "a.txt", 100, 50).iloc[0]
    assert row.tolist() == pytest.approx([0, 0, 35, 10, 50])


BAD_BOXES = [
    ("0 0.5 0.5 0.1", "line 1 is not 'class x y width height'"),
    ("0 0.5 0.5 0.1 0.1\n0 a b c d", "line 2 is not"),
    ("0 120 80 30 30", "line 1 is no box inside the image"),
    ("0 0.5 0.5 0.1 1.2", "line 1 is no box"),
    ("0 0.5 0.5 -0.1 0.1", "line 1 is no box"),
    ("0.5 0.5 0.5 0.1 0.1", "line 1 is no box"),
    ("0 nan 0.5 0.1 0.1", "line 1 is no box"),
]


@pytest.mark.parametrize(("text", "message"), BAD_BOXES)
def test_bad_boxes_are_named_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match=f"a.txt: {message}"):
        read_yolo_boxes(tmp_path / "a.txt", 100, 100)


def test_boxes_without_extent_are_left_out_and_listed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n\n0 0.5 0.5 0 0.1\n0 0.2 0.2 0.1 0.0\n")
    table = read_yolo_boxes(tmp_path / "a.txt", 100, 100)
    assert len(table) == 1
    assert table.attrs["empty_lines"] == [3, 4]


def test_no_file_and_no_boxes_are_different(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    empty = read_yolo_boxes(tmp_path / "a.txt", 10, 10)
    assert (len(empty), str(empty["x0_px"].dtype)) == (0, "float64")
    with pytest.raises(InputError, match=r"b.txt: no such file of boxes"):
        read_yolo_boxes(tmp_path / "b.txt", 10, 10)


def test_the_real_boxes(shared_data: Path) -> None:
    folder = shared_data / "cellular" / "boxes"
    tables = [read_yolo_boxes(path, 2048, 2048) for path in sorted(folder.glob("*.txt"))]
    # Of 11,130 lines two are empty: Timepoint_004 C05_s2 line 196, Timepoint_005 C05_s1 line 69.
    assert sum(len(table) for table in tables) == 11128
    assert [table.attrs["empty_lines"] for table in tables if table.attrs["empty_lines"]] == [
        [196], [69],
    ]  # fmt: skip
    first = tables[0].iloc[0]
    # 0.051513671875 0.025390625 0.08544921875 0.05078125, times 2048
    assert first.tolist() == pytest.approx([0, 18.0, 0.0, 193.0, 104.0])


# One mask per cell


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def square(y: int, x: int, size: int) -> np.ndarray:
    mask = np.zeros((12, 14), bool)
    mask[y : y + size, x : x + size] = True
    return mask


def test_masks_become_one_label_image_and_a_table(tmp_path: Path) -> None:
    save(tmp_path / "starved" / "m_2.png", (square(6, 7, 4) * 255).astype(np.uint8))
    save(tmp_path / "fed" / "m_1.png", square(1, 1, 5))
    save(tmp_path / "fed" / "m_3.png", square(5, 5, 2))
    found = read_mask_folder(tmp_path)
    assert found.table[["label", "file", "state"]].values.tolist() == [
        [1, "fed/m_1.png", "fed"], [2, "fed/m_3.png", "fed"], [3, "starved/m_2.png", "starved"],
    ]  # fmt: skip
    assert found.table[["x0_px", "y0_px", "x1_px", "y1_px"]].values.tolist() == [
        [1, 1, 6, 6], [5, 5, 7, 7], [7, 6, 11, 10],
    ]  # fmt: skip
    assert found.table["area_px"].tolist() == [25, 4, 16]
    assert found.labels[5, 5] == 2, "the smaller cell is on top"
    assert found.table["hidden_px"].tolist() == [1, 0, 0]
    expected = square(1, 1, 5) * 1
    expected[square(6, 7, 4)] = 3
    expected[square(5, 5, 2)] = 2
    assert (found.labels == expected).all()
    assert found.labels.dtype == np.int32


def test_bad_mask_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no mask images"):
        read_mask_folder(tmp_path)
    save(tmp_path / "a.png", square(1, 1, 2))
    assert read_mask_folder(tmp_path).table["state"].tolist() == [""]
    save(tmp_path / "b.png", np.zeros((12, 14), bool))
    with pytest.raises(InputError, match=r"b.png: is an empty mask"):
        read_mask_folder(tmp_path)
    save(tmp_path / "b.png", np.ones((5, 5), bool))
    with pytest.raises(InputError, match=r"b.png: is \(5, 5\), the first mask is \(12, 14\)"):
        read_mask_folder(tmp_path)
