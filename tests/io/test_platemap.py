"""Plate maps: read, refused, joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from lucyte.io.platemap import find_platemap, read_platemap
from lucyte.schema.errors import InputError, UsageError
from worlds.folders import cellular_names, kinds, plate_of, write_files


def write_map(folder: Path, text: str, name: str = "map.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def opened(tmp_path: Path, text: str, names: list[str] | None = None, **settings):  # type: ignore[no-untyped-def]
    """A small cellular folder opened with this plate map."""
    write_files(tmp_path / "p", names or cellular_names(times=[1, 2], channels=["w1"]))
    write_map(tmp_path, text)
    return plate_of(tmp_path / "p", plate_map="map.csv", **settings)


def test_wells_however_written_and_columns_however_spelt(tmp_path: Path) -> None:
    text = (
        "\ufeffMetadata_Well; Condition ;Dose (uM);Batch\r\nc3;fed;0.5;1\r\n I004 ;starved;;2\r\n"
    )
    table = read_platemap(write_map(tmp_path, text))
    assert list(table.columns) == ["well", "condition", "dose_um", "batch"]
    assert table.to_dict("list") == {
        "well": ["C03", "I04"],
        "condition": ["fed", "starved"],
        "dose_um": [0.5, None],
        "batch": ["1", "2"],
    }
    tabs = read_platemap(write_map(tmp_path, "well\tn\nA1\t3\n", "map.tsv"))
    assert tabs.to_dict("list") == {"well": ["A01"], "n": [3]}


def test_wells_that_look_like_numbers_stay_wells(tmp_path: Path) -> None:
    table = read_platemap(write_map(tmp_path, "well,code\nE02,1e2\nE03,x\n"))
    assert table.to_dict("list") == {"well": ["E02", "E03"], "code": ["1e2", "x"]}


REFUSED = [
    ("position,condition\nA1,x\n", "needs a column 'well' \\(or 'image'\\), got: position, cond"),
    ("well,well\nA1,A2\n", "column 'well' stands twice"),
    ("well,label\nA1,3\n", "uses the name 'label' itself"),
    ("well,condition\n,fed\n", "line 2 has no well"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_tables_that_are_no_plate_map_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_platemap(write_map(tmp_path, text))


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.csv: no such plate map"):
        read_platemap(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"map.csv: is not a table"):
        read_platemap(write_map(tmp_path, ""))
    with pytest.raises(InputError, match=r"map.csv: has no rows"):
        read_platemap(write_map(tmp_path, "well,condition\n"))
    (tmp_path / "map.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(InputError, match=r"is not a table .* Save it as CSV"):
        read_platemap(tmp_path / "map.xlsx")


def test_a_map_by_well_fills_condition_and_meta(tmp_path: Path) -> None:
    plate = opened(tmp_path, "well,condition,dose_um\nC3,fed,0\nI4,starved,1.5\n")
    assert [(f.well, f.condition, dict(f.meta)) for f in plate.fields] == [
        ("C03", "fed", {"dose_um": 0.0}), ("C03", "fed", {"dose_um": 0.0}),
        ("I04", "starved", {"dose_um": 1.5}), ("I04", "starved", {"dose_um": 1.5}),
    ]  # fmt: skip
    assert plate.problems == ()
    assert list(plate.table()["dose_um"]) == [0.0, 0.0, 1.5, 1.5]


def test_wells_without_images_and_fields_without_rows_are_named(tmp_path: Path) -> None:
    plate = opened(tmp_path, "well,condition\nC3,fed\nD9,starved\n")
    assert [(p.where, p.kind) for p in plate.problems] == [
        ("D09", "missing_well"),
        ("220518-ST_I04_s1", "unmatched"),
        ("220518-ST_I04_s2", "unmatched"),
    ]
    assert plate.problems[0].message == "well D09 is in map.csv but has no images."
    assert [f.condition for f in plate.fields] == ["fed", "fed", "", ""]
    chosen = plate_of(tmp_path / "p", plate_map="map.csv", wells=["C03"])
    assert kinds(chosen) == []


def test_two_rows_for_a_well_must_agree(tmp_path: Path) -> None:
    same = opened(tmp_path, "well,condition\nC3,fed\nc03,fed\nI4,starved\n")
    assert kinds(same) == []
    with pytest.raises(
        UsageError, match=r"well C03 stands twice with different condition \(fed and starved\)"
    ):
        opened(tmp_path, "well,condition\nC3,fed\nC03,starved\n")


def test_a_map_with_plates_is_joined_by_plate_and_well(tmp_path: Path) -> None:
    names = [f"{plate}_A01_s1_w1.tif" for plate in ("one", "two")]
    text = "plate,well,condition\none,A1,fed\ntwo,A1,starved\n"
    plate = opened(tmp_path, text, names)
    assert [(f.plate, f.condition) for f in plate.fields] == [("one", "fed"), ("two", "starved")]
    with pytest.raises(UsageError, match="speaks of plate three, the images are of plate one, two"):
        opened(tmp_path, "plate,well\nthree,A1\n", names)


def test_a_map_with_sites_prefers_the_row_of_the_site(tmp_path: Path) -> None:
    text = "well,site,condition\nC3,,fed\nC3,2,odd\nI4,,starved\n"
    assert [f.condition for f in opened(tmp_path, text).fields] == [
        "fed", "odd", "starved", "starved",
    ]  # fmt: skip


def test_a_map_by_image_must_agree_within_a_field(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1], times=[1, 2], channels=["w1"])
    head = "file,well,site,timepoint,split,condition\n"
    rows = [f"{name},C3,1,{i},{'ab'[i]}," for i, name in enumerate(names)]
    plate = opened(tmp_path, head + "\n".join(row + "fed" for row in rows), names)
    assert (plate.fields[0].condition, dict(plate.fields[0].meta)) == ("fed", {})
    assert plate.problems == ()
    with pytest.raises(UsageError, match=r"field 220518-ST_C03_s1 have different condition \(fed"):
        opened(tmp_path, f"{head}{rows[0]}fed\n{rows[1]}starved\n", names)


def test_a_map_that_contradicts_the_names_is_refused(tmp_path: Path) -> None:
    names = cellular_names(wells=["C03"], sites=[1], times=[1], channels=["w1"])
    with pytest.raises(UsageError, match=r"says well D03 where the file's name says C03 \(Timep"):
        opened(tmp_path, f"image,well\n{names[0]},D3\n", names)


def test_plain_images_get_wells_and_conditions_by_name(tmp_path: Path) -> None:
    text = "image,well,condition\na.tif,B2,x\nsub/b.png,B3,y\ngone.tif,B4,z\n"
    plate = opened(tmp_path, text, ["a.tif", "b.png"])
    assert [(f.site, f.well, f.condition) for f in plate.fields] == [
        ("a", "B02", "x"), ("b", "B03", "y"),
    ]  # fmt: skip
    assert [p.message for p in plate.problems] == [
        "1 of 3 images in map.csv are not there: gone.tif"
    ]


def test_a_map_is_found_in_or_beside_the_folder_and_never_used_unasked(tmp_path: Path) -> None:
    write_files(tmp_path / "images", cellular_names())
    assert find_platemap(tmp_path / "images") is None
    (tmp_path / "images.csv").write_text("image,height,width\na,1,1\n")
    assert find_platemap(tmp_path / "images") is None, "sizes are no treatment"
    (tmp_path / "images.csv").write_text("image,condition\na,fed\n")
    assert find_platemap(tmp_path / "images") == tmp_path / "images.csv"
    (tmp_path / "images" / "platemap.csv").write_text("well,condition\nC3,fed\n")
    assert find_platemap(tmp_path / "images") == tmp_path / "images" / "platemap.csv"
    assert {f.condition for f in plate_of(tmp_path / "images").fields} == {""}
