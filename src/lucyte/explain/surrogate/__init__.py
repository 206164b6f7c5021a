"""Models that a person can read, fitted to what a black box says."""

from __future__ import annotations

from lucyte.explain.surrogate.surrogates import (
    KINDS,
    Surrogates,
    SurrogateSettings,
    explain_by_formulas,
)

__all__ = ["KINDS", "SurrogateSettings", "Surrogates", "explain_by_formulas"]
