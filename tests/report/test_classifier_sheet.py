"""The contact sheet of ``lucyte classify``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lucyte.report.classifier_sheet import Sheet, classified_picture, surest_to_least
from lucyte.schema.errors import UsageError


def test_every_state_has_a_row_and_unknown_is_last() -> None:
    answers = ["unknown"] * 3 + ["Zellkörper β"] * 5 + ["fed"] * 2
    p = np.linspace(0.9, 0.1, 10)
    asked: list[int] = []

    def show(row: int) -> Any:
        asked.append(row)
        return np.full((20, 30), 10 * row + 100, np.uint8)

    look = Sheet(examples=4, side_px=50)
    sheet = classified_picture(answers, p, show, look)
    assert sheet.shape == (3 * (30 + 50 + 20 + 8) + 8, 4 * 58 + 8, 3)
    assert asked == [8, 9, 3, 4, 6, 7, 0, 1, 2]
    last = sheet[8 + 2 * 108 + 30 + 10, 8 + 20]
    assert last.tolist() == [100, 100, 100]  # the surest unknown, row 0


def test_examples_run_from_the_surest_to_the_least_sure() -> None:
    p = np.array([0.2, 0.9, np.nan, 0.5, 0.7])
    assert surest_to_least(np.arange(5), p, 3) == [1, 3, 2]
    assert surest_to_least(np.array([0, 1]), p, 8) == [1, 0]


@pytest.mark.parametrize(("answers", "p"), [([], []), (["a"], [0.5, 0.5])])
def test_lengths_must_agree(answers: list[str], p: list[float]) -> None:
    with pytest.raises(UsageError, match=r"answers and \d probabilities; one each"):
        classified_picture(answers, p, lambda _: np.zeros((2, 2, 3), np.uint8))
