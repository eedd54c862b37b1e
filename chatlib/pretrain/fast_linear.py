"""Matrix products of a model's linear layers through oneDNN, on a CPU in float32.

torch multiplies float32 matrices with MKL, which leaves AVX-512 unused on AMD processors: 95
against 230 GFLOPS on one core of an EPYC 9005, measured. oneDNN is part of torch too, uses what
the processor has, and is as fast as MKL elsewhere. Results differ in the last digits only.
Where no gradients are asked for, weights are kept in the order that oneDNN reads them in, which
it would else bring them into for every product: 1.2 times the speed for short batches.
"""

from __future__ import annotations

import functools
import logging
import weakref
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

__all__ = ["FastLinear", "has_fast_linear", "speed_up"]

log = logging.getLogger(__name__)

_PACKED_FOR = 512  # rows of a product; others are as right, and about as fast


class FastLinear(nn.Linear):
    """A linear layer whose products, forward and backward, are oneDNN's where that is possible."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, as `nn.Linear` does."""
        if input.device.type != "cpu" or input.dtype != torch.float32 or not input.numel():
            return functional.linear(input, self.weight, self.bias)
        if not torch.is_grad_enabled() and not self.weight.is_inference():
            return _multiply(input, _pack(self), self.bias)
        return _Product.apply(input, self.weight, self.bias)


def speed_up(model: nn.Module) -> nn.Module:
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
    """Return whether torch's oneDNN is here and multiplies right, with weights in either order."""
    a, b = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
    try:
        return all(torch.allclose(_multiply(a, weight, None), a @ b.T) for weight in (b, _reorder(b)))
    except Exception as error:  # the operator is internal to torch; how it is missed is not said
        log.info("linear layers stay torch's own: %s", error)
        return False


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        input: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        ctx.save_for_backward(input, weight)
        return _multiply(input, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: torch.autograd.function.FunctionCtx, grad: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        rows = grad.reshape(-1, grad.shape[-1])
        for_input, for_weight, for_bias = ctx.needs_input_grad
        return (
            _multiply(grad, weight.t(), None) if for_input else None,
            _multiply(rows.t(), input.reshape(-1, input.shape[-1]).t(), None) if for_weight else None,
            rows.sum(0) if for_bias else None,
        )


class _Packed(NamedTuple):
    """A weight in oneDNN's order, and the state that it was made from."""

    weight: torch.Tensor
    address: int
    version: int
    packed: torch.Tensor


# Beside the layers and not in them, for the sake of who copies or saves these.
_kept: weakref.WeakKeyDictionary[FastLinear, _Packed] = weakref.WeakKeyDictionary()


def _pack(layer: FastLinear) -> torch.Tensor:
    """Return a layer's weight in oneDNN's order, made anew when the weight has changed."""
    weight, kept = layer.weight, _kept.get(layer)
    state = (weight.data_ptr(), weight._version)
    if kept is None or kept.weight is not weight or kept[1:3] != state:
        kept = _kept[layer] = _Packed(weight, *state, _reorder(weight.detach()))
    return kept.packed


def _reorder(weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_FOR)


def _multiply(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
