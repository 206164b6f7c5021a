"""From folders of files to plates: the two functions that others call."""

from lucyte.io.assemble import open_plate
from lucyte.io.survey import survey

__all__ = ["open_plate", "survey"]
