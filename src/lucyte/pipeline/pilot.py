"""A look at a few fields before the work begins: kinds, typical size, crop size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from lucyte.pipeline.correction import project
from lucyte.pipeline.finders import open_finders
from lucyte.pipeline.sample import main_kind
from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import frame, time_indices
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field, Plate, Problem
from lucyte.segment.frame import segment_frame

FIELDS = 3
CROP_PX = (24, 192)
MARGIN = 1.4


@dataclass(frozen=True)
class Pilot:
    """What a first look settled for the whole run.

    Attributes
    ----------
    kind : str
        The kind that stands for the cell.
    diameter_px : float
        Median of the longer box side of that kind; nan where nothing was found.
    crop_px : int
        Side of sampled crops; 0 where there is nothing to sample.
    """

    kind: str
    diameter_px: float
    crop_px: int


def check_channels(plan: Plan, fields: Sequence[Field], *, stacks: bool = False) -> None:
    """Refuse a plan that names a channel the images do not have, before anything runs.

    ``stacks`` tells that what follows can work on Z Y X.
    """
    have = fields[0].channels
    asked = {name: "segment" for each in plan.segment.objects for name in each.channels}
    asked |= {name: "measure.ratios" for pair in plan.measure.ratios for name in pair}
    asked |= dict.fromkeys(plan.measure.spot_channels, "measure.spot_channels")
    asked |= dict.fromkeys(plan.correct.bleed_through, "correct.bleed_through")
    if plan.correct.registration_reference:
        asked[plan.correct.registration_reference] = "correct.registration_reference"
    for name, where in sorted(asked.items()):
        if name not in have:
            raise unknown(
                "channel",
                name,
                have,
                f'Named in {where}; rename with [input.channels] {name} = "<one of these>".',
            )
    stack = next((each for each in fields if each.z_planes > 1), None)
    if stack is not None and plan.input.projection == "none" and not stacks:
        raise UsageError(
            f"field {stack.field_id} has {stack.z_planes} Z planes, and this plan's stages work on "
            'planes. Write projection = "max" in [input] to work on the brightest px over Z.'
        )
    told = any(each.channels or each.method == "network" for each in plan.segment.objects)
    if len(have) > 1 and not told:
        raise UsageError(
            f"segment.objects: the images have channels {', '.join(have)}; say in which to look, "
            'e.g. channels = ["' + have[0] + '"].'
        )


def alike(plate: Plate) -> Plate:
    """The fields that share the commonest channels; the others are named and left out.

    Features, states and maps of cells need the same channels everywhere.
    """
    counts = Counter(each.channels for each in plate.fields)
    common = max(counts, key=lambda names: (counts[names], len(names), names))
    others = [each for each in plate.fields if each.channels != common]
    if not others:
        return plate
    shown = ", ".join(common) or "no named channel"
    problems = tuple(
        Problem(
            each.field_id,
            "other",
            f"field {each.field_id} has {', '.join(each.channels) or 'no named channel'}, the "
            f"others {shown}; it is left out. Run it with a plan of its own.",
        )
        for each in others
    )
    kept = tuple(each for each in plate.fields if each.channels == common)
    return replace(plate, fields=kept, problems=(*plate.problems, *problems))


def pilot(plan: Plan, fields: Sequence[Field], base: Path) -> Pilot:
    """Segment one frame of a few fields, spread over the plate.

    Parameters
    ----------
    plan : Plan
    fields : sequence of Field
    base : Path
        Folder that the plan's paths are relative to.

    Notes
    -----
    Fields that cannot be read are passed over here and reported where they are processed.
    """
    kind = main_kind([each.kind for each in plan.segment.objects])
    if plan.input.labels is not None:
        return Pilot(plan.segment.objects[0].kind, math.nan, 64)
    finders = open_finders(plan.segment, base)
    sides: list[float] = []
    tried = 0
    for index in np.unique(np.linspace(0, len(fields) - 1, 4 * FIELDS).astype(int)):
        if tried == FIELDS:
            break
        try:
            image = fields[index].source.open()
            pixels = project(frame(image, time_indices(image)[0]), plan)
        except InputError:
            continue
        tried += 1
        size = fields[index].pixel_size_um
        labels = segment_frame(pixels, plan.segment, size, finders).labels
        boxes = ndimage.find_objects(labels[kind]) if kind in labels else []
        sides += [max(s.stop - s.start for s in box[-2:]) for box in boxes if box is not None]
    if not sides:
        return Pilot(kind, math.nan, 0)
    return Pilot(kind, float(np.median(sides)), _crop_px(plan, float(np.percentile(sides, 75))))


def _crop_px(plan: Plan, side: float) -> int:
    if plan.evidence.crop_px != "auto":
        return plan.evidence.crop_px
    return int(np.clip(8 * math.ceil(MARGIN * side / 8), *CROP_PX))
