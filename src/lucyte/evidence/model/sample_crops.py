"""Pictures of cells as crops with masks: given masks, or the object at the centre, and so said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from lucyte.evidence.model.inputs import FEWEST_FREE, grown
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.protocols import Learner, Predictor
from lucyte.schema.samples import Samples

Light = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
RING = 1 / 16
"""Width of the ring whose median is a picture's background, as a share of the side."""
SMALLEST_PX = 9
"""Px below which something bright is no object."""
LARGEST = 0.9
"""Share of the picture beyond which what is bright is no object but the picture."""
ENOUGH = 0.5
"""Share of the crops that must show something outside their objects."""
BATCH = 128


@dataclass(frozen=True)
class SampleCrops:
    """Crops made from samples, and what must be said of them.

    Attributes
    ----------
    crops : CropSet
    kept : int array
        Rows of the samples that became crops, rising.
    assumed : tuple of str
        What was estimated, in words that go with every Finding.
    """

    crops: CropSet
    kept: npt.NDArray[np.int64]
    assumed: tuple[str, ...] = ()


def from_samples(samples: Samples, halo_px: int = 3) -> SampleCrops:
    """Samples as crops with masks.

    Where masks are given they are the cells', and the foreground is they and whatever else is as
    bright. Where none are given, the object at the centre is estimated: each picture less the
    median of its border, over the border's own spread in the whole set, channels put together;
    Otsu's threshold; the part nearest to the centre, holes filled.

    Parameters
    ----------
    samples : Samples
        N C Y X, square.
    halo_px : int
        Width around a given mask that still holds the cell's own light and is no other object.

    Returns
    -------
    SampleCrops
        Pictures without a label, and pictures in which no object stands out, are left out.

    Raises
    ------
    UsageError
        Pictures that are not square, or none with an object.

    References
    ----------
    Otsu 1979, doi 10.1109/TSMC.1979.4310076.
    """
    side = samples.images.shape[2:]
    if side[0] != side[1]:
        raise UsageError(
            f"challenges take square pictures, got {side[0]} x {side[1]} px; read them at one side "
            "(--side-px)."
        )
    labelled = np.flatnonzero(np.asarray(samples.labels, dtype=str) != "")
    known = samples.take(labelled)
    masks, foreground = _objects(known, halo_px)
    found: Bools = np.asarray(masks.any(axis=(1, 2)))
    if not found.any():
        raise UsageError(
            f"in none of {len(known)} pictures does an object stand out from its background; give "
            "masks (a column `mask`, or --masks)."
        )
    kept = known.take(found)
    crops = CropSet(
        crops=np.asarray(kept.images),
        channels=kept.channels,
        object_ids=kept.names,
        labels=kept.labels,
        groups=kept.groups,
        masks=masks[found],
        foreground=foreground[found],
        distance_px=np.zeros(len(kept)),
        kind=("cell",) * len(kept),
        field_ids=_fields(kept),
        time_index=np.zeros(len(kept), dtype=np.int64),
        unit=kept.unit,
    )
    return SampleCrops(crops, labelled[found], _assumed(known, found))


def subject_from_samples(
    samples: Samples,
    predictor: Predictor | None = None,
    learner: Learner | None = None,
    *,
    unseen: bool = False,
    file_bytes: npt.ArrayLike | None = None,
) -> Subject:
    """What challenges are put to, from samples: crops with masks, levels and what was assumed."""
    made = from_samples(samples)
    sizes = None if file_bytes is None else np.asarray(file_bytes, dtype=np.float64)[made.kept]
    return Subject(
        crops=made.crops,
        predictor=predictor,
        learner=learner,
        levels={
            name: tuple(values[i] for i in made.kept) for name, values in samples.levels.items()
        },
        unseen=unseen,
        file_bytes=sizes,
        assumed=made.assumed,
    )


def nothing_outside(crops: CropSet, halo_px: int) -> str:
    """Why these crops show nothing outside their objects, or an empty string where they do.

    Either the objects cover the crops, or everything outside was set to one value, the same in
    every crop: then no background is left to ask about.
    """
    cells = crops.of_kind("cell")
    if not len(cells):
        return "there are no cells"
    free = ~grown(cells.foreground, halo_px)
    held = free.sum(axis=(1, 2)) >= FEWEST_FREE
    if held.mean() < ENOUGH:
        return (
            f"in {int((~held).sum())} of {len(cells)} crops the objects leave fewer than "
            f"{FEWEST_FREE} px free; cut larger crops, or give masks of the cells alone"
        )
    for plane, name in enumerate(cells.channels):
        some = cells.crops[np.flatnonzero(held), plane][free[held]]
        if some.min() < some.max():
            return ""
        value = f"{float(some[0]):g} in {name}"
    return (
        f"everything outside the objects is one value ({value}), as in pictures multiplied by "
        "their masks; give the pictures as they were taken to ask about the background"
    )


def _objects(samples: Samples, halo_px: int) -> tuple[Bools, Bools]:
    shape = samples.images.shape
    masks = np.zeros((shape[0], *shape[2:]), dtype=np.bool_)
    foreground = np.zeros_like(masks)
    width = max(2, round(shape[-1] * RING))
    spread = _ring_spread(samples.images, width)
    for start in range(0, shape[0], BATCH):
        rows = np.arange(start, min(start + BATCH, shape[0]))
        light = _stands_out(np.asarray(samples.images[rows], dtype=np.float32), width, spread)
        given = None if samples.masks is None else samples.masks[rows]
        wide = None if given is None else grown(given, halo_px)
        for k, row in enumerate(rows):
            bright = _bright(light[k])
            if given is None or wide is None:
                own = _at_centre(bright)
                masks[row], foreground[row] = own, bright | own
            else:
                masks[row] = given[k]
                foreground[row] = given[k] | _away(bright, wide[k])
    return masks, foreground


def _ring(side: int, width: int) -> Bools:
    ring = np.ones((side, side), dtype=np.bool_)
    ring[width:-width, width:-width] = False
    return ring


def _ring_spread(images: npt.NDArray[Any], width: int) -> Light:
    """Typical spread of a channel's light along the borders, over pictures drawn evenly."""
    rows = np.unique(np.linspace(0, len(images) - 1, min(256, len(images))).astype(np.int64))
    some = np.asarray(images[rows], dtype=np.float32)
    border = some[:, :, _ring(some.shape[-1], width)]
    off = np.abs(border - np.median(border, axis=2, keepdims=True))
    typical = np.median(off, axis=(0, 2)) * 1.4826
    whole = some.std(axis=(0, 2, 3))
    return np.where(typical > 0, typical, np.where(whole > 0, whole, 1.0)).astype(np.float32)


def _stands_out(pictures: Light, width: int, spread: Light) -> Light:
    """How far each px stands out of its picture's border, all channels together; ``N Y X``."""
    border = pictures[:, :, _ring(pictures.shape[-1], width)]
    level = np.median(border, axis=2)[:, :, None, None]
    off = (pictures - level) / spread[None, :, None, None]
    out: Light = np.sqrt((off**2).mean(axis=1))
    return np.asarray(ndi.gaussian_filter(out, (0, 1, 1)), dtype=np.float32)


def _bright(light: Light) -> Bools:
    """Objects that stand out of one picture; nothing where hardly anything or all of it does."""
    from skimage.filters import threshold_otsu

    nothing = np.zeros(light.shape, dtype=np.bool_)
    if not light.max() > light.min():
        return nothing
    bright = light > float(threshold_otsu(light))  # type: ignore[no-untyped-call]
    inside, outside = light[bright], light[~bright]
    if not len(inside) or inside.mean() < outside.mean() + 3 * outside.std():
        return nothing
    parts, count = ndi.label(bright)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    kept: Bools = (sizes >= SMALLEST_PX)[parts]
    return kept if kept.mean() <= LARGEST else nothing


def _at_centre(bright: Bools) -> Bools:
    if not bright.any():
        return bright
    parts, _ = ndi.label(bright)
    nearest = ndi.distance_transform_edt(~bright, return_distances=False, return_indices=True)
    middle = tuple(side // 2 for side in bright.shape)
    own = parts == parts[tuple(axis[middle] for axis in nearest)]
    return np.asarray(ndi.binary_fill_holes(own), dtype=np.bool_)


def _away(bright: Bools, wide: Bools) -> Bools:
    """Bright objects that lie outside the widened mask with most of their px."""
    parts, count = ndi.label(bright)
    if not count:
        return bright
    inside = ndi.mean(wide, parts, np.arange(1, count + 1))
    return np.asarray(np.isin(parts, 1 + np.flatnonzero(np.asarray(inside) < 0.5)))


def _fields(samples: Samples) -> tuple[str, ...]:
    named = [name for name in ("field", "site") if name in samples.levels]
    if not named:
        return samples.groups
    places = samples.levels[named[0]]
    return tuple(f"{group}/{at}" for group, at in zip(samples.groups, places, strict=True))


def _assumed(samples: Samples, found: Bools) -> tuple[str, ...]:
    if samples.masks is not None:
        said = "what is as bright as the cells beside them is another object"
    else:
        said = (
            "no masks were given: the cell is estimated as the object at the centre of the "
            "picture (Otsu's threshold on light less the border's median)"
        )
    if found.all():
        return (said,)
    return (said, f"left out, as no object stands out there: {_missing(samples.labels, found)}")


def _missing(labels: Sequence[str], found: Bools) -> str:
    gone = Counter(name for name, there in zip(labels, found, strict=True) if not there)
    return ", ".join(f"{count} of {name}" for name, count in sorted(gone.items()))
