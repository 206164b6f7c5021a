"""Samples: pictures to classify, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import MASK_CHANNEL


@dataclass(frozen=True)
class Samples:
    """Pictures of one size and of the same channels, in raw units.

    Attributes
    ----------
    images : array N C Y X
        Raw units; whatever slices like an array (a memory map where they are many).
    channels : tuple of str
        Names along C.
    names : tuple of str
        One name each: a path below the data folder, an ``object_id``, ``stack.tif#12`` for a patch.
    labels : tuple of str
        Class names; an empty string where unknown.
    groups : tuple of str
        The independent unit of each; no split parts it.
    unit : str
        What ``groups`` counts (``plate``, ``well``, ``stack``, ``image`` ...).
    sources : tuple of str
        What the answers are voted up to: the stack of a patch; the name itself where nothing was
        cut.
    levels : mapping of str to tuple of str
        What else is known of the design, one entry per sample: plate, well, day, position.
    masks : bool array N Y X or None
        The cell's own pixels.
    pixel_size_um : float or None
        None where unknown.
    grouped : bool
        False where no group was given, so that each picture is its own: independence is unknown.
    """

    images: npt.NDArray[Any]
    channels: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    unit: str = "image"
    sources: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    masks: npt.NDArray[np.bool_] | None = None
    pixel_size_um: float | None = None
    grouped: bool = True

    def __post_init__(self) -> None:
        shape = self.images.shape
        if len(shape) != 4:
            raise UsageError(f"samples must be N C Y X, got shape {shape}.")
        if shape[1] != len(self.channels):
            raise UsageError(f"got {len(self.channels)} channel names for {shape[1]} channels.")
        if not self.sources:
            object.__setattr__(self, "sources", self.names)
        columns = {"names": self.names, "labels": self.labels, "groups": self.groups}
        for name, values in {**columns, "sources": self.sources, **self.levels}.items():
            if len(values) != shape[0]:
                raise UsageError(f"{name} must have one entry per sample ({shape[0]}).")
        if self.masks is not None and self.masks.shape != (shape[0], *shape[2:]):
            raise UsageError(f"masks must be N Y X like the images, got {self.masks.shape}.")

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names that occur, sorted."""
        return tuple(sorted(set(self.labels) - {""}))

    def take(self, index: npt.ArrayLike) -> Samples:
        """The samples at these positions, or where this boolean array is True."""
        at = np.asarray(index)
        at = np.flatnonzero(at) if at.dtype == np.bool_ else at.astype(np.int64)

        def pick(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[int(i)] for i in at)

        return replace(
            self,
            images=self.images[at],
            names=pick(self.names),
            labels=pick(self.labels),
            groups=pick(self.groups),
            sources=pick(self.sources),
            levels={name: pick(values) for name, values in self.levels.items()},
            masks=None if self.masks is None else self.masks[at],
        )

    def for_channels(self, channels: Sequence[str]) -> npt.NDArray[Any]:
        """The input a Predictor takes: its channels in its order, ``mask:cell`` from the masks.

        Raises
        ------
        UsageError
            A channel that is not here, or a mask where there is none.
        """
        if tuple(channels) == self.channels:
            return self.images
        planes = []
        for name in channels:
            if name == MASK_CHANNEL and self.masks is not None:
                planes.append(self.masks.astype(self.images.dtype))
            elif name in self.channels:
                planes.append(self.images[:, self.channels.index(name)])
            else:
                known = (*self.channels, *([MASK_CHANNEL] if self.masks is not None else []))
                raise unknown(
                    "channel", name, known, f"Map names with --channels {name}=<one of these>."
                )
        return np.stack(planes, axis=1)
