"""Explanation: why a predictor said what it said about one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """One explanation of one object.

    Attributes
    ----------
    object_id : str
    method : str
        ``occlusion``, ``contributions``, ``grad_cam`` ...
    target : str
        The class that is explained.
    score : float
        The predictor's logit margin for that class on the unchanged input.
    maps : mapping of channel to array Y X
        Relevance per px and named channel, in units of the score; empty for feature methods.
    contributions : mapping of feature to float
        Exact share of each feature in the score (they and ``baseline`` add up to it).
    baseline : float
        Score of the reference input.
    """

    object_id: str
    method: str
    target: str
    score: float
    maps: Mapping[str, Array] = field(default_factory=dict)
    contributions: Mapping[str, float] = field(default_factory=dict)
    baseline: float = 0.0
