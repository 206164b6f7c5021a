"""What one piece of truth says: labels, masks, boxes, COCO entries; and what is odd in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from lucyte.io.annotated_boxes import YoloTruth, class_names
from lucyte.io.annotated_coco import CocoFile, read_coco
from lucyte.io.annotated_image import Annotation
from lucyte.io.annotated_labels import LabelTruth, MaskTruth
from lucyte.io.annotated_paint import boxes_of, label_problems, paint, piece_of, present
from lucyte.io.write_boxes import write_coco, write_yolo_boxes
from lucyte.schema.errors import InputError, LucyteError, UsageError
from reference.outlines import overlaps

SHAPE = (20, 30)


def block(y0: int, x0: int, y1: int, x1: int, value: int = 1) -> np.ndarray:
    labels = np.zeros(SHAPE, np.int32)
    labels[y0:y1, x0:x1] = value
    return labels


def saved(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        Image.fromarray(array).save(path)
    return path


# Painting and what is odd about labels


@given(st.lists(arrays(bool, (7, 9)), max_size=4))
def test_painting_keeps_the_smaller_and_counts_what_meets(masks: list[np.ndarray]) -> None:
    pieces = [piece for mask in masks if (piece := piece_of(mask)) is not None]
    kept = [mask for mask in masks if mask.any()]
    painted = paint(pieces, (7, 9))
    for y, x in np.ndindex(7, 9):
        there = [(mask.sum(), -k) for k, mask in enumerate(kept, start=1) if mask[y, x]]
        assert painted.labels[y, x] == (-min(there)[1] if there else 0)
    due = overlaps(kept)
    told: dict[tuple[int, int], int] = {(a, b): n for a, b, n in painted.overlaps}
    assert set(told) <= set(due)
    assert all(told[pair] <= due[pair] for pair in told), "a third mask may lie between"
    if len(kept) == 2:
        assert told == due


@given(arrays(np.int32, (9, 11), elements=st.sampled_from([0, 0, 1, 4, 7])))
def test_boxes_enclose_the_rising_labels(labels: np.ndarray) -> None:
    found = present(labels)
    assert found.tolist() == sorted(set(labels.ravel().tolist()) - {0})
    expected = []
    for key in found:
        ys, xs = np.nonzero(labels == key)
        expected.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    assert boxes_of(labels).tolist() == expected
    huge = np.where(labels > 0, labels + 2**30, 0).astype(np.int32)
    assert boxes_of(huge).tolist() == expected
    assert (present(huge) == found + 2**30).all()


@given(arrays(np.int32, (8, 9), elements=st.sampled_from([0, 0, 0, 2, 3])))
def test_parts_and_holes_by_definition(labels: np.ndarray) -> None:
    lines = label_problems(labels)
    for key in (2, 3):
        mask = labels == key
        count = ndimage.label(mask, np.ones((3, 3)))[1]
        assert (f"label {key} lies in {count} parts" in lines) == (count > 1)
        filled = ndimage.binary_fill_holes(mask) & ~mask
        pieces, n = ndimage.label(filled)
        own = [k for k in range(1, n + 1) if not labels[pieces == k].any()]
        px = sum(int((pieces == k).sum()) for k in own)
        due = f"has a hole of {px} px" if len(own) == 1 else f"has {len(own)} holes ({px} px)"
        assert (f"label {key} {due}" in lines) == bool(own)


def test_many_odd_labels_are_counted() -> None:
    labels = np.zeros((60, 60), np.int32)
    for k in range(1, 13):
        labels[4 * k, 3] = labels[4 * k, 20] = k
    lines = label_problems(labels)
    assert lines[0] == "label 1 lies in 2 parts"
    assert lines[-1] == "4 more labels lie in several parts"
    assert len(lines) == 9


# Label images


def test_label_images_of_every_depth(tmp_path: Path) -> None:
    labels = block(1, 2, 5, 9, 3) + block(8, 8, 12, 12, 200)
    for dtype in (np.uint8, np.uint16, np.uint32, np.int32, np.float32, np.int16):
        path = saved(tmp_path / f"{np.dtype(dtype).name}.tif", labels.astype(dtype))
        told = LabelTruth(str(path)).read(SHAPE)
        assert told.labels is not None and told.labels.dtype == np.int32
        assert (told.labels == labels).all()
        assert told.boxes.tolist() == [[2, 1, 9, 5], [8, 8, 12, 12]]


def test_what_is_no_label_image_is_refused(tmp_path: Path) -> None:
    half = saved(tmp_path / "half.tif", block(1, 1, 3, 3).astype(np.float32) / 2)
    with pytest.raises(UsageError, match=r"half.tif: a label image holds whole numbers"):
        LabelTruth(str(half)).read(SHAPE)
    lost = block(1, 1, 3, 3).astype(np.float32)
    lost[0, 0] = np.nan
    with pytest.raises(UsageError, match="whole numbers"):
        LabelTruth(str(saved(tmp_path / "nan.tif", lost))).read(SHAPE)
    minus = saved(tmp_path / "minus.tif", -block(1, 1, 3, 3).astype(np.int16))
    with pytest.raises(UsageError, match="no negative numbers, got -1"):
        LabelTruth(str(minus)).read(SHAPE)
    colours = saved(tmp_path / "rgb.png", np.zeros((*SHAPE, 3), np.uint8))
    with pytest.raises(InputError, match="is a picture in colours, not a label image"):
        LabelTruth(str(colours)).check(SHAPE)
    wide = saved(tmp_path / "wide.tif", np.zeros((5, 6), np.uint8))
    for call in (LabelTruth(str(wide)).check, LabelTruth(str(wide)).read):
        with pytest.raises(InputError, match=r"wide.tif: is 5 x 6 px, its image 20 x 30 px"):
            call(SHAPE)


def test_no_object_and_one_that_fills_everything(tmp_path: Path) -> None:
    empty = LabelTruth(str(saved(tmp_path / "0.tif", np.zeros(SHAPE, np.uint8)))).read(SHAPE)
    assert empty.boxes.shape == (0, 4)
    assert empty.boxes.dtype == np.float32
    assert empty.problems == ()
    full = LabelTruth(str(saved(tmp_path / "1.tif", np.ones(SHAPE, np.uint8)))).read(SHAPE)
    assert full.boxes.tolist() == [[0, 0, 30, 20]]


@pytest.mark.parametrize("value", [1, 255, 65535])
def test_binary_masks_are_refused_or_split_when_told(tmp_path: Path, value: int) -> None:
    mask = block(1, 1, 4, 4) + block(10, 10, 14, 14) + block(1, 20, 4, 24)
    path = saved(tmp_path / "m.tif", (mask * value).astype(np.uint16))
    with pytest.raises(
        InputError, match=rf"one value \({value}\) in 3 parts\..*--binary components"
    ):
        LabelTruth(str(path)).read(SHAPE)
    told = LabelTruth(str(path), split_binary=True).read(SHAPE)
    assert told.boxes.tolist() == [[1, 1, 4, 4], [20, 1, 24, 4], [10, 10, 14, 14]]
    assert told.problems == ("a mask, split into its 3 connected parts",)


def test_one_object_in_two_parts_is_no_binary_mask(tmp_path: Path) -> None:
    labels = block(1, 1, 4, 4, 4) + block(10, 10, 14, 14, 4)
    told = LabelTruth(str(saved(tmp_path / "m.tif", labels))).read(SHAPE)
    assert told.problems == ("label 4 lies in 2 parts",)
    assert told.boxes.tolist() == [[1, 1, 14, 14]]


def test_holes_and_parts_are_told_not_mended(tmp_path: Path) -> None:
    labels = block(2, 2, 10, 10, 3)
    labels[5, 5] = 0
    labels[7:9, 7] = 0
    labels += block(12, 1, 14, 3, 4) + block(16, 1, 18, 3, 4)
    told = LabelTruth(str(saved(tmp_path / "m.tif", labels))).read(SHAPE)
    assert told.problems == ("label 4 lies in 2 parts", "label 3 has 2 holes (3 px)")
    assert told.labels is not None and (told.labels == labels).all()


# One file per mask


def test_masks_that_overlap_hide_or_are_empty(tmp_path: Path) -> None:
    saved(tmp_path / "fed" / "a.png", block(0, 0, 10, 12) > 0)
    saved(tmp_path / "fed" / "b.png", block(8, 10, 14, 16) > 0)
    saved(tmp_path / "starved" / "c.png", block(8, 10, 11, 13) > 0)
    saved(tmp_path / "starved" / "d.png", block(9, 11, 10, 12) > 0)
    saved(tmp_path / "starved" / "e.png", np.zeros(SHAPE, bool))
    told = MaskTruth(str(tmp_path)).read(SHAPE)
    assert told.problems[:3] == (
        "masks 1 and 2 overlap by 4 px",
        "masks 2 and 3 overlap by 9 px",
        "masks 3 and 4 overlap by 1 px",
    )
    assert told.problems[3] == "masks without a pixel, left out: starved/e.png"
    assert told.classes == ("fed", "fed", "starved", "starved")
    assert len(told.boxes) == 4


def test_a_mask_wholly_under_others_is_left_out_with_its_class(tmp_path: Path) -> None:
    saved(tmp_path / "fed" / "a.png", block(0, 0, 4, 4) > 0)
    saved(tmp_path / "lost" / "b.png", block(0, 0, 4, 4) > 0)
    told = MaskTruth(str(tmp_path)).read(SHAPE)
    assert "hidden under other masks and left out: fed/a.png" in told.problems
    assert (told.classes, told.boxes.tolist()) == (("lost",), [[0, 0, 4, 4]])
    with pytest.raises(InputError, match="is 20 x 30 px, its image 5 x 5 px"):
        MaskTruth(str(tmp_path)).read((5, 5))
    with pytest.raises(InputError, match=r"a.png: is 20 x 30 px, its image 5 x 5 px"):
        MaskTruth(str(tmp_path)).check((5, 5))


# YOLO


def yolo(path: Path, lines: str, names: tuple[str, ...] = ()) -> Annotation:
    path.write_text(lines)
    return YoloTruth(str(path), names).read((100, 200))


def test_boxes_at_the_border_and_of_no_area(tmp_path: Path) -> None:
    told = yolo(tmp_path / "a.txt", "0 0.0 0.5 0.2 0.2\n0 0.5 0.5 0 0.1\n0 0.9 0.5 0.2 0.1\n")
    assert told.boxes.tolist() == [[0, 40, 20, 60], pytest.approx([160, 45, 200, 55])]
    assert told.problems == (
        "box on line 1 reaches outside the image and was cut",
        "1 box of no area left out",
    )
    assert (told.labels, told.classes) == (None, None)


def test_a_rounded_border_is_no_problem(tmp_path: Path) -> None:
    assert yolo(tmp_path / "a.txt", "0 0.0999 0.5 0.2 0.2\n").problems == ()


def test_an_empty_file_says_that_nothing_is_there(tmp_path: Path) -> None:
    told = yolo(tmp_path / "a.txt", "\n")
    assert told.labels is not None and not told.labels.any()
    assert told.boxes.shape == (0, 4)


def test_boxes_outside_and_unknown_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.txt: line 1 is no box inside the image"):
        yolo(tmp_path / "a.txt", "0 1.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match=r"speaks of class 2; known are 0 fed, 1 starved"):
        yolo(tmp_path / "a.txt", "0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1\n", ("fed", "starved"))
    with pytest.raises(InputError, match=r"line 1 is not 'class x y width height'"):
        yolo(tmp_path / "a.txt", "0 0.5 0.5 0.1 0.1 0.87\n")


def test_outlines_become_labels(tmp_path: Path) -> None:
    square = "0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6"
    other = "0.25 0.2 0.4 0.2 0.4 0.3 0.25 0.3"
    told = yolo(tmp_path / "a.txt", f"1 {square}\n0 {other}\n", ("fed", "starved"))
    assert told.labels is not None
    assert told.boxes.tolist() == [[20, 20, 60, 60], [50, 20, 80, 30]]
    assert told.classes == ("starved", "fed")
    assert told.problems == ("masks 1 and 2 overlap by 100 px",)
    with pytest.raises(InputError, match=r"line 2 is not 'class x y x y x y ...' like the first"):
        yolo(tmp_path / "a.txt", f"0 {square}\n0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(LucyteError, match=r"line 2 lies far outside"):
        yolo(tmp_path / "a.txt", f"0 {square}\n0 5 5 6 5 6 6\n")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("classes.txt", "fed\n\nstarved\n", ("fed", "starved")),
        ("obj.names", "cell\n", ("cell",)),
        ("data.yaml", "names: [fed, starved]\n", ("fed", "starved")),
        ("data.yaml", "nc: 2\nnames: {1: starved, 0: fed}\n", ("fed", "starved")),
        ("set.yml", "names:\n- 1\n- two\n", ("1", "two")),
        ("data.yaml", "train: images\n", ("0", "1", "2", "3")),
    ],
)
def test_names_of_classes(
    tmp_path: Path, name: str, content: str, expected: tuple[str, ...]
) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "a.txt").write_text("3 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n")
    assert class_names([tmp_path], [tmp_path / "a.txt"]) == expected


def test_a_yaml_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    (tmp_path / "data.yaml").write_text(
        f"names: !!python/object/apply:pathlib.Path.touch\n- !!python/name:str {trap}\n"
    )
    with pytest.raises(InputError, match=r"data.yaml: is no readable YAML"):
        class_names([tmp_path], [])
    assert not trap.exists()
    (tmp_path / "data.yaml").write_text("names: {0: fed, 5: starved}\n")
    with pytest.raises(InputError, match=r"numbers its classes \[0, 5\]; they count from 0"):
        class_names([tmp_path], [])
    (tmp_path / "data.yaml").write_text("names: [[a], b]\n")
    with pytest.raises(InputError, match="neither a list of names nor number: name"):
        class_names([tmp_path], [])
    (tmp_path / "data.yaml").write_text("names: fed\n")
    with pytest.raises(InputError, match="neither a list of names nor number: name"):
        class_names([tmp_path], [])


# COCO


def coco(path: Path, *entries: dict[str, Any], **changes: Any) -> CocoFile:
    data: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 30}],
        "annotations": [
            {"id": k, "image_id": 1, "category_id": 2, **entry}
            for k, entry in enumerate(entries, start=1)
        ],
        "categories": [{"id": 2, "name": "cell"}, {"id": 5, "name": "debris"}],
    }
    path.write_text(json.dumps(data | changes))
    return read_coco(path)


def test_coco_boxes_outside_cut_empty_and_crowded(tmp_path: Path) -> None:
    found = coco(
        tmp_path / "c.json",
        {"bbox": [1, 2, 3, 4]},
        {"bbox": [25, 2, 10, 4]},
        {"bbox": [40, 2, 3, 4]},
        {"bbox": [4, 4, 0, 4]},
        {"bbox": [4, 4, 9, 9], "iscrowd": 1},
        {"bbox": [5, 5, 2, 2], "category_id": 5, "segmentation": []},
    )
    told = found.truths[0].read(SHAPE)
    assert told.labels is None
    assert told.boxes.tolist() == [[1, 2, 4, 6], [25, 2, 30, 6], [5, 5, 7, 7]]
    assert told.classes == ("cell", "cell", "debris")
    assert told.problems == (
        "crowd regions (iscrowd) left out: 1",
        "box 2 reaches outside the image and was cut",
        "box 3 lies outside the image and was left out",
        "1 box of no area left out",
    )
    assert not told.complete
    assert found.classes == ("cell", "debris")


def test_coco_polygons_and_both_kinds_of_runs(tmp_path: Path) -> None:
    column = [20, 5, 575]  # the second column's first five px
    found = coco(
        tmp_path / "c.json",
        {"segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]]},
        {"segmentation": {"size": [20, 30], "counts": column}, "category_id": 5},
        {"segmentation": {"size": [20, 30], "counts": "o53RQ1"}},
        {"segmentation": [[40, 1, 46, 1, 46, 4]]},
        {"segmentation": [[4, 1, 7, 1, 7, 4, 4, 4]]},
    )
    with pytest.raises(InputError, match=r"c.json: annotation 3: .*run lengths sum"):
        found.truths[0].read(SHAPE)
    found = coco(
        tmp_path / "c.json",
        {"segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]]},
        {"segmentation": {"size": [20, 30], "counts": column}, "category_id": 5},
        {"segmentation": [[40, 1, 46, 1, 46, 4]]},
        {"segmentation": [[4, 1, 7, 1, 7, 4, 4, 4]]},
    )
    told = found.truths[0].read(SHAPE)
    assert told.boxes.tolist() == [[2, 1, 4, 4], [1, 0, 2, 5], [4, 1, 7, 4]]
    assert told.classes == ("cell", "debris", "cell")
    assert told.problems == (
        "annotation 3 covers no pixel and was left out",
        "masks 1 and 3 overlap by 6 px",
    )


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"segmentation": [[1, 2, 3]]}, "annotation 1: a polygon is a list of at least three points"),
    ({"segmentation": {"counts": 5}}, "a segmentation is a list of polygons or run lengths"),
    ({"segmentation": {"size": [5, 5], "counts": [25]}}, r"of an image of \[5, 5\]"),
    ({"bbox": [1, 2, -3, 4]}, r"annotation 1: bbox is not x, y, width, height: \[1, 2, -3, 4\]"),
    ({"bbox": "abcd"}, "annotation 1: bbox is not"),
    ({}, "annotation 1: bbox is not x, y, width, height: None"),
]


@pytest.mark.parametrize(("entry", "message"), BROKEN)
def test_broken_coco_entries_are_named(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        coco(tmp_path / "c.json", entry).truths[0].read(SHAPE)


def test_broken_coco_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    for content, message in (
        ('{"images": [', "is no readable JSON"),
        ("[1, 2]", "is JSON but not in the COCO form"),
        ('{"images": 3, "annotations": []}', "is JSON without a list of images"),
        ('{"images": [], "annotations": [4]}', "is JSON without a list of annotations"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_coco(path)
    with pytest.raises(InputError, match=r"annotation 1 is of category 9; listed are 2 cell"):
        coco(path, {"category_id": 9})
    image = {"id": 1, "file_name": "a.png"}
    with pytest.raises(InputError, match=r"lists two images with the id 1"):
        coco(path, images=[image, image])
    with pytest.raises(InputError, match="an image has no id or no file_name"):
        coco(path, images=[{"id": 1}])
    with pytest.raises(InputError, match="a category has no id or name of its own"):
        coco(path, categories=[{"id": 1}])
    with pytest.raises(InputError, match=r"says that a.png is 20 x 30 px, it is 9 x 9 px"):
        coco(path).truths[0].check((9, 9))
    lost = coco(path, {"image_id": 8})
    assert lost.problems[0].message.startswith("annotations of images that are not listed (id 8)")
    empty = lost.truths[0].read(SHAPE)
    assert empty.labels is not None and not empty.labels.any()


# Writing


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 10), st.integers(1, 9), st.integers(1, 9)),
        max_size=5,
    )
)
def test_written_boxes_come_back(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[tuple[int, int, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("boxes") / "a.txt"
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in numbers], np.float32).reshape(-1, 4)
    write_yolo_boxes(path, boxes, SHAPE, [k % 2 for k in range(len(boxes))])
    told = YoloTruth(str(path), ("a", "b")).read(SHAPE)
    assert told.boxes == pytest.approx(boxes, abs=1e-5)
    assert told.classes == tuple("ab"[k % 2] for k in range(len(boxes)))


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"box 5 5 40 9 is not inside 30 x 20 px"):
        write_yolo_boxes(tmp_path / "a.txt", np.array([[5, 5, 40, 9]]), SHAPE)
    with pytest.raises(UsageError, match="got 1 classes for 2 boxes"):
        write_yolo_boxes(tmp_path / "a.txt", np.ones((2, 4)), SHAPE, [0])
    told = Annotation(None, np.zeros((1, 4), np.float32), ("odd",))
    with pytest.raises(UsageError, match="unknown class 'odd'"):
        write_coco(tmp_path / "c.json", [("a.png", SHAPE, told)])


@given(arrays(np.int32, SHAPE, elements=st.sampled_from([0, 0, 3, 9])))
def test_written_coco_comes_back(
    tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("coco") / "c.json"
    keys = present(labels)
    classes = tuple("ab"[k % 2] for k in range(len(keys)))
    told = Annotation(labels, boxes_of(labels), classes)
    boxes = Annotation(None, told.boxes, None)
    write_coco(path, [("a.png", SHAPE, told), ("b.png", SHAPE, boxes)], ("a", "b"))
    first, second = (truth.read(SHAPE) for truth in read_coco(path).truths)
    assert first.labels is not None
    assert ((first.labels > 0) == (labels > 0)).all()
    assert first.boxes.tolist() == told.boxes.tolist()
    assert first.classes == classes
    assert second.boxes.tolist() == told.boxes.tolist()
