"""What one annotator answered: a CSV that only grows, kept by the disk before the page is told."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType

from lucyte.io.atomic import disk_errors, fsync
from lucyte.schema.errors import InputError, UsageError

UNKNOWN = "unknown"
REASONS = (
    "no expression",
    "extreme expression",
    "out of focus",
    "clumped",
    "aberrant",
    "other",
)
"""Why a cell's state cannot be told."""
WITHDRAWN = ""
"""State of an answer that was taken back."""
LONGEST_NAME = 32
RESERVED = (
    "labels", "adjudicated", "sample", "disagreements", "agreement", "object_id", "image",
)  # fmt: skip
"""Names of Lucyte's own files beside the annotators', and of columns beside theirs."""


@dataclass(frozen=True)
class Answer:
    """One answer, as it stands in the file.

    Attributes
    ----------
    object_id : str
    state : str
        A class, ``unknown``, or nothing where the answer was taken back.
    reason : str
        Of ``unknown``.
    seconds : float
        From the picture to the key.
    time : str
        ISO 8601, UTC.
    revision : int
        1 for the first answer to this showing; the highest one counts.
    showing : int
        1, or 2 where the cell was shown once more to see whether its annotator repeats himself.
    """

    object_id: str
    state: str
    reason: str
    seconds: float
    time: str
    revision: int
    showing: int = 1


COLUMNS = tuple(each.name for each in fields(Answer))
Answers = dict[tuple[str, int], Answer]
"""The last answer to each showing of each object, in the order of first answers."""


class AnswerLog:
    """The file of one annotator, open for writing by one program at a time.

    Parameters
    ----------
    path : Path
        Made where it is not there. A last line that a crash cut short is removed: its answer was
        never confirmed to the page, so the cell comes up again.

    Attributes
    ----------
    answers : Answers
    order : list of (object_id, showing)
        In which answers were last given; those taken back are not in it.
    recovered : bool
        A cut line was removed.

    Raises
    ------
    InputError
        A line that is no answer, a place that cannot be written.
    UsageError
        Another program is labelling under this name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise UsageError(
                f"{path}: another lucyte label is open under this name; end it, or choose "
                "another with --annotator."
            ) from None
        try:
            self.recovered = self._mend()
            self.answers = parse_answers(path)
        except BaseException:
            self.close()
            raise
        known = [each for each in self.answers.items() if each[1].state != WITHDRAWN]
        self.order = [key for key, _ in sorted(known, key=lambda each: each[1].time)]

    def __enter__(self) -> AnswerLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def append(self, answer: Answer) -> None:
        """Write one answer and wait until the disk has it; a write that fails leaves no trace.

        Raises
        ------
        InputError
            Disk full, or the place cannot be written any more.
        """
        line = _line([getattr(answer, name) for name in COLUMNS])
        end = os.fstat(self._file).st_size
        try:
            with disk_errors(self.path):
                _write_all(self._file, line)
                os.fsync(self._file)
        except BaseException:
            os.ftruncate(self._file, end)
            raise
        key = (answer.object_id, answer.showing)
        self.answers[key] = answer
        if key in self.order:
            self.order.remove(key)
        if answer.state != WITHDRAWN:
            self.order.append(key)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def _mend(self) -> bool:
        """Cut off what a crash left of a line, and write the head where there is none."""
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        while whole and b"\0" in (last := whole.splitlines(keepends=True)[-1]):
            whole = whole[: -len(last)]  # blocks that the disk had promised, but never got
        if len(whole) < len(data):
            os.ftruncate(self._file, len(whole))
        if not whole:
            _write_all(self._file, _line(COLUMNS))
        if not whole or len(whole) < len(data):
            os.fsync(self._file)
            fsync(self.path.parent)
        return bool(data) and len(whole) < len(data)


def parse_answers(path: Path) -> Answers:
    """Read the file of an annotator; the last revision of each answer counts.

    A last line without an end is passed by: another program may be writing it.

    Raises
    ------
    InputError
        Not such a file; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as answers ({error}).") from None
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
    if not rows:
        return {}
    if tuple(rows[0]) != COLUMNS:
        raise InputError(
            path, f"is no file of answers: its first line is not {','.join(COLUMNS)}.", "Move it."
        )
    found: Answers = {}
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        answer = _answer(path, line, row)
        key = (answer.object_id, answer.showing)
        if key not in found or answer.revision >= found[key].revision:
            found[key] = answer
    return found


def check_name(name: str) -> str:
    """An annotator's name, which becomes the name of a file.

    Raises
    ------
    UsageError
        Empty, too long, other signs than letters, digits, ``-`` and ``_``, or a name of Lucyte's.
    """
    plain = name.replace("-", "").replace("_", "")
    if not plain.isalnum() or not name[0].isalnum() or len(name) > LONGEST_NAME:
        raise UsageError(
            f"--annotator: got {name!r}; give a name of at most {LONGEST_NAME} letters, digits, "
            "- and _, e.g. --annotator anna."
        )
    if name.lower() in RESERVED:
        raise UsageError(f"--annotator: {name!r} is the name of one of Lucyte's own files.")
    return name


def _answer(path: Path, line: int, row: list[str]) -> Answer:
    try:
        given = dict(zip(COLUMNS, row, strict=True))
        return Answer(
            given["object_id"],
            given["state"],
            given["reason"],
            float(given["seconds"]),
            given["time"],
            int(given["revision"]),
            int(given["showing"]),
        )
    except ValueError:
        raise InputError(
            path, f"line {line} is no answer: {','.join(row)[:80]!r}.", "Mend or delete the line."
        ) from None


def _line(values: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode("utf-8")


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
