"""Cells of a run brought to another side; a model remembers how large they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lucyte.io.labelled import SampleOptions
from lucyte.networks.model_folder import read_folder
from lucyte.pipeline.asked_model import Wanted, ask
from lucyte.pipeline.counterfactuals import open_turnable
from lucyte.pipeline.run_cells import read_cells, usual_side
from lucyte.pipeline.train_inverse import InverseRequest, train_inverse
from lucyte.schema.errors import UsageError

SIDE = 24


@pytest.fixture(scope="module")
def model(lean: Path) -> Path:
    out = lean.parent / "resampled"
    options = SampleOptions(side_px=SIDE, fit="resample")
    train_inverse(InverseRequest(lean, out, options, epochs=1, minutes=0.05, quiet=True))
    return out


def test_whole_cells_are_brought_to_a_side(lean: Path) -> None:
    side = usual_side(lean)
    whole, _ = read_cells(lean, side_px=side)
    small, notes = read_cells(lean, side_px=SIDE, cut_px=side)
    assert small.names == whole.names and small.images.shape[2:] == (SIDE, SIDE)
    assert f"Cells were cut out at {side} px and resampled to {SIDE} px." in notes
    light = [each.images.mean(axis=(2, 3)) for each in (whole, small)]
    assert light[1] == pytest.approx(light[0], rel=0.02), "light is averaged, not lost"
    assert whole.masks is not None and small.masks is not None and small.masks.dtype == bool
    areas = [each.masks.sum(axis=(1, 2)).mean() for each in (whole, small)]
    assert areas[1] / areas[0] == pytest.approx((SIDE / side) ** 2, rel=0.05)


def test_a_model_sees_later_cells_at_the_size_of_those_it_learned(lean: Path, model: Path) -> None:
    side = usual_side(lean)
    card = read_folder(model).card
    assert card.cut_px == side
    asked = ask(Wanted(model, lean, quiet=True))
    again, _ = read_cells(lean, side_px=SIDE, cut_px=side)
    assert np.array_equal(asked.samples.images, again.images)


def test_a_drawer_that_sees_another_scale_is_refused(lean: Path, model: Path) -> None:
    asked = ask(Wanted(model, lean, quiet=True))
    other = replace(asked, card=replace(asked.card, cut_px=0))
    assert open_turnable(model, asked, "means") is not None
    with pytest.raises(UsageError, match="train both with the same --side-px and --fit"):
        open_turnable(model, other, "means")
