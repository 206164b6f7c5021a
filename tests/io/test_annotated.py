"""Folders of annotated images: which form, which pairs, which groups; nothing read too early."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lucyte.io.annotated import AnnotatedSet, open_annotated
from lucyte.io.open import read_labels
from lucyte.schema.errors import InputError, UsageError

SHAPE = (24, 32)


def picture(path: Path, value: int = 7, shape: tuple[int, int] = SHAPE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full(shape, value, np.uint8)
    if path.suffix == ".tif":
        tifffile.imwrite(path, image)
    else:
        Image.fromarray(image).save(path)
    return path


def labelled(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[2:6, 3:9] = 2
    labels[10:20, 10:14] = 5
    return labels


def labels_at(path: Path, labels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = labelled() if labels is None else labels
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    else:
        Image.fromarray(array).save(path)
    return path


def text(path: Path, lines: str = "0 0.5 0.5 0.25 0.25\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)
    return path


def messages(found: AnnotatedSet) -> str:
    return "\n".join(problem.message for problem in found.problems)


def names(found: AnnotatedSet) -> list[str]:
    return [each.name for each in found.images]


# Label images


@pytest.mark.parametrize(
    ("image", "truth"),
    [
        ("images/{}.png", "labels/{}.tif"),
        ("images/{}.tif", "masks/{}.png"),
        ("images/{}.png", "masks/{}_mask.png"),
        ("Images/{}.tif", "ground_truth/{}_label.tif"),
        ("{}.tif", "labels/{}.png"),
        ("images/{}.ome.tif", "labels/{}.tif"),
        ("{}.tif", "{}_masks.tif"),
        ("{}.tif", "{}_cp_masks.png"),
        ("{}.tif", "{}_label.tif"),
        ("{}.tif", "{}_seg.tif"),
        ("{}_img.png", "{}_masks.png"),
        ("train/{}_img.png", "train/{}_masks.png"),
        ("train/images/{}.tif", "train/masks/{}.tif"),
    ],
)
def test_label_images_are_found_and_paired(tmp_path: Path, image: str, truth: str) -> None:
    for value, name in enumerate(("b2", "a1"), start=1):
        picture(tmp_path / image.format(name), value)
        labels_at(tmp_path / truth.format(name), labelled() * value)
    found = open_annotated(tmp_path)
    assert (found.form, found.has_masks, found.classes, found.group_known) == (
        "labels", True, (), False,
    )  # fmt: skip
    assert found.problems == ()
    assert [each.name.removesuffix("_img") for each in found.images] == ["a1", "b2"]
    first, second = found.images
    assert first.group == first.name
    assert first.channels == ("C0",)
    image_array = first.open()
    assert (image_array.dims, image_array.shape) == (("C", "Y", "X"), (1, 24, 32))
    assert int(image_array.max()) == 2, "the picture of its own name"
    told = first.annotation()
    assert told.labels is not None
    assert (told.labels == labelled() * 2).all()
    assert told.labels.dtype == np.int32
    assert told.boxes.tolist() == [[3, 2, 9, 6], [10, 10, 14, 20]]
    assert told.boxes.dtype == np.float32
    assert (told.classes, told.problems, told.complete) == (None, (), True)
    assert second.truth_path.endswith(truth.format("b2").split("/")[-1])


def test_what_does_not_pair_up_is_named_and_left_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / "images" / f"{name}.png")
    for name in ("a", "d"):
        labels_at(tmp_path / "labels" / f"{name}.tif")
    found = open_annotated(tmp_path)
    assert names(found) == ["a"]
    assert messages(found).splitlines() == [
        "images without truth in this form, left out: b.png, c.png (2 in all).",
        "truth without an image of its name, left out: d.tif (1 in all).",
    ]
    assert {problem.kind for problem in found.problems} == {"unmatched"}


def test_names_that_occur_twice_are_left_out_unless_folders_tell(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif", "b.png"):
        picture(tmp_path / "images" / name)
    labels_at(tmp_path / "labels" / "a.tif")
    labels_at(tmp_path / "labels" / "b.tif")
    found = open_annotated(tmp_path)
    assert names(found) == ["b"]
    assert "a.png, a.tif and a.tif share a name and cannot be told apart" in messages(found)
    for side in ("left", "right"):
        picture(tmp_path / "two" / "images" / side / "x.png")
        labels_at(tmp_path / "two" / "labels" / side / "x.tif")
    two = open_annotated(tmp_path / "two")
    assert [Path(each.truth_path).parent.name for each in two.images] == ["left", "right"]
    assert [Path(each.image_paths[0]).parent.name for each in two.images] == ["left", "right"]
    assert len(set(names(two))) == 2


def test_sizes_that_differ_are_named_at_opening(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    picture(tmp_path / "images" / "b.png", shape=(20, 20))
    labels_at(tmp_path / "labels" / "a.tif")
    labels_at(tmp_path / "labels" / "b.tif")
    found = open_annotated(tmp_path)
    assert names(found) == ["a"]
    assert "b.tif: is 24 x 32 px, its image 20 x 20 px. b.png is left out." in messages(found)


def test_a_damaged_file_costs_one_image(tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / "images" / f"{name}.png")
        labels_at(tmp_path / "labels" / f"{name}.tif")
    (tmp_path / "labels" / "b.tif").write_bytes(b"II*\x00 no more")
    found = open_annotated(tmp_path)
    assert names(found) == ["a"]
    assert "b.tif" in messages(found)
    (tmp_path / "labels" / "a.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"no image with truth that fits it.*a.tif: is empty"):
        open_annotated(tmp_path)


def test_nothing_is_read_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lucyte.io.annotated_labels as module

    picture(tmp_path / "images" / "a.png")
    labels_at(tmp_path / "labels" / "a.tif")
    opened: list[str] = []

    def spy(path: str) -> np.ndarray:
        opened.append(path)
        return read_labels(path)

    monkeypatch.setattr(module, "read_labels", spy)
    found = open_annotated(tmp_path)
    found.images[0].open()
    assert opened == []
    found.images[0].annotation()
    assert opened == [found.images[0].truth_path]
    twin = pickle.loads(pickle.dumps(found.images[0]))
    assert (twin.annotation().boxes == found.images[0].annotation().boxes).all()


def test_stacks_of_frames_are_images_each(tmp_path: Path) -> None:
    stack = np.stack([np.full(SHAPE, value, np.uint16) for value in (3, 4, 5)])
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "m.tif", stack, metadata={"axes": "TYX"}, imagej=True)
    labels_at(tmp_path / "labels" / "m.tif", np.stack([labelled() * k for k in (1, 2, 3)]))
    found = open_annotated(tmp_path)
    assert names(found) == ["m_t000", "m_t001", "m_t002"]
    assert {each.group for each in found.images} == {"m"}
    assert [int(each.open().max()) for each in found.images] == [3, 4, 5]
    assert [int(each.annotation().labels.max()) for each in found.images] == [5, 10, 15]  # type: ignore[union-attr]
    labels_at(tmp_path / "labels" / "m.tif", np.stack([labelled()] * 2))
    with pytest.raises(InputError, match="holds 2 planes, its image 3"):
        open_annotated(tmp_path)


def test_a_plane_of_a_z_stack_is_chosen(tmp_path: Path) -> None:
    stack = np.stack([np.full(SHAPE, value, np.uint16) for value in (3, 4)])
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "z.tif", stack, metadata={"axes": "ZYX"}, imagej=True)
    labels_at(tmp_path / "labels" / "z.tif", np.stack([labelled(), labelled() * 2]))
    with pytest.raises(InputError, match=r"holds 2 planes; training is on single planes.*--select"):
        open_annotated(tmp_path)
    found = open_annotated(tmp_path, select={"Z": 1})
    assert names(found) == ["z"]
    assert int(found.images[0].open().max()) == 4
    assert int(found.images[0].annotation().labels.max()) == 10  # type: ignore[union-attr]


def test_channels_in_files_of_their_own_and_new_names(tmp_path: Path) -> None:
    for site in (1, 2):
        for number in (1, 2):
            picture(tmp_path / "images" / f"plate_B03_s{site}_w{number}.tif", 10 * site + number)
        labels_at(tmp_path / "labels" / f"plate_B03_s{site}.tif")
    found = open_annotated(tmp_path, channels={"DNA": "w1"})
    assert [each.group for each in found.images] == ["B03_s1", "B03_s2"]
    assert found.group_known
    assert names(found) == ["plate_B03_s1", "plate_B03_s2"]
    assert found.images[1].channels == ("DNA", "w2")
    assert len(found.images[1].image_paths) == 2
    image = found.images[1].open()
    assert [int(plane.max()) for plane in image] == [21, 22]
    assert list(image.coords["C"].values) == ["DNA", "w2"]
    with pytest.raises(UsageError, match=r"unknown channel 'w7'.*Allowed: w1, w2"):
        open_annotated(tmp_path, channels={"DNA": "w7"})


# Ambiguous and empty folders


def test_two_forms_side_by_side_are_refused_with_the_option(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    labels_at(tmp_path / "labels" / "a.tif")
    labels_at(tmp_path / "masks" / "a.tif", (labelled() > 0).astype(np.uint8))
    with pytest.raises(UsageError, match=r"truth in labels and masks; say which with --truth"):
        open_annotated(tmp_path)
    assert names(open_annotated(tmp_path, truth=tmp_path / "labels")) == ["a"]
    assert names(open_annotated(tmp_path, truth="labels")) == ["a"], "relative to the data"
    text(tmp_path / "labels" / "a.txt")
    with pytest.raises(UsageError, match=r"text files \(a.txt\) and pictures \(a.tif\)"):
        open_annotated(tmp_path, truth="labels")


def test_folders_without_truth_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder.*Accepted: images/ beside"):
        open_annotated(tmp_path / "nowhere")
    picture(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"no images with truth.*--truth"):
        open_annotated(tmp_path)
    np.save(tmp_path / "a_seg.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"a_seg.npy is a pickle, which is never read"):
        open_annotated(tmp_path)
    (tmp_path / "truth").mkdir()
    with pytest.raises(InputError, match=r"truth: holds no truth"):
        open_annotated(tmp_path, images=tmp_path, truth=tmp_path / "truth")
    with pytest.raises(UsageError, match="unknown treatment of binary masks 'split'"):
        open_annotated(tmp_path, binary="split")
    with pytest.raises(UsageError, match="unknown meaning of pages 'Y'"):
        open_annotated(tmp_path, pages="Y")


@pytest.mark.parametrize("folder", ["labels", "masks"])
def test_a_lone_label_image_of_another_name_is_no_mask(tmp_path: Path, folder: str) -> None:
    picture(tmp_path / "images" / "a.png")
    labels_at(tmp_path / folder / "b.png")
    with pytest.raises(InputError, match=r"images without truth in this form, left out: a.png"):
        open_annotated(tmp_path)


def test_files_that_are_no_data_set_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image,mask\n")
    with pytest.raises(InputError, match=r"list.csv: is neither a folder nor a COCO file"):
        open_annotated(tmp_path / "list.csv")
    (tmp_path / "x.json").write_text('{"images": ')
    with pytest.raises(InputError, match=r"x.json: is no readable JSON"):
        open_annotated(tmp_path / "x.json")


def test_what_is_kept_for_the_test_is_not_read_with_the_rest(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        picture(tmp_path / part / "images" / f"{part}.png")
        labels_at(tmp_path / part / "labels" / f"{part}.tif")
    found = open_annotated(tmp_path)
    assert names(found) == ["train", "val"]
    assert messages(found).startswith("images in folders called test are kept aside")
    assert names(open_annotated(tmp_path / "test")) == ["test"]


# Groups


def grouped(tmp_path: Path) -> Path:
    for name in ("d1_x", "d1_y", "d2_x"):
        picture(tmp_path / "images" / f"{name}.png")
        labels_at(tmp_path / "labels" / f"{name}.tif")
    return tmp_path


def test_groups_from_a_pattern(tmp_path: Path) -> None:
    found = open_annotated(grouped(tmp_path), group_regex=r"d\d")
    assert [each.group for each in found.images] == ["d1", "d1", "d2"]
    assert found.group_known
    named = open_annotated(tmp_path, group_regex=r"d\d_(?P<group>\w)")
    assert [each.group for each in named.images] == ["x", "y", "x"]
    with pytest.raises(UsageError, match=r"does not fit 2 of 3 images, for instance .*d1_x.png"):
        open_annotated(tmp_path, group_regex="d2")
    with pytest.raises(UsageError, match="is not a regular expression"):
        open_annotated(tmp_path, group_regex="(")
    with pytest.raises(UsageError, match="either --group-regex or --group-column"):
        open_annotated(tmp_path, group_regex="d", group_column="day")


def test_groups_from_a_table(tmp_path: Path) -> None:
    grouped(tmp_path)
    with pytest.raises(InputError, match=r"has no images.csv for --group-column day"):
        open_annotated(tmp_path, group_column="day")
    table = tmp_path / "images.csv"
    table.write_text("image,Day\nd1_x.png,mon\nd1_y.png,mon\nd2_x,tue\n")
    found = open_annotated(tmp_path, group_column="day")
    assert [each.group for each in found.images] == ["mon", "mon", "tue"]
    assert not open_annotated(tmp_path).group_known, "no column called group"
    with pytest.raises(UsageError, match=r"unknown column 'dye', did you mean 'day'"):
        open_annotated(tmp_path, group_column="dye")
    table.write_text("image,group\nd1_x.png,mon\nd1_y.png,\n")
    with pytest.raises(InputError, match=r"has an empty group for d1_y.png"):
        open_annotated(tmp_path)
    table.write_text("image,group\nd1_x.png,mon\nd1_y.png,tue\n")
    with pytest.raises(InputError, match=r"has no row for d2_x.png"):
        open_annotated(tmp_path)
    table.write_text("image,group\nd1_x.png,mon\nd1_x.png,tue\n")
    with pytest.raises(InputError, match=r"gives d1_x.png two values of group"):
        open_annotated(tmp_path)


# The other forms as folders


def test_one_png_per_mask_with_classes(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "f1.png")
    picture(tmp_path / "images" / "f2.png")
    mask = np.zeros(SHAPE, bool)
    mask[2:6, 2:6] = True
    labels_at(tmp_path / "masks" / "f1" / "fed" / "1.png", mask)
    labels_at(tmp_path / "masks" / "f1" / "starved" / "2.png", np.roll(mask, 10, axis=1))
    (tmp_path / "masks" / "f2").mkdir()
    found = open_annotated(tmp_path)
    assert (found.form, found.classes, names(found)) == ("masks", ("fed", "starved"), ["f1", "f2"])
    told = found.images[0].annotation()
    assert told.classes == ("fed", "starved")
    assert told.boxes.tolist() == [[2, 2, 6, 6], [12, 2, 16, 6]]
    empty = found.images[1].annotation()
    assert empty.labels is not None and not empty.labels.any()
    assert empty.boxes.shape == (0, 4)


def test_the_data_science_bowl_as_kaggle_has_it(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:6, 2:6] = 255
    for number in (1, 2):
        picture(tmp_path / f"id{number}" / "images" / f"id{number}.png", number)
        for k in range(number + 1):
            labels_at(tmp_path / f"id{number}" / "masks" / f"{k}f.png", np.roll(mask, 6 * k, 1))
    found = open_annotated(tmp_path)
    assert (found.form, names(found), found.problems) == ("masks", ["id1", "id2"], ())
    assert [len(each.annotation().boxes) for each in found.images] == [2, 3]
    assert [int(each.open().max()) for each in found.images] == [1, 2]


def test_a_simulated_plate(tmp_path: Path) -> None:
    from lucyte.simulate.settings import demo_settings
    from lucyte.simulate.worlds import simulate
    from lucyte.simulate.write_cellular import write_cellular

    settings = demo_settings()
    layout = settings.layout.model_copy(
        update={"size_px": 256, "frames": 2, "wells_per_condition": 1}
    )
    plate = simulate("autophagy", settings.model_copy(update={"layout": layout}), 3)
    write_cellular(plate, tmp_path / "plate")
    found = open_annotated(tmp_path / "plate")
    fields = plate.plate.fields
    assert (found.form, found.has_masks, found.group_known) == ("masks", True, True)
    assert len(found.images) == 2 * len(fields)
    assert {each.group for each in found.images} == {f"{f.well}_s{f.site}" for f in fields}
    assert found.images[0].channels == ("w1", "w2", "w3")
    for each in found.images[:2]:
        truth = plate.truth(fields[0].field_id).labels[found.images.index(each)]
        labels = each.annotation().labels
        assert labels is not None
        assert ((labels > 0) == (truth > 0)).all()
        assert len(each.annotation().boxes) == len(np.unique(truth)) - 1
    boxes = open_annotated(tmp_path / "plate", truth="boxes")
    assert (boxes.form, boxes.has_masks, len(boxes.images)) == ("yolo", False, len(found.images))
    assert set(found.classes) <= set(boxes.classes)
    merged = open_annotated(tmp_path / "plate", images="merged", truth="masks")
    assert merged.images[0].channels == ("EGFP", "mRFP", "TL")


@pytest.mark.parametrize(
    ("image", "truth"),
    [
        ("images/{}.png", "boxes/{}.txt"),
        ("images/{}.png", "labels/{}.txt"),
        ("images/train/{}.png", "labels/train/{}.txt"),
        ("train/images/{}.png", "train/labels/{}.txt"),
        ("{}.png", "{}.txt"),
    ],
)
def test_yolo_folders(tmp_path: Path, image: str, truth: str) -> None:
    for name, kind in (("a", 1), ("b", 0)):
        picture(tmp_path / image.format(name))
        text(tmp_path / truth.format(name), f"{kind} 0.5 0.5 0.25 0.5\n")
    text(tmp_path / "data.yaml", "path: /anywhere\ntrain: x\nnames:\n  0: fed\n  1: starved\n")
    found = open_annotated(tmp_path / "data.yaml")
    assert names(found) == names(open_annotated(tmp_path)) == ["a", "b"]
    assert (found.form, found.has_masks, found.classes) == ("yolo", False, ("fed", "starved"))
    told = found.images[0].annotation()
    assert told.labels is None
    assert (told.boxes.tolist(), told.classes) == ([[12, 6, 20, 18]], ("starved",))


def test_challenge_sequences(tmp_path: Path) -> None:
    root = tmp_path / "Fluo-N2DH-X"
    for sequence in ("01", "02"):
        for time_index in range(4):
            picture(root / sequence / f"t{time_index:03d}.tif", time_index)
        labels_at(root / f"{sequence}_GT" / "SEG" / "man_seg002.tif")
        labels_at(root / f"{sequence}_GT" / "TRA" / "man_track002.tif", labelled() * 3)
        (root / f"{sequence}_GT" / "TRA" / "man_track.txt").write_text("6 2 2 0\n15 2 2 0\n")
    bare = labelled()
    bare[10:20] = 0
    labels_at(root / "02_GT" / "SEG" / "man_seg003.tif", bare)
    labels_at(root / "02_GT" / "TRA" / "man_track003.tif", labelled())
    labels_at(root / "02_GT" / "SEG" / "man_seg009.tif")
    found = open_annotated(root)
    assert (found.form, names(found)) == ("ctc", ["01_t002", "02_t002", "02_t003"])
    assert [each.group[-2:] for each in found.images] == ["01", "02", "02"]
    assert "t001.tif (5 in all)" in messages(found)
    assert "man_seg009.tif is of a frame that is not in" in messages(found)
    assert int(found.images[2].open().max()) == 3
    assert found.images[0].annotation().complete
    partial = found.images[2].annotation()
    assert partial.problems == ("1 of 2 marked cells have no outline",)
    assert not partial.complete
    assert names(open_annotated(root / "01")) == ["01_t002"]
    assert names(open_annotated(root / "01_GT")) == ["01_t002"]
    assert len(open_annotated(tmp_path).images) == 3
    shutil.rmtree(root / "01_GT" / "SEG")
    assert names(open_annotated(root)) == ["02_t002", "02_t003"]
    with pytest.raises(InputError, match=r"no frame is outlined. .*marks cells but outlines none"):
        open_annotated(root / "01")


def test_a_coco_file_finds_its_images(tmp_path: Path) -> None:
    for part in ("train", "other"):
        picture(tmp_path / "pictures" / part / "a.png", shape=(10, 12))
    data = {
        "images": [
            {"id": 4, "file_name": "train/a.png", "height": 10, "width": 12},
            {"id": 5, "file_name": "lost.png", "height": 10, "width": 12},
        ],
        "annotations": [{"id": 1, "image_id": 4, "category_id": 3, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 3, "name": "cell"}],
    }
    path = text(tmp_path / "annotations" / "instances.json", json.dumps(data))
    for found in (
        open_annotated(path, images=tmp_path / "pictures"),
        open_annotated(tmp_path),
        open_annotated(tmp_path, images="pictures", truth="annotations"),
    ):
        assert (found.form, found.has_masks, found.classes) == ("coco", False, ("cell",))
        assert [Path(each.image_paths[0]).parent.name for each in found.images] == ["train"]
        assert "images listed but not there, or not told apart: lost.png" in messages(found)
        told = found.images[0].annotation()
        assert (told.boxes.tolist(), told.classes) == ([[1, 2, 4, 6]], ("cell",))


# Real data


def test_the_real_nuclei(shared_data: Path) -> None:
    found = open_annotated(shared_data / "dsb2018")
    assert (len(found.images), found.form, found.problems) == (452, "labels", ())
    table = (shared_data / "dsb2018" / "images.csv").read_text().splitlines()[1:]
    due = {line.split(",")[0].split(".")[0]: int(line.split(",")[3]) for line in table}
    for each in found.images[::25]:
        assert len(each.annotation().boxes) == due[each.name]
        assert each.open().shape[1:] == each.shape_yx


def test_the_real_boxes_with_decoded_channels(shared_data: Path) -> None:
    found = open_annotated(shared_data / "cellular")
    assert (len(found.images), found.form, found.has_masks) == (43, "yolo", False)
    assert (found.classes, found.problems) == ((), ())
    first = found.images[0]
    assert first.channels == ("EGFP", "mRFP", "TL")
    assert (first.name, first.group) == ("Timepoint_001_220518-ST_C03_s1", "C03_s1")
    assert len({each.group for each in found.images}) == 13
    assert sum(len(each.annotation().boxes) for each in found.images) == 11128
    wells = open_annotated(shared_data / "cellular", group_column="well")
    assert {each.group for each in wells.images} == {"C03", "C05", "C06", "I04", "I06", "K07"}


def test_the_real_outlines_of_the_challenge(shared_data: Path) -> None:
    found = open_annotated(shared_data / "ctc")
    assert (len(found.images), found.form) == (113, "ctc")
    gowt1 = [each for each in found.images if "GOWT1" in each.group]
    told = [each.annotation() for each in gowt1[:6]]
    assert [len(each.boxes) for each in told[:2]] == [2, 2]
    assert told[0].problems[-1] == "21 of 23 marked cells have no outline"
    assert not told[0].complete
