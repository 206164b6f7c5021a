"""A model on features as a predictor of images: measure inside the mask, then the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.crops import check_crops
from lucyte.learn.feature_model import FeatureModel
from lucyte.networks.model_folder import Card, StoredModel
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.plan import MeasureSettings
from lucyte.schema.protocols import MASK_CHANNEL

Measure = Callable[
    [npt.NDArray[Any], npt.NDArray[np.bool_], Sequence[str], MeasureSettings], pd.DataFrame
]

BATCH = 128
"""Crops measured at once; bounds the memory."""


def measure_inside(
    crops: npt.NDArray[Any],
    masks: npt.NDArray[np.bool_],
    channels: Sequence[str],
    settings: MeasureSettings,
) -> pd.DataFrame:
    """Feature table of crops, one row each, in the order given."""
    from lucyte.measure.mosaic import measure_crops

    table: pd.DataFrame = measure_crops(crops, masks, channels, settings)
    return table


@dataclass(frozen=True)
class FeaturePredictor:
    """A `FeatureModel` that takes pictures. A `Predictor`.

    Attributes
    ----------
    model : FeatureModel
    channels : tuple of str
        Channels of light, and ``mask:cell`` among them, as the crops come.
    input_px : int
    pixel_size_um : float or None
    settings : MeasureSettings
        How the features were, and will be, measured.
    measure : callable
        ``(crops N C Y X, masks N Y X, channels, settings) -> DataFrame``.
    """

    model: FeatureModel
    channels: tuple[str, ...]
    input_px: int
    pixel_size_um: float | None = None
    settings: MeasureSettings = field(default_factory=MeasureSettings)
    measure: Measure = measure_inside

    def __post_init__(self) -> None:
        if self.channels.count(MASK_CHANNEL) != 1:
            raise UsageError(
                f"a model on features needs the channel {MASK_CHANNEL!r} once, "
                f"got {', '.join(self.channels)}."
            )
        for name in self.model.channels:
            if name not in self.channels:
                raise unknown("channel", name, self.channels, "The model was made with it.")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.model.classes

    def sees(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Pixels the answer can depend on, ``N Y X``: features are of the cell's own alone."""
        check_crops(crops, self.channels, self.input_px)
        own: npt.NDArray[np.bool_] = crops[:, self.channels.index(MASK_CHANNEL)] > 0
        return own

    def table(self, crops: npt.NDArray[Any]) -> pd.DataFrame:
        """The features of each crop's own cell.

        Raises
        ------
        UsageError
            Crops of another form, or a crop whose mask is empty.
        """
        check_crops(crops, self.channels, self.input_px)
        at = self.channels.index(MASK_CHANNEL)
        masks = crops[:, at] > 0
        empty = np.flatnonzero(~masks.any(axis=(1, 2)))
        if len(empty):
            raise UsageError(
                f"crop {int(empty[0])} has an empty mask ({len(empty)} of {len(crops)}); "
                "there is no cell to measure in it."
            )
        light = [k for k in range(len(self.channels)) if k != at]
        names = [self.channels[k] for k in light]
        parts = [
            self.measure(
                crops[start : start + BATCH, light],
                masks[start : start + BATCH],
                names,
                self.settings,
            )
            for start in range(0, len(crops), BATCH)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def logits(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Crops ``N C Y X`` in raw units, mask included, to logits ``N x classes``."""
        if not len(crops):
            return np.zeros((0, len(self.classes)))
        return self.model.logits(self.table(crops))

    def store(self, card: Card) -> StoredModel:
        """Take apart for a model folder."""
        return StoredModel(
            kind="features",
            architecture="sparse logistic model of measured features",
            classes=self.classes,
            channels=self.channels,
            input_px=self.input_px,
            pixel_size_um=self.pixel_size_um,
            config={
                "model": self.model.config(),
                "measure": self.settings.model_dump(mode="json"),
            },
            arrays=self.model.arrays(),
            card=card,
        )

    @classmethod
    def restore(cls, stored: StoredModel) -> FeaturePredictor:
        """Put back together from a model folder."""
        return cls(
            FeatureModel.restore(stored.config["model"], stored.arrays),
            stored.channels,
            stored.input_px,
            stored.pixel_size_um,
            MeasureSettings.model_validate(stored.config["measure"]),
        )
