"""Which cells are explained: as many of every answer, spread over units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.sample_crops import from_samples
from lucyte.learn.splits import even_sample
from lucyte.pipeline.asked_model import AskedModel
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.schema.crops import CropSet
from lucyte.schema.samples import Samples


@dataclass(frozen=True)
class Cells:
    """The cells that are explained.

    Attributes
    ----------
    samples : Samples
        Labelled by what is known of them.
    crops : array N C Y X
        The model's input.
    masks : bool array N Y X
        Their own, or estimated.
    targets : tuple of N str
        What is explained.
    assumed : tuple of str
        What was estimated.
    shown : int array
        Those a person sees.
    known : CropSet
        All cells, labelled by the model's answers.
    truth : tuple of str
        What is known of each of them.
    """

    samples: Samples
    crops: npt.NDArray[Any]
    masks: npt.NDArray[np.bool_]
    targets: tuple[str, ...]
    assumed: tuple[str, ...]
    shown: npt.NDArray[np.int64]
    known: CropSet
    truth: tuple[str, ...]


def choose_cells(asked: AskedModel, request: ExplainRequest) -> Cells:
    """Cells spread evenly over answers and, within them, over units."""
    samples, model = asked.samples, asked.model
    said = [asked.states.get(name, "") for name in samples.names]
    lacking = [k for k, state in enumerate(said) if state not in model.classes]
    if lacking:
        crops = samples.take(lacking).for_channels(model.channels)
        for k, place in zip(lacking, model.logits(crops).argmax(axis=1), strict=True):
            said[k] = model.classes[place]
    made = from_samples(Samples(
        images=samples.images, channels=samples.channels, names=samples.names, labels=tuple(said),
        groups=samples.groups, unit=samples.unit, masks=samples.masks,
    ))  # fmt: skip
    states = made.crops.labels
    classes = sorted(set(states))
    most = max(request.exam_cells, request.cells * len(classes))
    picked: list[int] = []
    first: list[int] = []
    for name in classes:
        rows = np.flatnonzero([state == name for state in states])
        groups = [made.crops.groups[k] for k in rows]
        order = even_sample(groups, max(1, most // len(classes)), request.wanted.seed)
        some = [int(rows[k]) for k in order]
        own = even_sample([made.crops.groups[k] for k in some], request.cells, request.wanted.seed)
        first += [some[int(k)] for k in own]
        picked += some
    rows = np.array(sorted(picked))
    own_crops = made.crops.take(rows)
    targets = tuple(request.target or name for name in own_crops.labels)
    chosen = samples.take(made.kept[rows])
    shown = np.searchsorted(rows, sorted(first))
    pixels = own_crops.for_channels(model.channels)
    truth = tuple(samples.labels[k] for k in made.kept)
    return Cells(chosen, pixels, own_crops.masks, targets, made.assumed, shown, made.crops, truth)
