"""Units of length and time as microscopes spell them. What is not a unit is unknown."""

from __future__ import annotations

import re

_UM = {
    "angstrom": 1e-4,
    "å": 1e-4,
    "pm": 1e-6,
    "picometer": 1e-6,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "um": 1.0,
    "µm": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "inch": 25400.0,
    "in": 25400.0,
}
_SECONDS = {
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "microsecond": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}


def um_per(unit: str | None) -> float | None:
    """Micrometres in one ``unit``; None for what is no length (``px``, empty, unknown)."""
    return _UM.get(_plain(unit))


def seconds_per(unit: str | None) -> float | None:
    """Seconds in one ``unit``; None for what is no time."""
    return _SECONDS.get(_plain(unit))


def _plain(unit: str | None) -> str:
    text = (unit or "").strip().strip("\x00")
    # ImageJ writes the micro sign as the six characters \u00B5; Greek mu is as common.
    text = re.sub(r"\\u00b5", "µ", text, flags=re.IGNORECASE).replace("\u03bc", "µ")
    text = text.lower().replace("metre", "meter")
    return text if text in _UM or text in _SECONDS else text.removesuffix("s")
