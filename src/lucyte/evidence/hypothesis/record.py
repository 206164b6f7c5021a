"""The record of a hypothesis: what is predicted, of what, and what would refute it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field, ValidationError, model_validator

from lucyte.schema.errors import InputError, UsageError, unknown
from lucyte.schema.plan import Settings, explain_validation

Relation = Literal["positive correlation", "negative correlation", "greater", "less"]
RELATIONS: tuple[str, ...] = get_args(Relation)
CORRELATIONS = ("positive correlation", "negative correlation")


class Written(Settings):
    """Base of every section: no infinite number and no nan, for neither has a hash."""

    model_config = ConfigDict(allow_inf_nan=False)


class SampleSettings(Written):
    """Which cells are looked at."""

    kind: str = Field("auto", description="kind of object; auto: the one that stands for the cell")
    conditions: list[str] = Field([], description="only these conditions; empty for all")
    time_indices: list[int] = Field([], description="only these frames; empty for all")
    held_out: float = Field(
        1.0, gt=0, le=1, description="share of the units that the test looks at; the rest is yours"
    )
    seed: int = Field(0, ge=0, description="of the draw of held-out units and of the permutations")


class ModelSettings(Written):
    """Whose answers or explanations are meant."""

    use: str = Field("run", description="run: the run's own states; or a model folder")


class QuantitySettings(Written):
    """What the model or its explanation says of a cell."""

    name: str = Field(description="a row of the table of quantities")
    of: str = Field("", description="the class, channel, kind or axis that the quantity is of")
    above: float | None = Field(
        None, description="with greater or less: cells above it against the rest"
    )
    top: float = Field(
        0.1, gt=0, lt=1, description="with where_it_looks: share of the cell's px that count"
    )


class MeasurementSettings(Written):
    """What is measured in the sample and never shown to the model."""

    column: str = Field("", description="a column of the objects, or of the table below")
    channel: str = Field("", description="with where_it_looks: the channel whose px are compared")
    table: str = Field("", description="CSV beside the record, joined by its name columns")
    later_frames: int = Field(0, ge=0, description="take the column so many frames later")

    @model_validator(mode="after")
    def _one_of_two(self) -> MeasurementSettings:
        if bool(self.column) == bool(self.channel):
            raise ValueError("needs either column or channel")
        if self.channel and (self.table or self.later_frames):
            raise ValueError("channel goes with neither table nor later_frames")
        if self.table and self.later_frames:
            raise ValueError("later_frames needs the run's own tracks, so it goes with no table")
        return self


class TestSettings(Written):
    """What would support the claim, and what would refute it."""

    relation: Relation
    across: Literal["cells", "units"] = Field(
        "cells", description="cells: compared within each unit; units: each unit is one point"
    )
    unit: str = Field("well", description="what is independent: well, field or a column")
    alpha: float = Field(0.05, gt=0, lt=0.5)
    smallest_effect: float = Field(gt=0, description="smaller than this is not worth having")
    spread: float | None = Field(
        None, gt=0, description="standard deviation between units, where known beforehand"
    )
    power: float = Field(0.8, gt=0, lt=1, description="wanted")
    permutations: int = Field(9999, ge=99)
    family: str = Field("", description="questions that are answered together share a name")


class Hypothesis(Written):
    """A prediction that can fail, strict: an unknown key is refused."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    claim: str = Field(min_length=8, description="one sentence that a biologist would say")
    interventional: bool = Field(
        False, description="a prediction about edited images: it tests the model, not the sample"
    )
    sample: SampleSettings = SampleSettings()
    model: ModelSettings = ModelSettings()
    quantity: QuantitySettings
    measurement: MeasurementSettings
    test: TestSettings

    @property
    def family(self) -> str:
        """The family that it is corrected in; its own name where it stands alone."""
        return self.test.family or self.name

    @property
    def direction(self) -> int:
        """1 where more is predicted, -1 where less is."""
        return -1 if self.test.relation in ("negative correlation", "less") else 1

    @model_validator(mode="after")
    def _fits_together(self) -> Hypothesis:
        if self.name == "ledger":
            raise ValueError("the name ledger is taken by the ledger itself")
        looks = self.quantity.name == "where_it_looks"
        if looks != bool(self.measurement.channel):
            raise ValueError("where_it_looks and measurement.channel go together")
        correlated = self.test.relation in CORRELATIONS
        if looks and (correlated or self.test.across == "units"):
            raise ValueError("where_it_looks is tested by greater or less, across cells")
        if correlated and self.test.smallest_effect >= 1:
            raise ValueError("a correlation is below 1, so test.smallest_effect must be")
        if correlated and self.quantity.above is not None:
            raise ValueError("a correlation takes the quantity as it is, without above")
        return self


def parse_record(text: str, where: str = "hypothesis.toml") -> Hypothesis:
    """Read a record from TOML.

    Raises
    ------
    UsageError
        Not TOML, an unknown key (the nearest right one is named), a value that cannot be.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not valid TOML: {error}.") from None
    relation = data.get("test", {}).get("relation") if isinstance(data.get("test"), dict) else None
    if isinstance(relation, str) and relation not in RELATIONS:
        raise UsageError(f"{where}: {unknown('relation', relation, RELATIONS)}")
    try:
        return Hypothesis.model_validate(data)
    except ValidationError as error:
        told = str(explain_validation(error, Hypothesis, where))
        raise UsageError(told.replace("unknown plan key", "unknown key")) from None


def load_record(path: Path) -> Hypothesis:
    """Read a record file; see `parse_record`.

    Raises
    ------
    InputError
        No such file, or no text.
    """
    try:
        return parse_record(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise InputError(
            path, "no such hypothesis.", "Write one; see docs/hypotheses.md."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as a hypothesis: {error}.") from None


def canonical(record: Hypothesis) -> dict[str, Any]:
    """Every key with its value, defaults written out: what is hashed and kept."""
    return record.model_dump(mode="json")


def sha256(value: Any) -> str:
    """Hash of a JSON value, whatever the order of its keys; comments of a file do not count."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs between two canonical records: ``test.alpha 0.05 -> 0.1``."""
    out = []
    for key in dict.fromkeys((*before, *after)):
        a, b = before.get(key), after.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            out += [f"{key}.{each}" for each in changes(a, b)]
        elif a != b:
            out.append(f"{key} {a!r} -> {b!r}")
    return out
