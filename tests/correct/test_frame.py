"""The whole correction of a frame: what is asked, what is needed, what is said."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from lucyte.correct.fit import estimate_fit
from lucyte.correct.frame import CorrectionFit, correct_frame
from lucyte.correct.registration import Shift
from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.schema.plan import CorrectSettings
from lucyte.simulate.optics import vignette

ALL_ON = CorrectSettings(
    illumination="on",
    background="on",
    registration="on",
    bleed_through={"mRFP": {"EGFP": 0.2}},
)
AUTO = CorrectSettings(illumination="auto", background="auto", registration="auto")


@pytest.fixture(scope="module")
def bad(make_plate: Any, frames_of: Any) -> tuple[Any, list[Any]]:
    plate = make_plate(
        vignetting=0.45, bleed_egfp_to_mrfp=0.2, shift_mrfp_px=(2.5, -1.5), full_counts=65535
    )
    return plate, frames_of(plate)


@pytest.fixture(scope="module")
def fitted(bad: tuple[Any, list[Any]]) -> CorrectionFit:
    fit = estimate_fit(ALL_ON, bad[1])
    assert isinstance(fit, CorrectionFit)
    return fit


@pytest.fixture(scope="module")
def good(make_plate: Any, frames_of: Any) -> list[Any]:
    return frames_of(make_plate(vignetting=0.03, bleed_egfp_to_mrfp=0.0))  # type: ignore[no-any-return]


def test_nothing_asked_nothing_touched(good: list[Any]) -> None:
    out, done = correct_frame(good[0], CorrectSettings())
    assert out is good[0] and done == ()
    assert estimate_fit(CorrectSettings(), good) is None


def test_everything_on_undoes_the_optics(
    bad: tuple[Any, list[Any]], fitted: CorrectionFit, make_plate: Any
) -> None:
    _, frames = bad
    clean = make_plate(
        vignetting=0.0, bleed_egfp_to_mrfp=0.0, bleed_mrfp_to_egfp=0.0, full_counts=65535
    )
    # a flat field is known up to a factor: light is brought to the field's mean
    mean_loss = vignette(bad[0].settings.optics, 320, (0, 0), (320, 320))[1].mean()
    before: list[float] = []
    after: list[float] = []
    for index, image in enumerate(frames):
        out, done = correct_frame(image, ALL_ON, fitted)
        assert [clause.split(":")[0] for clause in done] == [
            *["illumination"] * 3,
            "registration",
            "bleed-through",
            "background",
        ]
        light = mean_loss * (clean.sites[index].expected(1)[1] - 45)
        labels = clean.sites[index].labels(1)
        cells = [label for label in np.unique(labels)[1:] if (labels == label).sum() > 300]
        truth = ndi.mean(light, labels, cells)
        for kept, pixels in ((before, image.values - 145.0), (after, out.values)):
            kept += list(np.abs(ndi.mean(pixels[1], labels, cells) / truth - 1))
    assert len(after) > 80, "premise: many cells"
    assert np.median(before) > 0.1, "premise: the optics change what is measured"
    assert np.median(after) < 0.04


def test_auto_corrects_what_needs_it(bad: tuple[Any, list[Any]]) -> None:
    _, frames = bad
    fit = estimate_fit(AUTO, frames)
    assert fit is not None
    assert set(fit.flatfields) == {"EGFP", "mRFP", "TL"}
    shift = fit.shifts["mRFP"]
    assert np.hypot(shift.y_px - 2.5, shift.x_px + 1.5) < 0.1
    _, done = correct_frame(frames[0], AUTO, fit)
    assert any(clause.startswith("registration: mRFP moved by -2.") for clause in done)


def test_auto_leaves_what_is_good_and_says_so(good: list[Any]) -> None:
    fit = estimate_fit(AUTO, good)
    assert fit is not None
    assert not fit.flatfields and not fit.shifts
    assert any(note.startswith("registration: mRFP left as is") for note in fit.notes)
    assert sum(note.startswith("illumination:") for note in fit.notes) == 3
    out, done = correct_frame(good[0], AUTO, fit)
    assert out is good[0] and done == ()


def test_few_frames_are_no_reason_to_correct(bad: tuple[Any, list[Any]]) -> None:
    fit = estimate_fit(AUTO, bad[1][:3])
    assert fit is not None and not fit.flatfields
    assert "illumination: not estimated, 3 frames are fewer than 6" in fit.notes


def test_channels_with_nothing_in_common_are_not_moved() -> None:
    rng = np.random.default_rng(0)
    frames = [
        make_image(rng.normal(100, 5, (2, 96, 96)), "CYX", channels=["a", "b"]) for _ in range(3)
    ]
    fit = estimate_fit(CorrectSettings(registration="on"), frames)
    assert fit is not None and not fit.shifts
    assert fit.notes == ("registration: b left as is, too little in common to register",)
    out, done = correct_frame(frames[0], CorrectSettings(registration="on"), fit)
    assert out is frames[0] and done == ()


def test_without_a_fit_a_frame_is_registered_on_its_own(bad: tuple[Any, list[Any]]) -> None:
    image = bad[1][0]
    out, done = correct_frame(image, CorrectSettings(registration="on"))
    assert len(done) == 1 and done[0].endswith("onto EGFP")
    first, second = (
        np.corrcoef(i.values[0].ravel(), i.values[1].ravel())[0, 1] for i in (image, out)
    )
    assert second > first
    other = CorrectSettings(registration="on", registration_reference="mRFP")
    assert correct_frame(image, other)[1][0].startswith("registration: EGFP moved by +2.")


def test_settings_that_do_not_fit_the_image_are_refused(good: list[Any]) -> None:
    wrong = CorrectSettings(registration="on", registration_reference="DAPI")
    with pytest.raises(UsageError, match=r"unknown channel 'DAPI'.*registration_reference"):
        correct_frame(good[0], wrong)
    micrometres = CorrectSettings(background="on", background_radius="20 um")
    with pytest.raises(UsageError, match="needs a pixel size, which is unknown here"):
        correct_frame(good[0], micrometres)
    bled = CorrectSettings(bleed_through={"mRFP": {"GFP": 0.1}})
    with pytest.raises(UsageError, match="unknown channel 'GFP', did you mean 'EGFP'"):
        correct_frame(good[0], bled)


def test_the_input_is_never_changed(bad: tuple[Any, list[Any]], fitted: CorrectionFit) -> None:
    image = bad[1][1]
    before = image.values.copy()
    correct_frame(image, ALL_ON, fitted)
    assert np.array_equal(image.values, before) and image.dtype == np.uint16
    floats = image.astype(np.float32)
    correct_frame(floats, ALL_ON, fitted)
    assert np.array_equal(floats.values, before)


def test_a_fit_travels_and_its_fingerprint_follows_it(
    bad: tuple[Any, list[Any]], fitted: CorrectionFit
) -> None:
    fit = fitted
    assert pickle.loads(pickle.dumps(fit)).fingerprint == fit.fingerprint
    again = estimate_fit(ALL_ON, bad[1])
    assert again is not None and again.fingerprint == fit.fingerprint
    moved = CorrectionFit(fit.flatfields, {"mRFP": Shift(9.0, 0.0, 1.0)}, fit.background)
    assert moved.fingerprint != fit.fingerprint


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["YX", "CYX", "CZYX", "ZYX"]), st.integers(0, 99))
def test_every_kind_of_frame_keeps_its_shape(dims: str, seed: int) -> None:
    sizes = {"C": 2, "Z": 3, "Y": 40, "X": 50}
    pixels = np.random.default_rng(seed).uniform(5, 90, [sizes[axis] for axis in dims])
    image = make_image(pixels, dims, channels=["a", "b"] if "C" in dims else None)
    settings_ = CorrectSettings(illumination="on", background="on", registration="on")
    out, done = correct_frame(image, settings_, estimate_fit(settings_, [image]))
    assert out.dims == image.dims and out.shape == image.shape
    assert np.isfinite(out.values).all()
    assert done[-1].startswith("background: local, radius 8 px")
