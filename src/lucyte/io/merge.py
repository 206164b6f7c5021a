"""Channels to a colour picture that a person can read, red-green blindness included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.io.atomic import atomic_path, write_json
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import channel_names, frame
from lucyte.schema.plate import Field, Plate, Problem

COLOURS: dict[str, tuple[float, float, float]] = {
    "green": (0.0, 1.0, 0.0),
    "magenta": (1.0, 0.0, 1.0),
    "cyan": (0.0, 0.8, 1.0),
    "yellow": (1.0, 0.85, 0.0),
    "blue": (0.25, 0.35, 1.0),
    "orange": (1.0, 0.5, 0.0),
    "grey": (1.0, 1.0, 1.0),
}
"""Red is not among them: beside green it is lost on one man in twelve."""

TRANSMITTED = re.compile(r"tl|bf|dic|phase|ph|bright ?field|trans(mitted)?( ?light)?", re.I)
KNOWN = (
    (re.compile(r"dapi|hoechst|dna|nuc", re.I), "blue"),
    (re.compile(r"e?gfp|fitc|green|488", re.I), "green"),
    (re.compile(r"rfp|cherry|tritc|cy3|texas|dsred|red|561", re.I), "magenta"),
    (re.compile(r"cy5|647|640|far", re.I), "cyan"),
)
LOW, HIGH = 1.0, 99.8
SAMPLED = 2**20
TRANSMITTED_SHARE = 0.5

Limits = Mapping[str, tuple[float, float]]


def choose_colours(channels: Sequence[str]) -> dict[str, str]:
    """A colour per channel: by its name where that tells, then what is left; one channel is grey.

    Parameters
    ----------
    channels : sequence of str
    """
    if len(channels) == 1:
        return {channels[0]: "grey"}
    chosen: dict[str, str] = {}
    for name in channels:
        if TRANSMITTED.fullmatch(name):
            chosen[name] = "grey"
            continue
        colour = next((colour for pattern, colour in KNOWN if pattern.search(name)), None)
        if colour is not None and colour not in chosen.values():
            chosen[name] = colour
    left = [c for c in COLOURS if c not in chosen.values() and c != "grey"]
    for name in channels:
        if name not in chosen:
            chosen[name] = left.pop(0) if left else "grey"
    return {name: chosen[name] for name in channels}


def choose_limits(
    image: npt.NDArray[Any], channels: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Black and white points: the 1st and the 99.8th percentile of each channel.

    Large images are sampled on a regular grid of up to about a million pixels.

    Parameters
    ----------
    image : array, C Y X
        Raw units.
    channels : sequence of str
    """
    step = max(1, int(np.sqrt(image[0].size / SAMPLED)))
    limits = {}
    for name, plane in zip(channels, image, strict=True):
        low, high = (float(v) for v in np.percentile(plane[::step, ::step], (LOW, HIGH)))
        limits[name] = (low, high if high > low else low + 1.0)
    return limits


def merge_channels(
    image: npt.NDArray[Any], colours: Mapping[str, str], limits: Limits
) -> npt.NDArray[np.uint8]:
    r"""Add the channels of one frame up in their colours.

    Each channel is scaled to 0..1 between its limits and multiplied with its colour; fluorescence
    adds up. Transmitted light (grey beside colours) is added at half strength, so that light stays
    visible on it:

    .. math::

        RGB = \min\Big(1, \sum_c k_c \,
              \mathrm{clip}\big(\tfrac{I_c - a_c}{b_c - a_c}, 0, 1\big)\Big)

    Parameters
    ----------
    image : array, C Y X
        Raw units, channels in the order of ``colours``.
    colours : mapping of channel to colour
        One of ``COLOURS`` each.
    limits : mapping of channel to (black, white)
        In raw units.

    Returns
    -------
    uint8 array, Y X 3

    Raises
    ------
    UsageError
        An unknown colour, a channel without limits, limits the wrong way round.
    """
    if image.ndim != 3 or len(image) != len(colours):
        raise UsageError(
            f"got an image of shape {image.shape} and colours for {len(colours)} channels "
            f"({', '.join(colours)}); the image must have axes C Y X, one channel per colour."
        )
    total = np.zeros((3, *image.shape[1:]), dtype=np.float32)
    alone = len(colours) == 1
    for plane, (name, colour) in zip(image, colours.items(), strict=True):
        if colour not in COLOURS:
            raise unknown("colour", colour, COLOURS)
        if name not in limits:
            raise unknown("channel", name, limits, "Give limits for every channel.")
        low, high = limits[name]
        if not high > low:
            raise UsageError(f"limits of {name} must rise, got {low:g} to {high:g}.")
        scaled = plane.astype(np.float32)
        scaled -= np.float32(low)
        scaled /= np.float32(high - low)
        np.clip(scaled, 0, 1, out=scaled)
        share = TRANSMITTED_SHARE if colour == "grey" and not alone else 1.0
        for into, weight in zip(total, COLOURS[colour], strict=True):
            if weight:
                into += scaled * np.float32(weight * share)
    np.clip(total, 0, 1, out=total)
    return np.ascontiguousarray((total * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def merge_folder(
    plate: Plate, out: str | Path, *, colours: Mapping[str, str] | None = None
) -> tuple[list[Path], list[Problem]]:
    """Write a colour PNG per field and frame; limits are one per plate and channel.

    Sharing limits keeps brightness comparable between pictures. They are taken from the first
    frame of up to 12 fields, spread over the plate. Images without a plate (layouts ``plain`` and
    ``folder-per-class``) need not be alike and have limits of their own. A stack is shown as its
    maximum over Z.

    Parameters
    ----------
    plate : Plate
    out : str or Path
        Folder of ``FIELD_t000.png`` and ``limits.json`` (colours and limits per plate).
    colours : mapping of channel to colour, optional
        Channels that are not named are left out; by default all are shown.

    Returns
    -------
    paths of the pictures, problems
        A frame that cannot be read is a Problem; the others are written.

    Raises
    ------
    UsageError
        A channel or colour that does not exist.
    """
    root = Path(out)
    shown: dict[str, Any] = {}
    written: list[Path] = []
    problems: list[Problem] = []
    every = list(dict.fromkeys(c for each in plate.fields for c in each.channels)) or [""]
    for channel in colours or {}:
        if channel not in every:
            raise unknown("channel", channel, every)
    for name, fields in _comparable(plate).items():
        known = [c for c in every if any(c in (each.channels or ("",)) for each in fields)]
        chosen = {c: (colours or choose_colours(known))[c] for c in colours or known}
        limits = _plate_limits(fields, list(chosen))
        shown[name] = {c: {"colour": chosen[c], "limits": list(limits[c])} for c in limits}
        for each in fields:
            for path, found in _field_pictures(each, root, chosen, limits):
                written += [path] if found is None else []
                problems += [] if found is None else [found]
    write_json(root / "limits.json", shown)
    return written, problems


def _comparable(plate: Plate) -> dict[str, list[Field]]:
    """Fields that share limits: those of a plate, or each alone where there is no plate."""
    groups: dict[str, list[Field]] = {}
    for each in plate.fields:
        alone = plate.layout in ("plain", "folder-per-class")
        groups.setdefault(each.field_id if alone else each.plate, []).append(each)
    return groups


def _plate_limits(
    fields: Sequence[Field], channels: Sequence[str]
) -> dict[str, tuple[float, float]]:
    step = max(1, len(fields) // 12)
    seen: dict[str, list[tuple[float, float]]] = {}
    for each in fields[::step]:
        for name, plane in _first_frame(each).items():
            if name in channels:
                seen.setdefault(name, []).append(choose_limits(plane[None], [name])[name])
    return {
        name: (float(np.median([low for low, _ in pairs])), float(max(high for _, high in pairs)))
        for name, pairs in seen.items()
    }


def _first_frame(each: Field) -> dict[str, npt.NDArray[Any]]:
    """The first frame that can be read; one that cannot is named when its picture is due."""
    for time_index in each.time_indices:
        try:
            return _planes(frame(each.source.open(), time_index))
        except InputError:
            continue
    return {}


def _planes(image: xr.DataArray) -> dict[str, npt.NDArray[Any]]:
    """Y X pixels per channel; the maximum of a stack."""
    flat = image.max("Z") if "Z" in image.dims else image
    if "C" not in flat.dims:
        return {"": np.asarray(flat.values)}
    return dict(zip(channel_names(flat), np.asarray(flat.values), strict=True))


def _field_pictures(
    each: Field, root: Path, colours: Mapping[str, str], limits: Limits
) -> Iterable[tuple[Path, Problem | None]]:
    image: xr.DataArray | None = None
    for time_index in each.time_indices:
        path = root / f"{each.field_id}_t{time_index:03d}.png"
        try:
            image = each.source.open() if image is None else image
            planes = _planes(frame(image, time_index))
        except InputError as error:
            told = f"{error.problem.rstrip('.;')}. No picture is made."
            yield path, Problem(error.path, "damaged", told)
            continue
        names = [name for name in colours if name in planes and name in limits]
        stack = np.stack([planes[name] for name in names])
        _write_png(path, merge_channels(stack, {name: colours[name] for name in names}, limits))
        yield path, None


def _write_png(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(rgb).save(temporary, format="PNG", compress_level=3)
