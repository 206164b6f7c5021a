"""Cells with their relevance maps, ready for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.report.classifier_content import sample_picture
from lucyte.report.content import ExampleCell, ExplainedCell
from lucyte.schema.explanation import Explanation
from lucyte.schema.samples import Samples


def explained_cells(
    samples: Samples,
    masks: npt.NDArray[np.bool_],
    said: pd.DataFrame,
    shown: npt.NDArray[np.int64],
    explanations: Sequence[Sequence[Explanation]],
) -> tuple[ExplainedCell, ...]:
    """The cells that a person sees.

    Parameters
    ----------
    samples : Samples
        N cells; their pictures are on one scale.
    masks : bool array N Y X
    said : DataFrame
        ``state, p`` of each.
    shown : int array
        Rows, in the order of the page.
    explanations : sequence of methods, each a sequence of N Explanation
    """
    show = sample_picture(samples)
    wells = samples.levels.get("well", samples.groups)
    return tuple(
        ExplainedCell(
            ExampleCell(
                object_id=samples.names[k],
                picture=show(k),
                condition=samples.labels[k],
                well=wells[k],
                state=str(said["state"].iloc[k]),
                p=float(said["p"].iloc[k]),
                outline=masks[k],
                pixel_size_um=samples.pixel_size_um,
            ),
            tuple(method[k] for method in explanations),
        )
        for k in (int(row) for row in shown)
    )
