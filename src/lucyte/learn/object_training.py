"""Training an object network: short steps, averaged weights, checkpoints that can be resumed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lucyte.learn.object_crops import CropSettings, TrainingImage, draw_crop
from lucyte.learn.object_losses import DEFAULT_WEIGHTS, LOSSES, object_loss
from lucyte.learn.object_targets import Targets
from lucyte.learn.team import Team, join_team
from lucyte.networks.bf16 import computes_bf16
from lucyte.networks.unet_plus_plus import UNetPlusPlus
from lucyte.schema.errors import LucyteError, UsageError, unknown

AS_GOOD = 0.02
"""Scores of a few validation images that differ by less are alike."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes
    ----------
    steps, batch : int
        Optimiser steps and crops in each.
    rate : float
        Highest learning rate of AdamW; it rises for 3 % of the steps and falls as a cosine.
    average : float
        Decay of the running mean of the weights, which is what is kept.
    losses : mapping of name to weight
    check_every : int
        Steps between validations.
    patience : int
        Validations without a better one before training stops. The rate falls as a cosine, and
        what that brings comes late: by default nobody gives up early.
    device : str
        ``cpu`` or ``cuda``.
    about : str
        Names what is learned from; a checkpoint that is about something else is refused.
    """

    steps: int = 2000
    batch: int = 8
    rate: float = 2e-3
    decay: float = 1e-2
    average: float = 0.998
    losses: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    crops: CropSettings = field(default_factory=CropSettings)
    check_every: int = 200
    patience: int = 1000
    seed: int = 0
    device: str = "cpu"
    about: str = ""

    def __post_init__(self) -> None:
        for name in self.losses:
            if name not in LOSSES:
                raise unknown("loss", name, LOSSES)


@dataclass
class State:
    """Where training stands."""

    step: int = 0
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Diverged(LucyteError):
    """Training left the numbers; the last good state is kept."""


def train_objects(
    network: UNetPlusPlus,
    images: Sequence[TrainingImage],
    settings: TrainingSettings,
    folder: Path,
    *,
    evaluate: Callable[[UNetPlusPlus], dict[str, float]],
    told: Callable[[dict[str, float]], None] = lambda _: None,
) -> tuple[UNetPlusPlus, State]:
    """Train, going on from the checkpoint in ``folder`` where one of the same settings lies.

    Parameters
    ----------
    network : UNetPlusPlus
        Fresh, or a trained one to refine.
    images : sequence of TrainingImage
        Training groups only.
    settings : TrainingSettings
    folder : Path
        ``checkpoint.safetensors`` and ``checkpoint.json``.
    evaluate : callable
        Measures the averaged network on the validation groups; ``"score"`` is what is maximised.
    told : callable
        Receives each row of the log.

    Returns
    -------
    UNetPlusPlus, State
        The averaged network of the best validation.

    Raises
    ------
    UsageError
        No image with an object.
    Diverged
        The loss is no number any more.
    """
    usable = [image for image in images if len(image.boxes)]
    if not usable:
        raise UsageError("no training image holds an annotated object; nothing can be learned.")
    team = join_team(settings.device)
    device = torch.device(team.device)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = _Run(network, settings, team)
    state = run.resume(folder)
    best = {name: value.clone() for name, value in run.mean.items()}
    if (folder / "best.safetensors").is_file() and state.step:
        best = _load(folder / "best.safetensors")
    started, seen = time.perf_counter(), state.step
    parts: list[dict[str, float]] = []
    for step, (crops, batch) in _batches(usable, settings, state.step, team.rank):
        parts.append(run.step(crops.to(device), {k: v.to(device) for k, v in batch.items()}, step))
        if not math.isfinite(parts[-1]["loss"]):
            raise Diverged(
                f"training diverged at step {step}: the loss is {parts[-1]['loss']}. The last good "
                f"state is kept in {folder}; lower the rate (now {settings.rate:g}) and go on."
            )
        last = step + 1 == settings.steps
        if (step + 1) % settings.check_every and not last:
            continue
        state.step = step + 1
        row = {name: float(np.mean([p[name] for p in parts])) for name in parts[0]}
        parts = []
        row["step"] = step + 1
        row["seconds_per_step"] = (time.perf_counter() - started) / (step + 1 - seen)
        row |= {f"validation_{k}": v for k, v in evaluate(run.averaged()).items()}
        state.history.append(row)
        if row["validation_score"] > state.best:
            state.best, state.best_step, state.waited = row["validation_score"], step + 1, 0
            best = {name: value.clone() for name, value in run.mean.items()}
            if team.first:
                _save(best, folder / "best.safetensors")
        else:
            state.waited += 1
        if team.first:
            run.checkpoint(folder, state)
            told(row)
        if state.waited >= settings.patience and not last:
            break
        if last and row["validation_score"] > state.best - AS_GOOD:
            # The rate has come to rest; what was better by chance on few images is not preferred.
            best, state.best_step = run.mean, step + 1
    network.load_state_dict(best)
    return network.eval(), state


class _Run:
    """The optimiser, the averaged weights and their checkpoint."""

    def __init__(self, network: UNetPlusPlus, settings: TrainingSettings, team: Team) -> None:
        self.network, self.settings, self.team = network, settings, team
        weights = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": settings.decay},
                {"params": others, "weight_decay": 0},
            ],
            lr=settings.rate,
        )
        self.mean = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._shown: UNetPlusPlus | None = None

    def step(self, crops: Tensor, batch: Mapping[str, Tensor], step: int) -> dict[str, float]:
        settings = self.settings
        warm = max(1, int(0.03 * settings.steps))
        done = max(0.0, (step - warm) / max(1, settings.steps - warm))
        share = min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * done)))
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate * max(share, 0.01)
        self.network.train()
        device = crops.device.type
        with torch.autocast(device, torch.bfloat16, enabled=computes_bf16(device)):
            answers = self.network.all_depths(crops)
        loss, parts = object_loss([each.float() for each in answers], batch, settings.losses)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average(p.grad for p in self.network.parameters() if p.grad is not None)
        self.team.average(self.network.buffers())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        told = loss.detach().clone()
        self.team.average([told])  # so that all see a divergence, and stop together
        value = float(told)
        if math.isfinite(value):
            self.optimiser.step()
            self._average(step)
        return {"loss": value, **parts}

    def _average(self, step: int) -> None:
        keep = min(self.settings.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if value.is_floating_point():
                    self.mean[name].lerp_(value, 1 - keep)
                else:
                    self.mean[name].copy_(value)

    def averaged(self) -> UNetPlusPlus:
        """A copy of the network with the averaged weights."""
        import copy

        if self._shown is None:
            self._shown = copy.deepcopy(self.network)
        self._shown.load_state_dict(self.mean)
        return self._shown.eval()

    def checkpoint(self, folder: Path, state: State) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        arrays |= {f"mean.{k}": v for k, v in self.mean.items()}
        for index, each in self.optimiser.state_dict()["state"].items():
            arrays |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in each.items()}
        _save(arrays, folder / "checkpoint.safetensors")
        text = json.dumps({"settings": _plain(self.settings), "state": asdict(state)}, indent=1)
        _replace(folder / "checkpoint.json", text.encode())

    def resume(self, folder: Path) -> State:
        """The state of the checkpoint, or a fresh one."""
        if not (folder / "checkpoint.json").is_file():
            return State()
        head = json.loads((folder / "checkpoint.json").read_text())
        if head["settings"] != _plain(self.settings):
            raise UsageError(
                f"{folder} holds a checkpoint of other settings or other data. Give another "
                "folder, or remove it."
            )
        arrays = _load(folder / "checkpoint.safetensors")
        self.network.load_state_dict(_part(arrays, "network."))
        self.mean = _part(arrays, "mean.")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(arrays, "optimiser.").items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        return State(**head["state"])


def _batches(
    images: Sequence[TrainingImage], settings: TrainingSettings, first: int, rank: int = 0
) -> Iterator[tuple[int, tuple[Tensor, dict[str, Tensor]]]]:
    """Batches of crops, the next ones drawn while the network works; a step's crops are its own."""
    weights = np.sqrt([len(image.boxes) for image in images])
    weights = weights / weights.sum()

    def draw(step: int) -> tuple[Tensor, dict[str, Tensor]]:
        rng = np.random.default_rng([settings.seed, step, *([rank] if rank else [])])
        chosen = rng.choice(len(images), settings.batch, p=weights)
        return collate([draw_crop(images[i], settings.crops, rng) for i in chosen])

    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(draw, s) for s in range(first, min(first + 3, settings.steps))]
        for step in range(first, settings.steps):
            ready = ahead.pop(0).result()
            if step + 3 < settings.steps:
                ahead.append(pool.submit(draw, step + 3))
            yield step, ready


def collate(drawn: Sequence[tuple[Any, Targets]]) -> tuple[Tensor, dict[str, Tensor]]:
    """Crops and targets with a batch axis in front."""
    crops = torch.from_numpy(np.stack([crop for crop, _ in drawn]))
    names = Targets.__dataclass_fields__
    return crops.contiguous(memory_format=torch.channels_last), {
        name: torch.from_numpy(np.stack([getattr(each, name) for _, each in drawn]))
        for name in names
    }


def _plain(settings: TrainingSettings) -> Any:
    return json.loads(json.dumps(asdict(replace(settings, losses=dict(settings.losses)))))


def _part(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _save(arrays: Mapping[str, Tensor], path: Path) -> None:
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, save({name: value.contiguous() for name, value in arrays.items()}))


def _load(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    import os

    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
