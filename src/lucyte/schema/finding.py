"""Finding: the one result noun for everything that can fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from lucyte.schema.errors import unknown

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Finding:
    """A question that was put to the data or the model, and what came back.

    Attributes
    ----------
    name : str
        Stable identifier, e.g. ``background.data_permit``.
    question : str
        In words a biologist reads, ending in a question mark.
    verdict : {"pass", "fail", "inconclusive"}
        ``pass`` only on evidence; ``fail`` warns without needing significance.
    statistic : float
        The number asked about; nan where undefined (``why`` says why).
    low, high : float or None
        Interval at the unit below; None where n allows none.
    n : int
        Independent units, never cells.
    unit : str
        What n counts (``well``, ``field``, ``culture``, ``sequence``).
    assumed : tuple of str
        What must hold for the verdict to hold.
    why : str
        One or two plain sentences: what was seen and what follows.
    statistic_name : str
        What the statistic is (``AUROC``, ``TRA``, ``F1@0.5``).
    group : str
        Where the report shows it: ``accuracy``, ``model``, ``explanation``, ``hypothesis`` or
        ``data``.
    details : mapping
        Curves and per-unit values as plain lists and numbers.
    """

    name: str
    question: str
    verdict: Verdict
    statistic: float
    low: float | None
    high: float | None
    n: int
    unit: str
    assumed: tuple[str, ...]
    why: str
    statistic_name: str = ""
    group: str = "model"
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Verdict):
            raise unknown("verdict", self.verdict, get_args(Verdict))

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON types; nan and infinite become None."""

        def plain(value: Any) -> Any:
            if isinstance(value, float) and not math.isfinite(value):
                return None
            if isinstance(value, Mapping):
                return {str(key): plain(each) for key, each in value.items()}
            if isinstance(value, list | tuple):
                return [plain(each) for each in value]
            if hasattr(value, "item") and not isinstance(value, str):
                return plain(value.item())
            return value

        return {key: plain(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """Read back what ``to_json`` wrote."""
        values = dict(data)
        values["assumed"] = tuple(values["assumed"])
        if values["statistic"] is None:
            values["statistic"] = math.nan
        return cls(**values)
