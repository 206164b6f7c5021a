"""States: what state each object is in, and who said so without having seen it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class States:
    """States of objects.

    Attributes
    ----------
    table : DataFrame
        ``object_id, state, margin, fold`` and ``p_<class>`` per class (they sum to 1).
        ``margin`` is the logit margin of the second class over the first with two classes,
        of the winner over the runner-up otherwise. ``fold`` is the group-wise fold that held
        the object out; -1 where the object's truth was unknown and no model saw it.
    classes : tuple of str
    target : str
        The column that was learned (``condition`` or a column of labels).
    group : str
        The column that was kept together when splitting (``well``, ``plate`` ...).
    groups : int
        Number of independent groups.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    target: str
    group: str
    groups: int
