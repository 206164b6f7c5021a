"""The network that finds objects: which maps it answers with, and how it is stored.

One U-Net++ answers, for every output pixel: is this an object, is here the centre of a box, where
is the centre of my object (a vote), and how far are the sides of its box. Masks come from grouping
the votes, boxes from the sides; data with boxes alone trains the same network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lucyte.networks.model_folder import Card, StoredModel
from lucyte.networks.views import VIEWS_PER_CHANNEL
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from lucyte.networks.unet_plus_plus import UNetPlusPlus

KIND = "objects"
FOREGROUND, CENTRE, VOTE_Y, VOTE_X, LEFT, TOP, RIGHT, BOTTOM = range(8)
MAPS = 8
"""Maps without classes; one logit per class follows."""
UNIT = 8.0
"""Output px per unit of the votes and of the exponentiated sides."""


@dataclass(frozen=True)
class ObjectConfig:
    """Everything that is needed to build and to use a network, beside its weights.

    Attributes
    ----------
    channels : tuple of str
        What the network looks at, in order.
    finds : str
        Kind of the objects: nucleus, cell ...
    classes : tuple of str
        Classes of objects; empty where none were annotated.
    widths : tuple of int
        Feature maps per level.
    stride : int
        Input px per output px.
    diameter_px : float
        Images are resampled so that a typical object has this diameter.
    diameters_px : (low, high)
        Diameters, in network px, that training covered.
    has_masks : bool
        Trained on masks; False where it knows boxes alone, and outlines are a guess.
    typical_px : float or None
        Typical diameter in the training images, in their own px.
    confidence : float
        Objects with a lower score are left out unless asked for; chosen on validation groups.
    pixel_size_um : float or None
        Of the training images, where known.
    """

    channels: tuple[str, ...]
    finds: str
    classes: tuple[str, ...] = ()
    widths: tuple[int, ...] = (24, 32, 48, 64, 96)
    stride: int = 2
    diameter_px: float = 28.0
    diameters_px: tuple[float, float] = (10.0, 100.0)
    has_masks: bool = True
    typical_px: float | None = None
    confidence: float = 0.4
    pixel_size_um: float | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ObjectConfig:
        """The inverse of ``dataclasses.asdict`` after JSON."""
        known = cls.__dataclass_fields__
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise UsageError(
                f"object model: unknown setting {unknown[0]!r}; made by a newer Lucyte?"
            )
        lists: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
        }
        return cls(**lists)


def build(config: ObjectConfig) -> UNetPlusPlus:
    """The network with fresh weights."""
    from lucyte.networks.unet_plus_plus import UNetPlusPlus

    return UNetPlusPlus(
        VIEWS_PER_CHANNEL * len(config.channels),
        MAPS + len(config.classes),
        config.widths,
        config.stride,
    )


def store(network: UNetPlusPlus, config: ObjectConfig, card: Card) -> StoredModel:
    """Weights in half precision where they are fractions, and every setting."""
    arrays = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    small = {
        name: value.astype(np.float16) if value.dtype == np.float32 and value.ndim == 4 else value
        for name, value in arrays.items()
        if not name.endswith("num_batches_tracked")
    }
    return StoredModel(
        kind=KIND,
        architecture="U-Net++ with foreground, centre, votes and box sides",
        classes=config.classes,
        channels=config.channels,
        input_px=network.multiple,
        pixel_size_um=config.pixel_size_um,
        config=asdict(config),
        arrays=small,
        card=card,
    )


def restore(stored: StoredModel) -> tuple[UNetPlusPlus, ObjectConfig]:
    """The network, ready to answer, and its settings.

    Raises
    ------
    UsageError
        A model of another kind, or arrays that are not this network's.
    """
    import torch

    if stored.kind != KIND:
        raise UsageError(f"this model is of kind {stored.kind!r}; finding objects needs {KIND!r}.")
    config = ObjectConfig.from_json(stored.config)
    network = build(config)
    state = {
        name: torch.from_numpy(
            np.asarray(value, np.float32) if value.dtype == np.float16 else value
        )
        for name, value in stored.arrays.items()
    }
    missing, extra = network.load_state_dict(state, strict=False)
    lost = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lost or extra:
        raise UsageError(
            f"the weights are not of this network: {', '.join((lost + extra)[:3])} ..."
        )
    return network.eval(), config
