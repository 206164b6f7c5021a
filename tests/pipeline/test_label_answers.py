"""The file of answers: whole or not there, whatever happens in the middle of a write."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucyte.pipeline.label_answers import (
    COLUMNS,
    WITHDRAWN,
    Answer,
    AnswerLog,
    check_name,
    parse_answers,
)
from lucyte.schema.errors import InputError, UsageError

FED = Answer("plate_C03/t000/cell/1", "fed", "", 1.25, "2026-01-01T00:00:00.000+00:00", 1)
ODD = Answer('a,"b"/2', "unknown", "clumped", 2.0, "2026-01-01T00:00:02.000+00:00", 1)


def written(path: Path, *answers: Answer) -> bytes:
    with AnswerLog(path) as log:
        for each in answers:
            log.append(each)
    return path.read_bytes()


def test_what_was_answered_is_read_back_and_the_last_revision_counts(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    written(path, FED, ODD, replace(FED, state="starved", revision=2))
    with AnswerLog(path) as log:
        assert log.answers[FED.object_id, 1].state == "starved"
        assert log.answers[ODD.object_id, 1] == ODD
        assert not log.recovered
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert len(path.read_text().splitlines()) == 4, "a revision replaced a line"


def test_an_answer_taken_back_is_not_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    written(path, FED, ODD, replace(ODD, state=WITHDRAWN, reason="", revision=2))
    with AnswerLog(path) as log:
        assert log.order == [(FED.object_id, 1)]
        assert log.answers[ODD.object_id, 1].state == WITHDRAWN


@pytest.mark.parametrize("lost", [1, 5, 20])
def test_a_line_that_a_crash_cut_short_is_removed(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "anna.csv"
    whole = written(path, FED)
    path.write_bytes(written(path, ODD)[:-lost])
    with AnswerLog(path) as log:
        assert log.recovered
        assert list(log.answers) == [(FED.object_id, 1)]
        log.append(ODD)
    assert path.read_bytes().startswith(whole)
    assert parse_answers(path)[ODD.object_id, 1] == ODD


@given(st.data())
def test_whatever_length_is_left_no_confirmed_line_before_it_is_lost(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "anna.csv"
    whole = written(path, FED, ODD, replace(FED, object_id="third"))
    left = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:left])
    with AnswerLog(path) as log:
        assert len(log.answers) == max(0, whole[:left].count(b"\n") - 1)
    assert path.read_bytes().endswith(b"\n")


def test_blocks_of_zeros_that_a_power_cut_leaves_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    whole = written(path, FED)
    path.write_bytes(whole + b"\0" * 300 + b"\n")
    with AnswerLog(path) as log:
        assert log.recovered
    assert path.read_bytes() == whole


def test_a_disk_that_fills_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "anna.csv"
    whole = written(path, FED)
    write = os.write

    def fails(file: int, data: bytes) -> int:
        if b"clumped" in data:
            write(file, data[:7])
            raise OSError(28, "No space left on device")
        return write(file, data)

    with AnswerLog(path) as log:
        monkeypatch.setattr(os, "write", fails)
        with pytest.raises(InputError, match=r"anna\.csv: could not be written: disk full"):
            log.append(ODD)
        assert (ODD.object_id, 1) not in log.answers
    assert path.read_bytes() == whole


def test_two_programs_do_not_write_under_one_name(tmp_path: Path) -> None:
    with (
        AnswerLog(tmp_path / "anna.csv"),
        pytest.raises(UsageError, match="another lucyte label is open under this name"),
    ):
        AnswerLog(tmp_path / "anna.csv")
    with AnswerLog(tmp_path / "anna.csv"), AnswerLog(tmp_path / "ben.csv"):
        pass


def test_a_file_that_is_no_answers_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "anna.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="its first line is not object_id,state"):
        AnswerLog(path)
    path.write_text(",".join(COLUMNS) + "\nx,fed,,soon,now,1,1\n")
    with pytest.raises(InputError, match="line 2 is no answer: 'x,fed,,soon,now,1,1'"):
        AnswerLog(path)
    with pytest.raises(InputError, match="line 2"):
        AnswerLog(path)  # and the lock was let go


@pytest.mark.parametrize("name", ["", "../x", "a b", "a/b", ".anna", "-a", "a" * 33, "x\n", "ä;"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="letters, digits, - and _"):
        check_name(name)


def test_names_of_people_are_taken_and_names_of_files_are_not() -> None:
    assert [check_name(each) for each in ("anna", "Åsa_2", "B-1")] == ["anna", "Åsa_2", "B-1"]
    with pytest.raises(UsageError, match="one of Lucyte's own files"):
        check_name("Labels")
