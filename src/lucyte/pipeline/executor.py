"""Runs field and movie tasks, here or in worker processes that die with their parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from lucyte.schema.errors import LucyteError

Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GRACE_S = 10.0
"""How long a worker may take to end when it is told to, before it is killed."""
LOOK_S = 1.0
"""How often workers are looked after that say nothing."""


def default_workers(tasks: int) -> int:
    """One worker per core that this process may use, never more than there are tasks."""
    return max(1, min(len(os.sched_getaffinity(0)), tasks))


def run_tasks(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[Result]:
    """Results of ``work`` on each task as they finish; order is not that of the tasks.

    Each worker has one task at a time, so memory does not grow with their number. When a task
    fails or the caller stops asking, the workers are ended before this returns.

    Raises
    ------
    LucyteError
        What a task raised, or that a worker was killed.
    """
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield work(task)
        return
    waiting = list(reversed(tasks))
    crew: list[_Worker] = []
    try:
        while len(crew) < min(workers, len(tasks)):
            crew.append(_start(work))
        for each in crew:
            each.give(waiting.pop())
        busy = list(crew)
        while busy:
            sources = [each.line for each in busy] + [each.process.sentinel for each in busy]
            ready = wait(sources, LOOK_S)
            for each in [one for one in busy if one.line in ready or not one.process.is_alive()]:
                result = each.take()
                if waiting:
                    each.give(waiting.pop())
                else:
                    busy.remove(each)
                yield result
        for each in crew:
            each.line.close()  # it waits for a task, finds the line closed and ends
    except BaseException:
        for each in crew:
            each.process.terminate()
        raise
    finally:
        for each in crew:
            each.end()


@dataclass(frozen=True, eq=False)
class _Worker:
    """A process and a line of its own to it.

    Workers share neither queue nor lock, and no thread watches over them: one that dies, at
    whatever moment, leaves nothing behind that another could wait for. (``ProcessPoolExecutor``
    of Python 3.11 waits for ever when a worker dies while another one is being started.)
    """

    process: SpawnProcess
    line: Connection[Any, Any]

    def give(self, task: object) -> None:
        try:
            self.line.send(task)
        except OSError:
            raise self._death() from None

    def take(self) -> Any:
        """The result of the task it was given, or the error it met."""
        try:
            # When it is dead, a process that it forked may still hold its end of the line.
            if not self.line.poll():
                raise EOFError
            result, error = self.line.recv()
        except (EOFError, OSError):
            raise self._death() from None
        if error is not None:
            raise error
        return result

    def _death(self) -> BaseException:
        self.process.join(GRACE_S)
        code = self.process.exitcode
        if code == -signal.SIGINT:
            return KeyboardInterrupt()
        told = "was killed, most likely for want of memory"
        if code != -signal.SIGKILL:
            name = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
            told = f"ended in the middle of its work ({name})"
        return LucyteError(
            f"a worker process {told}. Finished fields are kept: run the same command again, with "
            "--workers 1 if it happens again."
        )

    def end(self) -> None:
        """See it off, whatever it is doing."""
        self.process.join(GRACE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.line.close()


def _start(work: Callable[[Any], Any]) -> _Worker:
    here, there = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(there, os.getpid()), daemon=True)
    process.start()
    there.close()  # only the worker holds it now, so that its death closes the line
    worker = _Worker(process, here)
    worker.give(work)
    return worker


def _serve(line: Connection[Any, Any], parent: int) -> None:
    """Do what comes over the line until it closes."""
    _settle(parent)
    try:
        work = line.recv()
        while True:
            task = line.recv()
            try:
                line.send((work(task), None))
            except Exception as error:
                _confess(line, error)
    except (EOFError, OSError):
        return  # the parent wants no more, or is gone


def _confess(line: Connection[Any, Any], error: Exception) -> None:
    if not isinstance(error, LucyteError):
        error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        line.send((None, error))
    except OSError:
        raise
    except Exception:  # an error that cannot be sent is told in words
        line.send((None, RuntimeError("".join(traceback.format_exception(error)))))


def _settle(parent: int) -> None:
    # Ctrl-C reaches the whole group: a worker ends without a word, the parent says what to do.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Told to end, it takes away what it had half written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
