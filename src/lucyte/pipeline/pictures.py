"""``lucyte merge``: colour pictures of a folder of raw channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lucyte.io.merge import merge_folder
from lucyte.io.plates import open_plate
from lucyte.pipeline.starter import read_settings
from lucyte.schema.errors import InputError


def merge_images(images: Path, out: Path, reading: Mapping[str, Any]) -> str:
    """Write one colour PNG per field and frame; says what was damaged."""
    settings = read_settings({**reading, "path": str(images.absolute())})
    plate = open_plate(settings, Path.cwd())
    written, problems = merge_folder(plate, out)
    if problems and not written:
        first = problems[0]
        raise InputError(images, "no picture could be made.", f"{first.where}: {first.message}")
    lines = [f"Wrote {len(written)} pictures to {out}."]
    lines += [f"  {each.where}: {each.message}" for each in (*plate.problems, *problems)]
    return "\n".join(lines)
