"""Images given to a command for one stage: opened, checked, told apart by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lucyte.io.plates import open_plate
from lucyte.networks.model_folder import read_folder
from lucyte.networks.shipped import model_path
from lucyte.pipeline.choose_objects import choose_objects
from lucyte.pipeline.correction import project
from lucyte.pipeline.finders import open_finders
from lucyte.pipeline.pilot import check_channels
from lucyte.pipeline.starter import read_settings
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.image import frame, time_indices
from lucyte.schema.plan import ObjectSettings, Plan, SegmentSettings
from lucyte.schema.plate import Field

ONLY_MODELS = {"confidence": None, "outlines": "", "engine": "auto", "tta": False}
"""Options that say nothing without a model, and what they are when nobody gave them."""
SHOWN = 12
"""Images on the contact sheet."""


@dataclass(frozen=True)
class LooseImages:
    """What was given, and the plan it is read and searched by.

    Attributes
    ----------
    plan : Plan
    fields : tuple of Field
    problems : tuple of str
        Files that could not be used.
    """

    plan: Plan
    fields: tuple[Field, ...]
    problems: tuple[str, ...]

    @property
    def shown(self) -> frozenset[int]:
        """Fields that go on the contact sheet, spread over all."""
        return frozenset(np.linspace(0, len(self.fields) - 1, SHOWN).astype(int).tolist())

    @property
    def frames(self) -> int:
        """Frames of all fields."""
        return sum(len(each.time_indices) for each in self.fields)


def open_loose(
    images: Path, wanted: Mapping[str, Any], reading: Mapping[str, Any], *, stacks: bool = False
) -> LooseImages:
    """Open what was given and decide what to look for in it.

    Parameters
    ----------
    images : Path
        A file, folder or glob.
    wanted : mapping
        See `objects_wanted`; also ``engine``, ``device``, ``tta``.
    reading : mapping
        Further keys of ``[input]``.
    stacks : bool
        z-stacks may stay whole.

    Raises
    ------
    InputError, UsageError
        No image, no object to look for, a channel that is not there, a model that cannot be read.
    """
    settings = read_settings({**reading, "path": str(images.absolute())})
    plate = open_plate(settings, Path.cwd())
    if not plate.fields:
        raise InputError(images, "holds no image that Lucyte can read.", "See: lucyte info PATH")
    objects = objects_wanted(plate.fields[0], plate.layout, wanted)
    if not objects:
        raise UsageError(
            f"{images}: channels {', '.join(plate.fields[0].channels)} say nothing of where to "
            "look. Name a model with --model, or a channel with --channel."
        )
    chosen = {key: wanted[key] for key in ("engine", "device", "tta") if wanted.get(key)}
    plan = Plan(input=settings, segment=SegmentSettings(objects=objects, **chosen))
    check_channels(plan, plate.fields, stacks=stacks)
    open_finders(plan.segment, Path())
    problems = tuple(f"{each.where}: {each.message}" for each in plate.problems)
    return LooseImages(plan, tuple(plate.fields), problems)


def objects_wanted(first: Field, layout: str, wanted: Mapping[str, Any]) -> list[ObjectSettings]:
    """What to look for, from a command's options and the channels' names."""
    if wanted.get("model"):
        return [_by_model(wanted)]
    idle = [name for name, none in ONLY_MODELS.items() if wanted.get(name, none) != none]
    if idle:
        raise UsageError(f"--{idle[0]} is of a trained model; name one with --model.")
    chosen = choose_objects(first, layout)
    if wanted["kind"]:
        same = [each for each in chosen if each.kind == wanted["kind"]]
        chosen = same or [ObjectSettings(kind=wanted["kind"], channels=wanted["channels"])]
    changes: dict[str, Any] = {}
    if wanted["channels"]:
        changes["channels"] = wanted["channels"]
    if wanted["diameter_px"]:
        changes["diameter_px"] = wanted["diameter_px"]
    if changes and len(chosen) > 1:
        raise UsageError(
            "--channel and --diameter-px speak of one kind; say which with --kind: "
            + ", ".join(each.kind for each in chosen)
        )
    return [each.model_copy(update=changes) for each in chosen]


def _by_model(wanted: Mapping[str, Any]) -> ObjectSettings:
    """One kind, found by the model that was named."""
    path = model_path(wanted["model"])
    finds = str(read_folder(path).config.get("finds", "cell")) if path.is_dir() else "cell"
    return ObjectSettings(
        kind=wanted["kind"] or finds,
        method="network",
        model=wanted["model"],
        channels=wanted["channels"],
        diameter_px=wanted["diameter_px"] or "auto",
        confidence=wanted.get("confidence"),
        outlines=wanted.get("outlines") or None,
    )


def readable_frames(
    here: Field, plan: Plan, problems: list[str]
) -> Iterator[tuple[int, xr.DataArray]]:
    """Frame number and pixels of every frame that can be read; the others are named."""
    for time_index in here.time_indices:
        try:
            image = here.source.open()
            time = time_index if "T" in image.dims else time_indices(image)[0]
            pixels = project(frame(image, time), plan)
        except InputError as error:
            problems.append(f"{error} Left out.")
            continue
        yield time_index, pixels


def own_file(here: Field, time_index: int) -> Path | None:
    """The image's file where one file is one frame."""
    own = here.source.paths_at(time_index)
    return (
        Path(own[0]) if len(own) == 1 and len(here.source.paths) == len(here.time_indices) else None
    )


def frame_stem(here: Field, time_index: int) -> str:
    """The name of the image's own file, without its ending, else field and frame."""
    path = own_file(here, time_index)
    if path is not None:
        return path.stem
    return here.field_id if len(here.time_indices) == 1 else f"{here.field_id}_t{time_index:03d}"
