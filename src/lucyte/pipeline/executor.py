"""Runs field and movie tasks, here or in worker processes that die with their parent."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from lucyte.schema.errors import LucyteError

Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def default_workers(tasks: int) -> int:
    """One worker per core that this process may use, never more than there are tasks."""
    return max(1, min(len(os.sched_getaffinity(0)), tasks))


def run_tasks(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int
) -> Iterator[Result]:
    """Results of ``work`` on each task as they finish; order is not that of the tasks.

    At most two tasks per worker are in flight, so memory does not grow with their number.

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
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (os.getpid(),)) as pool:
        running: set[Future[Result]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < 2 * workers:
                    running.add(pool.submit(work, waiting.pop()))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for each in finished:
                    yield each.result()
        except BrokenProcessPool:
            raise LucyteError(
                "a worker process was killed, most likely for want of memory. Finished fields are "
                "kept: run the same command again, with --workers 1 if it happens again."
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker(parent: int) -> None:
    # Ctrl-C reaches the whole group: a worker ends without a word, the parent says what to do.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
