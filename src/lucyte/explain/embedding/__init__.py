"""Maps of cells, what they may be trusted for, and new cells on old maps."""

from __future__ import annotations

from lucyte.explain.embedding.components import COMPONENTS, FEWEST
from lucyte.explain.embedding.kept import KeptMap, read_map
from lucyte.explain.embedding.layers import layer_features
from lucyte.explain.embedding.layout import METHODS, MapSettings, sweep
from lucyte.explain.embedding.maps import embed, make_map, principal_components
from lucyte.stats.neighbours import continuity, trustworthiness

__all__ = [
    "COMPONENTS",
    "FEWEST",
    "METHODS",
    "KeptMap",
    "MapSettings",
    "continuity",
    "embed",
    "layer_features",
    "make_map",
    "principal_components",
    "read_map",
    "sweep",
    "trustworthiness",
]
