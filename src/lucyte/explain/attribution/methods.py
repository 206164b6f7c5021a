"""Every attribution method, a row each, and the one way to call them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lucyte.explain.attribution.explained import (
    Explained,
    Floats,
    Ints,
    Score,
    bind,
    check_crops,
)
from lucyte.explain.attribution.fills import fill_image
from lucyte.explain.attribution.relevance import Relevance
from lucyte.learn.erasing import light_channels
from lucyte.schema.errors import UsageError, unknown
from lucyte.schema.protocols import Predictor

if TYPE_CHECKING:
    from torch import Tensor

    from lucyte.explain.attribution.questions import Questions


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes
    ----------
    name, words : str
        For the code and for a person.
    module, function : str
        Where it is; imported when it is used.
    needs : {"predictor", "differentiable", "layer", "attention"}
        What it asks of a model: logits; gradients; a layer; blocks of attention.
    cost : str
        Work per crop, in passes through the network.
    source : str
        DOI, or arXiv number.
    """

    name: str
    words: str
    module: str
    function: str
    needs: str
    cost: str
    source: str


_CAM, _TRIALS, _GRADIENTS = "cam", "cam_trials", "gradients"
METHODS: tuple[Method, ...] = (
    Method(
        *("occlusion", "cover a patch of a channel", "occlusion", "occlude", "predictor"),
        *("1 forward per patch and channel", "10.1007/978-3-319-10590-1_53"),
    ),
    Method(
        *("rise", "hide random parts of all channels", "rise", "rise", "predictor"),
        *("1 forward per sample", "arXiv 1806.07421"),
    ),
    Method(
        *("shapley_channels", "share the answer out among channels", "shapley"),
        *("channel_shapley", "predictor", "2^channels forwards", "10.1515/9781400881970-018"),
    ),
    Method(
        *("shapley_pieces", "share the answer out among organelles and spots", "shapley"),
        *("piece_shapley", "predictor", "1 forward per coalition", "arXiv 1705.07874"),
    ),
    Method(
        *("grad_cam", "layer, weighted by mean slopes", _CAM, "cam", "layer"),
        *("1 forward, part of a backward", "10.1109/ICCV.2017.74"),
    ),
    Method(
        *("grad_cam_plus_plus", "layer, weighted by positive slopes", _CAM, "cam", "layer"),
        *("1 forward, part of a backward", "10.1109/WACV.2018.00097"),
    ),
    Method(
        *("xgrad_cam", "layer, weighted by slopes where it is active", _CAM, "cam", "layer"),
        *("1 forward, part of a backward", "arXiv 2008.02312"),
    ),
    Method(
        *("layer_cam", "layer, weighted place by place", _CAM, "cam", "layer"),
        *("1 forward, part of a backward", "10.1109/TIP.2021.3089943"),
    ),
    Method(
        *("eigen_cam", "what a layer shows most of; knows no class", _CAM, "cam", "layer"),
        *("1 forward", "10.1109/IJCNN48605.2020.9206626"),
    ),
    Method(
        *("score_cam", "layer, each map tried as a window", _TRIALS, "score_cam", "layer"),
        *("1 forward per map of the layer", "10.1109/CVPRW50498.2020.00020"),
    ),
    Method(
        *("ablation_cam", "layer, each map taken away", _TRIALS, "ablation_cam", "layer"),
        *("1 pass from the layer on per map", "10.1109/WACV45572.2020.9093360"),
    ),
    Method(
        *("attention_rollout", "where attention flows from; knows no class", "rollout"),
        *("attention_rollout", "attention", "1 forward", "10.18653/v1/2020.acl-main.385"),
    ),
    Method(
        *("gradient_x_input", "slope times input", _GRADIENTS, "gradient", "differentiable"),
        *("1 forward and backward", "arXiv 1605.01713"),
    ),
    Method(
        *("smooth_grad", "mean slope of noisy copies", _GRADIENTS, "gradient", "differentiable"),
        *("1 forward and backward per step", "arXiv 1706.03825"),
    ),
    Method(
        *("integrated_gradients", "slopes on the way from the fill", _GRADIENTS, "gradient"),
        *("differentiable", "1 forward and backward per step", "arXiv 1703.01365"),
    ),
    Method(
        *("deep_lift", "differences passed down layer by layer", "deep_lift", "deep_lift"),
        *("differentiable", "2 forwards and backwards", "arXiv 1704.02685"),
    ),
)
"""One row per method; simple ones first."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What methods can be told; each takes what concerns it.

    Attributes
    ----------
    baseline : str or array
        What stands in for what is taken away; see `fill_image`.
    layer : str or None
        See `find_sites`.
    keep_negative : bool
        CAMs keep what speaks against the target; as published they cut it.
    patch_px, stride_px : int or None
        Of occlusion; a sixth of the crop and half of that.
    samples : int
        Random masks of RISE, coalitions of pieces.
    steps : int
        Of SmoothGrad and integrated gradients.
    noise : float
        Of SmoothGrad, in deviations of the training px.
    pieces : int array N Y X or None
        Of `shapley_pieces`; 0 is always shown. See `join_pieces`.
    piece_channel : str or None
        The channel in which pieces are taken away; None is all.
    seed : int
    """

    baseline: str | npt.NDArray[Any] = "local_background"
    layer: str | None = None
    keep_negative: bool = False
    patch_px: int | None = None
    stride_px: int | None = None
    samples: int = 512
    steps: int = 32
    noise: float = 0.15
    pieces: npt.NDArray[np.int64] | None = None
    piece_channel: str | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Case:
    """What a method is given: a score of crops, and settings.

    Attributes
    ----------
    method : str
    score : Score
    crops, fill : array N C Y X
        Raw units.
    settings : Settings
    """

    method: str
    score: Score
    crops: npt.NDArray[Any]
    fill: Floats
    settings: Settings
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def light(self) -> tuple[str, ...]:
        """Channels of light, in the model's order."""
        channels = self.score.model.channels
        return tuple(channels[k] for k in light_channels(channels))

    def questions(self) -> Questions:
        """For methods that ask about changed crops."""
        from lucyte.explain.attribution.questions import Questions

        if "questions" not in self._kept:
            self._kept["questions"] = Questions(self.score, self.crops, self.fill)
        asked: Questions = self._kept["questions"]
        return asked

    def answers(self) -> Floats:
        """The model's answers to the crops as they are; asked for once."""
        if "answers" not in self._kept:
            self._kept["answers"] = self.score.answers(np.asarray(self.crops))
        told: Floats = self._kept["answers"]
        return told

    def told(self, answers: Floats) -> None:
        """Take answers that a method came by on its way."""
        self._kept["answers"] = answers

    def fixed(self) -> Score:
        """The score against the class that comes second in the crops as they are."""
        return self.score.fixed(self.answers())

    def prepared(self, rows: Ints) -> Tensor:
        """Some crops as the network sees them."""
        model: Any = self.score.model
        x: Tensor = model.prepare(self.crops[rows])
        return x

    def prepared_fill(self, rows: Ints) -> Tensor:
        """Their fills as the network sees them."""
        model: Any = self.score.model
        x: Tensor = model.prepare(self.fill[rows])
        return x

    def found(
        self, maps: Floats, unit: str, fill: bool = True, score: Score | None = None, **more: Any
    ) -> Relevance:
        """What was found; ``fill=False`` where the method takes nothing away."""
        score = score or self.score
        empty = score.ask(self.fill) if fill else np.full(len(maps), np.nan)
        whole = score.of(self.answers())
        return Relevance(self.method, self.light, maps, score.names, whole, empty, unit, **more)


def attribute(
    model: Predictor,
    crops: npt.NDArray[Any],
    explained: Explained,
    method: str = "occlusion",
    settings: Settings | None = None,
) -> Relevance:
    """Relevance of every px of every channel of light for what is explained.

    Parameters
    ----------
    model : Predictor
        A `Differentiable` one for the methods that look inside.
    crops : array N C Y X
        Raw units, channels and size as the model's.
    explained : str, sequence of N str, ClassMargin or Coordinate
        A class, for all crops or for each; against a named class; or a coordinate of the embedding.
    method : str
        One of `METHODS`.
    settings : Settings, optional

    Raises
    ------
    UsageError
        An unknown method, class, layer or baseline; crops of another form; a model that the method
        cannot look into; maps that are not numbers, or constant in every crop.
    """
    rows = {row.name: row for row in METHODS}
    if method not in rows:
        raise unknown("attribution method", method, rows)
    settings = settings or Settings()
    check_crops(model, crops)
    score = bind(model, explained, len(crops))
    fill = fill_image(crops, model.channels, settings.baseline)
    row = rows[method]
    run = getattr(import_module(f"lucyte.explain.attribution.{row.module}"), row.function)
    found: Relevance = run(Case(method, score, crops, fill, settings))
    if found.flat.all() and not found.parts:
        raise UsageError(
            f"{method}: every map is constant. {_why_flat(row)} Choose another layer, method or "
            "baseline."
        )
    return found


def applicable(model: Predictor) -> tuple[str, ...]:
    """Methods that a model allows, by what it is; pieces must still be given."""
    from lucyte.schema.protocols import Differentiable

    layers = model.layers() if isinstance(model, Differentiable) else {}
    inside = isinstance(model, Differentiable)
    tokens = any(name.rsplit("/", 1)[-1].startswith("block") for name in layers)
    return tuple(
        row.name
        for row in METHODS
        if row.needs == "predictor" or (inside and (row.needs != "attention" or tokens))
    )


def _why_flat(row: Method) -> str:
    if row.needs == "layer":
        return (
            "At that layer nothing speaks for the target (keep_negative=True shows what speaks "
            "against it; of a transformer's last block only the class token is read)."
        )
    if row.needs == "predictor":
        return "Nothing that is taken away changes the answer."
    return "The answer depends on nothing in these crops, or they are as their fill."
