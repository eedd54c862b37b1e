"""Which processor does the work, and torch's seeds."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch

from chatlib.workspace import set_seed

__all__ = ["autocast", "pick_device", "seed_torch"]


def pick_device() -> torch.device:
    """Return the first GPU (CUDA, or Apple's) if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_torch(seed: int) -> None:
    """Seed torch on every device, and what `workspace.set_seed` seeds."""
    set_seed(seed)
    torch.manual_seed(seed)


def autocast(device: torch.device) -> AbstractContextManager:
    """Return a context that computes in bfloat16 on CUDA, and changes nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()
