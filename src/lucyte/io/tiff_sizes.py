"""What a TIFF says of its channels and sizes: ImageJ, OME-XML, MetaMorph, plain tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lucyte.io.units import seconds_per, um_per


@dataclass(frozen=True)
class Sizes:
    """Channel names and physical sizes; None means unknown."""

    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    z_step_um: float | None = None
    interval_s: float | None = None
    problems: tuple[str, ...] = ()


def square(y_um: float | None, x_um: float | None) -> tuple[float | None, tuple[str, ...]]:
    """One size for Y and X, or None and the reason why there is none.

    Examples
    --------
    >>> square(0.5, 0.5)
    (0.5, ())
    >>> square(0.5, 0.25)[0] is None
    True
    """
    if x_um is None or y_um is None or not (x_um > 0 and y_um > 0):
        return None, ()
    if abs(y_um - x_um) > 0.01 * x_um:
        return None, (
            f"pixels are not square (Y {y_um:.4g} um, X {x_um:.4g} um), so the pixel size is left "
            "unknown",
        )
    return float(x_um), ()


def imagej(
    meta: Mapping[str, Any],
    tags: Mapping[str, Any],
    axes: tuple[str, ...],
    channels: tuple[str, ...] = (),
) -> Sizes:
    """Sizes of an ImageJ TIFF: pixels per ``unit`` in the resolution tags, ``spacing`` in Z.

    Parameters
    ----------
    meta : mapping
        ImageJ's description, as tifffile reads it.
    tags : mapping
        ``XResolution`` and ``YResolution`` as pairs of integers.
    axes : tuple of str
        Axes longer than 1.
    channels : tuple of str
        Names found by `imagej_channels`.
    """
    um = um_per(str(meta.get("unit", "")))
    if um is None:
        pixel, problems = square(None, None)
    else:
        pixel, problems = square(
            _per(tags.get("YResolution"), um), _per(tags.get("XResolution"), um)
        )
    z_step = None
    if "Z" in axes:
        spacing = _positive(meta.get("spacing"))
        z_step = None if um is None or spacing is None else spacing * um
        if um is not None and spacing is None:
            problems += ("no Z step is written (ImageJ would assume 1), so it is left unknown",)
    interval = None
    if "T" in axes:
        seconds = seconds_per(str(meta.get("tunit", "sec")))
        step = _positive(meta.get("finterval"))
        interval = None if seconds is None or step is None else step * seconds
    doubt = re.search(r"[^.\n]*\bscale\b[^.\n]*(\.\d[^.\n]*)*\bnot accurate\b", _text(meta, "Info"))
    if doubt and pixel is not None:
        problems += (f"its own notes doubt the pixel size: {doubt[0].strip()!r}",)
    return Sizes(channels, pixel, z_step, interval, problems)


def imagej_channels(meta: Mapping[str, Any], lengths: Mapping[str, int]) -> tuple[str, ...]:
    """Channel names from ImageJ's plane labels, where each channel keeps its label throughout."""
    labels = meta.get("Labels")
    outer = [axis for axis in lengths if axis in ("T", "Z", "C")]
    shape = [lengths[axis] for axis in outer]
    if not isinstance(labels, list) or "C" not in outer or len(labels) != int(np.prod(shape)):
        return ()
    plain = [re.sub(r"^([czt]:\d+/\d+\s*)*-?\s*", "", str(label)).strip() for label in labels]
    table = np.moveaxis(np.asarray(plain, dtype=object).reshape(shape), outer.index("C"), 0)
    found = [set(row.ravel()) for row in table]
    if any(len(names) != 1 for names in found):
        return ()
    names = tuple(str(next(iter(each))) for each in found)
    return names if all(names) and len(set(names)) == len(names) else ()


def ome(image: ElementTree.Element, axes: tuple[str, ...]) -> Sizes:
    """Names and sizes of one ``Image`` element of an OME-XML document."""
    pixels = image.find("{*}Pixels")
    if pixels is None:
        return Sizes(problems=("its OME-XML describes no pixels",))
    found = pixels.attrib
    names = tuple(
        channel.get("Name") or channel.get("Fluor") or ""
        for channel in pixels.findall("{*}Channel")
    )
    pixel, problems = square(_ome_um(found, "Y"), _ome_um(found, "X"))
    interval = None
    if "T" in axes:
        step = _positive(found.get("TimeIncrement"))
        seconds = seconds_per(found.get("TimeIncrementUnit", "s"))
        interval = (
            _ome_plane_interval(pixels) if step is None or seconds is None else step * seconds
        )
    return Sizes(names, pixel, _ome_um(found, "Z") if "Z" in axes else None, interval, problems)


def metamorph(meta: Mapping[str, Any]) -> Sizes:
    """Sizes of a MetaMorph (MetaXpress) TIFF, where its calibration is switched on."""
    plane = meta.get("PlaneInfo", {})
    if not plane.get("spatial-calibration-state"):
        return Sizes()
    um = um_per(str(plane.get("spatial-calibration-units", "")))
    y, x = (_positive(plane.get(f"spatial-calibration-{axis}")) for axis in "yx")
    if um is None or y is None or x is None:
        return Sizes()
    pixel, problems = square(y * um, x * um)
    return Sizes(pixel_size_um=pixel, problems=problems)


def plain(tags: Mapping[str, Any]) -> Sizes:
    """Size from bare resolution tags, believed only where a microscope may have written them.

    Cameras and paint programs write 72 dpi (353 um) or 1 per pixel. What gives 0.01 to 5 um per
    pixel in inches or centimetres is no such placeholder.
    """
    um = {2: 25400.0, 3: 10000.0}.get(int(tags.get("ResolutionUnit") or 1))
    if um is None:
        return Sizes()
    y, x = _per(tags.get("YResolution"), um), _per(tags.get("XResolution"), um)
    if y is None or x is None or not (0.01 <= y <= 5 and 0.01 <= x <= 5):
        return Sizes()
    pixel, problems = square(y, x)
    return Sizes(pixel_size_um=pixel, problems=problems)


def doubtful(sizes: Sizes) -> Sizes:
    """The same sizes, with a word on those no light microscope would give."""
    notes = []
    pixel, step = sizes.pixel_size_um, sizes.z_step_um
    if pixel is not None and not 0.005 <= pixel <= 100:
        notes.append(f"a pixel size of {pixel:.4g} um is implausible for light microscopy")
    if step is not None and not 0.01 <= step <= 500:
        notes.append(f"a Z step of {step:.4g} um is implausible for light microscopy")
    if pixel is not None and step is not None and not 0.2 <= step / pixel <= 60:
        notes.append(f"the Z step is {step / pixel:.3g} times the pixel size, which is implausible")
    return replace(sizes, problems=sizes.problems + tuple(notes))


def _ome_um(found: Mapping[str, str], axis: str) -> float | None:
    size = _positive(found.get(f"PhysicalSize{axis}"))
    um = um_per(found.get(f"PhysicalSize{axis}Unit", "µm"))
    return None if size is None or um is None else size * um


def _ome_plane_interval(pixels: ElementTree.Element) -> float | None:
    times: dict[int, float] = {}
    for plane in pixels.findall("{*}Plane"):
        delta, seconds = plane.get("DeltaT"), seconds_per(plane.get("DeltaTUnit", "s"))
        if delta is not None and seconds is not None:
            frame = int(plane.get("TheT", "0"))
            times[frame] = min(times.get(frame, np.inf), float(delta) * seconds)
    if len(times) < 2:
        return None
    frames = sorted(times)
    steps = [(times[b] - times[a]) / (b - a) for a, b in pairwise(frames)]
    return _positive(float(np.median(steps)))


def _per(resolution: Any, um: float) -> float | None:
    if not isinstance(resolution, tuple) or len(resolution) != 2:
        return None
    count, per = resolution
    return None if not count or not per else um * per / count


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _text(meta: Mapping[str, Any], key: str) -> str:
    value = meta.get(key, "")
    return value if isinstance(value, str) else ""
