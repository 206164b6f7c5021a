"""A YOLO detector of one's own as a finder of objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.yolo_onnx import YoloModel
from lucyte.schema.errors import UsageError
from lucyte.schema.objects import BOX
from lucyte.segment.colour_picture import colour_picture
from lucyte.segment.finder import named_channels
from lucyte.segment.found import Found, ellipses

MERGED = ("EGFP", "mRFP", "TL")
CONFIDENCE = 0.25
COLOURS = (("red", "green", "blue"), ("R", "G", "B"))


class ForeignFinder:
    """Boxes from an ONNX detector; outlines are ellipses in them.

    Parameters
    ----------
    model : YoloModel
    name : str
    """

    def __init__(self, model: YoloModel, name: str) -> None:
        self.model, self.name = model, name

    def channels_for(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Colours by name, CELLULAR's channels, or the one channel there is."""
        if len(names) <= 1:
            return names or ("grey",)
        for colours in COLOURS:
            if all(name in names for name in colours):
                return colours
        if self.model.colours == 1:
            return ("grey",)
        if all(name in names for name in MERGED):
            return MERGED
        return named_channels(COLOURS[0], names, self.name)

    def find(
        self,
        image: npt.NDArray[Any],
        diameter_px: float | None = None,
        confidence: float | None = None,
        channels: tuple[str, ...] = MERGED,
        hint_px: float | None = None,
    ) -> Found:
        """Find the objects of one image C Y X of these channels; it takes no diameter.

        A hint of it is of no use here.

        Raises
        ------
        UsageError
            A diameter was given.
        """
        from lucyte.segment.foreign_boxes import detect_boxes

        if diameter_px is not None:
            raise UsageError(f"model {self.name} takes no diameter; leave it out.")
        picture = self._picture(image, channels)
        lowest = CONFIDENCE if confidence is None else confidence
        table = detect_boxes(self.model, picture, confidence=lowest)
        boxes = table[list(BOX)].to_numpy(np.float32)
        sizes = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
        return Found(
            labels=ellipses(boxes, (image.shape[1], image.shape[2])),
            boxes=boxes,
            scores=table["score"].to_numpy(np.float32),
            classes=tuple(table["class"]),
            diameter_px=float(np.median(sizes)) if len(sizes) else float("nan"),
            estimated=True,
            outline="ellipse",
        )

    def _picture(self, image: npt.NDArray[Any], channels: tuple[str, ...]) -> npt.NDArray[np.uint8]:
        if len(image) == 1:
            grey = dict.fromkeys("RGB", "grey")
            return colour_picture(image, ("grey",), grey)[..., : self.model.colours]
        if set(channels) == set(MERGED):
            return colour_picture(image, channels)
        return colour_picture(image, channels, dict(zip("RGB", channels, strict=True)))
