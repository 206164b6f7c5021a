"""Whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lucyte.io import atomic
from lucyte.io.atomic import atomic_path, write_bytes, write_json, write_text
from lucyte.schema.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "µ\n")
    assert path.read_bytes() == b"\xc2\xb5\n"
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["a.txt"]


def test_the_temporary_name_keeps_the_suffix_and_the_folder(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.parquet") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".parquet"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["a.parquet"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert (path.read_text(), names(tmp_path)) == ("old", ["a.txt"])


def test_folders_are_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    for content in ("one", "two"):
        with atomic_path(path) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert names(path) == ["two"]
    assert names(tmp_path) == ["a.zarr"]
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        (temporary / "deep").mkdir(parents=True)
        1 / 0  # noqa: B018
    assert (names(path), names(tmp_path)) == (["two"], ["a.zarr"])


FAULTS = [
    (errno.ENOSPC, "could not be written: disk full. Free some space"),
    (errno.EDQUOT, "could not be written: disk full"),
    (errno.EROFS, "could not be written: no permission. Choose another folder"),
]


@pytest.mark.parametrize(("code", "message"), FAULTS)
def test_a_full_disk_is_said_so_and_cleaned_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=message) as caught:
        write_text(path, "new")
    assert str(caught.value).startswith(f"{path}: ")
    monkeypatch.undo()
    assert (path.read_text(), names(tmp_path)) == ("old", ["a.txt"])


def test_other_faults_are_not_dressed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(atomic, "fsync", broken)
    with pytest.raises(OSError, match="input/output error"):
        write_text(tmp_path / "a.txt", "new")


def test_json_is_readable_ordered_and_without_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "µ", "a": [1, None]})
    assert (tmp_path / "a.json").read_text() == (
        '{\n  "b": "µ",\n  "a": [\n    1,\n    null\n  ]\n}\n'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert names(tmp_path) == ["a.json"]


KILLED = """
import sys
from pathlib import Path
from lucyte.io.atomic import write_bytes
size = 0
Path(sys.argv[2]).touch()
while True:
    size = size % 7 + 1
    write_bytes(sys.argv[1], bytes([size]) * (size * 400_000))
"""


def test_a_kill_leaves_the_old_or_the_new_file_never_a_part(tmp_path: Path) -> None:
    path, ready = tmp_path / "a.bin", tmp_path / "ready"
    for wait in (0.01, 0.05, 0.09):
        ready.unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(ready)])
        try:
            patience = time.monotonic() + 60
            while not (ready.exists() and path.exists()):
                assert process.poll() is None, "ended by itself"
                assert time.monotonic() < patience, "wrote nothing for a minute"
                time.sleep(0.001)
            time.sleep(wait)
        finally:
            process.kill()
            process.wait(60)
        data = path.read_bytes()
        assert data == data[:1] * (data[0] * 400_000)
