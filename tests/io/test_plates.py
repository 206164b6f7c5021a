"""Folders of files to plates: what is there, and what is missing, doubled or damaged."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lucyte.io.assemble import open_plate
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.plan import InputSettings
from worlds.folders import cellular_names, kinds, pixels, plate_of, write_files


def test_channels_and_frames_of_one_field_become_one_image(tmp_path: Path) -> None:
    names = cellular_names()
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p")
    assert plate.layout == "cellular"
    assert plate.problems == ()
    assert [f.field_id for f in plate.fields] == [
        "220518-ST_C03_s1", "220518-ST_C03_s2", "220518-ST_I04_s1", "220518-ST_I04_s2",
    ]  # fmt: skip
    field = plate.fields[3]
    assert (field.day, field.channels, field.time_indices) == ("220518", ("w1", "w2"), (1, 2, 3))
    assert (field.shape_yx, field.z_planes, field.pixel_size_um) == ((12, 16), 1, None)
    image = field.source.open()
    assert image.dims == ("T", "C", "Y", "X")
    assert image.dtype == np.uint16
    for t in (1, 2, 3):
        for c in ("w1", "w2"):
            name = f"Timepoint_{t:03d}_220518-ST_I04_s2_{c}.tif"
            assert (image.sel(T=t, C=c).values == pixels(names.index(name))).all()


def test_pixels_are_read_only_when_asked_for(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1])
    write_files(tmp_path / "p", names)
    image = plate_of(tmp_path / "p").fields[0].source.open()
    (tmp_path / "p" / names[-1]).unlink()
    assert (image.sel(T=1, C="w1").values == pixels(0)).all()
    with pytest.raises(InputError, match=r"Timepoint_003.*w2.tif: does not exist"):
        image.sel(T=3, C="w2").compute()


def test_a_source_survives_pickling(tmp_path: Path) -> None:
    write_files(tmp_path / "p", cellular_names(wells=["C03"], sites=[1]))
    source = plate_of(tmp_path / "p").fields[0].source
    again = pickle.loads(pickle.dumps(source))
    assert again == source
    assert again.open().equals(source.open())
    assert len(again.paths) == 6
    assert [Path(p).name for p in source.paths_at(2)] == [
        "Timepoint_002_220518-ST_C03_s1_w1.tif", "Timepoint_002_220518-ST_C03_s1_w2.tif",
    ]  # fmt: skip


def test_planes_become_z_and_a_single_plane_does_not(tmp_path: Path) -> None:
    stack = [f"r01c0{w}f01p0{z}-ch1sk1fk1fl1.tiff" for w in (1, 2) for z in (1, 2, 3)]
    write_files(tmp_path / "stack", stack)
    field = plate_of(tmp_path / "stack").fields[1]
    assert (field.well, field.z_planes) == ("A02", 3)
    image = field.source.open()
    assert image.dims == ("T", "C", "Z", "Y", "X")
    assert (image.values[0, 0] == np.stack([pixels(i) for i in (3, 4, 5)])).all()
    write_files(tmp_path / "flat", [name for name in stack if "p02" in name])
    assert plate_of(tmp_path / "flat").fields[0].source.open().dims == ("T", "C", "Y", "X")


def test_w10_comes_after_w2(tmp_path: Path) -> None:
    names = [f"r01c01f01p01-ch{c}sk1fk1fl1.tiff" for c in (10, 2, 1)]
    write_files(tmp_path / "p", names)
    field = plate_of(tmp_path / "p").fields[0]
    assert field.channels == ("ch1", "ch2", "ch10")
    assert (field.source.open().sel(C="ch10").values[0] == pixels(0)).all()


def test_many_images_in_one_file_become_frames_of_a_named_channel(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    movie = np.stack([pixels(i) for i in range(3)])
    axes = {"axes": "TYX"}
    tifffile.imwrite(folder / "A01_s1_w1.tif", movie, imagej=True, metadata=axes)
    tifffile.imwrite(folder / "A01_s1_w2.tif", movie + 1, imagej=True, metadata=axes)
    field = plate_of(folder).fields[0]
    assert (field.channels, field.time_indices) == (("w1", "w2"), (0, 1, 2))
    image = field.source.open()
    assert image.dims == ("T", "C", "Y", "X")
    assert (image.sel(T=2, C="w2").values == pixels(2) + 1).all()
    fewer = plate_of(folder, time_indices=[0, 2]).fields[0]
    assert fewer.time_indices == (0, 2)
    assert (fewer.source.open().sel(T=2, C="w1").values == pixels(2)).all()
    with pytest.raises(UsageError, match=r"unknown time index '7'\. Allowed: 0, 1, 2"):
        plate_of(folder, time_indices=[7])


def test_a_file_that_holds_what_its_name_says_alone_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "p" / "01"
    folder.mkdir(parents=True)
    movie = np.stack([pixels(i) for i in range(3)])
    tifffile.imwrite(folder / "t000.tif", movie, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match="holds 3 positions along T, but its name stands for one"):
        plate_of(folder, on_damaged="stop")


# What is wrong with the input


def test_a_missing_frame_is_absent_and_named(tmp_path: Path) -> None:
    names = [n for n in cellular_names() if "_002_" not in n or "C03_s1" not in n]
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p")
    assert [f.time_indices for f in plate.fields] == [(1, 3), (1, 2, 3), (1, 2, 3), (1, 2, 3)]
    assert kinds(plate) == ["missing_frame"]
    assert plate.problems[0].message == (
        "field 220518-ST_C03_s1 has no frame 2; what is missing stays absent."
    )
    assert list(plate.fields[0].source.open().coords["T"].values) == [1, 3]


def test_a_frame_that_every_field_lacks_is_named_too(tmp_path: Path) -> None:
    write_files(tmp_path / "p", cellular_names(times=[1, 2, 4, 5]))
    assert kinds(plate_of(tmp_path / "p")) == ["missing_frame"] * 4
    write_files(tmp_path / "q", cellular_names(times=[2, 4, 6]))
    assert kinds(plate_of(tmp_path / "q")) == []
    assert kinds(plate_of(tmp_path / "p", time_indices=[1, 5])) == []


def test_a_frame_without_a_channel_is_left_out(tmp_path: Path) -> None:
    names = [n for n in cellular_names() if n != "Timepoint_002_220518-ST_I04_s1_w2.tif"]
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p")
    assert plate.fields[2].time_indices == (1, 3)
    assert kinds(plate) == ["missing_channel", "missing_frame"]
    assert plate.problems[0].message == (
        "frame 2 of field 220518-ST_I04_s1 has no channel w2; it is left out."
    )


def test_a_field_without_a_channel_that_others_have_is_left_out(tmp_path: Path) -> None:
    names = [n for n in cellular_names() if not ("C03_s2" in n and n.endswith("w2.tif"))]
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p")
    assert len(plate.fields) == 3
    assert kinds(plate) == ["missing_channel"]
    assert plate.problems[0].message == (
        "field 220518-ST_C03_s2 has no channel w2, which 3 of 4 fields have; it is left out."
    )


def test_a_channel_that_few_have_is_left_out_instead_of_the_fields(tmp_path: Path) -> None:
    extra = "Timepoint_{}_220518-ST_C03_s1_w3.tif"
    names = [*cellular_names(), *(extra.format(f"{t:03d}") for t in (1, 2, 3))]
    write_files(tmp_path / "few fields", names)
    plate = plate_of(tmp_path / "few fields")
    assert {f.channels for f in plate.fields} == {("w1", "w2")}
    assert [p.message for p in plate.problems] == [
        "only 1 of 4 fields have channel w3; it is left out."
    ]
    write_files(tmp_path / "few frames", [*cellular_names(wells=["C03"], sites=[1]), names[-3]])
    plate = plate_of(tmp_path / "few frames")
    assert (plate.fields[0].channels, plate.fields[0].time_indices) == (("w1", "w2"), (1, 2, 3))
    assert "has channel w3 in only 1 of 3 frames" in plate.problems[0].message


def test_a_frame_without_a_plane_is_left_out(tmp_path: Path) -> None:
    names = [f"r01c01f01p0{z}-ch1sk{t}fk1fl1.tiff" for t in (1, 2) for z in (1, 2, 3)]
    write_files(tmp_path / "p", names[:-1])
    plate = plate_of(tmp_path / "p")
    assert plate.fields[0].time_indices == (1,)
    assert [p.message for p in plate.problems] == [
        "frame 2 of field p_A01_s1 has no plane 3; it is left out."
    ]


def test_of_two_files_for_one_place_the_first_is_used(tmp_path: Path) -> None:
    names = [f"{day}/AS_plate_A01f00d{c}.tif" for day in ("a", "b") for c in (0, 1)]
    write_files(tmp_path / "p", names)
    plate = plate_of(tmp_path / "p")
    assert kinds(plate) == ["duplicate", "duplicate"]
    assert "AS_plate_A01f00d0.tif claims the same place as" in plate.problems[0].message
    assert "(plate AS_plate, well A01, site 0, channel d0)" in plate.problems[0].message
    assert (plate.fields[0].source.open().sel(C="d1").values == pixels(1)).all()


def test_missing_wells_show_where_the_plate_is_otherwise_whole(tmp_path: Path) -> None:
    names = [f"p_{row}{col:02d}_s1_w1.tif" for row in "ABCD" for col in range(1, 7)]
    write_files(tmp_path / "p", [n for n in names if "C04" not in n])
    plate = plate_of(tmp_path / "p")
    assert [(p.kind, p.message) for p in plate.problems] == [
        ("missing_well", "well C04 of plate p has no images.")
    ]
    write_files(tmp_path / "q", names[:3] + names[7:9] + names[-1:])
    assert kinds(plate_of(tmp_path / "q")) == []


@pytest.mark.parametrize("how", ["empty", "garbage", "text"])
def test_a_damaged_file_is_named_and_the_rest_survives(tmp_path: Path, how: str) -> None:
    write_files(tmp_path / "p", cellular_names())
    bad = tmp_path / "p" / "Timepoint_002_220518-ST_C03_s1_w1.tif"
    bad.write_bytes({"empty": b"", "garbage": b"II*\x00\xff\xff\xff", "text": b"hello"}[how])
    plate = plate_of(tmp_path / "p")
    assert [f.time_indices for f in plate.fields] == [(1, 3), (1, 2, 3), (1, 2, 3), (1, 2, 3)]
    damaged = plate.problems[0]
    assert (damaged.where, damaged.kind) == (str(bad), "damaged")
    assert damaged.message.startswith(bad.name)
    assert damaged.message.endswith("It is left out.")
    with pytest.raises(InputError, match=bad.name):
        plate_of(tmp_path / "p", on_damaged="stop")


def test_a_field_of_only_damaged_files_goes_and_a_plate_of_them_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["a.tif", "b.tif"])
    (tmp_path / "p" / "a.tif").write_bytes(b"")
    plate = plate_of(tmp_path / "p")
    assert [f.site for f in plate.fields] == ["b"]
    (tmp_path / "p" / "b.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"p: no field can be read. a.tif is empty"):
        plate_of(tmp_path / "p")


def test_a_frame_of_another_size_is_left_out(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1], channels=["w1"], times=[1, 2, 3])
    write_files(tmp_path / "p", names)
    tifffile.imwrite(tmp_path / "p" / names[0], pixels(0, (8, 8)))
    plate = plate_of(tmp_path / "p")
    assert plate.fields[0].time_indices == (2, 3)
    assert [p.message for p in plate.problems] == [
        f"{names[0]} is 8 x 8 (YX) uint16, the other files of this field are 12 x 16 (YX) uint16. "
        "It is left out."
    ]


def test_a_field_of_another_size_stays_and_is_named(tmp_path: Path) -> None:
    write_files(tmp_path / "p", cellular_names(times=[1], channels=["w1"]))
    tifffile.imwrite(tmp_path / "p" / "Timepoint_001_220518-ST_I04_s2_w1.tif", pixels(0, (8, 8)))
    plate = plate_of(tmp_path / "p")
    assert [f.shape_yx for f in plate.fields][-1] == (8, 8)
    assert [p.message for p in plate.problems] == [
        "field 220518-ST_I04_s2 is 8 x 8 px, most fields are 12 x 16."
    ]


def test_a_file_unlike_its_header_is_named_when_it_is_read(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1], channels=["w1"])
    write_files(tmp_path / "p", names)
    image = plate_of(tmp_path / "p").fields[0].source.open()
    tifffile.imwrite(tmp_path / "p" / names[1], pixels(0, (8, 8)))
    with pytest.raises(InputError, match=r"Timepoint_002.*: is 8 x 8 \(YX\) uint16, the other"):
        image.sel(T=2).compute()


# Settings


def test_channels_are_renamed_and_unknown_ones_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "p", cellular_names(wells=["C03"], sites=[1]))
    plate = plate_of(tmp_path / "p", channels={"GFP": "w2"})
    assert plate.fields[0].channels == ("w1", "GFP")
    image = plate.fields[0].source.open()
    assert (image.sel(T=1, C="GFP").values == pixels(1)).all()
    with pytest.raises(
        UsageError, match=r"unknown channel 'w3'. Allowed: w1, w2. Write channels as GFP"
    ):
        plate_of(tmp_path / "p", channels={"GFP": "w3"})
    with pytest.raises(UsageError, match="two channels would be called 'w1'"):
        plate_of(tmp_path / "p", channels={"w1": "w2"})
    with pytest.raises(UsageError, match="'w1' was given two names, A and B"):
        plate_of(tmp_path / "p", channels={"A": "w1", "B": "w1"})
    swapped = plate_of(tmp_path / "p", channels={"w1": "w2", "w2": "w1"}).fields[0].source.open()
    assert (swapped.sel(T=1, C="w1").values == pixels(1)).all()


def test_wells_and_frames_are_chosen_and_unknown_ones_refused(tmp_path: Path) -> None:
    write_files(tmp_path / "p", cellular_names())
    plate = plate_of(tmp_path / "p", wells=["c3"], time_indices=[3])
    assert [(f.well, f.time_indices) for f in plate.fields] == [("C03", (3,)), ("C03", (3,))]
    with pytest.raises(UsageError, match=r"unknown well 'D04', did you mean .* Allowed: C03, I04"):
        plate_of(tmp_path / "p", wells=["D04"])
    with pytest.raises(UsageError, match=r"unknown time index '9'\. Allowed: 1, 2, 3"):
        plate_of(tmp_path / "p", time_indices=[9])


def test_the_users_pixel_size_and_interval_stand_above_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    movie = np.stack([pixels(i) for i in range(2)])
    meta = {"axes": "TYX", "unit": "um", "finterval": 60.0}
    tifffile.imwrite(folder / "a.tif", movie, imagej=True, resolution=(2, 2), metadata=meta)
    field = plate_of(folder).fields[0]
    assert (field.pixel_size_um, field.interval_s) == (0.5, 60.0)
    field = plate_of(folder, pixel_size_um=0.3, interval_s=10).fields[0]
    assert (field.pixel_size_um, field.interval_s) == (0.3, 10.0)
    image = field.source.open()
    assert (image.attrs["pixel_size_um"], image.attrs["interval_s"]) == (0.3, 10.0)


# Folders without a naming convention


def test_plain_images_are_fields_of_their_own(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["b.tif", "a b.png", "sub/b.tif"])
    (tmp_path / "p" / "notes.txt").write_text("not an image")
    (tmp_path / "p" / ".hidden.tif").write_bytes(b"x")
    plate = plate_of(tmp_path / "p")
    assert (plate.layout, plate.problems) == ("plain", ())
    assert [(f.well, f.site, f.field_id) for f in plate.fields] == [
        ("", "a b", "sa_b"), ("", "b.tif", "sb.tif"), ("", "sub_b.tif", "ssub_b.tif"),
    ]  # fmt: skip


def test_names_that_differ_only_in_signs_stay_apart(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["a b.tif", "a_b.tif"])
    assert [f.field_id for f in plate_of(tmp_path / "p").fields] == ["sa_b", "sa_b.2"]


def test_class_folders_are_conditions(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["fed/1.png", "fed/2.png", "starved/1.png"])
    plate = plate_of(tmp_path / "p")
    assert plate.layout == "folder-per-class"
    assert [(f.condition, f.site) for f in plate.fields] == [
        ("fed", "fed_1"), ("fed", "fed_2"), ("starved", "starved_1"),
    ]  # fmt: skip
    write_files(tmp_path / "p", ["loose.png"])
    assert plate_of(tmp_path / "p").layout == "plain"
    with pytest.raises(InputError, match=r"loose.png: lies beside the class folders"):
        plate_of(tmp_path / "p", layout="folder-per-class")


def test_truth_folders_beside_the_images_are_not_images(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["images/a.png", "labels/a.tif", "masks/a.png", "01_GT/SEG/x.tif"])
    assert [f.site for f in plate_of(tmp_path / "p").fields] == ["a"]
    assert [f.site for f in plate_of(tmp_path / "p" / "labels").fields] == ["a"]


def test_two_conventions_at_once_are_read_as_plain_files_and_named(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["01/t000.tif", "x/r01c01f01p01-ch1sk1fk1fl1.tiff"])
    plate = plate_of(tmp_path / "p")
    assert plate.layout == "plain"
    assert [p.kind for p in plate.problems] == ["other"]
    assert "operetta and ctc both read 1 of 2 names" in plate.problems[0].message


def test_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1])
    write_files(tmp_path / "p", [*names, "overview.tif"])
    plate = plate_of(tmp_path / "p")
    assert [(p.kind, p.message) for p in plate.problems] == [
        ("unmatched", "1 images do not fit layout cellular and are left out: overview.tif")
    ]


def test_thumbnails_go_without_a_word(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["A01_s1_w1.tif", "A01_s1_w1_thumb.tif"])
    plate = plate_of(tmp_path / "p")
    assert (len(plate.fields), plate.problems) == (1, ())


def test_a_file_a_glob_and_a_folder(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["a/x.tif", "a/y.tif", "b/x.tif"])
    settings = InputSettings(path="p/a/x.tif")
    assert [f.site for f in open_plate(settings, tmp_path).fields] == ["x"]
    settings = InputSettings(path="p/*/x.tif")
    assert [f.condition for f in open_plate(settings, tmp_path).fields] == ["a", "b"]
    settings = InputSettings(path=str(tmp_path / "p" / "**" / "y.*"))
    assert len(open_plate(settings, Path("/")).fields) == 1


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for path, message in (
        ("nowhere", "nowhere: no such file or folder"),
        ("empty", "empty: holds no image that Lucyte reads"),
        ("notes.txt", "notes.txt: is not an image that Lucyte reads"),
        ("*.tif", "matches no image that Lucyte reads"),
    ):
        with pytest.raises(InputError, match=message.replace("*", r"\*")):
            open_plate(InputSettings(path=path), tmp_path)


def test_reading_order_is_that_of_a_plate(tmp_path: Path) -> None:
    wells = ["B01", "A10", "A02", "AA01"]
    write_files(tmp_path / "p", [f"x_{w}_s{s}_w1.tif" for w in wells for s in (10, 9)])
    order = [(f.well, f.site) for f in plate_of(tmp_path / "p").fields]
    assert order[:4] == [("A02", "9"), ("A02", "10"), ("A10", "9"), ("A10", "10")]
    assert [well for well, _ in order[4::2]] == ["B01", "AA01"]


def test_large_folders_are_opened_by_one_header_per_field(tmp_path: Path, monkeypatch) -> None:
    from lucyte.io import completeness
    from lucyte.io.field_source import Reading

    write_files(tmp_path / "p", cellular_names())
    small = tmp_path / "p" / "Timepoint_003_220518-ST_I04_s2_w2.tif"
    small.write_bytes(small.read_bytes()[:100])
    opened: list[str] = []
    real = Reading.header

    def spy(self: Reading, slot):  # type: ignore[no-untyped-def]
        opened.append(Path(slot.path).name)
        return real(self, slot)

    monkeypatch.setattr(completeness, "ALL_HEADERS", 10)
    monkeypatch.setattr(Reading, "header", spy)
    plate = plate_of(tmp_path / "p")
    assert len(opened) == 5
    assert small.name in opened
    assert plate.fields[3].time_indices == (1, 2)
    assert kinds(plate) == ["damaged", "missing_channel", "missing_frame"]


def test_headers_from_metadata_say_what_opening_says(shared_data: Path) -> None:
    from lucyte.io.field_source import Reading, Slot

    folder = shared_data / "readers"
    paths = [*sorted((folder / "training-resources").glob("*.tif"))]
    paths += [
        folder / "arcadia-microscopy-tools" / "example-timelapse.nd2",
        folder / "ez_zarr/example_data/plate_ones.zarr/B/03/0",
        shared_data / "dsb2018/images/00071198d059ba7f.png",
    ]
    reading = Reading(flags=("known",))
    shortcuts = 0
    for path in paths:
        slot = Slot(str(path))
        quick = reading._plain_header(slot)
        shortcuts += quick is not None
        assert quick in (None, reading._header_of(reading.open(slot)))
    assert shortcuts > 0.8 * len(paths), "premise: the short way is taken"
