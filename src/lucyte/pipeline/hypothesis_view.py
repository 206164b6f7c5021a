"""A finished run as a hypothesis sees it: its cells, its model, its maps and their px."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.classify.units import independent_units, text_column
from lucyte.evidence.hypothesis.record import Hypothesis
from lucyte.evidence.hypothesis.seen import Seen, channels_of
from lucyte.io.write_table import read_parquet
from lucyte.learn.feature_predictor import FeaturePredictor
from lucyte.learn.models import load_card, load_model
from lucyte.measure.columns import model_features
from lucyte.pipeline.run_cells import is_run
from lucyte.pipeline.sample import main_kind, read_crops
from lucyte.schema.crops import CropSet, join
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.plan import Plan, load_plan
from lucyte.schema.protocols import MASK_CHANNEL, Predictor

Floats = npt.NDArray[np.float64]
RUN = "run"


@dataclass(frozen=True)
class Maps:
    """Relevance maps of a run.

    Attributes
    ----------
    object_ids : tuple of N str
    channels : tuple of str
    values : float array N C Y X
        Fall of the logit margin, per px.
    """

    object_ids: tuple[str, ...]
    channels: tuple[str, ...]
    values: Floats


@dataclass(frozen=True)
class RunView:
    """What is read of a run, each part when it is first asked for.

    Attributes
    ----------
    run : Path
    record : Hypothesis
    base : Path
        Folder that paths in the record are relative to.
    """

    run: Path
    record: Hypothesis
    base: Path = Path()

    def __post_init__(self) -> None:
        if not is_run(self.run):
            raise UsageError(
                f"{self.run}: holds no finished run; make one with: lucyte run PLAN -o {self.run}"
            )

    @cached_property
    def plan(self) -> Plan:
        """What the run was asked."""
        return load_plan(self.run / "plan.toml")

    @cached_property
    def objects(self) -> pd.DataFrame:
        """All objects of the kind that is asked about."""
        whole = read_parquet(self.run / "objects.parquet")
        kinds = [str(each) for each in pd.unique(whole["kind"])]
        kind = self.record.sample.kind
        kind = main_kind(kinds) if kind == "auto" else kind
        if kind not in kinds:
            raise unknown("kind", kind, ["auto", *kinds], "In sample.kind.")
        return whole[whole["kind"] == kind].reset_index(drop=True)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The objects that the record asks for, with ``unit``; held-out units alone."""
        table, sample = self.objects, self.record.sample
        table = table.assign(unit=units_of(table, self.record.test.unit))
        for column, wanted in (
            ("condition", sample.conditions),
            ("time_index", [str(each) for each in sample.time_indices]),
        ):
            if not wanted:
                continue
            there = text_column(table, column)
            for each in wanted:
                if each not in there:
                    raise unknown(column, each, sorted(set(there)), "In sample.")
            table = table[np.isin(there, wanted)]
        held = held_out(table, sample.held_out, sample.seed)
        return table[table["unit"].isin(held)].reset_index(drop=True)

    @cached_property
    def predictor(self) -> Predictor:
        """The model that is meant."""
        use = self.record.model.use
        folder = self.run / "models" / "states" if use == RUN else self.base / use
        if use == RUN and not folder.is_dir():
            raise UsageError(f"{self.run}: learned no states, so it has no model to ask.")
        model = load_model(folder)
        learned = load_card(folder).data_sha256
        if use != RUN and learned and learned == self._images_sha256():
            raise UsageError(
                f"{use}: learned from these very cells; leave out model.use, and the run's own "
                "answers are taken out of fold."
            )
        return model

    def _images_sha256(self) -> str:
        try:
            known = json.loads((self.run / "provenance.json").read_text(encoding="utf-8"))
            return str(known["inputs"]["sha256"])
        except (OSError, ValueError, KeyError):
            return ""

    @cached_property
    def seen(self) -> Seen:
        """What the model, or the map of cells, was given."""
        target = self.plan.classify.target if self.record.model.use == RUN else ""
        drawn = tuple(name for each in self.plan.segment.objects for name in each.channels)
        if self.record.quantity.name == "embedding":
            features = tuple(model_features([str(name) for name in self.objects.columns]))
            return Seen(channels_of(features), features, target, drawn)
        if isinstance(self.predictor, FeaturePredictor):
            features = self.predictor.model.features
            return Seen(channels_of(features), features, target, drawn)
        light = tuple(name for name in self.predictor.channels if name != MASK_CHANNEL)
        return Seen(light, (), target, drawn)

    @cached_property
    def maps(self) -> Maps:
        """The maps in ``explanations.zarr`` of the cells that are asked about."""
        path = self.run / "explanations.zarr"
        if not path.is_dir():
            raise UsageError(
                f'{self.run}: holds no relevance maps; set explain.enabled = "on" and '
                "explain.cells_per_class in the plan and run again."
            )
        import zarr

        group = zarr.open_group(str(path), mode="r")
        array: Any = group[sorted(group.array_keys())[0]]
        names = [str(each) for each in array.attrs["object_id"]]
        wanted = set(self.table["object_id"])
        rows = [k for k, name in enumerate(names) if name in wanted]
        if not rows:
            raise UsageError(f"{self.run}: none of the cells asked about has a relevance map.")
        values = np.asarray(array[:], dtype=np.float64)[rows]
        channels = tuple(str(each) for each in array.attrs["channels"])
        return Maps(tuple(names[k] for k in rows), channels, values)

    def crops(self, names: tuple[str, ...] | None = None) -> CropSet:
        """Crops of cells, in the order of ``names``; all that the run kept where None."""
        wanted = set(self.table["object_id"] if names is None else names)
        parts = []
        for path in sorted((self.run / "stages" / "field").glob("*.crops.npz")):
            found = read_crops(path)
            if found is not None:
                keep = np.array([name in wanted for name in found.object_ids], dtype=np.bool_)
                if keep.any():
                    parts.append(found.take(keep))
        if not parts:
            raise UsageError(f"{self.run}: kept no picture of the cells asked about.")
        whole = join(parts)
        if names is None:
            return whole
        at = {name: k for k, name in enumerate(whole.object_ids)}
        lost = [name for name in names if name not in at]
        if lost:
            raise UsageError(f"{self.run}: {lost[0]} has a map and no picture; run again.")
        return whole.take([at[name] for name in names])


def units_of(table: pd.DataFrame, unit: str) -> npt.NDArray[np.str_]:
    """The independent unit of each object; what is finer than a field is refused."""
    columns = [str(name) for name in table.columns]
    if unit not in ("well", "field") and unit not in columns:
        raise unknown("unit", unit, ["well", "field", "plate", "day", "batch"], "In test.unit.")
    try:
        values = independent_units(table, "condition", unit).values
    except UsageError:
        raise UsageError(
            f"test.unit is {unit!r}, and some objects have no {unit}; name another unit, or give "
            "a plate map."
        ) from None
    if (pd.Series(values).groupby(text_column(table, "field_id")).nunique() > 1).any():
        raise UsageError(
            f"test.unit is {unit!r}, which is finer than a field: cells of one field are not "
            "independent. Take the level at which the cause was assigned, such as well."
        )
    return values


def held_out(table: pd.DataFrame, share: float, seed: int) -> set[str]:
    """The units that the test looks at, drawn by seed, evenly over conditions."""
    condition = text_column(table, "condition") if "condition" in table else np.full(len(table), "")
    first = pd.Series(condition, index=table["unit"]).groupby(level=0).first()
    kept: set[str] = set()
    rng = np.random.default_rng(seed)
    for _, units in sorted(first.groupby(first).groups.items()):
        names = sorted(str(each) for each in units)
        count = max(1, round(share * len(names)))
        kept |= {names[k] for k in rng.permutation(len(names))[:count]}
    return kept
