"""What a person said about links, as objects of this movie and as limits of the program.

A correction takes places for good: a pinned link the exit of one object and the entrance of
another. All other candidates for these places are taken away before anything is solved, so that
the rest is the best lineage of all that agree with the person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lucyte.schema.errors import UsageError
from lucyte.schema.objects import Labels
from lucyte.schema.tracks import Edit, Place
from lucyte.track.candidates import Pairs
from lucyte.track.costs import Bools
from lucyte.track.detections import Detections, Floats, Ints
from lucyte.track.divisions import Couples, Divisions

BESIDE = 1.5
"""A place belongs to the nearest object that reaches it, within this many of its radii."""
CERTAIN = 1.0
"""Least gain in nats of what is pinned; nothing competes with it."""


@dataclass(frozen=True)
class Corrections:
    """Corrections as indices into the detections.

    Attributes
    ----------
    links : int64 array, n x 2
        Pinned: source and target.
    divisions : int64 array, n x 3
        Pinned: mother and two daughters.
    forbidden : int64 array, n x 2
    ends, starts : int64 array
        Objects after which, and before which, nothing is.
    notes : tuple of str
        Corrections that fit no object, by line.
    """

    links: Ints
    divisions: Ints
    forbidden: Ints
    ends: Ints
    starts: Ints
    notes: tuple[str, ...]

    @property
    def wanted(self) -> Ints:
        """Pairs that must exist among the candidates, n x 2."""
        mother, one, two = self.divisions.T
        halves = [np.column_stack([mother, one]), np.column_stack([mother, two])]
        return np.concatenate([self.links, *halves])


def find_corrections(
    found: Detections, edits: Sequence[Edit], labels: Callable[[int], Labels] | None = None
) -> Corrections:
    """Find the objects that each correction speaks of.

    Parameters
    ----------
    edits : sequence of Edit
        All of this movie.
    labels : callable, optional
        Time index to label image: a place is then looked up in it first.

    Raises
    ------
    UsageError
        Two corrections that contradict each other, with both lines; a link back in time.
    """
    lines: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
    notes = []
    for edit in edits:
        spots = [_find(found, place, labels) for place in edit.places]
        lost = next((p for p, s in zip(edit.places, spots, strict=True) if s is None), None)
        if lost is not None:
            notes.append(
                f"edits line {edit.line} ({edit.action}) fits no object: {lost}; not used."
            )
            continue
        objects = tuple(each for each in spots if each is not None)
        _refuse_time(found, edit, objects)
        # Daughters in one order, so that saying it twice is saying it once.
        objects = (*objects[:1], *sorted(objects[1:]))
        lines.setdefault(edit.action, []).append((edit.line, objects))
    _refuse_contradictions(found, lines)

    def table(action: str, width: int) -> Ints:
        rows = sorted({objects for _, objects in lines.get(action, [])})
        return np.array(rows, dtype=np.int64).reshape(-1, width)

    return Corrections(
        table("link", 2),
        table("divide", 3),
        table("forbid", 2),
        table("end", 1)[:, 0],
        table("start", 1)[:, 0],
        tuple(notes),
    )


def corrected_pairs(found: Detections, pairs: Pairs, shifts: Floats, said: Corrections) -> Pairs:
    """Candidates without those that are ruled out, with those that are pinned."""
    count = len(found)
    exits, entrances = np.zeros(count, bool), np.zeros(count, bool)
    wanted = said.wanted
    exits[wanted[:, 0]] = True
    entrances[wanted[:, 1]] = True
    exits[said.ends] = True
    entrances[said.starts] = True
    code = pairs.source * count + pairs.target
    free = ~exits[pairs.source] & ~entrances[pairs.target]
    free &= ~np.isin(code, said.forbidden[:, 0] * count + said.forbidden[:, 1])
    kept = pairs.take(np.flatnonzero(free))
    source = np.concatenate([kept.source, wanted[:, 0]])
    target = np.concatenate([kept.target, wanted[:, 1]])
    order = np.lexsort((target, source))
    source, target = source[order], target[order]
    still = found.yx - shifts[found.frame]
    return Pairs(
        source,
        target,
        still[target] - still[source],
        found.frame[target] - found.frame[source] - 1,
        (found.time[target] - found.time[source]).astype(np.float64),
    )


def corrected_couples(pairs: Pairs, couples: Couples, said: Corrections, count: int) -> Couples:
    """Couples of daughters with the pinned ones; none that would divide a cell as it is born."""
    wanted = _pair_index(pairs, said, count)
    mothers, daughters = said.divisions[:, 0], said.divisions[:, 1:].ravel()
    mother = pairs.source[couples.first]
    born = pairs.target[couples.first], pairs.target[couples.second]
    at_once = np.isin(mother, daughters) | np.isin(born[0], mothers) | np.isin(born[1], mothers)
    free = np.flatnonzero(~at_once & ~np.isin(mother, mothers))
    return Couples(
        np.concatenate([couples.first[free], wanted[:, 0]]),
        np.concatenate([couples.second[free], wanted[:, 1]]),
        np.concatenate([couples.astray[free], np.zeros(len(wanted))]),
        np.concatenate([couples.fit[free], np.zeros(len(wanted))]),
    )


def corrected_gains(pairs: Pairs, gains: Floats, said: Corrections) -> Floats:
    """Gains with every pinned link worth having and no pinned division half taken."""
    gains = gains.copy()
    pinned = is_pinned(pairs, said)
    gains[pinned] = np.maximum(gains[pinned], CERTAIN)
    gains[np.isin(pairs.source, said.divisions[:, 0])] = -np.inf
    return gains


def with_pinned(
    pairs: Pairs, divisions: Divisions, said: Corrections, couples: Couples
) -> Divisions:
    """Possible divisions with the pinned ones, worth having whatever they gain."""
    mothers = said.divisions[:, 0]
    free = ~np.isin(pairs.source[divisions.first], mothers)
    pinned = np.isin(pairs.source[couples.first], mothers)
    gain = np.full(int(pinned.sum()), CERTAIN)
    return Divisions(
        np.concatenate([divisions.first[free], couples.first[pinned]]),
        np.concatenate([divisions.second[free], couples.second[pinned]]),
        np.concatenate([divisions.gain[free], gain]),
    )


def is_pinned(pairs: Pairs, said: Corrections) -> Bools:
    """Pairs that a person linked, by a link or a division."""
    wanted = {(int(a), int(b)) for a, b in said.wanted}
    if not wanted:
        return np.zeros(len(pairs), bool)
    near = np.flatnonzero(np.isin(pairs.source, said.wanted[:, 0]))
    pinned = np.zeros(len(pairs), bool)
    ends = zip(pairs.source[near].tolist(), pairs.target[near].tolist(), strict=True)
    pinned[near] = [each in wanted for each in ends]
    return pinned


def _pair_index(pairs: Pairs, said: Corrections, count: int) -> Ints:
    """Indices of the two pairs of each pinned division, n x 2, the smaller first."""
    code = pairs.source * count + pairs.target
    mother, one, two = said.divisions.T
    both = [np.searchsorted(code, mother * count + each) for each in (one, two)]
    return np.sort(np.column_stack(both), axis=1)


def _find(found: Detections, place: Place, labels: Callable[[int], Labels] | None) -> int | None:
    """Index of the object at a place, or of that name where no place is given."""
    if place.y_px is None or place.x_px is None or place.time_index is None:
        named = np.flatnonzero(found.object_id == place.object_id)
        return int(named[0]) if len(named) else None
    here = np.flatnonzero(found.time == place.time_index)
    if not len(here):
        return None
    if labels is not None:
        image = np.asarray(labels(place.time_index))
        image = image if image.ndim == 2 else image.max(axis=0)
        y, x = round(place.y_px), round(place.x_px)
        if 0 <= y < image.shape[0] and 0 <= x < image.shape[1] and image[y, x] > 0:
            hit = here[found.label[here] == image[y, x]]
            if len(hit):
                return int(hit[0])
    distance = np.hypot(*(found.yx[here] - [place.y_px, place.x_px]).T)
    nearest = int(np.argmin(distance))
    reach = BESIDE * max(float(found.radius[here[nearest]]), 1.0)
    return int(here[nearest]) if distance[nearest] <= reach else None


def _refuse_time(found: Detections, edit: Edit, objects: tuple[int, ...]) -> None:
    if len(set(objects)) < len(objects):
        raise UsageError(f"edits line {edit.line}: {edit.action} names one object twice.")
    if any(found.frame[each] <= found.frame[objects[0]] for each in objects[1:]):
        raise UsageError(
            f"edits line {edit.line}: {edit.action} goes from frame {found.time[objects[0]]} to "
            f"frame {found.time[objects[1:]].min()}; a link goes forward in time."
        )


def _refuse_contradictions(
    found: Detections, lines: dict[str, list[tuple[int, tuple[int, ...]]]]
) -> None:
    """Two corrections that cannot both be."""
    held: dict[tuple[str, int], tuple[int, tuple[int, ...]]] = {}
    forbidden = {objects: line for line, objects in lines.get("forbid", [])}

    def claim(line: int, what: str, index: int, objects: tuple[int, ...]) -> None:
        earlier = held.setdefault((what, index), (line, objects))
        if earlier[1] != objects:
            raise _contradiction(found, earlier[0], line, what, index)

    for action in ("link", "divide"):
        for line, (source, *targets) in lines.get(action, []):
            claim(line, "what comes after", source, (source, *sorted(targets)))
            for target in targets:
                claim(line, "what came before", target, (source, target))
                other = forbidden.get((source, target))
                if other is not None:
                    raise _contradiction(found, other, line, "what came before", target)
    for line, (index,) in lines.get("end", []):
        claim(line, "what comes after", index, ())
    for line, (index,) in lines.get("start", []):
        claim(line, "what came before", index, ())
    born = {each: line for line, (_, *both) in lines.get("divide", []) for each in both}
    for line, (mother, *_) in lines.get("divide", []):
        if mother in born:
            raise _contradiction(
                found, born[mother], line, "a cell born and dividing at once:", mother
            )


def _contradiction(found: Detections, first: int, second: int, what: str, index: int) -> UsageError:
    first, second = sorted((first, second))
    return UsageError(
        f"edits lines {first} and {second} contradict each other about {what} "
        f"{found.object_id[index]} in frame {found.time[index]}; keep one of them."
    )
