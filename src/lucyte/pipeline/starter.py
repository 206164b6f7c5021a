"""``lucyte init``: look at the images and write a plan that says what it saw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from lucyte.io.atomic import write_text
from lucyte.io.platemap import find_platemap
from lucyte.io.plates import open_plate
from lucyte.networks.shipped import is_shipped
from lucyte.pipeline.choose_objects import choose_objects
from lucyte.pipeline.words import counted
from lucyte.schema.errors import InputError
from lucyte.schema.plan import InputSettings, ObjectSettings, Plan, explain_validation
from lucyte.schema.plate import Plate

TRUTHS = ("truth", "boxes", "labels")
CELLULAR_CHANNELS = {"EGFP": "w1", "mRFP": "w2", "TL": "w3"}
"""Written into the plan, where a person sees it and can change it."""


def starter_plan(
    images: Path,
    base: Path,
    reading: Mapping[str, Any] | None = None,
) -> tuple[Plan, Plate]:
    """A plan for a folder that nobody has opened yet, and the plate it describes.

    Parameters
    ----------
    images : Path
        File, folder or glob.
    base : Path
        Folder of the plan; paths in it are relative to this.
    reading : mapping, optional
        Further keys of ``[input]``: the user's word.
    """
    folder = _image_folder(images)
    plate_map = find_platemap(folder)
    found = {
        "path": _relative(folder, base),
        "plate_map": _relative(plate_map, base) if plate_map else None,
        "truth": _find_truth(folder, base),
    }
    told = {key: value for key, value in (reading or {}).items() if value}
    if "plate_map" in told:
        told["plate_map"] = _relative(Path(told["plate_map"]), base)
    settings = read_settings(found | told)
    plate = open_plate(settings, base)
    if (
        plate.layout == "cellular"
        and not settings.channels
        and plate.fields[0].channels == ("w1", "w2", "w3")
    ):
        settings = settings.model_copy(update={"channels": CELLULAR_CHANNELS})
        plate = open_plate(settings, base)
    if not plate.fields:
        raise InputError(images, "holds no image that Lucyte can read.", "See: lucyte info PATH")
    first = plate.fields[0]
    if any(each.z_planes > 1 for each in plate.fields):
        settings = settings.model_copy(update={"projection": "max"})
    plan = Plan.model_validate(
        {
            "input": settings.model_copy(update={"layout": plate.layout}),
            "segment": {
                "objects": [each.model_dump() for each in choose_objects(first, plate.layout)]
            },
        }
    )
    return plan, plate


def read_settings(values: Mapping[str, Any]) -> InputSettings:
    """``[input]`` from a command's options; refused in one line where they do not fit."""
    try:
        return InputSettings.model_validate(dict(values))
    except ValidationError as error:
        raise explain_validation(error, InputSettings, "options") from None


def _image_folder(images: Path) -> Path:
    """The folder itself, or its ``images`` folder where a data set keeps them apart."""
    inner = images / "images"
    return inner if inner.is_dir() else images


def _find_truth(folder: Path, base: Path) -> str | None:
    """Truth that lies beside the images: a CTC ``01_GT``, boxes, labels."""
    beside = [folder.with_name(f"{folder.name}_GT")]
    beside += [folder.parent / name for name in TRUTHS if folder.name == "images"]
    for path in beside:
        if path.is_dir():
            return _relative(path, base)
    return None


def _relative(path: Path, base: Path) -> str:
    """``path`` as seen from ``base``, so that the two can move together."""
    return Path(os.path.relpath(path.resolve(), base.resolve())).as_posix()


def plan_toml(plan: Plan, *, full: bool) -> str:
    """A plan as TOML: every default written out, or only what differs and what people change."""
    data = _without_none(plan.model_dump(mode="json", exclude_defaults=not full))
    if not full:
        named = {"kind", "channels", "method", "model"}
        objects = [
            each.model_dump(mode="json", exclude_defaults=True) for each in plan.segment.objects
        ]
        shown = [each.model_dump(mode="json", include=named) for each in plan.segment.objects]
        both = [_without_none(a | b) for a, b in zip(shown, objects, strict=True)]
        data["segment"] = {"objects": both}
    return tomli_w.dumps(data)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value


HEADER = """\
# A plan for Lucyte: what to do with these images. Every key that is left out has its default;
# the run writes them all to RUN/plan.toml. Lengths are in px unless they say um.
#
"""


def write_starter(images: Path, out: Path, reading: Mapping[str, Any]) -> str:
    """Write a starter plan and return, in words, what was seen."""
    base = out.absolute().parent
    base.mkdir(parents=True, exist_ok=True)  # paths that lead out of it need it to be there
    plan, plate = starter_plan(images, base, reading)
    seen = what_was_seen(plan, plate)
    header = HEADER + "".join(f"# {line}\n" for line in seen)
    write_text(out, header + "\n" + plan_toml(plan, full=False))
    return "\n".join([*seen, f"Wrote {out}."])


def what_was_seen(plan: Plan, plate: Plate) -> list[str]:
    """The plate in a few lines: layout, sizes, channels, conditions, what the run will do."""
    fields = plate.fields
    frames = sum(len(each.time_indices) for each in fields)
    wells = {(each.plate, each.well) for each in fields if each.well}
    conditions = sorted({each.condition for each in fields if each.condition})
    stacks = any(each.z_planes > 1 for each in fields)
    sizes = sorted({each.pixel_size_um for each in fields if each.pixel_size_um})
    lines = [
        f"Layout {plate.layout}: {counted(len(fields), 'field')}, {counted(frames, 'frame')}"
        + (f", {counted(len(wells), 'well')}" if wells else "")
        + f"; channels {', '.join(fields[0].channels) or 'none named (grey)'}.",
        f"Pixel size {', '.join(f'{s:g} um' for s in sizes)}."
        if sizes
        else "Pixel size unknown: sizes stay in px (give --pixel-size-um if you know it).",
        f"Conditions {', '.join(conditions)} (from {plan.input.plate_map or 'the names'})."
        if conditions
        else "No conditions known: cells get no states. Give plate_map = a CSV with columns "
        "well, condition.",
        *(["Z stacks: worked on as their maximum over Z."] if stacks else []),
        "Looks for " + ", ".join(_objects_in_words(plan)) + ".",
    ]
    if plan.input.truth:
        lines.append(f"Truth found beside the images: {plan.input.truth}; the run is scored on it.")
    lines += [f"Problem: {each.message}" for each in plate.problems]
    return lines


def _objects_in_words(plan: Plan) -> list[str]:
    return [
        f"{each.kind} ({f'model {each.model}' if each.model else each.method}"
        + (f" in {' + '.join(each.channels)})" if each.channels else ")")
        for each in plan.segment.objects
    ]


def rebase(plan: Plan, old: Path, new: Path) -> Plan:
    """The same plan for a reader in another folder: relative paths lead to the same files."""
    moved = {}
    for key in ("path", "plate_map", "truth", "labels"):
        text = getattr(plan.input, key)
        if text is not None:
            moved[key] = Path(os.path.relpath(old / text, new)).as_posix()
    objects = [_rebase_model(each, old, new) for each in plan.segment.objects]
    return plan.model_copy(
        update={
            "input": plan.input.model_copy(update=moved),
            "segment": plan.segment.model_copy(update={"objects": objects}),
        }
    )


def _rebase_model(settings: ObjectSettings, old: Path, new: Path) -> ObjectSettings:
    moved = {}
    for key in ("model", "outlines"):
        text = getattr(settings, key)
        if text is not None and not is_shipped(text):
            moved[key] = Path(os.path.relpath(old / text, new)).as_posix()
    return settings.model_copy(update=moved)
