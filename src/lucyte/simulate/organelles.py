"""World ``organelles``: z-stacks of six cell lines whose organelles alone tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from lucyte.schema.errors import UsageError, unknown
from lucyte.simulate.organelle_design import ceiling_table, design_table, planted
from lucyte.simulate.organelle_settings import LINES, OrganelleSettings
from lucyte.simulate.organelle_stack import OrganelleStack


@dataclass(frozen=True)
class OrganelleWorld:
    """All stacks of a world; pixels are rendered when one is asked for.

    Attributes
    ----------
    settings : OrganelleSettings
    seed : int
    stacks : tuple of OrganelleStack
        Line by line, culture by culture.
    """

    settings: OrganelleSettings
    seed: int
    stacks: tuple[OrganelleStack, ...]

    def stack(self, name: str) -> OrganelleStack:
        """The stack of this name; refuses one that is not there."""
        names = [each.name for each in self.stacks]
        if name not in names:
            raise unknown("stack", name, names)
        return self.stacks[names.index(name)]

    @property
    def planted(self) -> tuple[str, ...]:
        """Levels that differ between lines: what a good model must rest on."""
        return planted(self.settings)

    def design(self) -> pd.DataFrame:
        """The planted levels of every line."""
        return design_table(self.settings)

    def ceilings(self) -> pd.DataFrame:
        """Best balanced accuracy of every combination of channels."""
        return ceiling_table(self.settings)


def simulate_organelles(settings: OrganelleSettings | None = None, seed: int = 0) -> OrganelleWorld:
    """Lay out the stacks of world ``organelles``.

    Parameters
    ----------
    settings : OrganelleSettings, optional
    seed : int
        Same settings and seed, same pixels.

    Raises
    ------
    UsageError
        A seed below 0, or a cell that does not fit into the stack.
    """
    settings = settings or OrganelleSettings()
    if seed < 0:
        raise UsageError(f"seed {seed}: write a whole number from 0.")
    if settings.cell_um / settings.pixel_size_um < 30:
        raise UsageError(
            f"a cell of {settings.cell_um:g} um is {settings.cell_um / settings.pixel_size_um:.0f} "
            "px wide; organelles need 30 px or more: set a smaller pixel_size_um."
        )
    stacks = tuple(
        OrganelleStack(settings, seed, line, culture, number)
        for line in LINES
        for culture in range(1, settings.cultures + 1)
        for number in range(1, settings.stacks + 1)
    )
    return OrganelleWorld(settings, seed, stacks)
