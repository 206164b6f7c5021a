"""The table runs what is possible, says why the rest is not, and loses nothing to a broken row."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from lucyte.evidence.model import challenges
from lucyte.evidence.model.challenges import CHALLENGES, Challenge, chosen, run_challenges
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.errors import UsageError
from worlds.crops import LinearModel, PictureLearner, border_red, world

HOW = ChallengeSettings(folds=3, most_asked=60)


def subject(**settings: object) -> Subject:
    crops = world(0, wells=3, cells=8, places=0, **settings)  # type: ignore[arg-type]
    model = PictureLearner().fit(crops.crops, crops.labels, crops.groups, 0)
    return Subject(crops, model, assumed=("masks were drawn by hand",))


def test_every_row_names_a_function_that_exists() -> None:
    assert len({row.name for row in CHALLENGES}) == len(CHALLENGES)
    for row in CHALLENGES:
        assert callable(getattr(import_module(row.module), row.function)), row.name
        assert row.asks.endswith("?")


def test_what_is_not_possible_is_skipped_with_the_reason() -> None:
    told = []
    found = run_challenges(
        subject(),
        HOW,
        ["background.model_relies.erased", "seeds", "batch"],
        lambda name, at, of: told.append((name, at, of)),
    )
    assert [each.name for each in found.findings] == ["background.model_relies.erased"]
    assert found.findings[0].assumed[0] == "masks were drawn by hand"
    assert found.skipped["seeds"].startswith("it is not known how such a model is made")
    assert found.skipped["batch"] == "nothing is known of the design (plate, well, day, position)"
    assert told == [("background.model_relies.erased", 0, 3), ("batch", 1, 3), ("seeds", 2, 3)]


def test_a_broken_challenge_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Challenge("broken", "does it break?", (), False, "math", "no_such_function")
    rows = (broken, *CHALLENGES)
    monkeypatch.setattr(challenges, "CHALLENGES", rows)
    found = run_challenges(subject(), HOW, ["broken", "position.model_relies"])
    assert "the challenge itself broke (AttributeError" in found.skipped["broken"]
    assert [each.name for each in found.findings] == ["position.model_relies"]


def test_a_model_of_another_size_or_other_classes_is_said_once_per_row() -> None:
    crops = subject().crops
    large = LinearModel(np.zeros(1), 0.0, border_red, input_px=64)
    names = ["position.model_relies", "robustness"]
    found = run_challenges(Subject(crops, large), HOW, names)
    assert found.findings == ()
    assert set(found.skipped.values()) == {"the model takes crops of 64 px, these are 24 px"}
    other = LinearModel(np.zeros(1), 0.0, border_red, classes=("fedd", "starving"))
    found = run_challenges(Subject(crops, other), HOW, names)
    assert "the model knows the classes ['fedd', 'starving']" in found.skipped["robustness"]


def test_one_class_asks_nothing() -> None:
    one = subject()
    fed = one.take(np.asarray(one.crops.labels) == "fed")
    found = run_challenges(fed, HOW, ["statistics", "null"])
    assert set(found.skipped) == {"statistics.data_permit", "statistics.model_relies", "null"}
    assert "two classes are needed, the cells show fed" in found.skipped["null"]


def test_names_choose_rows_and_unknown_ones_are_refused() -> None:
    assert [row.name for row in chosen(["position"])] == [
        "position.data_permit",
        "position.model_relies",
    ]
    assert chosen() == CHALLENGES
    with pytest.raises(
        UsageError, match="unknown challenge 'robustnes', did you mean 'robustness'"
    ):
        chosen(["robustnes"])


def test_settings_and_subjects_refuse_what_makes_no_sense() -> None:
    with pytest.raises(UsageError, match="margin must lie between 0 and 1, got 2"):
        ChallengeSettings(margin=2)
    with pytest.raises(UsageError, match="refits must be at least 2, got 1"):
        ChallengeSettings(refits=1)
    crops = subject().crops
    with pytest.raises(UsageError, match=r"file sizes must have one entry per crop \(48\)"):
        Subject(crops, file_bytes=np.zeros(3))


def test_classes_in_one_unit_are_set_aside_and_named() -> None:
    crops = subject().crops
    labels = np.asarray(crops.labels, dtype=object)
    labels[:8] = "rare"
    from dataclasses import replace

    some, lonely = Subject(replace(crops, labels=tuple(labels))).testable()
    assert lonely == ("rare",)
    assert some.crops.classes == ("fed", "starved")
