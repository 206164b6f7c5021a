"""TIFF: plain, ImageJ, OME, MetaMorph; what the tags say and what they do not say."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings

from lucyte.io.open import FileSource, How, open_image, read_labels, series_names
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import channel_names

SMALL = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def ramp(*shape: int, dtype: str = "u2") -> np.ndarray[Any, Any]:
    """Pixels that are all different, so that a swapped axis shows."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


# name -> dims, shape, dtype, channels, pixel size, z step, interval: copied by hand from the tags.
REAL = {
    "xyc_16bit__nuclei_tubulin_crop.tif": ("CYX", (2, 156, 163), "u2", ("C0", "C1"), None),
    "watershed/xyc_16bit__nuclei_tubulin.tif": ("CYX", (2, 214, 226), "u2", ("C0", "C1"), None),
    "xy_16bit__autophagosomes_crop.tif": ("YX", (56, 51), "u2", (), None),
    "xy_8bit__nucleus_calibrated.tif": ("YX", (215, 215), "u1", (), 1 / 7.692307),
    "xy_8bit__nucleus_calibrated_downscaled.tif": ("YX", (21, 21), "u1", (), 1 / 0.76923),
    "xy_calibrated_16bit__cells_eres_noisy.tif": ("YX", (512, 512), "u2", (), 1 / 4.354004),
    "xy_calibrated_16bit__nuclear_protein_control.tif": (
        "YX",
        (1192, 1192),
        "u2",
        (),
        1 / 8.832826,
    ),
    "xy_calibrated_16bit__nuclear_protein_treated.tif": (
        "YX",
        (1192, 1192),
        "u2",
        (),
        1 / 8.832826,
    ),
    "xyc_16bit__hela-cells.tif": ("CYX", (3, 512, 672), "u2", ("R", "G", "B"), 1 / 19.420064),
    "xyc_16bit__nuclei_golgi.tif": ("CYX", (2, 220, 204), "u2", ("C0", "C1"), 1 / 1.938918),
    "xyc_16bit__nup_nuclei.tif": ("CYX", (2, 420, 476), "u2", ("C0", "C1"), None),
    "xyc_8bit__cyto_nuclei.tif": ("CYX", (2, 254, 182), "u1", ("C0", "C1"), None),
    "xyc_8bit__membranes_nuclei.tif": ("CYX", (2, 354, 475), "u1", ("C0", "C1"), None),
    "xyc_8bit__membranes_nuclei_big.tif": (
        "CYX",
        (2, 299, 340),
        "u1",
        ("C0", "C1"),
        1 / 1.930868,
    ),
    "xyc_8bit__nuclei_nup.tif": ("CYX", (2, 512, 512), "u1", ("C0", "C1"), 1 / 3.793965),
    "xyt_calibrated_16bit__golgi_bfa_sum_projection.tif": (
        "TYX",
        (30, 137, 147),
        "f4",
        (),
        1 / 2.845474,
    ),
    "xyz_16bit__spots.tif": ("ZYX", (17, 88, 89), "u2", (), 1 / 10.623103),
    "xyz_8bit__chromosomes.tif": ("ZYX", (40, 152, 126), "u2", (), 1 / 29.53846),
    "xyz_8bit__mitotic_plate_badZcalibrated.tif": ("ZYX", (6, 263, 263), "u1", (), 1 / 11.737581),
    "xyz_8bit__mitotic_plate_calibrated.tif": ("ZYX", (6, 263, 263), "u1", (), 1 / 11.737581),
}
Z_STEPS = {
    "xyz_16bit__spots.tif": 0.4,
    "xyz_8bit__chromosomes.tif": 0.15,
    "xyz_8bit__mitotic_plate_badZcalibrated.tif": None,  # the key is not in the file; truth is 3
    "xyz_8bit__mitotic_plate_calibrated.tif": 3.0,
}


@pytest.mark.parametrize("name", REAL)
def test_training_resources(shared_data: Path, name: str) -> None:
    dims, shape, dtype, channels, pixel_um = REAL[name]
    image = open_image(shared_data / "readers" / "training-resources" / name)
    assert ("".join(image.dims), image.shape, image.dtype) == (dims, shape, np.dtype(dtype))
    assert channel_names(image) == channels
    assert image.attrs["pixel_size_um"] == (
        None if pixel_um is None else pytest.approx(pixel_um, rel=1e-6)
    )
    z_step = Z_STEPS.get(name)
    assert image.attrs["z_step_um"] == (None if z_step is None else pytest.approx(z_step, rel=1e-6))
    interval = 59.86 if "golgi_bfa" in name else None
    assert image.attrs["interval_s"] == interval


CELLPROFILER = {
    "ExampleHuman/AS_09125_050116030001_D03f00d0.tif": ((512, 512), "u1"),  # big-endian, PackBits
    "ExampleHuman/AS_09125_050116030001_D03f00d1.tif": ((512, 512), "u1"),
    "ExampleHuman/AS_09125_050116030001_D03f00d2.tif": ((512, 512), "u1"),  # 72 dpi by Photoshop
    "ExampleSpeckles/1-162hrh2ax2.tif": ((1000, 1200), "u2"),  # 1 px per 100 cm
    "ExampleSpeckles/1-162hrhoe2.tif": ((1000, 1200), "u2"),
    "ExampleVitraImages/Channel 1-01-A-01-00.tif": ((1024, 1360), "u1"),  # palette: a grey ramp
    "ExampleVitraImages/Channel 1-12-A-12-00.tif": ((1024, 1360), "u1"),
    "ExampleVitraImages/Channel 2-01-A-01-00.tif": ((1024, 1360), "u1"),
    "ExampleVitraImages/Channel 2-12-A-12-00.tif": ((1024, 1360), "u1"),
}


@pytest.mark.parametrize("name", CELLPROFILER)
def test_cellprofiler_has_no_pixel_size(shared_data: Path, name: str) -> None:
    shape, dtype = CELLPROFILER[name]
    image = open_image(shared_data / "cellprofiler" / name)
    assert (image.dims, image.shape, image.dtype) == (("Y", "X"), shape, np.dtype(dtype))
    assert image.attrs["pixel_size_um"] is None
    np.testing.assert_array_equal(
        image.values, tifffile.imread(shared_data / "cellprofiler" / name)
    )


@pytest.mark.parametrize(
    ("sequence", "shape", "dtype"),
    [
        ("Fluo-N2DH-GOWT1", (1024, 1024), "u1"),
        ("Fluo-N2DH-SIM+", (690, 628), "u2"),
        ("Fluo-C2DL-MSC", (832, 992), "u2"),
    ],
)
def test_cell_tracking_challenge(
    shared_data: Path, sequence: str, shape: tuple[int, int], dtype: str
) -> None:
    image = open_image(shared_data / "ctc" / sequence / "01" / "t000.tif")
    assert (image.dims, image.shape, image.dtype) == (("Y", "X"), shape, np.dtype(dtype))
    assert image.attrs["pixel_size_um"] is None  # the tags are a placeholder, 1 per pixel
    labels = read_labels(shared_data / "ctc" / sequence / "01_GT" / "TRA" / "man_track000.tif")
    assert labels.shape == shape
    assert labels.dtype == np.int32
    assert labels.max() > 0


@st.composite
def stacks(draw: st.DrawFn) -> tuple[str, np.ndarray[Any, Any]]:
    """A small array with any of the axes T Z C before Y X, every length above 1."""
    outer = "".join(axis for axis in "TZC" if draw(st.booleans()))
    shape = [draw(st.integers(2, 3)) for _ in outer] + [draw(st.integers(2, 9)) for _ in "YX"]
    dtype = draw(st.sampled_from(["u1", "u2", "f4"]))
    elements: Any = {"allow_nan": False} if dtype == "f4" else None
    return outer + "YX", draw(hnp.arrays(dtype, shape, elements=elements))


def in_order(axes: str, array: np.ndarray[Any, Any]) -> tuple[str, np.ndarray[Any, Any]]:
    dims = "".join(sorted(axes, key="TCZYX".index))
    return dims, array.transpose([axes.index(axis) for axis in dims])


@SMALL
@given(stacks(), st.sampled_from(["<", ">"]))
def test_imagej_round_trip(
    tmp_path: Path, case: tuple[str, np.ndarray[Any, Any]], byteorder: str
) -> None:
    axes, array = case
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path,
        array,
        imagej=True,
        byteorder=byteorder,
        photometric="minisblack",
        resolution=(4.0, 4.0),
        metadata={"axes": axes, "unit": "um", "spacing": 0.5, "finterval": 30.0},
    )
    image = open_image(path)
    dims, expected = in_order(axes, array)
    assert "".join(image.dims) == dims
    np.testing.assert_array_equal(image.values, expected)
    assert image.attrs["pixel_size_um"] == pytest.approx(0.25)
    assert image.attrs["z_step_um"] == (0.5 if "Z" in dims else None)
    assert image.attrs["interval_s"] == (30.0 if "T" in dims else None)


@SMALL
@given(
    stacks(),
    st.sampled_from(["<", ">"]),
    st.sampled_from([None, "lzw", "zlib", "packbits"]),
    st.permutations("TZC"),
)
def test_ome_round_trip(
    tmp_path: Path,
    case: tuple[str, np.ndarray[Any, Any]],
    byteorder: str,
    compression: str | None,
    order: list[str],
) -> None:
    axes, array = case
    shuffled = "".join(axis for axis in order if axis in axes) + "YX"
    array = array.transpose([axes.index(axis) for axis in shuffled])
    names = [f"dye {i}" for i in range(array.shape[shuffled.index("C")])] if "C" in axes else []
    meta: dict[str, Any] = {
        "axes": shuffled,
        "PhysicalSizeX": 130.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.13,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.5,
        "TimeIncrement": 2.0,
        "TimeIncrementUnit": "min",
    }
    if names:
        meta["Channel"] = {"Name": names}
    path = tmp_path / "stack.ome.tif"
    tifffile.imwrite(
        path,
        array,
        ome=True,
        byteorder=byteorder,
        compression=compression,
        photometric="minisblack",
        metadata=meta,
    )
    image = open_image(path)
    dims, expected = in_order(shuffled, array)
    assert "".join(image.dims) == dims
    np.testing.assert_array_equal(image.values, expected)
    assert list(channel_names(image)) == names
    assert image.attrs["pixel_size_um"] == pytest.approx(0.13)
    assert image.attrs["z_step_um"] == (0.5 if "Z" in dims else None)
    assert image.attrs["interval_s"] == (120.0 if "T" in dims else None)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8"])
def test_compression_tiles_types(
    tmp_path: Path, compression: str | None, tile: tuple[int, int] | None, dtype: str
) -> None:
    array = ramp(40, 50, dtype="u2").astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, compression=compression, tile=tile, byteorder=">")
    image = open_image(tmp_path / "a.tif")
    assert image.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image.values, array)


def test_twelve_bit_packed(tmp_path: Path) -> None:
    values = np.array([[0, 1, 4095, 2048], [7, 4094, 15, 16]])
    packed = b"".join(
        bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in values.reshape(-1, 2).tolist()
    )
    tags = [
        (256, 3, 1, 4),
        (257, 3, 1, 2),
        (258, 3, 1, 12),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 3, 1, 2),
        (279, 4, 1, len(packed)),
    ]
    entries = b"".join(
        struct.pack("<HHI", tag, kind, count)
        + struct.pack("<HH" if kind == 3 else "<I", *((value, 0) if kind == 3 else (value,)))
        for tag, kind, count, value in tags
    )
    head = b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    path = tmp_path / "twelve.tif"
    path.write_bytes(head.ljust(200, b"\x00") + packed)
    np.testing.assert_array_equal(open_image(path).values, values)


def test_imagej_channel_names_from_labels(tmp_path: Path) -> None:
    labels = ["c:1/2 t:1/2 - DAPI", "c:2/2 t:1/2 - GFP", "c:1/2 t:2/2 - DAPI", "c:2/2 t:2/2 - GFP"]
    tifffile.imwrite(
        tmp_path / "a.tif",
        ramp(2, 2, 5, 6),
        imagej=True,
        metadata={"axes": "TCYX", "Labels": labels},
    )
    assert channel_names(open_image(tmp_path / "a.tif")) == ("DAPI", "GFP")
    labels[3] = "c:2/2 t:2/2 - RFP"  # a label that changes over time is no channel name
    tifffile.imwrite(
        tmp_path / "b.tif",
        ramp(2, 2, 5, 6),
        imagej=True,
        metadata={"axes": "TCYX", "Labels": labels},
    )
    assert channel_names(open_image(tmp_path / "b.tif")) == ("C0", "C1")


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("um", 0.5),
        ("µm", 0.5),
        ("\\u00B5m", 0.5),
        ("micron", 0.5),
        ("nm", 0.0005),
        ("mm", 500.0),
        ("cm", 5000.0),
        ("pixel", None),
        ("px", None),
        ("", None),
        ("inch?", None),
    ],
)
def test_imagej_units(tmp_path: Path, unit: str, expected: float | None) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        ramp(5, 6),
        imagej=True,
        resolution=(2.0, 2.0),
        metadata={"unit": unit.replace("µ", "\\u00B5")},
    )
    found = open_image(tmp_path / "a.tif").attrs["pixel_size_um"]
    assert found == (None if expected is None else pytest.approx(expected))


def test_oblong_pixels_have_no_size(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", ramp(5, 6), imagej=True, resolution=(2.0, 4.0), metadata={"unit": "um"}
    )
    assert open_image(tmp_path / "a.tif").attrs["pixel_size_um"] is None


@pytest.mark.parametrize(
    ("per_unit", "unit", "expected"),
    [
        (72, "INCH", None),
        (96, "INCH", None),
        (300, "INCH", None),
        (1, "NONE", None),
        (28.35, "CENTIMETER", None),
        (20000, "CENTIMETER", 0.5),
        (20000, "NONE", None),
    ],
)
def test_bare_resolution(
    tmp_path: Path, per_unit: float, unit: str, expected: float | None
) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", ramp(5, 6), resolution=(per_unit, per_unit), resolutionunit=unit
    )
    found = open_image(tmp_path / "a.tif").attrs["pixel_size_um"]
    assert found == (None if expected is None else pytest.approx(expected))


METAMORPH = """<MetaData>
<prop id="Description" type="string" value="Exposure: 100 ms"/>
<prop id="ApplicationName" type="string" value="MetaMorph"/>
<PlaneInfo>
<prop id="spatial-calibration-state" type="bool" value="{state}"/>
<prop id="spatial-calibration-x" type="float" value="0.65"/>
<prop id="spatial-calibration-y" type="float" value="0.65"/>
<prop id="spatial-calibration-units" type="string" value="um"/>
</PlaneInfo>
</MetaData>"""


@pytest.mark.parametrize(("state", "expected"), [("on", 0.65), ("off", None)])
def test_metamorph_calibration(tmp_path: Path, state: str, expected: float | None) -> None:
    path = tmp_path / "a_w1.TIF"
    xml = METAMORPH.format(state=state)
    tifffile.imwrite(path, ramp(5, 6), description=xml, metadata=None, software="MetaSeries")
    image = open_image(path)
    assert image.attrs["pixel_size_um"] == expected
    np.testing.assert_array_equal(image.values, ramp(5, 6))


def test_rgb_and_transparency(tmp_path: Path) -> None:
    pixels = ramp(5, 6, 4, dtype="u1")
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="rgb",
        extrasamples=["unassalpha"],
        compression="zlib",
    )
    image = open_image(tmp_path / "a.tif")
    assert channel_names(image) == ("R", "G", "B")
    np.testing.assert_array_equal(image.values, np.moveaxis(pixels[..., :3], 2, 0))


def test_separate_planes_of_colour(tmp_path: Path) -> None:
    pixels = ramp(3, 5, 6, dtype="u1")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="separate")
    image = open_image(tmp_path / "a.tif")
    assert channel_names(image) == ("R", "G", "B")
    np.testing.assert_array_equal(image.values, pixels)


def palette(red: np.ndarray[Any, Any], green: Any, blue: Any) -> np.ndarray[Any, Any]:
    return np.stack(np.broadcast_arrays(red, green, blue)).astype(np.uint16)


def test_palettes(tmp_path: Path) -> None:
    pixels = ramp(8, 16, dtype="u1")
    climb = np.arange(256) * 257
    for name, colours in {"grey": (climb, climb, climb), "red": (climb, 0, 0)}.items():
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="palette", colormap=palette(*colours))
        np.testing.assert_array_equal(open_image(path).values, pixels)
    rainbow = tmp_path / "rainbow.tif"
    tifffile.imwrite(
        rainbow, pixels, photometric="palette", colormap=palette(climb, climb[::-1], 9)
    )
    with pytest.raises(InputError, match=r"rainbow.tif: holds numbers of a colour palette"):
        open_image(rainbow)
    np.testing.assert_array_equal(read_labels(rainbow), pixels)


def test_plain_pages_need_a_meaning(tmp_path: Path) -> None:
    stack = ramp(3, 5, 6)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, stack, metadata=None, photometric="minisblack")
    with pytest.raises(
        UsageError, match=r"stack.tif: has an axis '.' \(pages whose meaning"
    ) as told:
        open_image(path)
    assert "of length 3" in str(told.value)
    assert "(--select I=0)" in str(told.value)
    for meaning in "TZC":
        image = open_image(path, how=How(pages=meaning))
        assert image.dims == (meaning, "Y", "X")
        np.testing.assert_array_equal(image.values, stack)
    np.testing.assert_array_equal(open_image(path, select={"I": 1}).values, stack[1])
    np.testing.assert_array_equal(read_labels(path), stack)
    with pytest.raises(UsageError, match="unknown meaning of pages 'M'"):
        How(pages="M")


def test_select(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(2, 3, 5, 6), imagej=True, metadata={"axes": "ZCYX"})
    np.testing.assert_array_equal(open_image(path, select={"Z": 1}).values, ramp(2, 3, 5, 6)[1])
    with pytest.raises(UsageError, match=r"axis Z has positions 0 to 1, asked for 2"):
        open_image(path, select={"Z": 2})
    with pytest.raises(UsageError, match=r"unknown axis 'M'. Allowed: Z, C. In .*a.tif"):
        open_image(path, select={"M": 0})


def test_several_series(tmp_path: Path) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(ramp(5, 6), metadata={"Name": "left"})
        writer.write(ramp(7, 8), metadata={"Name": "right"})
    assert series_names(path) == ("left", "right")
    with pytest.raises(
        UsageError, match=r"two.ome.tif: holds 2 images \(left, right\). Choose one"
    ):
        open_image(path)
    for choice in ("right", 1, "1"):
        np.testing.assert_array_equal(open_image(path, series=choice).values, ramp(7, 8))
    with pytest.raises(UsageError, match=r"unknown series 'rigth', did you mean 'right'\?"):
        open_image(path, series="rigth")
    with pytest.raises(UsageError, match=r"unknown series '2'. Allowed: left, right"):
        open_image(path, series=2)


def test_smaller_levels_are_not_images(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.ome.tif"
    big = ramp(64, 64)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(big, subifds=1, tile=(16, 16))
        writer.write(big[::2, ::2], subfiletype=1, tile=(16, 16))
    np.testing.assert_array_equal(open_image(path).values, big)


def write_multifile(folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    """Two files of one OME image, a channel in each, as microscopes write them."""
    array = ramp(2, 5, 6)
    names = ["a.ome.tif", "b.ome.tif"]
    data = "".join(
        f'<TiffData FirstC="{i}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{i}</UUID></TiffData>'
        for i, name in enumerate(names)
    )
    for i, name in enumerate(names):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{i}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYCZT" Type="uint16" SizeX="6" SizeY="5" SizeC="2" SizeZ="1" '
            'SizeT="1"><Channel ID="Channel:0:0" Name="DAPI"/><Channel ID="Channel:0:1" '
            f'Name="GFP"/>{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / name, array[i], description=xml, metadata=None)
    return folder / names[0], array


def test_ome_over_several_files(tmp_path: Path) -> None:
    path, array = write_multifile(tmp_path)
    image = open_image(path)
    assert channel_names(image) == ("DAPI", "GFP")
    np.testing.assert_array_equal(image.values, array)
    source = FileSource(str(path))
    assert source.paths == (str(path), str(tmp_path / "b.ome.tif"))


def test_a_missing_file_of_an_ome_image_is_not_zeros(tmp_path: Path) -> None:
    path, array = write_multifile(tmp_path)
    (tmp_path / "b.ome.tif").unlink()
    assert tifffile.imread(path)[1].max() == 0  # the premise: tifffile gives zeros
    image = open_image(path)
    np.testing.assert_array_equal(image.sel(C="DAPI").values, array[0])
    with pytest.raises(InputError, match=r"a.ome.tif: plane 1 is missing"):
        image.sel(C="GFP").compute()


def test_lazy_and_picklable(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ramp(4, 5, 6), imagej=True, metadata={"axes": "TYX"})
    source = pickle.loads(pickle.dumps(FileSource(str(path), select={"T": 2})))
    np.testing.assert_array_equal(source.open().values, ramp(4, 5, 6)[2])
    image = open_image(path)
    assert image.chunks == ((1, 1, 1, 1), (5,), (6,))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image)).values, ramp(4, 5, 6))
    path.unlink()
    with pytest.raises(InputError, match=r"a.tif: cannot be read"):
        image.isel(T=0).compute()
