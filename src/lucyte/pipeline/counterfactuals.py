"""What a cell would look like in another class: film strips, words, and whether to believe them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lucyte.pipeline.asked_model import AskedModel
from lucyte.report.section import Section
from lucyte.schema.finding import Finding
from lucyte.schema.samples import Samples


@dataclass(frozen=True)
class Otherwise:
    """Counterfactuals for a page; a section of None where no model can make any.

    Attributes
    ----------
    section : Section or None
    findings : tuple of Finding
    notes : tuple of str
    """

    section: Section | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def imagine(
    folder: Path | None, asked: AskedModel, samples: Samples, masks: npt.NDArray[np.bool_]
) -> Otherwise:
    return Otherwise()
