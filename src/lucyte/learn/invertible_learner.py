"""InvertibleLearner: raw crops, labels and groups in, a calibrated InvertibleClassifier out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lucyte.learn.calibration import calibrate
from lucyte.learn.image_learner import check_labels, value_range
from lucyte.learn.image_training import Progress, TrainingSet
from lucyte.learn.inner_split import inner_split
from lucyte.learn.invertible_training import InvertibleTraining, train_invertible_network
from lucyte.networks.invertible_classifier import InvertibleClassifier
from lucyte.networks.invertible_detail import broad_levels, remember, take_apart
from lucyte.networks.invertible_input import InvertibleInput, fit_invertible_input
from lucyte.networks.invertible_network import (
    InvertibleNetwork,
    InvertiblePlan,
    build_invertible,
)
from lucyte.networks.invertible_support import fit_support, tell
from lucyte.schema.samples import Samples

Floats = npt.NDArray[np.float64]
Told = Callable[[Mapping[str, float]], None]
VIEWS = 8
"""Quarter turns and mirrors over which mean latents are taken: a class has no direction of its own,
and eight views of a cell halve the chance in its mean and more."""
MOST_CROPS = 800
"""Training crops that detail is remembered from."""


@dataclass(frozen=True)
class InvertibleSettings:
    """What is learned, and how.

    Attributes
    ----------
    flow, head, blocks, hidden, padding, bound, squeeze
        See `InvertiblePlan`.
    background : {"kept", "subtracted"}
        See `ImageInput`.
    validation : float
        Share of the groups that stop training early, and that the temperature and the limit of
        what lies far from training are read from.
    wanted_error : float or None
        Calibrates the threshold of "unknown".
    training : InvertibleTraining
    """

    flow: str = "i-resnet"
    head: str = "linear"
    blocks: tuple[int, ...] = (3, 3, 3)
    hidden: tuple[int, ...] = (16, 32, 32)
    padding: int = 0
    bound: float = 0.9
    squeeze: str = "px"
    background: str = "kept"
    validation: float = 0.2
    wanted_error: float | None = None
    training: InvertibleTraining = field(default_factory=InvertibleTraining)


@dataclass(frozen=True)
class InvertibleLearner:
    """Learns an invertible classifier from raw crops. A `Learner`.

    Attributes
    ----------
    channels : tuple of str
        Names along C; ``mask:cell`` among them erases what is outside the cell.
    settings : InvertibleSettings
    pixel_size_um : float or None
    told : callable
        Receives a row of numbers after every epoch.
    """

    channels: tuple[str, ...]
    settings: InvertibleSettings = field(default_factory=InvertibleSettings)
    pixel_size_um: float | None = None
    told: Told = lambda _row: None

    def fit(
        self,
        samples: npt.NDArray[Any],
        labels: Sequence[str],
        groups: Sequence[str],
        seed: int,
    ) -> InvertibleClassifier:
        """Fit on crops ``N C Y X`` in raw units; ``groups`` stay together in inner splits.

        Raises
        ------
        UsageError
            One class only, missing labels, crops whose size cannot be halved often enough.
        """
        classes = check_labels(samples, labels, groups)
        settings = self.settings
        train, validation, split = inner_split(labels, groups, settings.validation, seed)
        seen = fit_invertible_input(samples, train, self.channels, settings.background)
        plan = self._plan(seen, len(classes))
        at = {name: k for k, name in enumerate(classes)}
        targets = np.array([at[name] for name in labels], dtype=np.int64)
        data = TrainingSet(samples, targets, train, validation, len(classes))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_invertible(plan)
        progress = train_invertible_network(network, seen, data, settings.training, seed, self.told)
        # Whoever has minutes to train has none for eight looks at every crop.
        every = 1 if settings.training.budget_s is None else VIEWS - 1
        centres, spreads, fitted = class_latents(network, seen, data, train, every=every)
        _, _, held = class_latents(network, seen, data, validation, views=1)
        details, levels = class_details(network, seen, data, train, seed)
        model = InvertibleClassifier(
            network.eval(),
            plan,
            seen,
            classes,
            centres,
            spreads,
            fit_support(fitted, held, seed),
            details,
            self.pixel_size_um,
            value_range(samples, train, self.channels),
            training={"split": split, "seed": seed, **_summary(progress)},
            levels=levels,
        )
        if not len(validation):
            return model
        logits = model.logits(data.batch(validation).numpy())
        units = [groups[k] for k in validation]
        return replace(
            model, calibration=calibrate(logits, targets[validation], units, settings.wanted_error)
        )

    def _plan(self, seen: InvertibleInput, classes: int) -> InvertiblePlan:
        settings = self.settings
        return InvertiblePlan(
            settings.flow,
            settings.head,
            len(seen.light),
            seen.network_px,
            classes,
            settings.blocks,
            settings.hidden,
            settings.padding,
            settings.bound,
            settings.squeeze,
        )


def train_invertible(
    samples: Samples,
    settings: InvertibleSettings | None = None,
    seed: int = 0,
    told: Told = lambda _row: None,
) -> InvertibleClassifier:
    """Train an invertible classifier on labelled samples.

    Parameters
    ----------
    samples : Samples
        Labelled; groups stay together in the inner split.
    settings : InvertibleSettings, optional
    seed : int
    told : callable
        Receives a row of numbers after every epoch.

    Raises
    ------
    UsageError
        See `InvertibleLearner.fit`.
    """
    learner = InvertibleLearner(
        samples.channels, settings or InvertibleSettings(), samples.pixel_size_um, told
    )
    return learner.fit(samples.images, samples.labels, samples.groups, seed)


def class_latents(
    network: InvertibleNetwork,
    seen: InvertibleInput,
    data: TrainingSet,
    rows: npt.NDArray[np.int64],
    views: int = VIEWS,
    every: int = 1,
) -> tuple[Floats, Floats, Floats]:
    """Where the crops predicted each class lie in the latents.

    Every crop as it is, and every ``every``-th one turned and mirrored, weighted as many times.

    Returns
    -------
    float array K C H W
        Their mean; nan where no crop is predicted that class.
    float array K C C
        Covariance of the channels around it and around each crop's own mean, all places together:
        texture, and nothing of how bright a cell is as a whole.
    float array N F
        See `tell`; of the crops as they are.
    """
    shape = network.plan.shape
    total, count = np.zeros((data.classes, *shape)), np.zeros(data.classes)
    squares = np.zeros((data.classes, shape[0], shape[0]))
    places: list[Floats] = [np.zeros((0, 2 * shape[0]))]
    with torch.inference_mode():
        for at in range(0, len(rows), 64):
            whole = data.batch(rows[at : at + 64])
            for view in range(views):
                weight = every if view else 1
                raw = whole[(view - at) % weight :: weight]
                if not len(raw):
                    continue
                turned = torch.rot90(raw.flip(3) if view >= 4 else raw, view % 4, (2, 3))
                z = network.flow(seen.prepare(turned))
                said = network.told(z).argmax(1).numpy()
                if view == 0:
                    places.append(tell(z))
                for k in np.unique(said):
                    own = z.double().numpy()[said == k]
                    total[k] += weight * own.sum(axis=0)
                    own -= own.mean(axis=(2, 3), keepdims=True)
                    squares[k] += weight * np.einsum("nchw,ndhw->cd", own, own, optimize=True)
                    count[k] += weight * len(own)
    with np.errstate(invalid="ignore", divide="ignore"):
        centres = total / count[:, None, None, None]
        spreads = squares / (count * shape[1] * shape[2])[:, None, None]
    shape_of = centres - centres.mean(axis=(2, 3), keepdims=True)
    spreads -= np.einsum("kchw,kdhw->kcd", shape_of, shape_of) / (shape[1] * shape[2])
    return centres, spreads, np.concatenate(places)


def class_details(
    network: InvertibleNetwork,
    seen: InvertibleInput,
    data: TrainingSet,
    rows: npt.NDArray[np.int64],
    seed: int,
) -> tuple[npt.NDArray[np.float32], Floats]:
    """Detail and levels of training crops by the class they are predicted.

    Returns
    -------
    float32 array K Z M C
        See `remember`; nan where no crop is predicted that class.
    float array K C Z
        See `broad_levels`; of the same crops.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_CROPS])
    with torch.inference_mode():
        planes = seen.prepare(data.batch(chosen))
        said = torch.cat([network(part).argmax(1) for part in torch.split(planes, 64)])
    exact, told = planes.double().numpy(), said.numpy()
    apart = take_apart(exact)
    return (
        remember(exact, told, data.classes, seed, apart),
        broad_levels(exact, told, data.classes, apart),
    )


def _summary(progress: Progress) -> dict[str, Any]:
    """What the card keeps, JSON types."""

    def number(value: float) -> float | None:
        return round(float(value), 6) if np.isfinite(value) else None

    return {
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "seconds": round(progress.seconds, 2),
        "stopped": progress.stopped,
        "validation_balanced_accuracy": number(progress.best),
        "validation_log_loss": number(progress.best_loss),
        "history": [{k: number(v) for k, v in row.items()} for row in progress.history],
    }
