"""Planted shortcuts are announced, clean designs pass, and the real ones say what is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucyte.classify.sample_guards import GuardSettings, sample_guards
from lucyte.classify.sample_guards_told import Told, judged, told_by_level, told_by_neighbours
from lucyte.classify.sources import samples_of_crops
from lucyte.io.labelled import SampleOptions, read_samples
from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples


def world(shortcut: str = "", n: int = 320, wells: int = 16) -> Samples:
    """Cells with or without a spot; what else tells the class is planted."""
    rng = np.random.default_rng(3)
    images = rng.normal(100, 5, (n, 1, 32, 32)).astype(np.float32)
    well = np.arange(n) % wells
    labels = np.where(rng.random(n) < 0.5, "fed", "starved")
    if shortcut == "well":
        labels = np.where(well % 2, "fed", "starved")
    images[labels == "fed", :, 12:20, 12:20] += 60
    if shortcut == "border":
        images[labels == "fed", :, :2] += 20
    if shortcut == "light":
        images[labels == "fed"] += 25
    names = [f"{chr(65 + k // 4)}{k % 4 + 1:02d}" for k in well]
    return Samples(
        images=images,
        channels=("GFP",),
        names=tuple(f"i{k}" for k in range(n)),
        labels=tuple(labels.tolist()),
        groups=tuple(names),
        unit="well",
        levels={"well": tuple(names), "day": tuple("mt"[k % 2] for k in well // 2)},
    )


def asked(samples: Samples, **more: Any) -> dict[str, Finding]:
    return {
        each.name: each for each in sample_guards(samples, GuardSettings(folds=3, trees=20), **more)
    }


def test_a_clean_design_passes() -> None:
    got = asked(world())
    assert got["data.border"].verdict == "pass"
    assert got["data.border"].high is not None and got["data.border"].high < 0.6
    assert got["data.border"].details["pictures"] > 0.95, "test invalid: the cells tell nothing"
    assert got["data.level.well"].verdict == "pass" and got["data.level.day"].verdict == "pass"
    assert got["data.border"].n == 16 and got["data.border"].unit == "well"


@pytest.mark.parametrize("shortcut", ["border", "light"])
def test_planted_light_is_announced(shortcut: str) -> None:
    got = asked(world(shortcut))[f"data.{shortcut}"]
    assert got.verdict == "fail" and got.statistic > 0.95
    assert "about as much as whole pictures tell" in got.why
    assert "held out; chance 0.50, statistics of whole pictures 1.00" in got.why


def test_a_level_that_is_the_class_is_announced() -> None:
    got = asked(world("well"))
    assert got["data.position"].verdict == "fail"
    assert "Each column holds one class of state only" in got["data.position"].why


def test_without_groups_a_telling_level_fails() -> None:
    plain = world("well")
    loose = Samples(
        images=plain.images,
        channels=plain.channels,
        names=plain.names,
        labels=plain.labels,
        groups=plain.names,
        levels={"plate": plain.groups},
        grouped=False,
    )
    got = asked(loose)["data.level.plate"]
    assert got.verdict == "fail"
    assert "pictures of one plate must not be parted by a split" in got.why


def test_pixels_outside_masks_are_the_background() -> None:
    plain = world("border")
    masks = np.zeros((len(plain), 32, 32), bool)
    masks[:, 10:22, 10:22] = True
    masked = Samples(
        plain.images, plain.channels, plain.names, plain.labels, plain.groups, "well", masks=masks
    )
    got = asked(masked)["data.border"]
    assert got.verdict == "fail" and "3 px or more outside each cell's mask" in got.why


def test_file_sizes_count_where_they_are_known() -> None:
    samples = world()
    sizes = np.where(np.asarray(samples.labels) == "fed", 2000.0, 1000.0)
    got = asked(samples, file_bytes=sizes)["data.light"]
    assert "file size" in got.details["columns"] and "and file size tell" in got.why
    unknown = asked(samples, file_bytes=np.full(len(samples), np.nan))["data.light"]
    assert "file size" not in unknown.details["columns"]


def test_a_class_in_one_group_is_named_not_asked() -> None:
    samples = world()
    labels = tuple(
        "rare" if g == "A01" else label
        for g, label in zip(samples.groups, samples.labels, strict=True)
    )
    rare = Samples(samples.images, samples.channels, samples.names, labels, samples.groups, "well")
    got = asked(rare)["data.border"]
    assert "Not asked of class 'rare': it is in one well only" in got.why
    assert set(got.details["recall"]) == {"fed", "starved"}
    single = Samples(
        samples.images,
        samples.channels,
        samples.names,
        tuple("fed" if g == "A01" else "starved" for g in samples.groups),
        samples.groups,
        "well",
    )
    none = asked(single)["data.border"]
    assert none.verdict == "inconclusive" and np.isnan(none.statistic)
    assert "class 'fed' is in one well only, so nothing can be held out" in none.why
    with pytest.raises(UsageError, match="a guard needs two classes, got 1"):
        sample_guards(samples.take(np.asarray(samples.labels) == "fed"))


def test_levels_are_judged_by_their_definition() -> None:
    values = np.array(list("xxxyyyz"))
    labels = np.array(list("aababba"))
    # By hand: x a,a,b ; y a,b,b ; z a alone. Others of x for the first a: a,b -> a (tie, first).
    due = []
    for k in range(7):
        rest = [labels[j] for j in range(7) if j != k and values[j] == values[k]]
        rest = rest or [labels[j] for j in range(7) if j != k]
        due.append(max(sorted(set(rest)), key=rest.count) == labels[k])
    accuracy, base = told_by_neighbours(values, labels)
    assert accuracy == pytest.approx(np.mean(due)) and base == pytest.approx(4 / 7)
    groups = np.array(list("1234567"))
    held = told_by_level(values, labels, groups, np.arange(7, dtype=np.int64))
    assert held.n == 7 and 0 <= held.balanced_accuracy <= 1


@pytest.mark.parametrize(
    ("told", "pictures", "verdict"),
    [
        (Told(0.9, 0.9, 0.8, 0.95, 20), 0.95, "fail"),
        (Told(0.7, 0.7, 0.6, 0.8, 20), 0.95, "inconclusive"),
        (Told(0.52, 0.5, 0.5, 0.58, 20), 0.95, "pass"),
        (Told(0.52, 0.5, 0.4, 0.68, 20), 0.95, "inconclusive"),
        (Told(0.9, 0.9, None, None, 3), 0.95, "fail"),
        (Told(0.52, 0.5, None, None, 3), 0.95, "inconclusive"),
        (Told(undefined="one well"), 0.95, "inconclusive"),
    ],
)
def test_the_guard_warns_freely_and_reassures_on_evidence(
    told: Told, pictures: float, verdict: str
) -> None:
    assert judged(told, pictures, 0.5, 0.1)[0] == verdict


def test_cells_of_a_run_are_samples() -> None:
    crops = CropSet(
        crops=np.zeros((3, 2, 8, 8), np.uint16),
        channels=("GFP", "RFP"),
        object_ids=("a", "b", "c"),
        labels=("fed", "starved", "fed"),
        groups=("P1/A01", "P1/A02", "P1/A01"),
        masks=np.ones((3, 8, 8), bool),
        foreground=np.ones((3, 8, 8), bool),
        distance_px=np.zeros(3),
        kind=("cell", "cell", "background"),
        field_ids=("f1", "f2", "f1"),
        time_index=np.array([1, 2, 1]),
    )
    got = samples_of_crops(crops)
    assert got.names == ("a", "b") and got.unit == "well" and got.masks is not None
    assert got.levels["plate"] == ("P1", "P1") and got.levels["well"] == ("A01", "A02")
    assert got.levels["frame"] == ("1", "2") and got.levels["field"] == ("f1", "f2")
    with pytest.raises(UsageError, match="there are no crops of cells to classify"):
        samples_of_crops(crops.of_kind("background"))


def test_bbbc021_announces_that_the_well_is_the_class(shared_data: Path) -> None:
    options = SampleOptions(label_column="treatment", group_column="plate")
    samples = read_samples(shared_data / "bbbc021", options).samples
    few = samples.take(np.arange(0, len(samples), 4))
    got = asked(few)
    assert got["data.level.well"].verdict == "fail" and got["data.level.well"].statistic == 1.0
    assert got["data.level.well"].n == 3 and got["data.level.well"].unit == "plate"
    assert got["data.position"].verdict == "fail" and got["data.border"].verdict == "fail"


def test_mitocheck_position_predicts_the_class(shared_data: Path) -> None:
    folder = shared_data / "mitocheck"
    files = sorted(folder.glob("*/*.png"))
    pattern = r"(?P<plate>PLLT\d+_\d+)--.*___P(?P<position>\d+)"
    import re

    found = [re.search(pattern, each.name) for each in files]
    places = np.array(["/".join(m.groups()) for m in found if m])
    labels = np.array([each.parent.name for each in files])
    accuracy, base = told_by_neighbours(places, labels)
    assert accuracy == pytest.approx(0.584, abs=0.002) and base == pytest.approx(0.14, abs=0.01)
