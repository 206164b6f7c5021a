"""A detector says where the objects are; a second model draws their outlines in its boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.crop_masks import CropMaskNetwork
from lucyte.networks.sam import PromptModel
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels
from lucyte.segment.box_crops import masks_in_boxes
from lucyte.segment.box_prompted import segment_boxes
from lucyte.segment.colour_picture import colour_picture
from lucyte.segment.finder import Finder
from lucyte.segment.foreign_finder import MERGED
from lucyte.segment.found import Found

Floats = npt.NDArray[np.float32]
Outline = Callable[[npt.NDArray[Any], Floats, tuple[str, ...]], Labels]
"""Image C Y X, boxes ``n x 4`` and channel names to a label image; box row k as label k + 1."""
TILE_BOXES = 8.0
"""A picture larger than this many boxes is shown to a prompted network in tiles of that side."""


class OutlinedFinder:
    """Boxes from one model, masks in them from another.

    Parameters
    ----------
    finder : Finder
    outline : callable
        From `crop_outlines` or `prompted_outlines`.
    """

    def __init__(self, finder: Finder, outline: Outline) -> None:
        self.finder, self.outline = finder, outline

    @property
    def name(self) -> str:
        """The detector's."""
        return self.finder.name

    def channels_for(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The detector's."""
        return self.finder.channels_for(names)

    def find(
        self,
        image: npt.NDArray[Any],
        diameter_px: float | None = None,
        confidence: float | None = None,
        channels: tuple[str, ...] = (),
        hint_px: float | None = None,
    ) -> Found:
        """Find the objects of one image; boxes and scores stay the detector's.

        An object whose mask came out empty keeps its box and has no px in the label image.
        """
        found = self.finder.find(image, diameter_px, confidence, channels, hint_px)
        if not len(found.boxes):
            return found
        labels = self.outline(image, found.boxes, channels)
        return replace(found, labels=labels, outline="mask")


def crop_outlines(network: CropMaskNetwork) -> Outline:
    """Outlines by the published protocol: crops cut from boxes, each at the network's side."""

    def outline(image: npt.NDArray[Any], boxes: Floats, channels: tuple[str, ...]) -> Labels:
        missing = [name for name in network.channels if name not in channels]
        if missing and not len(channels) == len(network.channels) == 1:
            raise UsageError(
                f"the model of outlines looks at {', '.join(network.channels)}; the detector "
                f"passes on {', '.join(channels)}, without {missing[0]}."
            )
        order = [channels.index(name) for name in network.channels] if not missing else [0]
        found = masks_in_boxes(image[order], boxes, network, side=network.side_px)
        return found.labels

    return outline


def prompted_outlines(model: PromptModel) -> Outline:
    """Outlines by a network of the Segment Anything family, prompted with the boxes."""

    def outline(image: npt.NDArray[Any], boxes: Floats, channels: tuple[str, ...]) -> Labels:
        sides = boxes[:, 2:] - boxes[:, :2]
        tile = int(np.ceil(max(TILE_BOXES * np.median(sides), 2 * sides.max())))
        whole = max(image.shape[1:]) <= tile
        picture = colour_picture(image, channels) if set(channels) == set(MERGED) else image
        return segment_boxes(model, picture, boxes, tile_px=None if whole else tile).labels

    return outline
