"""What is registered stays: changed records, edited ledgers, questions asked twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from lucyte.evidence.hypothesis.ledger import Ledger
from lucyte.evidence.hypothesis.record import Hypothesis, parse_record
from lucyte.evidence.hypothesis.trial import Rows, hold_trial
from lucyte.schema.errors import InputError, UsageError

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def record(name: str = "one", effect: float = 0.1, more: str = "") -> Hypothesis:
    return parse_record(
        f"""
name = "{name}"
claim = "Cells that look starved have more spots."
[quantity]
name = "margin"
of = "starved"
[measurement]
column = "spots_count_EGFP"
[test]
relation = "positive correlation"
smallest_effect = {effect}
{more}
"""
    )


def test_freezing_twice_is_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "hypotheses")
    assert ledger.check(record()) is None
    first = ledger.freeze(record(), "text\n", NOON)
    again = Ledger(tmp_path / "hypotheses").freeze(record(), "text\n")
    assert (first.order, first.time) == (1, "2030-01-02T12:00:00Z")
    assert again == first
    assert len(Ledger(tmp_path / "hypotheses").entries) == 1
    assert (tmp_path / "hypotheses" / "one.toml").read_text() == "text\n"


def test_a_changed_record_is_refused_and_a_new_name_keeps_both(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record(), now=NOON)
    with pytest.raises(UsageError) as caught:
        ledger.freeze(record(effect=0.05))
    assert str(caught.value) == (
        "hypothesis 'one' was frozen on 2030-01-02T12:00:00Z and has changed since "
        "(test.smallest_effect 0.1 -> 0.05). Its answer stands. Undo the change, or register what "
        "you now predict as a new hypothesis under another name; both are kept."
    )
    ledger.freeze(record("two", 0.05))
    assert [each.record.name for each in ledger.frozen()] == ["one", "two"]


def test_one_question_is_asked_once_whatever_it_is_called(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record(), now=NOON)
    for other in (record("two"), record("three", more='family = "another"')):
        with pytest.raises(UsageError, match=r"asks what 'one' \(frozen on 2030-.* asks; a quest"):
            ledger.freeze(other)


def test_one_family_has_one_alpha(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record("one", 0.1, 'family = "f"'))
    with pytest.raises(UsageError, match=r"family 'f' was registered at alpha 0.05, got 0.01 for"):
        ledger.freeze(record("two", 0.2, 'family = "f"\nalpha = 0.01'))
    ledger.freeze(record("two", 0.2, 'family = "f"'))
    assert [each.record.name for each in ledger.family("f")] == ["one", "two"]


def test_trials_are_kept_one_for_each_state_of_the_data(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record())
    rng = np.random.default_rng(0)
    of = Rows(np.repeat(list("abcdef"), 6), rng.normal(size=36), rng.normal(size=36))
    trial = hold_trial(record(), of)
    for data in ("x", "x", "y"):
        ledger.add_trial("one", data, trial)
    (mine,) = Ledger(tmp_path).frozen()
    assert [data for data, _ in mine.trials] == ["x", "y"]
    assert mine.trials[0][1] == trial


@pytest.mark.parametrize("how", ["value", "removed", "order", "text", "kind"])
def test_an_edited_ledger_is_found(tmp_path: Path, how: str) -> None:
    ledger = Ledger(tmp_path)
    for k in range(3):
        ledger.freeze(record(f"h{k}", 0.1 + k / 10))
    entries = json.loads(ledger.path.read_text())
    if how == "value":
        entries[1]["record"]["test"]["smallest_effect"] = 0.01
    elif how == "removed":
        del entries[1]
    elif how == "order":
        entries[1], entries[2] = entries[2], entries[1]
    ledger.path.write_text({"text": "{", "kind": '"no list"'}.get(how, json.dumps(entries)))
    expected = {"text": "cannot be read", "kind": "is no list of entries"}
    with pytest.raises(InputError) as caught:
        Ledger(tmp_path)
    assert expected.get(how, "entry 2 was changed after it was written") in str(caught.value)
    assert "a ledger is never edited" in str(caught.value)
