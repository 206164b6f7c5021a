"""Decision-boundary pictures: a plane through the latents, who wins where, and the real cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lucyte.explain.counterfactual.walked import Walked
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
GRID = 101
MARGIN = 0.15
"""Of the extent, kept around the cells on the plane."""


@dataclass(frozen=True)
class DecisionPlane:
    """A flat cut through the latents.

    Attributes
    ----------
    classes : tuple of str
    across, up : float array G
        Coordinates of the grid, in units of the latents.
    probability : float array K G G
        Calibrated, of every class; rows are ``up``.
    cells : float array N 2
        Where real cells fall on the plane (across, up): their nearest point.
    off : float array N
        How far each lies from the plane; the picture tells little of those far off.
    answers : tuple of str
        What each cell is answered where it really lies.
    anchors : mapping of str to (across, up)
        What the plane was laid through.
    """

    classes: tuple[str, ...]
    across: Floats
    up: Floats
    probability: Floats
    cells: Floats
    off: Floats
    answers: tuple[str, ...]
    anchors: dict[str, tuple[float, float]]

    @property
    def winner(self) -> npt.NDArray[np.int64]:
        """Position of the likeliest class at every place of the grid."""
        best: npt.NDArray[np.int64] = self.probability.argmax(axis=0)
        return best


def class_plane(
    model: Walked,
    crops: npt.NDArray[Any],
    classes: tuple[str, ...] | None = None,
) -> DecisionPlane:
    """The plane through the mean latents of two or three classes.

    With two the second axis is the direction in which the cells differ most beside the first.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
        Real cells to be placed on it; three or more.
    classes : tuple of str, optional
        The model's first two or three where None.

    Raises
    ------
    UsageError
        Other than two or three classes, one that is not there, too few crops.
    """
    names = classes or model.classes[:3]
    strange = [name for name in names if name not in model.classes]
    if len(set(names)) not in (2, 3) or strange:
        raise UsageError(
            f"a plane goes through two or three of {', '.join(model.classes)}; "
            f"got {', '.join(names)}."
        )
    points = np.stack([model.centres[model.classes.index(name)].ravel() for name in names])
    if not np.isfinite(points).all():
        raise UsageError("a class that no training crop was predicted has no mean latent.")
    return _plane(model, crops, points, names)


def cell_plane(
    model: Walked,
    crops: npt.NDArray[Any],
    three: tuple[int, int, int],
    names: tuple[str, str, str] = ("cell 1", "cell 2", "cell 3"),
) -> DecisionPlane:
    """The plane through three cells.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
        Real cells to be placed on it, the three among them.
    three : tuple of int
        Rows of ``crops``.
    names : tuple of str
        What the three are called.

    Raises
    ------
    UsageError
        Cells that are not three, or lie on one line.
    """
    if len(set(three)) != 3 or min(three) < 0 or max(three) >= len(crops):
        raise UsageError(f"three different rows of {len(crops)} crops are needed, got {three}.")
    points = model.encode(crops[list(three)]).flatten(1).numpy().astype(np.float64)
    return _plane(model, crops, points, names)


def _plane(
    model: Walked, crops: npt.NDArray[Any], points: Floats, names: tuple[str, ...]
) -> DecisionPlane:
    if len(crops) < 3:
        raise UsageError(f"a plane needs three cells or more to be laid, got {len(crops)}.")
    z = model.encode(crops)
    flat = z.flatten(1).numpy().astype(np.float64)
    origin = points.mean(axis=0)
    axes = _axes(points, flat - origin)
    cells = (flat - origin) @ axes.T
    off = np.linalg.norm(flat - origin - cells @ axes, axis=1)
    anchors = (points - origin) @ axes.T
    everything = np.concatenate([cells, anchors])
    low, high = everything.min(axis=0), everything.max(axis=0)
    room = MARGIN * np.maximum(high - low, 1e-9)
    across, up = (
        np.linspace(low[k] - room[k], high[k] + room[k], GRID, dtype=np.float64) for k in (0, 1)
    )
    answers = model.latent_logits(z).argmax(axis=1)
    return DecisionPlane(
        model.classes,
        across,
        up,
        _probability(model, origin, axes, across, up),
        cells,
        off,
        tuple(model.classes[int(k)] for k in answers),
        {name: (float(a), float(b)) for name, (a, b) in zip(names, anchors, strict=True)},
    )


def _axes(points: Floats, cells: Floats) -> Floats:
    """Two orthogonal directions of length 1."""
    first = points[1] - points[0]
    length = float(np.linalg.norm(first))
    if length < 1e-9:
        raise UsageError("two of the points that the plane is laid through are the same.")
    first = first / length
    if len(points) == 3:
        second = points[2] - points[0]
        second = second - (second @ first) * first
        if float(np.linalg.norm(second)) < 1e-9:
            raise UsageError("the three points lie on one line; no single plane goes through them.")
    else:
        rest = cells - np.outer(cells @ first, first)
        second = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)[2][0]
        second = second - (second @ first) * first
    return np.stack([first, second / np.linalg.norm(second)])


def _probability(model: Walked, origin: Floats, axes: Floats, across: Floats, up: Floats) -> Floats:
    """Closed form: the logits are linear, so no latent of the grid is ever built."""
    shape = model.plan.shape
    corner = torch.from_numpy(np.stack([origin, *axes]).reshape(3, *shape))
    told = model.latent_logits(corner)
    bias = model.latent_logits(torch.zeros((1, *shape), dtype=torch.float64))[0]
    one, two = told[1] - bias, told[2] - bias
    logits = told[0] + across[None, :, None] * one + up[:, None, None] * two
    flat = model.calibration.probabilities(logits.reshape(-1, len(model.classes)))
    return flat.reshape(len(up), len(across), -1).transpose(2, 0, 1)
