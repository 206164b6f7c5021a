r"""Training an autoencoder whose first latents say the class.

With :math:`d` the mean squared error of a prepared px, :math:`C(t)` rising evenly to its last value
over nine tenths of the training, :math:`T` what the head is asked for, and :math:`S` the covariance
of the latents over a batch:

.. math:: \ell = d + \gamma \left| \sum_j \mathrm{KL}_j - C(t) \right| + \beta T
          + \delta \operatorname{mean}_{j \ne k} S_{jk}^2
          + \eta \operatorname{mean}_j (E(D(z'))_j - z'_j)^2

:math:`T` is the cross-entropy of the labels by the mean latents, or, with a teacher, the squared
error of its centred logits in their own deviations. :math:`z'` is a cell's latent with one of its
first latents moved, read back from the picture it gives: what a latent claims must be there to be
seen.

References
----------
Burgess et al. 2018, arXiv 1804.03599 (capacity). Soelistyo et al. 2022,
doi 10.1038/s42256-022-00503-6 (cells). Rotem et al. 2024 (DISCOVER),
doi 10.1038/s41467-024-51136-9. Kumar et al. 2018, arXiv 1711.00848 (covariance of latents).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from lucyte.learn.image_augment import IN_PLACE, AugmentSettings, augment
from lucyte.learn.image_training import Diverged, Progress, TrainingSet
from lucyte.networks.autoencoder_network import AutoencoderNetwork, kl_divergence, off_diagonal
from lucyte.networks.invertible_input import InvertibleInput
from lucyte.schema.errors import UsageError

Told = Callable[[Mapping[str, float]], None]
RISING = 0.9
"""Share of the training over which the capacity rises."""
REACH = 3.0
"""How far a latent is moved, at most, before it is read back."""
FEWEST_STEPS = 20


@dataclass(frozen=True)
class AutoencoderTraining:
    """How an autoencoder is trained.

    Attributes
    ----------
    epochs, patience : int
        At most so many passes; stops after so many without a better validation.
    batch : int
    rate, last_rate : float
        Learning rate of the first epoch, and by what it is multiplied until the last.
    capacity : float
        Last value of C, nats per crop.
    gamma : float
        How firmly the capacity is kept; 0 leaves the latents free.
    beta, delta, eta : float
        Weight of the class, of the covariance, and of reading latents back from their pictures.
    average : float
        Decay per step of the running mean of the weights, which is what is validated and kept.
    budget_s : float or None
        Seconds after which no new epoch begins.
    augment : AugmentSettings
    """

    epochs: int = 40
    patience: int = 12
    batch: int = 32
    rate: float = 4e-3
    last_rate: float = 0.1
    capacity: float = 50.0
    gamma: float = 0.1
    beta: float = 1.0
    delta: float = 1.0
    eta: float = 0.2
    average: float = 0.98
    budget_s: float | None = None
    augment: AugmentSettings = field(default_factory=lambda: IN_PLACE)

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "rate", "last_rate", "capacity"):
            if not getattr(self, name) > 0:
                raise UsageError(f"training {name} must be above 0, got {getattr(self, name)}.")
        if self.batch < 2:
            raise UsageError(f"training batch must be 2 or more, got {self.batch}.")
        for name in ("gamma", "beta", "delta", "eta"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"training {name} must be 0 or more, got {getattr(self, name)}.")
        if self.budget_s is not None and not self.budget_s > 0:
            raise UsageError(f"training budget_s must be above 0, got {self.budget_s}.")


def train_autoencoder_network(
    network: AutoencoderNetwork,
    seen: InvertibleInput,
    data: TrainingSet,
    settings: AutoencoderTraining,
    seed: int,
    wanted: npt.NDArray[np.float32] | None = None,
    told: Told = lambda _: None,
) -> Progress:
    """Train ``network`` in place; it ends with the weights of its best validation.

    Parameters
    ----------
    network : AutoencoderNetwork
    seen : InvertibleInput
    data : TrainingSet
        Without validation rows all epochs are run and the last weights are kept.
    settings : AutoencoderTraining
    seed : int
    wanted : float array N K, optional
        A teacher's logits of every sample, centred; the head learns these in place of the labels.
    told : callable
        Receives a row of numbers after every epoch.

    Returns
    -------
    Progress
        ``best`` and ``best_loss`` are minus and plus the validated error of px plus beta times
        that of the class.

    Raises
    ------
    Diverged
        The loss is no number any more.
    """
    run = _Run(network, seen, data, settings, seed, wanted)
    progress, began = Progress(), time.perf_counter()
    while not progress.stopped:
        spent = progress.epoch / settings.epochs
        if settings.budget_s:
            spent = max(spent, (time.perf_counter() - began) / settings.budget_s)
        row = run.epoch(progress.epoch, min(1.0, spent))
        progress.epoch += 1
        progress.seconds = time.perf_counter() - began
        row |= {"epoch": progress.epoch, "seconds": progress.seconds}
        progress.history.append(row)
        run.judge(progress, row)
        told(row)
    network.load_state_dict(run.best)
    network.eval()
    return progress


class _Run:
    """Optimiser, averaged and best weights of one training."""

    def __init__(
        self,
        network: AutoencoderNetwork,
        seen: InvertibleInput,
        data: TrainingSet,
        settings: AutoencoderTraining,
        seed: int,
        wanted: npt.NDArray[np.float32] | None,
    ) -> None:
        self.network, self.seen, self.data = network, seen, data
        self.settings, self.seed = settings, seed
        self.wanted = None if wanted is None else torch.from_numpy(wanted)
        self.scale = 1.0 if wanted is None else max(float(wanted[data.train].std()), 1e-6)
        self.optimiser = torch.optim.Adam(network.parameters(), lr=settings.rate)
        self.class_weights = data.weights("root")
        self.mean = copy.deepcopy(network.state_dict())
        self.best = copy.deepcopy(self.mean)
        self.shown = copy.deepcopy(network)
        self.steps = 0

    def epoch(self, number: int, spent: float) -> dict[str, float]:
        """One pass over the training rows; mean losses."""
        settings = self.settings
        rate = settings.rate * settings.last_rate**spent
        order = np.random.default_rng([self.seed, number, 1]).permutation(self.data.train)
        mixed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        chance = torch.Generator().manual_seed(mixed)
        total, count = np.zeros(4), 0
        self.network.train()
        batches = max(1, math.ceil(len(order) / settings.batch))
        share = 1 / settings.epochs if settings.budget_s is None else 0.0
        for step, rows in enumerate(np.array_split(order, batches)):
            if len(rows) < 2:  # one crop has no covariance
                continue
            capacity = min(1.0, (spent + share * step / batches) / RISING) * settings.capacity
            total += np.array(self.step(rows, rate, capacity, chance)) * len(rows)
            count += len(rows)
        names = ("loss", "error", "nats", "class_loss")
        return dict(zip(names, map(float, total / max(count, 1)), strict=True)) | {"rate": rate}

    def step(
        self, rows: npt.NDArray[np.int64], rate: float, capacity: float, chance: torch.Generator
    ) -> tuple[float, float, float, float]:
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (self.steps + 1) / FEWEST_STEPS)
        levels = (self.seen.dark, self.seen.bright)
        raw = self.data.batch(rows)
        x = self.seen.prepare(augment(raw, self.seen.channels, levels, settings.augment, chance))
        mean, log_variance = self.network.encode(x)
        z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=chance)
        error = F.mse_loss(self.network.decode(z), x)
        nats = kl_divergence(mean, log_variance).sum(1).mean()
        asked = self.asked(self.network.told(mean), rows)
        loss = error + settings.gamma * (nats - capacity).abs() + settings.beta * asked
        loss = loss + settings.delta * off_diagonal(mean)
        if settings.eta:
            loss = loss + settings.eta * self.read_back(z[: max(2, len(z) // 4)], chance)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(
                f"training diverged: the loss is {value}. Lower the rate (now {settings.rate:g})."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.steps += 1
        self._average()
        return value, float(error.detach()), float(nats.detach()), float(asked.detach())

    def asked(self, logits: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
        """What the head has wrong: the labels, or the teacher's centred logits."""
        if self.wanted is None:
            target = torch.from_numpy(self.data.targets[rows])
            return F.cross_entropy(logits, target, self.class_weights)
        centred = logits - logits.mean(1, keepdim=True)
        return F.mse_loss(centred / self.scale, self.wanted[torch.from_numpy(rows)] / self.scale)

    def read_back(self, z: Tensor, chance: torch.Generator) -> Tensor:
        """Error of latents, one of the first moved, when their pictures are encoded."""
        moved = z.detach().clone()
        which = torch.randint(self.network.plan.told, (len(z),), generator=chance)
        far = REACH * (2 * torch.rand(len(z), generator=chance) - 1)
        moved[torch.arange(len(z)), which] += far
        self.network.eval()  # made-up pictures must not count in the statistics of real ones
        again, _ = self.network.encode(self.network.decode(moved))
        self.network.train()
        return F.mse_loss(again, moved)

    def _average(self) -> None:
        keep = min(self.settings.average, (self.steps + 1) / (self.steps + 10))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1 - keep)
            else:
                self.mean[name].copy_(value)

    def judge(self, progress: Progress, row: dict[str, float]) -> None:
        """Validate, keep the best, decide whether to stop."""
        settings, loss, better = self.settings, math.nan, True
        if len(self.data.validation):
            error, asked = self.validate()
            loss = error + settings.beta * asked
            row |= {"validation_error": error, "validation_class_loss": asked}
            better = loss < progress.best_loss
        if better:
            progress.best, progress.best_loss = -loss, loss
            progress.best_epoch, progress.waited = progress.epoch, 0
            self.best = {name: value.clone() for name, value in self.mean.items()}
        else:
            progress.waited += 1
        if progress.waited >= settings.patience:
            progress.stopped = f"no better validation in {settings.patience} epochs"
        elif progress.epoch >= settings.epochs:
            progress.stopped = f"all {settings.epochs} epochs done"
        elif settings.budget_s is not None and progress.seconds >= settings.budget_s:
            progress.stopped = f"the time budget of {settings.budget_s:g} s is spent"

    def validate(self) -> tuple[float, float]:
        """Error of px and of the class on the validation rows, by the averaged weights' means."""
        self.shown.load_state_dict(self.mean)
        self.shown.eval()
        error, asked, rows = 0.0, 0.0, self.data.validation
        with torch.inference_mode():
            for at in range(0, len(rows), 128):
                some = rows[at : at + 128]
                x = self.seen.prepare(self.data.batch(some))
                z, _ = self.shown.encode(x)
                error += float(F.mse_loss(self.shown.decode(z), x)) * len(some)
                asked += float(self.asked(self.shown.told(z), some)) * len(some)
        return error / len(rows), asked / len(rows)
