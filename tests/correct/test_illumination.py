"""The flat field against the vignetting that was simulated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lucyte.correct.camera import estimate_offset, noise_points
from lucyte.correct.illumination import (
    Flatfield,
    apply_flatfield,
    apply_flatfields,
    estimate_flatfield,
)
from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image
from lucyte.simulate.optics import vignette
from reference import correction

CHANNELS = ("EGFP", "mRFP", "TL")


@pytest.fixture(scope="module")
def vignetted(make_plate: Any, frames_of: Any) -> Any:
    plate = make_plate(vignetting=0.4)
    return plate, frames_of(plate)


def test_the_simulated_vignetting_is_found(vignetted: Any) -> None:
    plate, frames = vignetted
    truth = vignette(plate.settings.optics, 320, (0, 0), (320, 320))
    flats = estimate_flatfield(frames)
    assert list(flats) == list(CHANNELS)
    for index, name in enumerate(CHANNELS):
        relative = truth[index] / truth[index].mean()
        before = float(np.std(relative))
        error = flats[name].plane((320, 320)) / relative - 1
        assert before > 0.04, "premise: light falls off"
        assert np.sqrt(np.mean(error**2)) < (0.35 * before), name
        assert flats[name].frames == 12


def test_the_offset_is_where_the_noise_would_vanish(vignetted: Any) -> None:
    plate, frames = vignetted
    assert plate.settings.optics.offset_counts == 100
    points = [noise_points(image.values[0].astype(np.float32)) for image in frames]
    offset = estimate_offset(points)
    # read noise of 3 counts moves it down by 9
    assert offset == pytest.approx(91, abs=12)
    flat = [np.stack([p[:, 0], np.full(len(p), 4.0)], axis=1) for p in points]
    assert estimate_offset(flat) is None, "noise that does not rise tells nothing"
    assert estimate_offset([]) is None


def test_applying_evens_out_the_medium(vignetted: Any) -> None:
    _, frames = vignetted
    flats = estimate_flatfield(frames)
    corrected, done = apply_flatfields(frames[0], {"TL": flats["TL"]})
    assert len(done) == 1 and done[0].startswith("illumination: TL (darkest place lost 2")

    def corners(image: Any) -> float:
        tl = image.sel(C="TL").values
        low = np.median(np.concatenate([tl[:40, :40], tl[-40:, -40:]]))
        return float(low / np.median(tl[140:180, 140:180]))

    assert corners(frames[0]) < 0.9, "premise: corners are dark"
    assert corners(corrected) == pytest.approx(1.0, abs=0.03)
    assert np.array_equal(corrected.sel(C="EGFP").values, frames[0].sel(C="EGFP").values)
    assert corrected.dtype == np.float32 and corrected.attrs == frames[0].attrs


def test_an_even_plate_has_an_even_field(make_plate: Any, frames_of: Any) -> None:
    for flat in estimate_flatfield(frames_of(make_plate(vignetting=0.0))).values():
        assert flat.loss < 0.06


def test_the_surface_and_the_division_are_their_definitions(rng: np.random.Generator) -> None:
    flat = Flatfield("a", (1.0, 0.1, -0.2, 0.05, 0.0, -0.3), 2, 20.0, 5)
    slow = correction.flat_surface(flat.coefficients, 2, (9, 13))
    assert np.allclose(flat.plane((9, 13)), slow, rtol=1e-6)
    plane = rng.uniform(20, 90, (9, 13))
    assert np.allclose(apply_flatfield(plane, flat), (plane - 20) / slow + 20, rtol=1e-5)


def test_cells_that_never_move_do_not_pass_for_light() -> None:
    y, x = np.mgrid[:240, :240]
    light = 1 - 0.3 * ((y - 120) ** 2 + (x - 120) ** 2) / (2 * 120**2)
    plane = 500 * light
    plane[60:110, 150:200] += 4000
    image = make_image(plane[None].astype(np.float32), "CYX", channels=["a"])
    flat = estimate_flatfield([image] * 3)["a"]
    assert np.abs(flat.plane((240, 240)) / (light / light.mean()) - 1).max() < 0.03


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one frame, got none"):
        estimate_flatfield([])
    shapes = [
        make_image(np.ones((1, rows, 60), np.float32), "CYX", channels=["a"]) for rows in (18, 60)
    ]
    with pytest.raises(UsageError, match="'a': fields of different shape share no flat field"):
        estimate_flatfield(shapes)
    movie = make_image(np.ones((2, 1, 60, 60)), "TCYX", channels=["a"])
    with pytest.raises(UsageError, match="give one frame, got a T axis"):
        estimate_flatfield([movie])
