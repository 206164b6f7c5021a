"""Models that come with Lucyte, and where any named model lies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lucyte.networks.model_folder import CARD_FILE, WEIGHTS_FILE
from lucyte.schema.errors import InputError, unknown


@dataclass(frozen=True)
class Shipped:
    """One row of the table of shipped models."""

    name: str
    what: str


SHIPPED = (
    Shipped("nuclei", "nuclei with masks, any one fluorescence channel; trained on BBBC038 (CC0)"),
    Shipped("cellular", "cells with boxes in EGFP, mRFP and TL; trained on CELLULAR (CC BY 4.0)"),
)


def is_shipped(model: str) -> bool:
    """Whether this is the name of a model that comes with Lucyte."""
    return any(row.name == model for row in SHIPPED)


def model_path(model: str, base: Path | None = None) -> Path:
    """Where a model lies: a shipped name, a model folder or an ONNX file.

    Parameters
    ----------
    model : str
    base : Path, optional
        Folder that relative paths start from.

    Raises
    ------
    UsageError
        Neither a shipped name nor a path.
    InputError
        A folder that is no model.
    """
    names = [row.name for row in SHIPPED]
    if model in names:
        return Path(str(resources.files("lucyte"))) / "weights" / model
    path = (base or Path()) / Path(model).expanduser()
    if not path.exists():
        if "/" in model or "\\" in model or path.suffix:
            raise InputError(path, "is not there.", "Give a model folder or an ONNX file.")
        raise unknown("model", model, names, "Or give the path of a model folder or ONNX file.")
    if path.is_dir() and not (path / CARD_FILE).is_file():
        raise InputError(path, f"holds no {CARD_FILE}; it is no model folder.")
    return path


def model_digest(path: Path) -> str:
    """SHA-256 of a model's files, for provenance and for telling models apart."""
    files = [path / CARD_FILE, path / WEIGHTS_FILE] if path.is_dir() else [path]
    digest = hashlib.sha256()
    for each in files:
        try:
            digest.update(each.read_bytes())
        except OSError as error:
            raise InputError(each, f"cannot be read: {error.strerror}.") from None
    return digest.hexdigest()
