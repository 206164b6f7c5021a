"""What comes next and what the page may know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lucyte.pipeline.label_answers import AnswerLog
from lucyte.pipeline.label_folder import (
    Item,
    LabelFolder,
    LabelSettings,
    check_classes,
    with_classes,
)
from lucyte.pipeline.label_session import Session, order_of
from lucyte.schema.errors import InputError, UsageError

ITEMS = [
    Item(f"secret-plate_{'CD'[k % 2]}03_s1/t000/cell/{k}", f"crops/{k}.tif", group=f"P/{k % 8}",
         levels={"well": f"secret-{k % 8}"})
    for k in range(60)
]  # fmt: skip
SETTINGS = LabelSettings("run", ("fed", "starved"), 0, 60, "well", {"EGFP": (1.0, 9.0)})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AnswerLog]:
    with AnswerLog(tmp_path / "anna.csv") as opened:
        yield opened


def session(log: AnswerLog, secret: bytes = b"s") -> Session:
    return Session(SETTINGS, order_of(ITEMS, 0, "anna", True), log, secret)


def test_a_tenth_comes_twice_late_and_every_cell_once_before() -> None:
    row = order_of(ITEMS, 0, "anna", repeats=True)
    assert len(row) == 66
    assert sorted(item.object_id for item, showing in row if showing == 1) == sorted(
        item.object_id for item in ITEMS
    )
    again = [(at, item) for at, (item, showing) in enumerate(row) if showing == 2]
    assert len(again) == 6
    for at, item in again:
        assert at - row.index((item, 1)) > 25, "a repeat comes while the first is remembered"
    assert len(order_of(ITEMS[:19], 0, "anna", repeats=True)) == 19


def test_each_annotator_has_an_order_of_his_own_and_keeps_it() -> None:
    orders = {name: order_of(ITEMS, 0, name, False) for name in ("anna", "ben")}
    assert orders["anna"] != orders["ben"]
    assert orders["anna"] == order_of(list(reversed(ITEMS)), 0, "anna", False)
    assert orders["anna"] != order_of(ITEMS, 1, "anna", False)


def test_the_page_is_told_nothing_of_where_a_cell_comes_from(log: AnswerLog) -> None:
    one, other = session(log), session(log, b"t")
    told = json.dumps(one.overview())
    assert "secret" not in told
    assert "well" not in told
    assert not {each.key for each in one.row} & {each.key for each in other.row}
    assert len({each.key for each in one.row}) == 66


def test_the_same_answer_twice_is_one_line_and_another_is_a_revision(
    log: AnswerLog, tmp_path: Path
) -> None:
    here = session(log)
    key = here.row[0].key
    for _ in range(2):
        assert here.answer(key, "fed", "", 1.5) == {"state": "fed", "reason": ""}
    assert here.answer(key, "unknown", "clumped", 0.5)["reason"] == "clumped"
    lines = (tmp_path / "anna.csv").read_text().splitlines()[1:]
    assert [line.split(",")[1:4] for line in lines] == [
        ["fed", "", "1.5"],
        ["unknown", "clumped", "0.5"],
    ]
    assert [line.split(",")[5] for line in lines] == ["1", "2"]
    assert here.done == 1


def test_undo_takes_the_last_answer_back_and_then_the_one_before(log: AnswerLog) -> None:
    here = session(log)
    first, second = here.row[0].key, here.row[5].key
    here.answer(first, "fed", "", 1)
    here.answer(second, "starved", "", 1)
    assert here.undo() == {"key": second, "state": None, "reason": ""}
    assert here.undo()["key"] == first
    assert here.undo() == {"key": None}
    assert here.done == 0


def test_a_repeat_has_an_answer_of_its_own(log: AnswerLog) -> None:
    here = session(log)
    again = next(each for each in here.row if each.showing == 2)
    first = next(each for each in here.row if each.item == again.item and each.showing == 1)
    here.answer(first.key, "fed", "", 1)
    here.answer(again.key, "starved", "", 1)
    told = {each["key"]: each["state"] for each in here.overview()["row"]}
    assert (told[first.key], told[again.key]) == ("fed", "starved")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (("fad", "", 1.0), "unknown class 'fad', did you mean 'fed'"),
        (("unknown", "", 1.0), "unknown reason ''"),
        (("unknown", "bored", 1.0), "unknown reason 'bored'"),
        (("fed", "", -1.0), "takes 0 seconds or more"),
        (("fed", "", float("nan")), "takes 0 seconds or more"),
    ],
)
def test_what_is_no_answer_is_refused(
    log: AnswerLog, answer: tuple[str, str, float], said: str
) -> None:
    here = session(log)
    with pytest.raises(UsageError, match=said):
        here.answer(here.row[0].key, *answer)
    with pytest.raises(UsageError, match="no such picture"):
        here.answer("0" * 16, "fed", "", 1.0)
    assert here.done == 0


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["fed"], "got 1"),
        ([str(k) for k in range(10)], "got 10"),
        (["fed", "Fed"], "'Fed' is named twice"),
        (["fed", "Unknown"], "is always there, on key 0"),
        (["fed", " "], "is no name"),
        (["fed", "a\nb"], "is no name"),
    ],
)
def test_classes_that_keys_cannot_tell_apart_are_refused(classes: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_classes(classes)


def test_classes_can_be_added_and_keep_their_keys() -> None:
    wider = with_classes(SETTINGS, ["früh tot", "starved", "fed"])
    assert wider.classes == ("fed", "starved", "früh tot")
    assert list(wider.added) == ["früh tot"]
    assert with_classes(SETTINGS, ["starved", "fed"]) == SETTINGS
    with pytest.raises(UsageError, match=r"begun with fed, starved; .* 'starved' is missing"):
        with_classes(SETTINGS, ["fed", "dead"])


def test_settings_and_sample_are_read_back(tmp_path: Path) -> None:
    folder = LabelFolder(tmp_path / "labels")
    items = [Item('a,"1"', "x.tif", levels={"well": "C03"}, box=(1, 2, 3, 4)), ITEMS[0]]
    items[1] = Item("b", "y.tif", "m.tif", "g", {"well": "D03"}, (5, 6, 7, 8))
    assert not folder.begun()
    folder.write(SETTINGS, items)
    assert folder.begun()
    assert folder.settings() == SETTINGS
    assert list(folder.items()) == items


def test_another_folder_and_damaged_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "masks.tif").touch()
    with pytest.raises(UsageError, match=r"holds 'masks\.tif', which lucyte label did not write"):
        LabelFolder(tmp_path).begun()
    (tmp_path / "labels.json").write_text('{"classes": 3}')
    with pytest.raises(InputError, match="is no settings of labels"):
        LabelFolder(tmp_path).settings()
