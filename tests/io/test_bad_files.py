"""Damaged, mislabelled and absurd files: one line that names the file, never zeros."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from PIL import Image

from lucyte.io.info import describe_file
from lucyte.io.open import How, open_image, read_labels, series_names
from lucyte.schema.errors import InputError, LucyteError, UsageError

Array = np.ndarray[Any, Any]


def noise(*shape: int, dtype: str = "u2") -> Array:
    return np.random.default_rng(0).integers(1, 200, shape).astype(dtype)


def tiff(path: Path, **how: Any) -> Path:
    tifffile.imwrite(path, noise(64, 64), rowsperstrip=16, **how)
    return path


def test_absent_empty_and_mislabelled(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.tif: does not exist"):
        open_image(tmp_path / "gone.tif")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(InputError, match=r"empty.tif: is empty \(0 bytes\)"):
        open_image(tmp_path / "empty.tif")
    (tmp_path / "text.tif").write_text("well,condition\nA1,fed\n")
    with pytest.raises(
        InputError, match=r"text.tif: is not a TIFF file: it begins with b'well,con'"
    ):
        open_image(tmp_path / "text.tif")
    (tmp_path / "picture.tif").write_bytes(imagecodecs.png_encode(noise(9, 9)))
    with pytest.raises(InputError, match=r"picture.tif: is named like a TIFF file but is PNG"):
        open_image(tmp_path / "picture.tif")
    (tmp_path / "table.csv").write_text("a,b\n")
    with pytest.raises(
        InputError, match=r"table.csv: has no suffix of an image format. Allowed: .tif"
    ):
        open_image(tmp_path / "table.csv")
    with pytest.raises(InputError, match="is a folder without OME-Zarr metadata, not an image"):
        open_image(tmp_path)


@pytest.mark.parametrize("suffix", [".nd2", ".lif", ".czi"])
def test_a_vendor_file_of_rubbish(tmp_path: Path, suffix: str) -> None:
    magic = {".nd2": b"\xda\xce\xbe\x0a", ".lif": b"\x70\0\0\0", ".czi": b"ZISRAWFILE"}[suffix]
    path = tmp_path / f"rubbish{suffix}"
    path.write_bytes(magic + np.random.default_rng(1).bytes(3000))
    with pytest.raises(InputError, match=rf"rubbish{suffix}: cannot be read"):
        open_image(path)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_tiff(tmp_path: Path, compression: str | None, share: float) -> None:
    path = tiff(tmp_path / "cut.tif", compression=compression)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=r"cut.tif: .*(truncated|cannot be read)"):
        open_image(path).compute()


def test_truncated_imagej_stack(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, noise(6, 64, 64), imagej=True, metadata={"axes": "TYX"})
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"stack.tif: its ImageJ header speaks of 6 planes"):
        open_image(path)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits"])
def test_a_damaged_strip_shows_when_computed(tmp_path: Path, compression: str) -> None:
    path = tiff(tmp_path / "bad.tif", compression=compression)
    with tifffile.TiffFile(path) as tif:
        start, count = tif.pages.first.dataoffsets[2], tif.pages.first.databytecounts[2]
    data = bytearray(path.read_bytes())
    data[start : start + count] = bytes(count)
    path.write_bytes(data)
    image = open_image(path)
    with pytest.raises(InputError, match=r"bad.tif: cannot be read .* damaged or truncated"):
        image.compute()
    info = describe_file(path)
    assert info.minimum is None
    assert any("cannot be read" in problem for problem in info.problems)


def test_missing_tiles_are_not_zeros(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    tifffile.imwrite(path, noise(64, 64), tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path, mode="r+") as tif:
        tags = tif.pages.first.tags
        for name in ("TileOffsets", "TileByteCounts"):
            values = list(tags[name].value)
            tags[name].overwrite([*values[:5], 0, *values[6:]])
    assert tifffile.imread(path)[16:32, 16:32].max() == 0  # the premise: tifffile gives zeros
    with pytest.raises(InputError, match=r"sparse.tif: 1 of 16 tiles of plane 0 are missing"):
        open_image(path).compute()


def bare_tiff(width: int, height: int, bits: int = 8, compression: int = 1) -> bytes:
    """A TIFF of 1 KB whose header claims any size."""
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, 200),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, 800),
    ]
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1)
        + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, kind, value in tags
    )
    head = b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head.ljust(200, b"\0") + bytes(800)


def bare_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(500)))
        + chunk(b"IEND", b"")
    )


def huge_zarr(path: Path) -> None:
    import zarr

    group = zarr.open_group(path, mode="w")
    group.create_array("0", shape=(10**6, 10**6), dtype="u1", chunks=(256, 256))
    axes = [{"name": name, "type": "space"} for name in "yx"]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}],
    }


GIGANTIC: dict[str, Callable[[Path], Any]] = {
    "huge.tif": lambda path: path.write_bytes(bare_tiff(10**6, 10**6)),
    "huge_zip.tif": lambda path: path.write_bytes(bare_tiff(10**6, 10**6, compression=8)),
    "huge.png": lambda path: path.write_bytes(bare_png(10**6, 10**6)),
    "huge.zarr": huge_zarr,
}


@pytest.mark.parametrize("name", GIGANTIC)
def test_gigantic_header(tmp_path: Path, name: str) -> None:
    GIGANTIC[name](tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=rf"{name}: its header asks for .* = 931 GB") as told:
            open_image(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "more than the limit of 4 GB" in str(told.value)
    assert "raise max_gb" in str(told.value)
    assert peak < 50e6


@pytest.mark.parametrize("compression", [1, 8])
def test_within_the_budget_but_not_in_the_file(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "claim.tif"
    path.write_bytes(bare_tiff(50_000, 50_000, compression=compression))
    with pytest.raises(
        InputError, match=r"claims 2,500,000,000 bytes .* only 1,000 bytes are stored"
    ):
        open_image(path)


def test_budget_is_an_argument(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"more than the limit of 1e-06 GB"):
        open_image(path, how=How(max_gb=1e-6))
    assert open_image(path, how=How(max_gb=1.0)).shape == (64, 64)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_truncated_picture(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / f"cut.{kind}"
    Image.fromarray(noise(99, 99, dtype="u1")).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match=rf"cut.{kind}: "):
        open_image(path).compute()


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image '
    'ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="64" SizeY="64" '
    'SizeC="{c}" SizeZ="1" SizeT="1"><TiffData/></Pixels></Image></OME>'
)


def test_malformed_ome_xml(tmp_path: Path) -> None:
    path = tmp_path / "bad.ome.tif"
    broken = OME.format(c=3).replace("<Pixels ", "<Pixels <")
    tifffile.imwrite(
        path, noise(3, 64, 64), description=broken, metadata=None, photometric="minisblack"
    )
    with pytest.raises(
        InputError, match=r"bad.ome.tif: its OME-XML cannot be read, and without it"
    ):
        open_image(path)
    tifffile.imwrite(path, noise(64, 64), description=broken, metadata=None)  # one page: no order
    assert describe_file(path).problems == (
        "its OME-XML cannot be read, so names and sizes are unknown",
    )


def test_ome_xml_that_speaks_of_more_planes(tmp_path: Path) -> None:
    path = tmp_path / "few.ome.tif"
    tifffile.imwrite(path, noise(2, 64, 64), description=OME.format(c=5), metadata=None)
    info = describe_file(path)
    assert info.axes == {"C": 5, "Y": 64, "X": 64}
    assert "3 of 5 planes are missing" in info.problems
    image = open_image(path)
    image.isel(C=1).compute()
    with pytest.raises(InputError, match=r"few.ome.tif: plane 4 is missing"):
        image.isel(C=4).compute()


@pytest.mark.parametrize(
    "header",
    ["ImageJ=1.53\nimages=9\nslices=9\n", "ImageJ=1.53\nimages=9\nchannels=-3\nframes=0\n"],
)
def test_malformed_imagej_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "bad.tif"
    tifffile.imwrite(path, noise(2, 64, 64), description=header, metadata=None)
    with pytest.raises(InputError, match=r"bad.tif: its ImageJ header speaks of 9 planes"):
        open_image(path)


def test_imagej_words_where_numbers_belong(tmp_path: Path) -> None:
    path = tmp_path / "bad.tif"
    header = "ImageJ=1.53\nunit=micron\nspacing=wide\nfinterval=nan\nmin=a\n"
    tifffile.imwrite(path, noise(64, 64), description=header, metadata=None, resolution=(0, 0))
    image = open_image(path)
    assert image.attrs["pixel_size_um"] is None
    assert image.dims == ("Y", "X")


def test_zero_length_axis(tmp_path: Path) -> None:
    path = tmp_path / "none.tif"
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(path, np.zeros((0, 5), "u1"))
    with pytest.raises(InputError, match=r"none.tif: has an axis of length 0"):
        open_image(path)


def test_complex_numbers(tmp_path: Path) -> None:
    path = tmp_path / "wave.tif"
    tifffile.imwrite(path, np.ones((8, 8), "c8"))
    with pytest.raises(InputError, match=r"wave.tif: holds complex numbers"):
        open_image(path)


def test_labels_that_are_none(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "half.tif", np.full((8, 8), 0.5, "f4"))
    with pytest.raises(UsageError, match=r"half.tif: a label image holds whole numbers"):
        read_labels(tmp_path / "half.tif")
    tifffile.imwrite(tmp_path / "minus.tif", np.full((8, 8), -1, "i2"))
    with pytest.raises(UsageError, match=r"minus.tif: a label image holds no negative numbers"):
        read_labels(tmp_path / "minus.tif")


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """tifffile logs what it stumbles over; Lucyte says it once, in the error."""
    path = tmp_path / "few.ome.tif"
    tifffile.imwrite(path, noise(2, 64, 64), description=OME.format(c=5), metadata=None)
    open_image(path)
    assert capfd.readouterr() == ("", "")


def test_readers_are_loaded_when_used() -> None:
    check = (
        "import sys, lucyte.io.open, lucyte.io.info; "
        "print(sorted({'zarr', 'nd2', 'liffile', 'tifffile', 'PIL', 'imagecodecs', 'pylibCZIrw', "
        "'torch', 'matplotlib', 'dask.array'} & set(sys.modules)))"
    )
    program = [sys.executable, "-c", check]
    told = subprocess.run(program, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == "[]"


def _seed(kind: str, folder: Path) -> Path:
    path = folder / f"seed.{kind}"
    if kind == "tif":
        tifffile.imwrite(
            path, noise(2, 3, 32, 32), imagej=True, compression="zlib", metadata={"axes": "ZCYX"}
        )
    elif kind == "ome.tif":
        tifffile.imwrite(path, noise(3, 32, 32), ome=True, tile=(16, 16), compression="lzw")
    elif kind == "png":
        path.write_bytes(imagecodecs.png_encode(noise(32, 32)))
    else:
        Image.fromarray(noise(32, 32, 3, dtype="u1")).save(path)
    return path


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(["tif", "ome.tif", "png", "jpg"]), st.data())
def test_any_damage_is_an_error_of_ours(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    """Flip bytes anywhere and cut anywhere: the file opens, or a LucyteError in one line."""
    path = _seed(kind, tmp_path)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        for series in range(len(series_names(path))):
            open_image(path, series=series, how=How(max_gb=0.05)).compute()
    except LucyteError as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
