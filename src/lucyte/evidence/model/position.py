"""Does the place of a cell tell its class: in the field, on the plate, in its own crop?"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from lucyte.evidence.model.donors import NoDonorError
from lucyte.evidence.model.image_numbers import Family
from lucyte.evidence.model.image_statistics import rescaled
from lucyte.evidence.model.inputs import free_level, grown
from lucyte.evidence.model.permit import Permit, permit, plain_answer
from lucyte.evidence.model.reliance import (
    Asked,
    not_exchanged,
    nothing_to_rely_on,
    reliance_finding,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.watch import Make, known_cells, watch
from lucyte.schema.crops import CropSet
from lucyte.schema.finding import Finding

Floats = npt.NDArray[np.float64]
Light = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
NUMBERS = ("x", "y", "z", "x_px", "y_px", "row", "column", "plate_row", "plate_column")
"""Levels whose values are places that can be put in order."""
PLACES = ("position", "site", "field", "well", "row", "column")
"""Levels whose values are names of places; those found in several units can be learned."""
WELL = re.compile(r"^.*?([A-P])0*(\d{1,2})$")
CELLS = 8
"""Blocks along a side of the crop, the outermost of which are looked at."""

PERMITS = Permit(
    name="position.data_permit",
    question="Does the place of a cell, in the field, on the plate or in its crop, leave open "
    "what tells {names}?",
    subject="Places",
    follows="a model can be right from where a cell was, without looking at it",
    little="there is little to gain by it",
    assumed=("marks lie at the same place of every crop",),
)
EXCHANGES = {
    "margin": "the light at the margin of the crop, less its level",
    "offset": "the place of the cell in its crop",
    "scale": "the scale of the crop",
}
RELIES = Asked(
    name="position.model_relies",
    question="Does this model give the same answer wherever the cell lies in its crop?",
    what="Places in the crop",
    done="Giving each cell the place in the crop of a cell of the other class",
    guilty="this model follows where something is in the crop",
    exchanges=EXCHANGES,
    judged=("margin", "offset"),
    assumed=("what lies at the margin of a crop is no part of the cell",),
    reviewer="Paired exchange of crop margins, offsets and scale between classes",
)


def position_permit(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Fit on places alone: in the field and on the plate as far as known, and in the crop."""
    some, _ = subject.cells(settings.most_crops, settings.seed).testable()
    families = place_families(some)
    plain = plain_answer(some.crops, settings)
    return [permit(some, families, plain, settings, PERMITS)]


def place_families(subject: Subject) -> tuple[Family, ...]:
    """Numbers that say where a cell was, family by family, as far as they vary."""
    crops = subject.crops
    found = [
        Family("padding", "the padding at the crop's sides", _padding(crops)),
        Family("mirror", "borders that mirror what lies within", mirrored(crops)),
        Family("offset", "the cell's place in its crop", offsets(crops)),
        Family("margin", "the light at each place of the crop's margin", _margin(crops)),
    ]
    shifts = registration(crops)
    what = "the place of each channel against the first"
    found.append(Family("channels", what, shifts, over_units=True, signed=True))
    numbers = [_numbers(subject.levels[name]) for name in NUMBERS if name in subject.levels]
    if "well" in subject.levels:
        numbers.append(_of_well(subject.levels["well"]))
    if numbers:
        found.append(Family("place", "the place in the field or on the plate", np.hstack(numbers)))
    for name in PLACES:
        if name in subject.levels:
            values = _shared(subject.levels[name], crops.groups)
            if values.shape[1]:
                found.append(Family(name, f"the name of the {name}", values))
    return tuple(
        each
        for each in found
        if each.values.size
        and np.isfinite(each.values).any()
        and (np.nanmax(each.values, 0) > np.nanmin(each.values, 0)).any()
    )


def position_relies(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Give each cell the crop's margin, the offset and the scale of a cell of the other class.

    The margin is exchanged less its level, so that a tint is not taken for a mark; pictures are
    shifted and rescaled with mirrored borders. The scale is shown, not judged: it holds the size
    of the cell.
    """
    cells = known_cells(subject, settings.most_asked, settings.seed)
    assert subject.predictor is not None
    try:
        moved, gap = watch(subject.predictor, cells, exchanges_of(cells, settings), settings)
    except NoDonorError as error:
        return [not_exchanged(RELIES, str(error), cells.unit)]
    if moved is None:
        return [not_exchanged(RELIES, nothing_to_rely_on(gap), cells.unit)]
    limits = (settings.reliance, settings.fails_at)
    return [reliance_finding(moved, gap, cells.unit, limits, RELIES)]


def exchanges_of(cells: CropSet, settings: ChallengeSettings) -> dict[str, Make]:
    """The three exchanges of place."""
    level = free_level(cells, settings.halo_px)
    known = np.asarray(np.isfinite(level).all(axis=1, keepdims=True))
    level = np.where(known, level, 0).astype(np.float32)
    kept = grown(cells.masks, settings.halo_px)
    ring = _outermost(cells.crop_px)
    at_yx = offsets(cells)
    area = np.maximum(cells.masks.sum(axis=(1, 2)), 1).astype(np.float64)

    def light(at: Rows) -> Light:
        return np.asarray(cells.crops[at], dtype=np.float32)

    def margin(at: Rows, donors: Rows) -> Light:
        both = (known[at] & known[donors])[:, :, None, None]
        lift = np.where(both, (level[at] - level[donors])[:, :, None, None], 0)
        free = ring & ~kept[at] & ~kept[donors]
        return np.where(free[:, None], light(donors) + lift, light(at)).astype(np.float32)

    def offset(at: Rows, donors: Rows) -> Light:
        return shifted(light(at), np.nan_to_num(at_yx[donors] - at_yx[at]))

    def scale(at: Rows, donors: Rows) -> Light:
        return rescaled(light(at), np.sqrt(area[donors] / area[at]))

    return {"margin": margin, "offset": offset, "scale": scale}


def shifted(pictures: Light, by_yx: Floats) -> Light:
    """Each picture ``N C Y X`` moved by whole px, at most a quarter of the side, mirrored."""
    most = pictures.shape[-1] // 4
    steps = np.clip(np.round(by_yx), -most, most).astype(np.int64)
    wide = np.pad(pictures, ((0, 0), (0, 0), (most, most), (most, most)), mode="reflect")
    out = np.empty_like(pictures)
    side = pictures.shape[-1]
    for k, (y, x) in enumerate(most - steps):
        out[k] = wide[k, :, y : y + side, x : x + side]
    return out


def offsets(crops: CropSet) -> Floats:
    """Centre of each cell's mask less the centre of its crop, px, ``N x 2`` (y, x); nan if none."""
    grid = np.arange(crops.crop_px) - (crops.crop_px - 1) / 2
    area = crops.masks.sum(axis=(1, 2)).astype(np.float64)
    area[area == 0] = np.nan
    y = (crops.masks.sum(axis=2) * grid).sum(axis=1) / area
    x = (crops.masks.sum(axis=1) * grid).sum(axis=1) / area
    return np.column_stack([y, x])


def registration(crops: CropSet) -> Floats:
    """Centre of each further channel's light less that of the first channel's, px, ``N x 2 (C-1)``.

    Light above the level beside the cell, in the cell and 2 px around it. How a cell is polarised
    leaves 0 on average, as cells lie any way round; a channel that is shifted does not. nan where
    there is no mask or no such light.
    """
    x = np.asarray(crops.crops, dtype=np.float64)
    wide = grown(crops.masks, 2)
    grid = np.arange(crops.crop_px, dtype=np.float64)
    out = np.full((len(crops), len(crops.channels), 2), np.nan)
    for k in np.flatnonzero(wide.any(axis=(1, 2)) & ~wide.all(axis=(1, 2))):
        level = np.median(x[k][:, ~wide[k]], axis=1)
        light = np.maximum(x[k] - level[:, None, None], 0) * wide[k]
        total = light.sum(axis=(1, 2))
        lit = total > 0
        out[k, lit, 0] = (light.sum(axis=2) @ grid)[lit] / total[lit]
        out[k, lit, 1] = (light.sum(axis=1) @ grid)[lit] / total[lit]
    found: Floats = (out[:, 1:] - out[:, :1]).reshape(len(crops), -1)
    return found


def _padding(crops: CropSet) -> Floats:
    """Rows or columns at each side that hold a single value in every channel, ``N x 4``."""
    x = np.asarray(crops.crops)
    out = np.zeros((len(crops), 4))
    for side, picture in enumerate(
        (x, x[:, :, ::-1], x.swapaxes(2, 3), x.swapaxes(2, 3)[:, :, ::-1])
    ):
        flat = (np.ptp(picture, axis=3) == 0).all(axis=1)
        out[:, side] = np.logical_and.accumulate(flat, axis=1).sum(axis=1)
    return out


def mirrored(crops: CropSet) -> Floats:
    """How much a border is like the mirror image of what lies within, ``N x 4``.

    With D(w) the mean step between the px of a border of w px and their mirror images, the least
    of log D(w) less the logarithm of the smaller of D(w - 1) and D(w + 1), mean over channels: a
    dip at one width. Where nothing is mirrored D rises and falls slowly, with the cell that the
    border comes to. A crop at the edge of its picture may be filled up so.
    """
    x = np.asarray(crops.crops, dtype=np.float64)
    widest = crops.crop_px // 4
    out = np.zeros((len(crops), 4))
    for side, picture in enumerate(
        (x, x[:, :, ::-1], x.swapaxes(2, 3), x.swapaxes(2, 3)[:, :, ::-1])
    ):
        steps = []
        for width in range(2, widest + 2):
            at = np.arange(width)
            apart = picture[:, :, at] - picture[:, :, 2 * width - 1 - at]
            steps.append(np.abs(apart).mean(axis=(2, 3)) + 1e-9)
        d = np.stack(steps)
        if len(d) > 2:
            dip = np.log(d[1:-1]) - np.log(np.minimum(d[:-2], d[2:]))
            out[:, side] = dip.mean(axis=2).min(axis=0)
    return out


def _margin(crops: CropSet) -> Floats:
    """Mean light of each outermost block less the margin's median, where it is not the cell.

    Over the quartile range of these blocks, so that brightness does not matter.
    """
    x = np.asarray(crops.crops, dtype=np.float64)
    own = grown(crops.masks, 1)
    x = np.where(own[:, None], np.nan, x)
    edges = np.linspace(0, crops.crop_px, CELLS + 1).round().astype(int)
    blocks = [(a, b) for a in range(CELLS) for b in range(CELLS) if {a, b} & {0, CELLS - 1}]
    columns = []
    for a, b in blocks:
        part = x[:, :, edges[a] : edges[a + 1], edges[b] : edges[b + 1]].reshape(*x.shape[:2], -1)
        count = np.isfinite(part).sum(axis=2)
        total = np.nansum(part, axis=2)
        columns.append(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    light = np.stack(columns, axis=2)
    level = np.nanmedian(np.where(np.isfinite(light).any(axis=2, keepdims=True), light, 0), axis=2)
    low, high = np.nanquantile(
        np.where(np.isfinite(light), light, level[:, :, None]), [0.25, 0.75], 2
    )
    spread = np.where(high > low, high - low, np.nan)
    return np.asarray(((light - level[:, :, None]) / spread[:, :, None]).reshape(len(x), -1))


def _outermost(side: int) -> npt.NDArray[np.bool_]:
    width = max(2, round(side / CELLS))
    ring = np.ones((side, side), dtype=np.bool_)
    ring[width:-width, width:-width] = False
    return ring


def _numbers(values: tuple[str, ...]) -> Floats:
    out = np.full((len(values), 1), np.nan)
    for k, value in enumerate(values):
        try:
            out[k] = float(value)
        except ValueError:
            continue
    return out


def _of_well(values: tuple[str, ...]) -> Floats:
    """Row and column of wells named like B07; nan for other names."""
    out = np.full((len(values), 2), np.nan)
    for k, value in enumerate(values):
        found = WELL.match(value)
        if found:
            out[k] = ord(found.group(1)) - ord("A"), int(found.group(2))
    return out


def _shared(values: tuple[str, ...], groups: tuple[str, ...]) -> Floats:
    """One column per value that several units share, at most 64 of the commonest."""
    units: dict[str, set[str]] = {}
    for value, group in zip(values, groups, strict=True):
        units.setdefault(value, set()).add(group)
    several = sorted((v for v, own in units.items() if len(own) > 1), key=lambda v: -len(units[v]))
    names = np.asarray(values, dtype=str)
    columns = [(names == value).astype(np.float64) for value in several[:64]]
    return np.column_stack(columns) if columns else np.zeros((len(values), 0))
