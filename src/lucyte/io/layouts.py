"""How microscopes name their files: a table of rows, one per convention.

A row's pattern is matched against the end of a file's path (folders separated by ``/``), with
case ignored. Named groups say what each part means:

``plate``, ``batch``, ``day``, ``condition``
    text, as it stands in the name;
``folder``
    the plate's name where the file's own name holds none;
``well``, or ``row`` and ``col``
    ``B3``, ``b03``; or a letter or number, and a number;
``site``
    field of view; ``1`` where the names hold none;
``channel``
    the channel's name until it is renamed;
``time_index``, ``z``
    whole numbers, as the microscope counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lucyte.schema.errors import UsageError, unknown

GROUPS = (
    "plate",
    "batch",
    "day",
    "condition",
    "well",
    "row",
    "col",
    "site",
    "channel",
    "time_index",
    "z",
)
MAX_COLUMN = 48  # a 1536-well plate; beyond that a name is a name, not a well

_FOLDER = (
    r"(?:(?P<folder>(?!(?:images?|data|raw|tiffs?|timepoint_\d+|zstep_\d+)/)[^/]+)/)?"
    r"(?:(?:images?|data|raw|tiffs?)/)?"
)
_TIMEPOINT = (
    r"timepoint_(?P<time_index>\d+)_(?P<plate>(?P<day>\d+)-[^_/]+)"
    r"_(?P<well>[a-z]{1,2}\d{1,2})_s(?P<site>\d+)"
)


@dataclass(frozen=True)
class Layout:
    """One naming convention.

    Attributes
    ----------
    name : str
    pattern : str
        Regular expression with the groups above.
    example : str
        A file's name as this convention writes it.
    channels : str
        How channels are named, in words.
    ignore : str
        Regular expression (searched) of files that are not images of this plate.
    decode : str
        ``cellular-merged`` where pictures must be turned back into channels; else empty.
    flags : tuple of str
        Known of the pixels before looking.
    alike : bool
        Whether the fields of one plate should have the same frames and size.
    anywhere : bool
        A user's pattern: searched in the path instead of matched against its end.
    """

    name: str
    pattern: str
    example: str
    channels: str
    ignore: str = ""
    decode: str = ""
    flags: tuple[str, ...] = ()
    alike: bool = True
    anywhere: bool = False


@dataclass(frozen=True)
class Name:
    """What one file's name says. Empty text and None mean that it does not say."""

    plate: str = ""
    batch: str = ""
    day: str = ""
    condition: str = ""
    well: str = ""
    site: str = "1"
    channel: str | None = None
    time_index: int | None = None
    z: int | None = None

    @property
    def field_key(self) -> tuple[str, ...]:
        """What tells one field from another."""
        return (self.plate, self.batch, self.day, self.condition, self.well, self.site)


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "cellular",
        _TIMEPOINT + r"_(?P<channel>w\d+)\.tiff?",
        "Timepoint_001_220518-ST_C03_s1_w1.tif",
        "w1, w2 ... as in the name",
    ),
    Layout(
        "cellular-merged",
        _TIMEPOINT + r"\.(?:jpe?g|png)",
        "Timepoint_001_220518-ST_C03_s1.jpg",
        "EGFP, mRFP and TL, decoded from the colours",
        decode="cellular-merged",
        flags=("display-referred", "lossy", "clipped"),
    ),
    Layout(
        "imagexpress",
        _FOLDER + r"(?:timepoint_(?P<time_index>\d+)/)?(?:zstep_(?P<z>\d+)/)?"
        # In A02_s10_w1 the site is no well S10 of a plate A02.
        r"(?!timepoint_\d+_)(?:(?P<plate>[^/]+?)_(?!s\d+_w))?(?P<well>[a-z]{1,2}\d{2})"
        r"(?:_s(?P<site>\d+)(?:_(?P<channel>w\d))?|_(?P<channel_2>w\d))"
        r"(?:_?[0-9a-f]{8}-[0-9a-f-]{27})?\.tiff?",
        "Week4_27481/TimePoint_1/G10_s1_w1BEDC2073-A983-4B98-95E9-84466707A25D.tif",
        "w1, w2 ... as in the name",
        ignore=r"_thumb",
    ),
    Layout(
        "operetta",
        _FOLDER + r"r(?P<row>\d{2})c(?P<col>\d{2})f0*(?P<site>\d+)p(?P<z>\d+)"
        r"-(?P<channel>ch\d+)sk(?P<time_index>\d+)(?:fk\d+fl\d+)?\.tiff?",
        "plate1/Images/r01c01f01p01-ch1sk1fk1fl1.tiff",
        "ch1, ch2 ... as in the name",
    ),
    Layout(
        "yokogawa",
        r"(?P<plate>[^/]+)_(?P<well>[a-z]{1,2}\d{2})_t(?P<time_index>\d{4})f0*(?P<site>\d+)"
        r"l\d{2}a\d{2}z(?P<z>\d{2,3})(?P<channel>c\d{2})\.(?:tiff?|png)",
        "plate1_A01_T0001F001L01A01Z01C01.tif",
        "C01, C02 ... as in the name",
    ),
    Layout(
        "incell",
        _FOLDER + r"(?P<row>[a-z]{1,2}) - (?P<col>\d+)\(fld 0*(?P<site>\d+)"
        r"(?: wv (?P<channel>[^)]+?))?(?: z (?P<z>\d+))?(?: time (?P<time_index>\d+)[^)]*)?\)"
        r"\.tiff?",
        "plate1/A - 1(fld 1 wv DAPI - DAPI).tif",
        "excitation - emission, as in the name",
    ),
    Layout(
        "ctc",
        r"(?:(?P<folder>[^/]+)/)?(?P<site>\d{2})/t(?P<time_index>\d{3,4})\.tiff?",
        "Fluo-N2DH-GOWT1/01/t000.tif",
        "none: one channel without a name",
        alike=False,
    ),
    Layout(
        "vitra",
        _FOLDER + r"(?P<channel>channel \d+)-\d+-(?P<row>[a-z]{1,2})-(?P<col>\d+)"
        r"-0*(?P<site>\d+)\.tiff?",
        "ExampleVitraImages/Channel 1-01-A-01-00.tif",
        "Channel 1, Channel 2 ... as in the name",
    ),
    Layout(
        "cellomics",
        r"(?P<plate>[^/]+)_(?P<well>[a-z]{1,2}\d{2})f0*(?P<site>\d+)(?P<channel>d\d+)\.tiff?",
        "AS_09125_050116030001_D03f00d0.tif",
        "d0, d1 ... as in the name",
    ),
    Layout(
        "mitocheck",
        r"(?P<condition>[^/]+)/(?P<plate>plt?[^/_]*_\d+)--ex(?P<day>[\d_]+)--[^/]*?"
        r"___(?P<well>p\d{5})_\d+___(?P<site>t\d+___x\d+___y\d+)_*(?:img)?\.(?:png|tiff?)",
        "ADCCM/PLLT0017_19--ex2005_07_06--sp2005_04_12--tt19--c5"
        "___P00365_01___T00064___X0746___Y0848____img.png",
        "none: one crop per file, the class is its folder",
    ),
)
STRUCTURAL: dict[str, str] = {
    "ome-zarr-plate": "an OME-Zarr high-content plate: row/column/site inside one folder",
    "folder-per-class": "one subfolder per condition, each image its own field",
    "plain": "each image its own field, its name the site",
}
"""Layouts that lie in the folders and not in the names."""


def layout_names() -> tuple[str, ...]:
    """Every name that ``layout`` may have in a plan."""
    return ("auto", *(row.name for row in LAYOUTS), *STRUCTURAL)


def find_layout(name: str) -> Layout:
    """The row of this name; refuses an unknown one."""
    for row in LAYOUTS:
        if row.name == name:
            return row
    raise unknown("layout", name, layout_names(), "Or give a pattern with named groups.")


def user_layout(pattern: str, base: Layout | None = None) -> Layout:
    """A layout from a person's regular expression, searched in the path below the folder.

    Parameters
    ----------
    pattern : str
    base : Layout, optional
        A row whose decoding and flags still hold (its names do not).

    Raises
    ------
    UsageError
        Not a regular expression, no named groups, groups that mean nothing here.
    """
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise UsageError(f"pattern {pattern!r} is not a regular expression: {error}.") from None
    if not groups:
        raise UsageError(
            f"pattern {pattern!r} has no named groups; write for instance (?P<well>[A-P]\\d+). "
            f"Allowed: {', '.join(GROUPS)}."
        )
    for group in groups:
        if group not in GROUPS:
            raise unknown("group", group, GROUPS, f"In pattern {pattern!r}.")
    if "well" in groups and ("row" in groups or "col" in groups):
        raise UsageError(f"pattern {pattern!r}: name either well, or row and col, not both.")
    if ("row" in groups) != ("col" in groups):
        raise UsageError(f"pattern {pattern!r}: row and col go together.")
    decode, flags = (base.decode, base.flags) if base else ("", ())
    return Layout("pattern", pattern, "", "as in the name", "", decode, flags, anywhere=True)


def parse(layout: Layout, path: str) -> Name | None:
    """What a file's path says under a layout, or None where it does not fit.

    Parameters
    ----------
    layout : Layout
    path : str
        With ``/`` between folders; what lies above the last few folders does not matter.

    Raises
    ------
    UsageError
        A user's group caught text that is no number where a number is due.
    """
    if layout.ignore and re.search(layout.ignore, path.rsplit("/", 1)[-1], re.IGNORECASE):
        return None
    if layout.anywhere:
        match = re.search(layout.pattern, path)
    else:
        match = re.fullmatch(rf"(?:.*?/)??{layout.pattern}", path, re.IGNORECASE)
    if match is None:
        return None
    got = {key: value for key, value in match.groupdict().items() if value is not None}
    well = got.get("well", "")
    if "row" in got:
        well = f"{_row_letters(got['row'])}{got['col']}"
    return Name(
        plate=got.get("plate") or got.get("folder", ""),
        batch=got.get("batch", ""),
        day=got.get("day", ""),
        condition=got.get("condition", ""),
        well=normal_well(well),
        site=got.get("site", "1"),
        channel=got.get("channel") or got.get("channel_2"),
        time_index=_number(got, "time_index", layout),
        z=_number(got, "z", layout),
    )


def detect(paths: Sequence[str]) -> tuple[Layout | None, int, str]:
    """The layout that reads the most names.

    Parameters
    ----------
    paths : sequence of str

    Returns
    -------
    layout : Layout or None
        None where nothing reads more than half of the names, or two read equally many.
    count : int
        Names it reads.
    why : str
        One sentence.
    """
    counts = {row.name: count_matches(row, paths) for row in LAYOUTS}
    best = max(counts.values(), default=0)
    winners = [row for row in LAYOUTS if counts[row.name] == best]
    if best == 0:
        return None, 0, "no layout reads these names"
    if len(winners) > 1:
        names = " and ".join(row.name for row in winners)
        return None, 0, f"{names} both read {best} of {len(paths)} names; say which with layout"
    if best * 2 <= len(paths):
        return None, 0, f"{winners[0].name} reads only {best} of {len(paths)} names"
    return winners[0], best, f"{winners[0].name} reads {best} of {len(paths)} names"


def count_matches(layout: Layout, paths: Iterable[str]) -> int:
    """How many names fit, those that the layout ignores (thumbnails) included."""
    ignored = re.compile(layout.ignore, re.IGNORECASE) if layout.ignore else None
    return sum(
        parse(layout, path) is not None
        or (ignored is not None and ignored.search(path.rsplit("/", 1)[-1]) is not None)
        for path in paths
    )


def normal_well(well: str) -> str:
    """``a1``, ``A001`` and ``A1`` as ``A01``; any other name as it stands, trimmed."""
    match = re.fullmatch(r"([A-Za-z]|[Aa][A-Fa-f])0*(\d{1,2})", well.strip())
    if match is None or len(well.strip()) > 4 or not 1 <= int(match[2]) <= MAX_COLUMN:
        return well.strip()
    return f"{match[1].upper()}{int(match[2]):02d}"


def _row_letters(row: str) -> str:
    """Row 1 is A, 26 is Z, 27 is AA; letters stay."""
    if not row.isdigit():
        return row.upper()
    number = int(row)
    if not 1 <= number <= 52:
        raise UsageError(f"row {row} is not on a plate; rows count from 1 to 32.")
    return chr(64 + number) if number <= 26 else "A" + chr(64 + number - 26)


def _number(got: dict[str, str], key: str, layout: Layout) -> int | None:
    if key not in got:
        return None
    try:
        return int(got[key])
    except ValueError:
        raise UsageError(
            f"pattern {layout.pattern!r}: group {key} must catch a whole number, got {got[key]!r}."
        ) from None
