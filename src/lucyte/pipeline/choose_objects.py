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

    Cells of CELLULAR's merged pictures are found with the shipped model ``cellular``, nuclei of a
    channel that is called by a nuclear stain with ``nuclei``; everything else by thresholds, and
    nuclei in stacks too, for which the model takes minutes.

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
    if first.z_planes > 1:
        return chosen
    return [_by_network(each) if each.kind == "nucleus" else each for each in chosen]


def _by_network(settings: ObjectSettings) -> ObjectSettings:
    if settings.method != "threshold" or len(settings.channels) != 1:
        return settings
    return settings.model_copy(update={"method": "network", "model": "nuclei"})


def _frame(first: Field) -> xr.DataArray | None:
    """The first frame, or None where it cannot be read: that is told where it is worked on."""
    try:
        image = first.source.open()
        return frame(image, time_indices(image)[0])
    except InputError:
        return None
