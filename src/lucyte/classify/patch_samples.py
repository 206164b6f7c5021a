"""Labelled z-stacks to patches: every stack scored first, then only what is kept is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from lucyte.classify.patch_attrition import SIDES_PX, attrition, attrition_note
from lucyte.classify.patches import (
    PatchSettings,
    StackPatches,
    as_stack,
    cut_patches,
    score_patches,
)
from lucyte.io.labelled import Labelled, LabelledItem, SampleOptions, find_labelled
from lucyte.io.labelled_items import few
from lucyte.io.labelled_scratch import scratch_array
from lucyte.io.open import How, open_image
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.samples import Samples

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PatchReading:
    """Patches as samples, and what was lost on the way.

    Attributes
    ----------
    samples : Samples
        Names ``stack.tif#z03y0350x0700``; ``sources`` are the stacks, to which answers are voted
        up; groups are the stacks where none were given.
    attrition : DataFrame
        By size and class, see `lucyte.classify.patch_attrition.attrition`.
    patches : DataFrame
        Every patch of every stack, kept or not.
    thresholds : DataFrame
        ``stack, channel, threshold``.
    notes, left_out : tuple of str
    """

    samples: Samples
    attrition: pd.DataFrame
    patches: pd.DataFrame
    thresholds: pd.DataFrame
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def read_patches(
    data: str | Path,
    settings: PatchSettings | None = None,
    options: SampleOptions | None = None,
    progress: Progress | None = None,
) -> PatchReading:
    """Cut labelled stacks into patches.

    Three passes over the pixels: levels, foreground, and the planes that hold a patch to keep.
    Planes are read one by one, so stacks may be larger than memory.

    Parameters
    ----------
    data : str or Path
        Folder with one subfolder per class or a CSV, as in `lucyte.io.labelled.read_samples`;
        each file is a stack. Pages whose meaning a file does not state are Z.
    settings : PatchSettings
    options : SampleOptions
    progress : callable, optional
        Told (done, of) per stack, scoring and cutting each counted once.

    Raises
    ------
    InputError
        No stack can be read, channels or pixel types that differ.
    UsageError
        Unknown channels, an array instead of files, no patch dense enough.
    """
    how, cut = options or SampleOptions(), settings or PatchSettings()
    found = _stacks(data, how)
    scored, left_out = _score(found, how, cut, (), progress)
    stacks = [item for item, _ in scored]
    labels = {item.name: item.label for item in stacks}
    table = pd.concat([each.table for _, each in scored], ignore_index=True)
    counts = attrition(table, labels)
    if not table["kept"].any():
        raise UsageError(
            f"no patch of {cut.side_px} px has a foreground of {cut.min_foreground:g} (the densest "
            f"{table['foreground'].max():.3f}); lower min_foreground."
        )
    samples, more = _cut(scored, found, how, cut, progress)
    notes = [*found.notes, attrition_note(counts), *more]
    if left_out:
        notes.append(f"{len(left_out)} stacks were left out: {few(left_out)}.")
    thresholds = pd.DataFrame(
        [(p.name, channel, level) for _, p in scored for channel, level in p.thresholds.items()],
        columns=["stack", "channel", "threshold"],
    )
    return PatchReading(samples, counts, table, thresholds, tuple(notes), tuple(left_out))


def attrition_curve(
    data: str | Path,
    settings: PatchSettings | None = None,
    options: SampleOptions | None = None,
    sides_px: Sequence[int] = SIDES_PX,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Attrition over a grid of patch sizes, all sizes in the same two passes over the pixels.

    Returns
    -------
    DataFrame
        See `lucyte.classify.patch_attrition.attrition`. A size that fits no stack has no row.
    """
    how, cut = options or SampleOptions(), settings or PatchSettings()
    found = _stacks(data, how)
    scored, _ = _score(found, how, cut, sides_px, progress)
    table = pd.concat([each.table for _, each in scored], ignore_index=True)
    return attrition(table, {item.name: item.label for item, _ in scored})


def _stacks(data: str | Path, how: SampleOptions) -> Labelled:
    found = find_labelled(data, how)
    if found.form == "array":
        raise UsageError(f"{data}: patches are cut from stacks in files, not from an array.")
    if found.grouped:
        return found
    items = tuple(replace(item, group=item.name) for item in found.items)
    note = (
        "Patches of one stack are kept together; whether stacks are independent of one another is "
        "unknown (--group-regex or --group-column tells)."
    )
    return replace(found, items=items, unit="stack", grouped=True, notes=(*found.notes[:-1], note))


def _open(item: LabelledItem, how: SampleOptions) -> xr.DataArray:
    assert item.path is not None
    image = open_image(
        item.path,
        series=item.series or None,
        select=dict(how.select),
        how=How(pages=how.pages or "Z"),
    )
    if not how.channels:
        return image
    have = [str(each) for each in image["C"].values] if "C" in image.dims else ["C0"]
    image = image if "C" in image.dims else image.expand_dims(C=have)
    from lucyte.io.labelled_pictures import chosen_channels

    at, names = chosen_channels(np.arange(len(have))[None], tuple(have), how.channels)
    return image.isel(C=at[0]).assign_coords(C=list(names))


def _score(
    found: Labelled,
    how: SampleOptions,
    cut: PatchSettings,
    sides: Sequence[int],
    progress: Progress | None,
) -> tuple[list[tuple[LabelledItem, StackPatches]], list[str]]:
    scored, left_out = [], []
    for done, item in enumerate(found.items, start=1):
        try:
            scored.append((item, score_patches(_open(item, how), item.name, cut, sides)))
        except InputError as error:
            left_out.append(f"{item.name} ({error.problem.rstrip('.;')})")
        if progress is not None:
            progress(done, 2 * len(found.items))
    if not scored:
        raise InputError(found.items[0].name, f"and all other stacks cannot be read: {left_out[0]}")
    count = Counter(each.channels for _, each in scored)
    usual = count.most_common(1)[0][0]
    for item, each in scored:
        if each.channels != usual:
            raise InputError(
                item.name,
                f"has channels {', '.join(each.channels)} where {count[usual]} others have "
                f"{', '.join(usual)}.",
                "Classifiers need the same channels in every stack.",
            )
    return scored, left_out


def _cut(
    scored: Sequence[tuple[LabelledItem, StackPatches]],
    found: Labelled,
    how: SampleOptions,
    cut: PatchSettings,
    progress: Progress | None,
) -> tuple[Samples, list[str]]:
    opened = [_open(item, how) for item, _ in scored]
    types = Counter(image.dtype for image in opened)
    usual = types.most_common(1)[0][0]
    odd = [item.name for (item, _), i in zip(scored, opened, strict=True) if i.dtype != usual]
    if odd:
        raise InputError(odd[0], f"has other pixels than the {usual} of the rest.", "Export alike.")
    counts = [int(each.table["kept"].sum()) for _, each in scored]
    channels = scored[0][1].channels
    shape = (sum(counts), len(channels), cut.side_px, cut.side_px)
    images: Any = scratch_array(shape, usual, how.scratch_gb)
    names: list[str] = []
    owners: list[LabelledItem] = []
    for done, ((item, patches), image) in enumerate(zip(scored, opened, strict=True), start=1):
        part = images[len(names) : len(names) + counts[done - 1]]
        cut_patches(image, patches, cut, part)
        names += [str(each) for each in patches.kept["patch"]]
        owners += [item] * counts[done - 1]
        if progress is not None:
            progress(len(found.items) + done, 2 * len(found.items))
    sizes = {as_stack(i, "", cut).attrs.get("pixel_size_um") for i in opened}
    size = sizes.pop() if len(sizes) == 1 else None
    notes = [] if not sizes else ["The pixel size differs between stacks, so it is unknown."]
    known = sorted({name for item in owners for name in item.levels})
    samples = Samples(
        images=images,
        channels=channels,
        names=tuple(names),
        labels=tuple(item.label for item in owners),
        groups=tuple(item.group for item in owners),
        unit=found.unit,
        sources=tuple(item.name for item in owners),
        levels={name: tuple(item.levels.get(name, "") for item in owners) for name in known},
        pixel_size_um=size,
        grouped=found.grouped,
    )
    return samples, notes
