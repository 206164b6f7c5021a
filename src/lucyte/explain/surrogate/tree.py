"""A tree of at most three questions in a row.

References
----------
Breiman, Friedman, Olshen and Stone 1984, Classification and Regression Trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lucyte.explain.surrogate.given import Columns, Floats, Given, Names, part
from lucyte.measure.columns import describe

DEPTHS = (1, 2, 3)
LEAF_SHARE = 0.02
"""Weight that a leaf must hold."""
LEAF_ROWS = 5


@dataclass(frozen=True)
class Node:
    """A question, or an answer.

    Attributes
    ----------
    answer : str
        Of most of the weight that comes here.
    feature : str
        Empty at a leaf.
    threshold : float
        Rows at most this go below.
    below, above : Node or None
    """

    answer: str
    feature: str = ""
    threshold: float = 0.0
    below: Node | None = None
    above: Node | None = None


@dataclass(frozen=True, eq=False)
class SmallTree:
    """A tree whose leaves under one question differ.

    Attributes
    ----------
    columns : Columns
    root : Node
    """

    columns: Columns
    root: Node

    kind = "tree"

    @property
    def features(self) -> tuple[str, ...]:
        """Columns it reads, each once, the first asked first."""
        return tuple(dict.fromkeys(_asked(self.root)))

    @property
    def complexity(self) -> int:
        """Names and numbers in it: two per question."""
        return 2 * len(_asked(self.root))

    def answers(self, table: pd.DataFrame) -> Names:
        """Class of every row."""
        values = single(self.columns.values(table))
        out = np.full(len(table), self.root.answer, dtype=object)
        _fill(self.root, values, self.columns.names, np.arange(len(table)), out)
        return out.astype(str)

    def words(self) -> str:
        """Every way to every answer but the last one's, which is the rest."""
        ways: dict[str, list[str]] = {}
        _ways(self.root, {}, ways)
        names = sorted(ways, reverse=True)
        if len(names) == 1:
            return f"always {names[0]}"
        said = [f"{name} when {' or when '.join(ways[name])}" for name in names[:-1]]
        return "; ".join(said) + f"; otherwise {names[-1]}"


def single(values: Floats) -> Floats:
    """Rounded as the tree was fitted: its thresholds lie between values of single precision."""
    return values.astype(np.float32).astype(np.float64)


def fit_trees(rows: Given) -> list[SmallTree]:
    """Trees of one, two and three questions in a row."""
    from sklearn.tree import DecisionTreeClassifier

    values, weight = single(rows.values), rows.weight
    out = []
    for depth in DEPTHS:
        made: Any = DecisionTreeClassifier(
            max_depth=depth,
            min_samples_leaf=LEAF_ROWS,
            min_weight_fraction_leaf=LEAF_SHARE,
            random_state=rows.seed,
        )
        made.fit(values, rows.answers, sample_weight=weight * len(weight))
        out.append(SmallTree(rows.columns, _node(made, 0, values, rows.columns.names)))
    return out


def _node(made: Any, at: int, values: Floats, names: tuple[str, ...]) -> Node:
    tree = made.tree_
    answer = str(made.classes_[int(tree.value[at, 0].argmax())])
    if tree.children_left[at] < 0:
        return Node(answer)
    column = int(tree.feature[at])
    below = _node(made, int(tree.children_left[at]), values, names)
    above = _node(made, int(tree.children_right[at]), values, names)
    if not below.feature and not above.feature and below.answer == above.answer:
        return Node(below.answer)
    threshold = part(values[:, column], float(tree.threshold[at]))
    return Node(answer, names[column], threshold, below, above)


def _asked(node: Node) -> list[str]:
    if not node.feature or node.below is None or node.above is None:
        return []
    return [node.feature, *_asked(node.below), *_asked(node.above)]


def _fill(node: Node, values: Floats, names: tuple[str, ...], rows: Any, out: Any) -> None:
    if node.below is None or node.above is None:
        out[rows] = node.answer
        return
    under = values[rows, names.index(node.feature)] <= node.threshold
    _fill(node.below, values, names, rows[under], out)
    _fill(node.above, values, names, rows[~under], out)


def _ways(node: Node, bounds: dict[tuple[str, str], float], ways: dict[str, list[str]]) -> None:
    """Every way to a leaf, of two bounds on one feature only the tighter one."""
    if node.below is None or node.above is None:
        said = [f"{describe(name)} {sign} {at:.15g}" for (name, sign), at in bounds.items()]
        ways.setdefault(node.answer, []).append(" and ".join(said))
        return
    # What is asked further down lies within what was asked before.
    _ways(node.below, {**bounds, (node.feature, "≤"): node.threshold}, ways)
    _ways(node.above, {**bounds, (node.feature, ">"): node.threshold}, ways)
