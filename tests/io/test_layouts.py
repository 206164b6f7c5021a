"""File names to identities and back."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucyte.io.layouts import (
    GROUPS,
    LAYOUTS,
    Name,
    detect,
    find_layout,
    layout_names,
    normal_well,
    parse,
    user_layout,
)
from lucyte.schema.errors import UsageError
from worlds.folders import cellular_names, pixels, plate_of, write_files

EXPECTED = {
    "cellular": Name("220518-ST", "", "220518", "", "C03", "1", "w1", 1),
    "cellular-merged": Name("220518-ST", "", "220518", "", "C03", "1", None, 1),
    "imagexpress": Name("Week4_27481", well="G10", channel="w1", time_index=1),
    "operetta": Name("plate1", well="A01", channel="ch1", time_index=1, z=1),
    "yokogawa": Name("plate1", well="A01", channel="C01", time_index=1, z=1),
    "incell": Name("plate1", well="A01", channel="DAPI - DAPI"),
    "ctc": Name("Fluo-N2DH-GOWT1", site="01", time_index=0),
    "vitra": Name("ExampleVitraImages", well="A01", site="0", channel="Channel 1"),
    "cellomics": Name("AS_09125_050116030001", well="D03", site="0", channel="d0"),
    "mitocheck": Name("PLLT0017_19", "", "2005_07_06", "ADCCM", "P00365", "T00064___X0746___Y0848"),
}


@pytest.mark.parametrize("row", LAYOUTS, ids=lambda row: row.name)
def test_example_reads_as_written_by_hand_and_by_no_other_row(row) -> None:
    assert parse(row, row.example) == EXPECTED[row.name]
    assert parse(row, f"/far/away/{row.example}") == EXPECTED[row.name]
    assert [other.name for other in LAYOUTS if parse(other, row.example)] == [row.name]


MORE = [
    ("imagexpress", "run7_B02_s3_w2.TIF", Name("run7", well="B02", site="3", channel="w2")),
    ("imagexpress", "x/Plate A/ZStep_4/B02_w2.tif", Name("Plate A", well="B02", channel="w2", z=4)),
    ("imagexpress", "images/AF48_s1.tif", Name(well="AF48")),
    ("operetta", "r16c24f09p12-ch4sk7fk1fl1.tiff",
     Name(well="P24", site="9", channel="ch4", time_index=7, z=12)),
    ("operetta", "r27c02f01p01-ch1sk1fk1fl1.tiff",
     Name(well="AA02", channel="ch1", time_index=1, z=1)),
    ("incell", "B - 02(fld 10 wv Cy3 - dsRed z 3).tif",
     Name(well="B02", site="10", channel="Cy3 - dsRed", z=3)),
    ("incell", "C - 3(fld 1 wv DAPI - DAPI time 5 - 900 ms).tif",
     Name(well="C03", channel="DAPI - DAPI", time_index=5)),
    ("incell", "A - 1(fld 1).tif", Name(well="A01")),
    ("cellomics", "PL1_B04f12d2.TIF", Name("PL1", well="B04", site="12", channel="d2")),
    ("yokogawa", "my plate_1_AB12_T0010F003L02A03Z04C05.png",
     Name("my plate_1", well="AB12", site="3", channel="C05", time_index=10, z=4)),
    ("ctc", "02/t1234.tif", Name(site="02", time_index=1234)),
]  # fmt: skip


@pytest.mark.parametrize(("layout", "path", "name"), MORE, ids=[path for _, path, _ in MORE])
def test_variants_of_each_convention(layout: str, path: str, name: Name) -> None:
    assert parse(find_layout(layout), path) == name
    assert [other.name for other in LAYOUTS if parse(other, path)] == [layout]


@pytest.mark.parametrize(
    "path",
    ["A01_s1_w1_thumb3A3F1D6C-0000-0000-0000-000000000000.tif", "x/B02_thumb_w1.tif"],
)
def test_thumbnails_are_no_images_of_the_plate(path: str) -> None:
    row = find_layout("imagexpress")
    assert parse(row, path.replace("_thumb", "").replace("x/", "x/a_")), "premise: else it fits"
    assert parse(row, path) is None


@pytest.mark.parametrize(
    "path",
    ["t000.tif", "1/t000.tif", "01/t00.tif", "01_GT/TRA/man_track000.tif", "01/t000.tif.bak",
     "Timepoint_001_220518-ST_C03_s1_w1.txt", "r01c01.tiff", "photo.tif"],
)  # fmt: skip
def test_names_that_only_resemble_are_not_read(path: str) -> None:
    assert [row.name for row in LAYOUTS if parse(row, path)] == []


wells = st.tuples(st.sampled_from(string.ascii_uppercase[:16]), st.integers(1, 24))
small = st.integers(1, 99)


@given(wells, small, small, st.integers(1, 9), st.integers(0, 999999))
@settings(max_examples=60, deadline=None)
def test_cellular_names_round_trip(well, site, time, channel, day) -> None:
    path = f"Timepoint_{time:03d}_{day:06d}-ST_{well[0]}{well[1]:02d}_s{site}_w{channel}.tif"
    expected = Name(
        f"{day:06d}-ST", "", f"{day:06d}", "", f"{well[0]}{well[1]:02d}", str(site),
        f"w{channel}", time,
    )  # fmt: skip
    assert parse(find_layout("cellular"), path) == expected
    assert detect([path])[0] is find_layout("cellular")


@given(wells, small, small, small, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_operetta_and_yokogawa_names_say_the_same(well, site, time, z, channel) -> None:
    row, column = ord(well[0]) - 64, well[1]
    operetta = f"r{row:02d}c{column:02d}f{site:02d}p{z:02d}-ch{channel}sk{time}fk1fl1.tiff"
    yokogawa = f"p_{well[0]}{column:02d}_T{time:04d}F{site:03d}L01A01Z{z:02d}C{channel:02d}.tif"
    one, two = parse(find_layout("operetta"), operetta), parse(find_layout("yokogawa"), yokogawa)
    expected = (f"{well[0]}{column:02d}", str(site), time, z)
    assert (one.well, one.site, one.time_index, one.z) == expected
    assert (two.well, two.site, two.time_index, two.z) == expected


@given(wells, small, st.integers(1, 4), st.sampled_from(["", "run_1_", "A01_", "s1_"]))
@settings(max_examples=80, deadline=None)
def test_imagexpress_wells_are_not_mistaken_for_sites(well, site, channel, plate) -> None:
    name = f"{well[0]}{well[1]:02d}"
    found = parse(find_layout("imagexpress"), f"{plate}{name}_s{site}_w{channel}.tif")
    got = (found.plate, found.well, found.site, found.channel)
    assert got == (plate.rstrip("_"), name, str(site), f"w{channel}")


@given(wells, st.integers(0, 3), st.sampled_from(["", "0", "00"]))
@settings(max_examples=60, deadline=None)
def test_a_well_has_one_name_however_it_is_written(well, case, zeros) -> None:
    letter = well[0].lower() if case % 2 else well[0]
    written = f"{letter}{zeros}{well[1]}"
    expected = f"{well[0]}{well[1]:02d}"
    assert normal_well(written if len(written) <= 4 else f"{letter}{well[1]}") == expected
    assert normal_well(expected) == expected


@pytest.mark.parametrize("name", ["P00365", "well 3", "", "Z99", "ABC1", "A0", "control"])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert normal_well(f" {name} ") == name


def test_auto_takes_the_layout_that_reads_most_and_says_so() -> None:
    layout, count, why = detect([*cellular_names(), "notes.tif"])
    assert (layout.name, count) == ("cellular", 24)
    assert why == "cellular reads 24 of 25 names"


def test_auto_gives_up_where_two_read_equally_many_or_most_are_strange() -> None:
    layout, _, why = detect(["01/t000.tif", "r01c01f01p01-ch1sk1fk1fl1.tiff"])
    assert layout is None
    assert why == "operetta and ctc both read 1 of 2 names; say which with layout"
    layout, _, why = detect(["01/t000.tif", "a.tif", "b.tif"])
    assert layout is None
    assert why == "ctc reads only 1 of 3 names"
    assert detect(["a.tif"]) == (None, 0, "no layout reads these names")


def test_unknown_layout_is_refused_with_the_allowed_ones(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["a.tif"])
    with pytest.raises(UsageError, match=r"unknown layout 'operata', did you mean 'operetta'\?"):
        plate_of(tmp_path / "p", layout="operata")
    with pytest.raises(UsageError, match=re.escape(", ".join(layout_names()))):
        plate_of(tmp_path / "p", layout="x")


BAD_PATTERNS = [
    ("(?P<well>", "is not a regular expression: missing \\)"),
    ("_s\\d+", "has no named groups; write for instance \\(\\?P<well>"),
    ("(?P<chanel>w1)", "unknown group 'chanel', did you mean 'channel'\\?"),
    ("(?P<well>A1)(?P<row>A)", "name either well, or row and col"),
    ("(?P<row>A)", "row and col go together"),
]


@pytest.mark.parametrize(("pattern", "message"), BAD_PATTERNS)
def test_bad_patterns_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        user_layout(pattern)


def test_a_group_that_must_be_a_number_says_what_it_caught() -> None:
    layout = user_layout(r"(?P<time_index>[a-z]+)\.tif")
    with pytest.raises(UsageError, match="group time_index must catch a whole number, got 'ab'"):
        parse(layout, "ab.tif")


def test_a_pattern_is_searched_in_the_path_below_the_folder(tmp_path: Path) -> None:
    names = ["day1/exp-a3-f2-GFP.tif", "day1/exp-a3-f2-RFP.tif", "day2/exp-a3-f2-GFP.tif",
             "day2/exp-a3-f2-RFP.tif"]  # fmt: skip
    write_files(tmp_path / "p", names)
    pattern = r"(?P<day>day\d)/.*-(?P<well>[a-h]\d+)-f(?P<site>\d+)-(?P<channel>\w+)\.tif$"
    plate = plate_of(tmp_path / "p", pattern=pattern)
    assert plate.layout == "pattern"
    assert [(f.day, f.well, f.site, f.channels) for f in plate.fields] == [
        ("day1", "A03", "2", ("GFP", "RFP")),
        ("day2", "A03", "2", ("GFP", "RFP")),
    ]
    image = plate.fields[1].source.open()
    assert (image.sel(C="RFP").values == pixels(3)).all()


def test_a_layout_or_pattern_that_reads_nothing_is_refused_with_an_example(tmp_path: Path) -> None:
    write_files(tmp_path / "p", ["photo.tif"])
    with pytest.raises(UsageError, match=r"'ctc' reads none of the 1 images .* photo.tif.*t000"):
        plate_of(tmp_path / "p", layout="ctc")
    with pytest.raises(UsageError, match=r"pattern 'q\(\?P<well>A1\)' reads none of the 1 images"):
        plate_of(tmp_path / "p", pattern="q(?P<well>A1)")


def test_documented_groups_are_the_ones_that_are_read() -> None:
    assert set(GROUPS) - {"row", "col"} == set(Name.__dataclass_fields__)
