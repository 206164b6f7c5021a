"""A network that outlines the one cell of a crop: a U-Net++ with one answer, and its storage.

Crops come in raw units. Inside the network every channel of every crop has its mean taken off and
is divided by its standard deviation, so that light, exposure and camera do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.model_folder import Card, StoredModel
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from lucyte.networks.unet_plus_plus import UNetPlusPlus

KIND = "crop-masks"
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CropMaskNetwork:
    """Crops to probabilities; what ``segment.box_crops.masks_in_boxes`` takes.

    Attributes
    ----------
    channels : tuple of str
        What it looks at, in order.
    side_px : int
        Of the crops.
    widths : tuple of int
        Feature maps per level.
    stride : int
        Crop px per px of the network's own answer.
    """

    channels: tuple[str, ...]
    side_px: int
    widths: tuple[int, ...]
    stride: int
    network: UNetPlusPlus = field(repr=False, compare=False)

    def __call__(self, crops: Floats) -> Floats:
        """Probability of each px to belong to the cell of its crop.

        Parameters
        ----------
        crops : array ``n C s s``
            Raw units.

        Returns
        -------
        float32 array ``n s s``

        Raises
        ------
        UsageError
            Crops of another size or number of channels; nan.
        """
        import torch

        wanted = (len(self.channels), self.side_px, self.side_px)
        if crops.ndim != 4 or crops.shape[1:] != wanted:
            raise UsageError(
                f"crops must be n x {' x '.join(map(str, wanted))} "
                f"(channels {', '.join(self.channels)}), got {crops.shape}."
            )
        if not np.isfinite(crops).all():
            raise UsageError("crops hold nan or infinite values.")
        with torch.inference_mode():
            light = torch.from_numpy(np.ascontiguousarray(crops, dtype=np.float32))
            logits = enlarge(self.network(standardise(light)), self.side_px)
            found: Floats = torch.sigmoid(logits).numpy()
        return found


def standardise(crops: Tensor) -> Tensor:
    """Mean 0 and deviation 1 per crop and channel; an even channel becomes 0."""
    mean = crops.mean((2, 3), keepdim=True)
    deviation = crops.std((2, 3), keepdim=True, correction=0)
    even = deviation <= 1e-6 * mean.abs().clamp(min=1e-6)
    return (crops - mean) / deviation.masked_fill(even, 1.0) * (~even)


def enlarge(logits: Tensor, side_px: int) -> Tensor:
    """Answers ``n 1 h w`` as logits ``n s s``, bilinear."""
    from torch.nn import functional

    size = (side_px, side_px)
    return functional.interpolate(logits, size, mode="bilinear", align_corners=False)[:, 0]


def build(
    channels: tuple[str, ...],
    side_px: int = 64,
    widths: tuple[int, ...] = (24, 40, 64, 96),
    stride: int = 2,
) -> CropMaskNetwork:
    """A network with fresh weights.

    Raises
    ------
    UsageError
        A side that the network's levels do not divide.
    """
    from lucyte.networks.unet_plus_plus import UNetPlusPlus

    network = UNetPlusPlus(len(channels), 1, widths, stride)
    if side_px % network.multiple:
        raise UsageError(f"side_px must be a multiple of {network.multiple}, got {side_px}.")
    return CropMaskNetwork(tuple(channels), side_px, tuple(widths), stride, network.eval())


def store(model: CropMaskNetwork, card: Card) -> StoredModel:
    """What a model folder holds; ``model_folder.pack`` makes its files."""
    state = model.network.state_dict()
    arrays: dict[str, npt.NDArray[Any]] = {
        name: value.detach().cpu().numpy()
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    return StoredModel(
        kind=KIND,
        architecture="U-Net++ on crops of boxes",
        classes=(),
        channels=model.channels,
        input_px=model.side_px,
        pixel_size_um=None,
        config={"widths": list(model.widths), "stride": model.stride},
        arrays=arrays,
        card=card,
    )


def restore(stored: StoredModel) -> CropMaskNetwork:
    """The network of a stored model, ready to answer.

    Raises
    ------
    UsageError
        A model of another kind, or arrays that are not this network's.
    """
    import torch

    if stored.kind != KIND:
        raise UsageError(
            f"this model is of kind {stored.kind!r}; --outlines needs {KIND!r} or SAM."
        )
    if set(stored.config) != {"widths", "stride"}:
        raise UsageError(f"a model of crops needs widths and stride, got {sorted(stored.config)}.")
    widths = tuple(int(width) for width in stored.config["widths"])
    model = build(stored.channels, stored.input_px, widths, int(stored.config["stride"]))
    state = {name: torch.from_numpy(value) for name, value in stored.arrays.items()}
    try:
        missing, extra = model.network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise UsageError(
            f"the weights are not of this network: {str(error).splitlines()[-1].strip()}"
        ) from None
    lost = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lost or extra:
        raise UsageError(f"the weights are not of this network: {', '.join((lost + extra)[:3])}.")
    return model
