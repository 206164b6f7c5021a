r"""What is explained: a class against another, or one coordinate of the embedding.

.. math:: s(x) = z_t(x) - \max_{j \ne t} z_j(x), \quad s(x) = z_t(x) - z_a(x), \quad
          s(x) = e_k(x)

with :math:`z` the logits, :math:`t` the target, :math:`a` a named class and :math:`e` the pooled
features. Every method explains any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lucyte.learn.margins import runner_up
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Differentiable, Predictor

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassMargin:
    """The logit of a class less that of another.

    Attributes
    ----------
    targets : str or sequence of N str
        For all crops or for each.
    against : str or None
        The other class; None is the best of the others.
    """

    targets: str | Sequence[str]
    against: str | None = None


@dataclass(frozen=True)
class Coordinate:
    """One of the pooled features ahead of the head; counted from 0."""

    at: int


Explained = str | Sequence[str] | ClassMargin | Coordinate


@dataclass(frozen=True, eq=False)
class Score:
    """What is explained of given crops, as a number and as a tensor.

    Attributes
    ----------
    model : Predictor
    names : tuple of N str
        Target of each crop.
    at : int array N
        Its place among the classes, or among the features.
    against : int array N or None
        None: the best other class, found anew for every answer.
    embedded : bool
        Features are asked, not logits.
    """

    model: Predictor
    names: tuple[str, ...]
    at: Ints
    against: Ints | None = None
    embedded: bool = False

    def ask(self, crops: npt.NDArray[Any], rows: Ints | None = None) -> Floats:
        """Score of raw crops; ``rows`` says which crop each was made from."""
        return self.of(self.answers(crops), rows)

    def ask_prepared(self, x: Tensor, rows: Ints | None = None) -> Floats:
        """Score of prepared pictures, by the model's engine where it has one."""
        model: Any = self.model
        if hasattr(model, "logits_of_prepared") and not self.embedded:
            return self.of(model.logits_of_prepared(x), rows)
        import torch

        with torch.inference_mode():
            found = self.module()(x).double().numpy()
        return self.of(found, rows)

    def of(self, answers: Floats, rows: Ints | None = None) -> Floats:
        """Score of answers ``M K``; refuses what is not a number."""
        rows = np.arange(len(self.at)) if rows is None else rows
        here, at = np.arange(len(answers)), self.at[rows]
        if self.embedded:
            score = answers[here, at]
        else:
            other = runner_up(answers, at) if self.against is None else self.against[rows]
            score = answers[here, at] - answers[here, other]
        wrong = np.flatnonzero(~np.isfinite(score))
        if len(wrong):
            raise UsageError(
                f"the model's answer for crop {int(rows[wrong[0]])} is not a number "
                f"({len(wrong)} of {len(score)}); nothing can be explained there."
            )
        return np.asarray(score, dtype=np.float64)

    def of_tensor(self, answers: Tensor, rows: Ints) -> Tensor:
        """Score of answers ``M K`` that a gradient can go through."""
        import torch

        at = torch.from_numpy(self.at[rows]).to(answers.device)[:, None]
        here = answers.gather(1, at)[:, 0]
        if self.embedded:
            return here
        if self.against is not None:
            other = torch.from_numpy(self.against[rows]).to(answers.device)[:, None]
            return here - answers.gather(1, other)[:, 0]
        return here - answers.scatter(1, at, -torch.inf).max(dim=1).values

    def module(self) -> nn.Module:
        """Prepared pictures to answers ``M K``, without turned views."""
        model: Any = self.model
        whole: nn.Module = model.module()
        return _Features(whole.network) if self.embedded else whole

    def answers(self, crops: npt.NDArray[Any]) -> Floats:
        """Logits, or features where they are explained."""
        model: Any = self.model
        return np.asarray(model.embed(crops) if self.embedded else model.logits(crops))

    def fixed(self, answers: Floats) -> Score:
        """The same against the class that comes second in ``answers``, whatever is changed."""
        if self.embedded or self.against is not None:
            return self
        return replace(self, against=runner_up(answers, self.at))

    @property
    def turns(self) -> int:
        """Turned views that the model averages; its features are of one view."""
        return 1 if self.embedded else int(getattr(self.model, "turns", 1))


def bind(model: Predictor, explained: Explained, count: int) -> Score:
    """What is explained of ``count`` crops by a model.

    Raises
    ------
    UsageError
        A class never seen, a class against itself, a coordinate the model does not have.
    """
    if isinstance(explained, Coordinate):
        return _coordinate(model, explained.at, count)
    if not isinstance(explained, ClassMargin):
        explained = ClassMargin(explained)
    at = target_index(model, explained.targets, count)
    names = tuple(model.classes[k] for k in at)
    if explained.against is None:
        return Score(model, names, at)
    against = target_index(model, explained.against, count)
    if (at == against).any():
        raise UsageError(f"class {explained.against!r} cannot be explained against itself.")
    return Score(model, names, at, against)


def target_index(predictor: Predictor, target: str | Sequence[str], count: int) -> Ints:
    """Position of each crop's target among the predictor's classes."""
    names = [target] * count if isinstance(target, str) else list(target)
    if len(names) != count:
        raise UsageError(f"got {len(names)} targets for {count} crops.")
    for name in names:
        if name not in predictor.classes:
            raise unknown("class", name, predictor.classes, "The model has never seen it.")
    return np.array([predictor.classes.index(name) for name in names], dtype=np.int64)


def check_crops(model: Predictor, crops: npt.NDArray[Any]) -> None:
    """Refuse crops of another size, of other channels, or with gaps.

    Raises
    ------
    UsageError
    """
    wanted = (len(model.channels), model.input_px, model.input_px)
    if crops.ndim != 4 or crops.shape[1:] != wanted:
        raise UsageError(
            f"the model takes crops N C Y X of {wanted[1]} x {wanted[2]} px with channels "
            f"{', '.join(model.channels)}; got shape {crops.shape}."
        )
    if not len(crops):
        raise UsageError("there are no crops to explain.")
    if crops.dtype.kind == "f" and not np.isfinite(crops).all():
        wrong = np.flatnonzero(~np.isfinite(crops).all(axis=(1, 2, 3)))
        raise UsageError(
            f"crop {int(wrong[0])} holds nan or infinite values ({len(wrong)} of {len(crops)}); "
            "leave it out first."
        )


def _coordinate(model: Predictor, at: int, count: int) -> Score:
    if not hasattr(model, "embed") or not isinstance(model, Differentiable):
        raise UsageError(f"{type(model).__name__} has no embedding; explain a class instead.")
    anything = np.zeros((1, len(model.channels), model.input_px, model.input_px), np.float32)
    embed: Any = model.embed  # type: ignore[attr-defined]
    features = embed(anything).shape[1]
    if not 0 <= at < features:
        raise UsageError(f"the embedding has coordinates 0 to {features - 1}, got {at}.")
    return Score(
        model, (f"coordinate {at}",) * count, np.full(count, at, dtype=np.int64), embedded=True
    )


def _Features(network: Any) -> nn.Module:
    from torch import nn

    class Pooled(nn.Module):
        """A network up to its pooled features."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.network.features(x)
            return found

    return Pooled()
