"""Plates in OME-Zarr: written, read back by Lucyte, by zarr, by ome-zarr and by its models."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from lucyte.io.assemble import open_plate
from lucyte.io.write_zarr import (
    create_plate,
    field_path,
    read_labels_frame,
    write_image,
    write_labels,
)
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import frame
from lucyte.schema.plan import InputSettings
from lucyte.schema.plate import Field
from worlds.plates import SHAPE, labels, make_field


def write_all(root: Path, fields: list[Field], kinds: tuple[str, ...] = ("cell",)) -> None:
    create_plate(root, fields)
    for number, each in enumerate(fields):
        for kind in kinds:
            for t in each.time_indices:
                write_labels(root, each, kind, t, labels(100 * number + t))


def digest(root: Path) -> dict[str, str]:
    """The bytes of every file."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def check_models(root: Path) -> Any:
    """What the community's own models say of a plate, its wells, images and labels."""
    from ome_zarr_models.v05.hcs import HCS
    from ome_zarr_models.v05.image import Image
    from ome_zarr_models.v05.image_label import ImageLabel

    group = zarr.open_group(str(root), mode="r", zarr_format=3)
    plate = HCS.from_zarr(group)
    for well in plate.ome_attributes.plate.wells:
        for name, image in group[well.path].groups():
            Image.from_zarr(image)
            for kind in image["labels"].attrs["ome"]["labels"]:
                ImageLabel.from_zarr(image[f"labels/{kind}"])
            assert name
    return plate


def test_frames_come_back_by_the_microscopes_number(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    write_all(root, [field])
    for t in (1, 2, 4):
        assert (read_labels_frame(root, field, "cell", t) == labels(t)).all()
    assert read_labels_frame(root, field, "cell", 4).dtype == np.int32
    with pytest.raises(UsageError, match=r"unknown time index '3'\. Allowed: 1, 2, 4"):
        read_labels_frame(root, field, "cell", 3)


def test_plain_zarr_reads_it(tmp_path: Path) -> None:
    write_all(tmp_path / "plate.zarr", [make_field()])
    array = zarr.open_array(str(tmp_path / "plate.zarr/B/03/1/labels/cell/0"), mode="r")
    assert (array.shape, array.dtype, array.chunks) == ((3, *SHAPE), np.int32, (1, *SHAPE))
    assert (array[2] == labels(4)).all()
    group = zarr.open_group(str(tmp_path / "plate.zarr/B/03/1"), mode="r")
    assert group.attrs["lucyte"]["time_indices"] == [1, 2, 4]
    assert group.attrs["lucyte"]["files"] == ["raw/a.tif", "raw/b.tif"]


def test_the_models_of_ome_zarr_accept_it(tmp_path: Path) -> None:
    fields = [make_field("B03", "1"), make_field("B03", "2"), make_field("AA12", "1")]
    write_all(tmp_path / "plate.zarr", fields, ("cell", "nucleus"))
    plate = check_models(tmp_path / "plate.zarr").ome_attributes.plate
    assert [row.name for row in plate.rows] == ["B", "AA"]
    assert [column.name for column in plate.columns] == ["03", "12"]
    assert [(w.path, w.rowIndex, w.columnIndex) for w in plate.wells] == [
        ("B/03", 0, 0), ("AA/12", 1, 1),
    ]  # fmt: skip
    assert plate.field_count == 2


def test_it_is_valid_before_any_field_and_with_copied_pixels(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field(pixel_size_um=0.5, interval_s=60.0)
    create_plate(root, [field])
    check_models(root)
    image = field.source.open()
    for t in field.time_indices:
        write_image(root, field, t, frame(image, t))
        write_labels(root, field, "cell", t, labels(t))
    check_models(root)
    group = zarr.open_group(str(root / "B/03/1"), mode="r")
    scale = group.attrs["ome"]["multiscales"][0]
    assert scale["datasets"][0]["coordinateTransformations"][0]["scale"] == [60.0, 1.0, 0.5, 0.5]
    assert [axis.get("unit") for axis in scale["axes"]] == [
        "second", None, "micrometer", "micrometer",
    ]  # fmt: skip
    assert [c["label"] for c in group.attrs["ome"]["omero"]["channels"]] == ["GFP", "RFP"]
    assert (group["0"][1] == image.sel(T=2).values).all()
    assert group.attrs["lucyte"]["pixels"] == "copied"


def test_pixels_may_be_copied_after_the_labels(tmp_path: Path) -> None:
    one, two = tmp_path / "one.zarr", tmp_path / "two.zarr"
    field = make_field()
    pixels = frame(field.source.open(), 2)
    for root, order in ((one, "il"), (two, "li")):
        create_plate(root, [field])
        for step in order:
            if step == "i":
                write_image(root, field, 2, pixels)
            else:
                write_labels(root, field, "cell", 2, labels(2))
    assert digest(one) == digest(two)


def test_the_ome_zarr_reader_opens_it(tmp_path: Path) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    root, field = tmp_path / "plate.zarr", make_field()
    create_plate(root, [field])
    for t in field.time_indices:
        write_image(root, field, t, frame(field.source.open(), t))
        write_labels(root, field, "cell", t, labels(t))
    location = parse_url(root, mode="r")
    assert location is not None, "premise: ome-zarr knows the place"
    plate = next(iter(Reader(location)()))
    assert np.asarray(plate.data[0]).shape == (3, 2, *SHAPE)
    assert (np.asarray(plate.data[0]) == field.source.open().values).all()
    image = parse_url(root / "B/03/1/labels/cell", mode="r")
    assert image is not None, "premise: ome-zarr knows the labels"
    nodes = list(Reader(image)())
    assert any((np.asarray(node.data[0])[1] == labels(2)).all() for node in nodes if node.data)


def test_lucyte_opens_what_it_copied(tmp_path: Path) -> None:
    root = tmp_path / "plate.zarr"
    fields = [make_field("B03", "1", pixel_size_um=0.5), make_field("C11", "2", seed=5)]
    create_plate(root, fields)
    for each in fields:
        for t in each.time_indices:
            write_image(root, each, t, frame(each.source.open(), t))
    plate = open_plate(InputSettings(path="plate.zarr"), tmp_path)
    assert plate.layout == "ome-zarr-plate"
    assert [(f.well, f.site, f.pixel_size_um) for f in plate.fields] == [
        ("B03", "1", 0.5), ("C11", "2", None),
    ]  # fmt: skip
    assert plate.fields[1].channels == ("GFP", "RFP")
    assert (plate.fields[1].source.open().values == fields[1].source.open().values).all()


# Names that Zarr does not allow


def test_wells_that_are_no_wells_get_rows_of_their_own(tmp_path: Path) -> None:
    fields = [make_field(w, "1") for w in ("A01", "P00365", "well 2", "", "well-2")]
    root = tmp_path / "plate.zarr"
    write_all(root, fields)
    assert [field_path(root, f) for f in fields] == [
        "A/01/1", "wellP00365/1/1", "wellwell2/1/1", "well/1/1", "wellwell22/1/1",
    ]  # fmt: skip
    check_models(root)
    assert zarr.open_group(str(root / "wellwell22/1")).attrs["lucyte"]["well"] == "well-2"
    assert (read_labels_frame(root, fields[4], "cell", 1) == labels(401)).all()


def test_sites_with_signs_are_numbered(tmp_path: Path) -> None:
    fields = [make_field("", site) for site in ("a-1", "b", "a.1")]
    root = tmp_path / "plate.zarr"
    write_all(root, fields)
    assert [field_path(root, f) for f in fields] == ["well/1/0", "well/1/1", "well/1/2"]
    group = zarr.open_group(str(root / "well/1"))
    assert group.attrs["lucyte"]["sites"] == ["a-1", "b", "a.1"]
    check_models(root)


def test_several_plates_lie_in_one_group(tmp_path: Path) -> None:
    fields = [make_field("A01", plate="Week 1"), make_field("A01", plate="Week_1", seed=3)]
    fields[1] = make_field("A01", site="2", plate="Week_1")
    root = tmp_path / "plate.zarr"
    write_all(root, fields)
    assert [field_path(root, f) for f in fields] == ["Week_1/A/01/1", "Week_12/A/01/2"]
    attributes = zarr.open_group(str(root)).attrs["lucyte"]
    assert attributes["plates"] == {"Week_1": "Week 1", "Week_12": "Week_1"}
    check_models(root / "Week_1")
    check_models(root / "Week_12")
    assert (read_labels_frame(root, fields[1], "cell", 4) == labels(104)).all()


def test_kinds_with_a_colon_are_folders_with_a_dot(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    write_all(root, [field], ("organelle:mRFP",))
    assert (root / "B/03/1/labels/organelle.mRFP").is_dir()
    assert (read_labels_frame(root, field, "organelle:mRFP", 1) == labels(1)).all()


# Frames


def test_a_frame_that_was_never_written_is_not_an_empty_one(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    create_plate(root, [field])
    write_labels(root, field, "cell", 1, np.zeros(SHAPE, np.int32))
    assert (read_labels_frame(root, field, "cell", 1) == 0).all()
    with pytest.raises(InputError, match="frame 2 was never written"):
        read_labels_frame(root, field, "cell", 2)
    with pytest.raises(InputError, match="holds no labels of kind 'nucleus'"):
        read_labels_frame(root, field, "nucleus", 1)


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    write_all(root, [field])
    (root / "B/03/1/labels/cell/0/c/1/0/0").write_bytes(b"\x00" * 9)
    with pytest.raises(InputError, match="labels/cell: frame 2 is damaged"):
        read_labels_frame(root, field, "cell", 2)
    assert (read_labels_frame(root, field, "cell", 4) == labels(4)).all()


def test_writing_one_frame_touches_no_other_file(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    write_all(root, [field, make_field("C04")])
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    write_labels(root, field, "cell", 2, labels(7))
    create_plate(root, [field, make_field("C04")])
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    changed = [path.relative_to(root).as_posix() for path in after if after[path] != before[path]]
    assert changed == ["B/03/1/labels/cell/0/c/1/0/0"]


def test_the_same_labels_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    field = make_field()
    for name, order in (("one", (1, 2, 4)), ("two", (4, 1, 2))):
        create_plate(tmp_path / name, [field])
        for t in order:
            write_labels(tmp_path / name, field, "cell", t, labels(t))
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@pytest.mark.parametrize("lost", ["", "labels/", "labels/cell/", "labels/cell/0/"])
def test_a_run_killed_between_two_files_is_finished_by_the_next(tmp_path: Path, lost: str) -> None:
    field = make_field()
    for name in ("whole", "killed"):
        write_all(tmp_path / name, [field])
    site = tmp_path / "killed" / "B/03/1"
    for each in ("", "labels/", "labels/cell/", "labels/cell/0/"):
        if not each.startswith(lost):
            continue
        (site / f"{each}zarr.json").unlink()
    assert digest(tmp_path / "whole") != digest(tmp_path / "killed"), "premise: something is lost"
    for t in field.time_indices:
        write_labels(tmp_path / "killed", field, "cell", t, labels(t))
    assert digest(tmp_path / "whole") == digest(tmp_path / "killed")


def test_stacks_keep_their_planes(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field(z_planes=3)
    stack = np.stack([labels(i) for i in range(3)])
    create_plate(root, [field])
    write_labels(root, field, "cell", 2, stack)
    assert (read_labels_frame(root, field, "cell", 2) == stack).all()
    check_models(root)


def test_wide_frames_are_cut_into_chunks_and_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lucyte.io import write_zarr

    monkeypatch.setattr(write_zarr, "CHUNK_PX", 16)
    root, field = tmp_path / "plate.zarr", make_field()
    write_all(root, [field])
    assert (read_labels_frame(root, field, "cell", 4) == labels(4)).all()
    (root / "B/03/1/labels/cell/0/c/1/1/1").unlink()
    with pytest.raises(InputError, match="frame 2 was never written"):
        read_labels_frame(root, field, "cell", 2)


def test_labels_of_another_plan_are_replaced(tmp_path: Path) -> None:
    root = tmp_path / "plate.zarr"
    write_all(root, [make_field(z_planes=3)])
    flat = make_field()
    write_labels(root, flat, "cell", 1, np.stack([labels(1)] * 3))
    with pytest.raises(InputError, match="frame 2 was never written"):
        read_labels_frame(root, flat, "cell", 2)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    with pytest.raises(InputError, match=r"plate.zarr: is no plate that Lucyte wrote"):
        write_labels(root, field, "cell", 1, labels(1))
    create_plate(root, [field])
    with pytest.raises(UsageError, match="unknown field 'C04_s1'"):
        write_labels(root, make_field("C04"), "cell", 1, labels(1))
    with pytest.raises(UsageError, match=r"labels of B03_s1 are \(5, 5\), the field is \(20, 30\)"):
        write_labels(root, field, "cell", 1, np.zeros((5, 5), np.int32))
    with pytest.raises(UsageError, match="no negative numbers"):
        write_labels(root, field, "cell", 1, -labels(1) - 1)
    with pytest.raises(UsageError, match="unknown time index '9'"):
        write_labels(root, field, "cell", 9, labels(1))


def test_a_full_disk_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, field = tmp_path / "plate.zarr", make_field()
    write_all(root, [field])

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(InputError, match=r"labels/cell/0: could not be written: disk full"):
        write_labels(root, field, "cell", 2, labels(9))
    monkeypatch.undo()
    assert (read_labels_frame(root, field, "cell", 2) == labels(2)).all()


def _write_one(root: Path, field: Field, seed: int) -> None:
    for t in field.time_indices:
        for kind in ("cell", "nucleus"):
            write_labels(root, field, kind, t, labels(seed + t))


def test_two_processes_write_different_fields_at_once(tmp_path: Path) -> None:
    fields = [make_field(w, str(s)) for w in ("A01", "B02") for s in (1, 2)]
    for name in ("alone", "together"):
        create_plate(tmp_path / name, fields)
    for number, field in enumerate(fields):
        _write_one(tmp_path / "alone", field, 10 * number)
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        tasks = [(tmp_path / "together", field, 10 * i) for i, field in enumerate(fields)]
        pool.starmap_async(_write_one, tasks, chunksize=1).get(timeout=120)
    assert digest(tmp_path / "alone") == digest(tmp_path / "together")
    check_models(tmp_path / "together")
