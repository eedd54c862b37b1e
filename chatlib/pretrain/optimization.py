"""The optimizer, and its learning rate over a training's steps."""

from __future__ import annotations

import math

import torch

__all__ = ["SCHEDULES", "make_optimizer", "set_rate"]

# What is left of the peak, by the share of the steps after the warm-up that are done.
SCHEDULES = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "linear": lambda done: 1.0 - done,
}


def make_optimizer(model: torch.nn.Module, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW over a model's weights. Biases and norms do not decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([{**group, "peak_lr": lr} for group in groups], lr=lr, betas=(0.9, 0.98))


def set_rate(
    optimizer: torch.optim.Optimizer, *, step: int, n_steps: int, warmup: float, schedule: str
) -> None:
    """Set the learning rate of a step: up to the peak over the warm-up, then as scheduled."""
    n_warmup = max(1, round(warmup * n_steps))
    rise = (step + 1) / n_warmup
    fall = SCHEDULES[schedule](max(0, step - n_warmup) / max(1, n_steps - n_warmup))
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * min(rise, fall, 1.0)
