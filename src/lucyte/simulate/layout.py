"""Which well holds which condition, on which plate and day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from lucyte.schema.errors import UsageError
from lucyte.simulate.field import SimulatedField
from lucyte.simulate.settings import WorldSettings

ROWS = ("CDEFGH", "IJKLMN")
"""Rows of a 384-well plate for the two conditions, as in CELLULAR's experiment 220518."""
COLUMNS = range(3, 23)


def well_names(condition: int, number: int) -> list[str]:
    """Names of the wells of a condition: down its six rows, then the next column.

    Raises
    ------
    UsageError
        More wells than the half plate has.
    """
    every = [f"{row}{column:02d}" for column in COLUMNS for row in ROWS[condition]]
    if number > len(every):
        raise UsageError(f"{number} wells per condition: a 384-well plate has {len(every)}.")
    return every[:number]


def lay_out(settings: WorldSettings, seed: int) -> Iterator[SimulatedField]:
    """All sites of all wells of all plates.

    Plates of one day differ in the suffix of their name (``260101-ST``, ``260101-ST2``). In a
    world of the shortcut ``gain`` each condition has plates of its own.
    """
    layout = settings.layout
    apart = settings.shortcut.kind == "gain"
    start = datetime.strptime(layout.date, "%y%m%d")
    for index in range(layout.plates):
        day_number = index * layout.days // layout.plates
        day = (start + timedelta(days=day_number)).strftime("%y%m%d")
        before = sum(i * layout.days // layout.plates == day_number for i in range(index))
        for which, condition in enumerate(layout.conditions):
            of_day = 2 * before + which if apart else before
            plate = f"{day}-ST{of_day + 1 if of_day else ''}"
            for well in well_names(which, layout.wells_per_condition):
                for site in range(1, layout.sites_per_well + 1):
                    yield SimulatedField(
                        settings, seed, plate, "1", day, well, str(site), condition
                    )
