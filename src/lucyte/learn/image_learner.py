"""ImageLearner: raw crops, labels and groups in, a calibrated ImageClassifier out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import log_softmax

from lucyte.learn.calibration import calibrate
from lucyte.learn.image_training import (
    Progress,
    TrainingSet,
    TrainingSettings,
    forward_all,
    train_network,
)
from lucyte.learn.inner_split import inner_split
from lucyte.learn.late_weights import late_weights
from lucyte.networks.fusion import Fused, LateFusion, NetworkPlan, build_network, used_channels
from lucyte.networks.image_classifier import ImageClassifier
from lucyte.networks.image_input import ImageInput, fit_input
from lucyte.schema.errors import UsageError

Told = Callable[[str, Mapping[str, float]], None]


@dataclass(frozen=True)
class ImageSettings:
    """What is learned, and how.

    Attributes
    ----------
    form, encoder, width, dense, dropout
        See `NetworkPlan`.
    weights : str or None
        Pretrained encoders; see `build_encoder`.
    normalisation, views, background, network_px
        See `ImageInput`.
    validation : float
        Share of the groups that stop training early, and that temperature, threshold and the
        weights of late fusion are read from.
    wanted_error : float or None
        Calibrates the threshold of "unknown".
    turns : {1, 4, 8}
        Views averaged when the model is asked.
    training : TrainingSettings
    """

    form: str = "early"
    encoder: str = "small"
    width: int | None = None
    dense: int = 0
    dropout: float = 0.3
    weights: str | None = None
    normalisation: str = "training"
    views: str = "both"
    background: str = "kept"
    network_px: int | None = None
    validation: float = 0.2
    wanted_error: float | None = None
    turns: int = 1
    training: TrainingSettings = field(default_factory=TrainingSettings)


@dataclass(frozen=True)
class ImageLearner:
    """Learns classes from raw crops. A `Learner`.

    Attributes
    ----------
    channels : tuple of str
        Names along C; ``mask:cell`` among them erases what is outside the cell.
    settings : ImageSettings
    pixel_size_um : float or None
    folder : Path or None
        Where checkpoints are kept and gone on from; one subfolder per network.
    told : callable
        Receives the name of the network in training and a row of numbers after every epoch.
    """

    channels: tuple[str, ...]
    settings: ImageSettings = field(default_factory=ImageSettings)
    pixel_size_um: float | None = None
    folder: Path | None = None
    told: Told = lambda _name, _row: None

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> ImageClassifier:
        """Fit on crops ``N C Y X`` in raw units; ``groups`` stay together in inner splits.

        Raises
        ------
        UsageError
            One class only, missing labels, crops that do not fit the channels.
        """
        classes = check_labels(samples, labels, groups)
        settings = self.settings
        train, validation, split = inner_split(labels, groups, settings.validation, seed)
        seen = fit_input(
            samples,
            train,
            self.channels,
            network_px=settings.network_px,
            normalisation=settings.normalisation,
            views=settings.views,
            background=settings.background,
        )
        plan = NetworkPlan(
            settings.form,
            settings.encoder,
            seen.light,
            seen.planes_per_channel,
            seen.network_px,
            len(classes),
            settings.width,
            settings.dense,
            settings.dropout,
        )
        at = {name: k for k, name in enumerate(classes)}
        targets = np.array([at[name] for name in labels], dtype=np.int64)
        data = TrainingSet(samples, targets, train, validation, len(classes))
        network, told = self._train(plan, seen, data, seed)
        held = [groups[k] for k in validation]
        model = ImageClassifier(
            network,
            plan,
            seen,
            classes,
            self.pixel_size_um,
            value_range(samples, train, self.channels),
            turns=settings.turns,
            training={"split": split, "seed": seed, **told},
        )
        if not len(validation):
            return model
        logits = model.logits(data.batch(validation).numpy())
        return replace(
            model, calibration=calibrate(logits, targets[validation], held, settings.wanted_error)
        )

    def _train(
        self, plan: NetworkPlan, seen: ImageInput, data: TrainingSet, seed: int
    ) -> tuple[Fused, dict[str, Any]]:
        settings = self.settings.training
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(plan, self.settings.weights)
        parts = [(plan.form, network)]
        if isinstance(network, LateFusion):
            parts = [
                (f"late:{name}", branch)  # type: ignore[misc]
                for name, branch in zip(network.names, network.branches, strict=True)
            ]
            if settings.budget_s:
                settings = replace(settings, budget_s=settings.budget_s / len(parts))
        told: dict[str, Any] = {}
        for name, part in parts:
            progress = train_network(
                part,
                seen,
                data,
                settings,
                seed,
                folder=None if self.folder is None else self.folder / _plain(name),
                about=self._about(plan, data),
                told=lambda row, name=name: self.told(name, row),  # type: ignore[misc]
            )
            told[name] = _summary(progress)
        if isinstance(network, LateFusion) and len(data.validation):
            told_by = [
                log_softmax(forward_all(b, seen, data, data.validation, settings), axis=1)
                for b in network.branches
            ]
            network.set_weights(late_weights(np.stack(told_by), data.targets[data.validation]))
            told["late_weights"] = dict(zip(network.names, network.weights.tolist(), strict=True))
        return network.eval(), {"networks": told}

    def _about(self, plan: NetworkPlan, data: TrainingSet) -> str:
        """Tells apart trainings whose checkpoints must not be mixed."""
        digest = hashlib.sha256(repr((plan, self.channels, self.settings.weights)).encode())
        for array in (data.targets, data.train, data.validation):
            digest.update(array.tobytes())
        some = np.unique(np.linspace(0, len(data.images) - 1, 16).astype(int))
        digest.update(np.ascontiguousarray(data.images[some]).tobytes())
        return digest.hexdigest()


def check_labels(
    samples: npt.NDArray[Any], labels: Sequence[str], groups: Sequence[str]
) -> tuple[str, ...]:
    """Class names in sorted order; refuses what cannot be learned from.

    Raises
    ------
    UsageError
        Says what is missing.
    """
    if not len(labels) == len(groups) == len(samples):
        raise UsageError(
            f"got {len(samples)} crops, {len(labels)} labels and {len(groups)} groups; one each."
        )
    empty = [k for k, name in enumerate(labels) if not str(name).strip() or str(name) == "nan"]
    if empty:
        raise UsageError(
            f"sample {empty[0]} has no label ({len(empty)} of {len(labels)}); "
            "leave unlabelled samples out."
        )
    return tuple(sorted(set(labels)))


def value_range(
    images: npt.NDArray[Any], rows: npt.NDArray[np.int64], channels: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each channel of light, over all rows given."""
    out: dict[str, tuple[float, float]] = {}
    for at in range(0, len(rows), 256):
        some = np.asarray(images[np.sort(rows)[at : at + 256]])
        low, high = some.min(axis=(0, 2, 3)), some.max(axis=(0, 2, 3))
        for plane, name in enumerate(channels):
            if not name.startswith("mask:"):
                a, b = out.get(name, (float("inf"), float("-inf")))
                out[name] = (min(a, float(low[plane])), max(b, float(high[plane])))
    return out


def channels_for(form: str, channels: Sequence[str]) -> tuple[str, ...]:
    """Channels that a learner of this form needs to be given: its light, and any mask."""
    light = [name for name in channels if not name.startswith("mask:")]
    used = set(used_channels(form, light))
    return tuple(name for name in channels if name in used or name.startswith("mask:"))


def _summary(progress: Progress) -> dict[str, Any]:
    return {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "seconds": round(progress.seconds, 2),
        "stopped": progress.stopped,
        "validation_balanced_accuracy": _number(progress.best),
        "validation_log_loss": _number(progress.best_loss),
        "history": [
            {name: _number(value) for name, value in row.items()} for row in progress.history
        ],
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _plain(name: str) -> str:
    """A name that any file system takes, different for different networks."""
    safe = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
