"""A quick model that sees a crop's statistics and where in the crop the light is.

The learner of whole crops forgets places, so a model of it can rely on no mark and on no offset;
one that is challenged for them must be able to see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.crops import CropLearner, check_crops, light_statistics
from lucyte.learn.feature_model import FeatureModel

BLOCKS = 8
"""Blocks along each side whose mean light is looked at."""


@dataclass(frozen=True)
class PlacePredictor:
    """Statistics of the crop and the light of its blocks, then a linear model. A `Predictor`."""

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
        return self.model.logits(statistics_and_places(crops, self.channels))


@dataclass(frozen=True)
class PlaceLearner:
    """Makes a `PlacePredictor`. A `Learner`."""

    channels: tuple[str, ...]

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> PlacePredictor:
        """Fit on crops ``N C Y X`` in raw units."""
        table = statistics_and_places(samples, self.channels)
        model = CropLearner(self.channels).fit_table(table, labels, groups, seed)
        return PlacePredictor(model, self.channels, int(samples.shape[-1]))


def statistics_and_places(crops: npt.NDArray[Any], channels: Sequence[str]) -> pd.DataFrame:
    """`crop_statistics`, and the mean of each of 8 x 8 blocks less the crop's, per channel.

    Parameters
    ----------
    crops : array N C Y X
        Raw units; a side of a multiple of 8 px.
    channels : sequence of C str
    """
    count, _, height, width = crops.shape
    shape = (count, len(channels), BLOCKS, height // BLOCKS, BLOCKS, width // BLOCKS)
    light = crops.astype(np.float32).reshape(shape).mean(axis=(3, 5))
    light -= light.mean(axis=(2, 3), keepdims=True)
    names = [f"{c}:block_{y}_{x}" for c in channels for y in range(BLOCKS) for x in range(BLOCKS)]
    places = pd.DataFrame(light.reshape(count, -1), columns=names)
    return pd.concat([light_statistics(crops, channels), places], axis=1)
