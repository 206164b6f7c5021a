"""Votes: answers for parts (patches, cells) brought up to what they are parts of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from lucyte.schema.errors import UsageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Votes:
    """One answer per source.

    Attributes
    ----------
    names : tuple of M str
        The sources, sorted.
    log_probabilities : float array M K
        Normalised mean of the parts' log-probabilities; logits for the next level up.
    n : int array M
        Parts that voted.
    first : int array M
        Row of one part of each source, to carry labels and groups up.
    """

    names: tuple[str, ...]
    log_probabilities: Floats
    n: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]

    def carry(self, what: str, values: Sequence[str], sources: Sequence[str]) -> tuple[str, ...]:
        """A column of the parts as a column of the sources.

        Parameters
        ----------
        what : str
            Name of the column, for the message.
        values, sources : sequence of N str

        Raises
        ------
        UsageError
            Parts of one source differ.
        """
        known = {name: values[k] for name, k in zip(self.names, self.first, strict=True)}
        for value, source in zip(values, sources, strict=True):
            if source in known and value != known[source]:
                raise UsageError(
                    f"parts of {source!r} differ in {what}: {known[source]!r} and {value!r}."
                )
        return tuple(known[name] for name in self.names)


def vote(logits: Floats, sources: Sequence[str]) -> Votes:
    """Mean of log-probabilities over the parts of each source.

    Parameters
    ----------
    logits : float array N K
        Calibrated, or log-probabilities; rows with nan do not vote.
    sources : sequence of N str
        What each part is of: the stack of a patch, the well of a field.

    Raises
    ------
    UsageError
        Lengths differ, or nothing can vote.
    """
    if len(logits) != len(sources):
        raise UsageError(f"got {len(logits)} answers and {len(sources)} sources; one each.")
    rows = np.flatnonzero(np.isfinite(logits).all(axis=1))
    if not len(rows):
        raise UsageError("no answer is known; nothing can be voted on.")
    told = log_softmax(logits[rows], axis=1)
    names, first, at = np.unique(
        np.asarray(sources, dtype=str)[rows], return_index=True, return_inverse=True
    )
    n = np.bincount(at, minlength=len(names))
    total = np.zeros((len(names), logits.shape[1]))
    np.add.at(total, at, told)
    mean: Floats = log_softmax(total / n[:, None], axis=1)
    return Votes(tuple(str(x) for x in names), mean, n, rows[first])
