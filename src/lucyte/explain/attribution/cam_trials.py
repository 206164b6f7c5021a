r"""Class-activation maps whose weights are tried out: Score-CAM and Ablation-CAM.

.. math::
    \text{Score-CAM} &: \Big[\sum_k w_k A_k\Big]^+, \quad
        w = \mathrm{softmax}_k\big(s(x \odot \hat A_k + b \odot (1 - \hat A_k)) - s(b)\big) \\
    \text{Ablation-CAM} &: \Big[\sum_k (s - s_{A_k = 0}) A_k\Big]^+

with :math:`\hat A_k` the map at the size of the picture, from 0 to 1, and b the prepared fill. In a
fused network a map hides only what its own encoder sees, and the softmax goes over the maps of all
encoders, so that they stay on one scale. Ablation-CAM is published with the fall over s; one
number per crop, it is left out because a margin may be 0 or below.

References
----------
Wang et al. 2020, doi 10.1109/CVPRW50498.2020.00020. Desai and Ramaswamy 2020,
doi 10.1109/WACV45572.2020.9093360.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.explain.attribution.cam import finish, over_crops
from lucyte.explain.attribution.explained import Ints, Score
from lucyte.explain.attribution.inside import (
    Site,
    as_maps,
    find_sites,
    frozen,
    hooked,
    look,
    need_differentiable,
)

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.relevance import Relevance

TAILS = 1024
"""Ablated answers that go through the rest of the network at once."""
MASKED = 512
"""Masked pictures at once."""


def score_cam(case: Case) -> Relevance:
    """Score-CAM as a row of the table of methods; one forward pass per map of the layer."""
    need_differentiable(case.score.model, case.method)
    score = case.fixed()
    sites = find_sites(score, case.settings.layer)

    def maps_of(x: Tensor, rows: Ints) -> list[Tensor]:
        answers, _, _ = look(score, sites, x, rows, slopes=False)
        maps = [as_maps(site, found) for site, found in zip(sites, answers, strict=True)]
        fill = case.prepared_fill(rows)
        gains = [
            _gains(score, site, own, (x, fill), rows) for site, own in zip(sites, maps, strict=True)
        ]
        weights = torch.softmax(torch.cat(gains, dim=1), dim=1)
        own_weights = torch.split(weights, [each.shape[1] for each in gains], dim=1)
        return [torch.einsum("nk,nkhw->nhw", w, a) for w, a in zip(own_weights, maps, strict=True)]

    # Asking the model averages its turned views already.
    return finish(case, sites, over_crops(case, maps_of, turns=1), "activity")


def ablation_cam(case: Case) -> Relevance:
    """Ablation-CAM as a row of the table of methods; one pass from the layer on per map."""
    need_differentiable(case.score.model, case.method)
    score = case.fixed()
    sites = find_sites(score, case.settings.layer)

    def maps_of(x: Tensor, rows: Ints) -> list[Tensor]:
        answers, _, _ = look(score, sites, x, rows, slopes=False)
        falls = _falls(score, sites, (x, answers), rows)
        maps = [as_maps(site, found) for site, found in zip(sites, answers, strict=True)]
        return [torch.einsum("nk,nkhw->nhw", w, a) for w, a in zip(falls, maps, strict=True)]

    return finish(case, sites, over_crops(case, maps_of, score.turns, batch=16), "score")


def unit_range(maps: Tensor, side: int) -> Tensor:
    """Maps ``N K h w`` at ``side``, each from 0 to 1; a constant one is 0 everywhere."""
    large = F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)
    low = large.amin(dim=(2, 3), keepdim=True)
    span = large.amax(dim=(2, 3), keepdim=True) - low
    return torch.where(span > 0, (large - low) / torch.where(span > 0, span, 1.0), 0.0)


def _gains(
    score: Score, site: Site, maps: Tensor, pictures: tuple[Tensor, Tensor], rows: Ints
) -> Tensor:
    """Score of the picture seen through each map of a site less that of the fill, ``N K``."""
    x, fill = pictures
    planes = list(site.planes)
    every = len(planes) == x.shape[1]
    count, features = maps.shape[:2]
    out = torch.zeros(count, features)
    step = max(1, MASKED // features)
    for at in range(0, count, step):
        here = slice(at, at + step)
        mask = unit_range(maps[here], x.shape[-1])[:, :, None]
        own, other = (p[here] if every else p[here][:, planes] for p in (x, fill))
        seen = torch.lerp(other[:, None], own[:, None], mask).flatten(0, 1)
        if not every:
            whole = x[here].repeat_interleave(features, dim=0)
            whole[:, planes] = seen
            seen = whole
        told = score.ask_prepared(seen, np.repeat(rows[here], features))
        out[here] = torch.from_numpy(told).float().reshape(-1, features)
    empty = x.clone()
    empty[:, planes] = fill[:, planes]
    return out - torch.from_numpy(score.ask_prepared(empty, rows)).float()[:, None]


def _falls(
    score: Score, sites: Sequence[Site], seen: tuple[Tensor, list[Tensor]], rows: Ints
) -> list[Tensor]:
    """Fall of the score when one map of one site is 0, ``N K`` per site.

    The batch grows at the sites: what lies before them is computed once for many ablations. Where
    ways lead around a site, it grows at the picture.
    """
    try:
        return _falls_from(score, sites, seen, rows, at_sites=True)
    except RuntimeError:  # batches of two sizes meet behind the site
        return _falls_from(score, sites, seen, rows, at_sites=False)


def _falls_from(
    score: Score,
    sites: Sequence[Site],
    seen: tuple[Tensor, list[Tensor]],
    rows: Ints,
    *,
    at_sites: bool,
) -> list[Tensor]:
    x, answers = seen
    count = len(x)
    with frozen(score.module()) as module, torch.inference_mode():
        before = score.of_tensor(module(x), rows)
        out = []
        for own, found in enumerate(answers):
            features = found.shape[-1] if found.ndim == 3 else found.shape[1]
            falls = torch.empty(count, features)
            step = max(1, TAILS // count)
            for at in range(0, features, step):
                some = range(at, min(at + step, features))

                def ablate(site: int, answer: Tensor, some: range = some, own: int = own) -> Tensor:
                    times = len(some) if at_sites else 1
                    many = answer.repeat_interleave(times, dim=0)
                    if site == own:
                        # Row n * len(some) + j is crop n without map some[j].
                        view = many.view(count, len(some), *many.shape[1:])
                        for j, k in enumerate(some):
                            if many.ndim == 3:
                                view[:, j, 1:, k] = 0  # patches; the class token is no map
                            else:
                                view[:, j, k] = 0
                    return many

                with hooked(sites, ablate):
                    given = x if at_sites else x.repeat_interleave(len(some), dim=0)
                    told = score.of_tensor(module(given), np.repeat(rows, len(some)))
                falls[:, at : at + len(some)] = before[:, None] - told.reshape(count, len(some))
            out.append(falls)
    return out
