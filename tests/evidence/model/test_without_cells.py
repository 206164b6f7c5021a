"""A model that needs no cells is caught, one that reads outlines too, an honest one is not."""

from __future__ import annotations

import numpy as np
import pytest

from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.evidence.model.without_cells import erased_relies, silhouettes_relies, told_by_answers
from lucyte.schema.crops import CropSet
from worlds.crops import PictureLearner, border_red, inside_less_border, world

HOW = ChallengeSettings()


def cells(**settings: float) -> CropSet:
    return world(0, wells=6, cells=12, places=0, **settings).of_kind("cell")  # type: ignore[arg-type]


def subject(measure, **settings: float) -> Subject:  # type: ignore[no-untyped-def]
    crops = cells(**settings)
    return Subject(crops, PictureLearner(measure).fit(crops.crops, crops.labels, crops.groups, 0))


def bright_area(crops: np.ndarray) -> np.ndarray:
    return (crops[:, 0] > 130).sum(axis=(1, 2))[:, None].astype(np.float64)


def test_a_model_of_the_medium_still_knows_when_the_cells_are_gone() -> None:
    (found,) = erased_relies(subject(border_red, tint=20), HOW)
    assert found.verdict == "fail"
    assert found.statistic == 1.0
    assert "its answers come from somewhere else than the cells" in found.why


def test_a_model_of_the_cells_knows_nothing_without_them() -> None:
    (found,) = erased_relies(subject(inside_less_border, tint=20), HOW)
    assert found.verdict != "fail"
    assert found.statistic == pytest.approx(0.5, abs=0.15)
    assert found.details["with_cells"]["auroc"] > 0.95


def test_a_model_of_the_size_follows_exchanged_outlines() -> None:
    (found,) = silhouettes_relies(subject(bright_area, size=2.0, signal=0), HOW)
    assert found.verdict == "fail", found.why
    assert found.statistic == pytest.approx(1, abs=0.15)
    (honest,) = silhouettes_relies(subject(inside_less_border), HOW)
    assert honest.verdict == "pass", honest.why
    assert abs(honest.statistic) < 0.05


def test_answers_are_compared_between_units() -> None:
    crops = cells()
    perfect = np.where(np.asarray(crops.labels) == "starved", 1.0, -1.0)
    told = told_by_answers(np.column_stack([-perfect, perfect]), ["fed", "starved"], crops)
    assert (told.auroc, told.n) == (1.0, 12)
    turned = told_by_answers(np.column_stack([perfect, -perfect]), ["fed", "starved"], crops)
    assert turned.auroc == 0.0
    assert turned.apart < 0
