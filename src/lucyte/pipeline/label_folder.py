"""RUN/labels: which cells are labelled with which classes, settled at the first start."""

from __future__ import annotations

import csv
import fcntl
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lucyte.io.atomic import disk_errors, write_json, write_text
from lucyte.pipeline.label_answers import RESERVED, UNKNOWN
from lucyte.schema.errors import InputError, UsageError

VERSION = 1
SETTINGS, SAMPLE = "labels.json", "sample.csv"
MOST_CLASSES = 9
"""One key each, 1 to 9."""
LONGEST_CLASS = 40
OWN = {SETTINGS, SAMPLE, "crops", "lock"}
"""What a first start that was killed may have left."""


@dataclass(frozen=True)
class Item:
    """One cell or image to label.

    Attributes
    ----------
    object_id : str
        Of the run, or the image's path below the folder.
    image : str
        File, relative to the labels folder.
    mask : str
        Mask of the cell in it; empty where there is none.
    group : str
        The independent unit; empty where unknown.
    levels : mapping of str to str
        ``plate``, ``well`` ... as far as known. Never sent to the page.
    box : tuple of int
        ``x0, y0, x1, y1`` of the object in its frame; empty for images.
    """

    object_id: str
    image: str
    mask: str = ""
    group: str = ""
    levels: dict[str, str] = field(default_factory=dict)
    box: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelSettings:
    """What all annotators share.

    Attributes
    ----------
    form : {"run", "images"}
    classes : tuple of str
        In the order of their keys.
    seed : int
    asked : int
        Size of the sample that was asked for; 0 for all.
    unit : str
        What a group counts; ``image`` where no group is known.
    limits : mapping of channel to (black, white)
        In raw units, one for all cells.
    pixel_size_um : float or None
    added : mapping of class to time
        Classes that came later: cells labelled before had no such choice.
    version : int
    """

    form: str
    classes: tuple[str, ...]
    seed: int
    asked: int
    unit: str
    limits: dict[str, tuple[float, float]]
    pixel_size_um: float | None = None
    added: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    @property
    def states(self) -> tuple[str, ...]:
        """What can be answered: the classes and ``unknown``."""
        return (*self.classes, UNKNOWN)


@dataclass(frozen=True)
class LabelFolder:
    """Where labels lie.

    Attributes
    ----------
    root : Path
    """

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def begun(self) -> bool:
        """Is there a sample to label?

        Raises
        ------
        UsageError
            The folder holds something else.
        """
        if (self.root / SETTINGS).is_file():
            return True
        if self.root.is_dir():
            other = [p.name for p in self.root.iterdir() if p.name not in OWN and p.name[0] != "."]
            if other:
                raise UsageError(
                    f"{self.root}: holds {sorted(other)[0]!r}, which lucyte label did not write; "
                    "choose another folder with -o."
                )
        return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second first start out."""
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / "lock").open("a", encoding="utf-8") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield

    def write(self, settings: LabelSettings, items: Sequence[Item]) -> None:
        """Write the sample, then the settings: only with them the folder counts as begun."""
        levels = list(dict.fromkeys(name for item in items for name in item.levels))
        box = ["x0_px", "y0_px", "x1_px", "y1_px"] if any(item.box for item in items) else []
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["object_id", "image", "mask", "group", *levels, *box])
        for item in items:
            known = [item.levels.get(name, "") for name in levels]
            table.writerow([item.object_id, item.image, item.mask, item.group, *known, *item.box])
        write_text(self / SAMPLE, text.getvalue())
        self.settle(settings)

    def settle(self, settings: LabelSettings) -> None:
        """Write the settings."""
        write_json(self / SETTINGS, asdict(settings))

    def settings(self) -> LabelSettings:
        """What was settled at the first start.

        Raises
        ------
        InputError
            Damaged, or of a newer Lucyte.
        """
        path = self / SETTINGS
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            told["classes"] = tuple(told["classes"])
            told["limits"] = {name: (low, high) for name, (low, high) in told["limits"].items()}
            found = LabelSettings(**told)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(path, f"is no settings of labels ({error}).", "Restore it.") from None
        if found.version != VERSION:
            raise InputError(
                path, f"is of version {found.version}, this Lucyte reads {VERSION}.", "Update."
            )
        return found

    def items(self) -> tuple[Item, ...]:
        """The sample.

        Raises
        ------
        InputError
            Damaged.
        """
        path = self / SAMPLE
        try:
            with path.open(encoding="utf-8", newline="") as handle:
                rows = list(csv.DictReader(handle, strict=True))
            return tuple(_item(row) for row in rows)
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise InputError(path, f"is no sample of cells ({error}).", "Restore it.") from None

    def annotators(self) -> tuple[str, ...]:
        """Who has a file of answers here, sorted."""
        names = (path.stem for path in self.root.glob("*.csv") if path.name[0] != ".")
        return tuple(sorted(name for name in names if name not in RESERVED))


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Classes that keys can be given to.

    Raises
    ------
    UsageError
        Fewer than 2 or more than 9, one twice, one without a name or called ``unknown``.
    """
    names = tuple(each.strip() for each in classes)
    if not 2 <= len(names) <= MOST_CLASSES:
        raise UsageError(
            f"--classes: got {len(names)} ({', '.join(names)}); name 2 to {MOST_CLASSES}, one per "
            "key, e.g. --classes fed,starved."
        )
    for name in names:
        if not name.isprintable() or not name or len(name) > LONGEST_CLASS:
            raise UsageError(f"--classes: {name!r} is no name of 1 to {LONGEST_CLASS} signs.")
        if name.lower() == UNKNOWN:
            raise UsageError(f"--classes: {UNKNOWN!r} is always there, on key 0; leave it out.")
    low = [name.lower() for name in names]
    twice = [name for k, name in enumerate(names) if low.index(name.lower()) < k]
    if twice:
        raise UsageError(f"--classes: {twice[0]!r} is named twice.")
    return names


def with_classes(settings: LabelSettings, asked: Sequence[str]) -> LabelSettings:
    """The settings with classes added at the end, so that no key changes its meaning.

    Raises
    ------
    UsageError
        Classes that were there at the first start are missing.
    """
    names = check_classes(asked)
    lost = [name for name in settings.classes if name not in names]
    if lost:
        raise UsageError(
            f"--classes: labels were begun with {', '.join(settings.classes)}; classes can be "
            f"added, not taken away or renamed, and {lost[0]!r} is missing. "
            "Begin anew with another folder, -o."
        )
    new = [name for name in names if name not in settings.classes]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(
        settings,
        classes=(*settings.classes, *new),
        added={**settings.added, **dict.fromkeys(new, now)},
    )


def _item(row: dict[str, str]) -> Item:
    fixed = ("object_id", "image", "mask", "group")
    box = [row.pop(name) for name in ("x0_px", "y0_px", "x1_px", "y1_px") if name in row]
    levels = {name: value for name, value in row.items() if name not in fixed}
    return Item(
        object_id=row["object_id"],
        image=row["image"],
        mask=row["mask"],
        group=row["group"],
        levels=levels,
        box=tuple(int(each) for each in box),
    )
