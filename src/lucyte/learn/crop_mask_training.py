r"""Train the network that outlines the one cell of a crop.

The loss of every depth of the U-Net++ is cross-entropy plus one minus soft Dice per crop,

.. math:: L = -\overline{t \log p + (1-t)\log(1-p)}
          + 1 - \frac{2\sum pt + 1}{\sum p + \sum t + 1}

averaged over depths. Boxes of a detector are not exact: each time a crop is drawn its sides move,
and it is mirrored and turned.

References
----------
Presacan et al. 2025, doi 10.1371/journal.pone.0331045 (the protocol); Zhou et al. 2020,
doi 10.1109/TMI.2019.2959609 (deep supervision).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.networks.crop_masks import CropMaskNetwork, build, enlarge, standardise
from lucyte.schema.errors import UsageError


@dataclass(frozen=True)
class CropSamples:
    """Crops with room around each box, and the cell in each.

    Attributes
    ----------
    crops : array ``n C w w``
        Raw units.
    masks : bool array ``n w w``
    inner : float array ``n x 4``
        ``x0, y0, x1, y1`` of the box in px of its crop.
    groups : array ``n``
        What must not be torn apart by a split: wells.
    """

    crops: npt.NDArray[Any]
    masks: npt.NDArray[np.bool_]
    inner: npt.NDArray[np.float64]
    groups: npt.NDArray[Any]

    def __post_init__(self) -> None:
        n = {len(self.crops), len(self.masks), len(self.inner), len(self.groups)}
        if len(n) != 1:
            raise UsageError(f"crops, masks, boxes and groups differ in number: {sorted(n)}.")

    def take(self, rows: npt.NDArray[Any]) -> CropSamples:
        """Some of them."""
        return CropSamples(self.crops[rows], self.masks[rows], self.inner[rows], self.groups[rows])


def train_crop_masks(
    samples: CropSamples,
    channels: tuple[str, ...],
    *,
    side_px: int = 64,
    steps: int = 600,
    batch: int = 32,
    rate: float = 2e-3,
    jitter: float = 0.1,
    seed: int = 0,
    told: Callable[[int, float], None] | None = None,
) -> CropMaskNetwork:
    """Fit a network on crops.

    Parameters
    ----------
    samples : CropSamples
    channels : tuple of str
        Names of the crops' planes.
    side_px : int
        Of the crops that the network sees.
    steps, batch : int
    rate : float
        Highest learning rate of AdamW; it falls along a half cosine.
    jitter : float
        Each side of a box moves by up to this share of the box.
    seed : int
    told : callable of step and loss, optional

    Raises
    ------
    UsageError
        No samples; a loss that is not finite, naming the step.
    """
    if not len(samples.crops):
        raise UsageError("there are no crops to train on.")
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = build(channels, side_px)
    network = model.network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        rows = rng.integers(0, len(samples.crops), batch)
        crops, masks = draw(samples, rows, side_px, jitter, rng)
        answers = network.all_depths(standardise(crops))
        loss = torch.stack([crop_loss(enlarge(each, side_px), masks) for each in answers]).mean()
        if not torch.isfinite(loss):
            raise UsageError(f"training diverged at step {step}: the loss is {loss.item()}.")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if told is not None:
            told(step, loss.item())
    network.eval()
    return model


def crop_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy plus one minus soft Dice per crop; both ``n s s``."""
    found = torch.sigmoid(logits)
    both, total = (found * truth).sum((1, 2)), (found + truth).sum((1, 2))
    dice = 1 - (2 * both + 1) / (total + 1)
    return F.binary_cross_entropy_with_logits(logits, truth) + dice.mean()


def draw(
    samples: CropSamples,
    rows: npt.NDArray[Any],
    side_px: int,
    jitter: float,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Crops ``n C s s`` and masks ``n s s`` of jittered boxes, mirrored and turned.

    With ``jitter`` 0 the boxes are exact and nothing is turned: for validation.
    """
    width = samples.crops.shape[-1]
    scale = 2.0 / width
    box = torch.from_numpy(samples.inner[rows]).float()
    size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    moved = torch.from_numpy(rng.uniform(-jitter, jitter, (len(rows), 4))).float()
    box = box + moved * size
    middle, half = (box[:, :2] + box[:, 2:]) / 2 * scale - 1, (box[:, 2:] - box[:, :2]) / width
    turn = torch.diag_embed(half)
    if jitter > 0:
        flips = torch.from_numpy(rng.choice([-1.0, 1.0], (len(rows), 2))).float()
        turn = turn * flips[:, None]
        swapped = torch.from_numpy(rng.random(len(rows)) < 0.5)[:, None, None]
        turn = torch.where(swapped, turn.flip(2), turn)
    frame = torch.cat([turn, middle[:, :, None]], 2)
    parts = [samples.crops[rows], samples.masks[rows][:, None]]
    planes = np.concatenate(parts, 1).astype(np.float32)
    shape = [len(rows), planes.shape[1], side_px, side_px]
    grid = F.affine_grid(frame, shape, align_corners=False)
    light = F.grid_sample(
        torch.from_numpy(planes), grid, padding_mode="border", align_corners=False
    )
    return light[:, :-1], (light[:, -1] >= 0.5).float()


def crop_scores(model: CropMaskNetwork, samples: CropSamples) -> dict[str, float]:
    """IoU, Dice, precision and recall of exact boxes, each the mean over crops.

    The published protocol: at the crops' own size, whatever the size of the cell.
    """
    rng = np.random.default_rng(0)
    every = []
    for start in range(0, len(samples.crops), 256):
        rows = np.arange(start, min(start + 256, len(samples.crops)))
        crops, masks = draw(samples, rows, model.side_px, 0.0, rng)
        found, truth = model(crops.numpy()) >= 0.5, masks.numpy() > 0
        both = (found & truth).sum((1, 2))
        n_found, n_truth = found.sum((1, 2)), truth.sum((1, 2))
        every.append(np.stack([both, n_found, n_truth], 1).astype(np.float64))
    both, n_found, n_truth = np.concatenate(every).T
    return {
        "IoU": float(np.mean(both / np.maximum(n_found + n_truth - both, 1))),
        "Dice": float(np.mean(2 * both / np.maximum(n_found + n_truth, 1))),
        "precision": float(np.mean(both / np.maximum(n_found, 1))),
        "recall": float(np.mean(both / np.maximum(n_truth, 1))),
    }
