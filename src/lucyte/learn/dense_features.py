"""A small dense network of named features: an ensemble, stopped on groups it did not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lucyte.learn.splits import Names, best_folds, group_folds
from lucyte.learn.table_model import (
    Arrays,
    Floats,
    Learned,
    TableModel,
    learn_from,
    restored_scaling,
)
from lucyte.schema.errors import UsageError

INNER_FOLDS = 4


@dataclass(frozen=True)
class DenseSettings:
    """How `fit_dense` works.

    Attributes
    ----------
    hidden : tuple of int
        Units per hidden layer (ReLU).
    dropout : float
    weight_decay : float
    rate : float
        Of Adam, all rows at once.
    epochs : int
        Most; where groups allow, the number comes from one inner group-wise fold.
    members : int
        Networks whose logits are averaged.
    """

    hidden: tuple[int, ...] = (48,)
    dropout: float = 0.3
    weight_decay: float = 1e-2
    rate: float = 3e-3
    epochs: int = 200
    members: int = 3

    def __post_init__(self) -> None:
        if min((*self.hidden, self.epochs, self.members)) < 1 or not 0 <= self.dropout < 1:
            raise UsageError("a dense network needs 1 or more units, epochs and members.")


@dataclass(frozen=True)
class DenseModel(TableModel):
    """Mean logits of small networks.

    Attributes
    ----------
    layers : tuple (member) of tuple (layer) of (weights out x in, bias)
    """

    layers: tuple[tuple[tuple[Floats, Floats], ...], ...]

    kind = "dense"

    @property
    def parameters(self) -> int:
        """Weights of all networks."""
        return sum(w.size + b.size for member in self.layers for w, b in member)

    def scores(self, x: Floats) -> Floats:
        """Standard values ``N F`` to logits ``N K``."""
        out = np.zeros((len(x), len(self.classes)))
        for member in self.layers:
            value = x
            for k, (weights, bias) in enumerate(member):
                value = (np.maximum(value, 0) if k else value) @ weights.T + bias
            out += value
        return out / len(self.layers)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays, by name."""
        own = {
            f"{what}_{m}_{k}": array
            for m, member in enumerate(self.layers)
            for k, layer in enumerate(member)
            for what, array in zip(("weights", "bias"), layer, strict=True)
        }
        return {**super().arrays(), **own}

    def config(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON types."""
        return {**super().config(), "depth": len(self.layers[0]), "members": len(self.layers)}

    @classmethod
    def restore(cls, config: Mapping[str, Any], arrays: Arrays) -> DenseModel:
        """Put back together what `config` and `arrays` took apart."""
        layers = tuple(
            tuple(
                (arrays[f"weights_{m}_{k}"], arrays[f"bias_{m}_{k}"])
                for k in range(config["depth"])
            )
            for m in range(config["members"])
        )
        return cls(
            restored_scaling(config, arrays),
            tuple(config["classes"]),
            tuple(config["groups"]),
            str(config["chosen"]),
            layers,
        )


def fit_dense(
    table: pd.DataFrame,
    columns: Sequence[str],
    labels: Names,
    groups: Names,
    seed: int,
    settings: DenseSettings | None = None,
) -> DenseModel:
    """Fit small networks in which every class, and in it every group, weighs the same.

    The number of epochs is the one with the least held-out loss on one inner group-wise fold; all
    networks are then fitted on everything for as long.

    Parameters
    ----------
    table : DataFrame
        One row per object.
    columns : sequence of str
        Features on offer.
    labels, groups : sequence of N names
    seed : int
    settings : DenseSettings, optional

    Raises
    ------
    UsageError
        One class only, lengths that differ, or no column that can be used.
    """
    how = settings or DenseSettings()
    given = learn_from(table, columns, labels, groups)
    names = np.asarray(given.classes)[given.code]
    possible, why = best_folds(names, given.group, INNER_FOLDS)
    epochs, said = how.epochs, f"{how.epochs} epochs, for {why}"
    if possible >= 2:
        held = group_folds(names, given.group, possible, seed) == 0
        _, losses = _train(given, ~held, how, seed, how.epochs, held)
        epochs = int(np.argmin(losses)) + 1
        said = f"{epochs} epochs, least loss on one of {possible} inner group-wise folds"
    everything = np.ones(len(given.x), dtype=np.bool_)
    layers = tuple(
        _train(given, everything, how, seed + member, epochs)[0] for member in range(how.members)
    )
    return DenseModel(given.scaling, given.classes, given.groups, said, layers)


def _train(
    given: Learned,
    rows: npt.NDArray[np.bool_],
    how: DenseSettings,
    seed: int,
    epochs: int,
    held: npt.NDArray[np.bool_] | None = None,
) -> tuple[tuple[tuple[Floats, Floats], ...], list[float]]:
    """One network's layers, and its loss on ``held`` after every epoch."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = (given.x.shape[1], *how.hidden, len(given.classes))
        linear = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        steps: list[nn.Module] = [linear[0]]
        for each in linear[1:]:
            steps += [nn.ReLU(), nn.Dropout(how.dropout), each]
        network = nn.Sequential(*steps)
        descent = torch.optim.AdamW(
            network.parameters(), lr=how.rate, weight_decay=how.weight_decay
        )
        x = torch.from_numpy(given.x.astype(np.float32))
        y, weight = torch.from_numpy(given.code), torch.from_numpy(given.weight)
        mine = torch.from_numpy(rows)
        theirs = None if held is None else torch.from_numpy(held)

        def loss(where: Any) -> Any:
            each = cross_entropy(network(x[where]), y[where], reduction="none")
            return (each * weight[where]).sum() / weight[where].sum()

        losses = []
        for _ in range(epochs):
            network.train()
            descent.zero_grad()
            loss(mine).backward()
            descent.step()
            if theirs is not None:
                network.eval()
                with torch.no_grad():
                    losses.append(float(loss(theirs)))
    layers = tuple(
        (
            each.weight.detach().numpy().astype(np.float64),
            each.bias.detach().numpy().astype(np.float64),
        )
        for each in linear
    )
    return layers, losses
