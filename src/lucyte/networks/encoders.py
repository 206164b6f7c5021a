"""Encoders by name, for any number of channels: a picture to a vector of features.

Built from a configuration, so that nothing is downloaded; weights of a checkpoint only where they
are asked for by name.

References
----------
He et al. 2016, doi 10.1109/CVPR.2016.90 (residual networks). Dosovitskiy et al. 2021,
arXiv 2010.11929 (ViT). Oquab et al. 2024, arXiv 2304.07193 (DINOv2). Liu et al. 2022,
doi 10.1109/CVPR52688.2022.01167 (ConvNeXt).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lucyte.networks.pretrained import adapt_stem, load_pretrained
from lucyte.networks.residual import SmallResidual
from lucyte.schema.errors import UsageError, unknown


class Encoder(nn.Module):
    """Pictures ``N C H W`` to features ``N F``.

    Attributes
    ----------
    features : int
        F.
    shape : {"map", "tokens"}
        What the body's answer, and its layers', look like: ``N F h w``, or ``N T F`` with the
        class token first.
    pooled : Module
        What is done to the pooled features; nothing as a rule.
    """

    def __init__(
        self,
        body: nn.Module,
        features: int,
        shape: str,
        layers: Mapping[str, nn.Module],
        pooled: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.features = features
        self.shape = shape
        self.pooled = pooled or nn.Identity()
        named = {id(module): path for path, module in body.named_modules()}
        self._paths = {name: named[id(module)] for name, module in layers.items()}

    def layers(self) -> Mapping[str, nn.Module]:
        """Layers that attribution may look at, from the first to the last."""
        return {name: self.body.get_submodule(path) for name, path in self._paths.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Mean over the map, or the class token."""
        found: Any = self.body(x)
        state: Tensor = found if isinstance(found, Tensor) else found.last_hidden_state
        features: Tensor = self.pooled(
            state.mean(dim=(2, 3)) if self.shape == "map" else state[:, 0]
        )
        return features


@dataclass(frozen=True)
class EncoderKind:
    """One row of the table of encoders.

    Attributes
    ----------
    name : str
    what : str
        For a person.
    width : int
        Of the first stage (networks of maps) or of every token.
    build : callable
        ``(channels, width, px, weights) -> Encoder``.
    loads : bool
        Whether it takes pretrained weights.
    """

    name: str
    what: str
    width: int
    build: Callable[[int, int, int, str | None], Encoder]
    loads: bool = True


def build_encoder(
    name: str, channels: int, px: int, *, width: int | None = None, weights: str | None = None
) -> Encoder:
    """Make an encoder.

    Parameters
    ----------
    name : str
        One of `ENCODERS`.
    channels : int
        Planes it sees.
    px : int
        Side of the pictures; transformers cut it into patches.
    width : int, optional
        Another width than the row's.
    weights : str, optional
        Folder of a checkpoint in the form of transformers, or its name on the hub; the first
        layer is adapted to the channels.

    Raises
    ------
    UsageError
        An unknown name, weights for an encoder that has none, a size that cannot be patched.
    InputError
        Weights that are neither here nor to be had.
    """
    rows = {row.name: row for row in ENCODERS}
    if name not in rows:
        raise unknown("encoder", name, rows)
    row = rows[name]
    if channels < 1:
        raise UsageError(f"an encoder needs at least one channel, got {channels}.")
    if weights is not None and not row.loads:
        able = ", ".join(each.name for each in ENCODERS if each.loads)
        raise UsageError(
            f"encoder {name!r} is learned from scratch and takes no weights; those that do: {able}."
        )
    if weights is not None and width is not None:
        raise UsageError("weights bring their own width; give one of the two.")
    return row.build(channels, width or row.width, px, weights)


def _small(channels: int, width: int, px: int, weights: str | None) -> Encoder:
    body = SmallResidual(channels, width)
    stages = {"stage1": body.stage1, "stage2": body.stage2, "stage3": body.stage3}
    # Where little of a picture shines, its mean features hardly vary from picture to picture, and
    # the head would spend hundreds of steps on enlarging the difference.
    return Encoder(body, body.features, "map", stages, nn.BatchNorm1d(body.features, affine=False))


def _resnet50(channels: int, width: int, px: int, weights: str | None) -> Encoder:
    from transformers import ResNetConfig, ResNetModel

    if weights is None:
        sizes = [4 * width, 8 * width, 16 * width, 32 * width]
        body: Any = ResNetModel(
            ResNetConfig(num_channels=channels, embedding_size=width, hidden_sizes=sizes)
        )
    else:
        body = load_pretrained("ResNetModel", weights)
        adapt_stem(body, channels)
    _give_biases(body)
    body.pooler = nn.Identity()
    stages = {f"stage{k}": stage for k, stage in enumerate(body.encoder.stages, start=1)}
    return Encoder(body, int(body.config.hidden_sizes[-1]), "map", stages)


def _give_biases(body: nn.Module) -> None:
    """Convolutions with biases, as in the published count; before a normalisation they are idle."""
    import torch

    for module in body.modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            module.bias = nn.Parameter(torch.zeros(module.out_channels))


def _convnext(channels: int, width: int, px: int, weights: str | None) -> Encoder:
    from transformers import ConvNextConfig, ConvNextModel

    if weights is None:
        sizes = [width, 2 * width, 4 * width, 8 * width]
        body: Any = ConvNextModel(ConvNextConfig(num_channels=channels, hidden_sizes=sizes))
    else:
        body = load_pretrained("ConvNextModel", weights)
        adapt_stem(body, channels)
    stages = {f"stage{k}": stage for k, stage in enumerate(body.encoder.stages, start=1)}
    return Encoder(body, int(body.config.hidden_sizes[-1]), "map", stages)


def _vit(channels: int, width: int, px: int, weights: str | None) -> Encoder:
    from transformers import ViTConfig, ViTModel

    if weights is None:
        config = ViTConfig(
            num_channels=channels,
            image_size=px,
            patch_size=_patch("vit", px, (8, 16, 32)),
            hidden_size=width,
            num_attention_heads=_heads(width),
            intermediate_size=4 * width,
        )
        body: Any = ViTModel(config, add_pooling_layer=False)
    else:
        body = load_pretrained("ViTModel", weights, add_pooling_layer=False)
        _same_size("vit", body, px)
        adapt_stem(body, channels)
    return _tokens(body, body.layers if hasattr(body, "layers") else body.encoder.layer)


def _dinov2(channels: int, width: int, px: int, weights: str | None) -> Encoder:
    from transformers import Dinov2Config, Dinov2Model

    if weights is None:
        config = Dinov2Config(
            num_channels=channels,
            image_size=px,
            patch_size=_patch("dinov2", px, (14, 8, 16)),
            hidden_size=width,
            num_attention_heads=_heads(width),
            use_mask_token=False,
        )
        body: Any = Dinov2Model(config)
    else:
        body = load_pretrained("Dinov2Model", weights)
        adapt_stem(body, channels)
    return _tokens(body, body.layers if hasattr(body, "layers") else body.encoder.layer)


def _tokens(body: Any, blocks: Any) -> Encoder:
    layers = {f"block{k}": block for k, block in enumerate(blocks, start=1)}
    return Encoder(body, int(body.config.hidden_size), "tokens", layers)


def _patch(name: str, px: int, sides: tuple[int, ...]) -> int:
    """The first side that cuts the picture into 36 patches or more, else the smallest that fits."""
    fitting = [side for side in sides if px % side == 0]
    if not fitting:
        allowed = " or ".join(str(side) for side in sorted(sides))
        raise UsageError(
            f"encoder {name!r} cuts pictures into squares of {allowed} px, which {px} px is no "
            "multiple of; set network_px to one that is."
        )
    fine = [side for side in fitting if (px // side) ** 2 >= 36]
    # At 224 px patches of 8 would be 784; the published ones are 14, 16 or 32.
    coarse = [side for side in fine if (px // side) ** 2 <= 400]
    return (coarse or fine or [min(fitting)])[0]


def _heads(width: int) -> int:
    heads = max(1, width // 64)
    if width % heads:
        raise UsageError(f"width {width} cannot be divided over {heads} attention heads.")
    return heads


def _same_size(name: str, body: Any, px: int) -> None:
    size = body.config.image_size
    side = size if isinstance(size, int) else size[0]
    if side != px:
        raise UsageError(
            f"the weights of {name!r} are for pictures of {side} px, not {px}; "
            f"set network_px to {side}."
        )


ENCODERS: tuple[EncoderKind, ...] = (
    EncoderKind("small", "residual network for crops; minutes on two cores", 32, _small, False),
    EncoderKind("resnet50", "residual network of 50 layers", 64, _resnet50),
    EncoderKind("vit", "vision transformer, small", 384, _vit),
    EncoderKind("dinov2", "vision transformer of DINOv2, small", 384, _dinov2),
    EncoderKind("convnext", "ConvNeXt, tiny", 96, _convnext),
)
"""One row per encoder."""
