r"""Segment Anything and its kin from a folder on disk: prompts in, one mask per prompt out.

The network answers with logits on a coarse grid. They are brought to px of the picture as
published: bilinear to the size of the network's input, its padding cut off (SAM), bilinear to the
picture. Both steps are linear and separable, so a window of the picture is

.. math:: W = A_y \, L \, A_x^\top

with the coarse logits L and the rows of both steps' weights in A; no mask of the whole picture is
ever made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lucyte.networks.checkpoint_folder import (
    digest,
    load_network,
    read_json,
    read_normalisation,
    weight_files,
)
from lucyte.schema.errors import InputError, UsageError

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]
KINDS: Mapping[str, tuple[str, bool]] = {
    "sam": ("SamModel", True),
    "sam2": ("Sam2Model", False),
    "sam2_video": ("Sam2Model", False),
}
"""``model_type`` of config.json: class in transformers, and whether pictures keep their shape."""


@dataclass(frozen=True)
class Embedded:
    """A picture as the network sees it, ready for any number of prompts.

    Attributes
    ----------
    shape : (height, width)
        Of the picture, px.
    inner : (height, width)
        Of the picture inside the network's input, px; the rest is padding.
    """

    shape: tuple[int, int]
    inner: tuple[int, int]
    _features: Any = field(repr=False, compare=False)


@dataclass(frozen=True)
class PromptedMasks:
    """One mask per prompt.

    Attributes
    ----------
    logits : float32 array ``n h w``
        On the network's coarse grid; above 0 is object.
    scores : float64 array ``n``
        IoU with the true mask, as the network expects it.
    """

    logits: Floats
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True)
class PromptModel:
    """A network of the Segment Anything family.

    Attributes
    ----------
    kind : {"sam", "sam2", "sam2_video"}
    folder : str
    side_px : int
        Of the network's square input.
    mean, std : tuple of float
        Of red, green and blue, 0 to 1, taken off the picture.
    sha256 : str
        Of the weight files, for the record.
    """

    kind: str
    folder: str
    side_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    _network: Any = field(repr=False, compare=False)

    def embed(self, picture: npt.NDArray[np.uint8]) -> Embedded:
        """Look at a picture once.

        Parameters
        ----------
        picture : uint8 array, Y X 3
            Red, green, blue.
        """
        import torch

        light = self._prepare(picture)
        with torch.inference_mode():
            features = self._network.get_image_embeddings(light)
        shape = (picture.shape[0], picture.shape[1])
        return Embedded(shape, self._inner(shape), features)

    def ask(
        self,
        seen: Embedded,
        *,
        boxes: npt.NDArray[np.floating] | None = None,
        points: npt.NDArray[np.floating] | None = None,
        several: bool = False,
    ) -> PromptedMasks:
        """Masks of prompts on one picture, all at a time.

        Parameters
        ----------
        seen : Embedded
        boxes : array ``n x 4``, optional
            ``x0, y0, x1, y1`` in px of the picture.
        points : array ``n x 2``, optional
            ``x, y`` inside each object; with ``boxes`` or alone.
        several : bool
            Let the network propose several masks per prompt (part, whole) and take the one it
            expects most of: better for points, not for boxes.
        """
        import torch

        device = next(self._network.parameters()).device
        scale = np.array([seen.inner[1] / seen.shape[1], seen.inner[0] / seen.shape[0]])
        prompts: dict[str, torch.Tensor] = {}
        if boxes is not None:
            values = (np.asarray(boxes, np.float64) * np.tile(scale, 2)).astype(np.float32)
            prompts["input_boxes"] = torch.from_numpy(values)[None].to(device)
        if points is not None:
            values = (np.asarray(points, np.float64) * scale).astype(np.float32)
            prompts["input_points"] = torch.from_numpy(values)[None, :, None].to(device)
        if not prompts:
            raise UsageError("give boxes or points to ask for masks.")
        with torch.inference_mode():
            answer = self._network(
                image_embeddings=seen._features, multimask_output=several, **prompts
            )
        logits, scores = answer.pred_masks[0].float(), answer.iou_scores[0].float()
        rows = torch.arange(len(scores), device=device)
        best = scores.argmax(1)
        return PromptedMasks(
            logits[rows, best].cpu().numpy(), scores[rows, best].double().cpu().numpy()
        )

    def window(self, seen: Embedded, logits: Floats, at: tuple[int, int, int, int]) -> Floats:
        """Coarse logits in px of the picture, inside a window.

        Parameters
        ----------
        seen : Embedded
        logits : float32 array ``h w``
            Of one prompt.
        at : (x0, y0, x1, y1)
            Half-open, px of the picture.
        """
        x0, y0, x1, y1 = at
        down = self._weights(logits.shape[0], seen.inner[0], seen.shape[0], y0, y1)
        along = self._weights(logits.shape[1], seen.inner[1], seen.shape[1], x0, x1)
        return np.asarray(down @ logits @ along.T, dtype=np.float32)

    def _prepare(self, picture: npt.NDArray[np.uint8]) -> torch.Tensor:
        """The picture as the network's input ``1 3 side side``: resized, normalised, padded."""
        import torch
        from torch.nn import functional

        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise UsageError(
                f"the network takes a uint8 picture Y X 3, got {picture.dtype} {picture.shape}."
            )
        inner = self._inner((picture.shape[0], picture.shape[1]))
        device = next(self._network.parameters()).device
        light = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].to(device)
        light = functional.interpolate(light.float(), inner, mode="bilinear", antialias=True)
        light = light.round().clamp(0, 255) / 255
        mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (self.mean, self.std))
        padding = (0, self.side_px - inner[1], 0, self.side_px - inner[0])
        return functional.pad((light - mean) / std, padding)

    def _inner(self, shape: tuple[int, int]) -> tuple[int, int]:
        if not KINDS[self.kind][1]:
            return self.side_px, self.side_px
        scale = self.side_px / max(shape)
        return max(1, int(shape[0] * scale + 0.5)), max(1, int(shape[1] * scale + 0.5))

    def _weights(self, coarse: int, inner: int, size: int, low: int, high: int) -> Floats:
        if not KINDS[self.kind][1]:
            return bilinear_weights(coarse, size, low, high)
        last = bilinear_weights(inner, size, low, high)
        first = bilinear_weights(coarse, self.side_px, 0, inner)
        return np.asarray(last @ first, dtype=np.float32)


def bilinear_weights(source: int, target: int, low: int, high: int) -> Floats:
    """Weights of bilinear resizing between px centres, border repeated, for targets low to high.

    Returns
    -------
    float32 array ``(high - low) x source``
        Rows add up to 1.
    """
    at = np.clip((np.arange(low, high) + 0.5) * (source / target) - 0.5, 0, source - 1)
    first = np.floor(at).astype(np.intp)
    second = np.minimum(first + 1, source - 1)
    part = (at - first).astype(np.float32)
    out = np.zeros((high - low, source), dtype=np.float32)
    rows = np.arange(high - low)
    np.add.at(out, (rows, first), 1 - part)
    np.add.at(out, (rows, second), part)
    return out


def read_sam(folder: str | Path, *, device: str = "cpu") -> PromptModel:
    """Read a checkpoint in the form of transformers: config.json and safetensors.

    Nothing is fetched, and no pickle is read.

    Parameters
    ----------
    folder : path
        As ``save_pretrained`` writes it: SAM, MedSAM and other fine-tunings of SAM, SAM 2.
    device : str
        "cpu", "cuda".

    Raises
    ------
    InputError
        No such folder, weights as pickle only, another kind of network, weights that lack a part.
    UsageError
        A device that this machine lacks.

    References
    ----------
    Kirillov et al. 2023, doi 10.1109/ICCV51070.2023.00371; Ma et al. 2024 (MedSAM),
    doi 10.1038/s41467-024-44824-z.
    """
    root = Path(folder)
    config = read_json(root / "config.json")
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise InputError(
            root / "config.json",
            f"is of model_type {kind!r}; masks from prompts need one of {', '.join(KINDS)}.",
        )
    weights = weight_files(root)
    network = load_network(root, KINDS[kind][0]).eval()
    try:
        network = network.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {device!r} cannot be used here: {reason}") from None
    mean, std = read_normalisation(root)
    own = network.config
    side = own.vision_config.image_size if kind == "sam" else own.prompt_encoder_config.image_size
    if not isinstance(side, int):
        raise InputError(root / "config.json", f"image_size {side} is not one whole number.")
    return PromptModel(kind, str(root), side, mean, std, digest(weights), network)
