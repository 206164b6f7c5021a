"""The comparison names the planted carrier, late fusion is nested, tuning is repeatable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.special import log_softmax

from lucyte.learn.fusion_comparison import Entry, compare_fusion, plan_entries
from lucyte.learn.image_augment import AugmentSettings
from lucyte.learn.image_learner import ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.tuning import tune
from lucyte.schema.errors import UsageError
from worlds.image_classes import stripes

QUICK = ImageSettings(
    width=8,
    training=TrainingSettings(
        epochs=10, batch=8, rate=5e-3, average=0.8, augment=AugmentSettings(turn_deg=0.0)
    ),
)


@pytest.mark.slow
def test_the_carrier_is_named():
    samples = stripes(channels=("A", "B", "C"), carrier="B", px=12)
    told = []
    found = compare_fusion(samples, QUICK, 600.0, folds=2, every_combination=True, told=told.append)
    table = found.frame().set_index("model")
    assert set(table.index) == {
        *("single A", "single B", "single C", "early A+B", "early A+C", "early B+C"),
        *("early A+B+C", "intermediate A+B+C", "late A+B+C"),
    }
    assert found.best_single == "single B"
    assert table.loc["single B", "balanced_accuracy"] > 0.9
    assert table.loc["single A", "balanced_accuracy"] < 0.75
    assert table.loc["early A+C", "over_high"] < 0
    assert table.loc["late A+B+C", "balanced_accuracy"] > 0.85
    late = found.find("late A+B+C")
    assert all(each["B"] > 0.6 and sum(each.values()) == pytest.approx(1) for each in late.weights)
    assert late.parameters == 3 * found.find("single A").parameters
    carriers = found.carriers().set_index("channel")
    assert carriers["loss_without"].idxmax() == "B" and carriers.loc["B", "low"] > 0
    assert carriers["loss_exchanged"].idxmax() == "B" and carriers.loc["B", "exchanged_low"] > 0
    assert abs(carriers.loc["A", "loss_exchanged"]) < 0.15
    assert found.protocol.endswith("30.0 s per encoder and fold")  # 600 / (2 folds x 10 encoders)
    assert any("late" in line or "intermediate" in line for line in told)


def test_parts_are_voted_up_to_their_source_before_anything_is_counted():
    samples = stripes(channels=("A", "B"), carrier="B", px=12)
    # Every two samples of a class and group are one stack.
    seen: dict[tuple[str, str], int] = {}
    sources = []
    for label, group in zip(samples.labels, samples.groups, strict=True):
        seen[label, group] = seen.get((label, group), -1) + 1
        sources.append(f"{group}-{label}-{seen[label, group] // 2}")
    parts = replace(samples, sources=tuple(sources))
    short = replace(QUICK, training=replace(QUICK.training, epochs=2))
    found = compare_fusion(parts, short, folds=2, every_combination=False)
    for each in found.trained:
        assert each.parts is not None and each.parts.names == samples.names
        assert each.result.names == tuple(sorted(set(sources)))
        place = {name: k for k, name in enumerate(each.result.names)}
        first = each.result.names[0]
        rows = [k for k, name in enumerate(sources) if name == first]
        told = log_softmax(each.parts.logits[rows], axis=1).mean(axis=0)
        assert each.result.logits[place[first]] == pytest.approx(log_softmax(told))
        assert {each.parts.fold[k] for k in rows} == {each.result.fold[place[first]]}
    assert (found.frame()["samples"] == len(set(sources))).all()
    assert len(set(sources)) < len(samples), "test invalid: nothing was voted"


def test_entries_and_what_is_refused():
    names = [each.name for each in plan_entries(("a", "b"))]
    assert names == ["single a", "single b", "early a+b", "intermediate a+b", "late a+b"]
    assert Entry("late", ("a", "b")).encoders == 0
    with pytest.raises(UsageError, match="there is a only"):
        plan_entries(("a",))
    with pytest.raises(UsageError, match="unknown fusion form 'lat', did you mean 'late'"):
        plan_entries(("a", "b"), ["lat"])
    with pytest.raises(UsageError, match="unknown metric"):
        compare_fusion(stripes(), QUICK, metric="auc")


@pytest.mark.slow
def test_tuning_is_repeatable_and_prunes():
    samples = stripes(px=12)
    fit = (samples.images, samples.labels, samples.groups, 3)
    short = replace(QUICK, training=replace(QUICK.training, epochs=6))
    options = {"channels": samples.channels, "settings": short, "trials": 4}
    one, two = tune(*fit, **options), tune(*fit, **options)
    assert one.settings == two.settings and one.trials.equals(two.trials)
    assert list(one.trials["state"].isin(["complete", "pruned"])) == [True] * 4
    assert one.score == one.trials["score"][one.trials["state"] == "complete"].max()
    assert one.trials.loc[0, "rate"] == 5e-3  # its own settings first
    with pytest.raises(UsageError, match="unknown setting to search 'rates', did you mean 'rate'"):
        tune(*fit, **options, space=["rates"])
    with pytest.raises(UsageError, match="set a share for validation"):
        tune(*fit, **(options | {"settings": replace(short, validation=0.0)}))
