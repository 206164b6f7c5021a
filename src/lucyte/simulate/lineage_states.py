"""The hidden state of every cell of world ``lineage``: switching with known rates, inherited.

Two sisters both take their mother's state with probability ``inheritance``; otherwise each draws
its own from the long-run shares. So the correlation of their states at birth is ``inheritance``
where the shares are steady, and at age a it is ``inheritance * exp(-2 (on + off) a)``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lucyte.simulate.lineage_life import Body
from lucyte.simulate.lineage_settings import LineageSettings, Rates
from lucyte.simulate.streams import stream


@dataclass(frozen=True)
class StatePath:
    """One cell's state through its life.

    Attributes
    ----------
    first : int
        State at the start: 0 or 1.
    switches_h : tuple of float
        When it changed, hours of the film.
    """

    first: int
    switches_h: tuple[float, ...]

    def at(self, time_h: float) -> int:
        """0 or 1."""
        return (self.first + bisect_right(self.switches_h, time_h)) % 2


def well_rates(settings: LineageSettings, seed: int, condition: str, well: str) -> Rates:
    """The rates of one well: those of its condition times its own effect, which has mean 1."""
    rng = stream(seed, "well rates", well)
    effect = np.exp(settings.well_sd * rng.normal(size=2) - settings.well_sd**2 / 2)
    mean = settings.rates(condition)
    return Rates(mean.on_per_h * float(effect[0]), mean.off_per_h * float(effect[1]))


def state_paths(
    settings: LineageSettings,
    seed: int,
    key: tuple[int | str, ...],
    bodies: Sequence[Body],
    rates: Rates,
    before: Rates,
) -> tuple[StatePath, ...]:
    """The states of all cells of a field, in the order of ``bodies``.

    Founders are at the long-run shares of ``before`` (the untreated condition) when the treatment
    is given, ``start_h`` before the first frame.
    """
    last_h = settings.frames * settings.interval_h
    inherits: dict[int, bool] = {}
    paths: list[StatePath] = []
    for body in bodies:
        rng = stream(seed, "state", *key, body.number)
        end_h = body.end_h if np.isfinite(body.end_h) else last_h
        if body.mother < 0:
            paths.append(
                _run(rng, int(rng.random() < before.share_on), -settings.start_h, end_h, rates)
            )
            continue
        if body.mother not in inherits:
            shared = stream(seed, "sisters", *key, body.mother).random()
            inherits[body.mother] = bool(shared < settings.inheritance)
        drawn = int(rng.random() < rates.share_on)
        taken = paths[body.mother].at(body.birth_h) if inherits[body.mother] else drawn
        paths.append(_run(rng, taken, body.birth_h, end_h, rates))
    return tuple(paths)


def _run(
    rng: np.random.Generator, state: int, start_h: float, end_h: float, rates: Rates
) -> StatePath:
    """Exponential waits, one after another."""
    first, time_h = state, start_h
    switches: list[float] = []
    while True:
        rate = rates.off_per_h if state else rates.on_per_h
        time_h += rng.exponential(1 / rate) if rate else np.inf
        if time_h >= end_h:
            return StatePath(first, tuple(switches))
        switches.append(float(time_h))
        state = 1 - state
