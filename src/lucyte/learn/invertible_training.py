r"""Training an invertible network as a classifier, with a density term by choice.

.. math:: \ell = \beta\, \mathrm{CE}(y, \hat y) - \gamma\, \tfrac1d \log p(x \mid y)

with :math:`\gamma = 0` a plain classifier, and the density that of `InvertibleNetwork`. Adam with
exponential decay and averaged weights; all chance of an epoch comes from the seed and its number.

References
----------
Behrmann et al. 2019, arXiv 1811.00995. Ardizzone et al. 2020 (IB-INN), arXiv 2001.06448.
Kingma and Ba 2015, arXiv 1412.6980.
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
from lucyte.networks.invertible_input import InvertibleInput
from lucyte.networks.invertible_network import InvertibleNetwork
from lucyte.schema.errors import UsageError
from lucyte.stats.classification import balanced_accuracy

Told = Callable[[Mapping[str, float]], None]
NEARLY = 10
"""Iterations of power iteration ahead of a validation; the end of training settles fully."""
FEWEST_STEPS = 20
"""Over which the rate rises to its first value."""


@dataclass(frozen=True)
class InvertibleTraining:
    """How an invertible network is trained.

    Attributes
    ----------
    epochs, patience : int
        At most so many passes; stops after so many without a better validation.
    batch : int
    rate, last_rate : float
        Learning rate of the first epoch, and by what it is multiplied until the last.
    l2 : float
        Decoupled weight decay of convolutions.
    smoothing : float
        Label smoothing.
    density : float
        Gamma; 0 leaves the density out. With an i-ResNet it costs about five plain passes.
    average : float
        Decay per step of the running mean of the weights, which is what is validated and kept.
    budget_s : float or None
        Seconds after which no new epoch begins.
    augment : AugmentSettings
    """

    epochs: int = 30
    patience: int = 10
    batch: int = 32
    rate: float = 3e-3
    last_rate: float = 0.02
    l2: float = 1e-3
    smoothing: float = 0.02
    density: float = 0.0
    average: float = 0.98
    budget_s: float | None = None
    device: str = "cpu"
    augment: AugmentSettings = field(default_factory=lambda: IN_PLACE)

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "rate", "last_rate"):
            if not getattr(self, name) > 0:
                raise UsageError(f"training {name} must be above 0, got {getattr(self, name)}.")
        if self.batch < 2:
            raise UsageError(f"training batch must be 2 or more, got {self.batch}.")
        if self.density < 0:
            raise UsageError(f"training density must be 0 or more, got {self.density}.")
        if self.budget_s is not None and not self.budget_s > 0:
            raise UsageError(f"training budget_s must be above 0, got {self.budget_s}.")


def train_invertible_network(
    network: InvertibleNetwork,
    seen: InvertibleInput,
    data: TrainingSet,
    settings: InvertibleTraining,
    seed: int,
    told: Told = lambda _: None,
) -> Progress:
    """Train ``network`` in place; it ends with the weights of its best validation, norms settled.

    Parameters
    ----------
    network : InvertibleNetwork
    seen : InvertibleInput
    data : TrainingSet
        Without validation rows all epochs are run and the last weights are kept.
    settings : InvertibleTraining
    seed : int
    told : callable
        Receives a row of numbers after every epoch.

    Raises
    ------
    Diverged
        The loss is no number any more.
    """
    run = _Run(network, seen, data, settings, seed)
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
    network.to("cpu").eval().flow.settle()
    return progress


class _Run:
    """Optimiser, averaged and best weights of one training."""

    def __init__(
        self,
        network: InvertibleNetwork,
        seen: InvertibleInput,
        data: TrainingSet,
        settings: InvertibleTraining,
        seed: int,
    ) -> None:
        self.network = network.to(settings.device)
        self.seen, self.data, self.settings, self.seed = seen, data, settings, seed
        kernels = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
        scales = [p for n, p in network.named_parameters() if n.endswith(("log_scale", "shift"))]
        scale_ids = {id(p) for p in scales}
        decayed = [p for p in kernels if id(p) not in scale_ids]
        others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1] + scales
        groups = [{"params": decayed, "weight_decay": settings.l2}]
        groups += [{"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.rate)
        self.class_weights = data.weights("root").to(settings.device)
        self.mean: dict[str, Tensor] = {}
        self.best: dict[str, Tensor] = {}
        self.shown = copy.deepcopy(network)
        self.steps = 0

    def epoch(self, number: int, spent: float) -> dict[str, float]:
        """One pass over the training rows; mean losses and rate."""
        rate = self.settings.rate * self.settings.last_rate**spent
        order = np.random.default_rng([self.seed, number, 1]).permutation(self.data.train)
        mixed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        chance = torch.Generator().manual_seed(mixed)
        total, count = np.zeros(2), 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed + 1)
            self.network.train()
            for at in range(0, len(order), self.settings.batch):
                rows = order[at : at + self.settings.batch]
                if len(rows) < 2:  # a batch of one has no deviation to begin from
                    continue
                total += np.array(self.step(rows, rate, chance)) * len(rows)
                count += len(rows)
        loss, density = total / max(count, 1)
        return {"loss": float(loss), "log_density": float(density), "rate": rate}

    def step(
        self, rows: npt.NDArray[np.int64], rate: float, chance: torch.Generator
    ) -> tuple[float, float]:
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (self.steps + 1) / FEWEST_STEPS)
        raw = self.data.batch(rows).to(settings.device)
        levels = (self.seen.dark, self.seen.bright)
        x = self.seen.prepare(augment(raw, self.seen.channels, levels, settings.augment, chance))
        target = torch.from_numpy(self.data.targets[rows]).to(settings.device)
        density = x.new_zeros(())
        if settings.density:
            z, log_det = self.network.flow.with_log_det(x)
            density = self.network.log_density(z, log_det, target).mean()
        else:
            z = self.network.flow(x)
        told = F.cross_entropy(
            self.network.told(z), target, self.class_weights, label_smoothing=settings.smoothing
        )
        loss = told - settings.density * density
        if not math.isfinite(float(loss.detach())):
            raise Diverged(
                f"training diverged: the loss is {float(loss.detach())}. "
                f"Lower the rate (now {settings.rate:g})."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.steps += 1
        self._average()
        return float(told.detach()), float(density.detach())

    def _average(self) -> None:
        state = self.network.state_dict()
        if not self.mean:  # normalisations have their first values now
            self.mean = {name: value.clone() for name, value in state.items()}
            return
        keep = min(self.settings.average, (self.steps + 1) / (self.steps + 10))
        for name, value in state.items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1 - keep)
            else:
                self.mean[name].copy_(value)

    def judge(self, progress: Progress, row: dict[str, float]) -> None:
        """Validate, keep the best, decide whether to stop."""
        settings = self.settings
        score, loss, better = math.nan, math.nan, True
        if len(self.data.validation):
            score, loss = self.validate()
            row |= {"validation_balanced_accuracy": score, "validation_log_loss": loss}
            better = (score, -loss) > (progress.best, -progress.best_loss)
        if better:
            progress.best, progress.best_loss = score, loss
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
        """Balanced accuracy and log loss on the validation rows, with the averaged weights."""
        self.shown.load_state_dict(self.mean)
        self.shown.eval().flow.settle(NEARLY)
        found, rows = [], self.data.validation
        with torch.inference_mode():
            for at in range(0, len(rows), 128):
                raw = self.data.batch(rows[at : at + 128]).to(self.settings.device)
                found.append(self.shown(self.seen.prepare(raw)).cpu())
        logits, target = torch.cat(found), self.data.targets[rows]
        table = np.zeros((self.data.classes, self.data.classes), dtype=np.int64)
        np.add.at(table, (target, logits.numpy().argmax(axis=1)), 1)
        return balanced_accuracy(table), float(F.cross_entropy(logits, torch.from_numpy(target)))
