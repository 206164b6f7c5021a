"""DATA of a classifier, opened: pictures or patches of stacks, and what must be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.classify.patch_samples import read_patches
from lucyte.classify.patches import PatchSettings
from lucyte.io.labelled import SampleOptions, read_samples
from lucyte.networks.model_folder import StoredModel
from lucyte.pipeline.progress import step
from lucyte.pipeline.run_cells import is_run, read_cells, usual_side
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import MASK_CHANNEL
from lucyte.schema.samples import Samples


@dataclass(frozen=True)
class LabelledData:
    """Samples ready to be learned from or answered.

    Attributes
    ----------
    samples : Samples
    notes : tuple of str
        What was recognised, assumed, resampled; a sentence each.
    left_out : tuple of str
        What could not be read, with reasons.
    file_bytes : float array N
        Size of each file; nan where unknown.
    attrition : DataFrame or None
        Of patches, by size and class.
    """

    samples: Samples
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    file_bytes: npt.NDArray[np.float64]
    attrition: pd.DataFrame | None = None


def read_labelled(
    data: Path, options: SampleOptions, patches: PatchSettings | None, *, quiet: bool
) -> LabelledData:
    """Read DATA in any of its forms, a run among them; with ``patches``, stacks are cut.

    Raises
    ------
    InputError, UsageError
        One line that names the culprit.
    """
    with step("Reading", 1, quiet=quiet) as done:
        if is_run(data):
            samples, notes = _of_run(data, options, patches)
            found = LabelledData(samples, notes, (), np.full(len(samples), np.nan))
        elif patches is not None:
            cut = read_patches(data, patches, options)
            unknown = np.full(len(cut.samples), np.nan)
            found = LabelledData(cut.samples, cut.notes, cut.left_out, unknown, cut.attrition)
        else:
            read = read_samples(data, options)
            found = LabelledData(read.samples, read.notes, read.left_out, read.file_bytes)
        done()
    return found


def _of_run(
    run: Path, options: SampleOptions, patches: PatchSettings | None
) -> tuple[Samples, tuple[str, ...]]:
    if patches is not None:
        raise UsageError(f"{run}: is a run, whose cells are cut out; --patch-px is of stacks.")
    return read_cells(
        run,
        column=options.label_column,
        group=options.group_column or "auto",
        side_px=options.side_px,
        cut_px=options.cut_px,
        labelled=options.training,
    )


def resampling(data: Path, options: SampleOptions) -> SampleOptions:
    """Options that say how much is cut around a run's cells, where these are to be resampled."""
    if options.fit != "resample" or not options.side_px or options.cut_px or not is_run(data):
        return options
    return replace(options, cut_px=usual_side(data))


def as_trained(data: Path, options: SampleOptions, stored: StoredModel) -> SampleOptions:
    """Options that cut a run's cells as those were that a model was trained on."""
    if not is_run(data) or options.side_px:
        return options
    return replace(options, side_px=stored.input_px, cut_px=stored.card.cut_px)


def with_mask(samples: Samples, use: Sequence[str]) -> tuple[str, ...]:
    """The channels to look at with the cell's own mask among them, for a background taken off.

    Raises
    ------
    UsageError
        Samples without masks: what lies beside the cell is not known.
    """
    if samples.masks is None and MASK_CHANNEL not in samples.channels:
        raise UsageError(
            "--subtract-background needs to know where each cell ends, and these pictures have no "
            "masks; give --masks, or a run, whose cells have their own."
        )
    return (*(name for name in use if name != MASK_CHANNEL), MASK_CHANNEL)


def patches_of(stored: StoredModel) -> PatchSettings | None:
    """How the stacks were cut that a model was trained on; None where none were."""
    cut = stored.config.get("patches")
    if cut is None:
        return None
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in cut.items()}
    return PatchSettings(**lists)
