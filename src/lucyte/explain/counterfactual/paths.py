"""Film strips: a cell on its way across the border, picture by picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.explain.counterfactual.closed_form import possible
from lucyte.explain.counterfactual.crossing import crossing
from lucyte.explain.counterfactual.walked import Walked
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FilmStrips:
    """Each crop in steps from what it is to what it would be.

    Attributes
    ----------
    images : array N S C Y X
        Raw units; the first is the crop itself.
    channels : tuple of str
    sources : tuple of str
    target : str
    alphas : float array N S
    boundary : float array N
        Alpha of the border.
    probability : float array N S
        Of the target, of each picture as it is given.
    distance : float array N S
        From training crops; above 1 is far.
    """

    images: npt.NDArray[Any]
    channels: tuple[str, ...]
    sources: tuple[str, ...]
    target: str
    alphas: Floats
    boundary: Floats
    probability: Floats
    distance: Floats


def film_strips(
    model: Walked,
    crops: npt.NDArray[Any],
    target: str,
    steps: int = 7,
    direction: str = "means",
) -> FilmStrips:
    """Pictures at even steps from the crop to the convincing image.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
        Raw units, in the model's channels.
    target : str
    steps : int
        Pictures, the crop itself included; 3 or more.
    direction : {"means", "transport", "detail", "head"}

    Raises
    ------
    UsageError
        Too few steps, or what `crossing` refuses.
    """
    if steps < 3:
        raise UsageError(f"a film strip needs 3 steps or more, got {steps}.")
    way = crossing(model, crops, target, direction)
    last = way.alphas("convincing")
    q = model.classes.index(target)
    shown = [np.asarray(crops)]
    chances, distances = [], []
    alphas = np.linspace(0, 1, steps)[None, :] * last[:, None]
    for step in range(1, steps):
        shown.append(possible(model, crops, way.at(alphas[:, step]))[0])
    for images in shown:
        z = model.encode(images)
        chances.append(model.calibration.probabilities(model.latent_logits(z))[:, q])
        distances.append(model.support.distance(z))
    return FilmStrips(
        np.stack(shown, axis=1),
        model.channels,
        way.sources,
        target,
        alphas,
        way.boundary,
        np.stack(chances, axis=1),
        np.stack(distances, axis=1),
    )
