"""ND2, LIF and CZI: real files, and frames that are not there."""

from __future__ import annotations

import builtins
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from lucyte.io import read_nd2
from lucyte.io.open import FileSource, open_image, series_names
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import channel_names

ND2 = {
    "example-cerevisiae.nd2": ("CYX", (2, 256, 256), ("DIC", "FITC BP"), 0.10833333333333334, None),
    "example-multichannel.nd2": (
        "CYX",
        (4, 256, 256),
        ("Mono", "DAPI", "FITC BP", "TRITC BP"),
        0.323390342594048,
        None,
    ),
    # Asked for "as fast as possible"; 500.16 ms between frames were measured.
    "example-timelapse.nd2": ("TCYX", (53, 1, 64, 64), ("GFP 488 nm",), 0.325, 0.50016),
}


@pytest.mark.parametrize("name", ND2)
def test_nd2(shared_data: Path, name: str) -> None:
    dims, shape, channels, pixel, interval = ND2[name]
    image = open_image(shared_data / "readers" / "arcadia-microscopy-tools" / name)
    assert ("".join(image.dims), image.shape, image.dtype) == (dims, shape, np.uint16)
    assert channel_names(image) == channels
    assert image.attrs["pixel_size_um"] == pytest.approx(pixel)
    assert image.attrs["z_step_um"] is None
    assert image.attrs["interval_s"] == (None if interval is None else pytest.approx(interval))


def test_nd2_pixels_are_those_of_nd2(shared_data: Path) -> None:
    import nd2

    folder = shared_data / "readers" / "arcadia-microscopy-tools"
    for name in ND2:
        image = open_image(folder / name)
        expected = nd2.imread(folder / name)
        np.testing.assert_array_equal(image.values.squeeze(), expected)


def test_nd2_frame_that_was_never_written(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shared_data / "readers" / "arcadia-microscopy-tools" / "example-timelapse.nd2"
    real = read_nd2._offset
    monkeypatch.setattr(read_nd2, "_offset", lambda f, n: None if n == 7 else real(f, n))
    image = open_image(path)
    image.isel(T=6).compute()
    with pytest.raises(InputError, match=r"example-timelapse.nd2: frame 7 is missing"):
        image.isel(T=7).compute()


def test_nd2_map_points_past_the_end(shared_data: Path, tmp_path: Path) -> None:
    """The file without the middle of its pixels: nd2 itself would give zeros or noise."""
    source = shared_data / "readers" / "arcadia-microscopy-tools" / "example-timelapse.nd2"
    cut = tmp_path / "cut.nd2"
    cut.write_bytes(source.read_bytes()[:300_000])
    with pytest.raises(InputError, match=r"cut.nd2: "):
        open_image(cut).compute()


class TwoTimesThreePositions:
    """As much of nd2.ND2File as the reader asks for; frame i holds the number i."""

    sizes: ClassVar = {"T": 2, "P": 3, "Z": 2, "C": 2, "Y": 4, "X": 5}
    dtype = np.dtype("u2")
    attributes = SimpleNamespace(
        heightPx=4, widthPx=5, componentCount=2, compressionType="lossless", widthBytes=20
    )
    metadata = SimpleNamespace(
        channels=[
            SimpleNamespace(
                channel=SimpleNamespace(name=name),
                volume=SimpleNamespace(
                    axesCalibrated=(True, True, False), axesCalibration=(0.5, 0.5, 1.0)
                ),
            )
            for name in ("DAPI", "GFP")
        ]
    )
    _points: ClassVar = [SimpleNamespace(name=name) for name in ("A1", "A2", None)]
    experiment: ClassVar = [
        SimpleNamespace(
            type="TimeLoop",
            parameters=SimpleNamespace(periodMs=5000.0, periodDiff=SimpleNamespace(avg=5010.0)),
        ),
        SimpleNamespace(type="XYPosLoop", parameters=SimpleNamespace(points=_points)),
        SimpleNamespace(type="ZStackLoop", parameters=SimpleNamespace(stepUm=-0.3)),
    ]
    _rdr = SimpleNamespace(_frame_offsets=dict.fromkeys(range(12), 0))

    def __init__(self, path: object) -> None:
        self.path = path

    def __enter__(self) -> TwoTimesThreePositions:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read_frame(self, frame: int) -> Any:
        return np.full((2, 4, 5), frame, "u2")


def test_nd2_positions_are_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nd2

    monkeypatch.setattr(nd2, "ND2File", TwoTimesThreePositions)
    path = tmp_path / "plate.nd2"
    path.write_bytes(b"\xda\xce\xbe\x0a")
    assert series_names(path) == ("A1", "A2", "2")
    image = open_image(path, series="A2")
    assert image.dims == ("T", "C", "Z", "Y", "X")
    assert channel_names(image) == ("DAPI", "GFP")
    # Frames count T, then P, then Z: position 1 has 2 and 3, then 8 and 9.
    np.testing.assert_array_equal(image.isel(C=0, Y=0, X=0).values, [[2, 3], [8, 9]])
    assert image.attrs["z_step_um"] == 0.3
    assert image.attrs["interval_s"] == 5.01
    assert image.attrs["pixel_size_um"] == 0.5


def test_lif(shared_data: Path) -> None:
    path = shared_data / "readers" / "readlif" / "artifacts" / "xz-example" / "xz-example.lif"
    assert series_names(path) == ("xzt", "xzy", "xz")
    with pytest.raises(UsageError, match=r"holds 3 images \(xzt, xzy, xz\). Choose one"):
        open_image(path)
    image = open_image(path, series="xzy")
    assert image.dims == ("C", "Z", "Y", "X")
    assert image.shape == (2, 128, 23, 128)
    assert image.dtype == np.uint8
    assert channel_names(image) == ("Green", "Red")
    # 17.8154 um over 127 steps in X and Z, 5.03935 um over 22 in Y: not square.
    assert image.attrs["pixel_size_um"] is None
    assert image.attrs["z_step_um"] == pytest.approx(17.8154 / 127)
    import liffile

    with liffile.LifFile(path) as lif:
        expected = lif.images[1].asarray()  # Y C Z X
    np.testing.assert_array_equal(image.values, expected.transpose(1, 2, 0, 3))


@pytest.mark.parametrize("series", ["xzt", "xz"])
def test_lif_section_without_y(shared_data: Path, series: str) -> None:
    path = shared_data / "readers" / "readlif" / "artifacts" / "xz-example" / "xz-example.lif"
    with pytest.raises(InputError, match=f"image '{series}' is a section with axes .* needs both"):
        open_image(path, series=series)


def test_lif_cut_off(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "readers" / "readlif" / "artifacts" / "xz-example" / "xz-example.lif"
    cut = tmp_path / "cut.lif"
    cut.write_bytes(path.read_bytes()[:1_000_000])
    with pytest.raises(InputError, match=r"cut.lif: cannot be read"):
        open_image(cut, series="xzy").compute()


def test_czi(shared_data: Path) -> None:
    path = shared_data / "readers" / "training-resources" / "xyz__multiple_images.czi"
    assert series_names(path) == ("0", "1")
    with pytest.raises(UsageError, match="holds 2 images"):
        open_image(path)
    means = []
    for series in (0, 1):
        image = open_image(path, series=series)
        assert image.dims == ("C", "Z", "Y", "X")
        assert image.shape == (1, 2, 251, 251)
        assert image.dtype == np.uint16
        assert channel_names(image) == ("ChA",)
        assert image.attrs["pixel_size_um"] == pytest.approx(0.19564437607395324)
        assert image.attrs["z_step_um"] == pytest.approx(0.3)
        means.append(float(image.values.mean()))
    assert means == pytest.approx([13530.307, 12310.877], abs=0.01)  # two different images


def write_czi(path: Path, planes: list[tuple[Any, dict[str, int], tuple[int, int]]]) -> Path:
    """Planes (pixels, position, x and y of the corner) into a new CZI; another corner is a tile."""
    czi = pytest.importorskip("pylibCZIrw.czi", reason="the czi extra is not installed")
    with czi.create_czi(str(path)) as file:
        for pixels, plane, corner in planes:
            file.write(data=pixels[..., None], plane=plane, location=corner)
        file.write_metadata(document_name="made", channel_names={0: "DAPI", 1: "GFP"})
    return path


def pixels(seed: int, shape: tuple[int, ...] = (20, 30)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(1, 60000, shape, dtype=np.uint16)


def test_czi_channels_and_time(tmp_path: Path) -> None:
    planes = {(t, c): pixels(10 * t + c) for t in range(3) for c in range(2)}
    path = write_czi(
        tmp_path / "a.czi",
        [(one, {"T": t, "C": c}, (0, 0)) for (t, c), one in planes.items()],
    )
    image = open_image(path)
    assert image.dims == ("T", "C", "Y", "X")
    assert channel_names(image) == ("DAPI", "GFP")
    assert image.attrs["pixel_size_um"] is None
    for (t, c), one in planes.items():
        np.testing.assert_array_equal(image.isel(T=t, C=c).values, one)


def test_czi_mosaic_stays_in_tiles(tmp_path: Path) -> None:
    tiles = [pixels(1), pixels(2)]
    path = write_czi(
        tmp_path / "mosaic.czi",
        [(tiles[0], {"C": 0}, (0, 0)), (tiles[1], {"C": 0}, (40, 0))],
    )
    with pytest.raises(UsageError, match=r"has an axis 'M' \(mosaic tile\) of length 2") as told:
        open_image(path)
    assert "(--select M=0)" in str(told.value)
    for tile, expected in enumerate(tiles):
        image = FileSource(str(path), select={"M": tile}).open()
        np.testing.assert_array_equal(image.values.squeeze(), expected)


def test_czi_plane_that_was_never_written(tmp_path: Path) -> None:
    path = write_czi(
        tmp_path / "gap.czi",
        [(pixels(1), {"C": 0, "T": t}, (0, 0)) for t in (0, 2)],
    )
    image = open_image(path)
    assert image.sizes["T"] == 3
    image.isel(T=2).compute()
    with pytest.raises(InputError, match=r"gap.czi: the plane .*'T': 1.* is missing"):
        image.isel(T=1).compute()


def test_czi_colours(tmp_path: Path) -> None:
    czi = pytest.importorskip("pylibCZIrw.czi", reason="the czi extra is not installed")
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        file.write(data=np.ascontiguousarray(rgb[..., ::-1]))  # CZI stores blue, green, red
        file.write_metadata(scale_x=1e-7, scale_y=1e-7)
    image = open_image(tmp_path / "a.czi")
    assert channel_names(image) == ("R", "G", "B")
    assert image.attrs["pixel_size_um"] == pytest.approx(0.1)
    np.testing.assert_array_equal(image.values, np.moveaxis(rgb, 2, 0))


def test_czi_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pylibCZIrw"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE".ljust(600, b"\0"))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"Install with: pip install 'lucyte\[czi\]'"):
        open_image(tmp_path / "a.czi")
