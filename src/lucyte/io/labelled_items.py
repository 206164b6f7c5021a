"""Labelled pictures before their pixels are read: which, of what class, in what group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from lucyte.schema.errors import UsageError, unknown

Fit = Literal["", "keep-scale", "resample"]
AXES = ("NCYX", "NYXC", "NYX")


@dataclass(frozen=True)
class SampleOptions:
    """What a user says of labelled pictures.

    Attributes
    ----------
    label_column : str
        Column of the class; empty for ``state``, else ``label`` or ``class``.
    group_column : str
        Column of the independent unit; empty for ``group``, else plate and well, else plate.
    group_regex : str
        Searched in each picture's path below the data. Named groups become levels; the unit is
        the group ``group``, else all named groups together, else the first group, else the match.
    channels : mapping of new to old name, or sequence of names
        A mapping chooses, orders and renames; a sequence names the channels in order.
    layout : str
        File-name layout that tells plate and well: ``auto``, ``none`` or a name.
    pages, select
        As in `lucyte.io.open`.
    side_px : int or None
        Side of the samples; None for the pictures' own.
    fit : {"", "keep-scale", "resample"}
        How pictures of another size get there. Empty: ``resample`` where ``side_px`` is given,
        else ``keep-scale``. Announced whenever it is done. Cells of a run are cut at ``side_px``,
        or with ``resample`` at ``cut_px`` and brought to it.
    cut_px : int
        Side that is cut around each cell of a run before it is resampled; 0: not known yet, see
        `lucyte.pipeline.labelled_data.resampling`.
    masks : str
        Column of mask files (default ``mask``), folder of masks under the pictures' own paths, or
        name of an array.
    levels : sequence of str
        More columns that may betray the class.
    array : str
        Which array of an ``.npz``.
    axes : {"", "NCYX", "NYXC", "NYX"}
        Order of an array's axes; needed where its shape leaves it open.
    training : bool
        Labels are required, and two classes, and two groups where groups are given.
    scratch_gb : float
        Pictures beyond this are kept in a temporary file.
    """

    label_column: str = ""
    group_column: str = ""
    group_regex: str = ""
    channels: Mapping[str, str] | Sequence[str] = ()
    layout: str = "auto"
    pages: str | None = None
    select: Mapping[str, int] = field(default_factory=dict)
    side_px: int | None = None
    fit: Fit = ""
    cut_px: int = 0
    masks: str = ""
    levels: Sequence[str] = ()
    array: str = ""
    axes: str = ""
    training: bool = True
    scratch_gb: float = 1.0

    def __post_init__(self) -> None:
        if self.group_column and self.group_regex:
            raise UsageError("give either --group-regex or --group-column, not both.")
        if self.fit not in get_args(Fit):
            raise unknown("way to fit sizes", self.fit, [each for each in get_args(Fit) if each])
        if self.axes and self.axes not in AXES:
            raise unknown("order of axes", self.axes, AXES)
        if self.side_px is not None and self.side_px < 8:
            raise UsageError(f"a sample is 8 px or more on a side, got {self.side_px}.")
        if isinstance(self.channels, str):
            raise UsageError("channels are a list of names or a mapping, not one text.")


@dataclass(frozen=True)
class LabelledItem:
    """One picture.

    Attributes
    ----------
    name : str
        Path below the data folder, or ``cells.npz#12``.
    path : Path or None
        None where the pixels are a row of an array.
    label, group : str
        Empty where unknown.
    levels : mapping of str to str
    mask : Path or None
    series : str
        Which image of a file that holds several; empty for the only one.
    """

    name: str
    path: Path | None = None
    label: str = ""
    group: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)
    mask: Path | None = None
    series: str = ""


@dataclass(frozen=True)
class Labelled:
    """All pictures of a data set.

    Attributes
    ----------
    root : Path
    form : {"folders", "table", "array", "pictures"}
    items : tuple of LabelledItem
    unit : str
        What ``group`` counts.
    grouped : bool
    notes : tuple of str
        What was assumed, in words; to be shown.
    array : Path or None
        Where the pixels of the array form are.
    table : Path or None
        The CSV that lists them.
    """

    root: Path
    form: str
    items: tuple[LabelledItem, ...]
    unit: str = "image"
    grouped: bool = False
    notes: tuple[str, ...] = ()
    array: Path | None = None
    table: Path | None = None

    @property
    def culprit(self) -> Path:
        """What a refusal names: the table, where there is one."""
        return self.table or self.root


def few(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and how many more."""
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
