"""Features beside scikit-image: python benchmarks/features.py, or lucyte bench features."""

from __future__ import annotations

from lucyte.testing.benchmarks.features import measure

if __name__ == "__main__":
    outcome = measure()
    print(outcome.verdict, outcome.markdown(), sep="\n\n")
