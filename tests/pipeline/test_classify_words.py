"""What the command says of labels that came along."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lucyte.pipeline.classify import ClassifyRequest, _told, classify_pictures
from lucyte.schema.errors import UsageError


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        (["up", "up", "", ""], "50.0% as labelled (not a test if the model learned from them)."),
        (["hoch", "", "", ""], "Labels that are no class of the model: hoch."),
        (["hoch", "up", "", ""], "model: hoch. 100.0% as labelled (not a test if the model"),
        (["", "", "", ""], "4 pictures: 3 down, 1 up."),
    ],
)
def test_labels_that_the_model_does_not_know_are_not_counted_as_errors(
    truth: list[str], told: str
) -> None:
    table = pd.DataFrame({"state": ["down", "up", "down", "down"], "truth": truth})

    text = _told(table, ("down", "up"))

    assert told in text
    assert ("0.0% as labelled" in text) == ("0.0% as labelled" in told)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan")])
def test_a_pixel_size_that_is_none_is_refused(tmp_path: Path, size: float) -> None:
    request = ClassifyRequest(tmp_path, tmp_path / "out", tmp_path / "model", pixel_size_um=size)
    with pytest.raises(UsageError, match=r"--pixel-size-um is .*; a size is above 0\."):
        classify_pictures(request)
