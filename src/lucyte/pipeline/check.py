"""What a plan says, held against the images before any work begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.image import Length
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field, Plate, Problem


def check_plan(plan: Plan, plate: Plate, root: Path) -> None:
    """Refuse what would end the run, or silently change it, hours later.

    Parameters
    ----------
    plan : Plan
        Paths in it are relative to ``root``.
    plate : Plate
    root : Path
        The run folder.

    Raises
    ------
    InputError
        A folder of truth or labels that is not there.
    UsageError
        A kind, column, length or expression that cannot be met; the message names the key.
    """
    for key in ("truth", "labels"):
        name = getattr(plan.input, key)
        if name is not None and not (folder := (root / name).resolve()).is_dir():
            raise InputError(folder, "no such folder.", f"Named in input.{key} of the plan.")
    kinds = [each.kind for each in plan.segment.objects]
    kinds = kinds[:1] if plan.input.labels is not None else kinds
    for section in ("track", "classify"):
        settings = getattr(plan, section)
        if settings.enabled != "off" and settings.kind not in ("auto", *kinds):
            advice = f"Named in {section}.kind; segment.objects makes the rest."
            raise unknown("kind", settings.kind, ["auto", *kinds], advice)
    _check_target(plan, plate)
    for pattern in plan.classify.exclude:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(
                f"classify.exclude: {pattern!r} is not a regular expression: {error}."
            ) from None
    _check_lengths(plan, plate.fields)


def doubts(plate: Plate) -> list[Problem]:
    """What was known of the pixels before anyone looked, to stand in the report.

    Returns
    -------
    list of Problem
        One for each set of flags that fields share.
    """
    fields: dict[tuple[str, ...], list[str]] = {}
    for each in plate.fields:
        fields.setdefault(each.flags, []).append(each.field_id)
    return [
        Problem(
            names[0] if len(names) == 1 else f"{len(names)} fields",
            "other",
            f"pixels are {', '.join(flags)}: brightness here is not a count of light, and may "
            "differ between images for reasons that are not in the cells.",
        )
        for flags, names in sorted(fields.items())
        if flags
    ]


def _check_target(plan: Plan, plate: Plate) -> None:
    table = plate.table()
    columns = [str(name) for name in table.columns]
    settings = plan.classify
    if settings.enabled != "off" and settings.target not in columns:
        advice = "Named in classify.target; a column of the plate map will do."
        raise unknown("column", settings.target, columns, advice)


def _check_lengths(plan: Plan, fields: Sequence[Field]) -> None:
    lengths = {"correct.background_radius": plan.correct.background_radius}
    if plan.track.enabled != "off":
        lengths["track.max_distance"] = plan.track.max_distance
    for key, text in lengths.items():
        if text == "auto":
            continue
        try:
            length = Length.parse(text)
            for each in fields[:1]:
                length.px(each.pixel_size_um, diameter_px=1.0)
        except UsageError as error:
            raise UsageError(f"{key}: {error}") from None
