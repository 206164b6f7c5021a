"""What a channel's name says about what it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lucyte.schema.errors import unknown
from lucyte.schema.plan import MeasureSettings

_DNA = re.compile(
    r"dapi|hoechst|(?<![a-z])dna(?![a-z])|h2b|h2a|histone|nucle(us|i|ar|o)|draq|sytox|to-?pro"
    r"|(?<![a-z])nls|propidium|hmgb",
    re.IGNORECASE,
)
_TRANSMITTED = re.compile(
    r"^(tl|tld|bf|dic|pc|ph\d?|phase|dpc|t-?pmt)$|bright.?field|phase.?contrast"
    r"|transmi|(?<![a-z])(trans|dic|tl|bf|t-?pmt)(?![a-z])",
    re.IGNORECASE,
)


def is_nuclear(channel: str) -> bool:
    """Does the name speak of a nuclear stain (DAPI, Hoechst, DNA, H2B ...)?"""
    return _DNA.search(channel) is not None and not is_transmitted(channel)


def is_transmitted(channel: str) -> bool:
    """Does the name speak of transmitted light (TL, BF, DIC, phase ...)?"""
    return _TRANSMITTED.search(channel.strip()) is not None


def spot_channels(channels: Sequence[str], settings: MeasureSettings) -> tuple[str, ...]:
    """Channels in which spots are counted: those asked for, or every stain but DNA.

    Raises
    ------
    UsageError
        A channel that is not there.
    """
    if "spots" not in settings.families:
        return ()
    for name in settings.spot_channels:
        if name not in channels:
            raise unknown("channel", name, channels, "It is named in measure.spot_channels.")
    return tuple(settings.spot_channels) or tuple(
        name for name in channels if not is_nuclear(name) and not is_transmitted(name)
    )


def ratio_pairs(channels: Sequence[str], settings: MeasureSettings) -> tuple[tuple[str, str], ...]:
    """Channel pairs asked for, numerator first.

    Raises
    ------
    UsageError
        A channel that is not there.
    """
    for name in (name for pair in settings.ratios for name in pair):
        if name not in channels:
            raise unknown("channel", name, channels, "It is named in measure.ratios.")
    return tuple(settings.ratios)
