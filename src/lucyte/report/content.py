"""What a report is made of: nouns and small tables, filled by the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.report.wording import unit_word
from lucyte.schema.errors import UsageError
from lucyte.schema.explanation import Explanation
from lucyte.schema.finding import Finding
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Problem
from lucyte.schema.tracks import Tracks

Picture = npt.NDArray[np.uint8]
"""A picture a person looks at: ``Y X 3`` (red, green, blue) or ``Y X`` (grey), 0 to 255."""


@dataclass(frozen=True)
class ExampleCell:
    """One cell to look at.

    Attributes
    ----------
    object_id : str
    picture : array Y X 3 or Y X, uint8
        Its crop, channels merged.
    condition, well, state : str
        Empty where unknown.
    time_index : int
    p : float or None
        Out-of-fold probability of ``state``.
    outline : array or None
        A boolean mask ``Y X`` of the picture's shape, or a closed polygon ``N x 2`` of
        ``(y, x)`` in picture px.
    pixel_size_um : float or None
        Micrometres per px of this picture; None where unknown.
    """

    object_id: str
    picture: Picture
    condition: str = ""
    well: str = ""
    state: str = ""
    time_index: int = 0
    p: float | None = None
    outline: npt.NDArray[Any] | None = None
    pixel_size_um: float | None = None

    def __post_init__(self) -> None:
        _check_picture(self.picture, f"example cell {self.object_id}")
        line = self.outline
        if line is None or (line.ndim == 2 and line.dtype != np.bool_ and line.shape[1] == 2):
            return
        if line.dtype != np.bool_ or line.shape != self.picture.shape[:2]:
            raise UsageError(
                f"example cell {self.object_id}: an outline is a boolean mask of the picture's "
                f"shape {self.picture.shape[:2]} or N x 2 points, got {line.dtype} of {line.shape}."
            )


@dataclass(frozen=True)
class ExplainedCell:
    """A cell with the explanations of its state.

    Attributes
    ----------
    cell : ExampleCell
    explanations : tuple of Explanation
        Any methods; maps are stretched over the picture, which shows the same crop.
    """

    cell: ExampleCell
    explanations: tuple[Explanation, ...]


@dataclass(frozen=True)
class StatesInfo:
    """How the states came about (``States`` without its rows).

    Attributes
    ----------
    classes : tuple of str
    target : str
        The column that was learned.
    group : str
        The column that was kept together when splitting.
    groups : int
        Number of independent groups.
    """

    classes: tuple[str, ...]
    target: str
    group: str
    groups: int


@dataclass(frozen=True)
class Embedding:
    """A map of cells on which near means similar.

    Attributes
    ----------
    points : DataFrame
        ``object_id, x, y`` and, where known, ``state, condition, plate, well, thumb``.
        ``thumb`` is the row of ``thumbnails``, -1 for none.
    thumbnails : array N Y X 3, uint8, or None
    method : str
        ``t-SNE`` ...
    settings : mapping of str to value
        What the method was run with, for the caption (``perplexity``: 30).
    """

    points: pd.DataFrame
    thumbnails: npt.NDArray[np.uint8] | None = None
    method: str = "t-SNE"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(self.points, ("object_id", "x", "y"), "embedding")


@dataclass(frozen=True)
class Movie:
    """The movie whose trails and lineage are drawn.

    Attributes
    ----------
    field_id : str
    tracks : Tracks
    shape_yx : tuple of int
        Height and width of the field, px.
    picture : array Y X 3 or Y X, uint8, or None
        One frame, at any magnification, laid under the trails.
    condition : str
    pixel_size_um, interval_s : float or None
    """

    field_id: str
    tracks: Tracks
    shape_yx: tuple[int, int]
    picture: Picture | None = None
    condition: str = ""
    pixel_size_um: float | None = None
    interval_s: float | None = None


@dataclass(frozen=True)
class CorrectionPair:
    """One correction shown before and after, on the same grey scale.

    Attributes
    ----------
    title : str
        ``Illumination, channel EGFP``.
    before, after : array Y X 3 or Y X, uint8
    caption : str
        What was done to which field.
    """

    title: str
    before: Picture
    after: Picture
    caption: str = ""

    def __post_init__(self) -> None:
        _check_picture(self.before, f"correction {self.title}, before")
        _check_picture(self.after, f"correction {self.title}, after")


@dataclass(frozen=True)
class Citation:
    """One work that was used.

    Attributes
    ----------
    text : str
        Authors, title, journal, year.
    doi : str
        ``10....``, without the address; empty where there is none.
    """

    text: str
    doi: str = ""


@dataclass(frozen=True)
class MethodNote:
    """A sentence of the methods paragraph; replaces what the plan alone would say of the stage.

    Attributes
    ----------
    stage : str
        ``input``, ``correct``, ``segment``, ``measure``, ``classify``, ``track``, ``explain``,
        ``evidence`` or a name of its own.
    text : str
    citations : tuple of Citation
    """

    stage: str
    text: str
    citations: tuple[Citation, ...] = ()


_TABLES = {
    "fields": ("field_id", "plate", "well", "condition", "frames"),
    "wells": ("plate", "well", "condition", "n_cells"),
    "fractions": ("plate", "well", "condition", "time_index", "state", "fraction", "n_cells"),
    "features": ("plate", "well", "condition", "time_index", "feature", "value"),
    "tracks": ("field_id", "track_id", "start", "end", "parent_track_id", "fate", "length"),
    "flags": ("field_id", "time_index", "flag", "value"),
}


def _no_table() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page. Tables may be empty; ``skipped`` then says why.

    Attributes
    ----------
    title : str
    command : str
        The exact command that was given.
    plan : Plan
    fields : DataFrame
        ``Plate.table()``: ``field_id, plate, well, condition, frames`` ...
    provenance : mapping
        Versions, inputs, seeds, engine, device, stages: nested mappings, lists of mappings,
        plain values. Shown as it is.
    findings : tuple of Finding
    counts : mapping of kind to int
        Objects found, over all frames.
    kind : str
        The kind of object that ``n_cells``, states and features are of.
    unit : str
        The independent unit that ``well`` names below (``well``, ``field``, ``culture``).
    wells : DataFrame
        Per well ``plate, well, condition, n_cells``; optional ``fraction_<state>``, and
        ``flags``: text, empty for none.
    fractions : DataFrame
        ``plate, well, condition, time_index, state, fraction, n_cells``: one row per unit, time
        and state.
    features : DataFrame
        Unit means ``plate, well, condition, time_index, feature, value``; optional ``dose``
        (a number; then the x axis).
    states : StatesInfo or None
    examples : tuple of ExampleCell
    embedding : Embedding or None
    explained : tuple of ExplainedCell
    tracks : DataFrame
        ``Tracks.tracks`` of all movies with ``field_id`` and, where known, ``condition``.
    movie : Movie or None
    flags : DataFrame
        ``field_id, time_index, flag, value``: one row per flag raised.
    corrections : tuple of CorrectionPair
    problems : tuple of Problem
    skipped : mapping of stage to str
        Why a stage did not run: a clause, ``no conditions are known``.
    methods : tuple of MethodNote
    interval_s : float or None
        Seconds between frames; None where unknown or not the same everywhere.
    written : str
        Date to print; empty for none.

    Raises
    ------
    UsageError
        A table without a column it needs, or a picture that is none.
    """

    title: str
    command: str
    plan: Plan
    fields: pd.DataFrame
    provenance: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    kind: str = "cell"
    unit: str = "well"
    wells: pd.DataFrame = field(default_factory=_no_table)
    fractions: pd.DataFrame = field(default_factory=_no_table)
    features: pd.DataFrame = field(default_factory=_no_table)
    states: StatesInfo | None = None
    examples: tuple[ExampleCell, ...] = ()
    embedding: Embedding | None = None
    explained: tuple[ExplainedCell, ...] = ()
    tracks: pd.DataFrame = field(default_factory=_no_table)
    movie: Movie | None = None
    flags: pd.DataFrame = field(default_factory=_no_table)
    corrections: tuple[CorrectionPair, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[MethodNote, ...] = ()
    interval_s: float | None = None
    written: str = ""

    @property
    def unit_word(self) -> str:
        """The unit as a word."""
        return unit_word(self.unit)

    def __post_init__(self) -> None:
        for name, columns in _TABLES.items():
            _require(getattr(self, name), columns, name)


def _require(table: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    missing = [each for each in columns if each not in table.columns]
    if len(table) and missing:
        raise UsageError(
            f"report table {name!r} lacks {', '.join(missing)}; "
            f"it needs {', '.join(columns)} and has {', '.join(map(str, table.columns))}."
        )


def _check_picture(picture: npt.NDArray[Any], name: str) -> None:
    grey = picture.ndim == 2
    colour = picture.ndim == 3 and picture.shape[2] == 3
    if picture.dtype != np.uint8 or not (grey or colour) or 0 in picture.shape:
        raise UsageError(
            f"{name}: a picture is Y X 3 or Y X of uint8, "
            f"got {picture.dtype} of shape {picture.shape}."
        )
