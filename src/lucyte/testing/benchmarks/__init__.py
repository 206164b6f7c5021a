"""Benchmark bodies, one idea per file; each has ``measure() -> Outcome``."""
