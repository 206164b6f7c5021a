"""What the command says of labels that came along."""

from __future__ import annotations

import pandas as pd
import pytest

from lucyte.pipeline.classify import _told


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
