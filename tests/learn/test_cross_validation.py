"""Out-of-fold answers: no group on both sides, leakage named, refusals in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lucyte.learn.cross_validation import HELD_OUT, cross_validate
from lucyte.learn.fusion_comparison import paired_difference
from lucyte.schema.errors import UsageError
from worlds.image_classes import stripes


@dataclass
class Remembers:
    """A learner that knows the very crops it was fitted on, and their classes."""

    classes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("A", "B")
    pixel_size_um: float | None = None
    input_px: int = 16

    def fit(self, samples, labels, groups, seed):
        self.seen = {crop.tobytes(): label for crop, label in zip(samples, labels, strict=True)}
        self.classes = tuple(sorted(set(labels)))
        self.groups = set(groups)
        return self

    def logits(self, crops):
        told = [self.seen.get(crop.tobytes(), self.classes[0]) for crop in crops]
        return 5.0 * np.array([[name == c for c in self.classes] for name in told])


def test_no_model_answers_for_a_group_it_learned_from():
    samples, made = stripes(), []

    def make(fold):
        made.append((fold, Remembers()))
        return made[-1][1]

    found = cross_validate(samples, make, 4, 0)
    assert found.folds == 4 and [fold for fold, _ in made] == [0, 1, 2, 3]
    for fold, learner in made:
        tested = {samples.groups[k] for k in found.rows(fold)}
        assert tested and not tested & learner.groups
        assert tested | learner.groups == set(samples.groups)
    assert np.isfinite(found.logits).all()
    assert found.scores()["accuracy"].value == 0.5  # what is remembered does not help
    assert found.interval("accuracy").n == 8
    assert not found.leakage and found.warnings == ()


def test_a_random_split_is_refused_no_more_but_marked():
    samples = stripes()
    twice = samples.take(np.repeat(np.arange(len(samples)), 2))
    found = cross_validate(twice, lambda _: Remembers(), 4, 0, allow_leakage=True)
    assert found.leakage
    assert found.warnings[0].startswith("Random split: cells of the same group (of 8)")
    assert found.scores()["accuracy"].value > 0.6


def test_held_out_groups_are_answered_once_by_a_model_of_all_folds():
    samples, asked = stripes(), []
    aside = ["well 1", "well 6"]
    found = cross_validate(
        samples, lambda fold: asked.append(fold) or Remembers(), 3, 0, held_out_groups=aside
    )
    assert asked == [0, 1, 2, HELD_OUT]
    assert {samples.groups[k] for k in found.rows(HELD_OUT)} == set(aside)
    assert found.model.groups == set(samples.groups) - set(aside)
    assert found.table().sum() == 36 and found.scores(HELD_OUT)["accuracy"].value == 0.5


def test_a_class_that_a_fold_did_not_learn_is_far_below():
    samples = stripes()

    class Half(Remembers):
        def fit(self, samples, labels, groups, seed):
            super().fit(samples, labels, groups, seed)
            self.classes = self.classes[:1]
            return self

    found = cross_validate(samples, lambda _: Half(), 2, 0)
    assert (found.logits[:, 0] - found.logits[:, 1] >= 50).all()


def test_what_is_refused():
    samples = stripes()
    n = len(samples)
    make = lambda _: Remembers()  # noqa: E731
    with pytest.raises(UsageError, match=r"all 48 samples are in one group \('w'\)"):
        cross_validate(replace(samples, groups=("w",) * n), make, 2, 0)
    with pytest.raises(UsageError, match="got one class only"):
        cross_validate(replace(samples, labels=("x",) * n), make, 2, 0)
    with pytest.raises(UsageError, match="9 folds are not possible: class 'flat' is in 8 groups"):
        cross_validate(samples, make, 9, 0)
    with pytest.raises(UsageError, match="sample 0 has no label"):
        cross_validate(replace(samples, labels=("", *samples.labels[1:])), make, 2, 0)
    with pytest.raises(UsageError, match="unknown group 'well 11', did you mean 'well 1'"):
        cross_validate(samples, make, 2, 0, held_out_groups=["well 11"])
    with pytest.raises(UsageError, match="unknown metric 'f1'"):
        cross_validate(samples, make, 2, 0).interval("f1")


def test_ungrouped_samples_say_so():
    found = cross_validate(replace(stripes(), grouped=False), lambda _: Remembers(), 2, 0)
    assert "independent is unknown" in found.warnings[0]


def test_a_paired_difference_by_hand():
    samples = stripes()
    a = cross_validate(samples, lambda _: Remembers(), 2, 0)
    truth, _ = a.codes(np.arange(len(samples)))
    perfect = replace(a, logits=10.0 * np.eye(2)[truth])
    gain = paired_difference(perfect, a, "balanced_accuracy")
    assert gain.estimate == pytest.approx(0.5) and gain.n == 8
    assert gain.low <= 0.5 <= gain.high
    with pytest.raises(UsageError, match="needs answers for the same samples"):
        paired_difference(a, replace(a, names=a.names[::-1]), "mcc")
