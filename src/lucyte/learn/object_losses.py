r"""Losses of an object network, by name; each weighs every object alike, large or small.

The network's raw answer is :math:`K` maps: logits of foreground and centre, votes in units of
``UNIT`` output px, and the logarithm of the box sides in the same unit.

References
----------
Zhou et al., Objects as Points, 2019 (arXiv 1904.07850): focal loss of the centres.
Milletari et al., V-Net, 2016, doi 10.1109/3DV.2016.79: Dice.
Shit et al., clDice, CVPR 2021, doi 10.1109/CVPR46437.2021.01629.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.networks.object_network import (
    BOTTOM,
    CENTRE,
    FOREGROUND,
    LEFT,
    MAPS,
    UNIT,
    VOTE_X,
    VOTE_Y,
)

Batch = Mapping[str, Tensor]
"""Targets with a batch axis in front: foreground, centre, votes, sides, size, inner, classes."""


def foreground_bce(answer: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the foreground where it is known."""
    truth = batch["foreground"]
    known = ~torch.isnan(truth)
    loss = F.binary_cross_entropy_with_logits(
        answer[:, FOREGROUND], torch.nan_to_num(truth), reduction="none"
    )
    return (loss * known).sum() / known.sum().clamp(min=1)


def foreground_dice(answer: Tensor, batch: Batch) -> Tensor:
    """One minus the soft Dice of the foreground where it is known, per image."""
    truth = batch["foreground"]
    known = (~torch.isnan(truth)).float()
    truth = torch.nan_to_num(truth)
    found = torch.sigmoid(answer[:, FOREGROUND]) * known
    both = (found * truth).sum((1, 2))
    return (1 - (2 * both + 1) / (found.sum((1, 2)) + truth.sum((1, 2)) + 1)).mean()


def centre_focal(answer: Tensor, batch: Batch) -> Tensor:
    """Penalty-reduced focal loss of the centres, per object."""
    truth, logit = batch["centre"], answer[:, CENTRE]
    p = torch.sigmoid(logit)
    at = truth >= 0.999
    hit = -F.logsigmoid(logit) * (1 - p) ** 2 * at
    miss = -F.logsigmoid(-logit) * p**2 * (1 - truth) ** 4 * ~at
    return (hit.sum() + miss.sum()) / at.sum().clamp(min=1)


def votes(answer: Tensor, batch: Batch) -> Tensor:
    """Miss of the votes in object sizes, the mean over the objects' pixels."""
    size = batch["size"]
    inside = size > 0
    miss = (answer[:, VOTE_Y : VOTE_X + 1] * UNIT - batch["votes"]).abs().sum(1)
    # Small objects have few pixels: the weight makes each object, not each pixel, count.
    weight = inside / size.clamp(min=2)
    return (miss / size.clamp(min=2) * weight).sum() / weight.sum().clamp(min=1e-6)


def sides_iou(answer: Tensor, batch: Batch) -> Tensor:
    """One minus the generalised IoU of the boxes, at pixels near a centre."""
    inner = batch["inner"]
    found = torch.exp(answer[:, LEFT : BOTTOM + 1].clamp(-5, 5)) * UNIT
    found = found.permute(0, 2, 3, 1)[inner]
    truth = batch["sides"].permute(0, 2, 3, 1)[inner].clamp(min=0)
    weight = 1 / batch["size"][inner].clamp(min=2) ** 2
    if len(truth) == 0:
        return answer.sum() * 0
    meet = torch.minimum(found, truth)
    join = torch.maximum(found, truth)
    both = (meet[:, 0] + meet[:, 2]) * (meet[:, 1] + meet[:, 3])
    one = (found[:, 0] + found[:, 2]) * (found[:, 1] + found[:, 3])
    two = (truth[:, 0] + truth[:, 2]) * (truth[:, 1] + truth[:, 3])
    union = (one + two - both).clamp(min=1e-6)
    hull = ((join[:, 0] + join[:, 2]) * (join[:, 1] + join[:, 3])).clamp(min=1e-6)
    giou = both / union - (hull - union) / hull
    return ((1 - giou) * weight).sum() / weight.sum()


def classes(answer: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the class at pixels near a centre; nothing where none is annotated."""
    if answer.shape[1] == MAPS:
        return answer.sum() * 0
    truth = torch.where(batch["inner"], batch["classes"].long(), -1)
    if not bool((truth >= 0).any()):
        return answer.sum() * 0
    return F.cross_entropy(answer[:, MAPS:], truth, ignore_index=-1)


def foreground_cldice(answer: Tensor, batch: Batch) -> Tensor:
    """One minus the soft centre-line Dice of the foreground, for thin organelles."""
    truth = torch.nan_to_num(batch["foreground"])[:, None]
    found = torch.sigmoid(answer[:, FOREGROUND : FOREGROUND + 1])
    line_found, line_truth = soft_skeleton(found), soft_skeleton(truth)
    precision = ((line_found * truth).sum() + 1) / (line_found.sum() + 1)
    recall = ((line_truth * found).sum() + 1) / (line_truth.sum() + 1)
    return 1 - 2 * precision * recall / (precision + recall)


def soft_skeleton(image: Tensor, iterations: int = 10) -> Tensor:
    """What repeated opening takes away: a differentiable skeleton, N 1 Y X."""

    def erode(x: Tensor) -> Tensor:
        down = -F.max_pool2d(-x, (3, 1), 1, (1, 0))
        across = -F.max_pool2d(-x, (1, 3), 1, (0, 1))
        return torch.minimum(down, across)

    def opened(x: Tensor) -> Tensor:
        return F.max_pool2d(erode(x), 3, 1, 1)

    skeleton = F.relu(image - opened(image))
    for _ in range(iterations):
        image = erode(image)
        delta = F.relu(image - opened(image))
        skeleton = skeleton + F.relu(delta - skeleton * delta)
    return skeleton


LOSSES: Mapping[str, Callable[[Tensor, Batch], Tensor]] = {
    "foreground_bce": foreground_bce,
    "foreground_dice": foreground_dice,
    "foreground_cldice": foreground_cldice,
    "centre_focal": centre_focal,
    "votes": votes,
    "sides_iou": sides_iou,
    "classes": classes,
}
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "foreground_bce": 1.0,
    "foreground_dice": 0.5,
    "centre_focal": 0.5,
    "votes": 3.0,
    "sides_iou": 1.0,
    "classes": 0.5,
}


def object_loss(
    answers: list[Tensor], batch: Batch, weights: Mapping[str, float]
) -> tuple[Tensor, dict[str, float]]:
    """The sum over losses, averaged over depths with the deepest counting most.

    Returns
    -------
    Tensor, dict
        The loss to descend and, for the log, each part of the deepest answer.
    """
    share = [0.5 ** (len(answers) - 1 - depth) for depth in range(len(answers))]
    total = answers[0].new_zeros(())
    parts: dict[str, float] = {}
    for answer, part in zip(answers, share, strict=True):
        values = {name: LOSSES[name](answer, batch) for name in weights}
        total = total + part / sum(share) * sum(weights[name] * values[name] for name in weights)
        parts = {name: float(value.detach()) for name, value in values.items()}
    return total, parts
