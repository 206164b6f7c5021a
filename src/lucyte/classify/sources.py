"""The cells of a run as samples."""

from __future__ import annotations

import numpy as np

from lucyte.schema.crops import CropSet
from lucyte.schema.errors import UsageError
from lucyte.schema.samples import Samples


def samples_of_crops(crops: CropSet, pixel_size_um: float | None = None) -> Samples:
    """One run's cells as samples; places without a cell are left aside.

    Names are object ids, groups and unit those of the crops; field, frame and, where groups are
    ``plate/well``, plate and well are levels.

    Parameters
    ----------
    crops : CropSet
    pixel_size_um : float or None

    Raises
    ------
    UsageError
        No cell.
    """
    cells = crops.of_kind("cell")
    if not len(cells):
        raise UsageError("there are no crops of cells to classify.")
    levels: dict[str, tuple[str, ...]] = {}
    if len(set(cells.field_ids)) > 1:
        levels["field"] = cells.field_ids
    if len(np.unique(cells.time_index)) > 1:
        levels["frame"] = tuple(str(each) for each in cells.time_index)
    if cells.unit == "well":
        levels["well"] = tuple(each.rpartition("/")[2] for each in cells.groups)
        if all("/" in each for each in cells.groups):
            levels["plate"] = tuple(each.rpartition("/")[0] for each in cells.groups)
    return Samples(
        images=cells.crops,
        channels=cells.channels,
        names=cells.object_ids,
        labels=cells.labels,
        groups=cells.groups,
        unit=cells.unit,
        levels=levels,
        masks=cells.masks,
        pixel_size_um=pixel_size_um,
    )
