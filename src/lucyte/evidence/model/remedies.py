"""Remedies against frequency and batch shortcuts, each measured before and after."""

from lucyte.evidence.model.remedies_batch import BATCH_REMEDIES, batch_remedies
from lucyte.evidence.model.remedies_frequency import frequency_remedy

__all__ = ["BATCH_REMEDIES", "batch_remedies", "frequency_remedy"]
