"""What annotators say together: labels to train on, and those still apart."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lucyte.io.atomic import write_json, write_text
from lucyte.pipeline.label_agreement import agreements, as_json, finding, told_in_words
from lucyte.pipeline.label_answers import UNKNOWN, WITHDRAWN, Answer, parse_answers
from lucyte.pipeline.label_folder import Item, LabelFolder, LabelSettings
from lucyte.pipeline.words import counted

LABELS, ADJUDICATED, DISAGREEMENTS = "labels.csv", "adjudicated.csv", "disagreements.csv"
AGREEMENT = "agreement.json"


@dataclass(frozen=True)
class Labels:
    """All answers of one labels folder.

    Attributes
    ----------
    settings : LabelSettings
    items : tuple of Item
    first : mapping of annotator to object_id to Answer
        First showings; what was taken back is left out.
    again : mapping of annotator to object_id to Answer
        Repeats.
    settled : mapping of object_id to Answer
        What adjudication said.
    """

    settings: LabelSettings
    items: tuple[Item, ...]
    first: Mapping[str, Mapping[str, Answer]]
    again: Mapping[str, Mapping[str, Answer]]
    settled: Mapping[str, Answer]

    def said(self, object_id: str) -> dict[str, Answer]:
        """Who called it what."""
        return {who: each[object_id] for who, each in self.first.items() if object_id in each}

    @property
    def apart(self) -> tuple[Item, ...]:
        """Items that annotators called differently."""
        return tuple(
            item
            for item in self.items
            if len({each.state for each in self.said(item.object_id).values()}) > 1
        )

    @property
    def open(self) -> int:
        """Disagreements that nobody has settled."""
        return sum(item.object_id not in self.settled for item in self.apart)

    def complete(self, annotator: str) -> bool:
        """Has this annotator called everything?"""
        return len(self.first.get(annotator, {})) == len(self.items)


def read_labels_folder(folder: LabelFolder) -> Labels:
    """Read what all annotators have answered so far.

    Raises
    ------
    InputError
        A file that is damaged; the message names it and the line.
    """
    items = folder.items()
    known = {item.object_id for item in items}
    first: dict[str, dict[str, Answer]] = {}
    again: dict[str, dict[str, Answer]] = {}
    for name in folder.annotators():
        first[name], again[name] = _showings(folder / f"{name}.csv", known)
    first = {name: each for name, each in first.items() if each}
    path = folder / ADJUDICATED
    settled = _showings(path, known)[0] if path.is_file() else {}
    return Labels(folder.settings(), items, first, again, settled)


def write_consensus(folder: LabelFolder, labels: Labels) -> list[str]:
    """Write ``labels.csv``, and with two annotators ``agreement.json`` and ``disagreements.csv``.

    A cell that all who saw it called alike has that label; one they called differently has the
    adjudicated one, or none yet. ``labels.csv`` is a table of labelled pictures as training takes
    it: ``image`` and ``mask`` are paths relative to it.

    Returns
    -------
    lines for the terminal
    """
    rows = [row for item in labels.items if (row := _label(labels, item)) is not None]
    written = []
    if rows:
        write_text(folder / LABELS, _table(_drop_empty(rows)))
        written.append(LABELS)
    else:
        (folder / LABELS).unlink(missing_ok=True)
    judged = agreements(labels.items, labels.settings, labels.first, labels.again)
    if judged:
        found = {
            "pairs": [as_json(each, labels.settings) for each in judged],
            "findings": [finding(each, labels.settings).to_json() for each in judged],
        }
        write_json(folder / AGREEMENT, found)
        written.append(AGREEMENT)
    if len(labels.first) > 1:
        write_text(folder / DISAGREEMENTS, _disagreements(labels))
        written.append(DISAGREEMENTS)
    lines = [line for each in judged for line in told_in_words(each, labels.settings)]
    lines += [f"Wrote {folder.root}: {', '.join(written)} ({counted(len(rows), 'label')})."] * bool(
        written
    )
    return lines


def _showings(path: Path, known: set[str]) -> tuple[dict[str, Answer], dict[str, Answer]]:
    found: tuple[dict[str, Answer], dict[str, Answer]] = ({}, {})
    for (object_id, showing), answer in parse_answers(path).items():
        if answer.state != WITHDRAWN and object_id in known:
            found[min(showing, 2) - 1][object_id] = answer
    return found


def _label(labels: Labels, item: Item) -> dict[str, str] | None:
    said = labels.said(item.object_id)
    states = {each.state for each in said.values()}
    settled = len(states) > 1
    if not states or (settled and item.object_id not in labels.settled):
        return None
    calls = [labels.settled[item.object_id]] if settled else list(said.values())
    reasons = dict.fromkeys(each.reason for each in calls if each.reason)
    return {
        "object_id": item.object_id,
        "image": item.image,
        "mask": item.mask,
        "state": calls[0].state,
        "reason": "; ".join(reasons),
        "group": item.group,
        **item.levels,
        "annotators": ";".join(sorted(said)),
        "adjudicated": "yes" if settled else "no",
    }


def _drop_empty(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Without a mask or group column that is not full, which training would refuse."""
    idle = [name for name in ("mask", "group") if not all(row[name] for row in rows)]
    return [{name: value for name, value in row.items() if name not in idle} for row in rows]


def _disagreements(labels: Labels) -> str:
    names = sorted(labels.first)
    rows = []
    for item in labels.apart:
        said = labels.said(item.object_id)
        calls = {name: _call(said.get(name)) for name in names}
        settled = _call(labels.settled.get(item.object_id))
        rows.append({
            "object_id": item.object_id, "image": item.image, **calls, "adjudicated": settled,
        })  # fmt: skip
    return _table(rows, ["object_id", "image", *names, "adjudicated"])


def _call(answer: Answer | None) -> str:
    if answer is None:
        return ""
    return f"{answer.state} ({answer.reason})" if answer.reason else answer.state


def _table(rows: Sequence[Mapping[str, str]], head: Sequence[str] = ()) -> str:
    names = list(head) or list(dict.fromkeys(name for row in rows for name in row))
    if not head:  # what levels add stands before who labelled
        last = ("annotators", "adjudicated")
        names = [*(name for name in names if name not in last), *last]
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def unknown_reasons(answers: Mapping[str, Answer]) -> int:
    """How many could not be told."""
    return sum(each.state == UNKNOWN for each in answers.values())
