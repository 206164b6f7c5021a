"""A model folder: ``model.json`` and ``weights.safetensors``, hashed. No pickle is ever read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import InputError, UsageError, unknown

FORMAT = "lucyte-model/1"
CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
LARGEST_CARD = 64 * 2**20
"""Bytes; a card beyond this is no card."""


@dataclass(frozen=True)
class Card:
    """What must be known before a model is believed.

    Attributes
    ----------
    training_data : str
        What it was fitted on, for a person.
    data_sha256 : str
        Hash of that data.
    split : str
        How it was tested: what was held out, and by what unit.
    metrics : mapping
        Name to ``{"value", "low", "high", "n", "unit"}``.
    tested_conditions : mapping
        Column to the values seen (plates, days, doses).
    intensity_range : mapping of channel to [low, high]
        Raw units seen in training.
    cut_px : int
        Side that was cut around each cell of a run and then resampled to the model's input; 0: the
        input itself.
    normalisation : str
    code_licence, data_licence : str
    limits : tuple of str
        What must not be claimed.
    """

    training_data: str = "unknown"
    data_sha256: str = ""
    split: str = "unknown"
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tested_conditions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    intensity_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cut_px: int = 0
    normalisation: str = "inside the model"
    code_licence: str = "BSD-3-Clause"
    data_licence: str = "unknown"
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredModel:
    """A model taken apart: plain settings and plain arrays.

    Attributes
    ----------
    kind : str
        Which row of the table of kinds puts it together.
    architecture : str
        For a person.
    classes, channels : tuple of str
    input_px : int
    pixel_size_um : float or None
        None where unknown.
    config : mapping
        JSON types; what the kind needs beside the arrays.
    arrays : mapping of str to array
    card : Card
    """

    kind: str
    architecture: str
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    input_px: int
    pixel_size_um: float | None
    config: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    card: Card = field(default_factory=Card)


def pack(model: StoredModel) -> dict[str, bytes]:
    """The files of a model folder, by name. Equal models give equal bytes.

    Raises
    ------
    UsageError
        Settings that are not JSON, or an array that is not of plain numbers.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(model.arrays[name]) for name in sorted(model.arrays)}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise UsageError(f"model array {name!r} holds {array.dtype}, not plain numbers.")
    weights = save(arrays)
    head = {
        "format": FORMAT,
        **{key: value for key, value in asdict(model).items() if key not in ("arrays", "card")},
        "card": asdict(model.card),
    }
    try:
        head = json.loads(_canonical(head))
    except (TypeError, ValueError) as error:
        raise UsageError(f"model settings are not plain JSON: {error}.") from None
    digest = {WEIGHTS_FILE: _sha256(weights), CARD_FILE: _sha256(_canonical(head))}
    text = json.dumps({**head, "sha256": digest}, indent=2, ensure_ascii=False, allow_nan=False)
    return {WEIGHTS_FILE: weights, CARD_FILE: (text + "\n").encode("utf-8")}


def read_folder(folder: str | Path) -> StoredModel:
    """Read a model folder and check its hashes.

    Raises
    ------
    InputError
        Not a model folder, damaged, or changed since it was written; names the file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    root = Path(folder)
    head = _read_head(root / CARD_FILE)
    digest = head.pop("sha256")
    weights = _read(root / WEIGHTS_FILE)
    for name, data in ((CARD_FILE, _canonical(head)), (WEIGHTS_FILE, weights)):
        if not isinstance(digest, dict) or digest.get(name) != _sha256(data):
            raise InputError(
                root / name,
                "does not match the hash written when the model was made.",
                "It was changed or damaged; make the model again or fetch it again.",
            )
    try:
        arrays = load(weights)
    except SafetensorError as error:
        raise InputError(root / WEIGHTS_FILE, f"is not a safetensors file: {error}.") from None
    size = head["pixel_size_um"]
    return StoredModel(
        kind=str(head["kind"]),
        architecture=str(head["architecture"]),
        classes=tuple(head["classes"]),
        channels=tuple(head["channels"]),
        input_px=int(head["input_px"]),
        pixel_size_um=None if size is None else float(size),
        config=head["config"],
        arrays=arrays,
        card=_card(head["card"], root / CARD_FILE),
    )


def _read_head(path: Path) -> dict[str, Any]:
    try:
        head = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"is not JSON: {error}.") from None
    needed = ["format", "kind", "architecture", "classes", "channels", "input_px"]
    needed += ["pixel_size_um", "config", "card", "sha256"]
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        got = head.get("format") if isinstance(head, dict) else type(head).__name__
        raise InputError(path, f"is not a model of Lucyte: format {got!r}, needed {FORMAT!r}.")
    missing = [key for key in needed if key not in head]
    if missing:
        raise InputError(path, f"lacks {', '.join(missing)}.", "Make the model again.")
    return head


def _read(path: Path) -> bytes:
    try:
        if path.name == CARD_FILE and path.stat().st_size > LARGEST_CARD:
            raise InputError(path, f"is {path.stat().st_size} bytes, too large for a card.")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            path,
            "is not there.",
            f"A model is a folder with {CARD_FILE} and {WEIGHTS_FILE}.",
        ) from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}.") from None


def _card(data: Mapping[str, Any], path: Path) -> Card:
    known = set(Card.__dataclass_fields__)
    for key in sorted(set(data) - known):
        raise InputError(path, str(unknown("card key", key, sorted(known))))
    values = dict(data)
    for key in ("tested_conditions", "intensity_range"):
        values[key] = {name: tuple(each) for name, each in values.get(key, {}).items()}
    values["limits"] = tuple(values.get("limits", ()))
    return Card(**values)


def _canonical(value: Any) -> bytes:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode("utf-8")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
