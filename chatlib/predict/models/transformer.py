"""The donor model as first described: a transformer over a viewer's messages and their times.

Each message's vector, with its offset and the last offset of the stream, scaled; a learnable CLS token
in front; a linear reduction to 256; eight self-attention layers with weights of their own or
shared; the CLS output through a linear or a non-linear head to one number, the log odds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from chatlib.errors import ModelError, ParameterError
from chatlib.files import atomic_path, atomic_write
from chatlib.predict.models.inputs import Scaling
from chatlib.pretrain.fast_linear import speed_up

__all__ = ["HEADS", "DonorConfig", "DonorTransformer", "load_donor_model", "save_donor_model"]

HEADS = ("linear", "nonlinear")
_WEIGHTS, _CARD = "model.safetensors", "model.json"


@dataclass(frozen=True)
class DonorConfig:
    """Shape of a donor model; `dim` is the encoder's. Raises: ParameterError."""

    dim: int
    width: int = 256
    n_layers: int = 8
    n_heads: int = 8
    shared: bool = False
    head: str = "linear"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ParameterError(f"HEAD must be one of {HEADS}, got {self.head!r}.")
        if self.n_layers < 1 or self.width % self.n_heads:
            raise ParameterError(
                "There must be at least one layer, and WIDTH must be a multiple of the number of heads; "
                f"got {self.n_layers} layers, width {self.width}, {self.n_heads} heads."
            )


class DonorTransformer(nn.Module):
    """Vectors and times of messages in, log odds of paying out."""

    def __init__(self, config: DonorConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.dim + 2))
        self.register_buffer("spread", torch.ones(config.dim + 2))
        self.cls = nn.Parameter(torch.randn(config.dim + 2) * 0.5)
        self.reduce = nn.Linear(config.dim + 2, config.width)
        n_blocks = 1 if config.shared else config.n_layers
        self.blocks = nn.ModuleList(_Block(config) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.head = _build_head(config)
        speed_up(self)

    def set_scaling(self, scaling: Scaling) -> None:
        """Take over means and spreads of the training messages."""
        self.mean.copy_(torch.from_numpy(scaling.mean))
        self.spread.copy_(torch.from_numpy(scaling.spread))

    def set_prior(self, rate: float) -> None:
        """Start from the training prevalence: an untrained model says that, and little else."""
        last = self.head[-1]
        nn.init.normal_(last.weight, std=0.02)
        nn.init.constant_(last.bias, float(np.log(rate / (1 - rate))))

    def represent(self, vectors: torch.Tensor, times: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the CLS output, shape (n, width), of messages (n, m, dim) where mask (n, m) is true."""
        x = (torch.cat([vectors, times], dim=-1) - self.mean) / self.spread
        x = self.reduce(torch.cat([self.cls.expand(len(x), 1, -1), x], dim=1))
        attend = F.pad(mask, (1, 0), value=True)[:, None, None, :]
        for layer in range(self.config.n_layers):
            block = self.blocks[0 if self.config.shared else layer]
            # Only the CLS output is read in the end, so the last layer asks for nothing else.
            x = block(x, attend, only_first=layer == self.config.n_layers - 1)
        return self.norm(x[:, 0])

    def forward(self, vectors: torch.Tensor, times: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return log odds, shape (n,)."""
        return self.head(self.represent(vectors, times, mask)).squeeze(-1)


class _Block(nn.Module):
    """Self-attention and a feed-forward step, each normalised before and added."""

    def __init__(self, config: DonorConfig) -> None:
        super().__init__()
        self.n_heads, self.dropout = config.n_heads, config.dropout
        self.norm_1, self.norm_2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.query = nn.Linear(config.width, config.width)
        self.key_value = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.forth = nn.Linear(config.width, 2 * config.width)
        self.back = nn.Linear(2 * config.width, config.width)

    def forward(self, x: torch.Tensor, attend: torch.Tensor, *, only_first: bool) -> torch.Tensor:
        """Return `x` after attention and feed-forward; with `only_first`, the CLS position alone."""
        y = self.norm_1(x)
        if only_first:
            x = x[:, :1]
        key, value = self.key_value(y).chunk(2, dim=-1)
        heads = [self._split(t) for t in (self.query(y[:, : x.shape[1]]), key, value)]
        y = F.scaled_dot_product_attention(*heads, attn_mask=attend)
        x = x + self._drop(self.out(y.transpose(1, 2).flatten(2)))
        return x + self._drop(self.back(F.gelu(self.forth(self.norm_2(x)))))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training)


def _build_head(config: DonorConfig) -> nn.Sequential:
    if config.head == "linear":
        return nn.Sequential(nn.Linear(config.width, 1))
    return nn.Sequential(
        nn.Linear(config.width, config.width),
        nn.GELU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.width, 1),
    )


def save_donor_model(folder: str | Path, model: DonorTransformer, card: dict[str, object]) -> Path:
    """Write weights, and then what they are as model.json: its presence means complete.

    `card` says how the model came about (encoder, task, threshold, calibration, prevalence).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CARD).unlink(missing_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(folder / _WEIGHTS) as part:
        save_file(weights, str(part))
    text = json.dumps({**card, "config": asdict(model.config)}, indent=2, ensure_ascii=False)
    atomic_write(folder / _CARD, text + "\n")
    return folder


def load_donor_model(folder: str | Path) -> tuple[DonorTransformer, dict[str, object]]:
    """Return a saved model, ready to score, and its card.

    Raises: ModelError if the folder holds no complete donor model of this shape.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        model = DonorTransformer(DonorConfig(**card["config"]))
        model.load_state_dict(load_file(str(folder / _WEIGHTS)))
    except Exception as error:
        raise ModelError(
            f"A donor model is a folder with {_CARD} and {_WEIGHTS}, and {folder} cannot be read as one "
            f"({error}). Run notebook 04 again."
        ) from error
    return model.eval(), card
