"""Pretrained encoders: weights of a checkpoint, read without pickle, for other channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from lucyte.networks.checkpoint_folder import read_json, weight_files
from lucyte.schema.errors import InputError, UsageError


def load_pretrained(name: str, weights: str, **options: Any) -> Any:
    """A body of transformers with the weights of a checkpoint.

    Parameters
    ----------
    name : str
        Its class in transformers.
    weights : str
        A folder (``save_pretrained``), or a name on the hub (``facebook/dinov2-small``).
    options
        Passed to the class.

    Raises
    ------
    InputError
        Neither here nor to be had; pickle only; weights that leave a part of it random.
    """
    import transformers
    from transformers.utils import logging as library_logging

    root = Path(weights).expanduser()
    local = root.is_dir()
    if local:
        read_json(root / "config.json")
        weight_files(root)
    elif root.exists() or weights.count("/") != 1 or weights.startswith((".", "~", "/")):
        raise InputError(
            weights,
            "is not there.",
            "Give the folder of a checkpoint (save_pretrained) or a name on the hub "
            "(facebook/dinov2-small).",
        )
    logging: Any = library_logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        body, told = getattr(transformers, name).from_pretrained(
            str(root) if local else weights,
            local_files_only=local,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
            **options,
        )
    # A checkpoint that does not fit, and a hub that does not answer, fail in many ways.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        what = "cannot be read as" if local else "is no folder here and cannot be fetched as"
        raise InputError(
            weights, f"{what} a {name}: {reason}", "Fetch the checkpoint and give its folder."
        ) from None
    finally:
        logging.set_verbosity(level)
    absent = sorted([*told["missing_keys"], *(str(each) for each in told["mismatched_keys"])])
    if absent:
        raise InputError(
            weights,
            f"lacks {len(absent)} parts of a {name} ({', '.join(absent[:3])}).",
            "They would be random; give a checkpoint of this network.",
        )
    return body


def adapt_stem(body: Any, channels: int) -> None:
    """Let the first convolution take ``channels`` planes.

    Each new plane gets the mean of the old planes' weights, scaled so that a picture that is the
    same in all planes is answered as before.

    Raises
    ------
    UsageError
        A body without a convolution.
    """
    for parent in body.modules():
        for name, module in parent.named_children():
            if not isinstance(module, nn.Conv2d):
                continue
            old = module.in_channels
            if old != channels:
                new = nn.Conv2d(
                    channels,
                    module.out_channels,
                    module.kernel_size,  # type: ignore[arg-type]
                    module.stride,  # type: ignore[arg-type]
                    module.padding,  # type: ignore[arg-type]
                    bias=module.bias is not None,
                )
                with torch.no_grad():
                    mean = module.weight.mean(dim=1, keepdim=True) * (old / channels)
                    new.weight.copy_(mean.expand_as(new.weight))
                    if module.bias is not None and new.bias is not None:
                        new.bias.copy_(module.bias)
                setattr(parent, name, new)
                _tell(body, channels)
            return
    raise UsageError("this checkpoint has no convolution that could take other channels.")


def _tell(body: Any, channels: int) -> None:
    """Bodies of transformers compare the number of channels with what they were told."""
    body.config.num_channels = channels
    for module in body.modules():
        if hasattr(module, "num_channels"):
            module.num_channels = channels
