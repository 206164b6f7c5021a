"""Agreement: do models of other seeds, and other methods, mark the same places?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lucyte.evidence.explanation.examined import Examined, ExamSettings
from lucyte.evidence.explanation.judging import Question, beside_controls
from lucyte.evidence.explanation.similarity import rank_correlation
from lucyte.schema.finding import Finding

Floats = npt.NDArray[np.float64]


def seeds(case: Examined, settings: ExamSettings) -> Finding:
    """Rank correlation with maps by models of other seeds."""
    asked = Question(
        "agreement_seeds",
        "Would the same training with another seed be explained alike?",
        "Rank correlation with the maps of other seeds",
        "Models of other seeds are explained alike, beyond what the picture makes alike.",
        ("the other models were trained alike",),
    )
    return _agreement(case, settings, asked, "other_seeds")


def methods(case: Examined, settings: ExamSettings) -> Finding:
    """Rank correlation with maps by other methods."""
    asked = Question(
        "agreement_methods",
        "Do other methods mark the same?",
        "Rank correlation with the maps of other methods",
        "Other methods mark the same, beyond what the picture makes alike.",
        ("the other methods do not share this one's faults",),
    )
    return _agreement(case, settings, asked, "other_methods")


def _agreement(case: Examined, settings: ExamSettings, asked: Question, which: str) -> Finding:
    def score(kept: Examined, maps: Floats, _rng: np.random.Generator) -> Floats:
        each = [rank_correlation(maps, other) for other in getattr(kept, which).values()]
        mean: Floats = np.mean(each, axis=0)[None]
        return mean

    found = beside_controls(case, settings, asked, score)
    names = list(getattr(case, which))
    return replace(found, details={**found.details, "with": names})
