"""Same seed, same bytes; what is refused; what the plate says of itself."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from lucyte.schema.errors import UsageError
from lucyte.schema.image import frame, time_indices
from lucyte.simulate.layout import well_names
from lucyte.simulate.settings import WorldSettings, demo_settings, shortcut_settings, tiny_settings
from lucyte.simulate.worlds import WORLDS, simulate


def _changed(settings: WorldSettings, section: str, **values: object) -> WorldSettings:
    part = getattr(settings, section).model_copy(update=values)
    return settings.model_copy(update={section: part})


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    first, again, other = (simulate("autophagy", tiny_settings(1, 2), seed) for seed in (5, 5, 6))
    for one, same, different in zip(
        first.plate.fields, again.plate.fields, other.plate.fields, strict=True
    ):
        pixels = one.source.open().values
        assert np.array_equal(pixels, same.source.open().values)
        assert not np.array_equal(pixels, different.source.open().values)


def test_a_source_travels_and_opens_lazily() -> None:
    here = simulate("autophagy", _changed(tiny_settings(1, 3), "layout", first_time_index=1), 2)
    field = here.plate.fields[0]
    here.truth(field.field_id)
    parcel = pickle.dumps(field.source)
    assert len(parcel) < 5000, "no pixels and no caches travel"
    image = pickle.loads(parcel).open()
    assert image.dims == ("T", "C", "Y", "X")
    assert image.dtype == np.uint16
    assert time_indices(image) == field.time_indices == (1, 2, 3)
    assert list(image.coords["C"].values) == list(field.channels) == ["EGFP", "mRFP", "TL"]
    assert image.data.npartitions == 3
    assert np.array_equal(frame(image, 2).values, here.sites[0].observe(1))


def test_any_part_of_a_field_is_that_part() -> None:
    settings = _changed(tiny_settings(1, 1), "optics", shift_mrfp_px=(1.5, -0.75))
    site = simulate("autophagy", settings, 3).sites[0]
    whole = site.observe(0)
    assert np.array_equal(whole[:, 20:90, 50:130], site.observe(0, (20, 50), (70, 80)))


def test_the_demo_plate_is_what_it_is_said_to_be() -> None:
    plate = simulate("autophagy", None, 0).plate
    table = plate.table()
    assert len(plate.fields) == 24
    assert table.groupby("condition")["well"].nunique().to_dict() == {"fed": 6, "starved": 6}
    assert (table["frames"] == 5).all() and (table["height_px"] == 512).all()
    assert {field.field_id for field in plate.fields} >= {"260101-ST_C03_s1", "260101-ST_N03_s2"}


def test_plates_and_days_have_names_of_their_own() -> None:
    settings = _changed(tiny_settings(1, 1), "layout", plates=4, days=2)
    table = simulate("autophagy", settings, 0).plate.table()
    names = table.groupby("plate")["day"].unique().map(list).to_dict()
    assert names == {
        "260101-ST": ["260101"],
        "260101-ST2": ["260101"],
        "260102-ST": ["260102"],
        "260102-ST2": ["260102"],
    }
    gain = shortcut_settings("gain", base=tiny_settings(1, 1))
    apart = simulate("shortcut", gain, 0).plate.table()
    assert apart.groupby("condition")["plate"].unique().map(list).to_dict() == {
        "fed": ["260101-ST"],
        "starved": ["260101-ST2"],
    }


def test_plate_day_and_well_effects_are_switches() -> None:
    calm = _changed(tiny_settings(2, 1), "optics", well_sd=0.0)
    wells = simulate("autophagy", calm, 4).sites
    assert {site.well_effects for site in wells} == {(1.0, 1.0, 1.0)}
    assert {site.lamp for site in wells} == {(1.0, 1.0)}
    rough = _changed(_changed(calm, "optics", plate_sd=0.3, day_sd=0.2), "layout", plates=3, days=3)
    lamps = {site.plate: site.lamp for site in simulate("autophagy", rough, 4).sites}
    assert len(set(lamps.values())) == 3


@pytest.mark.parametrize(
    ("world", "settings", "message"),
    [
        ("autofagy", None, "did you mean 'autophagy'.*Allowed: autophagy, shortcut"),
        ("shortcut", demo_settings(), "needs something to plant"),
        ("autophagy", shortcut_settings("tint"), "simulate world 'shortcut' instead"),
    ],
)
def test_what_is_refused(world: str, settings: WorldSettings | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        simulate(world, settings, 0)


def test_names_that_are_not_there_are_refused() -> None:
    here = simulate("autophagy", tiny_settings(1, 1), 0)
    name = here.plate.fields[0].field_id
    with pytest.raises(UsageError, match=r"unknown field 'x'.*Allowed: 260101-ST_C03_s1"):
        here.truth("x")
    with pytest.raises(UsageError, match="unknown time index '9'"):
        here.cause_map(name, 9)
    with pytest.raises(UsageError, match="unknown cell '999'"):
        here.twin(name, 999, 0, 40)
    with pytest.raises(UsageError, match="crop_px 999: write 1 to 160"):
        here.twin(name, 1, 0, 999)
    with pytest.raises(UsageError, match="seed -1"):
        simulate("autophagy", None, -1)
    with pytest.raises(UsageError, match="a 384-well plate has 120"):
        well_names(0, 121)
    with pytest.raises(UsageError, match="unknown shortcut 'tnt', did you mean 'tint'"):
        shortcut_settings("tnt")
    with pytest.raises(UsageError, match="strength 2"):
        shortcut_settings("tint", 2)


def test_worlds_have_a_name_and_a_sentence() -> None:
    assert [row.name for row in WORLDS] == [
        "autophagy",
        "shortcut",
        "lineage",
        "leigh",
        "organelles",
    ]
    assert all(len(row.description) > 20 for row in WORLDS)
