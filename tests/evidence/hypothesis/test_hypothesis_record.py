"""The record is strict, and its hash is of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lucyte.evidence.hypothesis.record import (
    Hypothesis,
    MeasurementSettings,
    canonical,
    changes,
    load_record,
    parse_record,
    sha256,
)
from lucyte.evidence.hypothesis.seen import Seen, already_seen, assumptions, channels_of
from lucyte.schema.errors import InputError, UsageError

GOOD = """
name = "spots-follow"
claim = "Cells that look starved have more spots."
[quantity]
name = "margin"
of = "starved"
[measurement]
column = "spots_count_EGFP"
[test]
relation = "positive correlation"
smallest_effect = 0.1
"""


def test_defaults_and_hash() -> None:
    record = parse_record(GOOD)
    assert (record.family, record.direction, record.test.unit) == ("spots-follow", 1, "well")
    commented = parse_record("# why\n" + GOOD.replace("0.1", "0.10  # enough"))
    assert sha256(canonical(commented)) == sha256(canonical(record))
    other = parse_record(GOOD.replace("0.1", "0.05"))
    assert sha256(canonical(other)) != sha256(canonical(record))
    assert changes(canonical(record), canonical(other)) == ["test.smallest_effect 0.1 -> 0.05"]
    assert parse_record(GOOD.replace("positive", "negative")).direction == -1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("column =", "colum =", "unknown key 'colum', did you mean 'column'?"),
        ("smallest_effect = 0.1", "", "test.smallest_effect: field required"),
        ("0.1", "0", "test.smallest_effect: input should be greater than 0, got 0"),
        ("0.1", "1.5", "a correlation is below 1"),
        ("positive corr", "postive corr", "did you mean 'positive correlation'?"),
        ('"positive correlation"', '"bigger"', "unknown relation 'bigger'. Allowed: positive"),
        ("spots-follow", "Spots follow", "name: string should match pattern"),
        ('column = "spots_count_EGFP"', "", "needs either column or channel"),
        ('column = "spots_count_EGFP"', 'channel = "EGFP"', "channel go together"),
        ('column = "s', 'later_frames = 1\ntable = "a.csv"\ncolumn = "s', "goes with no table"),
        ('of = "starved"', 'of = "starved"\nabove = 0.5', "without above"),
        ('"margin"\nof = "starved"', '"where_it_looks"', "channel go together"),
        ("0.1", "inf", "test.smallest_effect: input should be a finite number, got inf"),
        ('"spots-follow"', '"ledger"', "the name ledger is taken"),
        ("[test]", "[test", "not valid TOML"),
    ],
)
def test_refusals_say_what_is_wrong(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        parse_record(GOOD.replace(old, new), "h.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("h.toml: ")


def test_where_it_looks_has_one_form() -> None:
    text = GOOD.replace('"margin"\nof = "starved"', '"where_it_looks"')
    text = text.replace('column = "spots_count_EGFP"', 'channel = "EGFP"')
    with pytest.raises(UsageError, match="tested by greater or less, across cells"):
        parse_record(text)
    assert parse_record(text.replace("positive correlation", "greater")).direction == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such hypothesis"):
        load_record(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read as a hypothesis"):
        load_record(tmp_path)
    (tmp_path / "good.toml").write_text(GOOD)
    assert isinstance(load_record(tmp_path / "good.toml"), Hypothesis)


FEATURES = ("intensity_mean_mRFP", "ratio_mean_mRFP_to_TL", "eccentricity")


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("intensity_mean_mRFP", "intensity_mean_mRFP is one of the model's features"),
        ("spots_count_TL", "spots_count_TL is measured in TL, which the model sees"),
        ("ratio_mean_EGFP_to_mRFP", "is measured in mRFP, which the model sees"),
        ("area_px", "area_px is read off the outline, which the model sees"),
        ("p_starved", "p_starved is the model's own answer"),
        ("margin", "margin is the model's own answer"),
        ("dose", "dose is what the model was taught"),
        ("spots_count_EGFP", ""),
        ("neighbour_count", ""),
    ],
)
def test_what_the_model_sees_is_no_measurement(column: str, why: str) -> None:
    seen = Seen(channels_of(FEATURES), FEATURES, "dose")
    assert seen.channels == ("mRFP", "TL")
    found = already_seen(MeasurementSettings(column=column), seen)
    assert why in found
    assert bool(why) == bool(found)


def test_a_later_frame_and_a_foreign_table_are_assumed_unseen() -> None:
    seen = Seen(("mRFP",), FEATURES, "dose", ("EGFP",))
    later = MeasurementSettings(column="spots_count_mRFP", later_frames=2)
    assert already_seen(later, seen) == ""
    assert "what merely lasts" in assumptions(later, seen)[0]
    foreign = MeasurementSettings(column="dose", table="elisa.csv")
    assert already_seen(foreign, seen) == ""
    assert assumptions(foreign, seen) == (
        "what elisa.csv holds was made without the model and its images",
    )
    assert already_seen(MeasurementSettings(channel="mRFP"), seen).endswith("the channel mRFP")
    drawn = assumptions(MeasurementSettings(column="spots_count_EGFP"), seen)
    assert drawn == ("outlines drawn in EGFP too tell the model nothing of the claim",)
    # A later answer of the model is its own answer still.
    answer = MeasurementSettings(column="p_fed", later_frames=1)
    assert already_seen(answer, seen) == "p_fed is the model's own answer"
