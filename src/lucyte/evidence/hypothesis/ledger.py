"""The ledger of hypotheses: what was registered and tested, in order, never taken back.

``RUN/hypotheses/ledger.json`` is a list of entries that only grows. Each holds the hash of the
one before, so that an entry changed afterwards, or removed from among others, is found. Entries cut
off at the end, a ledger that is gone and one written anew are found by what the run kept beside it
(`lucyte.evidence.hypothesis.kept`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lucyte.evidence.hypothesis.question import comparison, differences, draw, question
from lucyte.evidence.hypothesis.record import Hypothesis, canonical, changes, sha256
from lucyte.evidence.hypothesis.trial import Trial
from lucyte.io.atomic import write_json, write_text
from lucyte.schema.errors import InputError, UsageError

FOLDER = "hypotheses"
FILE = "ledger.json"


@dataclass(frozen=True)
class Frozen:
    """A registered hypothesis.

    Attributes
    ----------
    record : Hypothesis
    sha256 : str
        Of the canonical record.
    order : int
        Its place in the ledger, from 1.
    time : str
        When, UTC.
    trials : tuple of (str, Trial)
        Hash of the data and what came of it, oldest first; empty until it is tested.
    """

    record: Hypothesis
    sha256: str
    order: int
    time: str
    trials: tuple[tuple[str, Trial], ...] = ()


class Ledger:
    """The entries of one run; methods append and never change what is there.

    Parameters
    ----------
    folder : Path
        ``RUN/hypotheses``; made at the first entry.

    Raises
    ------
    InputError
        The file is damaged, or an entry was changed after it was written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.entries = _read(self.path)

    def frozen(self) -> tuple[Frozen, ...]:
        """Every registered hypothesis with its trials, in order."""
        found: dict[str, Frozen] = {}
        for entry in self.entries:
            name = str(entry["name"])
            if entry["event"] == "registered":
                record = Hypothesis.model_validate(entry["record"])
                found[name] = Frozen(record, entry["sha256"], entry["order"], entry["time"])
            else:
                old = found[name]
                trial = (str(entry["data_sha256"]), Trial.from_json(entry["trial"]))
                trials = (*old.trials, trial)
                found[name] = Frozen(old.record, old.sha256, old.order, old.time, trials)
        return tuple(found.values())

    def family(self, name: str) -> tuple[Frozen, ...]:
        """The registered members of a family, tested or not."""
        return tuple(each for each in self.frozen() if each.record.family == name)

    def check(self, record: Hypothesis, data_sha256: str = "") -> Frozen | None:
        """Find the record as it was registered; None where it is new.

        Parameters
        ----------
        record : Hypothesis
        data_sha256 : str
            Hash of the data that it would be tested on; the same test of the same data is the
            same question, however the cells were named.

        Raises
        ------
        UsageError
            The name is taken by another record, the same question stands under another name or
            in another family, or its family was registered at another alpha.
        """
        frozen = self.frozen()
        for each in frozen:
            if each.record.name == record.name:
                return _unchanged(each, record)
        _refuse_again(frozen, record, data_sha256)
        alphas = {each.record.test.alpha for each in self.family(record.family)}
        if alphas - {record.test.alpha}:
            raise UsageError(
                f"family {record.family!r} was registered at alpha {alphas.pop():g}, got "
                f"{record.test.alpha:g} for {record.name!r}; one family has one alpha."
            )
        return None

    def freeze(self, record: Hypothesis, text: str = "", now: datetime | None = None) -> Frozen:
        """Register a hypothesis, or find it registered as it stands.

        Parameters
        ----------
        record : Hypothesis
        text : str
            The file as it was written; kept beside the ledger.
        now : datetime, optional

        Raises
        ------
        UsageError
            See `check`; or another text is kept under its name.
        """
        known = self.check(record)
        beside = self.path.with_name(f"{record.name}.toml")
        if known is not None:
            if text and not beside.exists():
                write_text(beside, text)
            return known
        if text and beside.exists() and beside.read_text(encoding="utf-8") != text:
            raise UsageError(
                f"{beside}: is kept already and says something else; a record that was kept is "
                "never written over. Choose another name."
            )
        plain = canonical(record)
        mark = sha256(plain)
        entry = {"event": "registered", "name": record.name, "sha256": mark, "record": plain}
        self._append(entry, now)
        if text:
            write_text(beside, text)
        return self.frozen()[-1]

    def add_trial(
        self, name: str, data_sha256: str, trial: Trial, now: datetime | None = None
    ) -> None:
        """Keep what a test gave; the same test of the same data is kept once."""
        (mine,) = (each for each in self.frozen() if each.record.name == name)
        if mine.trials and mine.trials[-1][0] == data_sha256:
            return
        entry = {
            "event": "tested",
            "name": name,
            "sha256": mine.sha256,
            "data_sha256": data_sha256,
            "trial": trial.to_json(),
        }
        self._append(entry, now)

    def _append(self, entry: Mapping[str, Any], now: datetime | None) -> None:
        time = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
        before = self.entries[-1]["entry_sha256"] if self.entries else ""
        whole = {"order": len(self.entries) + 1, "time": time, **entry, "before": before}
        self.entries = [*self.entries, {**whole, "entry_sha256": sha256(whole)}]
        write_json(self.path, self.entries)


def _unchanged(frozen: Frozen, record: Hypothesis) -> Frozen:
    plain = canonical(record)
    if frozen.sha256 == sha256(plain):
        return frozen
    told = "; ".join(changes(canonical(frozen.record), plain))
    raise UsageError(
        f"hypothesis {record.name!r} was frozen on {frozen.time} and has changed since "
        f"({told}). Its answer stands. Undo the change, or register what you now "
        "predict as a new hypothesis under another name (with test.family = "
        f'"{frozen.record.family}" where the question is the same); both are kept.'
    )


def _refuse_again(frozen: Sequence[Frozen], record: Hypothesis, data_sha256: str) -> None:
    """A question is asked once; its variants are corrected together."""
    kin = []
    for each in frozen:
        old = each.record
        met = data_sha256 in [data for data, _ in each.trials]
        tested = met and comparison(old) == comparison(record)
        if not tested and question(old) != question(record):
            continue
        same = tested or draw(old) == draw(record)
        if same and old.test.smallest_effect == record.test.smallest_effect:
            told = differences(old, record)
            also = f", and what differs ({told}) does not change it" if told else ""
            raise UsageError(
                f"hypothesis {record.name!r} asks what {old.name!r} (frozen on {each.time}) asks; "
                f"a question is asked once{also}. The answer to {old.name!r} stands."
            )
        kin.append(each)
    if kin and record.family not in [each.record.family for each in kin]:
        old = kin[0].record
        raise UsageError(
            f"hypothesis {record.name!r} asks what {old.name!r} (frozen on {kin[0].time}) asks, "
            f"otherwise ({differences(old, record)}); variants of a question are corrected "
            f'together. Set test.family = "{old.family}" and the same alpha.'
        )


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    advice = "Restore it from a copy; a ledger is never edited."
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read: {error}.", advice) from None
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise InputError(path, "is no list of entries.", advice)
    before, marks = "", dict[str, Any]()
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise InputError(path, f"entry {number} is no entry.", advice)
        rest = {key: value for key, value in entry.items() if key != "entry_sha256"}
        good = entry.get("entry_sha256") == sha256(rest)
        if not good or rest.get("before") != before or rest.get("order") != number:
            raise InputError(path, f"entry {number} was changed after it was written.", advice)
        if why := _out_of_place(rest, marks):
            raise InputError(path, f"entry {number} {why}.", advice)
        before = str(entry["entry_sha256"])
    return [dict(entry) for entry in entries]


def _out_of_place(entry: Mapping[str, Any], marks: dict[str, Any]) -> str:
    """What cannot be of an entry whose own hash is right: a ledger that was written anew.

    ``marks`` holds the hash of each record so far, and gains this one's.
    """
    name, mark = str(entry.get("name")), entry.get("sha256")
    if entry.get("event") == "tested":
        if name not in marks:
            return f"tests {name!r}, which no entry before it registers"
        return "" if mark == marks[name] else f"tests another record than the {name!r} registered"
    if entry.get("event") != "registered":
        return f"is of no known kind ({entry.get('event')!r})"
    if name in marks:
        return f"registers {name!r} a second time"
    record = entry.get("record")
    if not isinstance(record, Mapping) or mark != sha256(record) or record.get("name") != name:
        return f"holds another record than the {name!r} registered"
    marks[name] = mark
    return ""
