r"""Where the relevance lies: inside the cell, inside a structure, and where its peak is.

.. math:: M = \frac{\sum_{p \in S} R^+(p)}{\sum_p R^+(p)}

with :math:`R^+` the positive relevance of all channels.

References
----------
Gadelha et al. 2024, doi 10.1109/CVPRW63382.2024.00699 (Grad-CAMO: S is the cell). Zhang et al.
2018, doi 10.1007/s11263-017-1059-x (pointing game). Arras et al. 2022,
doi 10.1016/j.inffus.2021.11.008 (relevance mass accuracy).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.examined import Examined, ExamSettings, Masks
from lucyte.evidence.explanation.judging import Question, Score, beside_controls, undecided
from lucyte.schema.finding import Finding

Floats = npt.NDArray[np.float64]


CHANCE = ("moved", "random")
"""Controls of the cell exam: cells lie in the centre and are bright, so that a central spot, edges
and bright pixels lie in the cell whatever the model does."""


def inside_cell(case: Examined, settings: ExamSettings) -> Finding:
    """Share of the relevance inside the cell (Grad-CAMO)."""
    asked = Question(
        "inside_cell",
        "Does the relevance lie in the cell?",
        "Share of the relevance in the cell",
        "More of the relevance lies in the cell than by chance.",
        ("the outline of the cell is right", "where a map points the model looks"),
        beats=CHANCE,
    )
    if case.shows_cell_alone:
        return undecided(
            case,
            asked,
            "Void: these crops, or the model by its mask, show the cell alone, so that no "
            "relevance can lie beside it. Ask on crops that are not multiplied by the mask.",
            void=True,
        )
    found = beside_controls(case, settings, asked, mass_inside())
    if not found.details.get("scores"):
        return found
    return replace(
        found,
        why=f"{found.why} The cell fills {case.masks.mean():.0%} of the crop.",
        details={**found.details, "area": float(case.masks.mean())},
    )


def inside_structure(case: Examined, settings: ExamSettings) -> list[Finding]:
    """Share of the relevance inside each given structure."""
    return [
        _on_structure(
            case,
            settings,
            name,
            Question(
                f"inside_structure.{name}",
                f"Does the relevance lie in the {name}?",
                f"Share of the relevance in the {name}",
                f"More of the relevance lies in the {name} than with any control.",
                ("the outline of the structure is right", "where a map points the model looks"),
                blur="beaten",
            ),
            mass_inside(name),
        )
        for name in case.structures
    ]


def pointing(case: Examined, settings: ExamSettings) -> list[Finding]:
    """Whether the peak of the map lies in each given structure."""
    return [
        _on_structure(
            case,
            settings,
            name,
            Question(
                f"pointing_game.{name}",
                f"Does the map's peak lie in the {name}?",
                f"Share of cells whose peak lies in the {name}",
                f"The peak lies in the {name} more often than with any control.",
                ("the outline of the structure is right",),
            ),
            peak_inside(name),
        )
        for name in case.structures
    ]


def mass_inside(structure: str = "") -> Score:
    """The score of `beside_controls`: share of the positive relevance in a structure, ``1 N``.

    Empty name: in the cell.
    """

    def score(case: Examined, maps: Floats, _rng: np.random.Generator) -> Floats:
        return mass(maps, case.structures[structure] if structure else case.masks)[None]

    return score


def peak_inside(structure: str) -> Score:
    """The score of `beside_controls`: 1 where the map's peak lies in the structure, else 0."""

    def score(case: Examined, maps: Floats, _rng: np.random.Generator) -> Floats:
        return peak(maps, case.structures[structure])[None]

    return score


def mass(maps: Floats, where: Masks) -> Floats:
    """Share of the positive relevance of all channels in ``where``; nan where there is none."""
    positive = np.clip(maps, 0, None).sum(axis=1)
    total = positive.sum(axis=(1, 2))
    held = (positive * where).sum(axis=(1, 2))
    out: Floats = np.divide(held, total, out=np.full(len(maps), np.nan), where=total > 0)
    return out


def peak(maps: Floats, where: Masks) -> Floats:
    """Whether the largest relevance, channels added, lies in ``where``; of ties, the share."""
    plane = maps.sum(axis=1)
    top = plane == plane.max(axis=(1, 2), keepdims=True)
    out: Floats = (top & where).sum(axis=(1, 2)) / top.sum(axis=(1, 2))
    return out


def _on_structure(
    case: Examined, settings: ExamSettings, name: str, asked: Question, score: Score
) -> Finding:
    held = np.flatnonzero(case.structures[name].any(axis=(1, 2)))
    if not len(held):
        return undecided(case, asked, f"No cell holds any {name}.")
    some = case.take(held)
    area = float(some.structures[name].mean())
    found = beside_controls(some, settings, asked, score)
    if not found.details.get("scores"):
        return found
    told = f" The {name} fills {area:.1%} of the crop"
    left = len(case) - len(held)
    told += f"; {left} cells hold none and are left out." if left else "."
    return replace(found, why=found.why + told, details={**found.details, "area": area})
