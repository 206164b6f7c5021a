"""Relevance: what a method found, in one form for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lucyte.schema.errors import UsageError
from lucyte.schema.explanation import Explanation

Floats = npt.NDArray[np.float64]
UNITS = {
    "score": "score per px: a map's px add up to what it accounts for",
    "fall": "score: how far it falls when a place like this is taken away",
    "activity": "activity of the layer: says what is there, not what it speaks for",
    "attention": "share of the encoder's attention",
}
"""What a px of a map counts."""
TRACE = 1e-6
"""Share of all relevance below which what speaks for the target counts as nothing."""


@dataclass(frozen=True, eq=False)
class Relevance:
    """Maps of N crops by one method.

    Attributes
    ----------
    method : str
    channels : tuple of L str
        Channels of light in the model's order; masks are not among them.
    maps : float array N L Y X
        In ``unit``; positive speaks for the target.
    targets : tuple of N str
    score, baseline : float array N
        What is explained, of the crop and of the fill that stands in for what is taken away (nan
        where the method has none).
    unit : str
        One of `UNITS`.
    joined : tuple of str
        Channels that share one map, divided evenly among them, because the network joins them
        before the layer that was looked at; empty where each channel has a map of its own.
    parts : tuple of N mappings of name to float
        Channels or pieces with their share of ``score - baseline``; empty mappings where the
        method gives maps alone.
    note : str
        What a reader must know beside the maps.
    """

    method: str
    channels: tuple[str, ...]
    maps: Floats
    targets: tuple[str, ...]
    score: Floats
    baseline: Floats
    unit: str = "score"
    joined: tuple[str, ...] = ()
    parts: tuple[dict[str, float], ...] = ()
    note: str = ""
    flat: npt.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~np.isfinite(self.maps).all(axis=(1, 2, 3)))
        if len(wrong):
            raise UsageError(
                f"{self.method}: map {int(wrong[0])} holds values that are not numbers "
                f"({len(wrong)} of {len(self.maps)}); the model overflows there, or its layer is "
                "empty. Choose another layer or method."
            )
        spread = np.ptp(self.maps, axis=(2, 3)).max(axis=1) if len(self.maps) else np.zeros(0)
        object.__setattr__(self, "flat", spread == 0)

    def shares(self) -> Floats:
        r"""Each channel's share of what speaks for the target, ``N L``.

        .. math:: q_c = \sum_p R_c(p)^+ \Big/ \sum_{c'} \sum_p R_{c'}(p)^+

        nan where nothing speaks for the target, and where channels cannot be told apart or
        compared: `why_no_shares` says which.
        """
        if self.why_no_shares():
            return np.full(self.maps.shape[:2], np.nan)
        positive = np.clip(self.maps, 0, None).sum(axis=(2, 3))
        total = positive.sum(axis=1, keepdims=True)
        # Rounding leaves traces where there is nothing.
        some = total > TRACE * np.abs(self.maps).sum(axis=(1, 2, 3))[:, None]
        out: Floats = np.divide(positive, total, out=np.full(positive.shape, np.nan), where=some)
        return out

    def why_no_shares(self) -> str:
        """Why channels have no shares; empty where they have."""
        if self.method == "rise":
            return "Random masks leave chance in every channel, which would count as a share."
        if self.unit == "attention":
            return "Attention of separate encoders is not on one scale."
        if len(self.joined) > 1:
            names = ", ".join(self.joined)
            return f"One map for {names}: the network joins them at its first layer."
        return ""

    def explanations(self, object_ids: Sequence[str]) -> list[Explanation]:
        """As the noun that reports show.

        Raises
        ------
        UsageError
            Another number of names than of maps.
        """
        if len(object_ids) != len(self.maps):
            raise UsageError(f"got {len(object_ids)} names for {len(self.maps)} maps.")
        return [
            Explanation(
                object_id=name,
                method=self.method,
                target=self.targets[n],
                score=float(self.score[n]),
                maps=dict(zip(self.channels, self.maps[n], strict=True)),
                contributions=self.parts[n] if self.parts else {},
                baseline=float(self.baseline[n]),
            )
            for n, name in enumerate(object_ids)
        ]
