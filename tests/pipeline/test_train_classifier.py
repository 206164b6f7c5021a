"""Wrong wishes are refused before the guards, which take minutes; intervals stay in bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucyte.io.labelled import SampleOptions
from lucyte.learn.cross_validation import within_range
from lucyte.learn.image_learner import ImageSettings
from lucyte.pipeline import train_classifier as subject
from lucyte.pipeline.classifier_folder import ClassifierRequest
from lucyte.pipeline.train_classifier import train_classifier
from lucyte.schema.errors import UsageError
from lucyte.stats.intervals import Interval


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """Twelve pictures of one channel, two classes on three plates."""
    pixels = np.random.default_rng(0).integers(0, 200, (12, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "cells.npy", pixels)
    rows = [f"{'ab'[n % 2]},p{n // 4}" for n in range(12)]
    (tmp_path / "cells.csv").write_text("\n".join(["state,group", *rows]))
    return tmp_path / "cells.npy"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"settings": ImageSettings(encoder="smal")}, "unknown encoder 'smal', did you mean"),
        ({"settings": ImageSettings(form="erly")}, "unknown fusion form 'erly', did you mean"),
        ({"settings": ImageSettings(form="single:DAPI")}, "unknown channel 'DAPI'"),
        ({"use": ("GFP",)}, "unknown channel 'GFP'"),
        ({"held_out": ("p9",)}, "unknown group 'p9'"),
        ({"compare": True}, "--compare needs two channels or more"),
        ({"folds": 9}, "9 folds are not possible: class 'a' is in 3"),
    ],
)
def test_wrong_wishes_are_refused_before_the_guards(
    cells: Path, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any], message: str
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the guards were asked first")

    monkeypatch.setattr(subject, "_guards", never)
    request = ClassifierRequest(
        cells, cells.parent / "model", **{"options": SampleOptions(), "quiet": True, **wish}
    )

    with pytest.raises(UsageError, match=message) as caught:
        train_classifier(request)

    assert "\n" not in str(caught.value)
    assert not (cells.parent / "model").exists()


def test_intervals_stay_inside_what_a_score_can_be() -> None:
    """A t interval of few groups may leave the scale; no share is below 0."""
    wide = Interval(estimate=0.17, low=-0.02, high=1.04, n=18, method="t")
    inside = within_range("accuracy", wide)
    assert (inside.low, inside.high) == (0.0, 1.0)
    signed = within_range("mcc", wide)
    assert (signed.low, signed.high) == (-0.02, 1.0)
    none = Interval(estimate=0.17, low=None, high=None, n=3, method="none")
    assert within_range("accuracy", none) == none
