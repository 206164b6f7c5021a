"""CZI (Zeiss) through pylibCZIrw, an extra by licence (LGPL). Tiles stay tiles (axis M)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from lucyte.io.read_picture import RGB
from lucyte.io.scene import Scene
from lucyte.io.tiff_sizes import square
from lucyte.schema.errors import InputError, UsageError

_DTYPES = {"Gray8": "u1", "Gray16": "u2", "Gray32Float": "f4", "Bgr24": "u1", "Bgr48": "u2"}
_LOOPS = ("V", "H", "I", "R", "B", "T", "C", "Z")

Tile = tuple[int, int, int, int]


def scenes(path: Path) -> tuple[Scene, ...]:
    """The scenes of a CZI file at full resolution.

    A mosaic keeps its tiles along an axis ``M``: stitching would hide seams and fill gaps with
    zeros.

    Raises
    ------
    UsageError
        pylibCZIrw is not installed.
    InputError
        Damaged, or pixel types that differ between channels.
    """
    with _open(path) as file:
        box = {axis: end - start for axis, (start, end) in file.total_bounding_box.items()}
        loops = tuple((axis, box[axis]) for axis in _LOOPS if axis in box)
        types = sorted(set(file.pixel_types.values()))
        if len(types) != 1 or types[0] not in _DTYPES:
            raise InputError(path, f"has pixel types {types}; one of {list(_DTYPES)} is read.")
        meta = ElementTree.fromstring(file.raw_metadata)
        tiles = _tiles(file)
    names = [each.get("Name") or "" for each in meta.iterfind(".//Scenes/Scene")]
    if len(names) != len(tiles):
        names = [""] * len(tiles)
    numbers = sorted(tiles, key=lambda number: -1 if number is None else number)
    return tuple(
        _scene(path, name, number, tiles[number], loops, types[0], meta)
        for name, number in zip(names, numbers, strict=True)
    )


def _scene(
    path: Path,
    name: str,
    number: int | None,
    tiles: tuple[Tile, ...],
    loops: tuple[tuple[str, int], ...],
    kind: str,
    meta: ElementTree.Element,
) -> Scene:
    sizes = {(height, width) for _, _, width, height in tiles}
    height, width = max(sizes)
    rgb = kind.startswith("Bgr")
    if rgb:
        loops = tuple((axis, n) for axis, n in loops if axis != "C")
    distance = {
        each.get("Id"): float(each.findtext("Value") or 0) * 1e6
        for each in meta.iterfind(".//Scaling/Items/Distance")
    }
    pixel, problems = square(distance.get("Y"), distance.get("X"))
    lengths = dict(loops)
    channels = meta.findall(".//Information/Image/Dimensions/Channels/Channel")
    uneven = (
        f"has mosaic tiles of {len(sizes)} sizes, which cannot be one axis; stitch or split it."
    )
    return Scene(
        path=str(path),
        format="CZI",
        name=name,
        axes=("M", *lengths, *(("C",) if rgb else ()), "Y", "X"),
        shape=(len(tiles), *lengths.values(), *((3,) if rgb else ()), height, width),
        dtype=np.dtype(_DTYPES[kind]),
        inner=3 if rgb else 2,
        read=_ReadCzi(str(path), number, tiles, tuple(lengths), rgb),
        channels=RGB if rgb else tuple(each.get("Name") or "" for each in channels),
        pixel_size_um=pixel,
        z_step_um=(distance.get("Z") or None) if lengths.get("Z", 1) > 1 else None,
        interval_s=_interval(meta) if lengths.get("T", 1) > 1 else None,
        problems=problems,
        refusal=uneven if len(sizes) > 1 else "",
        files=(str(path),),
    )


@dataclass(frozen=True)
class _ReadCzi:
    path: str
    scene: int | None
    tiles: tuple[Tile, ...]
    loops: tuple[str, ...]
    rgb: bool

    def __call__(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        tile, plane = self.tiles[index[0]], dict(zip(self.loops, index[1:], strict=True))
        with _open(Path(self.path)) as file:
            there = _tiles(file, {axis: n for axis, n in plane.items() if axis in "TCZ"})
            if tile not in there.get(self.scene, ()):
                raise InputError(
                    self.path,
                    f"the plane {plane} is missing;",
                    "it would read as zeros, so it is refused. Export the file again.",
                )
            pixels = np.array(file.read(roi=tile, plane=plane, scene=self.scene))
        if self.rgb:
            return np.ascontiguousarray(np.moveaxis(pixels[..., ::-1], 2, 0))
        return np.ascontiguousarray(pixels[..., 0])


def _open(path: Path) -> Any:
    try:
        from pylibCZIrw import czi
    except ImportError:
        raise UsageError(
            f"{path}: reading CZI needs pylibCZIrw, which is not installed. "
            "Install with: pip install 'lucyte[czi]'"
        ) from None
    return czi.open_czi(str(path))


def _tiles(file: Any, plane: dict[str, int] | None = None) -> dict[int | None, tuple[Tile, ...]]:
    """Rectangles (x, y, width, height) at full resolution that hold pixels, per scene."""
    found: dict[int | None, dict[Tile, int]] = {}

    def note(_: int, block: Any) -> bool:
        rect = block.logicalRect
        scene = block.coordinate.to_dict().get("S")
        order = int(block.mIndex) if block.is_mindex_valid() else 0
        found.setdefault(scene, {}).setdefault((rect.x, rect.y, rect.w, rect.h), order)
        return True

    file.enumerate_subblocks_subset(note, plane=plane, only_layer0=True)
    return {
        scene: tuple(sorted(rects, key=lambda rect: (rects[rect], rect[1], rect[0])))
        for scene, rects in found.items()
    }


def _interval(meta: ElementTree.Element) -> float | None:
    dimension = meta.find(".//Information/Image/Dimensions/T/Positions/Interval/Increment")
    text = None if dimension is None else dimension.text
    return (float(text) or None) if text else None
