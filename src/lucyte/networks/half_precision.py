"""Half the precision for several times the speed, where a look says that the answers stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.bf16 import computes_bf16
from lucyte.networks.image_classifier import ImageClassifier

LOOKED_AT = 256
"""Crops on which both precisions are compared."""
WORTH = 2000
"""Crops from which the comparison costs less than it saves."""
FURTHEST = 0.02
"""Largest change of a probability that is let pass; and no answer may change."""


def halved(
    model: ImageClassifier, crops: npt.NDArray[Any], count: int
) -> tuple[ImageClassifier, str]:
    """The model in bf16 where the CPU computes in it and some crops get the same answers.

    Parameters
    ----------
    model : ImageClassifier
        On engine ``openvino``.
    crops : array N C Y X
        Raw units; a sample of what will be asked.
    count : int
        How many will be asked.

    Returns
    -------
    ImageClassifier
    str
        What was done and why, a sentence; empty where nothing was tried.
    """
    if model.engine != "openvino" or count < WORTH or not computes_bf16("cpu"):
        return model, ""
    fast = model.with_engine("openvino-bf16", model.device)
    one, other = model.probabilities(crops), fast.probabilities(crops)
    changed = int((one.argmax(axis=1) != other.argmax(axis=1)).sum())
    furthest = float(np.abs(one - other).max(initial=0.0))
    seen = (
        f"on {len(crops)} crops {changed} answers changed, probabilities by {furthest:.3f} at most"
    )
    if changed or furthest > FURTHEST:
        return model, f"Computed in f32: in bf16 {seen} (--engine openvino-bf16 takes it anyway)."
    return fast, f"Computed in bf16: {seen} (--engine openvino for f32)."
