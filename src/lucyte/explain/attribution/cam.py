r"""Class-activation maps from one forward pass and the short way back to a layer.

With :math:`A_k(p)` the layer's answer, :math:`g_k(p) = \partial s / \partial A_k(p)` and
:math:`\langle\cdot\rangle` the mean over places:

.. math::
    \text{Grad-CAM} &: \Big[\sum_k \langle g_k \rangle A_k\Big]^+ \\
    \text{Grad-CAM++} &: \Big[\sum_k A_k \sum_p \alpha_k g_k^+\Big]^+, \quad
        \alpha_k = g_k^2 \big/ \big(2 g_k^2 + g_k^3 \textstyle\sum_p A_k\big) \\
    \text{XGrad-CAM} &: \Big[\sum_k A_k \sum_p g_k A_k \big/ \textstyle\sum_p A_k\Big]^+ \\
    \text{Layer-CAM} &: \Big[\sum_k g_k^+ A_k\Big]^+ \\
    \text{Eigen-CAM} &: \sum_k v_k A_k, \quad v \text{ the first right singular vector of } A

Behind a mean over places and a linear head the px of a Grad-CAM (before its negative part is cut)
add up to the score but for the head's constant. That holds for all encoders of a fused network at
once, so their maps are on one scale; Eigen-CAM takes one :math:`v` over all encoders together. Maps
are enlarged so that their px keep adding up.

References
----------
Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74. Chattopadhay et al. 2018,
doi 10.1109/WACV.2018.00097. Fu et al. 2020, arXiv 2008.02312. Jiang et al. 2021,
doi 10.1109/TIP.2021.3089943. Muhammad and Yeasin 2020, doi 10.1109/IJCNN48605.2020.9206626.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.explain.attribution.explained import Floats, Ints
from lucyte.explain.attribution.inside import (
    BATCH,
    Site,
    as_maps,
    find_sites,
    look,
    need_differentiable,
    undo_view,
)
from lucyte.networks.image_classifier import turned_views

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.relevance import Relevance

Formula = Callable[[Tensor, Tensor], Tensor]
TINY = 1e-12
NEAR_POLE = 1e-6
"""How near to 0 the weight of Grad-CAM++ may be divided by."""


def cam(case: Case) -> Relevance:
    """The CAM of ``case.method`` as a row of the table of methods."""
    need_differentiable(case.score.model, case.method)
    # Several views are averaged before the class that comes second is known.
    alone = case.score.turns == 1
    score = case.score if alone else case.fixed()
    sites = find_sites(score, case.settings.layer)
    formula = FORMULAS.get(case.method)

    told: list[Floats] = []

    def maps_of(x: Tensor, rows: Ints) -> list[Tensor]:
        answers, slopes, logits = look(score, sites, x, rows, slopes=formula is not None)
        told.append(logits.double().numpy())
        maps = [as_maps(site, found) for site, found in zip(sites, answers, strict=True)]
        if formula is None:
            return eigen_cams(maps)
        ways = [as_maps(site, found) for site, found in zip(sites, slopes, strict=True)]
        return [formula(a, g) for a, g in zip(maps, ways, strict=True)]

    found = over_crops(case, maps_of, score.turns)
    if alone:
        case.told(np.concatenate(told))
    return finish(case, sites, found, "score" if formula is not None else "activity")


def over_crops(
    case: Case, maps_of: Callable[[Tensor, Ints], list[Tensor]], turns: int, batch: int = BATCH
) -> list[Tensor]:
    """Maps ``N h w`` per site of all crops, averaged over the views that a model averages."""
    parts: list[list[Tensor]] = []
    for at in range(0, len(case.crops), batch):
        rows = np.arange(at, min(at + batch, len(case.crops)))
        x = case.prepared(rows)
        views = turned_views(x, turns)
        turned = [
            [undo_view(k, each) for each in maps_of(view, rows)] for k, view in enumerate(views)
        ]
        parts.append([torch.stack(own).mean(dim=0) for own in zip(*turned, strict=True)])
    return [torch.cat(own) for own in zip(*parts, strict=True)]


def finish(case: Case, sites: Sequence[Site], found: Sequence[Tensor], unit: str) -> Relevance:
    """Maps of sites as relevance of channels, at the size of the crops."""
    side = case.crops.shape[-1]
    maps = np.zeros((len(case.crops), len(case.light), side, side))
    joined: tuple[str, ...] = ()
    for site, own in zip(sites, found, strict=True):
        if not site.asked:
            continue
        if not case.settings.keep_negative:
            own = own.clamp_min(0)
        large = enlarge(own, side) / len(site.channels)
        for name in site.channels:
            maps[:, case.light.index(name)] += large
        joined = site.channels if len(site.channels) > 1 else joined
    name = ", ".join(site.name for site in sites if site.asked)
    return case.found(maps, unit, joined=joined, note=f"Layer {name}.", fill=False)


def enlarge(maps: Tensor, side: int) -> Floats:
    """Maps ``N h w`` at ``side``, their sums kept."""
    large = F.interpolate(maps[:, None], size=(side, side), mode="bilinear", align_corners=False)
    ratio = maps.shape[1] * maps.shape[2] / side**2
    return np.asarray((large[:, 0] * ratio).numpy(), dtype=np.float64)


def grad_cam(a: Tensor, g: Tensor) -> Tensor:
    """Maps ``N h w`` of answers and slopes ``N K h w``; negative parts are kept."""
    return torch.einsum("nk,nkhw->nhw", g.mean(dim=(2, 3)), a)


def grad_cam_plus_plus(a: Tensor, g: Tensor) -> Tensor:
    """See the module; the factor exp(s) of the paper, one number per crop, is left out."""
    # The paper's g^2 above and below the line cancels: slopes are small where pictures are large.
    below = 2 + g * a.sum(dim=(2, 3), keepdim=True)
    sound = (g != 0) & (below.abs() > NEAR_POLE)
    alpha = torch.where(sound, 1 / torch.where(sound, below, 1.0), 0.0)
    return torch.einsum("nk,nkhw->nhw", (alpha * g.clamp_min(0)).sum(dim=(2, 3)), a)


def xgrad_cam(a: Tensor, g: Tensor) -> Tensor:
    """See the module; a map without activity has no weight."""
    total = a.sum(dim=(2, 3))
    some = total.abs() > TINY
    weight = (g * a).sum(dim=(2, 3)) / torch.where(some, total, 1.0) * some
    return torch.einsum("nk,nkhw->nhw", weight, a)


def layer_cam(a: Tensor, g: Tensor) -> Tensor:
    """See the module."""
    return (g.clamp_min(0) * a).sum(dim=1)


def eigen_cams(maps: Sequence[Tensor]) -> list[Tensor]:
    """Projections of all encoders' answers on their one first direction.

    The direction's sign is free; it is set so that the projections add up to more than 0.
    """
    flat = torch.cat([each.flatten(2) for each in maps], dim=1)
    # Over places, not over features: there are fewer of them, and the product is the same.
    _, places = torch.linalg.eigh(flat.transpose(1, 2) @ flat)
    first = torch.einsum("nkp,np->nk", flat, places[:, :, -1])
    first = first / first.norm(dim=1, keepdim=True).clamp_min(TINY)
    first = first * torch.where((flat.sum(dim=2) * first).sum(dim=1) < 0, -1.0, 1.0)[:, None]
    pieces = first.split([each.shape[1] for each in maps], dim=1)
    return [torch.einsum("nk,nkhw->nhw", v, each) for v, each in zip(pieces, maps, strict=True)]


FORMULAS: dict[str, Formula] = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "xgrad_cam": xgrad_cam,
    "layer_cam": layer_cam,
}
"""Without Eigen-CAM, which needs no slopes and all encoders at once."""
