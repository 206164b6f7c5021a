"""Models made again agree or do not, and know nothing where labels were shuffled over units."""

from __future__ import annotations

from collections import Counter

import numpy as np

from lucyte.evidence.model.retrained import null, seeds, shuffled_labels
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.schema.crops import CropSet
from worlds.crops import PictureLearner, picture_features, world

HOW = ChallengeSettings()


def cells(wells: int = 12, **settings: float) -> CropSet:
    return world(0, wells=wells, cells=6, places=0, **settings).of_kind("cell")  # type: ignore[arg-type]


class Moody(PictureLearner):
    """Answers by the seed as much as by the cell."""

    def fit(self, samples, labels, groups, seed):  # type: ignore[no-untyped-def]
        weights = np.random.default_rng(seed).normal(size=(8, 8))
        return PictureLearner(lambda x: picture_features(x) @ weights[:, seed % 8, None] % 1).fit(
            samples, labels, groups, seed
        )


def test_a_learner_without_chance_says_the_same_of_every_cell() -> None:
    (found,) = seeds(Subject(cells(), learner=PictureLearner()), HOW)
    assert found.verdict == "pass", found.why
    assert (found.statistic, found.n) == (0.0, 8)
    assert found.details["kappa"] == 1.0


def test_a_learner_that_follows_its_seed_fails() -> None:
    (found,) = seeds(Subject(cells(), learner=Moody()), HOW)
    assert found.verdict == "fail", found.why
    assert found.statistic > 0.3
    assert found.details["kappa"] < 0.4
    assert "depends on how training fell out" in found.why


def test_labels_are_exchanged_between_whole_units() -> None:
    crops = cells(wells=6)
    labels = shuffled_labels(crops.labels, crops.groups, np.random.default_rng(0))
    assert Counter(labels) == Counter(crops.labels)
    held = {
        g: {n for n, o in zip(labels, crops.groups, strict=True) if o == g} for g in crops.groups
    }
    assert {len(each) for each in held.values()} == {1}
    assert labels != crops.labels


def test_units_of_several_classes_hand_on_their_shares() -> None:
    labels = ("a", "a", "a", "b", "b", "b", "b", "a")
    groups = ("u", "u", "u", "u", "v", "v", "v", "v")
    seen = {
        tuple(
            sorted(Counter(shuffled_labels(labels, groups, np.random.default_rng(k))[:4]).items())
        )
        for k in range(20)
    }
    assert seen == {(("a", 3), ("b", 1)), (("a", 1), ("b", 3))}


def test_where_labels_say_nothing_nothing_is_told() -> None:
    quick, own = null(Subject(cells(signal=30), learner=PictureLearner()), HOW)
    assert (quick.name, own.name) == ("null.quick", "null")
    assert quick.details["true_labels"] > 0.95, "the premise: true labels can be learned"
    assert abs(quick.statistic - 0.5) < 0.06
    assert quick.verdict != "fail"
    assert len(quick.details["shuffles"]) == 59
    assert len(own.details["shuffles"]) == HOW.refits
    assert own.verdict != "fail"


def test_too_few_units_cannot_be_shuffled() -> None:
    (found,) = null(Subject(cells(wells=1)), HOW)
    assert found.verdict == "inconclusive"
    assert "leaving whole units out needs at least 2 units of each class" in found.why
