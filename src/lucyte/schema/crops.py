"""CropSet: small square pictures of cells and of empty places, with their units and masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import MASK_CHANNEL

KINDS = ("cell", "background")


@dataclass(frozen=True)
class CropSet:
    """Square crops cut from the fields of an experiment, all of one size, in raw units.

    Attributes
    ----------
    crops : array N C Y X
        Raw counts, in the type of the images. A place outside the image holds no invented pixels:
        a crop that would leave the image is not cut.
    channels : tuple of str
        Names along C. All of light; own masks are in ``masks``.
    object_ids : tuple of str
        The cell at the centre; a name of its own (``.../background/7``) for an empty place.
    labels : tuple of str
        Class names.
    groups : tuple of str
        The independent unit each crop belongs to (``plate/well``): the level of the cause.
    masks : bool array N Y X
        The centre cell's own mask; all False for an empty place.
    foreground : bool array N Y X
        Any object at all, the centre cell included.
    distance_px : float array N
        From the crop's centre to the nearest px of any object; 0 for cells.
    kind : tuple of str
        ``cell`` or ``background``.
    field_ids : tuple of str
    time_index : int array N
        Frame number as the microscope counted.
    unit : str
        What ``groups`` counts (``well``, ``field``, ``plate`` ...).
    """

    crops: npt.NDArray[Any]
    channels: tuple[str, ...]
    object_ids: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    masks: npt.NDArray[np.bool_]
    foreground: npt.NDArray[np.bool_]
    distance_px: npt.NDArray[np.float64]
    kind: tuple[str, ...]
    field_ids: tuple[str, ...]
    time_index: npt.NDArray[np.int64]
    unit: str = "well"

    def __post_init__(self) -> None:
        shape = self.crops.shape
        if self.crops.ndim != 4 or shape[2] != shape[3]:
            raise UsageError(f"crops must be N C Y X and square, got shape {shape}.")
        if shape[1] != len(self.channels):
            raise UsageError(f"got {len(self.channels)} channel names for {shape[1]} channels.")
        for name in ("masks", "foreground"):
            got = getattr(self, name).shape
            if got != (shape[0], *shape[2:]):
                raise UsageError(f"{name} must be N Y X like the crops {shape}, got {got}.")
        for name in (
            "object_ids",
            "labels",
            "groups",
            "distance_px",
            "kind",
            "field_ids",
            "time_index",
        ):
            if len(getattr(self, name)) != shape[0]:
                raise UsageError(f"{name} must have one entry per crop ({shape[0]}).")
        for kind in sorted(set(self.kind) - set(KINDS)):
            raise unknown("kind of crop", kind, KINDS)

    def __len__(self) -> int:
        return int(self.crops.shape[0])

    @property
    def crop_px(self) -> int:
        """Side of a crop."""
        return int(self.crops.shape[-1])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return tuple(sorted(set(self.labels)))

    def take(self, index: npt.ArrayLike) -> CropSet:
        """The crops at these positions, or where this boolean array is True."""
        at = np.asarray(index)
        if at.dtype == np.bool_:
            at = np.flatnonzero(at)
        at = at.astype(np.int64)

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in at)

        return replace(
            self,
            crops=self.crops[at],
            object_ids=pick(self.object_ids),
            labels=pick(self.labels),
            groups=pick(self.groups),
            masks=self.masks[at],
            foreground=self.foreground[at],
            distance_px=self.distance_px[at],
            kind=pick(self.kind),
            field_ids=pick(self.field_ids),
            time_index=self.time_index[at],
        )

    def of_kind(self, kind: str) -> CropSet:
        """Only the cells, or only the empty places."""
        if kind not in KINDS:
            raise unknown("kind of crop", kind, KINDS)
        return self.take(np.asarray([each == kind for each in self.kind], dtype=np.bool_))

    def units_per_class(self) -> dict[str, int]:
        """Number of independent units that hold each class."""
        pairs = set(zip(self.labels, self.groups, strict=True))
        return dict(sorted(Counter(label for label, _ in pairs).items()))

    def for_channels(self, channels: Sequence[str]) -> npt.NDArray[Any]:
        """The input a Predictor takes: its channels in its order, ``mask:cell`` from the masks.

        Raises
        ------
        UsageError
            A channel that is not here.
        """
        planes = []
        for name in channels:
            if name == MASK_CHANNEL:
                planes.append(self.masks.astype(self.crops.dtype))
            elif name in self.channels:
                planes.append(self.crops[:, self.channels.index(name)])
            else:
                raise unknown(
                    "channel",
                    name,
                    (*self.channels, MASK_CHANNEL),
                    f"Map names with --channels {name}=<one of these>.",
                )
        return np.stack(planes, axis=1)


def join(sets: Sequence[CropSet]) -> CropSet:
    """Several crop sets of the same channels, size and unit as one, in order.

    Raises
    ------
    UsageError
        Nothing to join, or other channels, sizes or units.
    """
    if not sets:
        raise UsageError("no crops to join.")
    first = sets[0]
    for other in sets[1:]:
        mine = (first.channels, first.crop_px, first.unit)
        if (other.channels, other.crop_px, other.unit) != mine:
            raise UsageError(
                "crops to join must share channels, size and unit, got "
                f"{mine} and {(other.channels, other.crop_px, other.unit)}."
            )

    def names(what: str) -> tuple[str, ...]:
        return tuple(value for each in sets for value in getattr(each, what))

    return replace(
        first,
        crops=np.concatenate([each.crops for each in sets]),
        object_ids=names("object_ids"),
        labels=names("labels"),
        groups=names("groups"),
        masks=np.concatenate([each.masks for each in sets]),
        foreground=np.concatenate([each.foreground for each in sets]),
        distance_px=np.concatenate([each.distance_px for each in sets]),
        kind=names("kind"),
        field_ids=names("field_ids"),
        time_index=np.concatenate([each.time_index for each in sets]),
    )
