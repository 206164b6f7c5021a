"""LIF (Leica) through liffile: many images in one file, scanned along any axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.read_picture import RGB
from lucyte.io.scene import Scene
from lucyte.io.tiff_sizes import square


def scenes(path: Path) -> tuple[Scene, ...]:
    """Every image of a LIF file. Scans without Y (an X-Z section) are listed but refused."""
    import liffile

    with liffile.LifFile(path, squeeze=False) as file:
        return tuple(_scene(path, number, image) for number, image in enumerate(file.images))


def _scene(path: Path, number: int, image: Any) -> Scene:
    sizes = {str(axis): int(n) for axis, n in image.sizes.items()}
    frame = tuple(image.frames.frame_dims)
    outer = tuple(axis for axis in sizes if axis not in frame)
    samples = "S" in frame
    if samples:
        frame = ("S", *(axis for axis in frame if axis != "S"))
    names = RGB if samples else _channel_names(image)
    step = {axis: _step(image, axis) for axis in ("X", "Y", "Z")}
    pixel, problems = square(step["Y"], step["X"])
    axes = tuple("C" if axis == "S" and "C" not in sizes else axis for axis in outer + frame)
    return Scene(
        path=str(path),
        format="LIF",
        name=str(image.path),
        axes=axes,
        shape=tuple(sizes[axis] for axis in outer + frame),
        dtype=np.dtype(image.dtype).newbyteorder("="),
        inner=len(frame),
        read=_ReadLif(str(path), number, outer, samples),
        channels=names,
        pixel_size_um=pixel,
        z_step_um=step["Z"] if sizes.get("Z", 1) > 1 else None,
        interval_s=_interval(image),
        problems=problems,
        refusal=_refusal(image, sizes),
        files=(str(path),),
    )


def _refusal(image: Any, sizes: dict[str, int]) -> str:
    if "Y" in sizes and "X" in sizes:
        return ""
    axes = " ".join(f"{axis}={n}" for axis, n in sizes.items())
    return f"image {image.path!r} is a section with axes {axes}, but an image needs both Y and X."


@dataclass(frozen=True)
class _ReadLif:
    path: str
    number: int
    outer: tuple[str, ...]
    samples: bool

    def __call__(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        import liffile

        with liffile.LifFile(self.path, squeeze=False) as file:
            image: Any = file.images[self.number]
            pixels = np.asarray(image.frame(**dict(zip(self.outer, index, strict=True))))
        return np.ascontiguousarray(np.moveaxis(pixels, -1, 0)) if self.samples else pixels


def _channel_names(image: Any) -> tuple[str, ...]:
    """Names of the lookup tables (``Green``, ``Red``), the only channel names a LIF always has.

    Not used where they repeat (two channels in ``Gray``).
    """
    names = tuple(str(channel.lut_name).strip() for channel in image._channels)
    return names if all(names) and len(set(names)) == len(names) > 1 else ()


def _step(image: Any, axis: str) -> float | None:
    """Distance of neighbours in um; coordinates in a LIF are metres."""
    for dimension in image._dimensions:
        if dimension.label == axis and dimension.number_elements > 1 and dimension.unit == "m":
            return abs(dimension.length) / (dimension.number_elements - 1) * 1e6 or None
    return None


def _interval(image: Any) -> float | None:
    for dimension in image._dimensions:
        if dimension.label == "T" and dimension.number_elements > 1 and dimension.unit == "s":
            return float(dimension.length) / (dimension.number_elements - 1) or None
    return None
