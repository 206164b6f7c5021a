"""Which truth belongs to which image."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucyte.io.annotated_image import named
from lucyte.io.annotated_items import IMAGE_ENDING, LABEL_ENDING, Found, Item
from lucyte.schema.plate import Field, Problem

CHANNEL_ENDING = re.compile(r"(?:[_.-]*(?:ch|c|w|d))?[_.-]*$", re.IGNORECASE)
"""What is left of ``_w1`` and ``_w2`` where the names of one frame's files end alike."""


@dataclass(frozen=True)
class Frames:
    """Frames of one field whose pixels lie in the same files.

    Attributes
    ----------
    field : Field
    positions : tuple of int
        Along T; several for a stack in one file.
    paths : tuple of Path
        One file, or one per channel.
    keys : tuple of str
        What its truth may be called, best first.
    """

    field: Field
    positions: tuple[int, ...]
    paths: tuple[Path, ...]
    keys: tuple[str, ...]

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.paths[0].name


def frames_of(fields: Iterable[Field], found: Found) -> list[Frames]:
    """Fields as frames, a stack in one file being one."""
    keys = dict(zip(map(str, found.images), found.keys, strict=True))
    frames = []
    for field in fields:
        places: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for position, time_index in enumerate(field.time_indices):
            places[tuple(field.source.paths_at(time_index))].append(position)
        for paths, positions in places.items():
            own = [keys[path] for path in paths if path in keys]
            names = (own[0],) if len(own) == 1 else (_together(own), *own)
            frames.append(Frames(field, tuple(positions), tuple(map(Path, paths)), names))
    return frames


def _together(keys: Sequence[str]) -> str:
    """What the files of one frame share: ``A01_s1`` of ``A01_s1_w1`` and ``A01_s1_w2``."""
    same = [len(set(letters)) == 1 for letters in zip(*keys, strict=False)]
    return CHANNEL_ENDING.sub("", keys[0][: [*same, False].index(False)])


def pair(frames: Sequence[Frames], found: Found) -> tuple[list[tuple[Frames, Item]], list[Problem]]:
    """Give every frame its truth.

    By the whole path first, then by the name alone, then by the name without endings such as
    ``_masks`` and ``_img``; a later rule sees only what the earlier ones left.

    Returns
    -------
    pairs : list of (Frames, Item)
        In the order of the frames.
    problems : list of Problem
        Images without truth, truth without image, and what two claim.
    """
    chosen: dict[int, int] = {}
    problems: list[Problem] = []
    open_frames, open_items = set(range(len(frames))), set(range(len(found.items)))
    for rule in (_by_file, _by_key, _by_name, _by_bare_name):
        ours = _index((i, rule(frame=frames[i])) for i in sorted(open_frames))
        theirs = _index((i, rule(item=found.items[i])) for i in sorted(open_items))
        for group, truths in _meeting(ours, theirs):
            if len(group) == 1 and len(truths) == 1:
                chosen[group[0]] = truths[0]
            else:
                claims = named([frames[i].label for i in group])
                files = named([Path(found.items[i].truth.path).name for i in truths])
                text = f"{claims} and {files} share a name and cannot be told apart; left out."
                problems.append(Problem(str(found.root), "duplicate", text))
            open_frames -= set(group)
            open_items -= set(truths)
    pairs = [(frames[i], found.items[j]) for i, j in sorted(chosen.items())]
    images = [frames[i].label for i in sorted(open_frames)]
    problems += _alone(found, "images without truth in this form", images)
    paths = [Path(found.items[i].truth.path).name for i in sorted(open_items)]
    problems += _alone(found, "truth without an image of its name", paths)
    return pairs, problems


def _alone(found: Found, what: str, names: list[str]) -> list[Problem]:
    if not names:
        return []
    text = f"{what}, left out: {named(names)} ({len(names)} in all)."
    return [Problem(str(found.root), "unmatched", text)]


Rule = Callable[..., tuple[Hashable, ...]]


def _by_file(*, frame: Frames | None = None, item: Item | None = None) -> tuple[Hashable, ...]:
    if frame:
        return frame.paths
    return (item.key,) if item and isinstance(item.key, Path) else ()


def _by_key(*, frame: Frames | None = None, item: Item | None = None) -> tuple[Hashable, ...]:
    if frame:
        return frame.keys
    return (item.key,) if item and isinstance(item.key, str) else ()


def _by_name(*, frame: Frames | None = None, item: Item | None = None) -> tuple[Hashable, ...]:
    return tuple(str(key).rsplit("/", 1)[-1] for key in _by_key(frame=frame, item=item))


def _by_bare_name(*, frame: Frames | None = None, item: Item | None = None) -> tuple[Hashable, ...]:
    ending = IMAGE_ENDING if frame else LABEL_ENDING
    return tuple(ending.sub("", str(name)) for name in _by_name(frame=frame, item=item))


def _index(keyed: Iterable[tuple[int, tuple[Hashable, ...]]]) -> dict[Hashable, list[int]]:
    index: dict[Hashable, list[int]] = defaultdict(list)
    for number, keys in keyed:
        for key in dict.fromkeys(keys):
            index[key].append(number)
    return index


def _meeting(
    ours: Mapping[Hashable, list[int]], theirs: Mapping[Hashable, list[int]]
) -> list[tuple[list[int], list[int]]]:
    """Frames and items with a key in common, as groups that share nothing with other groups."""
    groups: list[tuple[set[int], set[int]]] = []
    for key in ours:
        if key not in theirs:
            continue
        left, right = set(ours[key]), set(theirs[key])
        for other in [g for g in groups if g[0] & left or g[1] & right]:
            groups.remove(other)
            left, right = left | other[0], right | other[1]
        groups.append((left, right))
    return [(sorted(left), sorted(right)) for left, right in groups]
