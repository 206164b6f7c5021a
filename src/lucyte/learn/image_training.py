r"""Training one network of images: Adam with exponential decay, averaged weights, early stopping.

The rate of epoch :math:`e` of :math:`E` is :math:`r\,q^{e/E}`, where a time budget is set that of
the larger of the two shares that are spent. All chance of an epoch comes from the seed and the
epoch's number, so a training that was stopped and goes on ends with the same weights.

References
----------
Kingma and Ba 2015, arXiv 1412.6980; Loshchilov and Hutter 2019, arXiv 1711.05101 (AdamW).
Müller et al. 2019, arXiv 1906.02629 (label smoothing).
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lucyte.learn.image_augment import AugmentSettings, augment
from lucyte.learn.image_checkpoint import read_checkpoint, write_checkpoint
from lucyte.networks.bf16 import computes_bf16
from lucyte.networks.image_input import ImageInput
from lucyte.schema.errors import LucyteError, UsageError, unknown
from lucyte.stats.classification import balanced_accuracy

CLASS_WEIGHTS = {
    "none": "every sample counts the same",
    "root": "a class counts with the root of one over its share",
    "balanced": "every class counts the same",
}
Told = Callable[[Mapping[str, float]], None]
BatchNorm = nn.modules.batchnorm._BatchNorm
SETTLE = 256
"""Training rows that the statistics of averaged weights are read from."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network of images is trained.

    Attributes
    ----------
    epochs, patience : int
        At most so many passes; stops after so many without a better validation.
    batch : int
    rate, last_rate : float
        Learning rate of the first epoch, and by what it is multiplied until the last.
    l2 : float
        Decoupled weight decay of weights (not of biases and normalisation).
    smoothing : float
        Label smoothing.
    class_weights : {"none", "root", "balanced"}
    average : float
        Decay per step of the running mean of the weights, which is what is validated and kept;
        0 keeps the weights themselves.
    budget_s : float or None
        Seconds after which no new epoch begins. What a busy machine cuts short is not repeatable.
    device : str
        ``cpu`` or ``cuda``.
    bf16 : bool
        Half precision in forward and backward passes, where the device computes in it.
    """

    epochs: int = 100
    patience: int = 15
    batch: int = 32
    rate: float = 3e-3
    last_rate: float = 0.02
    l2: float = 0.02
    smoothing: float = 0.05
    class_weights: str = "root"
    average: float = 0.99
    budget_s: float | None = None
    device: str = "cpu"
    bf16: bool = True
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        if self.class_weights not in CLASS_WEIGHTS:
            raise unknown("class weighting", self.class_weights, CLASS_WEIGHTS)
        for name in ("epochs", "patience", "rate", "last_rate"):
            if not getattr(self, name) > 0:
                raise UsageError(f"training {name} must be above 0, got {getattr(self, name)}.")
        if self.batch < 2:
            raise UsageError(f"training batch must be 2 or more, got {self.batch}.")
        if self.budget_s is not None and not self.budget_s > 0:
            raise UsageError(f"training budget_s must be above 0, got {self.budget_s}.")
        if not 0 <= self.average < 1 or not 0 <= self.smoothing < 1 or self.l2 < 0:
            raise UsageError("training average and smoothing are from 0 to below 1, l2 0 or more.")


@dataclass(frozen=True)
class TrainingSet:
    """What a network is trained and validated on.

    Attributes
    ----------
    images : array N C Y X
        Raw units; a memory map will do.
    targets : int array N
        Position of each sample's class.
    train, validation : int array
        Rows.
    classes : int
    """

    images: npt.NDArray[Any]
    targets: npt.NDArray[np.int64]
    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    classes: int

    def batch(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Raw float32 crops, in the order of ``rows``."""
        order = np.argsort(rows, kind="stable")  # a memory map is read from front to back
        taken = np.asarray(self.images[rows[order]], dtype=np.float32)
        out = np.empty_like(taken)
        out[order] = taken
        return torch.from_numpy(out)

    def weights(self, kind: str) -> Tensor:
        """Weight of each class, mean 1 over training samples."""
        count = np.bincount(self.targets[self.train], minlength=self.classes).astype(np.float64)
        power = {"none": 0.0, "root": 0.5, "balanced": 1.0}[kind]
        weight = np.where(count > 0, np.maximum(count, 1) ** -power, 0.0)
        weight *= count.sum() / (weight * count).sum()
        return torch.tensor(weight, dtype=torch.float32)


@dataclass
class Progress:
    """Where training stands.

    Attributes
    ----------
    epoch : int
        Epochs done.
    best, best_loss : float
        Balanced accuracy and log loss of the best validation.
    best_epoch : int
    waited : int
        Epochs since then.
    seconds : float
    history : list of mapping
    stopped : str
        Why training ended.
    """

    epoch: int = 0
    best: float = -math.inf
    best_loss: float = math.inf
    best_epoch: int = 0
    waited: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""


class Diverged(LucyteError):
    """Training left the numbers."""


def train_network(
    network: nn.Module,
    seen: ImageInput,
    data: TrainingSet,
    settings: TrainingSettings,
    seed: int,
    *,
    folder: Path | None = None,
    about: str = "",
    told: Told = lambda _: None,
) -> Progress:
    """Train ``network`` in place; it ends with the weights of its best validation.

    Parameters
    ----------
    network : Module
        Prepared pictures to logits.
    seen : ImageInput
    data : TrainingSet
        Without validation rows all epochs are run and the last weights are kept.
    settings : TrainingSettings
    seed : int
    folder : Path, optional
        Where a checkpoint is written after every epoch, and gone on from.
    about : str
        What the data and the model are; a checkpoint about something else is refused.
    told : callable
        Receives a row of numbers after every epoch.

    Raises
    ------
    Diverged
        The loss is no number any more.
    UsageError
        A checkpoint of other settings or other data.
    """
    run = _Run(network, seen, data, settings, seed)
    name = {"about": about, "seed": seed, "settings": repr(replace(settings, budget_s=None))}
    progress = Progress()
    if folder is not None:
        kept = read_checkpoint(folder, name)
        if kept is not None:
            progress = Progress(**kept.state)
            run.restore(kept.arrays)
    began = time.perf_counter() - progress.seconds
    while not progress.stopped:
        row = run.epoch(progress.epoch, run.spent(progress.epoch, time.perf_counter() - began))
        progress.epoch += 1
        progress.seconds = time.perf_counter() - began
        row |= {"epoch": progress.epoch, "seconds": progress.seconds}
        progress.history.append(row)
        run.judge(progress, row)
        if folder is not None:
            write_checkpoint(folder, name, run.arrays(), vars(progress))
        told(row)
    run.finish()
    return progress


class _Run:
    """Optimiser, averaged and best weights of one training."""

    def __init__(
        self,
        network: nn.Module,
        seen: ImageInput,
        data: TrainingSet,
        settings: TrainingSettings,
        seed: int,
    ) -> None:
        self.seen, self.data, self.settings, self.seed = seen, data, settings, seed
        self.device = torch.device(settings.device)
        self.network: Any = network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        weights = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": settings.l2}]
        groups += [{"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.rate)
        self.class_weights = data.weights(settings.class_weights).to(self.device)
        self.mean = copy.deepcopy(network.state_dict())
        self.best = copy.deepcopy(self.mean)
        self.shown: nn.Module | None = None
        self.steps = 0

    def spent(self, epoch: int, seconds: float) -> float:
        """Share of the training that is over, by epochs or by the clock."""
        by_clock = seconds / self.settings.budget_s if self.settings.budget_s else 0.0
        return min(1.0, max(epoch / self.settings.epochs, by_clock))

    def epoch(self, number: int, spent: float) -> dict[str, float]:
        """One pass over the training rows; mean loss and rate."""
        rate = self.settings.rate * self.settings.last_rate**spent
        order = np.random.default_rng([self.seed, number, 1]).permutation(self.data.train)
        chance = torch.Generator().manual_seed(_mix(self.seed, number))
        losses, weight = 0.0, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_mix(self.seed, number) + 1)
            self.network.train()
            for at in range(0, len(order), self.settings.batch):
                rows = order[at : at + self.settings.batch]
                if len(rows) < 2:  # normalisation over a batch of one is no normalisation
                    continue
                losses += self.step(rows, rate, chance) * len(rows)
                weight += len(rows)
        return {"loss": losses / max(weight, 1), "rate": rate}

    def step(self, rows: npt.NDArray[np.int64], rate: float, chance: torch.Generator) -> float:
        settings = self.settings
        warm = min(1.0, (self.steps + 1) / 20)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * warm
        raw = self.data.batch(rows).to(self.device)
        levels = (self.seen.dark, self.seen.bright)
        x = self.seen.prepare(augment(raw, self.seen.channels, levels, settings.augment, chance))
        target = torch.from_numpy(self.data.targets[rows]).to(self.device)
        with _half(settings, self.device):
            logits = self.network(x)
        loss = F.cross_entropy(
            logits.float(), target, self.class_weights, label_smoothing=settings.smoothing
        )
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
        return value

    def _average(self) -> None:
        if not self.settings.average:
            return
        keep = min(self.settings.average, (self.steps + 1) / (self.steps + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.mean[name].lerp_(value, 1 - keep)
                else:
                    self.mean[name].copy_(value)

    def current(self) -> dict[str, Tensor]:
        """The weights that would be kept now."""
        state: dict[str, Tensor] = self.network.state_dict()
        return self.mean if self.settings.average else state

    def judge(self, progress: Progress, row: dict[str, float]) -> None:
        """Validate, keep the best, decide whether to stop."""
        settings = self.settings
        shown = self.settled()
        if len(self.data.validation):
            score, loss = self.validate(shown)
            row |= {"validation_balanced_accuracy": score, "validation_log_loss": loss}
            better = (score, -loss) > (progress.best, -progress.best_loss)
        else:
            score, loss, better = math.nan, math.nan, True
        if better:
            progress.best, progress.best_loss = score, loss
            progress.best_epoch, progress.waited = progress.epoch, 0
            self.best = {name: value.clone() for name, value in shown.state_dict().items()}
        else:
            progress.waited += 1
        over = settings.budget_s is not None and progress.seconds >= settings.budget_s
        if progress.waited >= settings.patience:
            progress.stopped = f"no better validation in {settings.patience} epochs"
        elif progress.epoch >= settings.epochs:
            progress.stopped = f"all {settings.epochs} epochs done"
        elif over:
            progress.stopped = f"the time budget of {settings.budget_s:g} s is spent"

    def settled(self) -> nn.Module:
        """The network with the weights of now and the statistics that batches have under them.

        A running mean of weights has never seen a batch: the statistics gathered on the way are
        those of other weights. Some training rows, as they are, are shown to it.
        """
        if self.shown is None:
            self.shown = copy.deepcopy(self.network)
        self.shown.load_state_dict(self.current())
        self.shown.eval()
        layers = [each for each in self.shown.modules() if isinstance(each, BatchNorm)]
        for each in layers:
            each.reset_running_stats()
            each.momentum = None  # a plain mean over what is shown
            each.train()
        rows = self.data.train
        some = rows[np.linspace(0, len(rows) - 1, min(SETTLE, len(rows))).astype(np.int64)]
        with torch.inference_mode(), _half(self.settings, self.device):
            for part in np.array_split(some, math.ceil(len(some) / 64)) if layers else []:
                self.shown(self.seen.prepare(self.data.batch(part).to(self.device)))
        return self.shown.eval()

    def validate(self, shown: nn.Module) -> tuple[float, float]:
        """Balanced accuracy and log loss of a network on the validation rows."""
        logits = forward_all(shown, self.seen, self.data, self.data.validation, self.settings)
        target = self.data.targets[self.data.validation]
        table = np.zeros((self.data.classes, self.data.classes), dtype=np.int64)
        np.add.at(table, (target, logits.argmax(axis=1)), 1)
        loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(target))
        return balanced_accuracy(table), float(loss)

    def finish(self) -> None:
        """Leave the best weights in the network."""
        self.network.load_state_dict(self.best)
        self.network.to("cpu").eval()

    def arrays(self) -> dict[str, Tensor]:
        """Everything a checkpoint needs."""
        out = {"steps": torch.tensor(self.steps)}
        for part, state in (
            ("network", self.network.state_dict()),
            ("mean", self.mean),
            ("best", self.best),
        ):
            out |= {f"{part}.{name}": value for name, value in state.items()}
        for index, each in self.optimiser.state_dict()["state"].items():
            out |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in each.items()}
        return out

    def restore(self, arrays: Mapping[str, Tensor]) -> None:
        """Back to where `arrays` was called."""

        def part(name: str) -> dict[str, Tensor]:
            start = f"{name}."
            return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}

        self.steps = int(arrays["steps"])
        self.network.load_state_dict(part("network"))
        self.mean, self.best = part("mean"), part("best")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimiser").items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})


def forward_all(
    network: nn.Module,
    seen: ImageInput,
    data: TrainingSet,
    rows: npt.NDArray[np.int64],
    settings: TrainingSettings,
) -> npt.NDArray[np.float64]:
    """Logits ``len(rows) x K`` of a network in evaluation mode."""
    network.eval()
    device = torch.device(settings.device)
    found = []
    with torch.inference_mode():
        for at in range(0, len(rows), 128):
            x = seen.prepare(data.batch(rows[at : at + 128]).to(device))
            with _half(settings, device):
                found.append(network(x).float().cpu().numpy())
    return np.concatenate(found).astype(np.float64)


def _half(settings: TrainingSettings, device: torch.device) -> torch.autocast:
    enabled = settings.bf16 and computes_bf16(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _mix(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
