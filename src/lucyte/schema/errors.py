"""What Lucyte says when it cannot go on: what it got, what is allowed, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class LucyteError(Exception):
    """A failure a person can act on. The message is one line; no traceback is shown.

    Attributes
    ----------
    exit_code : int
        Process exit code of the command that meets it (1: failed, 2: wrong use).
    """

    exit_code = 1


class InputError(LucyteError):
    """A file that cannot be read as what it claims to be. The message names the file."""

    def __init__(self, path: str | Path, problem: str, advice: str = "") -> None:
        self.path = str(path)
        self.problem = problem
        self.advice = advice
        super().__init__(f"{path}: {problem}" + (f" {advice}" if advice else ""))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        return type(self), (self.path, self.problem, self.advice)


class UsageError(LucyteError):
    """A request that Lucyte refuses: unknown name, missing channel, contradictory settings."""

    exit_code = 2


def unknown(what: str, got: str, allowed: Iterable[str], advice: str = "") -> UsageError:
    """Make the refusal of an unknown name, with the nearest right one.

    Parameters
    ----------
    what : str
        What kind of name it is ("channel", "layout", "plan key").
    got : str
        What was asked for.
    allowed : iterable of str
        What exists, in the order to show.
    advice : str
        What to do next, a full sentence.
    """
    names = list(dict.fromkeys(str(name) for name in allowed))
    near = difflib.get_close_matches(str(got), names, n=1, cutoff=0.6)
    message = f"unknown {what} {got!r}"
    message += f", did you mean {near[0]!r}?" if near else "."
    message += f" Allowed: {', '.join(names) if names else 'none'}."
    return UsageError(message + (f" {advice}" if advice else ""))
