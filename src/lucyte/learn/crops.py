"""A quick learner of whole crops; the evidence retrains it on background and erased cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.crop_statistics import crop_statistics
from lucyte.learn.feature_model import FeatureModel
from lucyte.learn.logistic import LogisticSettings, fit_logistic
from lucyte.networks.model_folder import Card, StoredModel
from lucyte.schema.errors import UsageError

MASK = "mask:"


@dataclass(frozen=True)
class CropPredictor:
    """Statistics of the whole crop, then a linear model of them. A `Predictor`.

    Attributes
    ----------
    model : FeatureModel
    channels : tuple of str
        As the crops come; channels named ``mask:...`` are not looked at.
    input_px : int
    pixel_size_um : float or None
    """

    model: FeatureModel
    channels: tuple[str, ...]
    input_px: int
    pixel_size_um: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.model.classes

    def logits(self, crops: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Crops ``N C Y X`` in raw units to logits ``N x classes``."""
        check_crops(crops, self.channels, self.input_px)
        return self.model.logits(light_statistics(crops, self.channels))

    def store(self, card: Card) -> StoredModel:
        """Take apart for a model folder."""
        return StoredModel(
            kind="crop-statistics",
            architecture="logistic model of statistics of the whole crop",
            classes=self.classes,
            channels=self.channels,
            input_px=self.input_px,
            pixel_size_um=self.pixel_size_um,
            config={"model": self.model.config()},
            arrays=self.model.arrays(),
            card=card,
        )

    @classmethod
    def restore(cls, stored: StoredModel) -> CropPredictor:
        """Put back together from a model folder."""
        return cls(
            FeatureModel.restore(stored.config["model"], stored.arrays),
            stored.channels,
            stored.input_px,
            stored.pixel_size_um,
        )


@dataclass(frozen=True)
class CropLearner:
    """Learns classes from statistics of whole crops. A `Learner`.

    Attributes
    ----------
    channels : tuple of str
        Names along C; empty names them ``channel 0``, ``channel 1`` ...
    pixel_size_um : float or None
    settings : LogisticSettings
    """

    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    settings: LogisticSettings = field(
        default_factory=lambda: LogisticSettings(alpha=0.5, rule="filled", folds=3, rows=2000)
    )

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> CropPredictor:
        """Fit on crops ``N C Y X`` in raw units; ``groups`` stay together in inner splits.

        Raises
        ------
        UsageError
            One class only, or crops that do not fit the channels.
        """
        names = self.names(samples)
        table = light_statistics(samples, names)
        return CropPredictor(
            self.fit_table(table, labels, groups, seed),
            names,
            int(samples.shape[-1]),
            self.pixel_size_um,
        )

    def fit_table(
        self, table: pd.DataFrame, labels: Sequence[str], groups: Sequence[str], seed: int
    ) -> FeatureModel:
        """Fit on `light_statistics` made before, for who fits many times on the same crops."""
        return fit_logistic(table, list(table.columns), labels, groups, seed, self.settings)

    def names(self, samples: npt.NDArray[Any]) -> tuple[str, ...]:
        """Channel names for these crops."""
        if self.channels or samples.ndim != 4:
            return self.channels
        return tuple(f"channel {at}" for at in range(samples.shape[1]))


def light_statistics(crops: npt.NDArray[Any], channels: Sequence[str]) -> pd.DataFrame:
    """`crop_statistics` of the channels of light, masks left out."""
    if crops.ndim != 4 or crops.shape[1] != len(channels):
        raise UsageError(
            f"got crops of shape {crops.shape} for channels {', '.join(channels)} (N C Y X)."
        )
    light = [at for at, name in enumerate(channels) if not name.startswith(MASK)]
    return crop_statistics(crops[:, light], [channels[at] for at in light])


def check_crops(crops: npt.NDArray[Any], channels: Sequence[str], input_px: int) -> None:
    """Refuse crops of another number of channels or another size than a model takes."""
    if crops.ndim != 4 or crops.shape[1] != len(channels):
        raise UsageError(
            f"the model takes crops N C Y X with channels {', '.join(channels)}; "
            f"got shape {crops.shape}."
        )
    if crops.shape[2:] != (input_px, input_px):
        raise UsageError(
            f"the model takes crops of {input_px} x {input_px} px, got "
            f"{crops.shape[2]} x {crops.shape[3]}; cut them at that size."
        )
