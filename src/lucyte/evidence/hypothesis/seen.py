"""What the model sees; a measurement of that would only be compared with itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lucyte.evidence.hypothesis.record import MeasurementSettings
from lucyte.measure.columns import parse

OWN_ANSWER = re.compile(r"^(state|margin|fold|p_.*)$")


@dataclass(frozen=True)
class Seen:
    """What a model was given, in training or when asked.

    Attributes
    ----------
    channels : tuple of str
        Channels of light among its input, or behind its features.
    features : tuple of str
        Columns that it takes; empty for a model of pictures.
    target : str
        The column that it was taught; empty where unknown.
    outline : tuple of str
        Channels in which the outlines were drawn; empty where unknown.
    """

    channels: tuple[str, ...]
    features: tuple[str, ...] = ()
    target: str = ""
    outline: tuple[str, ...] = ()


def channels_of(features: tuple[str, ...]) -> tuple[str, ...]:
    """The channels that feature columns were measured in, in the order met."""
    found = [parse(column) for column in features]
    return tuple(dict.fromkeys(name for each in found if each is not None for name in each[1]))


def already_seen(measurement: MeasurementSettings, seen: Seen) -> str:
    """Why the model knows what is measured; empty where it does not.

    A later frame and a foreign table are taken for unseen: that is assumed, and said.
    """
    if measurement.channel:
        known = measurement.channel in seen.channels
        return f"the model sees the channel {measurement.channel}" if known else ""
    column = measurement.column
    if measurement.table:
        return ""
    if OWN_ANSWER.match(column):
        return f"{column} is the model's own answer"
    if column and column == seen.target:
        return f"{column} is what the model was taught"
    if measurement.later_frames:
        return ""
    if column in seen.features:
        return f"{column} is one of the model's features"
    feature = parse(column)
    if feature is None:
        return ""
    common = [name for name in feature[1] if name in seen.channels]
    if common:
        return f"{column} is measured in {' and '.join(common)}, which the model sees"
    if feature[0].family == "shape":
        return f"{column} is read off the outline, which the model sees"
    return ""


def assumptions(measurement: MeasurementSettings, seen: Seen) -> tuple[str, ...]:
    """What must hold for the measurement to be independent of the model."""
    out = []
    if measurement.table:
        out.append(f"what {measurement.table} holds was made without the model and its images")
    if measurement.later_frames:
        out.append("what merely lasts from frame to frame is not the claim: the model sees it now")
    column = measurement.column
    if column and not measurement.table and parse(column) is None:
        out.append(f"{column} was not given to the model in another form")
    drawn = measurement.channel or " ".join((parse(column) or (None, ()))[1])
    if drawn and drawn in seen.outline:
        out.append(f"outlines drawn in {drawn} too tell the model nothing of the claim")
    return tuple(out)
