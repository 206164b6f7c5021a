"""Flags of single cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lucyte.correct.cell_flags import cell_flags


def table(cells: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(20, 40, cells)
    return pd.DataFrame(
        {
            "plate": "P",
            "kind": "cell",
            "touches_border": np.zeros(cells, bool),
            "saturated_fraction_GFP": np.zeros(cells),
            "texture_step_1px_GFP": coarse * 0.5 * rng.lognormal(0, 0.08, cells),
            "texture_step_4px_GFP": coarse,
            "texture_step_1px_TL": np.full(cells, 0.01),
            "texture_step_4px_TL": np.full(cells, 5.0),
        },
        index=np.arange(100, 100 + cells),
    )


def test_each_flag_names_its_cells_and_no_other() -> None:
    cells = table()
    assert not cell_flags(cells).to_numpy().any(), "premise: good cells raise nothing"
    cells.loc[101, "touches_border"] = True
    cells.loc[102, "saturated_fraction_GFP"] = 0.2
    cells.loc[103, "texture_step_1px_GFP"] *= 0.5
    flags = cell_flags(cells)
    raised = {name: flags.index[flags[name]].tolist() for name in flags}
    assert raised == {"flag_border": [101], "flag_saturated": [102], "flag_out_of_focus": [103]}


def test_focus_needs_cells_to_compare_with_and_every_channel() -> None:
    few = table(20)
    few.loc[103, "texture_step_1px_GFP"] *= 0.1
    assert not cell_flags(few)["flag_out_of_focus"].any()
    two = table()
    two["texture_step_1px_RFP"] = two["texture_step_1px_GFP"]
    two["texture_step_4px_RFP"] = two["texture_step_4px_GFP"]
    two.loc[103, "texture_step_1px_GFP"] *= 0.5
    assert not cell_flags(two)["flag_out_of_focus"].any(), "sharp in RFP"


def test_blurred_simulated_cells_are_flagged_more_often_than_sharp_ones() -> None:
    from scipy.ndimage import gaussian_filter

    from lucyte.measure.mosaic import measure_crops
    from lucyte.schema.plan import MeasureSettings
    from lucyte.simulate.crops import crops
    from lucyte.simulate.settings import tiny_settings

    made = crops(tiny_settings(), 80, 64, 3)
    pixels = made.crops.astype(np.float64)
    pixels[:10] = gaussian_filter(pixels[:10], (0, 0, 3, 3))
    names = ("EGFP", "mRFP", "TL")
    found = measure_crops(pixels, made.masks, names, MeasureSettings())
    flags = cell_flags(found.assign(plate="P", kind="cell"))["flag_out_of_focus"].to_numpy()
    assert flags[:10].mean() >= 0.8
    assert flags[10:].mean() <= 0.1
