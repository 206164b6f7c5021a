"""What would this cell look like in the other class? Pictures from an invertible classifier."""

from lucyte.explain.counterfactual.closed_form import (
    Counterfactuals,
    against_control,
    counterfactual,
)
from lucyte.explain.counterfactual.paths import FilmStrips, film_strips
from lucyte.explain.counterfactual.plane import DecisionPlane, cell_plane, class_plane

__all__ = [
    "Counterfactuals",
    "DecisionPlane",
    "FilmStrips",
    "against_control",
    "cell_plane",
    "class_plane",
    "counterfactual",
    "film_strips",
]
