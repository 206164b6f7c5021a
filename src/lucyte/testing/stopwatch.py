"""Wall time, and processor time beside it, which other work on the machine changes less."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Times:
    """Seconds of one piece of work.

    Attributes
    ----------
    seconds : float
        Wall time.
    processor_s : float
        Time on the processor, over all threads.
    """

    seconds: float
    processor_s: float

    def row(self) -> dict[str, float]:
        """Columns of a table."""
        return {"seconds": self.seconds, "processor s": self.processor_s}


def clocked(run: Callable[[], Answer], times: int = 1) -> tuple[Times, Answer]:
    """The shortest of several runs (each of the two times by itself), and the last answer."""
    walls, processors = [], []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        answer = run()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return Times(min(walls), min(processors)), answer
