"""A checkpoint of transformers on disk: read without a download and without pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lucyte.schema.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in ImageNet, with which the published networks were trained."""


def read_json(path: Path) -> dict[str, Any]:
    """Settings of a checkpoint.

    Raises
    ------
    InputError
        Not there, not JSON, not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            path,
            "is not there.",
            "Give the folder of a checkpoint in the form of transformers (save_pretrained).",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(path, f"holds a {type(value).__name__}, not settings.")
    return value


def weight_files(root: Path) -> list[Path]:
    """The safetensors of a checkpoint.

    Raises
    ------
    InputError
        None, or pickle only.
    """
    found = sorted(root.glob("*.safetensors"))
    if found:
        return found
    pickled = sorted(p.name for p in root.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt"))
    if pickled:
        raise InputError(
            root,
            f"holds its weights as pickle only ({', '.join(pickled)}), which can run any code "
            "and is never read.",
            "Where you trust it, load it elsewhere and save it with "
            "save_pretrained(..., safe_serialization=True).",
        )
    raise InputError(root, "holds no weights (*.safetensors).", "Copy the whole checkpoint.")


def load_network(root: Path, name: str) -> Any:
    """A network of transformers, from files alone.

    Parameters
    ----------
    root : Path
    name : str
        Its class in transformers.

    Raises
    ------
    InputError
        Settings or weights that do not make this network, or leave a part of it random.
    """
    import torch
    import transformers

    with _quiet():
        try:
            network, told = getattr(transformers, name).from_pretrained(
                str(root),
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                attn_implementation="sdpa",
                dtype=torch.float32,
            )
        # Settings that do not fit fail inside transformers in any of many ways.
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(root, f"cannot be read as a {name}: {reason}") from None
    absent = sorted([*told["missing_keys"], *(str(each) for each in told["mismatched_keys"])])
    if absent:
        raise InputError(
            root,
            f"its weights lack {len(absent)} parts of a {name} ({', '.join(absent[:3])}, ...).",
            "They would be random; copy the whole checkpoint.",
        )
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no load report of transformers; what matters is refused below."""
    from transformers.utils import logging as library_logging

    logging: Any = library_logging  # untyped functions
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def read_normalisation(root: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of red, green, blue (0 to 1) as stated, else as published.

    Raises
    ------
    InputError
        Stated, but not for three colours.
    """
    stated: dict[str, Any] = {}
    for name in ("processor_config.json", "preprocessor_config.json"):
        if (root / name).is_file():
            stated = read_json(root / name)
            stated = stated.get("image_processor", stated)
    if stated.get("do_normalize") is False:
        return (0.0,) * 3, (1.0,) * 3
    mean, std = stated.get("image_mean", MEAN), stated.get("image_std", STD)
    for value in (mean, std):
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise InputError(root, f"states {value!r} as mean or deviation of three colours.")
    return tuple(float(v) for v in mean), tuple(float(v) for v in std)


def digest(files: list[Path]) -> str:
    """One sha256 over files, in the given order."""
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(2**24):
                total.update(block)
    return total.hexdigest()
