"""Files that belong to one field, and what is missing, doubled or damaged among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lucyte.io.field_source import Header, Slot
from lucyte.io.layouts import Name
from lucyte.io.open import series_names
from lucyte.schema.errors import LucyteError
from lucyte.schema.plate import Problem, well_sort_key


@dataclass
class Group:
    """The files of one field while they are being sorted.

    Attributes
    ----------
    name : Name
        Of its first file; channel, time_index and z mean nothing here.
    slots : list of Slot
    header : Header or None
        None until read.
    """

    name: Name
    slots: list[Slot] = field(default_factory=list)
    header: Header | None = None

    @property
    def label(self) -> str:
        """How messages call this field."""
        parts = (self.name.plate, self.name.well, f"s{self.name.site}")
        return "_".join(part for part in parts if part)

    @property
    def times(self) -> set[int]:
        """Frame numbers that the names tell."""
        return {slot.time_index for slot in self.slots if slot.time_index is not None}

    @property
    def channels(self) -> set[str]:
        """Channels that the names tell, or else the header."""
        told = {slot.channel for slot in self.slots if slot.channel is not None}
        return told or set(self.header.channels if self.header else ())


def group_files(named: Iterable[tuple[Path, Name]]) -> tuple[list[Group], list[Problem]]:
    """Sort files into fields; of two that claim one place the first in order stays.

    Parameters
    ----------
    named : iterable of (path, what its name says)
        Sorted by path.
    """
    groups: dict[tuple[str, ...], Group] = {}
    taken: dict[tuple[object, ...], Path] = {}
    problems = []
    for path, name in named:
        place = (*name.field_key, name.time_index, name.channel, name.z)
        if place in taken:
            problems.append(
                Problem(
                    str(path),
                    "duplicate",
                    f"{path.name} claims the same place as {taken[place]} "
                    f"({_place(name)}); the first is used, this one is left out.",
                )
            )
            continue
        taken[place] = path
        group = groups.setdefault(name.field_key, Group(name))
        group.slots.append(Slot(str(path), name.time_index, name.channel, name.z))
    for group in groups.values():
        group.slots.sort(key=slot_order)
    return sorted(groups.values(), key=_plate_order), problems


def _plate_order(group: Group) -> tuple[object, ...]:
    name = group.name
    return (name.plate, well_sort_key(name.well), natural(name.site), name.field_key)


def slot_order(slot: Slot) -> tuple[object, ...]:
    """Frames, then channels (w2 before w10), then planes."""
    number = -1 if slot.time_index is None else slot.time_index
    plane = -1 if slot.z is None else slot.z
    return (number, natural(slot.channel or ""), plane)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that reads numbers as numbers."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts)


def split_series(groups: Sequence[Group]) -> list[Group]:
    """Files that hold several images (positions, scenes) become one field per image.

    Only where a field is one file whose name tells neither channel nor frame nor plane.
    """
    split: list[Group] = []
    for group in groups:
        names = _series(group)
        if len(names) < 2:
            split.append(group)
            continue
        for number, series in enumerate(names):
            slot = replace(group.slots[0], series=number)
            site = f"{group.name.site}_{series}"
            split.append(Group(replace(group.name, site=site), [slot]))
    return split


def _series(group: Group) -> tuple[str, ...]:
    slot = group.slots[0]
    told = (slot.time_index, slot.channel, slot.z) != (None, None, None)
    path = Path(slot.path)
    if told or len(group.slots) > 1 or path.suffix.lower() in (".png", ".jpg", ".jpeg"):
        return ()
    try:
        return series_names(path)
    except LucyteError:
        return ()  # named as damaged when its header is read


def _place(name: Name) -> str:
    parts = {
        "plate": name.plate,
        "well": name.well,
        "site": name.site,
        "frame": name.time_index,
        "channel": name.channel,
        "plane": name.z,
    }
    return ", ".join(f"{key} {value}" for key, value in parts.items() if value not in ("", None))
