"""What is registered stays: changed records, edited ledgers, questions asked twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucyte.evidence.hypothesis.ledger import Ledger
from lucyte.evidence.hypothesis.question import question
from lucyte.evidence.hypothesis.record import Hypothesis, parse_record, sha256
from lucyte.evidence.hypothesis.trial import Rows, Trial, hold_trial
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


def trial_of(asked: Hypothesis, seed: int = 0) -> Trial:
    rng = np.random.default_rng(seed)
    of = Rows(np.repeat(list("abcdef"), 6), rng.normal(size=36), rng.normal(size=36))
    return hold_trial(asked, of)


def rehashed(entries: list[dict[str, Any]]) -> str:
    """A ledger written anew, every hash and number right."""
    before, out = "", []
    for number, entry in enumerate(entries, 1):
        rest = {key: value for key, value in entry.items() if key != "entry_sha256"}
        whole = {**rest, "order": number, "before": before}
        before = sha256(whole)
        out.append({**whole, "entry_sha256": before})
    return json.dumps(out)


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
        'you now predict as a new hypothesis under another name (with test.family = "one" where '
        "the question is the same); both are kept."
    )
    ledger.freeze(record("two", 0.05, 'family = "one"'))
    assert [each.record.name for each in ledger.frozen()] == ["one", "two"]


def test_one_question_is_asked_once_whatever_it_is_called(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record(), now=NOON)
    for other in (record("two"), record("three", more='family = "another"')):
        with pytest.raises(UsageError, match=r"asks what 'one' \(frozen on 2030-.* asks; a quest"):
            ledger.freeze(other)


@pytest.mark.parametrize(
    ("more", "sample", "differs"),
    [
        ("", "seed = 1", "sample.seed 0 -> 1"),
        ("permutations = 999", "", "test.permutations 9999 -> 999"),
        ("power = 0.9", "", "test.power 0.8 -> 0.9"),
        ("spread = 0.3", "", "test.spread None -> 0.3"),
        ("alpha = 0.1", "", "test.alpha 0.05 -> 0.1"),
        ('alpha = 0.1\nfamily = "f"', "seed = 7", "test.alpha 0.05 -> 0.1, test.family '' -> 'f'"),
    ],
)
def test_what_does_not_change_the_question_makes_no_new_one(
    tmp_path: Path, more: str, sample: str, differs: str
) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record(), now=NOON)
    with pytest.raises(UsageError) as caught:
        ledger.freeze(record("h4", more=f"{more}\n[sample]\n{sample}"))
    assert "hypothesis 'h4' asks what 'one' (frozen on 2030-01-02T12:00:00Z) asks" in str(
        caught.value
    )
    assert f"{differs}) does not change it. The answer to 'one' stands." in str(caught.value)
    assert len(ledger.entries) == 1


def test_conditions_in_another_order_and_a_claim_about_the_model_ask_the_same() -> None:
    said = record(more='[sample]\nconditions = ["fed", "starved"]\ntime_indices = [0, 1]')
    turned = '[sample]\nconditions = ["starved", "fed", "fed"]\ntime_indices = [1, 0]'
    assert question(said) == question(record("two", 0.3, turned))
    assert question(said) != question(record())
    marked = record().model_copy(update={"interventional": True})
    assert question(marked) == question(record())


def test_a_state_is_parted_anywhere_between_0_and_1() -> None:
    def parted(above: str) -> Hypothesis:
        return parse_record(
            'name = "s"\nclaim = "Starved cells have more."\n[quantity]\nname = "state"\n'
            f'of = "starved"\n{above}\n[measurement]\ncolumn = "x"\n[test]\n'
            'relation = "greater"\nsmallest_effect = 1'
        )

    assert question(parted("")) == question(parted("above = 0.2"))
    assert question(parted("")) != question(parted("above = 1.5"))


@pytest.mark.parametrize(
    ("effect", "sample"),
    [(0.05, ""), (0.1, "[sample]\nheld_out = 0.5"), (0.05, "[sample]\nheld_out = 0.5\nseed = 3")],
)
def test_variants_of_a_question_are_corrected_together(
    tmp_path: Path, effect: float, sample: str
) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record())
    for alone in (record("two", effect, sample), record("two", effect, f'family = "g"\n{sample}')):
        with pytest.raises(UsageError, match=r'are corrected together. Set test.family = "one"'):
            ledger.freeze(alone)
    ledger.freeze(record("two", effect, f'family = "one"\n{sample}'))
    assert [each.record.name for each in ledger.family("one")] == ["one", "two"]


def test_the_same_test_of_the_same_data_is_the_same_question(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record())
    ledger.add_trial("one", "data", trial_of(record()))
    other = record("two", more='[sample]\nkind = "cell"')
    assert ledger.check(other, "other data") is None
    with pytest.raises(UsageError, match=r"differs \(sample.kind 'auto' -> 'cell'\) does not chan"):
        ledger.check(other, "data")
    with pytest.raises(UsageError, match=r'corrected together. Set test.family = "one"'):
        ledger.check(record("two", 0.05, '[sample]\nkind = "cell"'), "data")
    turned = record("two").model_dump()
    turned["test"]["relation"] = "negative correlation"
    assert ledger.check(Hypothesis.model_validate(turned), "data") is None


def test_a_text_that_is_kept_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("something else\n")
    ledger = Ledger(tmp_path)
    with pytest.raises(UsageError, match=r"one.toml: is kept already and says something else"):
        ledger.freeze(record(), "text\n")
    assert (tmp_path / "one.toml").read_text() == "something else\n"
    assert ledger.entries == []


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
    trial = trial_of(record())
    for data in ("x", "x", "y"):
        ledger.add_trial("one", data, trial)
    (mine,) = Ledger(tmp_path).frozen()
    assert [data for data, _ in mine.trials] == ["x", "y"]
    assert mine.trials[0][1] == trial


@pytest.mark.parametrize("how", ["value", "removed", "order", "text", "kind"])
def test_an_edited_ledger_is_found(tmp_path: Path, how: str) -> None:
    ledger = Ledger(tmp_path)
    for k in range(3):
        ledger.freeze(record(f"h{k}", 0.1 + k / 10, 'family = "f"'))
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


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("test first", "entry 1 tests 'one', which no entry before it registers"),
        ("twice", "entry 3 registers 'one' a second time"),
        ("record", "entry 1 holds another record than the 'one' registered"),
        ("other record", "entry 2 tests another record than the 'one' registered"),
        ("kind", "entry 1 is of no known kind ('believed')"),
    ],
)
def test_a_ledger_written_anew_must_still_make_sense(tmp_path: Path, how: str, told: str) -> None:
    ledger = Ledger(tmp_path)
    ledger.freeze(record())
    ledger.add_trial("one", "data", trial_of(record()))
    entries = json.loads(ledger.path.read_text())
    if how == "test first":
        entries = entries[::-1]
    elif how == "twice":
        entries.append(entries[0])
    elif how == "record":
        entries[0]["record"]["test"]["smallest_effect"] = 0.01
    elif how == "other record":
        entries[1]["sha256"] = "0"
    else:
        entries[0]["event"] = "believed"
    ledger.path.write_text(rehashed(entries))
    with pytest.raises(InputError) as caught:
        Ledger(tmp_path)
    assert told in str(caught.value)
