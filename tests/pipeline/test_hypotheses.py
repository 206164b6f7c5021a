"""Hypotheses on a run: answers, refusals, and what is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from lucyte.evidence.hypothesis.ledger import Ledger
from lucyte.evidence.hypothesis.record import Hypothesis, load_record, parse_record, sha256
from lucyte.io.write_table import read_parquet, write_parquet
from lucyte.learn.crops import CropLearner
from lucyte.learn.models import load_model, save_model
from lucyte.pipeline.hypotheses import stored_findings
from lucyte.pipeline.hypotheses import test_hypothesis as put_to_the_test
from lucyte.pipeline.hypothesis_quantities import QUANTITIES
from lucyte.pipeline.hypothesis_starter import starter_record
from lucyte.pipeline.hypothesis_view import held_out, units_of
from lucyte.schema.errors import InputError, LucyteError, UsageError
from lucyte.schema.finding import Finding
from worlds.hypothesis_runs import CELLS, MAPPED, write_run

Ask = Callable[..., tuple[Finding, ...]]

PAIRED = {"relation": "positive correlation", "smallest_effect": 0.2}
MARGIN = {"name": "margin", "of": "starved"}
SPOTS = {"column": "spots_count_EGFP"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("hypotheses") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def ask(run: Path) -> Ask:
    """Write a record of these sections and test it."""

    def put(name: str = "one", **sections: dict[str, object] | bool) -> tuple[Finding, ...]:
        return put_to_the_test(run, write(run.parent, name, **sections), quiet=True)

    return put


def write(folder: Path, name: str, **sections: dict[str, object] | bool) -> Path:
    given = {"quantity": MARGIN, "measurement": SPOTS, "test": PAIRED, **sections}
    lines = [f'name = "{name}"', 'claim = "Cells that look starved have more spots."']
    for key, value in given.items():
        if isinstance(value, bool):
            lines.append(f"{key} = {str(value).lower()}")
    for key, value in given.items():
        if isinstance(value, dict):
            lines += [f"[{key}]", *(f"{k} = {json.dumps(v)}" for k, v in value.items())]
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines))
    return path


def mean_rho(table: pd.DataFrame, column: str) -> float:
    """Mean over wells of Spearman's correlation with the margin."""
    groups = [here for _, here in table.groupby("well")]
    return float(np.mean([here["margin"].corr(here[column], "spearman") for here in groups]))


def test_a_true_claim_is_supported_and_kept(run: Path, ask: Ask) -> None:
    (found,) = ask()
    table = read_parquet(run / "objects.parquet")
    assert found.statistic == pytest.approx(mean_rho(table, "spots_count_EGFP"), abs=1e-9)
    assert list(found.details["per_unit"]) == [f"p/W{k:02d}" for k in range(8)]
    assert (found.name, found.group, found.verdict) == ("hypothesis.one", "hypothesis", "pass")
    assert (found.n, found.unit, found.details["p"]) == (8, "well", 2 / 2**8)
    assert found.why.startswith("Supported: the effect is 0.8")
    assert found.details["model_sees"] == ["mRFP"]
    assert {path.name for path in (run / "hypotheses").iterdir()} == {
        "ledger.json",
        "one.toml",
        "one.json",
    }
    kept = json.loads((run / "evidence.json").read_text())
    assert [each["name"] for each in kept] == ["hypothesis.one"]
    assert stored_findings(run) == (found,)


def test_computing_the_test_twice_gives_the_same(run: Path, ask: Ask) -> None:
    first = ask()
    files = {path.name: path.read_bytes() for path in (run / "hypotheses").iterdir()}
    assert ask() == first
    assert {path.name: path.read_bytes() for path in (run / "hypotheses").iterdir()} == files


def test_a_false_claim_is_falsified_and_the_failure_is_kept(run: Path, ask: Ask) -> None:
    (found,) = ask(measurement={"column": "intensity_mean_EGFP"})
    assert (found.verdict, found.details["answer"]) == ("fail", "falsified")
    assert found.high is not None
    assert found.high < 0.2
    variant = {**PAIRED, "smallest_effect": 0.3, "family": "one"}
    other = ask("two", measurement={"column": "intensity_mean_EGFP"}, test=variant)
    assert other[0].details["asked_before"] == ["one"]
    assert other[0].why.endswith("Asked before as 'one', which was falsified.")
    assert found.details["asked_before"] == []
    assert "Asked before" not in found.why
    kept = [each["name"] for each in json.loads((run / "evidence.json").read_text())]
    assert sorted(kept) == ["hypothesis.one", "hypothesis.two"]


def test_what_was_asked_before_and_came_to_nothing_is_told_too(run: Path, ask: Ask) -> None:
    ask(sample={"conditions": ["fed"]})
    Ledger(run / "hypotheses").freeze(
        load_record(write(run.parent, "two", sample={"conditions": ["starved"]})), "two\n"
    )
    (run / "hypotheses" / "two.toml").unlink()
    (found,) = ask("three")
    assert found.why.endswith(
        "Asked before as 'one', which stayed open; as 'two', which was not tested."
    )


@pytest.mark.parametrize(
    "sample",
    [
        {"kind": "cell"},
        {"conditions": ["fed", "starved"]},
        {"held_out": 0.999, "seed": 5},
        {"time_indices": [0, 1]},
    ],
)
def test_the_same_cells_by_another_name_are_the_same_question(
    run: Path, ask: Ask, sample: dict[str, object]
) -> None:
    ask()
    with pytest.raises(UsageError, match=r"'two' asks what 'one' \(frozen on .* asked once, and "):
        ask("two", sample=sample, test={**PAIRED, "family": "one"})
    assert len(Ledger(run / "hypotheses").entries) == 2
    assert not (run / "hypotheses" / "two.toml").exists()


@pytest.fixture
def asked_thrice(run: Path, ask: Ask) -> Path:
    """One true claim, one false one, and one more; two entries each."""
    ask("h1")
    ask("h2", measurement={"column": "intensity_mean_EGFP"})
    ask("h3", sample={"conditions": ["fed"]})
    return run


def cut(run: Path, keep: slice) -> None:
    path = run / "hypotheses" / "ledger.json"
    path.write_text(json.dumps(json.loads(path.read_text())[keep]))


def rewrite(run: Path, order: list[int]) -> None:
    """Write the ledger anew with these entries, every hash and number right."""
    path = run / "hypotheses" / "ledger.json"
    entries, before, out = json.loads(path.read_text()), "", []
    for number, k in enumerate(order, 1):
        rest = {key: value for key, value in entries[k].items() if key != "entry_sha256"}
        whole = {**rest, "order": number, "before": before}
        before = sha256(whole)
        out.append({**whole, "entry_sha256": before})
    path.write_text(json.dumps(out))


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("tail", "holds no entry of 'h3', kept in h3.json, h3.toml, evidence.json. Restore"),
        ("last test", "holds 0 of 1 tests of 'h3', as h3.json tells. Restore ledger.json from a"),
        ("gone", "ledger.json: is gone, and with it the entries of 'h1', kept in h1.json, h1"),
        ("gone, evidence too", "is gone, and with it the entries of 'h1', kept in h1.json, h1.to"),
        ("folder gone", "is gone, and with it the entries of 'h2', kept in evidence.json; 'h3'"),
        ("only a text left", "holds no entry of 'h3', kept in h3.toml. Restore ledger.json"),
        ("reordered", r"has 'h1' as entry 3 of .*, which was entry 1 of .*, as h1.json tells"),
        ("renumbered", "holds no entry of 'h1', kept in h1.json, h1.toml, evidence.json"),
        ("other test", "holds another test of 'h1', as h1.json tells"),
    ],
)
def test_a_ledger_that_lacks_what_was_kept_is_refused(
    asked_thrice: Path, how: str, told: str
) -> None:
    run, folder = asked_thrice, asked_thrice / "hypotheses"
    if how in ("tail", "only a text left"):
        cut(run, slice(-2))
    elif how == "last test":
        cut(run, slice(-1))
    elif how == "folder gone":
        shutil.rmtree(folder)
    elif how.startswith("gone"):
        (folder / "ledger.json").unlink()
    elif how == "reordered":
        rewrite(run, [2, 3, 0, 1, 4, 5])
    elif how == "renumbered":
        rewrite(run, [2, 3, 4, 5])
    else:
        kept = json.loads((folder / "h1.json").read_text())
        kept["finding"]["details"]["per_unit"]["p/W00"] = 0.0
        (folder / "h1.json").write_text(json.dumps(kept))
    if how == "gone, evidence too":
        (run / "evidence.json").unlink()
    elif how == "only a text left":
        (folder / "h3.json").unlink()
        (run / "evidence.json").write_text("[]")
    before = {path: path.read_bytes() for path in folder.glob("*")}
    asked = write(run.parent, "h1", test={**PAIRED, "smallest_effect": 0.01})
    with pytest.raises(InputError, match=told):
        put_to_the_test(run, asked, quiet=True)
    with pytest.raises(InputError, match=told):
        stored_findings(run)
    assert {path: path.read_bytes() for path in folder.glob("*")} == before


def test_a_kept_text_that_was_edited_is_refused(asked_thrice: Path) -> None:
    path = asked_thrice / "hypotheses" / "h2.toml"
    path.write_text(path.read_text() + "\n# a comment changes nothing\n")
    assert len(stored_findings(asked_thrice)) == 3
    path.write_text(path.read_text().replace("0.2", "0.1"))
    with pytest.raises(InputError, match=r"h2.toml: is not the record that was frozen \(test.sma"):
        stored_findings(asked_thrice)


def test_failures_outlive_the_files_that_told_of_them(asked_thrice: Path, ask: Ask) -> None:
    run, folder = asked_thrice, asked_thrice / "hypotheses"
    before = {each.name: each for each in stored_findings(run)}
    assert before["hypothesis.h2"].verdict == "fail"
    for name in ("h1.json", "h2.json", "h2.toml"):
        (folder / name).unlink()
    (run / "evidence.json").unlink()
    (first, second) = ask("h1")
    assert first == before["hypothesis.h1"]
    assert (second.name, second.verdict) == ("hypothesis.h2", "fail")
    assert second.why == (
        before["hypothesis.h2"].why + " Its kept answer was gone; the ledger gave this one again."
    )
    told = json.loads((run / "evidence.json").read_text())
    assert sorted(each["name"] for each in told) == sorted(before)
    assert json.loads((folder / "h2.json").read_text())["finding"]["verdict"] == "fail"


def test_an_answer_is_drawn_from_the_ledger_whatever_its_file_says(
    asked_thrice: Path, ask: Ask
) -> None:
    path = asked_thrice / "hypotheses" / "h2.json"
    true = stored_findings(asked_thrice)
    kept = json.loads(path.read_text())
    kept["finding"] |= {"verdict": "pass", "why": "Supported."}
    path.write_text(json.dumps(kept))
    assert stored_findings(asked_thrice) == true
    ask("h1")
    assert json.loads(path.read_text())["finding"]["verdict"] == "fail"


def test_too_few_units_are_inconclusive_with_the_number_needed(ask: Ask) -> None:
    (found,) = ask(
        sample={"conditions": ["fed"]}, test={**PAIRED, "smallest_effect": 0.1, "spread": 0.2}
    )
    assert (found.verdict, found.low, found.n) == ("inconclusive", None, 4)
    assert "4 wells allow no interval (at least 6 are needed)" in found.why
    assert "about 34 wells are needed for 80% power" in found.why


def test_a_family_is_answered_together(ask: Ask) -> None:
    first = ask(test={**PAIRED, "family": "f"})
    assert first[0].details["p_adjusted"] == 2 / 2**8
    both = ask("two", measurement={"column": "intensity_mean_EGFP"}, test={**PAIRED, "family": "f"})
    assert [each.name for each in both] == ["hypothesis.two", "hypothesis.one"]
    assert [each.details["family_members"] for each in both] == [2, 2]
    assert both[1].details["p_adjusted"] == 4 / 2**8
    assert both[1].details["model_sees"] == ["mRFP"]
    assert [each.verdict for each in both] == ["fail", "pass"]


def test_other_data_are_another_test_and_both_are_kept(run: Path, ask: Ask) -> None:
    (before,) = ask()
    table = read_parquet(run / "objects.parquet")
    rng = np.random.default_rng(1)
    write_parquet(
        table.assign(spots_count_EGFP=rng.normal(size=len(table))), run / "objects.parquet"
    )
    (after,) = ask()
    assert (before.verdict, after.verdict) == ("pass", "fail")
    assert after.details["earlier_tests"] == [before.statistic]
    assert "It was tested on 2 states of the data; all are kept." in after.why


def test_a_changed_record_is_refused_before_anything_is_computed(run: Path, ask: Ask) -> None:
    ask()
    with pytest.raises(UsageError, match=r"'one' was frozen on .* \(test.smallest_effect 0.2 -> "):
        ask(test={**PAIRED, "smallest_effect": 0.05})
    assert json.loads((run / "evidence.json").read_text())[0]["details"]["smallest_effect"] == 0.2


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"measurement": {"column": "spots_count_mRFP"}}, "is measured in mRFP, which the model"),
        ({"measurement": {"column": "area_px"}}, "area_px is read off the outline"),
        ({"measurement": {"column": "p_fed"}}, "p_fed is the model's own answer"),
        ({"measurement": {"column": "condition"}}, "condition is what the model was taught"),
        ({"measurement": {"column": "label"}}, "which names an object and measures nothing"),
        ({"measurement": {"column": "spots_count_EGF"}}, "did you mean 'spots_count_EGFP'"),
        ({"quantity": {"name": "margn"}}, "unknown quantity 'margn', did you mean 'margin'"),
        ({"quantity": {**MARGIN, "of": "starvd"}}, "unknown class 'starvd', did you mean 'star"),
        ({"quantity": {"name": "relevance_in_cell", "of": "x"}}, "leave out quantity.of"),
        ({"quantity": {"name": "relevance_in_channel", "of": "GFP"}}, "unknown channel 'GFP'"),
        (
            {"quantity": {"name": "embedding", "of": "z"}, "interventional": True},
            "unknown axis 'z'. Allowed: x, y",
        ),
        ({"sample": {"conditions": ["feed"]}}, "unknown condition 'feed', did you mean 'fed'"),
        ({"sample": {"time_indices": [7]}}, "unknown time_index '7'"),
        ({"sample": {"kind": "nucleus"}}, "unknown kind 'nucleus'. Allowed: auto, cell"),
        ({"test": {**PAIRED, "unit": "object_id"}}, "cells of one field are not independent"),
        ({"test": {**PAIRED, "unit": "donor"}}, "unknown unit 'donor'"),
        ({"test": {**PAIRED, "unit": "day"}}, "some objects have no day"),
        ({"test": {**PAIRED, "relation": "greater"}}, "set quantity.above"),
        ({"measurement": {"column": "x", "table": "none.csv"}}, "no such table"),
        ({"measurement": {"column": "x", "table": "elsewhere.csv"}}, "meets a cell of the run by"),
        ({"measurement": {"column": "x", "table": "twice.csv"}}, "W00 stands twice; give one"),
        ({"measurement": {"column": "x", "table": "keyless.csv"}}, "it needs object_id, field_id"),
        ({"measurement": {"column": "y", "table": "wells.csv"}}, "unknown column 'y'"),
        ({"measurement": {"column": "word", "table": "wells.csv"}}, "'word' holds no numbers"),
        ({"measurement": {"column": "x", "table": "wells.csv"}}, 'test.across = "units"'),
        ({"model": {"use": "MODEL"}}, "learned from these very cells"),
        (
            {"model": {"use": "OTHER"}, "quantity": {"name": "relevance_in_cell"}},
            "kept of the run's own model alone",
        ),
    ],
)
def test_bad_input_is_refused_and_nothing_is_frozen(
    run: Path, ask: Ask, sections: dict[str, dict[str, object]], message: str
) -> None:
    (run.parent / "elsewhere.csv").write_text("well,x\nZ09,1\n")
    (run.parent / "twice.csv").write_text("well,x\nW00,1\nW00,2\n")
    (run.parent / "keyless.csv").write_text("hole,x\nW00,1\n")
    rows = "".join(f"W{k:02d},{k},a\n" for k in range(8))
    (run.parent / "wells.csv").write_text("well,x,word\n" + rows)
    if "model" in sections:
        own = run / "models" / "states"
        other = save_model(load_model(own), run.parent / "other")
        use = own if sections["model"]["use"] == "MODEL" else other
        sections = {**sections, "model": {"use": str(use)}}
    with pytest.raises(LucyteError) as caught:
        ask(**sections)
    assert message in str(caught.value)
    assert not (run / "hypotheses").exists()


def test_interventional_may_measure_what_the_model_sees(ask: Ask) -> None:
    (found,) = ask(measurement={"column": "spots_count_mRFP"}, interventional=True)
    assert found.verdict == "pass"
    assert found.assumed[0] == "interventional: it tests the model, not the sample"


def test_a_table_made_elsewhere_over_units(run: Path, ask: Ask) -> None:
    rows = "".join(f"W{k:02d},{(k % 2) * 10 + k}\n" for k in range(8))
    (run.parent / "elisa.csv").write_text("well,protein\n" + rows)
    (found,) = ask(
        measurement={"column": "protein", "table": "elisa.csv"}, test={**PAIRED, "across": "units"}
    )
    measured = {f"p/W{k:02d}": float((k % 2) * 10 + k) for k in range(8)}
    assert found.details["per_unit"] == measured
    assert found.details["design"] == "unit correlation"
    assert "what elisa.csv holds was made without the model and its images" in found.assumed
    assert "answers of models of different folds share one scale" in found.assumed


def test_a_later_frame_follows_the_tracks(run: Path, ask: Ask) -> None:
    (found,) = ask(measurement={"column": "spots_count_mRFP", "later_frames": 1})
    table = read_parquet(run / "objects.parquet")
    first, second = (table[table["time_index"] == k].reset_index() for k in range(2))
    pairs = first.assign(later=second["spots_count_mRFP"])
    assert found.statistic == pytest.approx(mean_rho(pairs, "later"), abs=1e-9)
    assert found.details["cells_with_measurement"] == 8 * CELLS
    assert "What merely lasts from frame to frame would look the same." in found.why


def test_where_the_model_looks_there_is_more_of_a_channel(ask: Ask) -> None:
    looks = {"quantity": {"name": "where_it_looks"}, "measurement": {"channel": "EGFP"}}
    test = {"relation": "greater", "smallest_effect": 0.5}
    (found,) = ask(**looks, test=test)
    assert found.verdict == "pass"
    assert found.details["maps"] == f"{8 * MAPPED} of {8 * CELLS * 2} cells have a map"
    assert found.details["cells_with_measurement"] == 8 * MAPPED
    assert found.statistic_name == "enrichment where it looks (SD of the cell's px)"
    with pytest.raises(UsageError, match="the model sees the channel mRFP"):
        ask("two", quantity={"name": "where_it_looks"}, measurement={"channel": "mRFP"}, test=test)
    with pytest.raises(UsageError, match="unknown channel 'EGF', did you mean 'EGFP'"):
        ask("two", quantity={"name": "where_it_looks"}, measurement={"channel": "EGF"}, test=test)


@pytest.mark.parametrize("name", ["relevance_in_cell", "relevance_mass"])
def test_relevance_of_cells_that_have_maps(ask: Ask, name: str) -> None:
    (found,) = ask(quantity={"name": name})
    assert found.details["cells_with_quantity"] == 8 * MAPPED
    assert "maps are of the model that was fitted on all cells" in found.assumed


def test_share_of_a_channel_that_never_varies_is_undefined(ask: Ask) -> None:
    (found,) = ask(quantity={"name": "relevance_in_channel", "of": "mRFP"})
    assert np.isnan(found.statistic)
    assert "(8: the same the model says of all its cells)" in found.why


def test_the_map_of_cells_sees_every_feature(ask: Ask) -> None:
    with pytest.raises(UsageError, match="spots_count_EGFP is one of the model's features"):
        ask(quantity={"name": "embedding", "of": "x"})


def test_states_part_cells_into_groups(ask: Ask) -> None:
    (found,) = ask(
        quantity={"name": "state", "of": "starved"},
        test={"relation": "greater", "smallest_effect": 0.5},
    )
    assert found.verdict == "pass"
    assert found.statistic_name == "increase of spots_count_EGFP"


def test_a_model_folder_is_asked_of_the_cells_that_were_kept(run: Path, ask: Ask) -> None:
    other = save_model(load_model(run / "models" / "states"), run.parent / "other")
    (found,) = ask(model={"use": str(other)}, quantity={"name": "probability", "of": "starved"})
    # The pictures' mRFP is chance, and the model says so.
    assert found.details["cells_with_quantity"] == 8 * CELLS
    assert found.verdict != "pass"
    assert f"{other} never learned from the cells of this run" in found.assumed


def test_a_model_of_pictures_sees_every_channel_that_it_takes(run: Path, ask: Ask) -> None:
    rng = np.random.default_rng(0)
    crops, labels = rng.normal(size=(16, 1, 24, 24)), ["fed", "starved"] * 8
    learned = CropLearner(("EGFP",)).fit(crops, labels, [f"g{k % 4}" for k in range(16)], 0)
    other = save_model(learned, run.parent / "pictures")
    with pytest.raises(UsageError, match="is measured in EGFP, which the model sees"):
        ask(model={"use": "pictures"})
    (found,) = ask(model={"use": "pictures"}, measurement={"column": "spots_count_mRFP"})
    assert found.details["model_sees"] == ["EGFP"]
    assert found.details["cells_with_quantity"] == 8 * CELLS
    assert other.name == "pictures"


def test_held_out_units_are_drawn_evenly_and_again_the_same(run: Path) -> None:
    table = read_parquet(run / "objects.parquet").assign(unit=lambda t: t["well"])
    half = held_out(table, 0.5, 3)
    assert half == held_out(table, 0.5, 3)
    assert len(half) == 4
    assert sum(int(name[1:]) % 2 for name in half) == 2
    assert len(held_out(table, 1.0, 3)) == 8
    assert set(units_of(table, "well")) == {f"p/W{k:02d}" for k in range(8)}


def test_a_starter_has_the_names_of_the_run(run: Path, ask: Ask) -> None:
    text = starter_record(run)
    record = parse_record(text)
    assert (record.quantity.of, record.measurement.column) == ("starved", "spots_count_EGFP")
    assert "The model sees: mRFP" in text
    assert 'channel = "EGFP"' in text
    path = run.parent / "starter.toml"
    path.write_text(text)
    assert put_to_the_test(run, path, quiet=True)[0].verdict == "pass"


def test_no_run_no_model_no_maps(run: Path, ask: Ask) -> None:
    with pytest.raises(UsageError, match="holds no finished run; make one with: lucyte run"):
        put_to_the_test(run.parent, write(run.parent, "x"), quiet=True)
    shutil.rmtree(run / "explanations.zarr")
    with pytest.raises(UsageError, match=r"holds no relevance maps; set explain.enabled"):
        ask(quantity={"name": "relevance_in_cell"})
    shutil.rmtree(run / "models")
    with pytest.raises(UsageError, match="learned no states, so it has no model to ask"):
        ask()
    (run / "hypotheses").mkdir()
    (run / "hypotheses" / "ledger.json").write_text("[1]")
    with pytest.raises(InputError, match="entry 1 is no entry"):
        ask()


def test_the_page_names_every_key_and_every_quantity() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "hypotheses.md").read_text("utf-8")
    for name, field in Hypothesis.model_fields.items():
        inner = field.annotation
        nested = isinstance(inner, type) and issubclass(inner, BaseModel)
        keys = [f"{name}.{each}" for each in inner.model_fields] if nested else [name]
        assert [key for key in keys if f"`{key}`" not in page] == []
    assert [each.name for each in QUANTITIES if f"`{each.name}`" not in page] == []


def test_on_a_real_run(finished: Path, tmp_path: Path) -> None:
    """Maps, pictures, label images and the map of cells as a run writes them."""
    shutil.copytree(finished, tmp_path / "home" / "run")
    (tmp_path / "home" / "plate").symlink_to(finished.parent / "plate")
    run = tmp_path / "home" / "run"
    for name, of in (("relevance_in_structure", "cell"), ("embedding", "x"), ("margin", "fed")):
        path = write(
            tmp_path,
            name.replace("_", "-"),
            quantity={"name": name, "of": of},
            measurement={"column": "neighbour_count"},
        )
        (found,) = put_to_the_test(run, path, quiet=True)
        assert found.unit == "well"
        assert found.details["cells_with_quantity"] >= 4
    assert "The model sees: EGFP, mRFP, TL" in starter_record(run)
    assert "the model sees every channel; leave one out with classify.exclude" in starter_record(
        run
    )
    with pytest.raises(UsageError, match=r"which the model sees|is one of the model's features"):
        put_to_the_test(run, write(tmp_path, "seen"), quiet=True)
