"""Looking inside a network: what its layers answer, and what the score owes to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lucyte.explain.attribution.explained import Ints, Score
from lucyte.learn.erasing import light_channels
from lucyte.networks.fusion import used_channels
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Differentiable, Predictor

BATCH = 64
"""Crops at once: more does not help two cores."""


@dataclass(frozen=True, eq=False)
class Site:
    """A layer of one encoder.

    Attributes
    ----------
    name : str
        As ``model.layers()`` calls it.
    channels : tuple of str
        Channels of light that its encoder sees.
    planes : tuple of int
        The planes of the prepared picture that show them.
    module : Module
    asked : bool
        Whether it is the one asked for; the same layer of the other encoders comes along.
    """

    name: str
    channels: tuple[str, ...]
    planes: tuple[int, ...]
    module: nn.Module
    asked: bool = True


def need_differentiable(model: Predictor, method: str) -> Any:
    """The model, if one can look inside.

    Raises
    ------
    UsageError
    """
    if not isinstance(model, Differentiable):
        raise UsageError(
            f"{method} looks inside a network, and {type(model).__name__} lets nobody in; use a "
            "method that only asks (occlusion, rise, shapley_channels, shapley_pieces)."
        )
    return model


def find_sites(score: Score, layer: str | None = None) -> list[Site]:
    """The same layer of every encoder of a network.

    Parameters
    ----------
    score : Score
    layer : str, optional
        ``stage3`` (of every encoder) or ``mRFP/stage3`` (of one). Default the last; of
        transformers the last but one, for after the last block only the class token is read.

    Raises
    ------
    UsageError
        A layer that is not there.
    """
    model: Any = score.model
    layers = model.layers()
    stages = list(dict.fromkeys(name.rsplit("/", 1)[-1] for name in layers))
    stage = _default(score, layers, stages) if layer is None else layer.rsplit("/", 1)[-1]
    if not stages or (layer is not None and layer not in layers and layer not in stages):
        allowed = [*stages, *(name for name in layers if "/" in name)]
        raise unknown("layer", layer or "", allowed, "Layers are those of the model's network.")
    planes = channel_planes(model)
    sites = []
    for name, module in layers.items():
        head, _, tail = name.rpartition("/")
        if tail == stage:
            own = (head,) if head in planes else seen_channels(model)
            at = tuple(plane for channel in own for plane in planes[channel])
            sites.append(Site(name, own, at, module, layer in (None, stage, name)))
    return sites


def seen_channels(model: Any) -> tuple[str, ...]:
    """The channels of light that the network looks at at all."""
    form = getattr(getattr(model, "plan", None), "form", None)
    if form is not None:
        return used_channels(form, model.plan.channels)
    return tuple(model.channels[k] for k in light_channels(model.channels))


def channel_planes(model: Any) -> dict[str, tuple[int, ...]]:
    """Planes of the prepared picture per channel of light; one each where the model is silent."""
    if hasattr(model, "planes"):
        return dict(model.planes())
    light = [model.channels[k] for k in light_channels(model.channels)]
    return {name: (k,) for k, name in enumerate(light)}


@contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """A module whose weights ask for no gradient meanwhile; half the work and the memory."""
    asking = [p for p in module.parameters() if p.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield module
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


@contextmanager
def hooked(sites: Sequence[Site], change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """Every site answers ``change(its number, its answer)`` instead; hooks always come off."""

    def hook(at: int) -> Callable[[Any, Any, Any], Any]:
        def act(_module: Any, _given: Any, found: Any) -> Any:
            if isinstance(found, tuple):
                return (change(at, found[0]), *found[1:])
            return change(at, found)

        return act

    handles = [site.module.register_forward_hook(hook(k)) for k, site in enumerate(sites)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def look(
    score: Score, sites: Sequence[Site], x: Tensor, rows: Ints, slopes: bool = True
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Answers of the sites to prepared pictures, if asked for the score's slopes there, and logits.

    The backward pass ends at the sites, and no graph is built before them.

    Raises
    ------
    UsageError
        A layer the score does not depend on.
    """
    kept: dict[int, Tensor] = {}

    def cut(at: int, found: Tensor) -> Tensor:
        kept[at] = found.detach().clone().requires_grad_(slopes)
        return kept[at].clone()  # what follows may work in place

    with frozen(score.module()) as module, hooked(sites, cut), torch.set_grad_enabled(slopes):
        told = module(x)
        total = score.of_tensor(told, rows).sum()
    answers = [kept[k] for k in range(len(sites))]
    if not slopes:
        return answers, [], told
    found = torch.autograd.grad(total, answers, allow_unused=True)
    for site, slope in zip(sites, found, strict=True):
        if slope is None:
            raise UsageError(f"the score does not depend on layer {site.name!r}; choose another.")
    return [each.detach() for each in answers], list(found), told.detach()


def as_maps(site: Site, found: Tensor) -> Tensor:
    """An answer as ``N K h w``: tokens lose their class token and go back to their places.

    Raises
    ------
    UsageError
        An answer that is neither a map nor tokens of a square.
    """
    if found.ndim == 4:
        return found
    side = math.isqrt(found.shape[1] - 1) if found.ndim == 3 else 0
    if not side or side * side != found.shape[1] - 1:
        raise UsageError(
            f"layer {site.name!r} answers with shape {tuple(found.shape)}; maps N K h w, or a "
            "class token and a square of patches, can be shown."
        )
    return found[:, 1:].transpose(1, 2).reshape(len(found), -1, side, side)


def undo_view(number: int, maps: Tensor) -> Tensor:
    """Maps of a turned view (see `turned_views`) as the crop lies."""
    flipped = maps.flip(-1) if number >= 4 else maps
    return torch.rot90(flipped, -(number % 4), (-2, -1))


def _default(score: Score, layers: Any, stages: list[str]) -> str | None:
    if not stages:
        return None
    model: Any = score.model
    shape = (1, len(model.channels), model.input_px, model.input_px)
    x = model.prepare(torch.zeros(shape).numpy())
    module = next(m for name, m in layers.items() if name.rsplit("/", 1)[-1] == stages[-1])
    answers, _, _ = look(score, [Site("", (), (), module)], x, score.at[:1] * 0, slopes=False)
    return stages[-2] if answers[0].ndim == 3 and len(stages) > 1 else stages[-1]
