"""What ``lucyte validate`` is asked and what comes back; who belongs to whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lucyte.evidence.accuracy.measured import Measured
from lucyte.evidence.accuracy.objects import Requirement
from lucyte.evidence.accuracy.readout import Readout
from lucyte.evidence.accuracy.state_scores import Answers
from lucyte.io.annotated_image import named
from lucyte.io.annotated_items import LABEL_ENDING
from lucyte.io.open import is_image
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.stats.boundary import TOLERANCE_PX
from lucyte.stats.boxes import BoxHits


@dataclass(frozen=True)
class Asked:
    """Settings of a comparison, as in :func:`lucyte.pipeline.validate.validate_files`."""

    group_regex: str = ""
    tolerance_px: float = TOLERANCE_PX
    spacing_um: tuple[float, ...] | None = None
    requirement: Requirement = field(default_factory=Requirement)
    readouts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Predictions held against a truth.

    Attributes
    ----------
    table : DataFrame
        One row per image (object, sequence): its name, the unit, its scores.
    findings : tuple of Finding
        At least one.
    pooled : mapping of score to float
        Over all images together.
    notes : tuple of str
        What was left out or taken for granted, a sentence each.
    unit : str
        Column of the independent unit.
    noun : str
        What a row is, in the plural.
    measured : Measured
        What the reference shows of the problem.
    readouts : tuple of Readout
        Those that were asked for.
    hits : tuple of BoxHits
        One per row, for boxes with scores.
    answers : Answers or None
        One per row, for states.
    undefined : mapping of score to str
        Why a pooled score is not defined.
    """

    table: pd.DataFrame
    findings: tuple[Finding, ...]
    pooled: Mapping[str, float]
    notes: tuple[str, ...]
    unit: str
    noun: str = "images"
    measured: Measured = field(default_factory=lambda: Measured(0, 0, "image"))
    readouts: tuple[Readout, ...] = ()
    hits: tuple[BoxHits, ...] = ()
    answers: Answers | None = None
    undefined: Mapping[str, str] = field(default_factory=dict)


def with_groups(
    table: pd.DataFrame, regex: str, groups: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Add the column ``group`` where groups are known.

    Parameters
    ----------
    table : DataFrame
        With a column ``image``.
    regex : str
        Searched in ``image``: its group ``group``, its first group, or all of it.
    groups : mapping of image to group, optional
        What the reference itself tells.

    Returns
    -------
    table, unit, notes
        ``unit`` is the column to count.

    Raises
    ------
    UsageError
        A pattern that is none, or does not fit a name.
    """
    if regex:
        groups = {name: group_of(name, regex) for name in table["image"]}
    if not groups:
        return table, "image", ("Groups are not known, so each image counts as independent.",)
    grouped = table.copy()
    grouped.insert(1, "group", [groups[name] for name in table["image"]])
    return grouped, "group", ()


def group_of(name: str, regex: str, option: str = "--group-regex") -> str:
    """What a pattern catches in a name."""
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise UsageError(f"{option} {regex!r} is not a regular expression: {error}.") from None
    match = pattern.search(name)
    caught = match and (
        match.groupdict().get("group") or (match[1] if pattern.groups else match[0])
    )
    if not caught:
        raise UsageError(f"{option} {regex!r} catches nothing in {name!r}.")
    return str(caught)


def stem_of(name: str) -> str:
    """An image's name without folders and without the suffix of an image file."""
    plain = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = Path(plain).stem if is_image(plain) else plain
    return re.sub(r"\.ome$", "", stem, flags=re.IGNORECASE)


def common_names(
    mine: Sequence[str], theirs: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Pairs of equal names, endings such as ``_masks`` put aside where that is needed.

    Returns
    -------
    pairs : list of (of mine, of theirs)
        In the order of theirs.
    alone_mine, alone_theirs : list of str
    """
    pairs: list[tuple[str, str]] = []
    left, right = list(mine), list(theirs)
    for bare in (False, True):
        known = _by_key(left, bare=bare)
        wanted = _by_key(right, bare=bare)
        met = [(known[key], name) for key, name in wanted.items() if key in known]
        pairs += met
        left = [name for name in left if name not in {a for a, _ in met}]
        right = [name for name in right if name not in {b for _, b in met}]
    place = {name: k for k, name in enumerate(theirs)}
    return sorted(pairs, key=lambda pair: place[pair[1]]), left, right


def _by_key(names: Iterable[str], *, bare: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    twice = set()
    for name in names:
        key = LABEL_ENDING.sub("", stem_of(name)) if bare else stem_of(name)
        if key in found:
            twice.add(key)
        found[key] = name
    return {key: name for key, name in found.items() if key not in twice}


def left_out(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """One note on names without a partner; none where there are none."""
    if not names:
        return ()
    verb = "was" if len(names) == 1 else "were"
    return (f"{len(names)} {what} {verb} left out: {named(list(names))}.",)
