"""One sitting of one annotator: what comes next, what was answered, what the page may know."""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lucyte.pipeline.label_answers import REASONS, UNKNOWN, WITHDRAWN, Answer, AnswerLog
from lucyte.pipeline.label_folder import Item, LabelSettings
from lucyte.schema.errors import UsageError, unknown

REPEATED = 0.1
"""Share of the cells that come twice, to see how far an annotator agrees with himself."""
FEWEST_REPEATED = 20
"""In a smaller sample nothing is repeated."""
LONGEST_S = 86400.0


@dataclass(frozen=True)
class Showing:
    """One picture in the row.

    Attributes
    ----------
    key : str
        All that the page knows it by; new at every start.
    item : Item
    showing : int
        2 for a repeat, which is shown mirrored so that it is not known again.
    said : tuple of str
        What annotators who disagree called it; empty but in adjudication.
    """

    key: str
    item: Item
    showing: int = 1
    said: tuple[str, ...] = ()


def order_of(
    items: Sequence[Item], seed: int, annotator: str, repeats: bool
) -> list[tuple[Item, int]]:
    """Items in an annotator's own order, with repeats from the first half late in the second.

    The order follows a hash of seed, annotator and name, so that it is the same at every start and
    tiredness does not meet the same cells in everyone.
    """

    def mixed(item: Item) -> bytes:
        return hashlib.sha256(f"{seed}\n{annotator}\n{item.object_id}".encode()).digest()

    first = sorted(items, key=mixed)
    row = [(item, 1) for item in first]
    n = len(first)
    if not repeats or n < FEWEST_REPEATED:
        return row
    count = round(REPEATED * n)
    again = [first[k * (n // 2) // count] for k in range(count)]
    # From the end backwards, so that no place moves before its turn.
    for k in reversed(range(count)):
        row.insert(round(0.65 * n + 0.35 * n * (k + 1) / count), (again[k], 2))
    return row


class Session:
    """What the page asks and tells. Safe to call from several threads.

    Parameters
    ----------
    settings : LabelSettings
    row : sequence of (Item, showing)
    log : AnswerLog
    secret : bytes
        Keys of pictures are made from it.
    said : mapping of object_id to what annotators called it
        In adjudication.
    """

    def __init__(
        self,
        settings: LabelSettings,
        row: Sequence[tuple[Item, int]],
        log: AnswerLog,
        secret: bytes,
        said: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._settings, self._log, self._lock = settings, log, threading.Lock()
        self._adjudicates, self._ended = said is not None, False
        told = said or {}
        self.row = [
            Showing(
                hmac.new(secret, str(at).encode(), hashlib.sha256).hexdigest()[:16],
                item,
                showing,
                told.get(item.object_id, ()),
            )
            for at, (item, showing) in enumerate(row)
        ]
        self._at = {each.key: each for each in self.row}

    @property
    def done(self) -> int:
        """Pictures with an answer."""
        return sum(self._answered(each) is not None for each in self.row)

    def overview(self) -> dict[str, Any]:
        """What the page needs to begin; nothing that tells where a cell comes from."""
        with self._lock:
            times = [
                answer.seconds
                for key in self._log.order[-30:]
                if (answer := self._log.answers[key]).seconds > 0
            ]
            return {
                "classes": list(self._settings.classes),
                "reasons": list(REASONS),
                "adjudicates": self._adjudicates,
                "row": [{"key": each.key, **self._told(each)} for each in self.row],
                "seconds": sorted(times)[len(times) // 2] if times else None,
            }

    def showing(self, key: str) -> Showing:
        """A picture by its key.

        Raises
        ------
        UsageError
            There is none.
        """
        if key not in self._at:
            raise UsageError("no such picture; reload the page.")
        return self._at[key]

    def answer(self, key: str, state: str, reason: str, seconds: float) -> dict[str, Any]:
        """Keep an answer; the same one twice is kept once.

        Returns
        -------
        dict
            What the page shows of the picture now.

        Raises
        ------
        UsageError
            No such picture, class or reason.
        InputError
            It could not be written.
        """
        shown = self.showing(key)
        if state not in self._settings.states:
            raise unknown("class", state, self._settings.states)
        if state == UNKNOWN and reason not in REASONS:
            raise unknown("reason", reason, REASONS)
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"an answer takes 0 seconds or more, got {seconds}.")
        reason = reason if state == UNKNOWN else ""
        with self._lock:
            before = self._answered(shown)
            if before is None or (before.state, before.reason) != (state, reason):
                self._keep(shown, state, reason, min(seconds, LONGEST_S))
            return self._told(shown)

    def undo(self) -> dict[str, Any]:
        """Take the last answer back; says which picture it was, or nothing where there is none."""
        with self._lock:
            mine = {(each.item.object_id, each.showing): each for each in self.row}
            last = next((mine[key] for key in reversed(self._log.order) if key in mine), None)
            if last is None:
                return {"key": None}
            self._keep(last, WITHDRAWN, "", 0.0)
            return {"key": last.key, **self._told(last)}

    def end(self) -> None:
        """Keep no more answers; returns when the last one is on the disk."""
        with self._lock:
            self._ended = True

    def _keep(self, shown: Showing, state: str, reason: str, seconds: float) -> None:
        if self._ended:
            raise UsageError("the program has ended; start it again with the same command.")
        at = (shown.item.object_id, shown.showing)
        before = self._log.answers.get(at)
        revision = before.revision + 1 if before else 1
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._log.append(
            Answer(at[0], state, reason, round(seconds, 2), now, revision, shown.showing)
        )

    def _answered(self, shown: Showing) -> Answer | None:
        answer = self._log.answers.get((shown.item.object_id, shown.showing))
        return answer if answer is not None and answer.state != WITHDRAWN else None

    def _told(self, shown: Showing) -> dict[str, Any]:
        answer = self._answered(shown)
        return {
            "state": answer.state if answer else None,
            "reason": answer.reason if answer else "",
        }
