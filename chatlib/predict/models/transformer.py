"""The donor model as first described: a transformer over a viewer's messages and their times.

Each message's vector, with its offset and the offset at which the stream ends, scaled; a learnable CLS
token in front; a linear reduction to 256; eight self-attention layers with weights of their own or
shared; the CLS output through a linear or a non-linear head to one number, the log odds.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from chatlib.errors import ModelError, ParameterError
from chatlib.options import check_settings
from chatlib.predict import RETROSPECTIVE
from chatlib.predict.evaluation import log_loss, rank_metrics
from chatlib.predict.viewers.table import Viewers
from chatlib.pretrain.data import iter_token_batches
from chatlib.pretrain.device import pick_device
from chatlib.workspace import release_memory

__all__ = [
    "DonorConfig",
    "DonorInputs",
    "DonorTransformer",
    "Encoder",
    "Training",
    "build_inputs",
    "draw_batches",
    "fit_donor_models",
    "iter_viewer_batches",
    "mean_vectors",
    "represent_viewers",
    "score_donor_model",
]

_SCORED_MESSAGES = 2048  # of a batch, padding included

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DonorConfig:
    """Shape of a donor model; `dim` is the encoder's. Raises: ParameterError."""

    dim: int
    n_times: int = 2  # beside each vector: the offset, and in `retrospective` the stream's last one
    width: int = 256
    n_layers: int = 8
    n_heads: int = 8
    shared: bool = False
    head: str = "linear"
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_settings(self, n_layers=1, n_heads=1)
        if self.head not in (heads := ("linear", "nonlinear")):
            raise ParameterError(f"HEAD must be one of {heads}, got {self.head!r}.")
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"The dropout must be a share below 1, got {self.dropout}.")
        if self.n_layers > 100 or self.width % self.n_heads:
            raise ParameterError(
                "There must be at most 100 layers, and WIDTH must be a multiple of the number of heads; "
                f"got {self.n_layers} layers, width {self.width}, {self.n_heads} heads."
            )


@dataclass(frozen=True)
class Training:
    """How donor models are trained: `n_seeds` of them, from `seed` on. Raises: ParameterError.

    Each epoch reads every donor and, drawn anew, `others_per_donor` others for each of them, of a large
    channel a draw of `most_viewers` of them; the loss corrects for the draw, so that log odds stay
    those of the natural prevalence.
    """

    epochs: int = 4
    n_seeds: int = 1
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    others_per_donor: int = 20
    batch_messages: int = 2048
    most_viewers: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(
            self, epochs=1, n_seeds=1, learning_rate=0, others_per_donor=1, batch_messages=1, most_viewers=1
        )


class Encoder(Protocol):
    """What is asked of a language model: texts in, one float32 vector of `dim` per text out."""

    @property
    def dim(self) -> int:
        """The length of a vector."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the texts' vectors, (texts, dim)."""


@dataclass(frozen=True)
class DonorInputs:
    """Message vectors of viewers. Row i has `vectors[codes[j]]` with `times[j]`, j from
    `starts[i]` to `starts[i + 1]`, oldest first; times are the message's offset and, in
    `retrospective`, the offset at which its stream ends, in seconds.
    """

    vectors: np.ndarray
    starts: np.ndarray
    codes: np.ndarray
    times: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Messages per viewer."""
        return np.diff(self.starts)

    def pad(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return codes, times and mask of these viewers, padded to the longest of them.

        Shapes (rows, longest), (rows, longest, n_times), (rows, longest); padding is code 0, time 0.
        """
        lengths = self.lengths[rows]
        places = np.arange(lengths.max(initial=0))
        mask = places < lengths[:, None]
        at = np.where(mask, self.starts[rows][:, None] + places, 0)
        return np.where(mask, self.codes[at], 0), self.times[at] * mask[:, :, None], mask

    def load(
        self, rows: np.ndarray, vectors: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return message vectors, times and mask of these viewers where `vectors` are."""
        codes, times, mask = (torch.from_numpy(a).to(vectors.device) for a in self.pad(rows))
        return vectors[codes], times, mask


def build_inputs(viewers: Viewers, encoder: Encoder) -> DonorInputs:
    """Return the inputs of all viewers; each distinct text is encoded once."""
    used, codes = np.unique(viewers.text_codes, return_inverse=True)
    vectors = np.asarray(encoder.encode([viewers.texts[i] for i in used]), np.float32)
    assert vectors.shape == (len(used), encoder.dim), vectors.shape
    times = [viewers.offsets_s]
    if viewers.question.name == RETROSPECTIVE:  # elsewhere it would tell the future
        times.append(viewers.table["input_end_s"].to_numpy(float)[viewers.message_viewers()])
    return DonorInputs(
        vectors=vectors,
        starts=viewers.starts,
        codes=codes.astype(np.int64),
        times=np.stack(times, axis=1).astype(np.float32),
    )


def mean_vectors(inputs: DonorInputs) -> np.ndarray:
    """Return each viewer's mean message vector, float32, shape (n_viewers, dim)."""
    lengths, shape = inputs.lengths, (len(inputs.lengths), len(inputs.vectors))
    shares = np.repeat(1 / lengths, lengths).astype(np.float32)
    return sparse.csr_matrix((shares, inputs.codes, inputs.starts), shape) @ inputs.vectors


class DonorTransformer(nn.Module):
    """Vectors and times of messages in, log odds of paying out."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, config: DonorConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.dim + config.n_times))
        self.register_buffer("spread", torch.ones(config.dim + config.n_times))
        self.cls = nn.Parameter(torch.randn(config.dim + config.n_times) * 0.5)
        self.reduce = nn.Linear(config.dim + config.n_times, config.width)
        n_blocks = 1 if config.shared else config.n_layers
        self.blocks = nn.ModuleList(_Block(config) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Sequential()
        if config.head == "nonlinear":
            self.head.extend([nn.Linear(config.width, config.width), nn.GELU(), nn.Dropout(config.dropout)])
        self.head.append(nn.Linear(config.width, 1))

    def set_scaling(self, inputs: DonorInputs, rows: np.ndarray) -> None:
        """Scale vectors and times by means and spreads over the messages of these viewers."""
        take = np.zeros(len(inputs.lengths), bool)
        take[rows] = True
        messages = np.repeat(take, inputs.lengths)
        counts = np.bincount(inputs.codes[messages], minlength=len(inputs.vectors)).astype(float)
        share = counts / max(counts.sum(), 1.0)
        mean = np.einsum("i,ij->j", share, inputs.vectors)  # which makes no copy in double precision
        square = np.einsum("i,ij,ij->j", share, inputs.vectors, inputs.vectors)
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        times = inputs.times[messages].astype(float)
        mean = np.concatenate([mean, times.mean(axis=0)])
        spread = np.concatenate([spread, times.std(axis=0)])
        spread = np.where(spread > 1e-6, spread, 1.0)  # what never changes is left as it is
        self.mean.copy_(torch.from_numpy(mean.astype(np.float32)))
        self.spread.copy_(torch.from_numpy(spread.astype(np.float32)))

    def set_prior(self, rate: float) -> None:
        """Start from the training prevalence: an untrained model predicts little else."""
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.02)
        nn.init.constant_(last.bias, float(np.log(rate / (1 - rate))))

    def split(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vectors and times of messages that have them side by side."""
        return x[..., : self.config.dim], x[..., self.config.dim :]

    def represent(self, vectors: torch.Tensor, times: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the CLS output, shape (n, width), of messages (n, m, dim) where mask (n, m) is true."""
        x = (torch.cat([vectors, times], dim=-1) - self.mean) / self.spread
        x = self.reduce(torch.cat([self.cls.expand(len(x), 1, -1), x], dim=1))
        attend = F.pad(mask, (1, 0), value=True)[:, None, None, :]
        for layer in range(self.config.n_layers):
            block = self.blocks[0 if self.config.shared else layer]
            # Only the CLS output is read in the end, so the last layer computes nothing else.
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
        query, key, value = (self._split(t) for t in (self.query(y[:, : x.shape[1]]), key, value))
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=attend)
        x = x + self._drop(self.out(y.transpose(1, 2).flatten(2)))
        return x + self._drop(self.back(F.gelu(self.forth(self.norm_2(x)))))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(x, self.dropout, self.training)


def fit_donor_models(
    inputs: DonorInputs,
    labels: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    config: DonorConfig,
    training: Training,
) -> tuple[list[DonorTransformer], pd.DataFrame]:
    """Train on the rows `train`; return a model per seed, each of its best epoch, and all epochs.

    The best epoch has the highest PR-AUC on `validation` (where it is large, on evenly spread viewers
    of it), the lower loss where two are equal or there is no donor to rank. The table has one row per
    seed and epoch: train_loss, validation_loss, pr_auc and roc_auc of validation, `chosen` and `seed`.
    Deterministic for a seed on one device.

    Raises: ModelError if training makes the model's log odds anything but finite numbers.
    """
    models, tables = [], []
    device = pick_device()
    for seed in range(training.seed, training.seed + training.n_seeds):
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            model = DonorTransformer(config)
            model.set_scaling(inputs, train)
            model.set_prior(labels[train].mean())
            model.to(device)
            plan = replace(training, seed=seed)
            epochs = _run_epochs(model, inputs, labels, train=train, validation=validation, training=plan)
        models.append(model.eval())
        tables.append(epochs.assign(seed=seed))
        release_memory()
    return models, pd.concat(tables)


def _run_epochs(
    model: DonorTransformer,
    inputs: DonorInputs,
    labels: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    training: Training,
) -> pd.DataFrame:
    """Train a model, leave it as it was after its best epoch, and return all epochs."""
    rng = np.random.default_rng(training.seed)
    vectors = torch.from_numpy(inputs.vectors).to(model.cls.device)
    validation = validation[:: max(len(validation) // training.most_viewers, 1)]
    n_donors = int(labels[train].sum())
    rate = min(1.0, n_donors * training.others_per_donor / max(len(train) - n_donors, 1))
    plan = [draw_batches(inputs, labels, train, training, rng) for _ in range(training.epochs)]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    n_steps = sum(len(batches) for batches in plan)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _schedule(step, n_steps))
    rows, best, best_epoch, best_state = [], (-np.inf, -np.inf), 0, copy.deepcopy(model.state_dict())
    with tqdm(total=n_steps, desc="donor model", unit="batch", disable=None) as bar:
        for epoch, batches in enumerate(plan, 1):
            model.train()
            total, seen = 0.0, 0
            for batch in batches:
                target = torch.from_numpy(labels[batch].astype(np.float32)).to(vectors.device)
                # Among the drawn, donors are 1 / rate times as frequent as among all.
                logits = model(*inputs.load(batch, vectors)) - float(np.log(rate))
                loss = F.binary_cross_entropy_with_logits(logits, target)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                total, seen = total + float(loss.detach()) * len(batch), seen + len(batch)
                bar.update()
            logits = score_donor_model(model, inputs, validation)
            if not np.isfinite(logits).all():
                raise ModelError(
                    f"The donor model's log odds must be finite, and after epoch {epoch} they are not. "
                    "Lower the learning rate."
                )
            validation_loss = log_loss(labels[validation], logits)
            rows.append((total / max(seen, 1), validation_loss, *rank_metrics(labels[validation], logits)))
            log.info("epoch %d: %s", epoch, rows[-1])
            quality = (float(np.nan_to_num(rows[-1][2])), -validation_loss)
            if quality > best:
                best, best_epoch, best_state = quality, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    columns = ["train_loss", "validation_loss", "pr_auc", "roc_auc"]
    table = pd.DataFrame(rows, pd.RangeIndex(1, len(rows) + 1, name="epoch"), columns)
    return table.assign(chosen=table.index == best_epoch)


def _schedule(step: int, n_steps: int) -> float:
    """Return the share of the learning rate: up over the first tenth of all steps, down to zero."""
    n_warm = max(1.0, n_steps / 10)
    return min((step + 1) / n_warm, max(0.0, (n_steps - step) / max(n_steps - n_warm, 1.0)), 1.0)


def draw_batches(
    inputs: DonorInputs,
    labels: np.ndarray,
    train: np.ndarray,
    training: Training,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return the batches of an epoch in random order: donors, and a draw of the others."""
    donors, others = train[labels[train]], train[~labels[train]]
    n = min(len(others), len(donors) * training.others_per_donor)
    drawn = np.concatenate([donors, rng.choice(others, n, replace=False)])
    if len(drawn) > training.most_viewers:
        drawn = rng.choice(drawn, training.most_viewers, replace=False)
    return list(iter_viewer_batches(inputs, drawn, max_messages=training.batch_messages, rng=rng))


def iter_viewer_batches(
    inputs: DonorInputs, rows: np.ndarray, *, max_messages: int, rng: np.random.Generator | None = None
) -> Iterator[np.ndarray]:
    """Yield batches of viewers of like length, as `iter_token_batches` does; each has a CLS token, too."""
    for batch in iter_token_batches(inputs.lengths[rows] + 1, max_tokens=max_messages, rng=rng):
        yield rows[batch]


def score_donor_model(model: DonorTransformer, inputs: DonorInputs, rows: np.ndarray) -> np.ndarray:
    """Return log odds of these viewers, float64, in the order of `rows`."""
    return _apply(model, DonorTransformer.forward, inputs, rows, np.empty(len(rows)))


def represent_viewers(model: DonorTransformer, inputs: DonorInputs, rows: np.ndarray) -> np.ndarray:
    """Return the CLS output of these viewers, float32, shape (len(rows), width)."""
    result = np.empty((len(rows), model.config.width), np.float32)
    return _apply(model, DonorTransformer.represent, inputs, rows, result)


def _apply(
    model: DonorTransformer, call: Callable[..., torch.Tensor], inputs: DonorInputs, rows: np.ndarray,
    result: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Return `result`, filled with what `call` makes of each viewer, in batches of bounded size."""
    model.eval()
    vectors = torch.from_numpy(inputs.vectors).to(model.cls.device)
    place = np.empty(len(inputs.lengths), np.int64)
    place[rows] = np.arange(len(rows))
    with torch.inference_mode():
        for batch in iter_viewer_batches(inputs, rows, max_messages=_SCORED_MESSAGES):
            result[place[batch]] = call(model, *inputs.load(batch, vectors)).cpu().numpy()
    return result
