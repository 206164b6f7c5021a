"""Frequency shortcuts: is it a narrow periodic pattern that tells the classes?

`frequency.data_permit` asks the data: lines of the spectrum alone, beside the cells too.
`frequency.model_relies` asks the model: does its answer follow when the amplitude of those lines is
taken from the other class? `frequency.dominant_map` asks the model what it needs by itself: does
the narrow band whose loss hurts it most suffice alone, more than random bands equally far from
frequency 0?
"""

from __future__ import annotations

from lucyte.evidence.model.frequency_lines import SHOWN, line_spectra, strongest_lines
from lucyte.evidence.model.frequency_maps import Asked
from lucyte.evidence.model.frequency_permit import data_permit
from lucyte.evidence.model.frequency_relies import dominant, model_relies
from lucyte.evidence.model.settings import ChallengeSettings
from lucyte.evidence.model.subject import Subject
from lucyte.learn.splits import even_sample
from lucyte.schema.errors import UsageError
from lucyte.schema.finding import Finding

__all__ = ["frequency_shortcut"]

SMALLEST_PX = 16


def frequency_shortcut(subject: Subject, settings: ChallengeSettings) -> list[Finding]:
    """Ask data and model for shortcuts in a narrow band of frequencies.

    Returns
    -------
    list of Finding
        ``frequency.data_permit``; with a predictor also ``frequency.model_relies`` and
        ``frequency.dominant_map``.

    Raises
    ------
    UsageError
        One class, crops below 16 px, or classes that the model does not know.
    """
    cells = subject.crops.of_kind("cell")
    if len(cells.classes) < 2:
        raise UsageError(f"the frequency question needs cells of two classes, got {cells.classes}.")
    if cells.crop_px < SMALLEST_PX:
        raise UsageError(f"the frequency question needs crops of {SMALLEST_PX} px or more.")
    cells = cells.take(even_sample(cells.groups, settings.most_crops, settings.seed))
    few = even_sample(cells.groups, settings.most_asked, settings.seed)
    model = subject.predictor
    asked = None if model is None else Asked(model, cells.take(few))  # refuses strange classes
    spectra = line_spectra(cells.crops)
    found = [data_permit(cells, spectra, settings)]
    if asked is not None:
        lines = strongest_lines(spectra, cells.labels, cells.channels, SHOWN)
        found.append(model_relies(asked, lines, settings))
        found.append(dominant(asked, settings))
    return found
