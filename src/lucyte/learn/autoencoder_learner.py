"""AutoencoderLearner: raw crops, labels and groups in, a calibrated Autoencoder out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lucyte.learn.autoencoder_training import (
    AutoencoderTraining,
    Told,
    train_autoencoder_network,
)
from lucyte.learn.calibration import calibrate
from lucyte.learn.image_learner import check_labels, value_range
from lucyte.learn.image_training import Progress, TrainingSet
from lucyte.learn.inner_split import inner_split
from lucyte.networks.autoencoder import Autoencoder
from lucyte.networks.autoencoder_network import AutoencoderNetwork, AutoencoderPlan
from lucyte.networks.invertible_input import fit_invertible_input
from lucyte.networks.invertible_support import fit_support, tell
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Predictor
from lucyte.schema.samples import Samples

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AutoencoderSettings:
    """What is learned, and how.

    Attributes
    ----------
    latents, classified, widths, dense
        See `AutoencoderPlan`; ``classified`` is its ``told``.
    validation : float
        Share of the groups that stop training early, and that the temperature and the limit of
        what lies far from training are read from.
    wanted_error : float or None
        Calibrates the threshold of "unknown"; not with a teacher.
    training : AutoencoderTraining
    """

    latents: int = 32
    classified: int = 4
    widths: tuple[int, ...] = (16, 32, 64)
    dense: int = 128
    validation: float = 0.2
    wanted_error: float | None = None
    training: AutoencoderTraining = field(default_factory=AutoencoderTraining)


@dataclass(frozen=True)
class AutoencoderLearner:
    """Learns an autoencoder from raw crops. A `Learner`.

    Attributes
    ----------
    channels : tuple of str
        Names along C; ``mask:cell`` among them erases what is outside the cell.
    settings : AutoencoderSettings
    pixel_size_um : float or None
    teacher : Predictor or None
        The head learns its logits in place of the labels: the first latents then show what that
        model looks at, right or wrong. Of the same channels (some may be left out), size, classes.
    told : callable
        Receives a row of numbers after every epoch.
    """

    channels: tuple[str, ...]
    settings: AutoencoderSettings = field(default_factory=AutoencoderSettings)
    pixel_size_um: float | None = None
    teacher: Predictor | None = None
    told: Told = lambda _row: None

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> Autoencoder:
        """Fit on crops ``N C Y X`` in raw units; ``groups`` stay together in inner splits.

        Raises
        ------
        UsageError
            One class only, missing labels, a teacher of other classes, channels or size.
        """
        classes = check_labels(samples, labels, groups)
        wanted = None
        if self.teacher is not None:
            classes = _teacher_classes(self.teacher, classes)
            wanted = teacher_logits(self.teacher, samples, self.channels)
        settings = self.settings
        train, validation, split = inner_split(labels, groups, settings.validation, seed)
        seen = fit_invertible_input(samples, train, self.channels)
        plan = AutoencoderPlan(
            len(seen.light),
            seen.network_px,
            len(classes),
            settings.latents,
            settings.classified,
            settings.widths,
            settings.dense,
        )
        at = {name: k for k, name in enumerate(classes)}
        targets = np.array([at[name] for name in labels], dtype=np.int64)
        data = TrainingSet(samples, targets, train, validation, len(classes))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = AutoencoderNetwork(plan)
        progress = train_autoencoder_network(
            network, seen, data, settings.training, seed, wanted, self.told
        )
        blank = np.zeros((len(classes), *plan.shape))
        fitted = encoded(network, seen, data, train)
        held = encoded(network, seen, data, validation)
        model = Autoencoder(
            network.eval(),
            plan,
            seen,
            classes,
            blank,
            fitted.std(axis=0),
            fit_support(_told(fitted), _told(held), seed),
            self.pixel_size_um,
            value_range(samples, train, self.channels),
            training={
                "split": split,
                "seed": seed,
                "teacher": None if self.teacher is None else type(self.teacher).__name__,
                **_summary(progress),
            },
        )
        model = replace(model, centres=_centres(model, fitted))
        if not len(validation) or self.teacher is not None:
            return model  # a teacher's logits are wanted as they are
        logits = model.latent_logits(torch.from_numpy(held)[:, :, None, None])
        units = [groups[k] for k in validation]
        return replace(
            model, calibration=calibrate(logits, targets[validation], units, settings.wanted_error)
        )


def train_autoencoder(
    samples: Samples,
    settings: AutoencoderSettings | None = None,
    seed: int = 0,
    teacher: Predictor | None = None,
    told: Told = lambda _row: None,
) -> Autoencoder:
    """Train an autoencoder on labelled samples.

    Parameters
    ----------
    samples : Samples
        Labelled; groups stay together in the inner split.
    settings : AutoencoderSettings, optional
    seed : int
    teacher : Predictor, optional
        See `AutoencoderLearner`.
    told : callable
        Receives a row of numbers after every epoch.

    Raises
    ------
    UsageError
        See `AutoencoderLearner.fit`.
    """
    learner = AutoencoderLearner(
        samples.channels, settings or AutoencoderSettings(), samples.pixel_size_um, teacher, told
    )
    return learner.fit(samples.images, samples.labels, samples.groups, seed)


def teacher_logits(
    teacher: Predictor, samples: npt.NDArray[Any], channels: Sequence[str]
) -> npt.NDArray[np.float32]:
    """A teacher's logits of every sample, less their mean over classes, ``N K``.

    Raises
    ------
    UsageError
        A channel the teacher needs and the samples lack, crops of another size, or logits that
        are all alike.
    """
    missing = [name for name in teacher.channels if name not in channels]
    if missing:
        raise UsageError(
            f"the teacher needs {', '.join(missing)}; the crops have {', '.join(channels)}."
        )
    if teacher.input_px != samples.shape[-1]:
        raise UsageError(
            f"the teacher takes crops of {teacher.input_px} px, got {samples.shape[-1]}; "
            "train the autoencoder on crops of its size."
        )
    at = [list(channels).index(name) for name in teacher.channels]
    parts = [
        teacher.logits(np.asarray(samples[k : k + 256])[:, at]) for k in range(0, len(samples), 256)
    ]
    logits = np.concatenate(parts)
    centred = logits - logits.mean(axis=1, keepdims=True)
    if not np.isfinite(centred).all() or not centred.std() > 0:
        raise UsageError("the teacher gives every crop the same logits, or none that are finite.")
    return np.asarray(centred, dtype=np.float32)


def encoded(
    network: AutoencoderNetwork, seen: Any, data: TrainingSet, rows: npt.NDArray[np.int64]
) -> Floats:
    """Mean latents ``N L`` of these rows."""
    found = [np.zeros((0, network.plan.latents))]
    network.eval()
    with torch.inference_mode():
        for at in range(0, len(rows), 128):
            found.append(network.encode(seen.prepare(data.batch(rows[at : at + 128])))[0].numpy())
    return np.concatenate(found).astype(np.float64)


def _teacher_classes(teacher: Predictor, classes: tuple[str, ...]) -> tuple[str, ...]:
    if set(teacher.classes) != set(classes):
        raise UsageError(
            f"the teacher knows {', '.join(teacher.classes)}; "
            f"the samples are labelled {', '.join(classes)}."
        )
    return tuple(teacher.classes)


def _told(latents: Floats) -> Floats:
    return tell(torch.from_numpy(latents)[:, :, None, None])


def _centres(model: Autoencoder, latents: Floats) -> Floats:
    """Mean latent of the crops predicted each class, ``K L 1 1``; nan where none is."""
    said = model.latent_logits(torch.from_numpy(latents)[:, :, None, None]).argmax(axis=1)
    blank = np.full(model.plan.latents, np.nan)
    means = [
        latents[said == k].mean(axis=0) if (said == k).any() else blank
        for k in range(len(model.classes))
    ]
    return np.stack(means)[:, :, None, None]


def _summary(progress: Progress) -> dict[str, Any]:
    """What the card keeps, JSON types."""

    def number(value: float) -> float | None:
        return round(float(value), 6) if np.isfinite(value) else None

    return {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "seconds": round(progress.seconds, 2),
        "stopped": progress.stopped,
        "validation_loss": number(progress.best_loss),
        "history": [{k: number(v) for k, v in row.items()} for row in progress.history],
    }
