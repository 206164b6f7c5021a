"""PNG and JPEG: pictures. Colours become the channels R, G, B; 72 dpi means nothing."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.budget import check_budget, check_claim
from lucyte.io.scene import Scene
from lucyte.schema.errors import InputError

RGB = ("R", "G", "B")
PALETTE_REFUSAL = (
    "holds numbers of a colour palette, not intensities; save it as grey or as RGB (Fiji: "
    "Image > Type)."
)
ALPHA_PROBLEM = "its alpha (transparency) channel is left out"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_PALETTE = 3


def scenes(path: Path, max_gb: float | None = None) -> tuple[Scene, ...]:
    """The one image of a PNG or JPEG, by its first bytes.

    Raises
    ------
    InputError
        Not a picture, cut off in its header, larger than the budget, or in colours of print.
    """
    with path.open("rb") as file:
        head = file.read(64)
    scene = _png(path, head) if head.startswith(b"\x89PNG") else _jpeg(path)
    check_budget(path, scene.shape, scene.dtype, max_gb)
    nbytes = int(np.prod(scene.shape)) * scene.dtype.itemsize
    check_claim(path, nbytes, path.stat().st_size)
    return (scene,)


def is_ramp(palette: npt.NDArray[Any]) -> bool:
    """Whether a palette (N x 3) only brightens with the number, so that numbers are intensities.

    True for a grey ramp and for a ramp of one colour (a fluorescence lookup table); the numbers
    are then kept as they are stored.
    """
    steps = np.diff(palette.astype(np.int64), axis=0)
    return bool((steps >= 0).all() and palette[-1].sum() > palette[0].sum())


def _png(path: Path, head: bytes) -> Scene:
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise InputError(path, "is cut off in its PNG header;", "copy it again.")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    if colour not in _PNG_CHANNELS or bits not in (1, 2, 4, 8, 16):
        raise InputError(path, f"has a damaged PNG header (colour type {colour}, {bits} bits).")
    colours = _PNG_CHANNELS[colour]
    rgb = colours >= 3
    palette = colour == _PNG_PALETTE and not is_ramp(_png_palette(path))
    return Scene(
        path=str(path),
        format="PNG",
        name="",
        axes=("C", "Y", "X") if rgb else ("Y", "X"),
        shape=(3, height, width) if rgb else (height, width),
        dtype=np.dtype(np.uint16 if bits == 16 else np.uint8),
        inner=3 if rgb else 2,
        read=_ReadPng(str(path), bits, colour == _PNG_PALETTE),
        channels=RGB if rgb else (),
        flags=(("display-referred",) if rgb else ()) + (("palette",) if palette else ()),
        problems=(ALPHA_PROBLEM,) if colour in (4, 6) else (),
        refusal=PALETTE_REFUSAL if palette else "",
        files=(str(path),),
    )


def _png_palette(path: Path) -> npt.NDArray[Any]:
    from PIL import PngImagePlugin

    with PngImagePlugin.PngImageFile(str(path)) as image:
        flat = image.getpalette() or [0, 0, 0]
    return np.asarray(flat, np.uint8).reshape(-1, 3)


@dataclass(frozen=True)
class _ReadPng:
    path: str
    bits: int
    palette: bool

    def __call__(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        if self.palette:
            from PIL import PngImagePlugin

            with PngImagePlugin.PngImageFile(self.path) as image:
                return np.asarray(image)
        import imagecodecs

        pixels = np.asarray(imagecodecs.png_decode(Path(self.path).read_bytes()))
        if self.bits < 8:  # libpng stretches 1, 2 and 4 bits to 8; the file's numbers are wanted
            pixels = pixels // (255 // (2**self.bits - 1))
        if pixels.ndim == 2:
            return pixels
        if pixels.shape[2] == 2:
            return np.ascontiguousarray(pixels[..., 0])
        return np.ascontiguousarray(np.moveaxis(pixels[..., :3], 2, 0))


def _jpeg(path: Path) -> Scene:
    # The class itself, because Image.open has a limit of its own that is global state.
    from PIL import JpegImagePlugin

    try:
        with JpegImagePlugin.JpegImageFile(str(path)) as image:
            mode, (width, height) = image.mode, image.size
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise InputError(
            path, f"has no readable JPEG header ({error});", "copy it again."
        ) from error
    if mode not in ("L", "RGB"):
        raise InputError(path, f"is a {mode} JPEG (print colours).", "Save it as RGB or grey.")
    rgb = mode == "RGB"
    return Scene(
        path=str(path),
        format="JPEG",
        name="",
        axes=("C", "Y", "X") if rgb else ("Y", "X"),
        shape=(3, height, width) if rgb else (height, width),
        dtype=np.dtype(np.uint8),
        inner=3 if rgb else 2,
        read=_ReadJpeg(str(path)),
        channels=RGB if rgb else (),
        flags=("display-referred", "lossy") if rgb else ("lossy",),
        files=(str(path),),
    )


@dataclass(frozen=True)
class _ReadJpeg:
    """Pillow, because libjpeg alone fills what is missing with grey and does not say so."""

    path: str

    def __call__(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        from PIL import JpegImagePlugin

        with JpegImagePlugin.JpegImageFile(self.path) as image:
            pixels = np.asarray(image)
        return np.ascontiguousarray(np.moveaxis(pixels, 2, 0)) if pixels.ndim == 3 else pixels
