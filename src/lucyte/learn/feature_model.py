"""FeatureModel: a linear model of named features that says exactly what each one adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from lucyte.learn.margins import logit_margin
from lucyte.learn.scaling import Scaling
from lucyte.schema.errors import UsageError, unknown

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FeatureModel:
    """Logits that are sums of standardised features.

    Attributes
    ----------
    scaling : Scaling
        Which columns, and how they become standard values.
    coefficients : float array K F
        Logit per standard unit.
    intercept : float array K
    classes : tuple of K str
    channels : tuple of str
        Channels of light that the features were measured in; empty where unknown.
    groups : tuple of str
        The independent groups it was fitted on, sorted.
    penalty : float
        Lambda of the elastic net.
    chosen : str
        How the penalty was chosen, in words.
    """

    scaling: Scaling
    coefficients: Floats
    intercept: Floats
    classes: tuple[str, ...]
    channels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    penalty: float = 0.0
    chosen: str = ""

    def __post_init__(self) -> None:
        shape = (len(self.classes), len(self.features))
        if self.coefficients.shape != shape or self.intercept.shape != shape[:1]:
            raise UsageError(
                f"a model of {shape[0]} classes and {shape[1]} features needs coefficients of "
                f"shape {shape}, got {self.coefficients.shape} and {self.intercept.shape}."
            )

    @property
    def features(self) -> tuple[str, ...]:
        """Columns the model takes, in the order of its coefficients."""
        return self.scaling.features

    @property
    def used(self) -> tuple[str, ...]:
        """Columns with a coefficient that is not zero for some class."""
        live = (self.coefficients != 0).any(axis=0)
        return tuple(name for name, keep in zip(self.features, live, strict=True) if keep)

    def logits(self, table: pd.DataFrame) -> Floats:
        """Rows of ``table`` to logits ``N x K``; nan for a row in which nothing was measured."""
        out: Floats = self.scaling.apply(table) @ self.coefficients.T + self.intercept
        return out

    def probabilities(self, table: pd.DataFrame) -> Floats:
        """``N x K``, adding up to 1 in every row."""
        out: Floats = softmax(self.logits(table), axis=1)
        return out

    def margin(self, table: pd.DataFrame) -> Floats:
        """Logit margin of every row; see `logit_margin`."""
        return logit_margin(self.logits(table))

    def index(self, name: str) -> int:
        """Position of a class; refuses a class never seen."""
        if name not in self.classes:
            raise unknown("class", name, self.classes, "The model has never seen it.")
        return self.classes.index(name)

    def config(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON types."""
        return {
            "features": list(self.features),
            "clip": self.scaling.clip,
            "refused": dict(self.scaling.refused),
            "missing": dict(self.scaling.missing),
            "classes": list(self.classes),
            "channels": list(self.channels),
            "groups": list(self.groups),
            "penalty": self.penalty,
            "chosen": self.chosen,
        }

    def arrays(self) -> dict[str, Floats]:
        """The arrays, by name."""
        return {
            "centre": self.scaling.centre,
            "scale": self.scaling.scale,
            "fill": self.scaling.fill,
            "coefficients": self.coefficients,
            "intercept": self.intercept,
        }

    @classmethod
    def restore(
        cls, config: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> FeatureModel:
        """Put back together what `config` and `arrays` took apart."""
        scaling = Scaling(
            tuple(config["features"]),
            arrays["centre"],
            arrays["scale"],
            arrays["fill"],
            float(config["clip"]),
            dict(config["refused"]),
            dict(config["missing"]),
        )
        return cls(
            scaling,
            arrays["coefficients"],
            arrays["intercept"],
            tuple(config["classes"]),
            tuple(config["channels"]),
            tuple(config["groups"]),
            float(config["penalty"]),
            str(config["chosen"]),
        )
