"""What is damaged, missing or unlike the rest among the files of a plate. Nothing is filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from lucyte.io.field_source import Header, Reading, Slot, unlike
from lucyte.io.pairing import Group, natural
from lucyte.schema.errors import InputError, LucyteError, UsageError
from lucyte.schema.plate import Problem

ALL_HEADERS = 1000
"""Up to this many files every header is read; beyond, one per field and every odd-sized file."""


def read_headers(
    groups: Sequence[Group], reading: Reading, *, stop: bool
) -> tuple[list[Group], list[Problem]]:
    """Read what the files hold and leave out those that are damaged or unlike the others.

    Small folders have every header read. In large ones it is the header of one file per field
    and of every file less than half or more than twice as large as its neighbours.

    Parameters
    ----------
    groups : sequence of Group
        Changed in place: ``header`` is set, bad slots are removed.
    reading : Reading
    stop : bool
        Raise at the first damaged file instead of collecting it.

    Returns
    -------
    groups that still have files, problems
    """
    every = sum(len(group.slots) for group in groups) <= ALL_HEADERS
    problems: list[Problem] = []
    refusals: list[UsageError] = []
    for group in groups:
        headers: dict[Slot, Header] = {}
        waiting = list(group.slots if every else _suspects(group.slots))
        while waiting:
            slot = waiting.pop(0)
            try:
                headers[slot] = _header(reading, slot)
            except LucyteError as error:
                if stop and isinstance(error, InputError):
                    raise
                if isinstance(error, UsageError):
                    refusals.append(error)
                problems.append(_left_out(slot, error))
                group.slots.remove(slot)
            if not waiting and not headers:
                waiting = group.slots[:1]
        if headers:
            problems.extend(_keep_majority(group, headers))
    kept = [group for group in groups if group.slots]
    if refusals and not kept:
        raise refusals[0]
    return kept, problems


def complete_frames(
    groups: Sequence[Group], *, structural: bool
) -> tuple[list[Group], list[Problem]]:
    """Leave out what cannot be shown whole: a frame or field without a channel or plane.

    A channel counts as due when at least half of the fields have it, or, where the layout lies
    in folders and files need not be alike, four fifths. A rarer one that names tell is left out.

    Parameters
    ----------
    groups : sequence of Group
        Changed in place.
    structural : bool
        Fields come from files that need not be alike.
    """
    tally = Counter(channel for group in groups for channel in group.channels)
    due = {
        channel
        for channel, count in tally.items()
        if count >= len(groups) * (0.8 if structural else 0.5)
    }
    problems: list[Problem] = []
    kept = []
    for group in groups:
        lacking = sorted(due - group.channels, key=natural)
        if lacking:
            problems.append(
                Problem(
                    group.label,
                    "missing_channel",
                    f"field {group.label} has no channel {', '.join(lacking)}, which "
                    f"{tally[lacking[0]]} of {len(groups)} fields have; it is left out.",
                )
            )
            continue
        problems.extend(_drop_rare(group, due, tally, len(groups)))
        problems.extend(_drop_occasional(group))
        problems.extend(_drop_partial(group))
        if group.slots:
            kept.append(group)
    return kept, problems


def missing_frames(
    groups: Sequence[Group], wanted: Sequence[int] = (), *, alike: bool = True
) -> list[Problem]:
    """Frames that most fields have and one lacks, and holes in its own count.

    Parameters
    ----------
    groups : sequence of Group
    wanted : sequence of int
        The frames that were asked for; empty for all.
    alike : bool
        Whether the fields of a plate should have the same frames.
    """
    problems = []
    dues: dict[str, set[int]] = {}
    for plate in {group.name.plate for group in groups} if alike else ():
        mine = [group.times for group in groups if group.name.plate == plate]
        tally = Counter(time for times in mine for time in times)
        dues[plate] = {time for time, count in tally.items() if count * 2 >= len(mine)}
    for group in groups:
        due = dues.get(group.name.plate, set())
        asked = set(wanted) or due | _holes(group.times)
        missing = sorted(asked - group.times) if group.times else []
        if missing:
            frames = ", ".join(map(str, missing[:12])) + (" ..." if len(missing) > 12 else "")
            problems.append(
                Problem(
                    group.label,
                    "missing_frame",
                    f"field {group.label} has no frame {frames}; what is missing stays absent.",
                )
            )
    return problems


def _holes(times: set[int]) -> set[int]:
    ordered = sorted(times)
    if len(ordered) < 3:
        return set()
    step = min(b - a for a, b in pairwise(ordered))
    return set(range(ordered[0], ordered[-1], step)) - times


def _suspects(slots: Sequence[Slot]) -> list[Slot]:
    """The first file, and those whose size is unlike the usual one."""
    if len(slots) == 1:
        return list(slots)
    sizes = {slot: Path(slot.path).stat().st_size for slot in slots}
    usual = sorted(sizes.values())[len(sizes) // 2]
    odd = [slot for slot in slots if not usual <= 2 * sizes[slot] <= 4 * usual]
    return list(dict.fromkeys([slots[0], *odd]))


def _header(reading: Reading, slot: Slot) -> Header:
    path = Path(slot.path)
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(path, "is empty (0 bytes).", "Copy it again.")
    return reading.header(slot)


def _left_out(slot: Slot, error: LucyteError) -> Problem:
    name = Path(slot.path).name
    if isinstance(error, InputError):
        text = f"{error.problem.rstrip('.;')}."
        return Problem(slot.path, "damaged", f"{name} {text} It is left out.")
    text = str(error).removeprefix(f"{slot.path}: ")
    return Problem(slot.path, "other", f"{name} is left out: {text}")


def _keep_majority(group: Group, headers: dict[Slot, Header]) -> list[Problem]:
    kinds = Counter((h.dims, h.shape, h.dtype) for h in headers.values())
    usual = kinds.most_common(1)[0][0]
    group.header = next(h for h in headers.values() if (h.dims, h.shape, h.dtype) == usual)
    problems = []
    for slot, header in headers.items():
        here = (header.dims, header.shape, header.dtype)
        if here != usual:
            group.slots.remove(slot)
            name = Path(slot.path).name
            message = f"{name} {unlike(here, usual)} It is left out."
            problems.append(Problem(slot.path, "other", message))
    return problems


def _drop_rare(group: Group, due: set[str], tally: Counter[str], total: int) -> list[Problem]:
    told = {slot.channel for slot in group.slots if slot.channel is not None}
    rare = sorted(told - due, key=natural)
    if not rare or not due:
        return []
    group.slots = [slot for slot in group.slots if slot.channel not in rare]
    return [
        Problem(
            group.label,
            "missing_channel",
            f"only {tally[channel]} of {total} fields have channel {channel}; it is left out.",
        )
        for channel in rare
    ]


def _drop_occasional(group: Group) -> list[Problem]:
    """A channel taken in fewer than half of a field's frames goes, so that the frames stay."""
    frames = {slot.channel: set[int | None]() for slot in group.slots}
    for slot in group.slots:
        frames[slot.channel].add(slot.time_index)
    total = len({slot.time_index for slot in group.slots})
    rare = [channel for channel, times in frames.items() if len(times) * 2 < total]
    group.slots = [slot for slot in group.slots if slot.channel not in rare]
    return [
        Problem(
            group.label,
            "missing_channel",
            f"field {group.label} has channel {channel} in only {len(frames[channel])} of {total} "
            "frames; the channel is left out.",
        )
        for channel in sorted(rare, key=lambda each: natural(each or ""))
    ]


def _drop_partial(group: Group) -> list[Problem]:
    """Frames without all of the field's channels and planes go."""
    channels = {slot.channel for slot in group.slots}
    planes = {slot.z for slot in group.slots}
    wanted = {(c, z) for c in channels for z in planes}
    problems = []
    for time in sorted({slot.time_index for slot in group.slots}, key=lambda t: t or 0):
        here = [slot for slot in group.slots if slot.time_index == time]
        lacking = wanted - {(slot.channel, slot.z) for slot in here}
        if not lacking:
            continue
        group.slots = [slot for slot in group.slots if slot.time_index != time]
        gone = sorted({c for c, _ in lacking if c is not None}, key=natural)
        whole = [c for c in gone if all((c, z) in lacking for z in planes)]
        what = f"frame {time} of field {group.label}" if time is not None else group.label
        if whole:
            text = f"{what} has no channel {', '.join(whole)}; it is left out."
            problems.append(Problem(group.label, "missing_channel", text))
        else:
            holes = ", ".join(str(z) for z in sorted({z for _, z in lacking if z is not None}))
            text = f"{what} has no plane {holes}; it is left out."
            problems.append(Problem(group.label, "missing_frame", text))
    return problems
