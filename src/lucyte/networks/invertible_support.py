r"""How far latents lie from those of training: a distance to the nearest of them.

Each latent is told in few numbers (mean and log deviation of every channel over its places),
projected to the leading directions of training, each divided by its deviation there, with the
length of what the projection leaves out as one more. The distance is the mean to the five nearest
training crops, as a multiple of the distance that 99 % of crops that were not fitted keep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
NEAREST = 5
DIRECTIONS = 24
KEPT = 512
"""Training crops remembered."""
WITHIN = 0.99


def tell(z: Tensor) -> Floats:
    """Latents ``N C H W`` as ``N x 2C``: mean and log deviation of every channel."""
    flat = z.detach().double().flatten(2)
    deviation = flat.var(2, correction=0).sqrt() if len(z) else flat.mean(2)
    told = torch.cat([flat.mean(2), torch.log(deviation + 1e-3)], 1)
    return np.asarray(told.cpu().numpy(), dtype=np.float64)


@dataclass(frozen=True)
class LatentSupport:
    """Where training latents lie.

    Attributes
    ----------
    mean : float array F
    directions : float array F D
        Leading directions, each divided by its deviation in training.
    rest : float
        Mean length of what the directions leave out; 0 where they leave nothing out.
    known : float array M D+1
        Training crops.
    limit : float
        The distance that counts as 1.
    """

    mean: Floats
    directions: Floats
    rest: float
    known: Floats
    limit: float

    def distance(self, z: Tensor) -> Floats:
        """Distance of latents ``N C H W``; above 1 is farther than 99 % of real crops lie."""
        return self._nearest(self.place(tell(z)), self.known) / self.limit

    def place(self, told: Floats) -> Floats:
        """Coordinates ``N x D+1`` of what `tell` said."""
        centred = told - self.mean
        at = centred @ self.directions
        if not self.rest:
            return np.column_stack([at, np.zeros(len(at))])
        scale = np.square(self.directions).sum(0)
        left = centred - (at / scale) @ self.directions.T
        return np.column_stack([at, np.linalg.norm(left, axis=1) / self.rest])

    @staticmethod
    def _nearest(at: Floats, known: Floats) -> Floats:
        near = np.sort(cdist(at, known), axis=1)[:, :NEAREST]
        return np.asarray(near.mean(axis=1), dtype=np.float64)

    def arrays(self) -> dict[str, Floats]:
        """For a model folder."""
        numbers = np.array([self.rest, self.limit])
        parts = {"mean": self.mean, "directions": self.directions, "known": self.known}
        return {f"support.{name}": value for name, value in {**parts, "numbers": numbers}.items()}

    @classmethod
    def restore(cls, arrays: dict[str, npt.NDArray[np.float64]]) -> LatentSupport:
        """What `arrays` wrote."""
        part = {name: np.asarray(arrays[f"support.{name}"], dtype=np.float64) for name in PARTS}
        rest, limit = (float(value) for value in part["numbers"])
        return cls(part["mean"], part["directions"], rest, part["known"], limit)


PARTS = ("mean", "directions", "known", "numbers")


def fit_support(fitted: Floats, held: Floats, seed: int = 0) -> LatentSupport:
    """Remember where training latents lie.

    Parameters
    ----------
    fitted : float array N F
        Of crops that were fitted, from `tell`.
    held : float array M F
        Of crops that were not; the limit is read from them. With fewer than 20 it is read from the
        fitted ones, each against the others.
    seed : int
        Which fitted crops are remembered where they are many.

    Raises
    ------
    UsageError
        Too few crops.
    """
    if len(fitted) <= NEAREST + 1:
        raise UsageError(
            f"{len(fitted)} training crops are too few to say what lies far from them."
        )
    mean = fitted.mean(axis=0)
    _, length, rows = np.linalg.svd(fitted - mean, full_matrices=False)
    keep = min(DIRECTIONS, len(fitted) // 4, int((length > 1e-9 * length[0]).sum()))
    deviation = length[:keep] / np.sqrt(len(fitted) - 1)
    directions = rows[:keep].T / deviation
    blank = LatentSupport(mean, directions, 1.0, np.zeros((1, keep + 1)), 1.0)
    left = float(blank.place(fitted)[:, -1].mean())
    draft = LatentSupport(mean, directions, left if left > 1e-9 else 0.0, blank.known, 1.0)
    chosen = np.random.default_rng(seed).permutation(len(fitted))[:KEPT]
    known = draft.place(fitted[np.sort(chosen)])
    if len(held) >= 20:
        distances = LatentSupport._nearest(draft.place(held), known)
    else:
        apart = np.sort(cdist(known, known), axis=1)[:, 1 : NEAREST + 1]
        distances = apart.mean(axis=1)
    limit = max(float(np.quantile(distances, WITHIN)), 1e-9)
    return LatentSupport(mean, directions, draft.rest, known, limit)
