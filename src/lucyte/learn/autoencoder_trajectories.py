r"""What becomes of a cell, from its pictures over time: encode, reduce, convolve along time.

The latents of each frame of a track are projected to the leading directions of the training frames,
and a small network of three convolutions along time, with steps of 1, 2 and 4 frames, is averaged
over the track's own frames:

.. math:: \ell = W \, \frac1T \sum_t h_t + b, \qquad h = f(P E(x_1), \dots, P E(x_T))

Tracks may differ in length.

References
----------
Soelistyo et al. 2022, doi 10.1038/s42256-022-00503-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.learn.inner_split import inner_split
from lucyte.networks.autoencoder import Autoencoder
from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]
STEPS = (1, 2, 4)


@dataclass(frozen=True)
class TrajectorySettings:
    """How tracks are learned from.

    Attributes
    ----------
    components : int
        Directions kept of the latents.
    width, epochs, batch : int
    rate, l2, dropout : float
    validation : float
        Share of the groups by whose loss the epoch is chosen.
    """

    components: int = 8
    width: int = 16
    epochs: int = 60
    batch: int = 16
    rate: float = 5e-3
    l2: float = 1e-3
    dropout: float = 0.3
    validation: float = 0.2


class TemporalNetwork(nn.Module):
    """Convolutions along time; ``N C T`` and which frames are known, ``N T``, to logits."""

    def __init__(self, components: int, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        widths = (components, width, width)
        self.layers = nn.ModuleList(
            nn.Conv1d(a, width, 3, padding=step, dilation=step)
            for a, step in zip(widths, STEPS, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Logits of each track; frames that are not known count nowhere."""
        there = known[:, None].to(x.dtype)
        for layer in self.layers:
            x = F.silu(layer(x)) * there
        mean = x.sum(2) / there.sum(2).clamp_min(1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits


@dataclass(frozen=True, eq=False)
class TrajectoryModel:
    """Tells what tracks become.

    Attributes
    ----------
    encoder : Autoencoder
    centre : float array L
    directions : float array L P
        Each divided by its deviation over training frames.
    network : TemporalNetwork
    classes : tuple of str
    split : str
        How the epoch was chosen.
    """

    encoder: Autoencoder
    centre: Floats
    directions: Floats
    network: TemporalNetwork
    classes: tuple[str, ...]
    split: str

    def path(self, track: npt.NDArray[Any]) -> Floats:
        """Frames ``T C Y X`` in raw units to their way ``T P`` through the reduced latents."""
        told: Floats = (self.encoder.embed(track) - self.centre) @ self.directions
        return told

    def logits(self, tracks: Sequence[npt.NDArray[Any]]) -> Floats:
        """Tracks, each ``T C Y X`` in raw units, to logits ``N K``.

        Raises
        ------
        UsageError
            A track without a frame, or frames the encoder does not take.
        """
        _check(tracks)
        if not len(tracks):
            return np.zeros((0, len(self.classes)))
        x, known = _padded([self.path(track) for track in tracks])
        with torch.inference_mode():
            told = self.network.eval()(x, known).numpy()
        return np.asarray(told, dtype=np.float64)


def fit_trajectories(
    encoder: Autoencoder,
    tracks: Sequence[npt.NDArray[Any]],
    labels: Sequence[str],
    groups: Sequence[str],
    seed: int,
    settings: TrajectorySettings | None = None,
) -> TrajectoryModel:
    """Learn what tracks become; the encoder stays as it is.

    Parameters
    ----------
    encoder : Autoencoder
        Trained on cells of other units, or of these without looking at what becomes of them.
    tracks : sequence of N arrays T C Y X
        Raw units, in time; lengths may differ.
    labels, groups : sequence of N str
        What became of each, and its independent unit.
    seed : int
    settings : TrajectorySettings, optional

    Raises
    ------
    UsageError
        One class only, lengths that differ, a track without a frame.
    """
    told = settings or TrajectorySettings()
    _check(tracks)
    if not len(tracks) == len(labels) == len(groups):
        raise UsageError(
            f"got {len(tracks)} tracks, {len(labels)} labels and {len(groups)} groups; one each."
        )
    train, validation, split = inner_split(labels, groups, told.validation, seed)
    latents = [encoder.embed(track) for track in tracks]
    centre, directions = _directions(np.concatenate([latents[k] for k in train]), told.components)
    x, known = _padded([(each - centre) @ directions for each in latents])
    classes = tuple(sorted(set(labels)))
    target = torch.tensor([classes.index(name) for name in labels])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TemporalNetwork(x.shape[1], told.width, len(classes), told.dropout)
        _train(network, (x, known, target), (train, validation), told, seed)
    return TrajectoryModel(encoder, centre, directions, network.eval(), classes, split)


def _train(
    network: TemporalNetwork,
    data: tuple[Tensor, Tensor, Tensor],
    rows: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    settings: TrajectorySettings,
    seed: int,
) -> None:
    """Fit in place; ends with the weights of least validated loss, the last ones without any."""
    x, known, target = data
    train, held = rows[0], torch.from_numpy(rows[1])
    optimiser = torch.optim.AdamW(network.parameters(), settings.rate, weight_decay=settings.l2)
    rng = np.random.default_rng(seed)
    best, least = {k: v.clone() for k, v in network.state_dict().items()}, float("inf")
    for _ in range(settings.epochs):
        network.train()
        order = rng.permutation(train)
        for at in range(0, len(order), settings.batch):
            some = torch.from_numpy(order[at : at + settings.batch])
            loss = F.cross_entropy(network(x[some], known[some]), target[some])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        network.eval()
        with torch.inference_mode():
            now = (
                float(F.cross_entropy(network(x[held], known[held]), target[held]))
                if len(held)
                else -float("inf")
            )
        if now < least or not len(held):
            best, least = {k: v.clone() for k, v in network.state_dict().items()}, now
    network.load_state_dict(best)


def _directions(frames: Floats, components: int) -> tuple[Floats, Floats]:
    centre = frames.mean(axis=0)
    _, length, rows = np.linalg.svd(frames - centre, full_matrices=False)
    keep = min(components, int((length > 1e-9 * max(length[0], 1e-12)).sum()))
    deviation = length[:keep] / np.sqrt(max(len(frames) - 1, 1))
    return centre, rows[:keep].T / deviation


def _padded(paths: Sequence[Floats]) -> tuple[Tensor, Tensor]:
    """Ways ``T P`` as ``N P T`` with zeros behind, and which frames are known."""
    longest = max(len(path) for path in paths)
    x = torch.zeros((len(paths), paths[0].shape[1], longest))
    known = torch.zeros((len(paths), longest), dtype=torch.bool)
    for k, path in enumerate(paths):
        x[k, :, : len(path)] = torch.from_numpy(path.T).float()
        known[k, : len(path)] = True
    return x, known


def _check(tracks: Sequence[npt.NDArray[Any]]) -> None:
    for k, track in enumerate(tracks):
        if track.ndim != 4 or not len(track):
            raise UsageError(
                f"track {k} must be T C Y X with one frame or more, got shape {track.shape}."
            )
