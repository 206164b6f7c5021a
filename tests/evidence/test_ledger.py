"""The ledger puts what failed first and loses nothing on the way to JSON and back."""

from __future__ import annotations

import json
import math

import pytest

from lucyte.evidence.ledger import headline, ordered, read, write
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding, Verdict


def finding(name: str, verdict: Verdict, statistic: float = 0.5) -> Finding:
    return Finding(
        name, "Is it?", verdict, statistic, None, None, 6, "well", ("a",), f"{name} it is."
    )


ROWS = [finding("b", "pass"), finding("a", "inconclusive", math.nan), finding("c", "fail")]


def test_failures_come_first() -> None:
    assert [each.name for each in ordered(ROWS)] == ["c", "a", "b"]
    told = headline(ROWS)
    assert told.believed == ("b it is.",)
    assert told.not_believed == ("c it is.",)
    assert told.open == ("a it is.",)


def test_json_and_back() -> None:
    text = json.dumps(write(ROWS), allow_nan=False)
    back = read(json.loads(text))
    assert [each.to_json() for each in back] == write(ROWS)
    assert math.isnan(back[1].statistic)


def test_a_name_twice_and_a_damaged_ledger_are_refused() -> None:
    with pytest.raises(UsageError, match="two findings are called 'b'"):
        write([ROWS[0], ROWS[0]])
    with pytest.raises(UsageError, match="must be a list of findings, got dict"):
        read({})
    with pytest.raises(UsageError, match=r"evidence\.json: finding 0 cannot be read"):
        read([{"name": "x"}])
