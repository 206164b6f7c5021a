"""Worlds hold what they say, a run goes on where it stopped, and the tables count what is there."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from lucyte.evidence.model.challenges import CHALLENGES
from lucyte.schema.errors import InputError
from lucyte.stats.classification import auroc
from lucyte.testing.benchmarks import evidence, evidence_worlds
from lucyte.testing.benchmarks.evidence import (
    QUICK,
    Job,
    ask,
    detection,
    false_alarms,
    honest_reports,
    jobs,
    matrix,
    measure,
    of_how_many,
    outcome,
    read_log,
    report,
    rows_of,
    run,
)
from lucyte.testing.benchmarks.evidence_worlds import NAMED, World, samples_of

few = cache(evidence_worlds.pool.__wrapped__)


@pytest.fixture(autouse=True)
def small_pool(monkeypatch):
    monkeypatch.setattr(evidence_worlds, "pool", lambda: few(50, 8))


def samples(kind, strength=1.0, sham=False, effect=False, seed=0):
    world = World(kind, strength, sham, effect, seed)
    made = samples_of(world, np.random.default_rng(seed), 12, 4, 1)
    return made, np.asarray(made.labels) == "starved"


def gap(values, starved):
    """AUROC less 0.5: above 0 where starved cells hold more."""
    return auroc(values, starved) - 0.5


def border(made, channel):
    images = np.asarray(made.images, dtype=float)[:, channel]
    return np.median(images[:, [0, -1]].reshape(len(images), -1), axis=1)


def corner(made):
    images = np.asarray(made.images, dtype=float)[:, 0]
    return images[:, :3, :3].mean(axis=(1, 2)) - images[:, -3:, -3:].mean(axis=(1, 2))


def rows(made):
    images = np.asarray(made.images, dtype=float)[:, 0]
    return images[:, 0::6].mean(axis=(1, 2)) - images[:, 3::6].mean(axis=(1, 2))


def wave(made):
    return np.abs(np.fft.fft2(np.asarray(made.images, dtype=float)[:, 0]))[:, 7, 7]


def roughness(made, channel=2):
    images = np.asarray(made.images, dtype=float)[:, channel]
    return np.median(np.abs(np.diff(images, axis=2)), axis=(1, 2))


def right(made):
    return made.masks.mean(axis=1) @ np.arange(32) / made.masks.mean(axis=(1, 2)) / 32


SEEN = {
    "tint": lambda made: border(made, 1) - border(made, 0),
    "gain": lambda made: border(made, 0),
    "noise": lambda made: roughness(made, 0),
    "blur": lambda made: -roughness(made),
    "JPEG": lambda made: -roughness(made),
    "corner": corner,
    "offset": right,
    "stripe": rows,
    "frequency": wave,
    "size": lambda made: made.masks.mean(axis=(1, 2)),
    "plate": lambda made: np.array([p == "plate2" for p in made.levels["plate"]], dtype=float),
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_is_planted_tells_the_classes_more_with_strength_and_a_sham_does_not(kind):
    least = {"size": 0.15, "blur": 0.15, "JPEG": 0.15, "noise": 0.2}.get(kind, 0.35)
    told = {s: gap(SEEN[kind](samples(kind, s)[0]), samples(kind, s)[1]) for s in (0.25, 1.0)}
    if kind == "plate":
        made, starved = samples(kind)
        assert set(np.asarray(made.levels["plate"])[starved]) == {"plate2"}
        assert 0 < told[0.25] < 0.5
    else:
        assert told[1.0] > least
        assert told[1.0] > told[0.25] - 0.05
    nothing, starved = samples("none", 0.0)
    if kind not in ("JPEG", "plate"):
        assert abs(gap(SEEN[kind](nothing), starved)) < 0.15


def test_a_sham_is_dealt_to_wells_whatever_their_class():
    gaps = []
    for seed in range(6):
        made, starved = samples("tint", sham=True, seed=seed)
        tint = SEEN["tint"](made)
        of_well = {g: tint[np.asarray(made.groups) == g].mean() for g in set(made.groups)}
        assert np.std(list(of_well.values())) > 3, "the premise: wells differ in it"
        gaps.append(gap(tint, starved))
    assert min(gaps) < 0 < max(gaps)
    assert max(np.abs(gaps)) < 0.4


def test_cells_differ_where_they_should_and_wells_hold_one_class():
    made, _ = samples("none", 0.0, effect=True)
    assert len(made) == 96 and made.images.shape[1:] == (3, 32, 32)
    assert len({(g, name) for g, name in zip(made.groups, made.labels, strict=True)}) == 24
    stock = few(50, 8).light
    assert stock.shape == (2, 50, 8, 3, 40, 40)
    peak = stock[:, :, :, 1].max(axis=(3, 4))
    assert np.median(peak[1]) > 1.1 * np.median(peak[0]), "red spots of starved cells"
    again, _ = samples("none", 0.0, effect=True)
    assert np.array_equal(made.images, again.images)


def test_the_challenge_of_each_shortcut_is_named_and_exists():
    names = {row.name for row in CHALLENGES}
    for kind, named in NAMED.items():
        assert set(rows_of(named)) <= names, kind
    assert rows_of(("background.model_relies.silhouettes",)) == (
        "background.model_relies.silhouettes",
    )
    assert rows_of(("batch.confounding.plate",)) == ("batch",)
    assert set(QUICK) <= names


def test_rounds_hold_every_kind_and_no_world_twice():
    wanted = list(jobs(10))
    assert len({job.key for job in wanted}) == len(wanted)
    full = [j.world.kind for j in wanted if j.world.strength == 1 and not j.world.sham]
    assert {full.count(kind) for kind in NAMED} == {10}
    shams = [job for job in wanted if job.world.sham]
    assert len(shams) == 100
    assert sum(not job.asked for job in shams) == 10
    assert len({job.world.kind for job in shams if not job.asked}) > 5
    assert not {j.key for j in jobs(3)} & {j.key for j in jobs(3, first=50)}
    honest = list(jobs(3, planted=False))
    assert {j.world.sham or j.world.kind == "none" for j in honest} == {True}
    assert sum(not j.asked for j in honest) == 3 * 3, "two shams and the honest world of each"


def record(kind, verdicts, strength=1.0, sham=False, every=False, auroc=0.9, seed=0):
    return {
        "key": f"{kind} {strength} {sham} {seed}",
        "world": {"kind": kind, "strength": strength, "sham": sham, "effect": False, "seed": seed},
        "every": every,
        "model_auroc": auroc,
        "findings": {name: [verdict, 0.5, ""] for name, verdict in verdicts.items()},
        "skipped": {},
        "seconds": 60.0,
    }


PERMIT, RELIES = NAMED["tint"]
RECORDS = [
    record("tint", {PERMIT: "fail", RELIES: "fail"}),
    record("tint", {PERMIT: "fail", RELIES: "inconclusive"}, auroc=0.55, seed=1),
    record("tint", {PERMIT: "pass", RELIES: "pass"}, strength=0.25),
    record("gain", {PERMIT: "fail", "robustness": "fail"}, sham=True, every=True),
    record("plate", {"batch.readout.plate": "fail"}, sham=True, every=True, seed=2),
    record("none", {PERMIT: "pass"}, strength=0.0, every=True),
]


def test_a_model_that_tells_nothing_is_blind_not_missed():
    permit, relies = (row for row in detection(RECORDS) if row["kind"] == "tint")
    assert (permit["hits"], permit["of"], permit["blind"]) == ([0, 0, 2], [1, 0, 2], "")
    assert (relies["hits"], relies["of"], relies["blind"]) == ([0, 0, 1], [1, 0, 1], 1)


def test_alarms_are_counted_where_only_cells_tell_and_nothing_true_is_one():
    assert false_alarms(RECORDS) == [{"name": PERMIT, "alarms": 1, "of": 2, "share": 0.5}]
    assert honest_reports(RECORDS) == (1, 3)
    table = {row["finding"]: row for row in matrix(RECORDS)}
    assert table[f"`{PERMIT}`"]["sham or honest"] == "1/2"
    assert table["`batch.readout.plate`"]["tint"] == "-"


def test_the_figure_stands_beside_its_goals():
    found = outcome(RECORDS)
    assert found.figure == (
        "worst challenge catches 100% of its shortcut at full strength, raises at most 50% false "
        "alarms; 1 of 3 honest reports hold an alarm"
    )
    assert found.met is False
    assert "6 worlds, 6 minutes of one core" in found.notes[0]
    assert (
        "| tint | `statistics.data_permit` | 0/1 (0 to 98 %) | - | 2/2 (16 to 100 %) |"
        in report(RECORDS)
    )


def test_counts_carry_their_exact_interval():
    assert of_how_many(0, 0) == "-"
    assert of_how_many(20, 20) == "20/20 (83 to 100 %)"
    assert of_how_many(2, 100) == "2/100 (0 to 7 %)"


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    made = []

    def fake(job):
        made.append(job.key)
        return {**record("tint", {}), "key": job.key}

    monkeypatch.setattr(evidence, "ask", fake)
    log = tmp_path / "log.jsonl"
    wanted = list(jobs(1))
    run(wanted[:3], log)
    with log.open("a") as out:
        out.write('{"key": "cut o')
    told = []
    records = run(wanted[:5], log, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    assert made == [job.key for job in wanted[:5]]
    assert [each["key"] for each in records] == made == [r["key"] for r in read_log(log)]


def test_a_line_that_is_no_record_is_named(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"key": "a"}\nbroken\n{"key": "b"}\n')
    with pytest.raises(InputError, match="line 2 is no record"):
        read_log(log)
    assert read_log(tmp_path / "none.jsonl") == []


def test_a_planted_tint_is_caught_in_data_and_model():
    told = ask(Job(World("tint", 1.0, False, False, 3), rows_of(NAMED["tint"])))
    assert json.loads(json.dumps(told)) == told
    assert told["skipped"] == {}
    assert told["model_auroc"] > 0.9
    assert told["findings"]["statistics.data_permit"][0] == "fail"
    assert told["findings"]["statistics.data_permit"][2] in ("tint", "together", "mean")
    assert told["findings"]["statistics.model_relies"][0] == "fail"
    assert told["cells"] > 80


def test_the_small_run_writes_no_file_and_reports_a_round(monkeypatch):
    monkeypatch.setattr(
        evidence, "ask", lambda job: {**record(job.world.kind, {PERMIT: "pass"}), "key": job.key}
    )
    assert "worst challenge catches 0%" in measure().figure
