"""Where a command writes: its usual folder, and never over a run or a model."""

from __future__ import annotations

from pathlib import Path

from lucyte.pipeline.run_cells import is_run
from lucyte.schema.errors import UsageError

OF_A_RUN = (
    "models",
    "stages",
    "hypotheses",
    "labels",
    "tracks",
    "tracks.geff",
    "plate.zarr",
    "explanations.zarr",
)
"""Folders in a run that are the run's own."""


def usual_out(first: Path, data: Path | None, name: str) -> Path:
    """In the run that is asked; a model folder holds a model and nothing else."""
    return Path(name) if data is not None else first / name


def refuse_out(out: Path, usual: Path) -> None:
    """Refuse to write tables and a page over a run or a model folder.

    Parameters
    ----------
    out : Path
        What was asked for.
    usual : Path
        Where the command writes when it is not told where.

    Raises
    ------
    UsageError
        ``out`` is a run, one of a run's own folders, a model folder, or no folder.
    """
    why = _taken(out)
    if not why and (out / "model.json").is_file():
        why = "is a model folder"
    if not why and out.exists() and not out.is_dir():
        why = "is a file"
    if why:
        raise UsageError(f"{out} {why}; {_instead(out, usual)}.")


def refuse_model_out(out: Path, usual: Path) -> None:
    """Refuse to write a model over anything but a model; see `refuse_out`.

    Raises
    ------
    UsageError
        ``out`` is a run, one of a run's own folders, or holds something else.
    """
    if why := _taken(out):
        raise UsageError(f"{out} {why}; {_instead(out, usual)}.")
    empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not empty and not (out / "model.json").is_file():
        raise UsageError(f"{out}: exists and is no model folder; choose another with -o.")


def _taken(out: Path) -> str:
    whole = out.resolve()
    if _holds_run(whole):
        return "is a run"
    for parent in whole.parents:
        if whole.relative_to(parent).parts[0] in OF_A_RUN and _holds_run(parent):
            return f"belongs to the run {parent}"
    return ""


def _holds_run(folder: Path) -> bool:
    """A finished run, or one that was begun."""
    return is_run(folder) or ((folder / "plan.toml").is_file() and (folder / "stages").is_dir())


def _instead(out: Path, usual: Path) -> str:
    if out.resolve() == usual.resolve() or _taken(usual):
        return "choose another folder with -o"
    return f"leave -o out, and it goes to {usual}"
