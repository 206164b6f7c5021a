"""Workers that die at any moment: told in one line, nobody left behind, nothing waited for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from lucyte.pipeline.executor import run_tasks
from lucyte.schema.errors import InputError, LucyteError
from worlds import tasks

KILLED = (
    r"^a worker process was killed, most likely for want of memory\. Finished fields are kept: "
    r"run the same command again, with --workers 1 if it happens again\.$"
)


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    """Who is left fails this test and no other."""
    yield
    left = active_children()
    for each in left:
        each.kill()
        each.join()
    assert left == []


def test_every_task_is_done_once() -> None:
    assert sorted(run_tasks(tasks.double, range(20), 3)) == list(range(0, 40, 2))


def test_workers_are_others_share_the_work_and_have_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = set(run_tasks(tasks.place, range(8), 2))
    assert len(found) == 2 and os.getpid() not in {pid for pid, _ in found}
    assert {threads for _, threads in found} == {"1"}


@pytest.mark.parametrize(("number", "workers"), [(3, 1), (1, 4)])
def test_one_worker_or_one_task_stays_here(number: int, workers: int) -> None:
    here = run_tasks(lambda _: os.getpid(), range(number), workers)
    assert list(here) == [os.getpid()] * number


def test_no_more_workers_than_tasks() -> None:
    asked = run_tasks(tasks.slow, range(2), 9)
    next(asked)
    assert len(active_children()) == 2
    assert len(list(asked)) == 1


def test_an_error_comes_back_as_it_was_and_ends_the_others() -> None:
    with pytest.raises(InputError, match=r"^a\.tif: is truncated\. Copy it again\.$") as caught:
        list(run_tasks(tasks.refuse, [0, 1, 2, 3], 2))
    assert caught.value.path == "a.tif"


def test_an_error_that_is_a_fault_of_ours_says_where_it_was() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(run_tasks(tasks.divide, [1, 0], 2))
    (note,) = caught.value.__notes__
    assert note.startswith("In a worker process:\n") and "return 1 / task" in note


@pytest.mark.parametrize("work", [tasks.fail_oddly, tasks.return_oddly])
def test_what_cannot_be_sent_is_told_and_not_waited_for(work: Callable[[object], object]) -> None:
    with pytest.raises((RuntimeError, TypeError), match=r"odd|cannot pickle '_thread\.lock'"):
        list(run_tasks(work, [0, 1], 2))


def test_a_worker_told_to_end_takes_away_what_it_had_half_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is the worst"):
        list(run_tasks(tasks.half_written, [(tmp_path, 0), (tmp_path, 1)], 2))
    assert list(tmp_path.iterdir()) == []


def test_who_stops_asking_ends_the_workers() -> None:
    asked = run_tasks(tasks.slow, range(50), 2)
    next(asked)
    assert len(active_children()) == 2
    asked.close()  # type: ignore[attr-defined]
    assert active_children() == []


# Deaths


@pytest.mark.parametrize(
    ("work", "given"),
    [
        (tasks.die, [0, 1, 2, 3]),
        (tasks.die, [1, 1]),
        (tasks.slow, [0, tasks.Poisoned(), 2, 3]),
    ],
    ids=["one of two", "all", "while it reads its task"],
)
def test_a_killed_worker(work: Callable[[Any], object], given: list[Any]) -> None:
    with pytest.raises(LucyteError, match=KILLED):
        list(run_tasks(work, given, 2))


def test_a_killed_worker_whose_child_holds_its_end_of_the_line(tmp_path: Path) -> None:
    with pytest.raises(LucyteError, match=KILLED):
        list(run_tasks(tasks.die_with_a_child, [tmp_path / "a", tmp_path / "b"], 2))
    assert list(tmp_path.iterdir()) == [], "it waited for the child"


def test_a_worker_killed_over_half_a_result(tmp_path: Path) -> None:
    asked = run_tasks(tasks.die_while_sending, [tmp_path / "send", None], 2)
    assert next(asked) == b""
    (tmp_path / "send").touch()
    while len(active_children()) > 1:
        time.sleep(0.01)
    with pytest.raises(LucyteError, match=KILLED):
        next(asked)


@pytest.mark.parametrize(
    ("work", "words"), [(tasks.crash, "SIGSEGV"), (tasks.leave, "exit code 3")]
)
def test_another_death_is_called_by_its_name(work: Callable[[int], int], words: str) -> None:
    match = rf"^a worker process ended in the middle of its work \({words}\)\. Finished fields"
    with pytest.raises(LucyteError, match=match):
        list(run_tasks(work, [0, 1], 2))


def test_a_worker_that_ctrl_c_reached_first_is_no_accident() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(run_tasks(tasks.stopped, [0, 1], 2))


@pytest.mark.parametrize("wait_ms", [0, 1, 2, 4, 8, 16, 32, 64])
def test_a_worker_killed_while_the_others_start(wait_ms: int) -> None:
    """The standard library's pool waited for ever here, a worker it had just started unwatched."""
    hit: list[int] = []

    def kill() -> None:
        while not hit and not over.is_set():
            hit.extend(each.pid for each in active_children()[:1] if each.pid)
            time.sleep(0.0005)
        over.wait(wait_ms / 1000)
        for pid in hit:
            os.kill(pid, signal.SIGKILL)

    over = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(LucyteError, match=KILLED):
            list(run_tasks(tasks.forever, range(4), 3))
    finally:
        over.set()
        killer.join()
