"""The grammar of feature columns, and every feature in one table.

A column is ``feature``, ``feature_<channel>`` or ``feature_<channel>_to_<channel>``; where the
feature has a unit it ends the feature's name, before any channel: ``area_px``,
``intensity_mean_EGFP``, ``spots_area_px_mRFP``, ``ratio_mean_EGFP_to_mRFP``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lucyte.measure.organelle_names import organelle_rows

PAIR = "_to_"


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes
    ----------
    name : str
        Its columns start with this.
    family : str
        ``identity``, ``shape``, ``intensity``, ``texture``, ``spots``, ``neighbours``,
        ``relatives`` or ``organelles``.
    over : {"object", "channel", "pair"}
        What there is one column for.
    reach : {"own", "relatives", "field"}
        What it is computed from: the object's own pixels alone; its parent or children too;
        or the place in the field, other objects and the background.
    words : str
        What it says, with ``{0}`` and ``{1}`` for channels.
    always : bool
        Defined for every object of two px or more; otherwise nan where there is nothing to
        measure.
    """

    name: str
    family: str
    over: Literal["object", "channel", "pair"]
    reach: Literal["own", "relatives", "field"]
    words: str
    always: bool = True


FEATURES: tuple[Feature, ...] = (
    Feature("kind", "identity", "object", "field", "kind of object"),
    Feature("label", "identity", "object", "field", "number in the label image"),
    Feature("parent_label", "identity", "object", "field", "number of the parent, 0 for none"),
    Feature("x0_px", "identity", "object", "field", "left edge of the box"),
    Feature("y0_px", "identity", "object", "field", "upper edge of the box"),
    Feature("x1_px", "identity", "object", "field", "right edge of the box, half-open"),
    Feature("y1_px", "identity", "object", "field", "lower edge of the box, half-open"),
    Feature("centroid_y_px", "identity", "object", "field", "vertical position of the centre"),
    Feature("centroid_x_px", "identity", "object", "field", "horizontal position of the centre"),
    Feature("score", "identity", "object", "field", "how sure the network is of it", False),
    Feature("uncertainty", "identity", "object", "field", "how much mirroring moves it", False),
    Feature("touches_border", "identity", "object", "field", "touches the border of the image"),
    Feature("area_px", "shape", "object", "own", "area"),
    Feature("area_um2", "shape", "object", "field", "area in square micrometres"),
    Feature("perimeter_px", "shape", "object", "own", "length of the outline"),
    Feature("major_axis_px", "shape", "object", "own", "length of the fitted ellipse"),
    Feature("minor_axis_px", "shape", "object", "own", "width of the fitted ellipse"),
    Feature("eccentricity", "shape", "object", "own", "elongation, 0 for a circle"),
    Feature("orientation", "shape", "object", "field", "angle of the long axis"),
    Feature("solidity", "shape", "object", "own", "share of the convex hull that it fills"),
    Feature("form_factor", "shape", "object", "own", "roundness of the outline, 4 pi area/length²"),
    Feature("thickness_px", "shape", "object", "own", "largest depth below the outline"),
    Feature("intensity_mean", "intensity", "channel", "own", "mean {0} inside the {object}"),
    Feature("intensity_std", "intensity", "channel", "own", "spread of {0} inside the {object}"),
    Feature("intensity_min", "intensity", "channel", "own", "darkest {0} px of the {object}"),
    Feature("intensity_max", "intensity", "channel", "own", "brightest {0} px of the {object}"),
    Feature("intensity_sum", "intensity", "channel", "own", "total {0} of the {object}"),
    Feature("intensity_q05", "intensity", "channel", "own", "dark end (5 %) of {0}"),
    Feature("intensity_median", "intensity", "channel", "own", "median {0} inside the {object}"),
    Feature("intensity_q95", "intensity", "channel", "own", "bright end (95 %) of {0}"),
    Feature("intensity_skewness", "intensity", "channel", "own", "bright tail of {0}", False),
    Feature(
        "intensity_mean_corrected",
        "intensity",
        "channel",
        "field",
        "mean {0} inside the {object} above the background around it",
        False,
    ),
    Feature(
        "background", "intensity", "channel", "field", "{0} of the background around it", False
    ),
    Feature("saturated_fraction", "intensity", "channel", "field", "share of saturated {0} px"),
    Feature("ratio_mean", "intensity", "pair", "own", "mean {0} over mean {1}", False),
    Feature("correlation", "intensity", "pair", "own", "agreement of {0} and {1} px by px", False),
    Feature("texture_step_1px", "texture", "channel", "own", "graininess of {0} over 1 px"),
    Feature("texture_step_2px", "texture", "channel", "own", "graininess of {0} over 2 px", False),
    Feature("texture_step_4px", "texture", "channel", "own", "graininess of {0} over 4 px", False),
    Feature(
        "texture_correlation_1px", "texture", "channel", "own", "smoothness of {0} (1 px)", False
    ),
    Feature(
        "texture_correlation_4px", "texture", "channel", "own", "smoothness of {0} (4 px)", False
    ),
    Feature(
        "radial_edge", "texture", "channel", "own", "{0} near the outline over its mean", False
    ),
    Feature("radial_center", "texture", "channel", "own", "{0} in the middle over its mean", False),
    Feature("spots_count", "spots", "channel", "own", "number of {0} spots"),
    Feature("spots_area_px", "spots", "channel", "own", "area of {0} spots together"),
    Feature("spots_excess", "spots", "channel", "own", "{0} light that spots add, per px"),
    Feature("spots_mean", "spots", "channel", "own", "mean {0} inside {0} spots", False),
    Feature("spots_both_count", "spots", "pair", "own", "number of {1} spots that show {0} too"),
    Feature("spots_alone_count", "spots", "pair", "own", "number of {1} spots without {0}"),
    Feature(
        "spots_ratio", "spots", "pair", "own", "{0} over {1} in {1} spots, above the rest", False
    ),
    Feature("neighbour_count", "neighbours", "object", "field", "number of near neighbours"),
    Feature(
        "nearest_distance_px",
        "neighbours",
        "object",
        "field",
        "distance to the nearest of its kind",
        False,
    ),
    Feature("children_count", "relatives", "channel", "relatives", "number of {0} objects in it"),
    Feature("nucleus_fraction", "relatives", "object", "relatives", "nucleus area over cell area"),
    Feature(
        "nucleus_to_cytoplasm",
        "relatives",
        "channel",
        "relatives",
        "mean {0} of the nucleus over that of the cytoplasm",
        False,
    ),
    Feature(
        "nucleus_to_cytoplasm_corrected",
        "relatives",
        "channel",
        "field",
        "mean {0} of the nucleus over that of the cytoplasm, both above background",
        False,
    ),
)
FEATURES += tuple(Feature(*row) for row in organelle_rows())
_LONGEST_FIRST = sorted(FEATURES, key=lambda feature: -len(feature.name))


def parse(column: str) -> tuple[Feature, tuple[str, ...]] | None:
    """The feature of a column and its channels; None for a column that is no feature.

    Parameters
    ----------
    column : str
        ``intensity_mean_EGFP`` gives (``intensity_mean``, ``("EGFP",)``).
    """
    for feature in _LONGEST_FIRST:
        if feature.over == "object":
            if column == feature.name:
                return feature, ()
            continue
        if not column.startswith(feature.name + "_"):
            continue
        rest = column[len(feature.name) + 1 :]
        if feature.over == "channel":
            return feature, (rest,)
        first, found, second = rest.partition(PAIR)
        if found and first and second:
            return feature, (first, second)
    return None


def model_features(columns: Iterable[str], from_crop: bool = True) -> list[str]:
    """Columns that describe the object itself: no identity, place, neighbours or background.

    Parameters
    ----------
    columns : iterable of str
    from_crop : bool
        Only what a crop and the object's own mask give. False adds what its parent and children
        give (nucleus to cytoplasm), which a crop with one mask cannot.

    Returns
    -------
    list of str
        In the order given. A feature may still be nan where there is nothing to measure.
    """
    reach = {"own"} if from_crop else {"own", "relatives"}
    parsed = ((column, parse(column)) for column in columns)
    return [column for column, each in parsed if each is not None and each[0].reach in reach]


def describe(column: str, kind: str = "cell") -> str:
    """Words for a report: ``mean EGFP inside the cell``; the column itself where unknown."""
    each = parse(column)
    if each is None:
        return column
    feature, channels = each
    return feature.words.replace("{object}", kind).format(*channels)
