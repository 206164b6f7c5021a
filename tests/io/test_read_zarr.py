"""OME-Zarr 0.4 and 0.5: images, labels, plates; chunks that were lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings

from lucyte.io.open import FileSource, How, is_image, open_image, read_labels, series_names
from lucyte.io.read_zarr import HcsImage, plate_wells, read_hcs_plate
from lucyte.io.write_zarr import create_plate, write_image, write_labels
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import channel_names, make_image, time_indices
from lucyte.schema.plate import Field

Array = np.ndarray[Any, Any]
KIND = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
UNIT = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def axis(name: str, units: bool = True) -> dict[str, str]:
    entry = {"name": name, "type": KIND.get(name, "other")}
    return entry | ({"unit": UNIT[name]} if units and name in UNIT else {})


def write_zarr(
    folder: Path,
    array: Array,
    axes: str,
    *,
    version: str = "0.5",
    scale: list[float] | None = None,
    names: list[str] | None = None,
    chunks: tuple[int, ...] | None = None,
    units: bool = True,
) -> Path:
    """A minimal OME-Zarr image with all its chunks, empty ones too, and no other writer's help."""
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    with zarr.config.set({"array.write_empty_chunks": True}):
        stored = group.create_array(
            "0", shape=array.shape, dtype=array.dtype, chunks=chunks or array.shape
        )
        stored[...] = array
    level = {
        "path": "0",
        "coordinateTransformations": [{"type": "scale", "scale": scale or [1.0] * array.ndim}],
    }
    ome: dict[str, Any] = {
        "multiscales": [{"axes": [axis(name, units) for name in axes], "datasets": [level]}]
    }
    if names:
        ome["omero"] = {"channels": [{"label": name} for name in names]}
    if version == "0.4":
        ome["multiscales"][0]["version"] = "0.4"
        group.attrs.update(ome)
    else:
        group.attrs["ome"] = ome | {"version": version}
    return folder


def write_plate(root: Path, wells: dict[str, list[str]]) -> Path:
    group = zarr.open_group(root, mode="w", zarr_format=3)
    group.attrs["ome"] = {
        "version": "0.5",
        "plate": {"wells": [{"path": well} for well in wells]},
    }
    for number, (well, sites) in enumerate(wells.items()):
        folder = zarr.open_group(root / well, mode="w", zarr_format=3)
        folder.attrs["ome"] = {
            "version": "0.5",
            "well": {"images": [{"path": site} for site in sites]},
        }
        for site in sites:
            write_zarr(root / well / site, np.full((4, 5), number + 1, "u2"), "yx")
    return root


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, Array]:
    axes = "".join(name for name in "tcz" if draw(st.booleans())) + "yx"
    shape = [draw(st.integers(2, 4)) for _ in axes]
    dtype = draw(st.sampled_from(["u1", "u2", "i4", "f4"]))
    elements: Any = {"allow_nan": False} if dtype == "f4" else None
    return axes, draw(hnp.arrays(dtype, shape, elements=elements))


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(arrays(), st.sampled_from(["0.4", "0.5"]), st.data())
def test_round_trip(
    tmp_path: Path, case: tuple[str, Array], version: str, data: st.DataObject
) -> None:
    axes, array = case
    names = [f"dye {i}" for i in range(array.shape[axes.index("c")])] if "c" in axes else []
    known = {"t": 30.0, "c": 1.0, "z": 0.5, "y": 0.25, "x": 0.25}
    path = write_zarr(
        tmp_path / "a.zarr",
        array,
        axes,
        version=version,
        scale=[known[name] for name in axes],
        names=names,
        chunks=tuple(data.draw(st.integers(1, n)) for n in array.shape),
    )
    image = open_image(path)
    assert "".join(image.dims) == axes.upper()
    np.testing.assert_array_equal(image.values, array)
    assert image.dtype == array.dtype
    assert list(channel_names(image)) == names
    assert image.attrs["pixel_size_um"] == 0.25
    assert image.attrs["z_step_um"] == (0.5 if "z" in axes else None)
    assert image.attrs["interval_s"] == (30.0 if "t" in axes else None)


def test_another_writer(tmp_path: Path) -> None:
    import dask.array
    from ome_zarr.writer import write_image as write

    array = np.arange(2 * 64 * 64, dtype="u2").reshape(2, 64, 64) + 1
    write(
        dask.array.from_array(array, chunks=(1, 32, 32)),
        str(tmp_path / "a.zarr"),
        axes=[axis("c"), axis("y"), axis("x")],
    )
    image = open_image(tmp_path / "a.zarr")
    assert image.dims == ("C", "Y", "X")
    np.testing.assert_array_equal(image.values, array)
    assert channel_names(image) == ("C0", "C1")


def test_numbers_without_units_are_no_sizes(tmp_path: Path) -> None:
    array = np.ones((4, 5), "u2")
    path = write_zarr(tmp_path / "a.zarr", array, "yx", scale=[0.5, 0.5], units=False)
    assert open_image(path).attrs["pixel_size_um"] is None


def test_scales_of_image_and_level_multiply(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a.zarr", np.ones((3, 4, 5), "u2"), "tyx", scale=[1, 0.5, 0.5])
    file = path / "zarr.json"
    meta = json.loads(file.read_text())
    meta["attributes"]["ome"]["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [60.0, 2.0, 2.0]},
        {"type": "translation", "translation": [9.0, 9.0, 9.0]},
    ]
    file.write_text(json.dumps(meta))
    image = open_image(path)
    assert image.attrs["pixel_size_um"] == 1.0
    assert image.attrs["interval_s"] == 60.0


def test_a_foreign_axis_is_named(tmp_path: Path) -> None:
    array = np.arange(2 * 4 * 5, dtype="u2").reshape(2, 4, 5)
    path = write_zarr(tmp_path / "a.zarr", array, "ayx")
    meta = json.loads((path / "zarr.json").read_text())
    meta["attributes"]["ome"]["multiscales"][0]["axes"][0]["name"] = "angle"
    (path / "zarr.json").write_text(json.dumps(meta))
    with pytest.raises(UsageError, match=r"a.zarr: has an axis 'angle' of length 2 that Lucyte"):
        open_image(path)
    np.testing.assert_array_equal(open_image(path, select={"angle": 1}).values, array[1])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_lost_chunk_is_not_zeros(tmp_path: Path, version: str) -> None:
    array = np.arange(2 * 4 * 6, dtype="u2").reshape(2, 4, 6) + 1
    path = write_zarr(
        tmp_path / "a.zarr", array, "cyx", version=version, names=["a", "b"], chunks=(1, 4, 3)
    )
    lost = path / "0" / ("1.0.1" if version == "0.4" else "c/1/0/1")
    lost.unlink()
    assert zarr.open_array(path / "0", mode="r")[1].min() == 0  # the premise: zarr gives zeros
    image = open_image(path)
    np.testing.assert_array_equal(image.sel(C="a").values, array[0])
    with pytest.raises(InputError, match="this chunk is missing and would read as zeros") as told:
        image.sel(C="b").compute()
    assert told.value.path == str(lost)
    filled = open_image(path, how=How(empty_chunks=True)).sel(C="b").values
    np.testing.assert_array_equal(filled[:, 3:], 0)


def test_an_absent_chunk_of_labels_is_background(tmp_path: Path) -> None:
    labels = np.zeros((4, 6), "u2")
    labels[:, :3] = 7
    path = write_zarr(tmp_path / "a.zarr" / "labels" / "cell", labels, "yx", chunks=(4, 3))
    (path / "0" / "c" / "0" / "1").unlink()
    np.testing.assert_array_equal(read_labels(path), labels)


def test_a_damaged_chunk(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a.zarr", np.arange(400, dtype="u2").reshape(20, 20), "yx")
    chunk = path / "0" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    image = open_image(path)
    with pytest.raises(InputError, match=r"a.zarr: cannot be read \("):
        image.compute()


def test_metadata_that_is_not_there(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "bare.zarr", mode="w")
    with pytest.raises(InputError, match="without the metadata of an OME-Zarr image"):
        open_image(tmp_path / "bare.zarr")
    path = write_zarr(tmp_path / "a.zarr", np.ones((4, 5), "u2"), "yx")
    shutil.rmtree(path / "0")
    with pytest.raises(InputError, match="resolution level '0' is listed but missing"):
        open_image(path)
    (path / "zarr.json").write_text('{"attributes": {"ome"')
    with pytest.raises(InputError, match=r"zarr.json: cannot be read as JSON"):
        open_image(path)
    with pytest.raises(InputError, match="is not an OME-Zarr plate"):
        read_hcs_plate(write_zarr(tmp_path / "b.zarr", np.ones((4, 5), "u2"), "yx"))
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="is a folder without OME-Zarr metadata"):
        open_image(tmp_path / "empty.zarr")


def test_names_that_do_not_fit(tmp_path: Path) -> None:
    path = write_zarr(tmp_path / "a.zarr", np.ones((2, 4, 5), "u2"), "cyx", names=["one"])
    assert channel_names(open_image(path)) == ("C0", "C1")


def test_plate(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.zarr", {"A/1": ["0", "1"], "B/12": ["0"]})
    assert is_image(path)
    assert series_names(path) == ("A/1/0", "A/1/1", "B/12/0")
    assert plate_wells(path) == ("A1", "B12")
    assert read_hcs_plate(path)[2] == HcsImage("B12", "0", str(path / "B" / "12" / "0"), ())
    np.testing.assert_array_equal(open_image(path, series="B/12/0").values, 2)
    with pytest.raises(UsageError, match=r"holds 3 images \(A/1/0, A/1/1, B/12/0\)"):
        open_image(path)
    shutil.rmtree(path / "A" / "1" / "1")
    with pytest.raises(InputError, match="field A/1/1 is listed but is missing"):
        read_hcs_plate(path)
    shutil.rmtree(path / "B")
    shutil.rmtree(path / "A")
    with pytest.raises(InputError, match="well 'A/1' is listed but its folder is missing"):
        read_hcs_plate(path)


def run_plate(path: Path) -> Field:
    """A plate as a run writes it: frames 1, 2 and 4 of one field, and their labels."""
    field = Field(
        plate="P1",
        well="B03",
        site="1",
        source=FileSource("raw.tif"),
        channels=("DAPI", "GFP"),
        time_indices=(1, 2, 4),
        shape_yx=(4, 5),
        pixel_size_um=0.5,
        interval_s=60.0,
    )
    create_plate(path, [field])
    for t in field.time_indices:
        write_labels(path, field, "cell", t, np.full((4, 5), t, "i4"))
    return field


def test_the_plate_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "plate.zarr"
    field = run_plate(path)
    with pytest.raises(InputError, match="holds label images only, its pixels stay in the files"):
        open_image(path)
    blank = make_image(np.zeros((2, 4, 5), "u2"), "CYX", channels=["DAPI", "GFP"])
    for t in field.time_indices:  # all zeros on purpose: such chunks must be stored, not left out
        write_image(path, field, t, blank)
    image = open_image(path)
    assert image.dims == ("T", "C", "Y", "X")
    assert time_indices(image) == (1, 2, 4)
    assert channel_names(image) == ("DAPI", "GFP")
    assert (image.attrs["pixel_size_um"], image.attrs["interval_s"]) == (0.5, 60.0)
    np.testing.assert_array_equal(image.values, 0)
    (found,) = read_hcs_plate(path)
    assert (found.well, found.site, found.label_names) == ("B03", "1", ("cell",))
    labels = open_image(Path(found.image_path) / "labels" / "cell")
    np.testing.assert_array_equal(labels.values[:, 0, 0], [1, 2, 4])


def test_collection_of_images(tmp_path: Path) -> None:
    root = tmp_path / "many.zarr"
    zarr.open_group(root, mode="w").attrs["ome"] = {"bioformats2raw.layout": 3, "version": "0.5"}
    for name in ("0", "1", "10", "2"):
        write_zarr(root / name, np.full((4, 5), int(name), "u2"), "yx")
    assert series_names(root) == ("0", "1", "2", "10")
    assert open_image(root, series="10").values.max() == 10


@pytest.mark.parametrize(
    ("name", "shape", "z_step", "labels"),
    [
        ("plate_ones", (2, 3, 1080, 1280), 1.0, ()),
        ("plate_ones_mip", (2, 1080, 1280), None, ("organoids",)),
    ],
)
def test_real_plates(
    shared_data: Path,
    name: str,
    shape: tuple[int, ...],
    z_step: float | None,
    labels: tuple[str, ...],
) -> None:
    path = shared_data / "readers" / "ez_zarr" / "example_data" / f"{name}.zarr"
    field = path / "B" / "03" / "0"
    assert read_hcs_plate(path) == (HcsImage("B03", "0", str(field), labels),)
    image = open_image(path)
    assert image.shape == shape
    assert image.dtype == np.uint16
    assert channel_names(image) == ("some-label-1", "some-label-2")
    assert image.attrs["pixel_size_um"] == 0.1625
    assert image.attrs["z_step_um"] == z_step
    assert (image.values == 1).all()
    for label in labels:
        assert set(np.unique(read_labels(field / "labels" / label))) == {0, 1, 2, 3}


def test_real_image_of_version_05(shared_data: Path) -> None:
    path = shared_data / "readers" / "ez_zarr" / "example_data_zarr3" / "6001240_labels_v0.5.zarr"
    image = open_image(path)
    assert image.dims == ("C", "Z", "Y", "X")
    assert image.shape == (2, 236, 68, 67)
    assert image.dtype == np.uint16
    assert channel_names(image) == ("LaminB1", "Dapi")
    assert image.attrs["pixel_size_um"] == 1.4415926138560835
    assert image.attrs["z_step_um"] == 0.5002025531914894
    labels = read_labels(path / "labels" / "0")
    assert labels.shape == (236, 275, 271)  # of the full resolution, which the image lacks here
    assert labels.max() == 61
