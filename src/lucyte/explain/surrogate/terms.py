"""Terms of one to three features, and comparisons of a term with a number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lucyte.explain.surrogate.given import Bools, Floats
from lucyte.measure.columns import describe, parse

OPERATORS = ("+", "-", "x", "/")


@dataclass(frozen=True)
class Term:
    """Features joined from the left: ``(a / b) x c``.

    Attributes
    ----------
    features : tuple of str
    operators : tuple of str
        One fewer, of ``OPERATORS``. A logarithm is not among them: a comparison of log a - log b
        with a number is one of a / b with another number.
    """

    features: tuple[str, ...]
    operators: tuple[str, ...] = ()

    def values(self, columns: dict[str, Floats]) -> Floats:
        """Value per row, in the unit of the features; nan where a divisor is 0."""
        value = columns[self.features[0]]
        for operator, name in zip(self.operators, self.features[1:], strict=True):
            value = joined(operator, value, columns[name])
        return value

    def words(self) -> str:
        """``number of mRFP spots / area``."""
        said = describe(self.features[0])
        for at, (operator, name) in enumerate(zip(self.operators, self.features[1:], strict=True)):
            last = self.operators[at - 1] if at else ""
            if operator in "x/" and last and last in "+-":
                said = f"({said})"
            said = f"{said} {operator} {describe(name)}"
        return said


@dataclass(frozen=True)
class Clause:
    """A term above a number, or at most that number; False where the term is nan.

    Attributes
    ----------
    term : Term
    above : bool
    threshold : float
    """

    term: Term
    above: bool
    threshold: float

    def holds(self, columns: dict[str, Floats]) -> Bools:
        """Per row."""
        value = self.term.values(columns)
        known = np.isfinite(value)
        found: Bools = (value > self.threshold) if self.above else (value <= self.threshold)
        return found & known

    def words(self) -> str:
        """``number of mRFP spots / area > 0.012``."""
        sign = ">" if self.above else "≤"
        return f"{self.term.words()} {sign} {self.threshold:.15g}"


def joined(operator: str, left: Floats, right: Floats) -> Floats:
    """``left operator right``; nan where a divisor is 0."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "x":
        return left * right
    out = np.full(np.broadcast_shapes(left.shape, right.shape), np.nan)
    np.divide(left, right, out=out, where=right != 0)
    return out


def allowed(operator: str, term: Term, name: str, positive: bool) -> bool:
    """Whether a term may be joined with a feature.

    Only like is added to like (mean EGFP and mean mRFP, two latents), and only what is above 0
    throughout divides.
    """
    if name in term.features:
        return False
    if operator == "/":
        return positive
    if operator in "+-":
        plain = all(each in "+-" for each in term.operators)
        return plain and kind_of(term.features[0]) == kind_of(name)
    return True


@lru_cache(maxsize=4096)
def kind_of(column: str) -> str:
    """What a column measures, whatever the channel; empty where nothing is known of it."""
    found = parse(column)
    return found[0].name if found is not None else ""


def split_gains(values: Floats, pull: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The best that each term does alone: gain, signed, and where in its order.

    Parameters
    ----------
    values : float array T N
        A row per term.
    pull : float array N
        Weight of each row, negative for rows of the other class; adds up to 0.

    Returns
    -------
    float array T
        Pull of the rows above the best threshold (positive), or minus that of the rows at most
        it (negative); 0 where nothing can be split or a value is nan.
    int array T
        Position in the sorted values of the last one that is not above.
    """
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    below = np.cumsum(pull[order], axis=1)[:, :-1]
    usable = ordered[:, 1:] > ordered[:, :-1]
    usable &= np.asarray(np.isfinite(values).all(axis=1))[:, None]
    gain = np.where(usable, -below, 0.0)
    at = np.abs(gain).argmax(axis=1)
    return np.take_along_axis(gain, at[:, None], axis=1)[:, 0], at.astype(np.int64)
