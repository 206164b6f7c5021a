"""PNG and JPEG: what their bytes hold, and nothing about sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from lucyte.io.open import is_image, open_image, read_labels
from lucyte.schema.errors import InputError
from lucyte.schema.image import channel_names


def pixels(*shape: int, dtype: str = "u1") -> np.ndarray[Any, Any]:
    high = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, high, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_grey_png(tmp_path: Path, dtype: str) -> None:
    array = pixels(20, 30, dtype=dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    image = open_image(tmp_path / "a.png")
    assert (image.dims, image.dtype) == (("Y", "X"), np.dtype(dtype))
    np.testing.assert_array_equal(image.values, array)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), array)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("samples", [3, 4])
def test_colour_png(tmp_path: Path, dtype: str, samples: int) -> None:
    array = pixels(20, 30, samples, dtype=dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    image = open_image(tmp_path / "a.png")
    assert channel_names(image) == ("R", "G", "B")
    assert image.attrs["flags"] == ("display-referred",)
    np.testing.assert_array_equal(image.values, np.moveaxis(array[..., :3], 2, 0))
    with pytest.raises(InputError, match=r"a label image has axes Y X or Z Y X, this one C Y X"):
        read_labels(tmp_path / "a.png")


def test_black_and_white_png_is_0_and_1(tmp_path: Path) -> None:
    mask = pixels(20, 30) > 128
    Image.fromarray(mask).save(tmp_path / "a.png", bits=1)
    assert (tmp_path / "a.png").read_bytes()[24] == 1  # the premise: one bit per pixel
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").values, mask.astype("u1"))


def test_palette_png(tmp_path: Path) -> None:
    array = pixels(20, 30) % 3
    picture = Image.fromarray(array).convert("P")
    picture.putdata(array.ravel().tolist())
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "classes.png")
    with pytest.raises(InputError, match=r"classes.png: holds numbers of a colour palette"):
        open_image(tmp_path / "classes.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "classes.png"), array)
    picture.putpalette([0, 0, 0, 0, 90, 0, 0, 255, 0])
    picture.save(tmp_path / "green.png")
    np.testing.assert_array_equal(open_image(tmp_path / "green.png").values, array)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_is_what_pillow_decodes(tmp_path: Path, mode: str) -> None:
    array = pixels(24, 32) if mode == "L" else pixels(24, 32, 3)
    Image.fromarray(array, mode).save(tmp_path / "a.jpg", dpi=(72, 72))
    image = open_image(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        expected = np.asarray(picture)
    if mode == "RGB":
        expected = np.moveaxis(expected, 2, 0)
        assert channel_names(image) == ("R", "G", "B")
    np.testing.assert_array_equal(image.values, expected)
    assert "lossy" in image.attrs["flags"]
    assert image.attrs["pixel_size_um"] is None


def test_print_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(pixels(20, 30, 4), "CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a.jpg: is a CMYK JPEG \(print colours\)"):
        open_image(tmp_path / "a.jpg")


def test_what_is_an_image_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "plate.zarr").mkdir()
    (tmp_path / "folder.tif").mkdir()
    named = ["a.tif", "a.TIF", "a.ome.tiff", "a.png", "a.jpeg", "a.nd2", "a.lif", "a.czi"]
    assert all(is_image(tmp_path / name) for name in [*named, "plate.zarr"])
    assert not any(is_image(tmp_path / name) for name in ["a.csv", "tif", "folder.tif", "b.zarr"])


def test_cellular(shared_data: Path) -> None:
    path = shared_data / "cellular" / "images" / "Timepoint_003_220518-ST_K07_s3.jpg"
    image = open_image(path)
    assert (image.dims, image.shape, image.dtype) == (("C", "Y", "X"), (3, 2048, 2048), np.uint8)
    assert image.attrs["flags"] == ("display-referred", "lossy")
    red, green, blue = image.values.astype(int)
    # The merged form: transmitted light was added to all three, chroma is subsampled.
    assert np.median(red - blue) >= 0
    assert np.median(green - blue) >= 0


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("dsb2018/images/21408476af050633.png", (256, 256), "u1"),
        ("cellprofiler/ExampleColocalization/0_1_N_G.png", (1040, 1392), "u2"),
        ("cellprofiler/ExampleColocalization/0_2_N_R.png", (1040, 1392), "u2"),
    ],
)
def test_real_png(shared_data: Path, name: str, shape: tuple[int, int], dtype: str) -> None:
    image = open_image(shared_data / name)
    assert (image.dims, image.shape, image.dtype) == (("Y", "X"), shape, np.dtype(dtype))
    assert image.attrs["pixel_size_um"] is None


def test_every_mitocheck_class_opens(shared_data: Path) -> None:
    folders = sorted(each for each in (shared_data / "mitocheck").iterdir() if each.is_dir())
    assert len(folders) == 16
    for folder in folders:
        image = open_image(min(folder.glob("*.png")))
        assert (image.dims, image.shape, image.dtype) == (("Y", "X"), (64, 64), np.uint8)


def test_nuclei_labels_count_what_the_table_says(shared_data: Path) -> None:
    labels = read_labels(shared_data / "dsb2018" / "labels" / "00071198d059ba7f.tif")
    assert labels.shape == (256, 256)
    assert len(np.unique(labels)) - 1 == 27
