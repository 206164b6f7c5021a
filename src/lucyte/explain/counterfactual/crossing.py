r"""The way from a crop to another class, in the latents of an invertible classifier.

Logits are linear in the latents :math:`z`, so with :math:`m(z) = \ell_q(z) - \ell_p(z)` the margin
of the target :math:`q` over the class :math:`p` that a crop is answered,

.. math:: m(z + \alpha \Delta) = m(z) + \alpha\, w \cdot \Delta, \qquad
          \alpha_0 = -\frac{m(z)}{w \cdot \Delta}

and :math:`z + \alpha_0 \Delta` lies on the border. ``means``: :math:`\Delta` is the mean latent of
training crops *predicted* :math:`q` less that of those predicted :math:`p` (ECINN). ``transport``:
each cell has its own way, :math:`\Delta(z) = \mu_q - \mu_p + (T - I)\,r`, with :math:`r` what is
left of :math:`z - \mu_p` when its mean over places is taken away, and :math:`T` the optimal
transport between Gaussians with the classes' covariances :math:`\Sigma` of the channels of
:math:`r`,

.. math:: T = \Sigma_p^{-1/2} (\Sigma_p^{1/2} \Sigma_q \Sigma_p^{1/2})^{1/2} \Sigma_p^{-1/2}

so texture changes as well, most where the cell has most of it. The logits look at means over
places, so they move exactly as with ``means``.
``detail``: :math:`\Delta(z) = f(\tau(x)) - z` with :math:`f` the network and :math:`\tau` the
transfer that gives the crop the detail of the other class (see
`lucyte.explain.counterfactual.transfer`): spots appear, grow, fade and change colour where the
cell has something to grow or fade.
``head``: the shortest way, :math:`\Delta = s\,w / \|w\|^2`, with :math:`s` chosen so that one
:math:`\alpha` moves the margin as far as it does with ``means``. The convincing image has
:math:`\alpha_1 = 0.8 + 0.5\,\alpha_0`; from :math:`\alpha_0 = 4/3` on that falls short or nearly
so, and :math:`1.1\,\alpha_0` is taken. Along ``detail`` it is :math:`\max(1, 1.1\,\alpha_0)`;
where that way leads off the border, or meets it beyond :math:`\alpha = 3`, there is no
:math:`\alpha_0` (nan) and 1 is taken.

References
----------
Hvilshøj et al. 2021 (ECINN), arXiv 2103.13701. Peyré and Cuturi 2019, doi 10.1561/2200000073
(transport of Gaussians).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lucyte.explain.counterfactual.transfer import as_other
from lucyte.explain.counterfactual.walked import Detailed, Walked
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import MASK_CHANNEL

Floats = npt.NDArray[np.float64]
DIRECTIONS = {
    "means": "from the mean latent of one predicted class to that of the other",
    "transport": "from the Gaussian of one predicted class to that of the other, cell by cell",
    "detail": "from the fine detail of one predicted class to that of the other, cell by cell",
    "head": "the shortest way to the border",
}
HOW = ("boundary", "convincing")
REACH = 1.0
"""Alpha of a convincing image along ``detail``: the transferred crop itself, where that is across
the border; latents beyond it are no picture that was ever put together."""
FARTHEST = 3.0
"""Alpha along ``detail`` beyond which nothing like a cell is found."""


@dataclass(frozen=True)
class Crossing:
    """Latents of crops and the way of each to the target.

    Attributes
    ----------
    z : Tensor N C H W
    delta : Tensor N C H W
    sources : tuple of str
        The class each is left from: its answer, or the runner-up where that is the target already.
    target : str
    boundary : float array N
        Alpha at which both classes are as likely; nan where ``detail`` does not lead there.
    already : bool array N
        Crops that are answered the target as they are.
    direction : str
        One of `DIRECTIONS`.
    """

    z: Tensor
    delta: Tensor
    sources: tuple[str, ...]
    target: str
    boundary: Floats
    already: npt.NDArray[np.bool_]
    direction: str = "means"

    def alphas(self, how: str | float | Sequence[float]) -> Floats:
        """How far along the way, one number per crop.

        Raises
        ------
        UsageError
            An unknown word, numbers that are not finite or not one per crop, or crops whose way
            does not lead to the border, where that is asked for.
        """
        if isinstance(how, str):
            if how not in HOW:
                raise unknown("kind of counterfactual", how, HOW, "Or give alpha, a number.")
            lost = int(np.isnan(self.boundary).sum())
            if how == "boundary" and lost:
                raise UsageError(
                    f"{lost} of {len(self.boundary)} crops do not come to the border with "
                    f"{self.target!r} along {self.direction!r}; ask for 'convincing', or along "
                    "'means'."
                )
            if how == "boundary":
                return self.boundary.copy()
            if self.direction == "detail":
                return np.fmax(REACH, 1.1 * self.boundary)
            far = np.maximum(0.8 + 0.5 * self.boundary, 1.1 * self.boundary)
            return np.maximum(far, 0.0)  # who is well beyond the border need not go back
        told = np.asarray(how, dtype=np.float64)
        if told.shape not in ((), self.boundary.shape) or not np.isfinite(told).all():
            raise UsageError(
                f"alpha is one finite number, or one per crop ({len(self.boundary)}); got {how!r}."
            )
        return np.broadcast_to(told, self.boundary.shape).copy()

    def at(self, alphas: Floats) -> Tensor:
        """Latents so far along the way."""
        return self.z + torch.from_numpy(alphas).to(self.z.dtype)[:, None, None, None] * self.delta


def crossing(
    model: Walked,
    crops: npt.NDArray[Any],
    target: str,
    direction: str = "means",
) -> Crossing:
    """Find each crop's way to the target class.

    Parameters
    ----------
    model : InvertibleClassifier or Autoencoder
    crops : array N C Y X
        Raw units, in the model's channels.
    target : str
    direction : {"means", "transport", "detail", "head"}

    Raises
    ------
    UsageError
        A class the model does not know, an unknown direction, crops of another form or with nan,
        or a class that no training crop was predicted.
    """
    if target not in model.classes:
        raise unknown("class", target, model.classes)
    if direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    model.seen.check(crops)
    if not np.isfinite(np.asarray(crops, dtype=np.float64)).all():
        raise UsageError("crops hold nan or infinite values; leave those crops out first.")
    z = model.encode(crops)
    logits = model.latent_logits(z)
    q = model.classes.index(target)
    answers = logits.argmax(axis=1)
    others = np.where(np.arange(len(model.classes)) == q, -np.inf, logits)
    p = np.where(answers == q, others.argmax(axis=1), answers)
    weight, bias = model.head()
    delta = torch.zeros_like(z)
    for k in np.unique(p):
        own = p == k
        between = (int(k), q)
        if direction == "detail":
            way = _detail_way(model, crops[own], z[own], between)
        else:
            way = _way(model, z[own], between, direction)
        delta[torch.from_numpy(own)] = way.to(z.dtype)
    mean, step = z.mean(dim=(2, 3)).numpy(), delta.mean(dim=(2, 3)).numpy()
    normal = weight[q] - weight[p]
    margin = (normal * mean).sum(1) + bias[q] - bias[p]
    slope = (normal * step).sum(1)
    if direction == "detail":
        # A cell may have nothing to change, or change what speaks for where it is.
        with np.errstate(divide="ignore", invalid="ignore"):
            boundary = np.where(slope > 0, -margin / slope, np.nan)
        boundary[boundary > FARTHEST] = np.nan
    else:
        boundary = -margin / slope
    sources = tuple(model.classes[int(k)] for k in p)
    return Crossing(z, delta, sources, target, boundary, answers == q, direction)


def _detail_way(
    model: Walked, crops: npt.NDArray[Any], z: Tensor, between: tuple[int, int]
) -> Tensor:
    if not isinstance(model, Detailed) or not (model.details.size and model.levels.size):
        raise UsageError(
            "this model does not remember the detail of its classes, which direction 'detail' "
            "needs; train an invertible classifier anew, or go along 'means'."
        )
    source, target = (model.details[k] for k in between)
    for k, kept in zip(between, (source, target), strict=True):
        if not np.isfinite(kept).all():
            _never_predicted(model.classes[k])
    raw = torch.from_numpy(np.asarray(crops, dtype=np.float64))
    shift = model.levels[between[1]] - model.levels[between[0]]
    moved = as_other(model.seen.prepare(raw).numpy(), source, target, shift)
    picture = raw.clone()
    light = [model.channels.index(name) for name in model.seen.light]
    drawn = model.seen.undo(torch.from_numpy(moved))
    drawn = drawn + torch.from_numpy(model.seen.taken_off(crops))
    for plane, name in enumerate(model.seen.light):
        # Undoing is exponential: a little too far is far too bright.
        low, high = model.intensity_range.get(name, (-np.inf, np.inf))
        drawn[:, plane] = drawn[:, plane].clamp(low, high)
    if model.seen.erases:  # px outside stay, since their level may be taken off once more
        own = raw[:, [model.channels.index(MASK_CHANNEL)]] > 0.5
        drawn = torch.where(own, drawn, raw[:, light])
    picture[:, light] = drawn
    return model.encode(picture.numpy()) - z


def _way(model: Walked, z: Tensor, between: tuple[int, int], direction: str) -> Tensor:
    p, q = between
    for k in between:
        if not np.isfinite(model.centres[k]).all():
            _never_predicted(model.classes[k])
    means = model.centres[q] - model.centres[p]
    if direction == "head":
        weight, _ = model.head()
        normal = weight[q] - weight[p]
        reach = float(normal @ means.mean(axis=(1, 2)))
        # The logits look at the mean over places: the shortest way moves all places alike.
        flat = normal / float(normal @ normal) * reach
        means = np.broadcast_to(flat[:, None, None], means.shape)
    delta = torch.from_numpy(means.copy()).expand(z.shape)
    if direction == "transport":
        turn = torch.from_numpy(transport(model.spreads[p], model.spreads[q]))
        centred = z.double() - torch.from_numpy(model.centres[p])
        centred = centred - centred.mean(dim=(2, 3), keepdim=True)
        moved = torch.einsum("cd,ndhw->nchw", turn, centred) - centred
        delta = delta + moved
    return delta


def _never_predicted(name: str) -> NoReturn:
    raise UsageError(
        f"no training crop was predicted {name!r}, so where that class lies is "
        "unknown; train again with more of it."
    )


def transport(source: Floats, target: Floats) -> Floats:
    """The symmetric matrix that turns one covariance into another with least movement.

    Parameters
    ----------
    source, target : float array C C
        Covariances; a ten-thousandth of the mean variance is added to their diagonals.

    References
    ----------
    Peyré and Cuturi 2019, doi 10.1561/2200000073.
    """
    size = len(source)
    ridge = 1e-4 * 0.5 * float(np.trace(source) + np.trace(target)) / size * np.eye(size)
    root = _power(source + ridge, 0.5)
    back = _power(source + ridge, -0.5)
    told: Floats = back @ _power(root @ (target + ridge) @ root, 0.5) @ back
    return told


def _power(matrix: Floats, exponent: float) -> Floats:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    told: Floats = (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T
    return told
