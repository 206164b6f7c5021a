"""Plates whose optics are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from lucyte.schema.image import frame
from lucyte.simulate.settings import WorldSettings, demo_settings
from lucyte.simulate.worlds import SimulatedPlate, simulate


def world(size_px: int = 320, cells: int = 16, wells: int = 6, **optics: object) -> WorldSettings:
    """Small fields of the demo's cells seen through given optics."""
    demo = demo_settings()
    layout = demo.layout.model_copy(
        update={
            "size_px": size_px,
            "cells": cells,
            "frames": 2,
            "wells_per_condition": wells,
            "sites_per_well": 1,
        }
    )
    seen = demo.optics.model_copy(update=optics)
    return demo.model_copy(update={"layout": layout, "optics": seen})


@pytest.fixture(scope="session")
def make_plate() -> Callable[..., SimulatedPlate]:
    """Simulate a plate with the optics given by name."""

    def make(seed: int = 1, **settings: object) -> SimulatedPlate:
        return simulate("autophagy", world(**settings), seed)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def frames_of() -> Callable[[SimulatedPlate], list[xr.DataArray]]:
    """The second frame of every field."""

    def frames(plate: SimulatedPlate) -> list[xr.DataArray]:
        return [frame(field.source.open(), 1) for field in plate.plate.fields]

    return frames


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
