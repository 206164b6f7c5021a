"""Counterfactual images in closed form: step across the border in the latents, and undo."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from lucyte.explain.counterfactual.crossing import crossing
from lucyte.explain.counterfactual.walked import Walked
from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counterfactuals:
    """Crops as they are and as they would be in the target class.

    Attributes
    ----------
    originals, images : array N C Y X
        Raw units, same type; channels ``mask:...`` are the same in both.
    channels : tuple of str
    sources : tuple of str
        The class each crop is left from.
    target : str
    alphas, boundary : float array N
        How far each crop went, and where the border lies; nan where the way does not meet it.
    latents : float array N C H W
        Where it arrived, before clipping.
    before, after : float array N
        Calibrated probability of the target, of the original and of the image as it is given.
    distance_before, distance : float array N
        From training crops in the latents; above 1 is farther than 99 % of real crops lie.
    clipped : float array N
        Share of px that were not possible (below 0, above what the type holds) and were clipped.
    beyond : float array N
        Share of px of the image outside the range seen in training.
    already : bool array N
        Crops that were answered the target to begin with.
    direction : str
        The way they went; see `crossing`.
    """

    originals: npt.NDArray[Any]
    images: npt.NDArray[Any]
    channels: tuple[str, ...]
    sources: tuple[str, ...]
    target: str
    alphas: Floats
    boundary: Floats
    latents: Floats
    before: Floats
    after: Floats
    distance_before: Floats
    distance: Floats
    clipped: Floats
    beyond: Floats
    already: npt.NDArray[np.bool_]
    direction: str = "means"

    def __len__(self) -> int:
        return len(self.images)

    @property
    def far(self) -> npt.NDArray[np.bool_]:
        """Images that lie farther from training crops than 99 % of real crops do."""
        return ~(self.distance <= 1)  # beyond all numbers is far as well

    @property
    def light(self) -> tuple[str, ...]:
        """Channels of light, in order."""
        return tuple(name for name in self.channels if not name.startswith("mask:"))

    def difference(self) -> dict[str, Floats]:
        """Counterfactual less original, raw units, ``N Y X`` per channel of light."""
        change = self.images.astype(np.float64) - self.originals.astype(np.float64)
        return {name: change[:, self.channels.index(name)] for name in self.light}

    def said(self, k: int) -> str:
        """What is to be known of one of them, in a sentence or two."""
        text = (
            f"{self.sources[k]} to {self.target}: the model's probability of {self.target} goes "
            f"from {self.before[k]:.2f} to {self.after[k]:.2f} (alpha {self.alphas[k]:.2f}, "
        )
        met = math.isfinite(self.boundary[k])
        text += f"border at {self.boundary[k]:.2f})." if met else "no border on this way)."
        if self.already[k]:
            text += f" The cell was answered {self.target} to begin with."
        if self.clipped[k] > 0:
            text += f" {self.clipped[k]:.1%} of its px were not possible and were clipped."
        if self.far[k]:
            many = f"{self.distance[k]:.1f} times as far as 99 % of real cells lie"
            if not math.isfinite(self.distance[k]):
                many = "farther than can be measured"
            text += (
                f" Far outside the training data: {many} (the cell itself: "
                f"{self.distance_before[k]:.1f}); do not trust it."
            )
        return text


def counterfactual(
    model: Walked,
    crops: npt.NDArray[Any],
    target: str,
    how: str | float | Sequence[float] = "convincing",
    direction: str = "means",
) -> Counterfactuals:
    """What each crop would look like in the target class.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
        Raw units, in the model's channels.
    target : str
        One of the model's classes.
    how : {"boundary", "convincing"} or float
        On the border, well beyond it, or alpha itself; see `crossing`.
    direction : {"means", "transport", "detail", "head"}

    Raises
    ------
    UsageError
        A class never seen, crops of another form; see `crossing`.
    NotInverted
        Which block did not converge, and its norm.
    """
    way = crossing(model, crops, target, direction)
    alphas = way.alphas(how)
    z = way.at(alphas)
    images, clipped = possible(model, crops, z)
    q = model.classes.index(target)
    again = model.encode(images)
    return Counterfactuals(
        np.asarray(crops),
        images,
        model.channels,
        way.sources,
        target,
        alphas,
        way.boundary,
        np.asarray(z.numpy(), dtype=np.float64),
        _share(model, way.z, q),
        _share(model, again, q),
        model.support.distance(way.z),
        model.support.distance(again),
        clipped,
        _beyond(model, images),
        way.already,
        direction,
    )


def against_control(
    model: Walked,
    crops: npt.NDArray[Any],
    labels: Sequence[str],
    control: str,
    how: str | float = "convincing",
) -> Mapping[str, Counterfactuals]:
    """Cells of the control as each other class would show them: every treatment against control.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
    labels : sequence of N str
    control : str
    how : see `counterfactual`

    Returns
    -------
    mapping of class to Counterfactuals
        Of the crops labelled ``control``, in their order.

    Raises
    ------
    UsageError
        A control the model does not know, or no crop of it.
    """
    if control not in model.classes:
        raise unknown("class", control, model.classes)
    rows = np.flatnonzero(np.asarray(labels, dtype=str) == control)
    if not len(rows):
        raise UsageError(f"none of the {len(crops)} crops is labelled {control!r}.")
    others = [name for name in model.classes if name != control]
    return {name: counterfactual(model, crops[rows], name, how) for name in others}


def possible(model: Walked, crops: npt.NDArray[Any], z: Tensor) -> tuple[npt.NDArray[Any], Floats]:
    """Latents as crops that could have been taken, and the share of px that had to be clipped.

    Light is not below 0 (or the lowest value of training, where that is) nor above what the type
    of the crops holds; integers are rounded. Px that the model does not see, outside ``mask:cell``,
    are those of the original; a background that the model takes off is put back.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
        The originals.
    z : Tensor N C H W
    """
    light = model.decode(z) + model.seen.taken_off(crops)
    images = np.array(crops)
    whole = np.issubdtype(images.dtype, np.integer)
    top = float((np.iinfo if whole else np.finfo)(images.dtype).max)
    at = [model.channels.index(name) for name in model.seen.light]
    seen = np.ones((len(crops), 1, *crops.shape[2:]), dtype=np.bool_)
    if model.seen.erases:
        own = next(k for k, name in enumerate(model.channels) if k not in at)
        seen = np.asarray(crops[:, own : own + 1]) > 0.5
    impossible = np.zeros(light.shape, dtype=np.bool_)
    for plane, (k, name) in enumerate(zip(at, model.seen.light, strict=True)):
        low = min(0.0, model.intensity_range.get(name, (0.0, top))[0])
        value = np.round(light[:, plane]) if whole else light[:, plane]
        impossible[:, plane] = ~((value >= low) & (value <= top)) & seen[:, 0]
        kept = np.clip(np.nan_to_num(value, nan=top), low, top).astype(images.dtype)
        images[:, k] = np.where(seen[:, 0], kept, images[:, k])
    counted = np.broadcast_to(seen, impossible.shape).sum(axis=(1, 2, 3))
    return images, impossible.sum(axis=(1, 2, 3)) / np.maximum(counted, 1)


def _share(model: Walked, z: Tensor, q: int) -> Floats:
    told: Floats = model.calibration.probabilities(model.latent_logits(z))[:, q]
    return told


def _beyond(model: Walked, images: npt.NDArray[Any]) -> Floats:
    parts = []
    for name in model.seen.light:
        low, high = model.intensity_range.get(name, (-np.inf, np.inf))
        plane = images[:, model.channels.index(name)]
        parts.append(((plane < low) | (plane > high)).mean(axis=(1, 2)))
    return np.asarray(np.mean(parts, axis=0), dtype=np.float64)
