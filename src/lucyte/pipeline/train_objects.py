"""``lucyte train detect|segment``: annotated images in, a model folder with its card out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lucyte.io.annotated import open_annotated
from lucyte.io.annotated_image import AnnotatedImage, AnnotatedSet
from lucyte.io.atomic import atomic_path
from lucyte.learn.object_augment import Lighting
from lucyte.learn.object_crops import CropSettings, TrainingImage
from lucyte.learn.object_losses import DEFAULT_WEIGHTS
from lucyte.learn.object_sets import Split, common_channels, load_images, split_groups
from lucyte.learn.object_training import State, TrainingSettings, train_objects
from lucyte.learn.team import join_team
from lucyte.networks.engine import choose_engine
from lucyte.networks.model_folder import Card, pack, read_folder
from lucyte.networks.object_network import ObjectConfig, build, restore, store
from lucyte.networks.shipped import model_digest, model_path
from lucyte.networks.unet_plus_plus import UNetPlusPlus
from lucyte.pipeline.fingerprint import hash_texts
from lucyte.pipeline.object_card import object_card
from lucyte.pipeline.object_pictures import learning_curve, panels_of, write_picture
from lucyte.pipeline.out_folder import refuse_model_out
from lucyte.pipeline.progress import step
from lucyte.pipeline.score_objects import (
    LOWEST,
    box_precision,
    box_table,
    look_at,
    mask_table,
    precision_at,
)
from lucyte.report.contact_sheet import contact_sheet
from lucyte.schema.errors import InputError, UsageError
from lucyte.segment.network import ObjectFinder
from lucyte.stats.boxes import box_scores

CONFIDENCES = (0.3, 0.45, 0.6)
WATCHED = 16
"""Validation images that are looked at while training goes on."""
MOST_VALUES = 400e6
"""Pixels times channels kept in memory at full resolution; beyond it, images are halved."""
CHOSEN_ON = 24
"""Training images that the score below which objects are left out is chosen on."""


@dataclass(frozen=True)
class TrainRequest:
    """What a person asks of training; everything else follows from the data.

    Attributes
    ----------
    task : {"detect", "segment"}
        ``segment`` needs masks.
    data : Path
    out : Path
        The model folder; ``out.training`` beside it holds checkpoints until it is done.
    reading : mapping
        Of :func:`lucyte.io.annotated.open_annotated`.
    use : tuple of str
        Channels to look at; empty takes all.
    finds : str
        Kind of the objects; empty is ``cell``, or what the model to refine finds.
    start : str
        Name or path of a model to go on from; empty starts anew.
    validation : float
        Share of the groups kept for validation ...
    validation_groups : tuple of str
        ... or their names.
    steps, batch, crop_px, rate
        0 takes the default for a fresh or a refined model.
    diameter_px : float
        Diameter, in network px, that objects are brought to.
    losses : mapping of name to weight
    widths, stride
        Size of a fresh network; empty and 0 take the default.
    licence : str
        Of the training data, for the card.
    """

    task: str
    data: Path
    out: Path
    reading: Mapping[str, Any] = field(default_factory=dict)
    use: tuple[str, ...] = ()
    finds: str = ""
    start: str = ""
    validation: float = 0.15
    validation_groups: tuple[str, ...] = ()
    steps: int = 0
    batch: int = 8
    crop_px: int = 0
    rate: float = 0.0
    diameter_px: float = 0.0
    losses: Mapping[str, float] = field(default_factory=dict)
    widths: tuple[int, ...] = ()
    stride: int = 0
    licence: str = "unknown"
    device: str = "auto"
    seed: int = 0
    quiet: bool = False


def train(request: TrainRequest) -> str:
    """Train, measure on the groups kept back, and write the model folder.

    Returns
    -------
    str
        A few lines: what was learned from, how well it does on unseen groups, what was left out.
    """
    refuse_model_out(request.out, Path("model"))
    data = open_annotated(request.data, **request.reading)
    if request.task == "segment" and not data.has_masks:
        raise UsageError(
            f"{request.data} holds boxes ({data.form}), and segmenting is learned from masks. "
            "Train a detector on it: lucyte train detect ..."
        )
    channels = request.use or common_channels(data)
    split = split_groups(data.images, request.validation, request.validation_groups, request.seed)
    base = _start(request, channels, data)
    ready, problems = _load(request, split, channels, base.config)
    base = base.fitted(ready)
    settings = _settings(request, base.config, _about(request, split, channels))
    work = request.out.with_name(request.out.name + ".training")
    log = _Log(settings.steps, request.quiet)
    watched = _spread(split.validation, WATCHED)

    def evaluate(network: UNetPlusPlus) -> dict[str, float]:
        finder = ObjectFinder(store(network, base.config, Card()), device=settings.device)
        seen = look_at(finder, watched, channels, None if data.has_masks else LOWEST)
        if data.has_masks:
            pairs = [(e.truth.labels, e.found.labels) for e in seen]
            every = [precision_at(t, f) for t, f in pairs if t is not None]
            return {"score": float(np.mean(every))}
        found = box_precision(seen)
        return {"score": found["mAP50"], "mAP50-95": found["mAP50-95"]}

    network, state = train_objects(
        base.network, ready, settings, work, evaluate=evaluate, told=log.row
    )
    if not join_team(settings.device).first:
        return ""
    config = _with_confidence(network, base.config, split, channels, data.has_masks)
    told = _finish(request, data, split, channels, network, config, state, problems)
    shutil.rmtree(work)
    return told


@dataclass(frozen=True)
class _Base:
    """The network to begin with."""

    network: UNetPlusPlus
    config: ObjectConfig

    def fitted(self, images: Sequence[TrainingImage]) -> _Base:
        sizes = [each.diameter_px for each in images if each.diameter_px > 0]
        if not sizes:
            raise UsageError("no training image holds an annotated object; nothing can be learned.")
        config = replace(self.config, typical_px=round(float(np.median(sizes)), 2))
        return replace(self, config=config)


def _start(request: TrainRequest, channels: tuple[str, ...], data: AnnotatedSet) -> _Base:
    classes = data.classes if len(data.classes) > 1 else ()
    if not request.start:
        import torch

        torch.manual_seed(request.seed)
        finds = request.finds or "cell"
        named = (finds,) if len(channels) == 1 else channels
        default = 28.0 if data.has_masks else 42.0
        config = ObjectConfig(
            channels=named,
            finds=finds,
            classes=classes,
            diameter_px=request.diameter_px or default,
            diameters_px=(9.0, 100.0) if data.has_masks else (16.0, 100.0),
            has_masks=data.has_masks,
            widths=request.widths or ObjectConfig.widths,
            stride=request.stride or ObjectConfig.stride,
        )
        return _Base(build(config), config)
    stored = read_folder(model_path(request.start))
    network, config = restore(stored)
    if len(config.channels) != len(channels):
        raise UsageError(
            f"model {request.start} looks at {', '.join(config.channels)}; the data have "
            f"{', '.join(channels)}. Choose with --use NAME,NAME."
        )
    if classes and classes != config.classes:
        raise UsageError(
            f"model {request.start} knows the classes {', '.join(config.classes) or 'none'}, the "
            f"data {', '.join(classes)}; start anew without --from."
        )
    config = replace(config, has_masks=data.has_masks, finds=request.finds or config.finds)
    return _Base(network, config)


def _load(
    request: TrainRequest, split: Split, channels: tuple[str, ...], config: ObjectConfig
) -> tuple[list[TrainingImage], list[str]]:
    with step("Reading images", len(split.training), quiet=request.quiet) as done:
        pixels = sum(float(np.prod(each.shape_yx)) for each in split.training) * len(channels)
        first = max(0, int(np.ceil(np.log2(max(pixels / MOST_VALUES, 1)) / 2)))
        ready, problems = load_images(split.training, channels, config.classes, first, done)
    if not ready:
        raise InputError(request.data, "no training image can be used.", problems[0])
    return ready, problems


def _about(request: TrainRequest, split: Split, channels: tuple[str, ...]) -> str:
    """A hash of what is learned from, so that a checkpoint of other data is no start."""
    texts = {f"{place}": each.truth_path for place, each in enumerate(split.training)}
    texts |= {"channels": ",".join(channels), "start": request.start}
    if request.start:
        texts["start"] = model_digest(model_path(request.start))
    return hash_texts(texts)


def _settings(request: TrainRequest, config: ObjectConfig, about: str) -> TrainingSettings:
    fresh = not request.start
    smallest, largest = (4 / 7, 12 / 7) if config.has_masks else (5 / 7, 10 / 7)
    near = (smallest * config.diameter_px, largest * config.diameter_px)
    crops = CropSettings(
        side_px=request.crop_px or (224 if config.has_masks else 256),
        stride=config.stride,
        diameters_px=near,
        wide_px=config.diameters_px,
        wide=0.25 if config.has_masks else 0.15,
        turn=config.has_masks,
        elastic=0.5 if config.has_masks else 0.0,
        lighting=Lighting(),
    )
    steps = request.steps or (2600 if fresh else 300)
    return TrainingSettings(
        steps=steps,
        batch=request.batch,
        rate=request.rate or (2e-3 if fresh else 4e-4),
        average=0.998 if steps >= 1000 else 0.98,
        losses=dict(DEFAULT_WEIGHTS) | dict(request.losses),
        crops=crops,
        check_every=max(20, steps // 20),
        seed=request.seed,
        about=about,
        device=choose_engine("torch", request.device)[1],
    )


def _spread(images: Sequence[AnnotatedImage], most: int) -> list[AnnotatedImage]:
    place = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(int))
    return [images[i] for i in place]


def _with_confidence(
    network: UNetPlusPlus,
    config: ObjectConfig,
    split: Split,
    channels: tuple[str, ...],
    has_masks: bool,
) -> ObjectConfig:
    """Choose the score to cut at on training images: those that score the model play no part."""
    images = _spread(split.training, CHOSEN_ON)
    best, chosen = -1.0, config.confidence
    finder = ObjectFinder(store(network, config, Card()), device="cpu")
    for confidence in CONFIDENCES:
        seen = look_at(finder, images, channels, confidence)
        if has_masks:
            pairs = [(e.truth.labels, e.found.labels) for e in seen]
            value = float(np.mean([precision_at(t, f) for t, f in pairs if t is not None]))
        else:
            pairs_of = ([e.truth.boxes for e in seen], [e.found.boxes for e in seen])
            value = box_scores(*pairs_of)["F1@0.5"]
        if value > best:
            best, chosen = value, confidence
    return replace(config, confidence=chosen)


def _finish(
    request: TrainRequest,
    data: AnnotatedSet,
    split: Split,
    channels: tuple[str, ...],
    network: UNetPlusPlus,
    config: ObjectConfig,
    state: State,
    problems: list[str],
) -> str:
    """Measure on every validation image, write the folder, say how it went."""
    finder = ObjectFinder(store(network, config, Card()), device="cpu")
    with step("Measuring on unseen groups", len(split.validation), quiet=request.quiet) as done:
        lowest = None if config.has_masks else LOWEST
        seen = look_at(finder, split.validation, channels, lowest, done)
    table = mask_table(seen) if config.has_masks else box_table(seen)
    pooled = {} if config.has_masks else box_precision(seen)
    card = object_card(request.data.name, request.licence, data, split, table, pooled)
    stored = store(network, config, card)
    with atomic_path(request.out) as temporary:
        temporary.mkdir(parents=True)
        for name, content in pack(stored).items():
            (temporary / name).write_bytes(content)
        table.to_csv(temporary / "validation.csv", index=False)
        history = pd.DataFrame(state.history)
        history.to_csv(temporary / "training.csv", index=False)
        write_picture(temporary / "training.png", learning_curve(history))
        shown = panels_of(seen, table, "AP@0.5" if config.has_masks else "mAP50")
        write_picture(temporary / "validation.png", contact_sheet(shown))
    lines = [
        f"Learned from {len(split.training)} images of "
        f"{len({i.group for i in split.training})} groups; best at step {state.best_step}.",
        f"On {len(split.validation)} images of {len(split.groups)} unseen groups:",
        *(f"  {name:<10} {_interval(value)}" for name, value in card.metrics.items()),
        f"Wrote {request.out}: model.json, weights.safetensors, validation.png, training.png ...",
    ]
    return "\n".join(lines + [f"  {each}" for each in problems])


def _interval(value: Mapping[str, Any]) -> str:
    text = f"{value['value']:.3f}"
    if value.get("low") is not None:
        text += f" ({value['low']:.3f} to {value['high']:.3f})"
    return f"{text}, n = {value['n']} {value['unit']}"


class _Log:
    """One line per validation, with the time left."""

    def __init__(self, steps: int, quiet: bool) -> None:
        self.steps, self.quiet = steps, quiet

    def row(self, row: Mapping[str, float]) -> None:
        if self.quiet:
            return
        import sys

        left = (self.steps - row["step"]) * row["seconds_per_step"] / 60
        print(
            f"step {row['step']:>6.0f} of {self.steps}  loss {row['loss']:.3f}  "
            f"validation {row['validation_score']:.3f}  about {left:.0f} min left",
            file=sys.stderr,
            flush=True,
        )
