"""What a layer of a network answers, one row per cell: a table that can be mapped."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Differentiable, Predictor

BATCH = 64
"""Crops at once."""


def layer_features(model: Predictor, crops: npt.NDArray[Any], layer: str) -> pd.DataFrame:
    """Mean answer of each feature of a layer, over places or tokens.

    Parameters
    ----------
    model : Differentiable
    crops : array N C Y X
        Raw units, the model's channels.
    layer : str
        A key of ``model.layers()``, or ``stage3`` for that stage of every encoder side by side.

    Returns
    -------
    DataFrame
        N rows, columns ``layer_<layer>_<k>``.

    Raises
    ------
    UsageError
        A model that lets nobody in, or a layer that is not there.
    """
    import torch

    if not isinstance(model, Differentiable):
        raise UsageError(f"{type(model).__name__} has no layers to look at; leave the layer out.")
    layers = model.layers()
    names = [name for name in layers if layer in (name, name.rsplit("/", 1)[-1])]
    if not names:
        raise unknown("layer", layer, layers, "Layers are those of the model's network.")
    caught: dict[str, Any] = {}

    def catch(name: str) -> Any:
        def hook(_module: Any, _given: Any, found: Any) -> None:
            caught[name] = found[0] if isinstance(found, tuple) else found

        return hook

    module = model.module()
    handles = [layers[name].register_forward_hook(catch(name)) for name in names]
    parts: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in names}
    try:
        with torch.inference_mode():
            for at in range(0, len(crops), BATCH):
                module(model.prepare(crops[at : at + BATCH]))
                for name in names:
                    parts[name].append(_pooled(caught[name]))
    finally:
        for handle in handles:
            handle.remove()
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for name in names:
        found = np.concatenate(parts[name]) if parts[name] else np.zeros((0, 0))
        columns |= {f"layer_{name}_{k}": found[:, k] for k in range(found.shape[1])}
    return pd.DataFrame(columns)


def _pooled(answer: Any) -> npt.NDArray[np.float64]:
    """``N F Y X``, ``N tokens F`` or ``N F`` to ``N F``."""
    if answer.ndim == 4:
        answer = answer.mean(dim=(2, 3))
    elif answer.ndim == 3:
        answer = answer.mean(dim=1)
    return np.asarray(answer.float().cpu().numpy(), dtype=np.float64)
