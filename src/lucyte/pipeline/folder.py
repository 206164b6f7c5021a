"""The run folder: where everything lies, and what is finished."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lucyte.io.atomic import write_json, write_text
from lucyte.schema.errors import UsageError

PRODUCTS = (
    "report.html",
    "evidence.json",
    "provenance.json",
    "objects.parquet",
    "flags.parquet",
    "wells.parquet",
)
"""What every run writes; what was left by another plan goes before the work begins."""
OPTIONAL = ("embeddings.parquet", "explanations.zarr", "models", "tracks.geff")
"""What a run writes only where there is something to write, so that none outlives its cause."""
TORN = ".*.partial*"
"""Temporary names of ``lucyte.io.atomic``: what a killed run was writing."""
TRACK_PARTS = (".json", ".nodes.parquet", ".edges.parquet", ".tracks.parquet", ".repaired.parquet")


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run and the markers of its finished parts.

    Attributes
    ----------
    root : Path
    """

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def part(self, stage: str, name: str, suffix: str) -> Path:
        """A file that one stage keeps for one field (or for the plate)."""
        return self.root / "stages" / stage / f"{name}{suffix}"

    def finished(self, stage: str, name: str, fingerprint: str) -> dict[str, Any] | None:
        """What the marker says if this part was finished with the same settings and inputs."""
        marker = self.part(stage, name, ".json")
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if found.get("fingerprint") == fingerprint else None

    def finish(self, stage: str, name: str, fingerprint: str, result: dict[str, Any]) -> None:
        """Write the marker, last of all: only then does the part count as done."""
        write_json(self.part(stage, name, ".json"), {"fingerprint": fingerprint, **result})

    def begin(self, plan: str) -> None:
        """Write the plan, once nothing in the folder speaks for another plan.

        Parameters
        ----------
        plan : str
            The whole plan as TOML.
        """
        inside = [(self.root / name).rglob(TORN) for name in ("stages", "tracks", "models")]
        for torn in [*self.root.glob(TORN), *chain.from_iterable(inside)]:
            _remove(torn)
        path = self.root / "plan.toml"
        same = path.is_file() and path.read_text(encoding="utf-8") == plan
        for name in OPTIONAL if same else (*PRODUCTS, *OPTIONAL):
            _remove(self.root / name)
        write_text(path, plan)

    def forget_tracks(self, keep: Sequence[str]) -> None:
        """Remove the lineages of fields that are not followed any more."""
        for path in (self.root / "stages" / "track").glob("*"):
            suffix = next((each for each in TRACK_PARTS if path.name.endswith(each)), "")
            if path.name.removesuffix(suffix) not in keep:
                _remove(path)
        for path in (self.root / "tracks").glob("*"):
            if path.name not in keep:
                _remove(path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep a second run out of the folder for as long as this one lives."""
        if (self.root / "plan.toml").exists() and not (self.root / "stages").is_dir():
            raise UsageError(
                f"{self.root}: holds a plan.toml that no run wrote, and a run would write its own "
                "over it; choose another folder with -o."
            )
        if (self.root / "report.html").exists() and not (self.root / "stages").is_dir():
            raise UsageError(
                f"{self.root}: holds a report.html that no run wrote; "
                "choose another folder with -o."
            )
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / "stages" / "lock"
        path.parent.mkdir(exist_ok=True)
        # The system lets go of the lock with its process: no number of a process that is long
        # gone, and by now another's, can keep a person out.
        with path.open("a", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"{self.root}: another run is writing here; "
                    "wait for it or choose another folder with -o."
                ) from None
            yield


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
