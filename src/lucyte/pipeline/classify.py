"""``lucyte classify``: states of pictures by a trained model, and a picture to check them by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.labelled import SampleOptions
from lucyte.io.labelled_items import few
from lucyte.io.write_table import write_parquet
from lucyte.learn.votes import vote
from lucyte.networks.abstention import UNKNOWN
from lucyte.networks.engine import choose_engine
from lucyte.networks.half_precision import LOOKED_AT, halved
from lucyte.networks.image_classifier import KIND, ImageClassifier
from lucyte.networks.input_match import match_input
from lucyte.networks.model_folder import Card, read_folder
from lucyte.pipeline.labelled_data import as_trained, patches_of, read_labelled
from lucyte.pipeline.object_pictures import write_picture
from lucyte.pipeline.out_folder import refuse_out
from lucyte.pipeline.progress import step
from lucyte.pipeline.words import counted
from lucyte.report.classifier_content import sample_picture
from lucyte.report.classifier_sheet import classified_picture
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples

BATCH = 512
FIELD = 5
"""Pictures with so many times the side of a model's input are fields, not cells."""


@dataclass(frozen=True)
class ClassifyRequest:
    """What ``lucyte classify`` was asked.

    Attributes
    ----------
    data, out, model : Path
    options : SampleOptions
    pixel_size_um : float or None
        The user's word, before what files say.
    engine, device : str
    quiet : bool
    """

    data: Path
    out: Path
    model: Path
    options: SampleOptions = field(default_factory=SampleOptions)
    pixel_size_um: float | None = None
    engine: str = "auto"
    device: str = "auto"
    quiet: bool = False


def classify_pictures(request: ClassifyRequest) -> str:
    """Write ``states.parquet`` (``voted.parquet`` for stacks) and ``overview.png``.

    Raises
    ------
    InputError, UsageError
        A model of another kind, channels that are not the model's, pictures that cannot be read.
    """
    refuse_out(request.out, Path("classified"))
    if request.pixel_size_um is not None and not request.pixel_size_um > 0:
        raise UsageError(f"--pixel-size-um is {request.pixel_size_um:g}; a size is above 0.")
    stored = read_folder(request.model)
    if stored.kind != KIND:
        raise UsageError(
            f"{request.model}: is a model of kind {stored.kind!r}; classify needs {KIND!r}. "
            "Make one with: lucyte train classify DATA -o MODEL"
        )
    engine, device = choose_engine(request.engine, request.device)
    model = ImageClassifier.restore(stored).with_engine(engine, device)
    options = replace(request.options, training=False)
    options = as_trained(request.data, options, stored)
    patches = patches_of(stored)
    if patches is None and options.side_px is None and options.fit:
        options = replace(options, side_px=model.input_px)
    data = read_labelled(request.data, options, patches, quiet=request.quiet)
    samples = data.samples
    if request.pixel_size_um is not None:
        samples = replace(samples, pixel_size_um=request.pixel_size_um)
    _refuse_fields(model, samples, request.data)
    warnings = warned(model, stored.card, samples)
    if request.engine == "auto":
        model, note = halved(model, _some(model, samples), len(samples))
        warnings = (*warnings, note) if note else warnings
    logits = _answer(model, samples, quiet=request.quiet)
    table = state_table(model, logits, samples)
    request.out.mkdir(parents=True, exist_ok=True)
    write_parquet(table, request.out / "states.parquet")
    wrote = [request.out / "states.parquet"]
    if samples.sources != samples.names:
        votes = vote(logits, samples.sources)
        whole = state_table(model, votes.log_probabilities, _sources(samples, votes.first))
        whole.insert(2, "patches", votes.n)
        write_parquet(whole, request.out / "voted.parquet")
        wrote.append(request.out / "voted.parquet")
        table = whole
    answers = model.calibration.answers(logits, model.classes)
    sure = model.calibration.probabilities(logits).max(axis=1)
    shown = classified_picture(answers, sure, sample_picture(samples))
    write_picture(request.out / "overview.png", shown)
    wrote.append(request.out / "overview.png")
    notes = [*data.notes, *data.left_out, *warnings]
    lines = [
        _told(table, model.classes),
        f"Wrote {', '.join(map(str, wrote))}.",
        *(f"  {n}" for n in notes),
    ]
    return "\n".join(lines)


def _refuse_fields(model: ImageClassifier, samples: Samples, data: Path) -> None:
    """Whole fields are no cells: said before anything is said of their channels."""
    side = max(samples.images.shape[-2:])
    if side > FIELD * model.input_px:
        raise UsageError(
            f"{data}: holds pictures of {side} px, and this model takes single cells of "
            f"{model.input_px} px. Find the cells first: lucyte init {data} -o plan.toml; lucyte "
            "run plan.toml -o RUN; then: lucyte classify RUN --model MODEL"
        )


def warned(model: ImageClassifier, card: Card, samples: Samples) -> tuple[str, ...]:
    """What the card says against these samples, told by some of them from every condition."""
    rows = set(np.linspace(0, len(samples) - 1, 256).astype(int).tolist())
    for values in samples.levels.values():
        rows |= {values.index(value) for value in set(values)}
    some = samples.take(sorted(rows))
    tested, ranges = card.tested_conditions, card.intensity_range
    return match_input(model, some, intensity_range=ranges, tested=tested)[1]


def _some(model: ImageClassifier, samples: Samples) -> npt.NDArray[Any]:
    """Crops from the whole of the samples, as the model takes them."""
    rows = np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).astype(int))
    return match_input(model, samples.take(rows))[0]


def _answer(model: ImageClassifier, samples: Samples, *, quiet: bool) -> npt.NDArray[np.float64]:
    """Logits of every sample."""
    parts = []
    starts = range(0, len(samples), BATCH)
    with step("Classifying", len(starts), quiet=quiet) as done:
        for start in starts:
            some = samples.take(range(start, min(start + BATCH, len(samples))))
            parts.append(model.logits(match_input(model, some)[0]))
            done()
    return np.concatenate(parts)


def state_table(
    model: ImageClassifier, logits: npt.NDArray[np.float64], samples: Samples
) -> pd.DataFrame:
    """``image, state, p_<class> ...`` and what is known of each picture."""
    chances = model.calibration.probabilities(logits)
    columns: dict[str, Any] = {
        "image": samples.names,
        "state": model.calibration.answers(logits, model.classes),
        **{f"p_{name}": chances[:, k] for k, name in enumerate(model.classes)},
    }
    if samples.grouped:
        columns["group"] = samples.groups
    if any(samples.labels):
        columns["truth"] = samples.labels
    return pd.DataFrame({**columns, **dict(samples.levels)})


def _sources(samples: Samples, first: npt.NDArray[np.int64]) -> Samples:
    """One row per source, named by it."""
    taken = samples.take(first)
    return replace(taken, names=taken.sources)


def _told(table: pd.DataFrame, classes: Sequence[str]) -> str:
    counts = table["state"].value_counts()
    parts = [f"{n:,} {name}" for name, n in counts.items() if name != UNKNOWN]
    if UNKNOWN in counts:
        parts.append(f"{counts[UNKNOWN]:,} {UNKNOWN}")
    told = f"{counted(len(table), 'picture')}: {', '.join(parts)}."
    if "truth" in table:
        strange = sorted(set(table["truth"]) - {"", *classes})
        if strange:
            told += f" Labels that are no class of the model: {few(strange)}."
        known = table[table["truth"].isin(classes)]
        if known.empty:
            return told
        share = float((known["truth"] == known["state"]).mean())
        told += f" {share:.1%} as labelled (not a test if the model learned from them)."
    return told
