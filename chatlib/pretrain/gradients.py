"""Forward and backward of a step: on a CPU each core its share of the rows, elsewhere all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from chatlib.pretrain.cores import one_thread_each
from chatlib.pretrain.data import IGNORED, Batch
from chatlib.pretrain.device import autocast
from chatlib.pretrain.language_model import MaskedHead

__all__ = ["count_shares", "open_gradients"]

AddGradients = Callable[[Sequence[Batch], int], torch.Tensor]


def count_shares(model: nn.Module, *, most: int) -> int:
    """Return over how many threads a batch's rows are spread, at most `most`.

    One where the model draws random numbers (dropout): threads would draw them in any order.
    """
    if next(model.parameters()).device.type != "cpu" or _has_dropout(model):
        return 1
    return max(1, min(torch.get_num_threads(), most))


@contextmanager
def open_gradients(head: MaskedHead, *, n_shares: int) -> Iterator[AddGradients]:
    """Provide a function of a batch's shares and the number of masks in its step.

    It adds the gradients of the mean loss over these masks to the parameters, in the order of the
    shares, and returns the batch's part of that loss.
    """
    if n_shares == 1:
        yield lambda batches, n_masked: sum(_add(head, batch, n_masked) for batch in batches)
        return
    parameters = [p for p in head.parameters() if p.requires_grad]
    with (
        one_thread_each(),
        ThreadPoolExecutor(n_shares, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):

        def add(batches: Sequence[Batch], n_masked: int) -> torch.Tensor:
            total = torch.zeros(())
            for loss, gradients in pool.map(
                lambda batch: _compute(head, batch, n_masked, parameters), batches
            ):
                total += loss
                for parameter, gradient in zip(parameters, gradients, strict=False):
                    if gradient is not None:
                        parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
            return total

        yield add


def _add(head: MaskedHead, batch: Batch, n_masked: int) -> torch.Tensor:
    if not len(batch.labels):
        return torch.zeros((), device=_device_of(head))
    loss = _loss(head, batch, n_masked)
    loss.backward()
    return loss.detach()


def _compute(
    head: MaskedHead, batch: Batch, n_masked: int, parameters: Sequence[nn.Parameter]
) -> tuple[torch.Tensor, Sequence[torch.Tensor | None]]:
    if not len(batch.labels):
        return torch.zeros(()), []
    loss = _loss(head, batch, n_masked)
    return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)


def _loss(head: MaskedHead, batch: Batch, n_masked: int) -> torch.Tensor:
    """Return this share's part of the mean loss over `n_masked` tokens."""
    device = _device_of(head)
    attention = None if batch.attention is None else batch.attention.to(device)
    with autocast(device):
        logits = head(batch.ids.to(device), batch.positions.to(device), attention_mask=attention)
    labels = batch.labels.to(device)
    return functional.cross_entropy(logits.float(), labels, ignore_index=IGNORED, reduction="sum") / n_masked


def _device_of(head: MaskedHead) -> torch.device:
    return next(head.parameters()).device


def _has_dropout(model: nn.Module) -> bool:
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        return True
    names = [name for name in vars(model.config) if "dropout" in name]
    return any(
        bool(getattr(model.config, name)) for name in names if isinstance(getattr(model.config, name), float)
    )
