"""The fingerprint of a validation problem: what decides which metrics mean something.

After *Metrics Reloaded* (Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z). Numbers such as
FP2.1 are the paper's. Items without a number stand for properties that the paper discusses and
whose numbers we do not know: their names, and where a threshold decides, are our reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lucyte.evidence.accuracy.measured import Measured
from lucyte.schema.errors import UsageError, unknown

Category = Literal[
    "image-level classification",
    "semantic segmentation",
    "object detection",
    "instance segmentation",
]
CATEGORY_OF: Mapping[str, Category] = {
    "classification": "image-level classification",
    "semantic": "semantic segmentation",
    "detection": "object detection",
    "instance": "instance segmentation",
}
SMALL_PX = 12.0
"""Median diameter below which an outline 1 px off costs a disc a sixth of its overlap: our line."""
IMBALANCED = 2.0
"""The largest class over the smallest from which accuracy mostly counts the largest: our line."""
TOUCHING = 0.1
"""Share of touching objects from which a mask no longer tells them apart: our line."""


class Fingerprint(BaseModel):
    """The properties of a problem that decide which metrics fit.

    Of the paper, by number: FP2.1, FP2.2, FP2.3, FP2.5, FP2.7.1, FP4.2. The category is its step
    S1. Our reading: the other fields, and every default.

    References
    ----------
    Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    category: Category = Field(description="S1: what is asked of each image")
    boundaries_matter: bool = Field(False, description="FP2.1: where exactly outlines run")
    volume_matters: bool = Field(False, description="FP2.2: area or volume is the readout")
    centre_matters: bool = Field(
        False, description="FP2.3: the centre or centre line counts, not the extent"
    )
    unequal_costs: bool = Field(False, description="FP2.5: some errors are worse than others")
    beta: float = Field(
        1.0, gt=0, description="FP2.5: a missed object weighs beta^2 times one made up"
    )
    calibration_matters: bool = Field(
        False, description="FP2.7.1: probabilities are used, not only answers"
    )
    representative: bool = Field(
        True, description="FP4.2: classes are as frequent as where the answers will be used"
    )
    ordered_classes: bool = Field(False, description="classes have a rank")
    imbalanced: bool = Field(False, description="classes are unequally frequent")
    small_structures: bool = Field(False, description="structures of a few px across")
    touching_objects: bool = Field(False, description="objects touch or overlap")
    empty_references: bool = Field(False, description="images without anything to find")
    noisy_outlines: bool = Field(False, description="people draw the outlines differently")
    threshold: float = Field(
        0.5, gt=0, lt=1, description="probability from which one would act on the second class"
    )
    target_specificity: float | None = Field(
        None, ge=0, le=1, description="specificity that must be kept"
    )
    alarms_per_image: float | None = Field(
        None, ge=0, description="false positives per image that would do"
    )
    target_sensitivity: float | None = Field(
        None, ge=0, le=1, description="sensitivity that must be reached"
    )


@dataclass(frozen=True)
class Known:
    """A fingerprint and where each answer is from.

    Attributes
    ----------
    fingerprint : Fingerprint
    said : tuple of str
        Fields that were told; the others were measured or are defaults.
    """

    fingerprint: Fingerprint
    said: tuple[str, ...]


def fingerprint_of(
    task: str, measured: Measured, said: Mapping[str, Any] | None = None, where: str = ""
) -> Known | None:
    """Take the fingerprint of a problem: what was told, else what the data show.

    Parameters
    ----------
    task : str
        Of ``lucyte validate``.
    measured : Measured
    said : mapping, optional
        Fields as in `Fingerprint`; they win over what was measured.
    where : str
        Of a file, for messages.

    Returns
    -------
    Known, or None for tracking
        *Metrics Reloaded* has no category for tracks.

    Raises
    ------
    UsageError
        An unknown field, a value that is none, a category of another task.
    """
    if task not in CATEGORY_OF:
        if said:
            raise UsageError(
                f"{where or 'a fingerprint'}: --task {task} has no fingerprint; Metrics Reloaded "
                f"knows {', '.join(CATEGORY_OF)}."
            )
        return None
    told = dict(said or {})
    if told.get("category", CATEGORY_OF[task]) != CATEGORY_OF[task]:
        raise UsageError(
            f"{where}: the category {told['category']!r} is not that of --task {task} "
            f"({CATEGORY_OF[task]!r}). Allowed: {', '.join(get_args(Category))}."
        )
    for name, value in told.items():
        # TOML writes 2 where 2.0 is meant; a strict model takes no whole number for a fraction
        if isinstance(value, int) and not isinstance(value, bool):
            told[name] = float(value)
    try:
        found = Fingerprint.model_validate(_shown(task, measured) | told)
    except ValidationError as error:
        raise _refused(error, where) from None
    return Known(found, tuple(told))


def _shown(task: str, measured: Measured) -> dict[str, Any]:
    small = measured.diameter_px < SMALL_PX
    return {
        "category": CATEGORY_OF[task],
        "boundaries_matter": task in ("semantic", "instance"),
        "imbalanced": _at_least(measured.imbalance, IMBALANCED),
        "calibration_matters": task == "classification" and measured.scored,
        "small_structures": bool(small),
        "touching_objects": _at_least(measured.touching, TOUCHING),
        "empty_references": measured.empty > 0,
    }


def _at_least(value: float, limit: float) -> bool:
    return math.isfinite(value) and value >= limit


def _refused(error: ValidationError, where: str) -> UsageError:
    """Pydantic's first complaint in one line, with the nearest right field."""
    extra = [each for each in error.errors() if each["type"] == "extra_forbidden"]
    first = (extra or error.errors())[0]
    key, place = str(first["loc"][0]), f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        return UsageError(f"{place}{unknown('fingerprint field', key, Fingerprint.model_fields)}")
    message = str(first["msg"]).removeprefix("Input ").rstrip(".")
    return UsageError(f"{place}{key} {message}, got {first.get('input')!r}.")
