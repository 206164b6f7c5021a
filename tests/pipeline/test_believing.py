"""lucyte challenge and lucyte explain: on a run, and on a model with pictures."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lucyte.io.atomic import write_json
from lucyte.io.labelled import SampleOptions
from lucyte.learn.image_learner import ImageLearner, ImageSettings
from lucyte.learn.image_training import TrainingSettings
from lucyte.learn.models import save_model
from lucyte.pipeline.asked_model import Wanted, ask
from lucyte.pipeline.challenge import ChallengeRequest, _bounded, challenge
from lucyte.pipeline.explain import explain
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.pipeline.train_inverse import InverseRequest, train_inverse
from lucyte.report.method_words import method_name
from lucyte.schema.errors import UsageError
from lucyte.simulate.crops import crops
from lucyte.simulate.settings import demo_settings


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 simulated cells of both states as an array with a table."""
    made = crops(demo_settings(), 48, 40, seed=1)
    folder = tmp_path_factory.mktemp("believing")
    np.savez(folder / "cells.npz", cells=made.crops)
    table = pd.DataFrame({"state": made.labels, "group": made.groups})
    table.to_csv(folder / "cells.csv", index=False)
    return folder / "cells.npz"


@pytest.fixture(scope="module")
def options() -> SampleOptions:
    return SampleOptions(channels=("EGFP", "mRFP", "TL"))


@pytest.fixture(scope="module")
def model(pictures: Path, options: SampleOptions) -> Path:
    made = crops(demo_settings(), 48, 40, seed=1)
    settings = ImageSettings(encoder="small", width=8, training=TrainingSettings(epochs=1))
    learner = ImageLearner(("EGFP", "mRFP", "TL"), settings)
    fitted = learner.fit(made.crops, made.labels, made.groups, 0)
    folder = pictures.parent / "model"
    save_model(fitted, folder)
    return folder


def test_a_model_is_asked_about_pictures(
    model: Path, pictures: Path, options: SampleOptions
) -> None:
    asked = ask(Wanted(model, pictures, options, quiet=True))
    assert asked.samples.channels == ("EGFP", "mRFP", "TL")
    assert asked.unseen and len(asked.samples) == 48
    assert asked.learner is None  # no settings.json beside it


def test_challenge_writes_what_was_found_and_what_was_not_asked(
    model: Path, pictures: Path, options: SampleOptions
) -> None:
    out = pictures.parent / "challenged"
    wanted = Wanted(model, pictures, options, quiet=True)
    told = challenge(ChallengeRequest(wanted, out, ("background.model_relies", "seeds")))
    found = json.loads((out / "evidence.json").read_text())
    assert [each["name"] for each in found if each["name"] == "background.model_relies"]
    assert all(each["unit"] == "group" and each["n"] <= 12 for each in found)
    assert "Not asked: seeds: it is not known how such a model is made" in told
    page = (out / "report.html").read_text()
    assert "Not asked, and why" in page and "model, challenged" in page


@pytest.mark.parametrize(
    ("side", "most", "looked_at"),
    [(40, 0, (2000, 600)), (160, 0, (500, 150)), (800, 0, (240, 120)), (160, 1000, (1000, 600))],
)
def test_large_pictures_are_fewer(side: int, most: int, looked_at: tuple[int, int]) -> None:
    request = ChallengeRequest(Wanted(Path()), Path(), most_cells=most)
    found = _bounded(request, side)
    assert (found.most_crops, found.most_asked) == looked_at


def test_an_unknown_challenge_is_refused(
    model: Path, pictures: Path, options: SampleOptions
) -> None:
    request = ChallengeRequest(Wanted(model, pictures, options, quiet=True), model, ("astrology",))
    with pytest.raises(UsageError, match="unknown challenge 'astrology'"):
        challenge(request)


def test_every_map_on_the_page_stands_beside_its_exam(
    model: Path, pictures: Path, options: SampleOptions
) -> None:
    out = pictures.parent / "explained"
    wanted = Wanted(model, pictures, options, need_labels=False, quiet=True)
    methods = ("grad_cam", "occlusion")
    told = explain(ExplainRequest(wanted, out, methods, cells=2, exam_cells=12))
    found = json.loads((out / "evidence.json").read_text())
    for name in methods:
        own = [each for each in found if each["name"].startswith(f"{name}.")]
        assert {each["name"] for each in own} >= {f"{name}.deletion", f"{name}.road"}
        assert f"{method_name(name)}: " in told
        assert all(each["details"]["method"] == name for each in own)
    loose = [each for each in found if each["name"].split(".")[0] not in methods]
    assert all(each["details"]["method"] == "" for each in loose)
    import zarr

    stored = zarr.open_group(str(out / "explanations.zarr"), mode="r")
    maps = stored["occlusion"]
    assert maps.shape[1:] == (3, 40, 40)
    assert len(maps.attrs["object_id"]) == len(maps.attrs["target"]) == maps.shape[0]
    points = pd.read_parquet(out / "embeddings.parquet")
    page = (out / "report.html").read_text()
    train = f"lucyte train invert {pictures}"
    assert train in page and f"lucyte explain {model} {pictures} --counterfactual inverse" in page
    assert len(points) == 48 and {"object_id", "x", "y", "state"} <= set(points)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("crystal_ball",)}, "unknown method 'crystal_ball'"),
        ({"target": "hungry"}, "unknown class 'hungry'"),
        ({"methods": ("grad_cam",), "layer": "nowhere"}, "nowhere"),
        ({"baseline": "pink"}, "pink"),
    ],
)
def test_what_is_not_there_is_refused(
    model: Path, pictures: Path, options: SampleOptions, change: dict[str, object], message: str
) -> None:
    wanted = Wanted(model, pictures, options, need_labels=False, quiet=True)
    given: dict[str, object] = {"methods": ("occlusion",), "exam_cells": 8, "cells": 1, **change}
    with pytest.raises(UsageError, match=message):
        explain(ExplainRequest(wanted, pictures.parent / "refused", **given))  # type: ignore[arg-type]
    assert not (pictures.parent / "refused").exists()


def test_neither_run_nor_model(tmp_path: Path, pictures: Path, model: Path) -> None:
    with pytest.raises(UsageError, match="neither a finished run nor a model folder"):
        ask(Wanted(tmp_path))
    with pytest.raises(UsageError, match="give the pictures"):
        ask(Wanted(model))


def test_a_model_is_turned_round(
    model: Path, pictures: Path, options: SampleOptions, tmp_path: Path
) -> None:
    out = tmp_path / "inverse"
    with pytest.raises(UsageError, match=r"unknown squeeze 'lemon'. Allowed: px, haar"):
        train_inverse(InverseRequest(pictures, out, options, squeeze="lemon", quiet=True))
    request = InverseRequest(pictures, out, options, squeeze="haar", epochs=1, quiet=True)
    told = train_inverse(request)
    assert "that it never saw" in told and (out / "predictions.csv").is_file()
    assert json.loads((out / "model.json").read_text())["config"]["plan"]["squeeze"] == "haar"
    wanted = Wanted(model, pictures, options, need_labels=False, quiet=True)
    explained = tmp_path / "explained"
    explain(
        ExplainRequest(
            wanted, explained, ("gradient_x_input",), cells=1, exam_cells=12, counterfactual=out
        )
    )
    found = json.loads((explained / "evidence.json").read_text())
    judged = [each for each in found if each["name"].startswith("counterfactual.validity")]
    assert judged and judged[0]["n"] <= 12
    page = (explained / "report.html").read_text()
    assert "What changed:" in page and "fig-boundary" in page
    assert "Of real cells labelled" in judged[0]["why"]
    assert "learned from the same pictures" in judged[0]["assumed"][0]
    verdict = f"{model.name}, which did not draw it, (agrees|does not agree): it sees "
    assert len(re.findall(verdict, page)) == page.count("What changed:") == 2
    assert sorted(path.suffix for path in (explained / "films").iterdir()) == [".gif", ".gif"]
    with pytest.raises(UsageError, match="unknown direction 'sideways'"):
        explain(ExplainRequest(wanted, explained, counterfactual=out, direction="sideways"))
    with pytest.raises(UsageError, match="no model that can be turned round"):
        explain(ExplainRequest(wanted, explained, counterfactual=model))


def test_film_strips_come_on_the_way_or_the_page_says_why_not(
    model: Path, pictures: Path, options: SampleOptions, tmp_path: Path
) -> None:
    wanted = Wanted(model, pictures, options, need_labels=False, quiet=True)
    asked = ExplainRequest(
        wanted, tmp_path / "explained", ("gradient_x_input",), cells=1, exam_cells=12,
        film_minutes=0.01,
    )  # fmt: skip
    explain(asked)
    page = (asked.out / "report.html").read_text()
    assert page.count("What changed:") == 2
    told = r"Film strips are drawn by another model\. On \d+ groups? that it had not seen"
    assert re.search(told, page)
    assert (asked.out / "inverse" / "model.json").is_file()
    assert "lucyte train invert" not in page, "nothing is left to be done by hand"

    table = pd.read_csv(pictures.with_suffix(".csv"))
    np.savez(tmp_path / "one.npz", cells=np.load(pictures)["cells"])
    table.assign(group="one well").to_csv(tmp_path / "one.csv", index=False)
    alone = replace(wanted, data=tmp_path / "one.npz")
    explain(replace(asked, wanted=alone, out=tmp_path / "alone"))
    page = (tmp_path / "alone" / "report.html").read_text()
    assert "What changed:" not in page and "film strips" in page
    assert "lucyte train invert" in page


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 discs and bars in noise, one channel, 8 groups."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] - 16
    inside = {"round": y**2 + x**2 < 60, "long": (abs(y) < 4) & (abs(x) < 12)}
    states = [name for name in inside for _ in range(48)]
    light = np.stack([rng.normal(100, 5, (32, 32)) + 200 * inside[name] for name in states])
    folder = tmp_path_factory.mktemp("shapes")
    np.savez(folder / "cells.npz", cells=light[:, None].clip(0).astype(np.uint16))
    table = pd.DataFrame({"state": states, "group": [f"w{k % 8}" for k in range(96)]})
    table.to_csv(folder / "cells.csv", index=False)
    return folder / "cells.npz"


def test_an_autoencoder_shows_cells_otherwise_too(shapes: Path, tmp_path: Path) -> None:
    options = SampleOptions(channels=("light",))
    out = tmp_path / "drawer"
    request = InverseRequest(
        shapes, out, options, kind="autoencode", latents=8, epochs=15, quiet=True
    )
    assert "that it never saw" in train_inverse(request)
    wanted = Wanted(out, shapes, options, need_labels=False, quiet=True)
    explained = tmp_path / "explained"
    told = explain(ExplainRequest(wanted, explained, ("occlusion",), cells=1, exam_cells=8))
    assert "judged by no other model" in told
    with pytest.raises(UsageError, match="an autoencoder goes one way only"):
        explain(ExplainRequest(wanted, explained, ("occlusion",), direction="detail"))
    assert "What changed:" in (explained / "report.html").read_text()


def test_the_learner_of_a_trained_network_is_known_again(model: Path, pictures: Path) -> None:
    settings = ImageSettings(encoder="small", width=8, training=TrainingSettings(epochs=3))
    write_json(model / "settings.json", asdict(settings))
    options = SampleOptions(channels=("EGFP", "mRFP", "TL"))
    asked = ask(Wanted(model, pictures, options, quiet=True))
    assert isinstance(asked.learner, ImageLearner) and asked.learner.settings == settings
    (model / "settings.json").unlink()
