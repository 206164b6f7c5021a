"""Which records ask the same question, whatever they are called and however it is worked out.

Left out are name and claim, what only marks the answer (``interventional``), what says how it is
worked out (``permutations``, ``power``, ``spread``), at which error it is judged (``alpha``,
``family``), and what is written in two ways and read in one. The smallest effect and the draw of
held-out units make variants of one question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lucyte.evidence.hypothesis.record import CORRELATIONS, Hypothesis, canonical, changes, sha256

HALF = 0.5
"""Where a state, which is 1 or 0, is parted."""


def question(record: Hypothesis) -> str:
    """Hash of what is asked; the same for all variants of a question."""
    sample = record.sample
    return sha256(
        {
            "kind": sample.kind,
            "conditions": sorted(set(sample.conditions)),
            "time_indices": sorted(set(sample.time_indices)),
            "model": record.model.use,
            "things": two_things(record),
            "top": record.quantity.top if record.quantity.name == "where_it_looks" else None,
            "comparison": comparison(record),
            "unit": record.test.unit,
        }
    )


def two_things(record: Hypothesis) -> list[Any]:
    """What is related to what: the quantity and the measurement."""
    return [record.quantity.name, record.quantity.of, canonical(record)["measurement"]]


def comparison(record: Hypothesis) -> list[Any]:
    """What is done with the rows of a test, and in which direction."""
    above = record.quantity.above
    if record.quantity.name == "where_it_looks" or record.test.relation in CORRELATIONS:
        above = None
    elif record.quantity.name == "state" and (above is None or 0 <= above < 1):
        above = HALF
    return [record.quantity.name == "where_it_looks", record.test.relation, record.test.across,
            above]  # fmt: skip


def draw(record: Hypothesis) -> tuple[float, int]:
    """Which units are looked at; where all are, the seed draws none."""
    share = record.sample.held_out
    return share, record.sample.seed if share < 1 else 0


def differences(before: Hypothesis, after: Hypothesis) -> str:
    """``sample.seed 0 -> 1, test.alpha 0.05 -> 0.1``; what they are called is left out."""
    left_out = {"name", "claim"}
    one, other = (
        {key: value for key, value in canonical(each).items() if key not in left_out}
        for each in (before, after)
    )
    return ", ".join(changes(one, other))


def before_of(records: Sequence[Hypothesis], asked: Hypothesis) -> tuple[str, ...]:
    """Names of those registered before ``asked`` that relate the same two things."""
    names = [each.name for each in records]
    earlier = records[: names.index(asked.name)] if asked.name in names else records
    return tuple(each.name for each in earlier if two_things(each) == two_things(asked))
