"""Which channels an object is looked for in, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.measure.stains import is_nuclear, is_transmitted
from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names, select_channel
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.light import finite, half_sample_mode

_GENERIC = re.compile(
    r"^(ch|chan|channel|c|w|wv|wavelength|image|img|plane|series|seq)?[\s_.-]*\d+$", re.IGNORECASE
)
_BOTH_SIDES = 0.4


def default_objects(
    channels: tuple[str, ...], image: xr.DataArray | None = None
) -> tuple[ObjectSettings, ...]:
    """Starter settings from channel names, each choice written out.

    Parameters
    ----------
    channels : tuple of str
        Names along C; empty where there is no C axis.
    image : DataArray C [Z] Y X or None
        A frame to look at where names say nothing (ch1, ch2 ...): a channel that looks like
        transmitted light is left out. Without it such channels are left out beside names that
        say something; alone they stay unchosen, and :func:`planes_of` looks.

    Returns
    -------
    tuple of ObjectSettings
        A nuclear stain gives nuclei; with another stain, whole cells grown from them and the
        cytoplasm between. Without one, whole cells from all stains together. Transmitted light is
        never thresholded: empty where nothing else is there.
    """
    nuclear = [name for name in channels if is_nuclear(name)]
    stains = [name for name in channels if not is_nuclear(name) and not is_transmitted(name)]
    mute = [name for name in stains if says_nothing(name)]
    if mute and len(channels) > 1:
        speaking = [name for name in stains if name not in mute]
        if image is not None:
            stains = speaking + [name for name in mute if not _transmitted_in(image, name)]
        elif speaking or nuclear:
            stains = speaking
        elif len(mute) > 1:
            return (ObjectSettings(kind="cell"),)
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


def says_nothing(channel: str) -> bool:
    """Is the name a mere number (ch1, w2, Channel 3), so that it may be transmitted light?"""
    return _GENERIC.match(channel.strip()) is not None


def looks_transmitted(plane: npt.NDArray[np.generic]) -> bool:
    """Does light lie on both sides of the background, as in transmitted light?

    In fluorescence cells are brighter than the background, whose light is the lowest. Where the
    most frequent light has about as much range below it (at least 0.4 of that above, from 0.5 to
    99.5 %), the picture is transmitted light, or holds nothing but noise.
    """
    values = finite(plane)
    step = max(1, values.size // 250_000)
    sample = np.sort(values.reshape(-1)[::step])
    low, high = np.quantile(sample, (0.005, 0.995))
    mode = half_sample_mode(sample)
    return bool(high > low and mode - low > _BOTH_SIDES * (high - mode))


def _transmitted_in(image: xr.DataArray, name: str) -> bool:
    return looks_transmitted(np.asarray(select_channel(image, name).values))


def planes_of(
    image: xr.DataArray, settings: ObjectSettings
) -> tuple[list[npt.NDArray[np.generic]], tuple[str, ...]]:
    """The planes an object is looked for in, and their names.

    Raises
    ------
    UsageError
        A channel that is not there, transmitted light by name or, where no name says anything and
        none was chosen, by its looks; a T axis, or a choice that is not ours to make.
    """
    where = image.attrs.get("source") or "image"
    if "T" in image.dims:
        raise UsageError(
            f"{where}: {settings.method} takes one frame at a time, got axis T of "
            f"{image.sizes['T']}. Select one with --select T=0, or bring label images with "
            "input.labels."
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
    if not settings.channels and len(names) > 1:
        _refuse_transmitted(image, wanted, settings.kind, where)
    for name in wanted:
        if is_transmitted(name):
            raise UsageError(
                f"{where}: {name!r} is transmitted light, in which a threshold finds no "
                f"{settings.kind}. Choose a fluorescence channel among {', '.join(names)}."
            )
    return [np.asarray(select_channel(image, name).values) for name in wanted], wanted


def _refuse_transmitted(image: xr.DataArray, wanted: Sequence[str], kind: str, where: str) -> None:
    mute = [name for name in wanted if says_nothing(name)]
    bad = [name for name in mute if _transmitted_in(image, name)]
    if bad:
        rest = [name for name in wanted if name not in bad] or list(wanted)
        written = ", ".join(f'"{name}"' for name in rest)
        raise UsageError(
            f"{where}: {', '.join(bad)} looks like transmitted light or holds only noise, and no "
            f"name says which channels show {kind}, got {', '.join(wanted)}. Write channels = "
            f"[{written}] for {kind} in the plan, or --channel NAME."
        )


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
