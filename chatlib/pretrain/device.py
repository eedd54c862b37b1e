"""Where the work is done: the processor, its threads and matrix products, several processes.

In encoding, each core of a CPU works on texts of its own: 1.2 times as fast on two quiet cores as if they
shared every product, and more where other programs run, since cores that share one wait for each other.

torch multiplies float32 matrices with MKL, which leaves AVX-512 unused on AMD processors. oneDNN, which
is part of torch too, uses what the processor has: 230 GFLOPS against 95 on one core of an EPYC 9005, 110
against 100 on an EPYC 9004, whose AVX-512 is half as wide, where encoding takes 1.07 times as long without
it. Results differ in the last digits only. Training multiplies by torch's own: oneDNN would make it 1.3
times as fast on an EPYC 9005, and no faster on an EPYC 9004.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import random
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import distributed, nn

__all__ = [
    "FastLinear",
    "Processes",
    "autocast",
    "has_fast_linear",
    "join_processes",
    "pick_device",
    "seed_torch",
    "speed_up",
]

log = logging.getLogger(__name__)

_Model = TypeVar("_Model", bound=nn.Module)


def pick_device() -> torch.device:
    """Return the first GPU (CUDA, or Apple's) if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_torch(seed: int) -> None:
    """Seed torch on every device, `random`, and numpy's old global generator."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def autocast(device: torch.device) -> AbstractContextManager:
    """Return a context that computes in bfloat16 on CUDA, and changes nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Processes:
    """This process's rank among those that train together: each computes its rows of every batch.

    Gradients are summed, so one process or several give the same training.
    """

    rank: int = 0
    n: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def share_weights(self, model: nn.Module) -> None:
        """Give every process the weights of the first."""
        if self.n > 1:
            for tensor in model.state_dict().values():
                distributed.broadcast(tensor, 0)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its sum over the processes."""
        if self.n > 1:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                distributed.all_reduce(parameter.grad)

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """Return a tensor's sum over the processes."""
        if self.n > 1:
            distributed.all_reduce(value)
        return value

    def wait(self) -> None:
        """Wait for all processes to arrive here."""
        if self.n > 1:
            distributed.barrier()

    def leave(self) -> None:
        """Leave the group, at the end of the program."""
        if self.n > 1:
            distributed.destroy_process_group()


def join_processes() -> Processes:
    """Return this process's rank among those that `accelerate launch` or `torchrun` started.

    On GPUs each process takes the one of its rank on its machine.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes()
    if not distributed.is_initialized():
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size())


class FastLinear(nn.Linear):
    """A linear layer whose products without gradients are oneDNN's, where that is possible."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, as `nn.Linear` does."""
        is_plain = input.device.type == "cpu" and input.dtype == torch.float32 and input.numel() > 0
        if torch.is_grad_enabled() or not is_plain:
            return super().forward(input)
        return _multiply(input, self.weight, self.bias)


def speed_up(model: _Model) -> _Model:
    """Make every linear layer of a model a `FastLinear`, in place, and return the model.

    Weights, names and files stay what they are. Where torch has no oneDNN, nothing changes.
    """
    if has_fast_linear():
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = FastLinear
    return model


@functools.cache
def has_fast_linear() -> bool:
    """Return whether torch has oneDNN and it multiplies correctly."""
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
    try:
        return torch.allclose(_multiply(a, b, None), a @ b.T)
    except Exception as error:  # internal to torch: how it fails is not documented
        log.info("linear layers stay those of torch: %s", error)
        return False


def _multiply(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
