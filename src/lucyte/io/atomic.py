"""Writes that are whole or not there: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lucyte.schema.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes ``path`` when the block ends well.

    The block may write a file or make a folder there. Missing parent folders are made. When the
    block fails nothing is left behind and what ``path`` held before is untouched.

    Parameters
    ----------
    path : str or Path
        Where the finished file (or folder) goes. An existing folder is replaced.

    Raises
    ------
    InputError
        The disk is full or the place cannot be written; the message names ``path``.
    """
    target = Path(path)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers choose the format by it.
    temporary = target.with_name(f".{target.stem[:80]}.{os.getpid()}.partial{target.suffix}")
    _remove(temporary)
    try:
        with disk_errors(target):
            yield temporary
            _fsync_tree(temporary)
            _replace(temporary, target)
            fsync(target.parent)
    finally:
        _remove(temporary)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a whole file, or leave what was there."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole UTF-8 text file with ``\\n`` line ends, or leave what was there."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON in the order given, indented; nan and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Say which file it was when the disk is full, read-only or closed to us."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise InputError(
                path, "could not be written: disk full.", "Free some space and run again."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise InputError(
                path, "could not be written: no permission.", "Choose another folder with -o."
            ) from error
        raise


def fsync(path: Path) -> None:
    """Ask the disk to keep one file, or the list of names in one folder."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _fsync_tree(path: Path) -> None:
    if path.is_dir():
        for each in sorted(path.iterdir()):
            _fsync_tree(each)
    fsync(path)


def _replace(temporary: Path, target: Path) -> None:
    if temporary.is_dir() and target.exists():
        old = temporary.with_name(temporary.name + ".old")
        _remove(old)
        target.rename(old)
        temporary.rename(target)
        _remove(old)
    else:
        temporary.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
