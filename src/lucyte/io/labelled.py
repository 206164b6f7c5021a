"""Read labelled pictures in every form they come in: folders, a table, an array with a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.io.labelled_arrays import read_array
from lucyte.io.labelled_find import find_labelled
from lucyte.io.labelled_items import Labelled, LabelledItem, SampleOptions, few
from lucyte.io.labelled_pictures import read_pictures
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.samples import Samples

__all__ = ["Labelled", "LabelledItem", "SampleOptions", "SampleReading", "find_labelled"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SampleReading:
    """Samples, and what must be said about how they were read.

    Attributes
    ----------
    samples : Samples
    form : {"folders", "table", "array", "pictures"}
    notes : tuple of str
        Whole sentences for a person: what was recognised, assumed, resampled, left out.
    left_out : tuple of str
        Damaged pictures, each with its reason.
    file_bytes : float array N
        Size of each file; nan where the picture is no file of its own. What the compression left
        may betray the class.
    """

    samples: Samples
    form: str
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    file_bytes: npt.NDArray[np.float64]


def read_samples(
    data: str | Path, options: SampleOptions | None = None, progress: Progress | None = None
) -> SampleReading:
    """Read labelled pictures as `Samples`.

    Forms: a folder with one subfolder per class; a CSV with ``image, state`` and optionally
    ``group, mask, plate, well, day ...`` (paths relative to it); an array (``.npz``, ``.npy``,
    ``.zarr``) with a CSV row for row; with ``training=False`` also plain pictures.

    Parameters
    ----------
    data : str or Path
    options : SampleOptions
    progress : callable, optional
        Told (done, of) after each picture.

    Returns
    -------
    SampleReading

    Raises
    ------
    InputError, UsageError
        One line that names the culprit; see docs/classifier-data.md.
    """
    how = options or SampleOptions()
    found = find_labelled(data, how)
    read = read_array if found.form == "array" else None
    pixels = read(found, how, progress) if read else read_pictures(found.items, how, progress)
    items = pixels.items
    if not len(items):
        raise InputError(str(data), "holds no picture that can be read.")
    if how.training and len(items) < len(found.items):
        _still_trains(items, found)
    _finite(pixels.images, [item.name for item in items], found)
    known = sorted({name for item in items for name in item.levels})
    samples = Samples(
        images=pixels.images,
        channels=pixels.channels,
        names=tuple(item.name for item in items),
        labels=tuple(item.label for item in items),
        groups=tuple(item.group for item in items),
        unit=found.unit,
        levels={name: tuple(item.levels.get(name, "") for item in items) for name in known},
        masks=pixels.masks,
        pixel_size_um=pixels.pixel_size_um,
        grouped=found.grouped,
    )
    sizes = pixels.file_bytes
    return SampleReading(
        samples,
        found.form,
        (*found.notes, *pixels.notes),
        pixels.left_out,
        sizes if len(sizes) else np.full(len(items), np.nan),
    )


def _finite(images: npt.NDArray[Any], names: Sequence[str], found: Labelled) -> None:
    """A picture with a hole is named while it is read, not after the training began."""
    if images.dtype.kind != "f":
        return
    holes = [name for row, name in enumerate(names) if not np.isfinite(images[row]).all()]
    if holes:
        raise InputError(
            found.array or found.culprit,
            f"{len(holes)} of {len(names)} pictures hold nan or infinite values: {few(holes)}.",
            "Leave them out, or write numbers there.",
        )


def _still_trains(items: tuple[LabelledItem, ...], found: Labelled) -> None:
    """A class all of whose pictures are damaged is not quietly another task."""
    left = {item.label for item in items}
    gone = sorted({item.label for item in found.items} - left)
    if gone:
        raise UsageError(
            f"{found.culprit}: every image of class {gone[0]!r} is damaged; copy them again, or "
            "remove the class."
        )
