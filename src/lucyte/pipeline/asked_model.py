"""A model and the cells it is asked about: a run's own, or MODEL and DATA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.labelled import SampleOptions
from lucyte.io.words import read_csv_words
from lucyte.learn.image_augment import AugmentSettings
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.models import load_model
from lucyte.networks.input_match import match_input
from lucyte.networks.model_folder import Card, read_folder
from lucyte.pipeline.fingerprint import hash_samples
from lucyte.pipeline.labelled_data import as_trained, patches_of, read_labelled
from lucyte.pipeline.run_cells import is_run, read_cells
from lucyte.schema.errors import UsageError
from lucyte.schema.plan import load_plan
from lucyte.schema.protocols import MASK_CHANNEL, Learner, Predictor
from lucyte.schema.samples import Samples

MOST_CELLS = 2000
"""Cells of a run that are asked about, spread evenly over units."""


@dataclass(frozen=True)
class Wanted:
    """What a command was given.

    Attributes
    ----------
    first : Path
        A run, or a model folder.
    data : Path or None
        Pictures, where ``first`` is a model.
    options : SampleOptions
    need_labels : bool
        Samples without a class are left aside.
    seed : int
    quiet : bool
    """

    first: Path
    data: Path | None = None
    options: SampleOptions = field(default_factory=SampleOptions)
    need_labels: bool = True
    seed: int = 0
    quiet: bool = False


@dataclass(frozen=True)
class AskedModel:
    """A model, the cells it is asked about, and what is known of both.

    Attributes
    ----------
    name : str
        For titles.
    model : Predictor
    card : Card
    samples : Samples
        What the model sees: its channels of light in its order and at its size, masks beside.
        ``samples.for_channels(model.channels)`` is its input.
    learner : Learner or None
        Makes such a model again.
    unseen : bool
        The model was fitted on other pictures.
    states : mapping of name to state
        Out-of-fold where the model saw the cell and such an answer is kept.
    probability : mapping of name to float
        Of that state.
    file_bytes : float array N or None
        nan where unknown.
    notes : tuple of str
    """

    name: str
    model: Predictor
    card: Card
    samples: Samples
    learner: Learner | None
    unseen: bool
    states: Mapping[str, str]
    probability: Mapping[str, float]
    file_bytes: npt.NDArray[np.float64] | None
    notes: tuple[str, ...] = ()


def ask(wanted: Wanted) -> AskedModel:
    """Open a run with its states model, or a model folder with pictures.

    Raises
    ------
    UsageError
        Neither a run nor a model with data; a run without states; channels that do not fit.
    """
    if is_run(wanted.first):
        if wanted.data is not None:
            raise UsageError(
                f"{wanted.first} is a run and brings its own cells; leave {wanted.data} out."
            )
        return _of_run(wanted)
    if not (wanted.first / "model.json").is_file():
        raise UsageError(
            f"{wanted.first}: is neither a finished run nor a model folder. "
            "Give RUN, or MODEL and DATA."
        )
    if wanted.data is None:
        raise UsageError(f"{wanted.first} is a model; give the pictures to ask it about, too.")
    return _of_model(wanted, wanted.data)


def _of_run(wanted: Wanted) -> AskedModel:
    run, folder = wanted.first, wanted.first / "models" / "states"
    if not (folder / "model.json").is_file():
        raise UsageError(
            f"{run}: has no states, so there is no model to ask. Its report says why; a network "
            f"can be asked about its cells: MODEL {run}"
        )
    model = load_model(folder)
    target = load_plan(run / "plan.toml").classify.target
    samples, notes = read_cells(
        run,
        column=target,
        side_px=model.input_px,
        most=MOST_CELLS,
        seed=wanted.seed,
        labelled=wanted.need_labels,
    )
    samples = _in_order(samples, model, samples.for_channels(model.channels))
    told = pd.read_parquet(run / "objects.parquet").set_index("object_id")
    states, chances = {}, {}
    for name in samples.names:
        row: dict[Any, Any] = told.loc[name].to_dict()
        state = str(row.get("state") or "")
        if f"p_{state}" in row:
            states[name], chances[name] = state, float(row[f"p_{state}"])
    card = read_folder(folder).card
    return AskedModel(
        run.resolve().name, model, card, samples, None, False, states, chances, None, notes
    )


def _of_model(wanted: Wanted, data: Path) -> AskedModel:
    stored = read_folder(wanted.first)
    model = load_model(wanted.first)
    patches = None if is_run(data) else patches_of(stored)
    options = replace(wanted.options, training=wanted.need_labels)
    options = as_trained(data, options, stored)
    if options.side_px is None and options.fit:
        options = replace(options, side_px=model.input_px)
    found = read_labelled(data, options, patches, quiet=wanted.quiet)
    samples = found.samples
    card = stored.card
    crops, warnings = match_input(
        model, samples, intensity_range=card.intensity_range, tested=card.tested_conditions
    )
    seen = hash_samples(samples) == card.data_sha256
    states, chances = _out_of_fold(wanted.first) if seen else ({}, {})
    size = found.file_bytes
    return AskedModel(
        wanted.first.resolve().name,
        model,
        card,
        _in_order(samples, model, crops),
        _learner(wanted.first, model),
        not seen,
        states,
        chances,
        size if np.isfinite(size).all() else None,
        (*found.notes, *found.left_out, *warnings),
    )


def _in_order(samples: Samples, model: Predictor, crops: npt.NDArray[Any]) -> Samples:
    """The light that the model sees as samples; masks follow where they still fit."""
    light = [k for k, name in enumerate(model.channels) if not name.startswith("mask:")]
    masks = samples.masks
    if MASK_CHANNEL in model.channels:
        masks = crops[:, model.channels.index(MASK_CHANNEL)] > 0
    elif masks is not None and masks.shape[1:] != crops.shape[2:]:
        masks = None
    channels = tuple(model.channels[k] for k in light)
    return replace(samples, images=crops[:, light], channels=channels, masks=masks)


def _out_of_fold(folder: Path) -> tuple[dict[str, str], dict[str, float]]:
    """What ``predictions.csv`` of a training says: answers of models that had not seen the row."""
    path = folder / "predictions.csv"
    if not path.is_file():
        return {}, {}
    table = read_csv_words(path, ("image", "state"))
    states = dict(zip(table["image"], table["state"], strict=True))
    chances = {
        row["image"]: float(row[f"p_{row['state']}"])
        for row in table.to_dict("records")
        if f"p_{row['state']}" in table
    }
    return states, chances


def _learner(folder: Path, model: Predictor) -> Learner | None:
    """The learner that made a network, from the settings kept beside it."""
    path = folder / "settings.json"
    if not path.is_file():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    training = known.pop("training", {})
    plain = {each.name for each in fields(TrainingSettings)}
    training["augment"] = AugmentSettings(**training.get("augment", {}))
    settings = ImageSettings(
        **{k: v for k, v in known.items() if k in {f.name for f in fields(ImageSettings)}},
        training=TrainingSettings(**{k: v for k, v in training.items() if k in plain}),
    )
    return ImageLearner(tuple(model.channels), settings, model.pixel_size_um)
