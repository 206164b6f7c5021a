"""Which channels an object is looked for in, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.measure.stains import is_nuclear, is_transmitted
from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names, select_channel
from lucyte.schema.plan import ObjectSettings


def default_objects(channels: tuple[str, ...]) -> tuple[ObjectSettings, ...]:
    """Starter settings from channel names, each choice written out.

    Parameters
    ----------
    channels : tuple of str
        Names along C; empty where there is no C axis.

    Returns
    -------
    tuple of ObjectSettings
        A nuclear stain gives nuclei; with another stain, whole cells grown from them and the
        cytoplasm between. Without one, whole cells from all stains together. Transmitted light is
        never thresholded: empty where nothing else is there.
    """
    nuclear = [name for name in channels if is_nuclear(name)]
    stains = [name for name in channels if not is_nuclear(name) and not is_transmitted(name)]
    if not channels:
        return (ObjectSettings(kind="cell"),)
    if nuclear and stains:
        return (
            ObjectSettings(kind="nucleus", channels=nuclear),
            ObjectSettings(kind="cell", channels=stains, method="grow", parent="nucleus"),
            ObjectSettings(kind="cytoplasm", method="subtract"),
        )
    if nuclear:
        return (ObjectSettings(kind="nucleus", channels=nuclear),)
    return (ObjectSettings(kind="cell", channels=stains),) if stains else ()


def planes_of(
    image: xr.DataArray, settings: ObjectSettings
) -> tuple[list[npt.NDArray[np.generic]], tuple[str, ...]]:
    """The planes an object is looked for in, and their names.

    Raises
    ------
    UsageError
        A channel that is not there, transmitted light, a Z or T axis, or a choice among several
        channels that is not ours to make.
    """
    where = image.attrs.get("source") or "image"
    for axis, word in (("T", "frame"), ("Z", "plane")):
        if axis in image.dims:
            raise UsageError(
                f"{where}: {settings.method} takes one {word} at a time, got axis {axis} of "
                f"{image.sizes[axis]}. Select one with --select {axis}=0, or bring label images "
                "with input.labels."
            )
    names = channel_names(image)
    if "C" not in image.dims:
        if settings.channels:
            raise UsageError(
                f"{where}: has no named channels, {settings.kind} asks for "
                f"{', '.join(settings.channels)}. Leave channels empty."
            )
        return [np.asarray(image.values)], ()
    wanted = tuple(settings.channels) or _implied(settings.kind, names, where)
    for name in wanted:
        if is_transmitted(name):
            raise UsageError(
                f"{where}: {name!r} is transmitted light, in which a threshold finds no "
                f"{settings.kind}. Choose a fluorescence channel among {', '.join(names)}."
            )
    return [np.asarray(select_channel(image, name).values) for name in wanted], wanted


def _implied(kind: str, names: Sequence[str], where: str) -> tuple[str, ...]:
    stains = [name for name in names if not is_transmitted(name)]
    if kind == "nucleus":
        chosen = [name for name in stains if is_nuclear(name)]
    elif kind.startswith("organelle:"):
        chosen = [kind.split(":", 1)[1]]
    else:
        chosen = [name for name in stains if not is_nuclear(name)]
    chosen = chosen or (stains if len(stains) == 1 else [])
    if not chosen:
        raise UsageError(
            f"{where}: no channel's name says where to look for {kind}, got {', '.join(names)}. "
            f"Write channels = [...] for {kind} in the plan."
        )
    return tuple(chosen)
