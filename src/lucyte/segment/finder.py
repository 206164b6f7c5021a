"""A trained model, whoever trained it, at work on one frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from lucyte.measure.stains import is_nuclear
from lucyte.schema.errors import UsageError
from lucyte.schema.image import channel_names, select_channel
from lucyte.schema.plan import ObjectSettings
from lucyte.segment.found import Found


class Finder(Protocol):
    """What a model must be able to do."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    def channels_for(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Which channels of an image with these names it looks at; one name stands for a role.

        Raises
        ------
        UsageError
            The image does not have them.
        """
        ...

    def find(
        self,
        image: npt.NDArray[Any],
        diameter_px: float | None = None,
        confidence: float | None = None,
        channels: tuple[str, ...] = (),
        hint_px: float | None = None,
    ) -> Found:
        """The objects of an image C Y X in raw units, of the channels it asked for.

        ``hint_px`` is the diameter found in an image like this one; it saves time alone.
        """
        ...


def find_with(
    image: xr.DataArray,
    settings: ObjectSettings,
    finders: Mapping[str, Finder],
    hint_px: float | None = None,
) -> Found:
    """Find one kind of object with the model that its settings name.

    Parameters
    ----------
    image : DataArray C Y X or Y X
    settings : ObjectSettings
    finders : mapping of str to Finder
    hint_px : float or None
        Diameter found in the first frame of the same field, say: where the settings give none it is
        tried first and taken where it fits.

    Raises
    ------
    UsageError
        No model named, or channels that are not the model's.
    """
    if settings.model is None:
        raise UsageError(
            f'segment.objects: {settings.kind} has method "network" and no model. '
            'Write model = "nuclei", a model folder or an ONNX file; see: lucyte models'
        )
    if finder_key(settings) not in finders:
        raise UsageError(f"model {settings.model!r} of {settings.kind} has not been opened.")
    finder = finders[finder_key(settings)]
    diameter = None if settings.diameter_px == "auto" else settings.diameter_px
    planes, channels = planes_for(image, finder, settings)
    return finder.find(planes, diameter, settings.confidence, channels, hint_px)


def finder_key(settings: ObjectSettings) -> str:
    """What the opened model of one kind of object is filed under."""
    return " + ".join(filter(None, (settings.model, settings.outlines)))


def planes_for(
    image: xr.DataArray, finder: Finder, settings: ObjectSettings
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """The channels a model looks at, in its order, C Y X, and their names.

    A model of one channel looks at the one that the settings name, or the one that is there, or
    the one nuclear stain. A model of several finds its channels by name.

    Raises
    ------
    UsageError
        A channel is missing or the choice is not ours to make; says how to map.
    """
    where = image.attrs.get("source") or "image"
    for axis in ("T", "Z"):
        if axis in image.dims:
            raise UsageError(f"{where}: a model looks at planes, got axis {axis}.")
    names = channel_names(image) if "C" in image.dims else ()
    try:
        wanted = finder.channels_for(names)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    if len(wanted) == 1:
        if not names and not settings.channels:
            return np.asarray(image.values)[None], wanted
        wanted = (_only(settings, names, wanted[0], finder, where),)
    planes = [np.asarray(select_channel(image, name).values) for name in wanted]
    return np.stack(planes), wanted


def _only(
    settings: ObjectSettings, names: tuple[str, ...], own: str, finder: Finder, where: str
) -> str:
    """The one channel that a model of one channel is to look at."""
    chosen = list(settings.channels) or [own] * (own in names)
    if not chosen:
        chosen = list(names) if len(names) == 1 else [name for name in names if is_nuclear(name)]
    if len(chosen) != 1:
        raise UsageError(
            f"{where}: model {finder.name} looks at one channel, got "
            f"{', '.join(chosen) or 'no choice'} among {', '.join(names)}. Say which: "
            f"--channel NAME, or channels = [...] for {settings.kind} in the plan."
        )
    return chosen[0]


def named_channels(wanted: tuple[str, ...], names: tuple[str, ...], model: str) -> tuple[str, ...]:
    """``wanted`` where the image has them all.

    Raises
    ------
    UsageError
        Says what is there and how to map it.
    """
    if all(name in names for name in wanted):
        return wanted
    pairs = ",".join(f"{new}={old}" for new, old in zip(wanted, names, strict=False))
    raise UsageError(
        f"model {model} looks at {', '.join(wanted)}; the image has "
        f"{', '.join(names) or 'no named channels'}."
        + (f" Say which is which, e.g. --channels {pairs}" if len(names) >= len(wanted) else "")
    )
