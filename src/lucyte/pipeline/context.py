"""What a run knows while it goes on; handed from stage to stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lucyte.correct.frame import CorrectionFit
from lucyte.pipeline.folder import RunFolder
from lucyte.pipeline.pilot import Pilot
from lucyte.pipeline.provenance import StageClock
from lucyte.schema.plan import Plan
from lucyte.schema.plate import Field, Plate, Problem


@dataclass
class Context:
    """One run.

    Attributes
    ----------
    plan : Plan
        Paths in it are relative to the run folder.
    plate : Plate
    folder : RunFolder
    command : str
        The exact command.
    workers : int
    quiet : bool
    copy_images : bool
    clock : StageClock
    problems : list of Problem
        Of the input, and of files that proved damaged on the way.
    skipped : dict of stage to reason
    pilot : Pilot
        Kind of object and crop size for the whole run.
    fields : tuple of Field
        Those of which at least one frame could be read.
    frames : dict of field_id to the frames of it that could be read
    sha256 : dict of field_id to hash of its files
    upstream : dict of field_id to fingerprint of its field stage
    tracked : bool
    corrected : dict of field_id to what was done to its pixels
    fit : CorrectionFit or None
        What was estimated from the whole plate before its fields.
    """

    plan: Plan
    plate: Plate
    folder: RunFolder
    command: str
    workers: int
    quiet: bool = False
    copy_images: bool = False
    clock: StageClock = field(default_factory=StageClock)
    problems: list[Problem] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    pilot: Pilot = field(default_factory=lambda: Pilot("cell", float("nan"), 0))
    fields: tuple[Field, ...] = ()
    frames: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    upstream: dict[str, str] = field(default_factory=dict)
    tracked: bool = False
    corrected: dict[str, list[str]] = field(default_factory=dict)
    fit: CorrectionFit | None = None

    def path(self, name: str) -> Path:
        """A path of the plan, seen from the run folder."""
        return (self.folder.root / name).resolve()
