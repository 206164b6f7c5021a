"""Examined: relevance maps with all that an exam may ask about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucyte.learn.erasing import light_channels
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Learner, Predictor
from lucyte.schema.samples import Samples

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]
Attribute = Callable[[Any, npt.NDArray[Any], Sequence[str]], Floats]
"""``(predictor, crops N C Y X, targets) -> maps N L Y X``: a method, whichever it is."""


@dataclass(frozen=True)
class ExamSettings:
    """How hard the exams look.

    Attributes
    ----------
    seed : int
    fractions : tuple of float
        Shares of the pixels taken away or put in, rising; the curves start at 0.
    fills : tuple of str
        What stands in for a pixel that is taken away: ``local_background``, ``mean``, ``blur``,
        ``black``. At least two: a verdict must not hang on one.
    road_fractions : tuple of float
        Shares of the pixels that ROAD imputes.
    noise : float
        ROAD: deviation of the noise on imputed pixels, in deviations of the channel.
    patches : int
        Infidelity: patches covered per crop.
    draws : int
        Sensitivity: noisy copies per crop.
    radius : float
        Sensitivity: half width of the uniform noise, in deviations of each channel of a crop.
    cascades : int
        Model randomisation: times the weights are drawn.
    similar : float
        Rank correlation at which a map counts as unchanged.
    """

    seed: int = 0
    fractions: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4)
    fills: tuple[str, ...] = ("local_background", "mean", "blur")
    road_fractions: tuple[float, ...] = (0.05, 0.1, 0.2)
    noise: float = 0.01
    patches: int = 48
    draws: int = 5
    radius: float = 0.1
    cascades: int = 1
    similar: float = 0.5

    def __post_init__(self) -> None:
        if len(set(self.fills)) < 2:
            raise UsageError(
                f"an exam needs at least two fills, got {', '.join(self.fills) or 'none'}: in "
                "fluorescence each of them is a value that does occur."
            )
        for name in ("fractions", "road_fractions"):
            values = getattr(self, name)
            rising = all(a < b for a, b in zip((0.0, *values), values, strict=False))
            if not (values and rising and values[-1] <= 1):
                raise UsageError(f"{name} must rise from above 0 to at most 1, got {values}.")
        for name in ("patches", "draws", "cascades"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True)
class Examined:
    """Maps of one method on cells of known units.

    Attributes
    ----------
    method : str
        First part of the Findings' names.
    predictor : Predictor
    crops : array N C Y X
        Raw units, channels as the predictor's.
    maps : float array N L Y X
        Relevance for ``targets``; positive speaks for the target. L: channels of light, or 1 for
        one map of all channels together.
    masks : bool array N Y X
        Each cell's own mask.
    groups : tuple of N str
        Independent unit of each crop.
    targets : tuple of N str
        The class each map explains; empty: the class the predictor gives.
    unit : str
        What ``groups`` counts.
    names : tuple of N str
        ``object_id`` of each; empty: numbers.
    attribute : callable, optional
        The method itself; without it nothing can be asked again.
    learner : Learner, optional
    training : Samples, optional
        What the model was fitted on, with labels.
    structures : mapping of name to bool array N Y X
        Where a cause may lie (spots, an organelle).
    other_seeds, other_methods : mapping of name to float array N L Y X
        Maps of the same crops by models of other seeds, and by other methods.
    multiplied : bool or None
        The crops show the cell alone; None: looked up in the pixels and the channels.
    """

    method: str
    predictor: Predictor
    crops: npt.NDArray[Any]
    maps: Floats
    masks: Masks
    groups: tuple[str, ...]
    targets: tuple[str, ...] = ()
    unit: str = "well"
    names: tuple[str, ...] = ()
    attribute: Attribute | None = None
    learner: Learner | None = None
    training: Samples | None = None
    structures: Mapping[str, Masks] = field(default_factory=dict)
    other_seeds: Mapping[str, Floats] = field(default_factory=dict)
    other_methods: Mapping[str, Floats] = field(default_factory=dict)
    multiplied: bool | None = None

    def __post_init__(self) -> None:
        n, _, *yx = self.crops.shape
        if not n:
            raise UsageError("there are no crops to examine maps on.")
        for what, maps in {"maps": self.maps, **self.other_seeds, **self.other_methods}.items():
            check_maps(what, maps, self.crops, self.predictor.channels)
        for what, mask in {"masks": self.masks, **self.structures}.items():
            if mask.shape != (n, *yx):
                raise UsageError(
                    f"{what} must be N Y X like the crops {self.crops.shape}, got {mask.shape}."
                )
        if not self.targets:
            at = self.predictor.logits(self.crops).argmax(axis=1)
            given = tuple(self.predictor.classes[int(k)] for k in at)
            object.__setattr__(self, "targets", given)
        if not self.names:
            object.__setattr__(self, "names", tuple(str(k) for k in range(n)))
        for what in ("groups", "targets", "names"):
            if len(getattr(self, what)) != n:
                raise UsageError(f"got {len(getattr(self, what))} {what} for {n} crops.")
        for name in self.targets:
            if name not in self.predictor.classes:
                raise unknown("class", name, self.predictor.classes, "The model has never seen it.")

    def __len__(self) -> int:
        return int(self.crops.shape[0])

    @property
    def target_index(self) -> npt.NDArray[np.int64]:
        """Position of each target among the predictor's classes, ``N``."""
        classes = self.predictor.classes
        return np.array([classes.index(name) for name in self.targets], dtype=np.int64)

    @property
    def light(self) -> list[int]:
        """Positions of the channels of light."""
        return list(light_channels(self.predictor.channels))

    @property
    def shows_cell_alone(self) -> bool:
        """Whether nothing outside the cell can carry relevance: those pixels are multiplied away.

        True where a channel ``mask:...`` erases them inside the model, or where every crop is
        flat outside its mask.
        """
        if self.multiplied is not None:
            return self.multiplied
        if len(self.light) < len(self.predictor.channels):
            return True
        light = self.crops[:, self.light].astype(np.float64)
        beside = [each[:, ~mask] for each, mask in zip(light, self.masks, strict=True)]
        flat = [np.ptp(each) == 0 for each in beside if each.size]
        return bool(flat) and all(flat)

    def take(self, index: npt.NDArray[np.int64]) -> Examined:
        """The crops at these positions with all that belongs to them."""

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[int(k)] for k in index)

        def each(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {name: array[index] for name, array in arrays.items()}

        return replace(
            self,
            crops=self.crops[index],
            maps=self.maps[index],
            masks=self.masks[index],
            groups=pick(self.groups),
            targets=pick(self.targets),
            names=pick(self.names),
            structures=each(self.structures),
            other_seeds=each(self.other_seeds),
            other_methods=each(self.other_methods),
        )


def is_map(maps: Floats) -> npt.NDArray[np.bool_]:
    """Which of ``N L Y X`` say anything: numbers throughout, and not all the same, ``N``."""
    flat = maps.reshape(len(maps), -1)
    fine: npt.NDArray[np.bool_] = np.asarray(np.isfinite(flat).all(axis=1))
    out: npt.NDArray[np.bool_] = fine & (np.ptp(np.where(fine[:, None], flat, 0.0), axis=1) > 0)
    return out


def ask_again(case: Examined, predictor: Predictor, crops: npt.NDArray[Any]) -> tuple[Floats, str]:
    """The method on a changed model or changed crops, and why it found nothing; nan where so.

    A method that refuses (every map of a model of random weights is flat, say) has no maps; that
    is an answer, and no reason to end an exam.
    """
    assert case.attribute is not None
    try:
        found = case.attribute(predictor, crops, case.targets)
    except UsageError as refusal:
        return np.full(case.maps.shape, np.nan), str(refusal)
    maps = np.asarray(found, dtype=np.float64)
    check_maps(f"maps of {case.method}", maps, crops, predictor.channels)
    return maps, ""


def check_maps(what: str, maps: Floats, crops: npt.NDArray[Any], channels: Sequence[str]) -> None:
    """Refuse maps of another shape than ``N L Y X`` with L the channels of light, or 1."""
    n, _, *yx = crops.shape
    light = len(light_channels(channels))
    if maps.shape not in ((n, light, *yx), (n, 1, *yx)):
        raise UsageError(
            f"{what} must be N L Y X like the crops {(n, light, *yx)}, or with one map for all "
            f"channels {(n, 1, *yx)}; got {maps.shape}."
        )


def one_plane(maps: Floats) -> Floats:
    """Relevance of all channels added, ``N Y X``."""
    out: Floats = maps.sum(axis=1)
    return out
