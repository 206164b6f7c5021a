r"""Counterfactuals through an autoencoder, with what it cannot draw kept.

An autoencoder draws a cell smoothly: noise, small spots and neighbours are lost. With :math:`x` the
prepared crop, the picture of moved latents :math:`z'` is therefore

.. math:: x' = D(z') + \left( x - D(E(x)) \right)

so that a latent that stays changes nothing at all. The way across the border is the head's own
direction in the first latents, in closed form; see `lucyte.explain.counterfactual.crossing`.

References
----------
Rotem et al. 2024 (DISCOVER), doi 10.1038/s41467-024-51136-9 (counterfactuals by traversal).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from lucyte.explain.counterfactual import Counterfactuals, FilmStrips, counterfactual, film_strips
from lucyte.networks.autoencoder import Autoencoder
from lucyte.schema.errors import UsageError


@dataclass(frozen=True, eq=False)
class KeptRest(Autoencoder):
    """An autoencoder that draws certain crops, one by one, with what it cannot draw added.

    Attributes
    ----------
    rest : Tensor N P H W
        Prepared crops less their pictures.
    """

    rest: Tensor = field(default_factory=lambda: torch.zeros((0, 0, 0, 0)))

    def planes_of(self, z: Tensor) -> Tensor:
        """Latents of the same crops, moved, to prepared planes.

        Raises
        ------
        UsageError
            Latents of another number of crops.
        """
        if len(z) != len(self.rest):
            raise UsageError(
                f"the rest of {len(self.rest)} crops is kept, got the latents of {len(z)}."
            )
        return super().planes_of(z) + self.rest


def keep_rest(model: Autoencoder, crops: npt.NDArray[Any]) -> KeptRest:
    """The model with what it cannot draw of these crops added to what it draws.

    Parameters
    ----------
    model : Autoencoder
    crops : array N C Y X
        Raw units, in the model's channels.
    """
    parts = {each.name: getattr(model, each.name) for each in fields(Autoencoder)}
    drawn = model.planes_of(model.encode(crops))
    return KeptRest(**parts, rest=model.prepare(crops) - drawn)


def latent_counterfactual(
    model: Autoencoder,
    crops: npt.NDArray[Any],
    target: str,
    how: str | float | Sequence[float] = "convincing",
    keep: bool = True,
) -> Counterfactuals:
    """What each crop would look like in the target class, by its first latents alone.

    Parameters
    ----------
    model : Autoencoder
    crops : array N C Y X
        Raw units, in the model's channels.
    target : str
    how : {"boundary", "convincing"} or float
        On the border of the latents, well beyond it, or alpha itself.
    keep : bool
        Add what the autoencoder cannot draw; without it the picture is smooth, and ``before`` is
        still that of the crop.

    Raises
    ------
    UsageError
        A class never seen, crops of another form.
    """
    drawing = keep_rest(model, crops) if keep else model
    return counterfactual(drawing, crops, target, how, "head")


def latent_strips(
    model: Autoencoder, crops: npt.NDArray[Any], target: str, steps: int = 7, keep: bool = True
) -> FilmStrips:
    """Pictures at even steps from the crop to the convincing image; see `film_strips`."""
    drawing = keep_rest(model, crops) if keep else model
    return film_strips(drawing, crops, target, steps, "head")
