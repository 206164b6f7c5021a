"""What to look for in images that nobody has described: from names, a look, and shipped models."""

from __future__ import annotations

import xarray as xr

from lucyte.schema.errors import InputError
from lucyte.schema.image import frame, time_indices
from lucyte.schema.plan import ObjectSettings
from lucyte.schema.plate import Field
from lucyte.segment.channels import default_objects, says_nothing

CELLULAR = {"EGFP", "mRFP", "TL"}


def choose_objects(first: Field, layout: str) -> list[ObjectSettings]:
    """Starter settings, each choice written out where a person sees and can change it.

    Cells of CELLULAR's merged pictures are found with the shipped model ``cellular``; everything
    else by thresholds. Nuclei are found better, and more slowly, with ``model = "nuclei"``.

    Parameters
    ----------
    first : Field
        A field that stands for all.
    layout : str
        How the images are named.
    """
    look = _frame(first) if any(says_nothing(name) for name in first.channels) else None
    chosen = list(default_objects(first.channels, look))
    if layout == "cellular-merged" and set(first.channels) >= CELLULAR:
        return [ObjectSettings(kind="cell", method="network", model="cellular")]
    return chosen


def _frame(first: Field) -> xr.DataArray | None:
    """The first frame, or None where it cannot be read: that is told where it is worked on."""
    try:
        image = first.source.open()
        return frame(image, time_indices(image)[0])
    except InputError:
        return None
