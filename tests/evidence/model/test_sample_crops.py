"""Masks are taken as given, else estimated and said; what shows no background says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lucyte.evidence.model.background import background_permit, background_relies
from lucyte.evidence.model.sample_crops import (
    from_samples,
    nothing_outside,
    subject_from_samples,
)
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples
from worlds.crops import PictureLearner, world


def samples(*, masks: bool, **settings: object) -> tuple[Samples, np.ndarray]:
    cells = world(**settings).of_kind("cell")  # type: ignore[arg-type]
    found = Samples(
        images=cells.crops,
        channels=cells.channels,
        names=cells.object_ids,
        labels=cells.labels,
        groups=cells.groups,
        unit="well",
        levels={"day": tuple(name[-1] for name in cells.groups)},
        masks=cells.masks if masks else None,
    )
    return found, cells.masks


def test_the_object_at_the_centre_is_found_and_said_to_be_estimated() -> None:
    given, truth = samples(masks=False)
    made = from_samples(given)
    overlap = (made.crops.masks & truth).sum() / (made.crops.masks | truth).sum()
    assert overlap > 0.85
    assert "no masks were given" in made.assumed[0]
    assert "Otsu" in made.assumed[0]
    assert made.crops.unit == "well"


def test_given_masks_stay_and_other_bright_things_are_foreground() -> None:
    given, truth = samples(masks=True)
    images = given.images.copy()
    images[:, :, :5, :5] += 100
    made = from_samples(replace(given, images=images))
    assert np.array_equal(made.crops.masks, truth)
    corner = made.crops.foreground[:, :4, :4].mean()
    assert corner > 0.8, "another object"
    assert not made.crops.masks[:, :4, :4].any()


def test_pictures_without_label_or_object_are_left_out_and_counted() -> None:
    given, _ = samples(masks=False)
    images = given.images.copy()
    images[3] = 100.0
    labels = ("", *given.labels[1:])
    subject = subject_from_samples(
        replace(given, images=images, labels=labels), file_bytes=np.arange(96)
    )
    assert len(subject.crops) == 94
    assert subject.file_bytes is not None
    assert subject.file_bytes[:3].tolist() == [1, 2, 4]
    assert len(subject.levels["day"]) == 94
    assert subject.assumed[1] == "left out, as no object stands out there: 1 of fed"


def test_what_cannot_be_challenged_is_refused_with_advice() -> None:
    given, _ = samples(masks=False)
    flat = replace(given, images=np.full_like(given.images, 7.0))
    with pytest.raises(UsageError, match=r"in none of 96 pictures does an object stand out.*mask"):
        from_samples(flat)
    wide = replace(given, images=given.images[:, :, :20], masks=None)
    with pytest.raises(UsageError, match=r"square pictures, got 20 x 24 px.*--side-px"):
        from_samples(wide)


def test_pictures_multiplied_by_their_masks_leave_the_question_void() -> None:
    given, truth = samples(masks=True)
    images = np.where(truth[:, None], given.images, 0).astype(np.float32)
    subject = subject_from_samples(
        replace(given, images=images),
        PictureLearner().fit(images, given.labels, given.groups, 0),
    )
    why = nothing_outside(subject.crops, 3)
    assert "everything outside the objects is one value (0 in RFP)" in why
    how = ChallengeSettings(folds=2)
    found = {each.name: each for each in background_permit(subject, how)}
    erased = found["background.data_permit.erased"]
    assert (erased.verdict, erased.n) == ("inconclusive", 0)
    assert erased.why.startswith("The background question is void here: everything outside")
    (relies,) = background_relies(subject, how)
    assert relies.verdict == "inconclusive"
    assert "as in pictures multiplied by their masks" in relies.why


def test_a_mask_that_covers_everything_says_what_to_do() -> None:
    given, _ = samples(masks=True)
    covered = replace(given, masks=np.ones((96, 24, 24), dtype=bool))
    subject = subject_from_samples(covered)
    assert "in 96 of 96 crops the objects leave fewer than 50 px free; cut larger crops" in (
        nothing_outside(subject.crops, 3)
    )
    found = {each.name: each for each in background_permit(subject, ChallengeSettings(folds=2))}
    assert {each.verdict for name, each in found.items() if "silhouettes" not in name} == {
        "inconclusive"
    }


def test_real_nuclei_are_outlined(shared_data) -> None:  # type: ignore[no-untyped-def]
    from lucyte.io.labelled import SampleOptions, read_samples

    how = SampleOptions(group_regex=r"(PLLT\d+_\d+.*?___P\d+)")
    read = read_samples(shared_data / "mitocheck", how)
    rows = np.linspace(0, len(read.samples) - 1, 120).astype(int)
    made = from_samples(read.samples.take(rows))
    area = made.crops.masks.mean(axis=(1, 2))
    assert len(made.crops) >= 115
    assert 0.05 < np.median(area) < 0.35
    assert nothing_outside(made.crops, 3) == ""
