"""No command writes its tables and pages over a run or a model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lucyte.io.labelled import SampleOptions
from lucyte.pipeline.asked_model import Wanted
from lucyte.pipeline.challenge import ChallengeRequest, challenge
from lucyte.pipeline.classifier_folder import ClassifierRequest
from lucyte.pipeline.classify import ClassifyRequest, classify_pictures
from lucyte.pipeline.detect import detect_images
from lucyte.pipeline.explain import explain
from lucyte.pipeline.explain_request import ExplainRequest
from lucyte.pipeline.out_folder import refuse_model_out, refuse_out
from lucyte.pipeline.segment_images import segment_images
from lucyte.pipeline.track_labels import track_labels
from lucyte.pipeline.train_classifier import train_classifier
from lucyte.pipeline.train_inverse import InverseRequest, train_inverse
from lucyte.pipeline.train_objects import TrainRequest, train
from lucyte.pipeline.validate import validate_files
from lucyte.schema.errors import UsageError
from worlds.hypothesis_runs import write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("out") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return Path("run")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ask_over(verb: str, run: Path, out: Path) -> str:
    """What a command says that is told to write into ``out``."""
    options = SampleOptions()
    if verb == "challenge":
        return challenge(ChallengeRequest(Wanted(run, quiet=True), out))
    if verb == "explain":
        return explain(ExplainRequest(Wanted(run, quiet=True), out))
    if verb == "validate":
        return validate_files(run, run, "instance", out)
    if verb == "train classify":
        return train_classifier(ClassifierRequest(run, out, options))
    if verb == "train detect":
        return train(TrainRequest("detect", run, out))
    if verb == "classify":
        return classify_pictures(ClassifyRequest(run, out, run / "models" / "states"))
    if verb == "detect":
        return detect_images(run, out, {}, {}, workers=1, quiet=True)
    if verb == "segment":
        return segment_images(run, out, {}, {}, workers=1, quiet=True)
    if verb == "track":
        return track_labels(run, out, {})
    return train_inverse(InverseRequest(run, out, options, kind=verb.removeprefix("train ")))


VERBS = [
    ("challenge", "run/challenged"),
    ("explain", "run/explained"),
    ("validate", "validated"),
    ("classify", "classified"),
    ("detect", "detected"),
    ("segment", "segmented"),
    ("track", "tracks"),
    ("train classify", "model"),
    ("train detect", "model"),
    ("train invert", "inverse"),
    ("train autoencode", "autoencoder"),
]


@pytest.mark.parametrize(("verb", "usual"), VERBS)
def test_a_run_is_never_written_over(run: Path, verb: str, usual: str) -> None:
    before = contents(run)
    with pytest.raises(UsageError) as caught:
        ask_over(verb, run, run)
    assert str(caught.value) == f"run is a run; leave -o out, and it goes to {usual}."
    with pytest.raises(UsageError, match=r"^run/models/states belongs to the run .*; leave -o out"):
        ask_over(verb, run, run / "models" / "states")
    assert contents(run) == before


@pytest.mark.parametrize(("verb", "usual"), VERBS[:7])
def test_a_model_folder_holds_a_model_and_nothing_else(run: Path, verb: str, usual: str) -> None:
    shutil.copytree(run / "models" / "states", "mine")
    with pytest.raises(UsageError) as caught:
        ask_over(verb, run, Path("mine"))
    assert str(caught.value) == f"mine is a model folder; leave -o out, and it goes to {usual}."


def test_a_run_that_was_begun_counts_and_a_folder_in_it_does_not(run: Path) -> None:
    shutil.rmtree(run / "plate.zarr")
    with pytest.raises(UsageError, match="run is a run; choose another folder with -o"):
        refuse_out(run, run)
    with pytest.raises(UsageError, match="run/hypotheses belongs to the run"):
        refuse_out(run / "hypotheses", Path("run/challenged"))
    Path("link").symlink_to(run)
    with pytest.raises(UsageError, match="link is a run"):
        refuse_out(Path("link"), Path("challenged"))
    (run / "challenged").mkdir()
    (run / "challenged" / "evidence.json").write_text("[]")
    refuse_out(run / "challenged", run / "challenged")
    refuse_out(Path("elsewhere"), run / "challenged")
    Path("note.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"note.txt is a file; leave -o out"):
        refuse_out(Path("note.txt"), Path("challenged"))


def test_a_model_replaces_a_model_and_nothing_else(run: Path) -> None:
    shutil.copytree(run / "models" / "states", "mine")
    refuse_model_out(Path("mine"), Path("model"))
    Path("empty").mkdir()
    refuse_model_out(Path("empty"), Path("model"))
    Path("pictures").mkdir()
    np.save("pictures/one.npy", np.zeros(3))
    with pytest.raises(UsageError, match="pictures: exists and is no model folder; choose another"):
        refuse_model_out(Path("pictures"), Path("model"))
    with pytest.raises(UsageError, match="pictures: exists and is no model folder; choose another"):
        train_classifier(ClassifierRequest(run, Path("pictures"), SampleOptions()))
    assert Path("pictures/one.npy").exists()
