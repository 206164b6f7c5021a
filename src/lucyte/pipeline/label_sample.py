"""Cells of a finished run to label, chosen evenly over wells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.io.merge import choose_limits
from lucyte.io.write_table import read_parquet
from lucyte.learn.splits import even_sample
from lucyte.pipeline.label_folder import Item
from lucyte.pipeline.sample import main_kind
from lucyte.schema.errors import InputError, UsageError
from lucyte.schema.objects import BOX

SAMPLED = 300
"""Cells that are labelled where nobody said how many."""


@dataclass(frozen=True)
class Cells:
    """What a first start prepared.

    Attributes
    ----------
    items : tuple of Item
    limits : dict of channel to (black, white)
    unit : str
    classes : tuple of str
        The run's own states; empty where it has none.
    pixel_size_um : float or None
    notes : tuple of str
        What a person must know, a sentence each.
    """

    items: tuple[Item, ...]
    limits: dict[str, tuple[float, float]]
    unit: str
    classes: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    notes: tuple[str, ...] = ()


def is_run(path: Path) -> bool:
    """Does a folder look like one that ``lucyte run`` wrote?"""
    return (path / "objects.parquet").is_file() or (
        (path / "plan.toml").is_file() and (path / "stages").is_dir()
    )


def run_objects(run: Path) -> pd.DataFrame:
    """The objects that stand for the cells of a run.

    Raises
    ------
    UsageError
        The run is not finished.
    InputError
        It found no cell.
    """
    path = run / "objects.parquet"
    if not path.is_file():
        raise UsageError(f"{run}: holds no finished run; finish it with: lucyte run PLAN -o {run}")
    table = read_parquet(path)
    if "kind" not in table or not len(table):
        raise InputError(path, "holds no cells, so there is nothing to label.")
    kind = main_kind([str(each) for each in pd.unique(table["kind"])])
    return table[table["kind"] == kind].reset_index(drop=True)


def run_classes(objects: pd.DataFrame) -> tuple[str, ...]:
    """The states that the run's own model tells apart."""
    names = [str(name).removeprefix("p_") for name in objects if str(name).startswith("p_")]
    return tuple(sorted(names)) if "state" in objects else ()


def choose_cells(objects: pd.DataFrame, count: int, seed: int) -> tuple[pd.DataFrame, int]:
    """Cells drawn evenly over wells; a cell that was followed comes once where others are left.

    Parameters
    ----------
    objects : DataFrame
        With ``border`` (the cell's crop would leave the image) and ``group``.
    count, seed : int

    Returns
    -------
    rows of ``objects``, and how many cells lie too near to the border
    """
    inside = objects[~objects["border"]]
    rng = np.random.default_rng(seed)
    mixed = inside.iloc[rng.permutation(len(inside))]
    if "track_id" in mixed:
        followed = mixed["field_id"].astype(str) + "/" + mixed["track_id"].astype(str)
        first = ~followed.duplicated() | mixed["track_id"].isna()
    else:
        first = pd.Series(True, index=mixed.index)
    once, again = mixed[first], mixed[~first]
    chosen = once.iloc[even_sample(once["group"].tolist(), count, seed)]
    left = count - len(chosen)
    if left > 0 and len(again):
        more = again.iloc[even_sample(again["group"].tolist(), left, seed)]
        chosen = pd.concat([chosen, more])
    return chosen, int(objects["border"].sum())


def common_limits(
    pictures: Sequence[npt.NDArray[Any]], channels: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """One black and white point per channel for all pictures, so that brightness compares.

    Black is the median of the pictures' own; white is below a quarter of theirs: the few brightest
    cells may clip, or they would leave all others in the dark.

    Parameters
    ----------
    pictures : sequence of arrays C Y X
    channels : sequence of str
    """
    own = [choose_limits(each, channels) for each in pictures]
    found = {}
    for name in channels:
        low = float(np.median([each[name][0] for each in own]))
        high = float(np.percentile([each[name][1] for each in own], 75))
        found[name] = (low, high if high > low else low + 1.0)
    return found


def gone(run: Path, items: Sequence[Item]) -> int:
    """How many labelled cells are not in the run any more as they were: it was done again."""
    objects = run_objects(run)
    boxes = dict(zip(objects["object_id"], objects[list(BOX)].itertuples(index=False), strict=True))
    return sum(tuple(boxes.get(each.object_id, ())) != each.box for each in items)
