"""Who qualifies to be explained, and how true spots are weighed against decoys."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest

from lucyte.schema.errors import LucyteError
from lucyte.simulate.crops import crops as simulated
from lucyte.testing.benchmarks import explain, explain_trials
from lucyte.testing.benchmarks.explain_trials import NEVER_SEEN, PX, try_model, world

N = 24


@cache
def sample(decoys, n, px, seed, *, twins=False):
    """The same pictures are simulated once for all tests."""
    return simulated(world(decoys), n, px, seed, twins=twins)


@pytest.fixture(autouse=True)
def simulated_once(monkeypatch):
    monkeypatch.setattr(
        explain_trials,
        "crops",
        lambda world, *more, **kind: sample(world.cell.decoys, *more, **kind),
    )


@dataclass
class Oracle:
    """Knows each picture by heart; ``fooled``: answers by the decoys, ``blind``: never turns."""

    told: dict[bytes, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ("EGFP", "mRFP", "TL")
    classes: tuple[str, ...] = ("fed", "starved")
    input_px: int = PX
    pixel_size_um: float | None = None

    def logits(self, given):
        at = [self.classes.index(self.told[each.tobytes()]) for each in given]
        return 4.0 * np.eye(2)[at]


def oracle(kind):
    def make(_sample, seed):
        other = {"fed": "starved", "starved": "fed"}
        told = {}
        cells = sample(4.0, N, PX, seed + NEVER_SEEN)
        twins = sample(4.0, N, PX, seed + NEVER_SEEN, twins=True)
        plain = sample(0.0, N, PX, seed + NEVER_SEEN)
        for given, names in ((twins, cells.labels if kind == "blind" else twins.labels),):
            told |= {c.tobytes(): name for c, name in zip(given.crops, names, strict=True)}
        names = [other[name] if kind == "fooled" else name for name in plain.labels]
        told |= {c.tobytes(): name for c, name in zip(plain.crops, names, strict=True)}
        told |= {c.tobytes(): name for c, name in zip(cells.crops, cells.labels, strict=True)}
        return Oracle(told)

    return make


def test_a_model_that_turns_with_the_true_spots_alone_qualifies():
    trial = try_model(oracle("true"), 3, 1, N)
    assert (trial.accuracy, trial.flips, trial.stays) == (1, 1, 0)
    assert trial.qualifies
    assert 0 < len(trial.cells.crops) <= explain_trials.SHOWN
    assert set(trial.cells.labels) == {"starved"}
    assert trial.cells.cause_masks.any(axis=(1, 2)).all()
    assert (trial.cells.decoy_masks & ~trial.cells.cause_masks).any(axis=(1, 2)).all()


def test_one_that_the_spots_do_not_turn_does_not():
    trial = try_model(oracle("blind"), 3, 1, N)
    assert (trial.accuracy, trial.flips) == (1, 0)
    assert not trial.qualifies


def test_one_that_reads_decoys_does_not():
    trial = try_model(oracle("fooled"), 3, 1, N)
    # a cell that happens to hold no decoy is the same picture without them
    assert trial.stays > 0.8
    assert not trial.qualifies


def test_taking_the_decoys_away_changes_nothing_else():
    cells, plain = sample(4.0, N, PX, 9), sample(0.0, N, PX, 9)
    assert cells.labels == plain.labels
    assert np.array_equal(cells.masks, plain.masks)
    changed = (np.abs(cells.crops.astype(float) - plain.crops) > 60).any(axis=1)
    assert changed.any(axis=(1, 2)).mean() > 0.8
    assert changed[cells.decoy_masks].mean() > 5 * changed[~cells.decoy_masks].mean()


def test_the_ratio_by_hand():
    trial = try_model(oracle("true"), 3, 1, N)
    true, decoy = trial.cells.cause_masks, trial.cells.decoy_masks
    maps = (
        np.where(true, 6.0, np.where(decoy, 2.0, 1.0))[:, None] * np.array([1, -1])[:, None, None]
    )
    assert explain.log_ratio(maps, trial) == pytest.approx(math.log(3))
    assert explain.log_ratio(np.ones_like(maps), trial) == pytest.approx(0)
    assert math.isnan(explain.log_ratio(-np.ones_like(maps), trial)), "nothing speaks for it"
    assert math.isnan(explain.log_ratio(true[:, None] * 1.0, trial)), "decoys have none at all"
    one = maps.copy()
    one[1:] = -1
    left = replace(trial, cells=explain_trials.take(trial.cells, np.array([0])))
    assert explain.log_ratio(one, trial) == pytest.approx(explain.log_ratio(one[:1], left))


def test_the_method_is_chosen_by_its_mean_and_never_after_a_failure():
    rows = [{"a": 1.0, "b": 3.0, "c": 9.0}, {"a": 1.0, "b": 0.0, "c": math.nan}]
    assert explain.choose(rows) == "b"
    with pytest.raises(LucyteError, match="every attribution method fails on some model"):
        explain.choose([{"c": math.nan}])


def test_a_gain_is_paired_within_models():
    rows = [{"best": k + 1.0, "edges": float(k)} for k in range(6)]
    found = explain.gain(rows, "best", "edges")
    assert (found.estimate, found.low, found.high, found.n) == (1, 1, 1, 6)
    assert explain.interval(rows, "edges").high - explain.interval(rows, "edges").low > 3


@dataclass(frozen=True)
class RedSpots:
    """Starved where much of the picture is red and not green; nothing was learned."""

    channels: tuple[str, ...] = ("EGFP", "mRFP", "TL")
    classes: tuple[str, ...] = ("fed", "starved")
    input_px: int = PX
    pixel_size_um: float | None = None

    def logits(self, given):
        red = np.clip(given[:, 1].astype(float) - 1.2 * given[:, 0], 0, None).sum(axis=(1, 2))
        return np.stack([np.zeros(len(given)), (red - 4000) / 1000], axis=1)


def test_a_whole_small_run(monkeypatch):
    monkeypatch.setattr(explain_trials, "FLIPS", 0.1)
    monkeypatch.setattr(explain_trials, "STAYS", 0.5)
    monkeypatch.setattr(explain_trials, "SHOWN", 2)
    every = explain.candidates(RedSpots())
    assert [each.name for each in every] == ["occlusion, 3 px", "occlusion, 7 px", "rise"]
    few = [replace(every[2].settings, samples=8, seed=seed) for seed in (0, 1)]
    two = tuple(replace(every[2], name=f"rise {k}", settings=each) for k, each in enumerate(few))
    monkeypatch.setattr(explain, "candidates", lambda model: two)
    outcome = explain.measure(1, 1, 1, N, make=lambda sample, seed: RedSpots())
    names = {row["map"].replace("*", "") for row in outcome.table}
    assert len(names) == 2 + 6
    assert sum("chosen beforehand" in name for name in names) == 1
    assert outcome.goal == "at least 3 times, beating every control"
    assert "does NOT surely beat every control" in outcome.figure
    assert outcome.met is False, "one model allows no interval"
    assert {row["95 % interval"] for row in outcome.table} <= {"none, n = 1", "none, n = 0"}
    assert "small networks, each trained on its own simulated plate; 2 qualify" in outcome.notes[0]


def test_models_are_tried_until_enough_qualify():
    @dataclass
    class Tried:
        seed: int

        @property
        def qualifies(self):
            return self.seed % 2 == 1

    assert [t.seed for t in explain_trials.qualified(Tried, 2, 4)] == [4, 5, 6, 7]
    assert [t.seed for t in explain_trials.qualified(Tried, 1, 5)] == [5]
    assert len(explain_trials.qualified(lambda seed: Tried(0), 3, 0)) == 6


def test_where_no_model_qualifies_nothing_is_explained(monkeypatch):
    with pytest.raises(
        LucyteError, match=r"no model qualifies to be explained: seed 100: 100% right"
    ):
        explain.measure(1, 1, 2, N, make=oracle("blind"))
