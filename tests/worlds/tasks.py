"""Tasks for worker processes, each with its own way to go wrong."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from lucyte.schema.errors import InputError


def double(task: int) -> int:
    return 2 * task


def slow(task: int) -> int:
    time.sleep(0.05)
    return task


def place(task: object) -> tuple[int, str]:
    """Which process did it, and how many threads its libraries may use."""
    time.sleep(0.05)
    return os.getpid(), os.environ["OMP_NUM_THREADS"]


def refuse(task: int) -> int:
    if task == 1:
        raise InputError("a.tif", "is truncated.", "Copy it again.")
    return forever(task)


def divide(task: int) -> float:
    return 1 / task


class Odd(Exception):
    """An error that cannot be sent: it holds a lock."""

    def __init__(self) -> None:
        super().__init__("odd")
        self.lock = threading.Lock()


def fail_oddly(task: object) -> None:
    raise Odd


def return_oddly(task: object) -> object:
    return threading.Lock()


def forever(task: object) -> int:
    while True:
        time.sleep(0.01)


def half_written(task: tuple[Path, int]) -> int:
    """Holds a file that is taken away when the task ends, however it ends."""
    folder, number = task
    path = folder / f"{number}.partial"
    try:
        path.touch()
        if number == 0:
            while len(list(folder.iterdir())) < 2:
                time.sleep(0.01)
            raise InputError(path, "is the worst.")
        return forever(task)
    finally:
        path.unlink()


def die(task: int, signal_number: int = signal.SIGKILL) -> int:
    if task == 1:
        os.kill(os.getpid(), signal_number)
    return forever(task)


def crash(task: int) -> int:
    return die(task, signal.SIGSEGV)


def stopped(task: int) -> int:
    return die(task, signal.SIGINT)


def leave(task: int) -> int:
    os._exit(3)


def die_while_sending(task: Path | None) -> bytes:
    """When the file is there: more than a pipe holds, which nobody reads in time."""
    if task is None:
        return b""
    while not task.exists():
        time.sleep(0.01)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return bytes(50_000_000)


def die_with_a_child(task: Path) -> int:
    """A process of its own, that lives on for a while, holds all that the worker held."""
    if os.fork() == 0:
        try:
            time.sleep(5)
            task.touch()
        finally:
            os._exit(0)
    return die(1)


class Poisoned:
    """A task that kills the worker that reads it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return die, (1,)
