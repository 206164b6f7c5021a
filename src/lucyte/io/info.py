"""What a file says of itself, and what looks wrong: the facts that ``lucyte info`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.open import DEFAULT, How, named_series, scenes
from lucyte.io.scene import Scene, read_piece, to_image, unique_names
from lucyte.schema.errors import LucyteError

SAMPLE_PIECES = 9
SAMPLE_BYTES = 2**28
MAX_PARTS = 16
_CAMERA_LIMITS = (255, 1023, 4095, 16383, 65535)
_SATURATED_SHARE = 0.001


@dataclass(frozen=True)
class FileInfo:
    """Facts about one image file.

    Attributes
    ----------
    path, format : str
        ``format`` names what was found inside (``ImageJ TIFF``, ``OME-Zarr 0.5``, ``ND2`` ...).
    axes : mapping of axis to length
        As `lucyte.io.open.open_image` gives them, the axes it does not keep first.
    dtype : str
    channels : tuple of str
        Names along C; empty where there is no C axis.
    pixel_size_um, z_step_um, interval_s : float or None
        None means that the file does not say.
    minimum, maximum : float or None
        Of the sampled pixels; None where none could be read.
    sampled : str
        How much was looked at (``9 of 40 planes``).
    series : tuple of str
        Names of the images in the file; the facts above are those of the first.
    flags : tuple of str
        ``lossy``, ``display-referred``, ``palette``.
    problems : tuple of str
        One line each: what looked wrong.
    parts : tuple of FileInfo
        The same facts for every series where there are several (at most 16).
    """

    path: str
    format: str
    axes: Mapping[str, int]
    dtype: str
    channels: tuple[str, ...]
    pixel_size_um: float | None
    z_step_um: float | None
    interval_s: float | None
    minimum: float | None
    maximum: float | None
    sampled: str
    series: tuple[str, ...]
    flags: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    parts: tuple[FileInfo, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON types; what is unknown is None."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def describe_file(path: str | Path, how: How = DEFAULT) -> FileInfo:
    """Describe an image file or OME-Zarr folder.

    Reads the header and a bounded sample of planes, never a whole stack. Damage that shows only
    in the pixels becomes a line in ``problems``.

    Raises
    ------
    InputError
        The header cannot be read.
    """
    found = scenes(path, how)
    names = named_series(found)
    first, *rest = (
        _describe(scene, (name,), how)
        for scene, name in zip(found[:MAX_PARTS], names, strict=False)
    )
    if len(found) == 1:
        return first
    values = {key: getattr(first, key) for key in FileInfo.__dataclass_fields__}
    values |= {"path": str(path), "series": names, "parts": (first, *rest)}
    return FileInfo(**values)


def _describe(scene: Scene, series: tuple[str, ...], how: How) -> FileInfo:
    problems = list(scene.problems)
    lowest = highest = None
    sampled = "nothing"
    try:
        _check(scene, how)
        pixels, sampled = _sample(scene)
        lowest, highest = _extremes(pixels)
        problems += _suspicions(pixels, scene)
    except LucyteError as error:
        problems.append(str(error).removeprefix(f"{scene.path}: "))
    count = scene.sizes.get("C")
    names = tuple(unique_names(scene.channels, count)) if count is not None else ()
    if count and len(set(scene.channels) - {""}) < sum(bool(name) for name in scene.channels):
        problems.append(f"channel names repeat, so they are read as {', '.join(names)}")
    return FileInfo(
        path=scene.path,
        format=scene.format,
        axes=scene.sizes,
        dtype=str(scene.dtype),
        channels=names,
        pixel_size_um=scene.pixel_size_um,
        z_step_um=scene.z_step_um,
        interval_s=scene.interval_s,
        minimum=lowest,
        maximum=highest,
        sampled=sampled,
        series=series,
        flags=scene.flags,
        problems=tuple(problems),
    )


def _check(scene: Scene, how: How) -> None:
    """What `to_image` would refuse, except for axes that a selection settles."""
    foreign = {axis: 0 for axis in scene.sizes if axis not in "TCZYX"}
    to_image(scene, foreign, how.max_gb)
    if foreign:
        to_image(scene, None, how.max_gb)


def _sample(scene: Scene) -> tuple[list[npt.NDArray[Any]], str]:
    """Planes spread evenly over the outer axes, first and last among them."""
    outer = scene.shape[: len(scene.shape) - scene.inner]
    total = int(np.prod(outer)) if outer else 1
    one = int(np.prod(scene.shape[len(outer) :])) * scene.dtype.itemsize
    wanted = max(1, min(SAMPLE_PIECES, total, SAMPLE_BYTES // max(one, 1)))
    picks = sorted({round(i) for i in np.linspace(0, total - 1, wanted)})
    places = [tuple(int(n) for n in np.unravel_index(i, outer)) if outer else () for i in picks]
    what = "plane" if total == 1 else "planes"
    return [read_piece(scene, place) for place in places], f"{len(picks)} of {total} {what}"


def _extremes(pixels: list[npt.NDArray[Any]]) -> tuple[float | None, float | None]:
    finite = [each[np.isfinite(each)] for each in pixels]
    some = [each for each in finite if each.size]
    if not some:
        return None, None
    return float(min(each.min() for each in some)), float(max(each.max() for each in some))


def _suspicions(pixels: list[npt.NDArray[Any]], scene: Scene) -> list[str]:
    notes = []
    total = sum(each.size for each in pixels)
    bad = total - sum(int(np.isfinite(each).sum()) for each in pixels)
    if bad:
        notes.append(f"{bad / total:.2%} of the sampled pixels are not finite numbers")
    lowest, highest = _extremes(pixels)
    if lowest == highest:
        notes.append(f"every sampled pixel is {lowest:g}" if lowest is not None else "all nan")
    elif highest in _CAMERA_LIMITS and scene.dtype.kind == "u":
        share = sum(int((each == highest).sum()) for each in pixels) / total
        if share > _SATURATED_SHARE:
            notes.append(f"{share:.1%} of the sampled pixels are at {highest:.0f}: saturated")
    return notes


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
