"""Training of models that can be turned round: whole groups train, others test, a card says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lucyte.io.atomic import write_text
from lucyte.io.labelled import SampleOptions
from lucyte.learn.cross_validation import CrossValidation
from lucyte.learn.models import load_model, save_model
from lucyte.learn.splits import best_folds, group_folds
from lucyte.networks.model_folder import Card
from lucyte.pipeline.classifier_folder import SHOWN, prediction_table
from lucyte.pipeline.fingerprint import hash_samples
from lucyte.pipeline.labelled_data import read_labelled, resampling, with_mask
from lucyte.pipeline.out_folder import refuse_model_out
from lucyte.pipeline.training_log import TrainingLog
from lucyte.pipeline.words import counted
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Predictor
from lucyte.schema.samples import Samples
from lucyte.stats.intervals import Interval

Fit = Callable[[Samples, "InverseRequest", Callable[[Mapping[str, float]], None]], Predictor]
FOLDS = 5
"""One of so many folds of whole groups is kept back to test the model."""


@dataclass(frozen=True)
class InverseRequest:
    """What ``lucyte train invert`` or ``autoencode`` was asked.

    Attributes
    ----------
    data, out : Path
    options : SampleOptions
    use : tuple of str
        Channels to look at; empty: all of light.
    kind : {"invert", "autoencode"}
    flow : str
        Of ``invert``: i-resnet, coupling or additive.
    head : str
        linear or gaussian.
    density : float
        Weight of the density term.
    squeeze : str
        Of ``invert``: px or haar.
    subtract_background : bool
        Of ``invert``: see the cell alone, less the light beside it.
    latents : int
        Of ``autoencode``.
    teacher : Path or None
        Of ``autoencode``: a model whose answers the first latents carry; None: the labels.
    epochs : int
    minutes : float
        0: until it stops by itself.
    licence : str
    seed : int
    quiet : bool
    """

    data: Path
    out: Path
    options: SampleOptions = field(default_factory=SampleOptions)
    use: tuple[str, ...] = ()
    kind: str = "invert"
    flow: str = "i-resnet"
    head: str = "linear"
    density: float = 0.0
    squeeze: str = "px"
    subtract_background: bool = False
    latents: int = 32
    teacher: Path | None = None
    epochs: int = 30
    minutes: float = 0.0
    licence: str = "unknown"
    seed: int = 0
    quiet: bool = False


def train_inverse(request: InverseRequest) -> str:
    """Train on whole groups, test on others, write the model folder.

    Raises
    ------
    InputError, UsageError
        Data that cannot be learned from, a form that is not there; nothing is written.
    """
    if request.kind not in KINDS:
        raise unknown("kind", request.kind, KINDS)
    refuse_model_out(request.out, Path(USUAL[request.kind]))
    options = resampling(request.data, replace(request.options, training=True))
    data = read_labelled(request.data, options, None, quiet=request.quiet)
    samples = _seen(data.samples, request)
    log = TrainingLog(request.quiet)
    for note in data.notes:
        log.say(note)
    test = _kept_back(samples, request.seed)
    log.say(
        f"Training on {counted(len(samples) - len(test), 'picture')}; "
        f"{counted(len(test), 'picture')} of "
        f"{counted(len({samples.groups[k] for k in test}), samples.unit)} are kept back."
    )
    log.started, log.network = time.perf_counter(), request.kind
    inside = np.setdiff1d(np.arange(len(samples)), test)
    lost = sorted(set(samples.classes) - set(samples.take(inside).classes))
    if lost:
        raise UsageError(
            f"class {lost[0]!r} is in one {samples.unit} only, which is kept back for the test; "
            "leave the class out, or bring it in two or more."
        )
    model = KINDS[request.kind](samples.take(inside), request, lambda row: log.epoch("", row))
    tested = _tested(model, samples.take(test))
    scores = {name: tested.interval(name) for name in SHOWN}
    limits = ["the groups it was tested on were not trained on; this is one split, not all"]
    card = Card(
        training_data=f"{request.data.name}: {counted(len(inside), 'picture')} of "
        f"{counted(len(samples.classes), 'class')}",
        data_sha256=hash_samples(samples),
        split=f"one of {FOLDS} folds of whole {samples.unit}s kept back; seed {request.seed}",
        metrics={name: _on_card(each, tested.unit) for name, each in scores.items()
                 if np.isfinite(each.estimate)},
        tested_conditions={name: tuple(sorted(set(values)))
                           for name, values in samples.levels.items() if len(set(values)) <= 200},
        cut_px=options.cut_px,
        data_licence=request.licence,
        limits=tuple(limits),
    )  # fmt: skip
    save_model(model, request.out, card)
    table = prediction_table(tested).to_csv(index=False)
    write_text(request.out / "predictions.csv", table)
    return _told(request, samples, tested, scores)


def _invert(
    samples: Samples, request: InverseRequest, told: Callable[[Mapping[str, float]], None]
) -> Predictor:
    from lucyte.learn.invertible_learner import InvertibleSettings, train_invertible
    from lucyte.learn.invertible_training import InvertibleTraining

    training = InvertibleTraining(
        epochs=request.epochs,
        density=request.density,
        budget_s=60 * request.minutes or None,
    )
    background = "subtracted" if request.subtract_background else "kept"
    settings = InvertibleSettings(
        flow=request.flow,
        head=request.head,
        squeeze=request.squeeze,
        background=background,
        training=training,
    )
    return train_invertible(samples, settings, request.seed, told)


def _autoencode(
    samples: Samples, request: InverseRequest, told: Callable[[Mapping[str, float]], None]
) -> Predictor:
    from lucyte.learn.autoencoder_learner import AutoencoderSettings, train_autoencoder
    from lucyte.learn.autoencoder_training import AutoencoderTraining

    training = AutoencoderTraining(epochs=request.epochs, budget_s=60 * request.minutes or None)
    settings = AutoencoderSettings(latents=request.latents, training=training)
    teacher = None if request.teacher is None else load_model(request.teacher)
    return train_autoencoder(samples, settings, request.seed, teacher, told)


KINDS: dict[str, Fit] = {"invert": _invert, "autoencode": _autoencode}
"""What makes each kind of model."""
USUAL = {"invert": "inverse", "autoencode": "autoencoder"}
"""Where each goes by default."""


def _seen(samples: Samples, request: InverseRequest) -> Samples:
    """The channels that are looked at."""
    use = request.use or samples.channels
    if request.subtract_background:
        use = with_mask(samples, use)
    if use == samples.channels:
        return samples
    return replace(samples, images=samples.for_channels(use), channels=use)


def _kept_back(samples: Samples, seed: int) -> Any:
    """Rows of the groups that test the model."""
    folds, why = best_folds(samples.labels, samples.groups, FOLDS)
    if folds < 2:
        raise UsageError(f"nothing can be kept back to test the model: {why}")
    return np.flatnonzero(group_folds(samples.labels, samples.groups, folds, seed) == 0)


def _tested(model: Predictor, samples: Samples) -> CrossValidation:
    return CrossValidation(
        tuple(model.classes),
        model.logits(samples.for_channels(model.channels)),
        np.zeros(len(samples), dtype=np.int64),
        samples.labels,
        samples.groups,
        samples.names,
        samples.unit,
    )


def _on_card(found: Interval, unit: str) -> dict[str, Any]:
    ends = [None if end is None else round(end, 4) for end in (found.low, found.high)]
    return {"value": round(found.estimate, 4), "low": ends[0], "high": ends[1], "n": found.n,
            "unit": unit}  # fmt: skip


def _told(
    request: InverseRequest,
    samples: Samples,
    tested: CrossValidation,
    scores: Mapping[str, Interval],
) -> str:
    lines = [f"On {counted(len(set(tested.groups)), samples.unit)} that it never saw:"]
    for name, found in scores.items():
        limits = "" if found.low is None else f" ({found.low:.3f} to {found.high:.3f})"
        lines.append(f"  {name.replace('_', ' '):<18} {found.estimate:.3f}{limits}")
    lines.append(f"Wrote {request.out}: model.json, weights.safetensors, predictions.csv.")
    return "\n".join(lines)
