"""One place that compiles: machine code on first use, cached beside the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays; types stay those that it declares."""
    return cast(Function, numba.njit(cache=True, error_model="numpy")(function))
