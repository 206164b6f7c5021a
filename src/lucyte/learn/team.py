"""Several processes that train one network, one device each; started by ``accelerate launch``.

Every process draws crops of its own; gradients (and running statistics) are averaged after every
step, so the weights stay equal everywhere. The first process alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """This process among its fellows.

    Attributes
    ----------
    rank, size : int
        0 of 1 for a process alone.
    device : str
        Where this one works.
    """

    rank: int
    size: int
    device: str

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over the team, in place; one message for all."""
        if self.size == 1:
            return
        from accelerate.utils import reduce

        mine = [each for each in tensors if each.is_floating_point() and each.numel()]
        flat = torch.cat([each.detach().reshape(-1).float() for each in mine])
        mean = reduce(flat, "mean")
        at = 0
        for each in mine:
            each.detach().copy_(mean[at : at + each.numel()].view_as(each))
            at += each.numel()

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def join_team(device: str) -> Team:
    """The team that this process was started in; alone where it was started plainly.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda``; in a team of GPUs each process takes the one of its rank.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Team(0, 1, device)
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    return Team(state.process_index, state.num_processes, str(state.device))
