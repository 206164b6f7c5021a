"""Features of objects from their own pixels alone: the same in the field and in a crop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.measure.columns import PAIR
from lucyte.measure.intensity import (
    correlation,
    intensity_features,
    texture_features,
    thickness,
)
from lucyte.measure.regions import Floats, Regions
from lucyte.measure.shape import chamfer_depth, shape_features
from lucyte.measure.spots import Spots, find_spots, pair_features, spot_features
from lucyte.measure.stains import ratio_pairs, spot_channels
from lucyte.schema.plan import MeasureSettings

Columns = dict[str, npt.NDArray[Any]]


def own_features(
    objects: Regions, planes: Mapping[str, Floats], settings: MeasureSettings
) -> Columns:
    """Place, shape, intensity, texture and spots of every object.

    Parameters
    ----------
    objects : Regions
    planes : mapping of channel to float array Y X
        Raw units.
    settings : MeasureSettings
        Families, ratios, spot channels and spot diameter.

    Returns
    -------
    dict of column to array n
        Boxes and centres always; the rest by family.
    """
    families = set(settings.families)
    shape = shape_features(objects)
    depth = chamfer_depth(objects.index) if families & {"shape", "texture"} else None
    if "shape" in families and depth is not None:
        shape["thickness_px"] = thickness(objects, depth)
    kept = shape if "shape" in families else {k: v for k, v in shape.items() if k in _PLACE}
    out: Columns = dict(kept)
    for channel, plane in planes.items():
        if "intensity" in families:
            _add(out, intensity_features(objects, plane), channel)
        if "texture" in families and depth is not None:
            _add(out, texture_features(objects, plane, depth), channel)
    spots: dict[str, Spots] = {}
    for channel in spot_channels(tuple(planes), settings):
        spots[channel] = find_spots(objects, planes[channel], settings.spot_diameter_px)
        _add(out, spot_features(objects, planes[channel], spots[channel]), channel)
    _add_pairs(out, objects, planes, spots, settings)
    return out


_PLACE = (
    "x0_px",
    "y0_px",
    "x1_px",
    "y1_px",
    "centroid_y_px",
    "centroid_x_px",
    "touches_border",
    "area_px",
)


def _add_pairs(
    out: Columns,
    objects: Regions,
    planes: Mapping[str, Floats],
    spots: Mapping[str, Spots],
    settings: MeasureSettings,
) -> None:
    for first, second in ratio_pairs(tuple(planes), settings):
        suffix = f"{first}{PAIR}{second}"
        if "intensity" in settings.families:
            above, below = out[f"intensity_mean_{first}"], out[f"intensity_mean_{second}"]
            ratio = np.full(len(objects), np.nan)
            np.divide(above, below, out=ratio, where=below > 0)
            out[f"ratio_mean_{suffix}"] = ratio
            out[f"correlation_{suffix}"] = correlation(objects, planes[first], planes[second])
        if first in spots and second in spots:
            pair = (planes[first], spots[first]), (planes[second], spots[second])
            _add(out, pair_features(objects, *pair), suffix)


def _add(out: Columns, features: Mapping[str, npt.NDArray[Any]], suffix: str) -> None:
    for name, values in features.items():
        out[f"{name}_{suffix}"] = values
