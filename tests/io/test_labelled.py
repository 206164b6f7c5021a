"""Labelled pictures in every form, and one line that names the culprit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from lucyte.io.labelled import SampleOptions, read_samples
from lucyte.io.labelled_arrays import axes_of
from lucyte.io.labelled_fit import choose_frame, fitted
from lucyte.io.labelled_scratch import scratch_array
from lucyte.schema.errors import InputError, UsageError


def picture(seed: int, shape: tuple[int, ...] = (24, 24), dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(seed).integers(1, 200, shape).astype(dtype)


def save(path: Path, pixels: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    else:
        channels = pixels.ndim == 3
        tifffile.imwrite(
            path, pixels, imagej=channels, metadata={"axes": "CYX"} if channels else {}
        )
    return path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two classes, three plates of two pictures each."""
    for k, name in enumerate(["up", "down"]):
        for n in range(6):
            save(tmp_path / name / f"P{n // 2}_F{n}.png", picture(10 * k + n))
    return tmp_path


@pytest.fixture
def table(folders: Path) -> Path:
    """The same as a table outside the folders of classes."""
    lines = ["image,state,plate,well,day"]
    for k, name in enumerate(["up", "down"]):
        for n in range(6):
            lines.append(f"{name}/P{n // 2}_F{n}.png,{name},P{n // 2},A0{k + 1},mon")
    path = folders / "cells.csv"
    path.write_text("\n".join(lines))
    return path


def test_folders_give_classes_and_a_pattern_gives_groups(folders: Path) -> None:
    told: list[tuple[int, int]] = []
    got = read_samples(
        folders,
        SampleOptions(group_regex=r"(?P<plate>P\d)_(?P<position>F\d)", channels=("DNA",)),
        lambda done, of: told.append((done, of)),
    )
    samples = got.samples
    assert got.form == "folders" and samples.images.shape == (12, 1, 24, 24)
    assert samples.names[0] == "down/P0_F0.png" and samples.labels[0] == "down"
    np.testing.assert_array_equal(samples.images[0, 0], picture(10))
    assert samples.groups[0] == "P0/F0" and samples.unit == "plate/position" and samples.grouped
    assert samples.levels["plate"][:3] == ("P0", "P0", "P1") and samples.channels == ("DNA",)
    assert told[-1] == (12, 12) and got.notes == () and (got.file_bytes > 500).all()
    first = read_samples(folders, SampleOptions(group_regex=r"(P\d)")).samples
    assert set(first.groups) == {"P0", "P1", "P2"} and first.unit == "group"
    named = read_samples(folders, SampleOptions(group_regex=r"(?P<group>P\d)_(?P<field>F\d)"))
    assert set(named.samples.groups) == {"P0", "P1", "P2"} and "field" in named.samples.levels


def test_without_groups_each_picture_is_its_own_and_that_is_said(folders: Path) -> None:
    got = read_samples(folders)
    assert not got.samples.grouped and got.samples.groups == got.samples.names
    assert "whether images are independent of one another is unknown" in got.notes[0]


@pytest.mark.parametrize(
    ("regex", "message"),
    [
        ("X(", r"'X\(' is not a regular expression"),
        ("plate", r"does not fit any image \(12 images\), for instance down/P0_F0.png"),
        ("P[01]", "does not fit 4 of them"),
        (r"P\d(x*)", "catches nothing in down/P0_F0.png"),
        (r"F|P", r"every image has the same group \('P'\)"),
    ],
)
def test_patterns_that_do_not_fit(folders: Path, regex: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_samples(folders, SampleOptions(group_regex=regex))


def test_a_table_gives_levels_and_wells_as_groups(table: Path) -> None:
    got = read_samples(table)
    samples = got.samples
    assert got.form == "table" and samples.unit == "well" and samples.groups[0] == "P0/A01"
    assert set(samples.levels) == {"plate", "well", "day"}
    assert got.notes == (
        "No group was given: wells are kept together (plate and well of the table).",
    )
    np.testing.assert_array_equal(samples.images[0, 0], picture(0))
    plates = read_samples(table, SampleOptions(group_column="Plate")).samples
    assert set(plates.groups) == {"P0", "P1", "P2"} and plates.unit == "plate"
    folder = read_samples(table.parent)
    assert folder.form == "table" and "Classes are from cells.csv" in folder.notes[0]


@pytest.mark.parametrize(
    ("old", "new", "options", "message"),
    [
        ("P0_F0.png,up,", "P0_F0.png,,", {}, r"cells.csv: has no state in line 2. Fill it in"),
        ("P0_F0.png,up,", "P0_F0.png,NaN,", {}, r"has no state in line 2"),
        ("up/P0_F0.png", "up/gone.png", {}, r"lists 1 images that are not there: up/gone.png"),
        (
            "up/P0_F0.png",
            "up/P0_F1.png",
            {},
            r"cells.csv: names 1 images more than once: up/P0_F1.png",
        ),
        (",down,", ",up,", {}, r"cells.csv: got one class only \('up', 12 images\)"),
        ("F0.png,down,", "F0.png,UP,", {}, r"classes 'UP' and 'up' differ only in case or spaces"),
        (
            "F0.png,up,P0",
            "F0.png,up,",
            {"group_column": "plate"},
            r"has no plate in line 2, so its",
        ),
        (
            ",up,P",
            ",up,P",
            {"group_column": "day"},
            r"cells.csv: every image has the same day \('mon'\)",
        ),
        (
            ",up,P",
            ",up,P",
            {"group_column": "plat"},
            r"unknown column 'plat', did you mean 'plate'",
        ),
        (
            ",up,P",
            ",up,P",
            {"label_column": "stat"},
            r"unknown column 'stat', did you mean 'state'",
        ),
        (
            "state",
            "fate",
            {},
            r"has no column 'state'. Choose one with --label-column: image, fate",
        ),
        ("day", "well", {}, r"has column 'well' twice"),
        (
            "F0.png,down,",
            "F0.png,a\x07b,",
            {},
            r"class 'a\\x07b' of down/P0_F0.png holds a control",
        ),
    ],
)
def test_tables_that_do_not_hold_together(
    table: Path, old: str, new: str, options: dict[str, Any], message: str
) -> None:
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises((InputError, UsageError), match=message) as caught:
        read_samples(table, SampleOptions(**options))
    assert "\n" not in str(caught.value)


def test_class_names_with_spaces_and_other_letters_stay(table: Path) -> None:
    text = table.read_text().replace(",up,", ", S  phase,").replace(",down,", ",mu\u0308de,")
    table.write_text(text)
    assert read_samples(table).samples.classes == ("S phase", "müde")


def test_masks_many_channels_and_named_channels(tmp_path: Path) -> None:
    for n in range(4):
        save(tmp_path / f"{n}.tif", picture(n, (3, 20, 20), np.uint16))
        save(tmp_path / "masks" / f"{n}.png", (picture(n, (20, 20)) > 100).astype(np.uint8) * 255)
    rows = [f"{n}.tif;{'ab'[n % 2]};g{n // 2};masks/{n}.png" for n in range(4)]
    (tmp_path / "t.csv").write_text("image;state;group;mask\n" + "\n".join(rows))
    got = read_samples(tmp_path / "t.csv", SampleOptions(channels={"B": "C1", "A": "C0"})).samples
    assert got.channels == ("B", "A") and got.images.dtype == np.uint16
    np.testing.assert_array_equal(got.images[2, 0], picture(2, (3, 20, 20), np.uint16)[1])
    assert got.masks is not None
    np.testing.assert_array_equal(got.masks[3], picture(3, (20, 20)) > 100)
    with pytest.raises(UsageError, match=r"unknown channel 'w1'. Allowed: C0, C1, C2"):
        read_samples(tmp_path / "t.csv", SampleOptions(channels={"B": "w1"}))
    with pytest.raises(UsageError, match="got 2 channel names"):
        read_samples(tmp_path / "t.csv", SampleOptions(channels=("a", "b")))
    save(tmp_path / "masks" / "1.png", np.ones((9, 9), np.uint8))
    assert "1.tif" in read_samples(tmp_path / "t.csv").left_out[0]


def test_mixed_channels_types_and_stacks_name_the_culprit(folders: Path) -> None:
    odd = save(folders / "up" / "odd.tif", picture(0, (2, 24, 24), np.uint8))
    with pytest.raises(InputError, match=r"up/odd.tif: has 2 channels \(C0, C1\) where 12 other"):
        read_samples(folders)
    save(odd, picture(0, (24, 24), np.uint16))
    with pytest.raises(InputError, match=r"up/odd.tif: has uint16 pixels where 12 other images ha"):
        read_samples(folders)
    tifffile.imwrite(odd, picture(0, (5, 24, 24)), imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(UsageError, match=r"odd.tif: has axes Z \(5\), and a sample is one picture"):
        read_samples(folders)


def test_damaged_pictures_are_named_and_counted_or_refused_when_all(folders: Path) -> None:
    files = sorted(folders.rglob("*.png"))
    files[0].write_bytes(files[0].read_bytes()[:200])
    files[7].write_bytes(b"")
    got = read_samples(folders)
    assert len(got.samples) == 10 and len(got.left_out) == 2
    assert "2 of 12 images were left out: " in got.notes[-1] and "up/P0_F1.png (is empty" in str(
        got.left_out
    )
    np.testing.assert_array_equal(got.samples.images[0, 0], picture(11))
    for file in files[:6]:
        file.write_bytes(b"")
    with pytest.raises(UsageError, match="every image of class 'down' is damaged"):
        read_samples(folders)
    for file in files:
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"and all other images \(12\) cannot be read: down/P0_F0"):
        read_samples(folders)


def test_grey_colour_pictures_are_one_channel_and_that_is_said(tmp_path: Path) -> None:
    for n in range(4):
        save(tmp_path / "ab"[n % 2] / f"{n}.png", np.repeat(picture(n)[..., None], 3, axis=2))
    got = read_samples(tmp_path)
    assert got.samples.channels == ("C0",) and got.samples.images.shape == (4, 1, 24, 24)
    assert any("equal in every image: they count as one channel" in note for note in got.notes)
    save(tmp_path / "a" / "9.png", picture(9))
    assert read_samples(tmp_path).samples.images.shape == (5, 1, 24, 24)
    save(tmp_path / "a" / "0.png", picture(0, (24, 24, 3)))
    with pytest.raises(InputError, match=r"a/0.png: is a colour image where others have one chan"):
        read_samples(tmp_path)
    (tmp_path / "a" / "9.png").unlink()
    assert read_samples(tmp_path).samples.channels == ("R", "G", "B")


def test_folders_without_classes(folders: Path) -> None:
    (folders / "empty").mkdir()
    assert read_samples(folders).notes[0] == "Folder 'empty' holds no image, so is no class."
    save(folders / "alone.png", picture(0))
    with pytest.raises(
        InputError, match="1 images lie beside the folders of classes, so have none"
    ):
        read_samples(folders)
    with pytest.raises(
        InputError, match=r"holds 6 images and no subfolder per class. Give a folder"
    ):
        read_samples(folders / "up")
    plain = read_samples(folders / "up", SampleOptions(training=False))
    assert plain.form == "pictures" and set(plain.samples.labels) == {""}
    with pytest.raises(InputError, match=r"no such file or folder. Give a folder with one subfold"):
        read_samples(folders / "nowhere")


def test_sizes_are_never_changed_silently(folders: Path) -> None:
    save(folders / "up" / "small.png", picture(5, (12, 18)))
    got = read_samples(folders)
    assert got.samples.images.shape == (13, 1, 24, 24)
    assert "1 of 13 images are filled up to 24 px with their border's median" in got.notes[-1]
    at = got.samples.names.index("up/small.png")
    framed, source = got.samples.images[at, 0], picture(5, (12, 18))
    np.testing.assert_array_equal(framed[6:18, 3:21], source)
    border = np.concatenate([source[0], source[-1], source[1:-1, 0], source[1:-1, -1]])
    assert framed[0, 0] == np.sort(border)[len(border) // 2]
    asked = read_samples(folders, SampleOptions(side_px=32))
    assert asked.samples.images.shape[2:] == (32, 32)
    assert "13 of 13 images are resampled to 32 px" in asked.notes[-1]
    cut = read_samples(folders, SampleOptions(side_px=16, fit="keep-scale"))
    assert "13 of 13 images are filled" not in cut.notes[-1]
    assert "13 of 13 are cut to their central 16 px" in cut.notes[-1] or "cut" in cut.notes[-1]
    save(folders / "up" / "field.png", picture(5, (200, 200)))
    with pytest.raises(
        UsageError, match=r"from 18 to 200 px \(up/field.png\), with a median of 24"
    ):
        read_samples(folders)


def test_resampling_keeps_light_and_masks_stay_masks() -> None:
    ramp = np.tile(np.arange(40, dtype=np.uint16) * 100, (40, 1))[None]
    frame = choose_frame([(40, 40)], ["a"], 20, "")
    small = fitted(ramp, frame)
    assert small.dtype == np.uint16 and small.mean() == pytest.approx(ramp.mean(), rel=0.01)
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    got = fitted(mask, frame, mask=True)
    assert got.dtype == bool and got.sum() == 100


def test_arrays_row_for_row(tmp_path: Path) -> None:
    pixels = picture(0, (6, 20, 20, 3), np.uint16)
    rows = "\n".join(f"c{n},{'ab'[n % 2]},p{n // 2}" for n in range(6))
    (tmp_path / "cells.csv").write_text("cell,state,plate\n" + rows)
    np.savez_compressed(tmp_path / "cells.npz", cells=pixels)
    for data in (tmp_path, tmp_path / "cells.csv", tmp_path / "cells.npz"):
        got = read_samples(data, SampleOptions(channels=("DNA", "tub", "act")))
        assert got.form == "array" and got.samples.images.shape == (6, 3, 20, 20)
    np.testing.assert_array_equal(got.samples.images, np.moveaxis(pixels, 3, 1))
    assert got.samples.names[2] == "c2" and got.samples.unit == "plate"
    assert any("is read as NYXC: the last axis holds the 3 channels" in n for n in got.notes)
    np.savez(tmp_path / "cells.npz", cells=pixels[:5])
    with pytest.raises(InputError, match="has 5 pictures and its table 6 rows; they must agree"):
        read_samples(tmp_path)
    np.savez(tmp_path / "cells.npz", cells=pixels, more=pixels)
    with pytest.raises(
        UsageError, match=r"which array holds the pictures\? Say --array; it has ce"
    ):
        read_samples(tmp_path)
    assert len(read_samples(tmp_path, SampleOptions(array="more")).samples) == 6
    (tmp_path / "cells.npz").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match=r"cells.npz: cannot be read"):
        read_samples(tmp_path)


def test_a_picture_with_nan_is_named_while_it_is_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((4, 9, 9), dtype=np.float32)
    pixels[2, 1, 1] = np.nan
    np.save(tmp_path / "cells.npy", pixels)
    (tmp_path / "cells.csv").write_text("state,well\na,1\na,2\nb,1\nb,2\n")
    with pytest.raises(InputError, match=r"cells.npy: 1 of 4 pictures hold nan .*#2") as caught:
        read_samples(tmp_path / "cells.npy")
    assert "\n" not in str(caught.value)


def test_large_arrays_and_arrays_of_columns_first(tmp_path: Path) -> None:
    pixels = np.asfortranarray(picture(0, (6, 3, 20, 20), np.uint16))
    (tmp_path / "c.csv").write_text("state\n" + "\n".join("ababab"))
    np.savez(tmp_path / "c.npz", cells=pixels, masks=pixels[:, 0] > 90)
    got = read_samples(tmp_path, SampleOptions(scratch_gb=0, masks="masks")).samples
    np.testing.assert_array_equal(got.images, pixels)
    assert got.masks is not None and (got.masks == (pixels[:, 0] > 90)).all()
    assert got.names[0] == "c.npz#0"


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("state\na\nb")
    np.savez(tmp_path / "c.npz", cells=np.empty((2, 9, 9), dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds Python objects, not numbers"):
        read_samples(tmp_path, SampleOptions(array="cells"))


def test_zarr_rows(tmp_path: Path) -> None:
    import zarr

    pixels = picture(0, (6, 2, 20, 20), np.uint16)
    (tmp_path / "c.csv").write_text("state\n" + "\n".join("ababab"))
    array: Any = zarr.create_array(
        str(tmp_path / "c.zarr"), shape=pixels.shape, chunks=(1, 2, 20, 20), dtype=pixels.dtype
    )
    array[...] = pixels
    got = read_samples(tmp_path / "c.zarr").samples
    np.testing.assert_array_equal(got.images, pixels)


@pytest.mark.parametrize(
    ("shape", "channels", "axes"),
    [
        ((9, 68, 68, 3), (), "NYXC"),
        ((9, 3, 68, 68), (), "NCYX"),
        ((9, 68, 68), (), "NYX"),
        ((9, 12, 64, 64), ("c",) * 12, "NCYX"),
    ],
)
def test_axes_are_recognised_where_one_order_is_possible(
    shape: tuple[int, ...], channels: tuple[str, ...], axes: str
) -> None:
    assert axes_of(shape, SampleOptions(channels=channels), "a")[0] == axes


@pytest.mark.parametrize("shape", [(9, 3, 68, 3), (9, 64, 64, 64), (9, 12, 64, 64)])
def test_axes_are_asked_for_otherwise(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="does not tell which axis holds the channels; say --axes"):
        axes_of(shape, SampleOptions(), "a")
    assert axes_of(shape, SampleOptions(axes="NYXC"), "a")[0] == "NYXC"


def test_scratch_arrays_lie_in_a_file_beyond_the_limit() -> None:
    assert not isinstance(scratch_array((3, 4), np.uint8), np.memmap)
    large = scratch_array((3, 4), np.uint8, 0)
    assert isinstance(large, np.memmap) and (large == 0).all()
    large[1] = 7
    assert large.sum() == 28


def test_options_that_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="either --group-regex or --group-column, not both"):
        SampleOptions(group_regex="a", group_column="b")
    with pytest.raises(UsageError, match="unknown way to fit sizes 'pad'"):
        SampleOptions(fit="pad")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="channels are a list of names"):
        SampleOptions(channels="DNA")


def test_bbbc021_is_read_with_its_plates(shared_data: Path) -> None:
    got = read_samples(
        shared_data / "bbbc021",
        SampleOptions(label_column="treatment", channels=("DAPI", "tubulin", "actin")),
    )
    assert got.samples.images.shape == (2236, 3, 68, 68) and got.samples.unit == "well"
    assert len(set(got.samples.groups)) == 8
    assert got.samples.classes == ("control", "protein synthesis inhibitor")
