"""Flags go up for what is wrong, one at a time, and stay down otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage as ndi

from lucyte.correct.pair import before_after
from lucyte.correct.quality import field_quality, measure_plane, plate_outliers
from lucyte.schema.errors import UsageError
from lucyte.schema.image import make_image

FLAGS = ("flag_empty", "flag_out_of_focus", "flag_saturated", "flag_uneven")
CHANNELS = ["EGFP", "mRFP", "TL"]


def _raised(image: Any) -> set[str]:
    row = field_quality(image)
    assert {name for name in row if name.startswith("flag_")} == set(FLAGS)
    return {name for name in FLAGS if row[name]}


def _image(pixels: Any) -> Any:
    return make_image(np.asarray(pixels), "CYX", channels=CHANNELS)


@pytest.fixture(scope="module")
def frames(make_plate: Any, frames_of: Any) -> list[Any]:
    return frames_of(make_plate(size_px=400, cells=25, full_counts=65535))  # type: ignore[no-any-return]


def test_good_frames_raise_nothing(frames: list[Any]) -> None:
    assert [_raised(image) for image in frames] == [set()] * len(frames)


def test_blur_raises_focus_alone(make_plate: Any) -> None:
    site = make_plate(size_px=400, cells=25, wells=1).sites[0]
    photons = site.expected(1)
    rng = np.random.default_rng(0)

    def seen(blur: float) -> Any:
        light = ndi.gaussian_filter(photons, (0, blur, blur)) if blur else photons
        return _image((rng.poisson(light) + rng.normal(100, 3, light.shape)).astype(np.float32))

    focus = [field_quality(seen(blur))["focus_EGFP"] for blur in (0.0, 1.0, 2.0, 4.0)]
    assert focus == sorted(focus, reverse=True)
    assert _raised(seen(0.0)) == set()
    assert _raised(seen(5.0)) == {"flag_out_of_focus"}


def test_focus_does_not_follow_brightness_or_noise(frames: list[Any]) -> None:
    plane = frames[0].values[0].astype(float)
    sharp = measure_plane(plane)["focus"]
    assert measure_plane(3 * plane + 500)["focus"] == pytest.approx(sharp, rel=1e-3)
    noise = np.random.default_rng(0).normal(100, 20, (400, 400))
    assert np.isnan(measure_plane(noise)["focus"])
    assert np.isnan(measure_plane(plane[:20])["focus"])


def test_a_field_without_cells_is_empty(make_plate: Any) -> None:
    optics = make_plate(wells=1).settings.optics
    rng = np.random.default_rng(1)
    medium = np.broadcast_to(np.array(optics.medium_photons)[:, None, None], (3, 300, 300))
    image = _image(rng.poisson(medium) + 100)
    assert _raised(image) == {"flag_empty"}
    assert field_quality(image)["signal_fraction_EGFP"] < 0.001
    nothing = _image(np.zeros((3, 64, 64), np.uint16))
    assert _raised(nothing) == {"flag_empty"}
    no_numbers = _image(np.full((3, 64, 64), np.nan, np.float32))
    assert _raised(no_numbers) == {"flag_empty"}


def test_saturation_is_a_pile_at_the_top(frames: list[Any]) -> None:
    bright = _image(np.minimum(frames[0].values.astype(int) * 8, 4095).astype(np.uint16))
    exact = float((bright.values[0] == 4095).mean())
    row = field_quality(bright)
    assert exact > 0.01, "premise: much is saturated"
    assert row["saturated_fraction_EGFP"] == pytest.approx(exact)
    assert "flag_saturated" in _raised(bright)
    ramp = np.arange(90_000).reshape(300, 300)
    assert measure_plane(ramp)["saturated_fraction"] == 0
    assert measure_plane(np.full((50, 50), 7))["saturated_fraction"] == 0


def test_light_from_one_side_is_uneven(frames: list[Any]) -> None:
    tilt = np.linspace(0, 120, 400)[None, :]
    pixels = frames[1].values.astype(float)
    pixels[0] += tilt
    assert _raised(_image(pixels)) == {"flag_uneven"}
    only_tl = frames[1].values.astype(float)
    only_tl[2] += 40 * tilt
    assert _raised(_image(only_tl)) == set(), "transmitted light raises no flag"


def test_images_without_channels_or_with_planes(frames: list[Any]) -> None:
    plane = make_image(frames[0].values[0], "YX")
    stack = make_image(np.stack([frames[0].values[:1]] * 2, axis=1), "CZYX", channels=["EGFP"])
    one, two = field_quality(plane), field_quality(stack)
    assert one["focus_image"] == two["focus_EGFP"] == field_quality(frames[0])["focus_EGFP"]


def test_a_plate_knows_its_outliers(frames: list[Any]) -> None:
    rows = [{"plate": "p", "field_id": str(i), **field_quality(f)} for i, f in enumerate(frames)]
    table = pd.DataFrame(rows)
    assert len(table) >= 6, "premise: enough fields"
    calm = plate_outliers(table)
    assert not calm["flag_outlier"].any() and not calm["flag_out_of_focus"].any()
    odd = table.copy()
    odd.loc[3, "background_mRFP"] *= 4
    odd.loc[5, "focus_EGFP"] *= 0.05
    found = plate_outliers(odd)
    assert list(found.index[found["flag_outlier"]]) == [3]
    assert list(found.index[found["flag_out_of_focus"]]) == [5]
    few = plate_outliers(odd.iloc[:5])
    assert not few["flag_outlier"].any(), "five fields are too few to tell"
    assert "flag_outlier" not in odd, "the caller's table is left alone"


def test_real_fields_are_in_focus_and_not_empty(shared_data: Path) -> None:
    paths = sorted((shared_data / "cellular" / "images").glob("*.jpg"))[::14]
    assert len(paths) >= 3, "premise: the fields are there"
    for path in paths:
        picture = np.asarray(Image.open(path)).astype(np.float32)[:1024, :1024]
        red, green, grey = picture.transpose(2, 0, 1)
        row = field_quality(_image(np.stack([green - grey, red - grey, grey])))
        assert not row["flag_out_of_focus"] and not row["flag_empty"], path.name
        assert row["focus_EGFP"] > 0.2


def test_before_and_after_share_a_scale(frames: list[Any]) -> None:
    before = frames[0]
    lower = before.astype(np.float32) - 60
    first, second = before_after(before, lower, "EGFP")
    assert first.dtype == np.uint8 and first.shape == (400, 400)
    assert np.array_equal(first, second), "a constant alone changes nothing"
    plane = make_image(before.values[0], "YX")
    assert np.array_equal(before_after(plane, plane, "")[0], first)
    with pytest.raises(UsageError, match="unknown channel 'GFP', did you mean 'EGFP'"):
        before_after(before, lower, "GFP")
