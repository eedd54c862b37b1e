"""The same training in several processes, as `accelerate launch` or `torchrun` start them.

Each process computes its rows of every batch; gradients are summed, so all hold the same
weights after each step, and one process or several give the same training.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import distributed, nn

__all__ = ["Processes", "join_processes"]


class Processes(NamedTuple):
    """This process's number, and of how many. Number 0 is the one that writes."""

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.number == 0

    def share_weights(self, model: nn.Module) -> None:
        """Give every process the weights of the first."""
        if self.count > 1:
            for tensor in model.state_dict().values():
                distributed.broadcast(tensor, 0)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes."""
        if self.count > 1:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                distributed.all_reduce(parameter.grad)

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return a tensor's sum over the processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.count > 1:
            distributed.barrier()

    def leave(self) -> None:
        """End the group; the last thing that a program does with it."""
        if self.count > 1:
            distributed.destroy_process_group()


def join_processes() -> Processes:
    """Return this process's place among those that a launcher started; alone, 0 of 1.

    On GPUs each process takes the one of its number on its machine.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Processes()
    if not distributed.is_initialized():
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size())
