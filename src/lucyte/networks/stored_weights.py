"""Weights from a model folder into the network that its settings describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from lucyte.schema.errors import UsageError


def fill_network(
    network: nn.Module, arrays: Mapping[str, npt.NDArray[Any]], what: str, prefix: str = ""
) -> None:
    """Put stored arrays into a network.

    Parameters
    ----------
    network : Module
        Changed in place.
    arrays : mapping of name to array
        Those whose names begin with ``prefix`` are the network's.
    what : str
        The network in the message.
    prefix : str

    Raises
    ------
    UsageError
        Arrays that do not fit.
    """
    state = {
        name.removeprefix(prefix): torch.from_numpy(np.array(value))
        for name, value in arrays.items()
        if name.startswith(prefix)
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"the weights do not fit {what}: {reason}") from None
