"""A model whose weights are drawn anew, layer by layer from the answer back to the picture."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from lucyte.schema.protocols import Differentiable

HEAD, REST = "head", "stem and the rest"


def cascade(predictor: Differentiable, seed: int) -> Iterator[tuple[str, Differentiable]]:
    """The same model with more and more of its layers drawn anew.

    Weights are drawn from a normal distribution with the deviation they had; biases and scales,
    which have one axis, change places within their layer. Running means of normalisation layers
    stay. Stages of several encoders that bear one name (``EGFP/stage3``, ``mRFP/stage3``) go
    together.

    Parameters
    ----------
    predictor : Differentiable
        Stays as it is.
    seed : int

    Yields
    ------
    (str, Differentiable)
        What was drawn last, and a copy of the model: head, then the layers from the last to the
        first, then all that is in no named layer.

    References
    ----------
    Adebayo et al. 2018, arXiv 1810.03292.
    """
    import torch

    model = own_copy(predictor)
    generator = torch.Generator().manual_seed(seed)
    for stage, modules in stages(model):
        with torch.no_grad():
            for module in modules:
                for parameter in module.parameters(recurse=False):
                    _draw(parameter, generator)
        yield stage, own_copy(model)


def own_copy(predictor: Differentiable) -> Differentiable:
    """A copy that shares nothing: a compiled engine would go on answering with the old weights."""
    fresh: Any = predictor
    with_engine = getattr(predictor, "with_engine", None)
    if with_engine is not None:
        fresh = with_engine("torch")
    copied: Differentiable = copy.deepcopy(fresh)
    return copied


def stages(predictor: Differentiable) -> list[tuple[str, list[Any]]]:
    """Modules that hold weights, by the stage they belong to, from the answer back."""
    from torch import nn

    layers: dict[str, set[int]] = {}
    for name, layer in predictor.layers().items():
        inside = {id(each) for each in layer.modules()}
        layers.setdefault(name.rsplit("/", 1)[-1], set()).update(inside)
    found: dict[str, list[Any]] = {HEAD: [], **{name: [] for name in reversed(layers)}, REST: []}
    for module in predictor.module().modules():
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        at = next((name for name in reversed(layers) if id(module) in layers[name]), None)
        if at is None:
            at = HEAD if isinstance(module, nn.Linear) else REST
        found[at].append(module)
    return [(name, modules) for name, modules in found.items() if modules]


def _draw(parameter: Any, generator: Any) -> None:
    import torch

    if parameter.ndim < 2:
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
        return
    spread = float(parameter.std()) if parameter.numel() > 1 else 0.0
    if not spread > 0:
        spread = float(parameter[0].numel()) ** -0.5
    parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
