"""Checkpoints of a training: tensors in safetensors, everything else in JSON, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lucyte.io.atomic import atomic_path
from lucyte.schema.errors import InputError, UsageError

FILE = "checkpoint.safetensors"
ABOUT, STATE = "about", "state"


@dataclass(frozen=True)
class Checkpoint:
    """What `write_checkpoint` kept."""

    arrays: Mapping[str, Tensor]
    state: dict[str, Any]


def write_checkpoint(
    folder: Path, about: Mapping[str, Any], arrays: Mapping[str, Tensor], state: Mapping[str, Any]
) -> None:
    """Keep one state in one file, so that tensors and numbers can never be of two epochs.

    Parameters
    ----------
    folder : Path
    about : mapping
        What the training is of; plain JSON.
    arrays : mapping of str to Tensor
    state : mapping
        Plain JSON; infinities are kept as Python's JSON writes them.
    """
    from safetensors.torch import save

    head = {ABOUT: json.dumps(dict(about), sort_keys=True), STATE: json.dumps(dict(state))}
    data = save({k: v.detach().cpu().contiguous().clone() for k, v in arrays.items()}, head)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / FILE) as temporary:
        temporary.write_bytes(data)


def read_checkpoint(folder: Path, about: Mapping[str, Any]) -> Checkpoint | None:
    """The checkpoint of this training; None where there is none.

    Raises
    ------
    UsageError
        It is of another training.
    InputError
        It cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            head = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        kept, state = json.loads(head[ABOUT]), json.loads(head[STATE])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise InputError(path, f"is no checkpoint: {error}.", "Remove it to start anew.") from None
    if kept != json.loads(json.dumps(dict(about))):
        raise UsageError(
            f"{path} is of other settings or other data. Give another folder, or remove it."
        )
    return Checkpoint(arrays, state)
