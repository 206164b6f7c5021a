"""The best formula of every length, of at most three features, that tells a class from the rest.

Every formula is a set of rows that it calls. With weights that add up to 1/2 in the class and in
the rest, its balanced accuracy is

.. math:: \\tfrac12 + \\sum_{i \\in S} p_i, \\qquad p_i = \\pm w_i,

so that the pull :math:`p` of a conjunction of two clauses with indicator rows :math:`a, b` is
:math:`a^T \\mathrm{diag}(p)\\, b`, and all pairs of many clauses are one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from lucyte.explain.surrogate.given import Bools, Floats, part
from lucyte.explain.surrogate.terms import OPERATORS, Clause, Term, allowed, joined, split_gains

LENGTHS = (2, 3, 4, 5, 6)
"""Names and numbers in a formula: a > t; a / b > t; two clauses, or a / b x c > t; a clause of a
pair and one more; three clauses."""
LIKE = 0.97
"""Rank correlation with a better feature above which a feature is passed over."""
MOST_FEATURES = 40
HEADS = 10
"""Best features, with which terms of several begin."""
BEAM = 20
"""Terms of two features that are made longer; pairs of clauses that get a third."""
TRIED = 4
"""Formulas of each length whose thresholds are moved."""
CUTS = 9
"""Thresholds tried of each term in combinations; the best is then moved to the best place."""

How = Literal["and", "or"]


@dataclass(frozen=True)
class Formula:
    """Clauses that must all hold, or of which one must.

    Attributes
    ----------
    clauses : tuple of Clause
    how : {"and", "or"}
    """

    clauses: tuple[Clause, ...]
    how: How = "and"

    @property
    def features(self) -> tuple[str, ...]:
        """Columns it reads, each once."""
        return tuple(dict.fromkeys(name for each in self.clauses for name in each.term.features))

    @property
    def complexity(self) -> int:
        """Names and numbers in it."""
        return sum(len(each.term.features) + 1 for each in self.clauses)

    def holds(self, columns: dict[str, Floats]) -> Bools:
        """Per row."""
        each = np.stack([clause.holds(columns) for clause in self.clauses])
        return np.asarray(each.all(axis=0) if self.how == "and" else each.any(axis=0))

    def words(self) -> str:
        """Clauses joined by ``and`` or ``or``."""
        return f" {self.how} ".join(clause.words() for clause in self.clauses)


def best_formulas(columns: dict[str, Floats], pull: Floats) -> list[Formula]:
    """The best formula of every length, or a shorter one that does as well.

    Parameters
    ----------
    columns : mapping of feature to float array N
        Without gaps.
    pull : float array N
        Weight, negative in the rest; 1/2 and -1/2 in all.

    Returns
    -------
    list of Formula
        One per length of ``LENGTHS``, never falling in balanced accuracy.
    """
    names = _screen(columns, pull)
    singles = [Term((name,)) for name in names]
    pairs = _best(_longer(singles[:HEADS], names, columns), columns, pull, BEAM)
    triples = _best(_longer(pairs, names, columns), columns, pull, TRIED)
    one, two = _clauses(singles, columns), _clauses(pairs[: BEAM // 2], columns)
    joint = _combined(one, one, pull, BEAM)
    tried = [_single(term, columns, pull) for term in (singles[0], *pairs[:TRIED], *triples)]
    tried += [*joint, *_combined(one, two, pull, TRIED), *_third(joint, one, columns, pull)]
    out: list[Formula] = []
    for length in LENGTHS:
        own = [each for each in tried if each.complexity == length]
        own = sorted(own, key=lambda each: -gain(each, columns, pull))[:TRIED]
        own = [_moved(each, columns, pull) for each in own]
        out.append(_first_best([*out[-1:], *own], columns, pull))
    return out


def gain(formula: Formula, columns: dict[str, Floats], pull: Floats) -> float:
    """Balanced accuracy above one half."""
    return float(pull[formula.holds(columns)].sum())


def _screen(columns: dict[str, Floats], pull: Floats) -> list[str]:
    """Features by what they tell alone, without those that say what a better one says."""
    names = list(columns)
    table = np.stack([columns[name] for name in names])
    alone = np.abs(split_gains(table, pull)[0])
    ranks = rankdata(table, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1))
    kept: list[int] = []
    for at in np.argsort(-alone, kind="stable"):
        if length[at] == 0 or len(kept) == MOST_FEATURES:
            continue
        if kept:
            like = ranks[kept] @ ranks[at] / (length[kept] * length[at])
            if np.abs(like).max() > LIKE:
                continue
        kept.append(int(at))
    return [names[k] for k in kept]


def _longer(
    terms: Sequence[Term], names: Sequence[str], columns: dict[str, Floats]
) -> list[tuple[Term, Floats]]:
    """Each term joined with one more feature in every way that makes sense."""
    positive = {name: bool((columns[name] > 0).all()) for name in names}
    out, seen = [], set()
    for term in terms:
        value = term.values(columns)
        for name in names:
            for operator in OPERATORS:
                if not allowed(operator, term, name, positive[name]):
                    continue
                ordered = operator in "+x" and all(each == operator for each in term.operators)
                names_in = (*term.features, name)
                key = (operator, frozenset(names_in)) if ordered else (operator, term, name)
                if key not in seen:
                    seen.add(key)
                    longer = Term(names_in, (*term.operators, operator))
                    out.append((longer, joined(operator, value, columns[name])))
    return out


def _best(
    found: Sequence[tuple[Term, Floats]], columns: dict[str, Floats], pull: Floats, most: int
) -> list[Term]:
    """The terms that tell most alone."""
    if not found:
        return []
    alone = np.abs(split_gains(np.stack([value for _, value in found]), pull)[0])
    return [found[int(k)][0] for k in np.argsort(-alone, kind="stable")[:most]]


def _single(term: Term, columns: dict[str, Floats], pull: Floats) -> Formula:
    value = term.values(columns)
    found, at = split_gains(value[None], pull)
    threshold = part(value, float(np.sort(value)[at[0]]))
    return Formula((Clause(term, bool(found[0] > 0), threshold),))


@dataclass(frozen=True, eq=False)
class _Clauses:
    """Clauses and, as 0 and 1, the rows in which they hold, ``C N``."""

    clauses: list[Clause]
    holds: npt.NDArray[np.float64]


def _clauses(terms: Sequence[Term], columns: dict[str, Floats]) -> _Clauses:
    out, rows = [], []
    for term in terms:
        value = term.values(columns)
        if not np.isfinite(value).all():
            continue
        cuts = np.quantile(value, np.arange(1, CUTS + 1) / (CUTS + 1), method="lower")
        for cut in np.unique(cuts[cuts < value.max()]):
            for above in (True, False):
                out.append(Clause(term, above, float(cut)))
                rows.append(value > cut if above else value <= cut)
    size = len(next(iter(columns.values())))
    return _Clauses(out, np.array(rows, dtype=np.float64).reshape(len(rows), size))


def _combined(first: _Clauses, second: _Clauses, pull: Floats, most: int) -> list[Formula]:
    """The best pairs of clauses, of each way to join them."""
    if not first.clauses or not second.clauses:
        return []
    both = (first.holds * pull) @ second.holds.T
    either = (first.holds @ pull)[:, None] + (second.holds @ pull)[None] - both
    chains: tuple[tuple[How, Floats], ...] = (("and", both), ("or", either))
    out = []
    for how, scores in chains:
        flat = scores.ravel()
        least = np.partition(flat, max(0, flat.size - most))[max(0, flat.size - most)]
        near = np.flatnonzero(flat >= least)
        for k in near[np.argsort(-flat[near], kind="stable")][:most]:
            a, b = divmod(int(k), len(second.clauses))
            out.append(Formula((first.clauses[a], second.clauses[b]), how))
    return out


def _third(
    joint: Sequence[Formula], one: _Clauses, columns: dict[str, Floats], pull: Floats
) -> list[Formula]:
    """Each pair of clauses with the best third one."""
    out = []
    for each in joint:
        held = each.holds(columns).astype(np.float64)
        both = one.holds @ (pull * held)
        scores = both if each.how == "and" else one.holds @ pull + held @ pull - both
        out.append(Formula((*each.clauses, one.clauses[int(scores.argmax())]), each.how))
    return out


def _moved(formula: Formula, columns: dict[str, Floats], pull: Floats) -> Formula:
    """Each threshold in turn at its best place while the others stay, until none moves."""
    for _ in range(5):
        before = gain(formula, columns, pull)
        for at, clause in enumerate(formula.clauses):
            others = [each for k, each in enumerate(formula.clauses) if k != at]
            rest = Formula(tuple(others), formula.how).holds(columns) if others else None
            free = pull if rest is None else pull * (rest if formula.how == "and" else ~rest)
            value = clause.term.values(columns)
            order = np.argsort(value, kind="stable")
            above = free.sum() - np.cumsum(free[order])[:-1]
            scores = above if clause.above else free.sum() - above
            usable = value[order][1:] > value[order][:-1]
            k = int(np.where(usable, scores, -np.inf).argmax())
            threshold = part(value, float(value[order][k]))
            new = Clause(clause.term, clause.above, threshold)
            clauses = (*formula.clauses[:at], new, *formula.clauses[at + 1 :])
            formula = Formula(clauses, formula.how)
        if gain(formula, columns, pull) <= before + 1e-12:
            break
    return formula


def _first_best(found: Sequence[Formula], columns: dict[str, Floats], pull: Floats) -> Formula:
    """The best; of equals the shortest, then the one that says ``above``."""

    def order(each: Formula) -> tuple[float, int, int]:
        below = sum(not clause.above for clause in each.clauses)
        return -round(gain(each, columns, pull), 9), each.complexity, below

    return min(found, key=order)
