"""The ledger of hypotheses: what was registered and tested, in order, never taken back.

``RUN/hypotheses/ledger.json`` is a list of entries that only grows. Each holds the hash of the
one before, so that an entry changed or removed afterwards is found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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

    def check(self, record: Hypothesis) -> Frozen | None:
        """Find the record as it was registered; None where it is new.

        Raises
        ------
        UsageError
            The name is taken by another record, the same question stands under another name, or
            its family was registered at another alpha.
        """
        plain = canonical(record)
        mark = sha256(plain)
        for each in self.frozen():
            if each.record.name == record.name:
                if each.sha256 == mark:
                    return each
                told = "; ".join(changes(canonical(each.record), plain))
                raise UsageError(
                    f"hypothesis {record.name!r} was frozen on {each.time} and has changed since "
                    f"({told}). Its answer stands. Undo the change, or register what you now "
                    "predict as a new hypothesis under another name; both are kept."
                )
            if _question(plain) == _question(canonical(each.record)):
                raise UsageError(
                    f"hypothesis {record.name!r} asks what {each.record.name!r} (frozen on "
                    f"{each.time}) asks; a question is asked once."
                )
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
            See `check`.
        """
        known = self.check(record)
        if known is not None:
            return known
        plain = canonical(record)
        mark = sha256(plain)
        entry = {"event": "registered", "name": record.name, "sha256": mark, "record": plain}
        self._append(entry, now)
        if text:
            write_text(self.path.with_name(f"{record.name}.toml"), text)
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


def _question(plain: Mapping[str, Any]) -> str:
    """What is asked, whatever it is called and whichever family it joins."""
    told = {key: value for key, value in plain.items() if key not in ("name", "claim")}
    told["test"] = {key: value for key, value in plain["test"].items() if key != "family"}
    return sha256(told)


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    advice = "Restore it from a copy; a ledger is never edited."
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read: {error}.", advice) from None
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise InputError(path, "is no list of entries.", advice)
    before = ""
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            raise InputError(path, f"entry {number} is no entry.", advice)
        rest = {key: value for key, value in entry.items() if key != "entry_sha256"}
        good = entry.get("entry_sha256") == sha256(rest)
        if not good or rest.get("before") != before or rest.get("order") != number:
            raise InputError(path, f"entry {number} was changed after it was written.", advice)
        before = str(entry["entry_sha256"])
    return [dict(entry) for entry in entries]
