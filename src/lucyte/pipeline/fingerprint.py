"""Fingerprints: a stage runs again exactly when its settings, inputs or version changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

import lucyte
from lucyte.schema.errors import InputError
from lucyte.schema.samples import Samples


def fingerprint(*parts: Any) -> str:
    """A short hash of settings (pydantic or JSON) and of Lucyte's version.

    Parameters
    ----------
    *parts : JSON types or pydantic models
        Everything the result depends on.
    """
    plain = [
        part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts
    ]
    text = json.dumps([lucyte.__version__, *plain], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def stat_inputs(paths: Sequence[str]) -> list[tuple[str, int, int]]:
    """Name, size in bytes and modification time (ns) of every input file."""
    found = []
    for name in paths:
        try:
            stats = [each.stat() for each in _files(Path(name))]
        except OSError as error:
            raise InputError(name, f"cannot be read: {error.strerror}.") from None
        size, changed = (
            sum(s.st_size for s in stats),
            max((s.st_mtime_ns for s in stats), default=0),
        )
        found.append((Path(name).name, size, changed))
    return found


def hash_inputs(paths: Sequence[str]) -> str:
    """SHA-256 over the contents of the files, in the given order; folders by their files."""
    digest = hashlib.sha256()
    for name in paths:
        for each in _files(Path(name)):
            with each.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "sha256").digest())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """The file itself, or all files of a folder (an OME-Zarr)."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def hash_texts(texts: Mapping[str, str]) -> str:
    """One hash over named hashes, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()


def hash_samples(samples: Samples) -> str:
    """SHA-256 over pixels, names, labels and groups, a thousand samples at a time."""
    digest = hashlib.sha256(repr((samples.channels, samples.images.dtype)).encode())
    for start in range(0, len(samples), 1000):
        digest.update(np.ascontiguousarray(samples.images[start : start + 1000]).tobytes())
    for columns in (samples.names, samples.labels, samples.groups):
        digest.update(json.dumps(columns).encode())
    return digest.hexdigest()
