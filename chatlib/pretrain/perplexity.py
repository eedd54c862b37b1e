"""How well a masked language model knows held-out chat: perplexity and bits per character.

The masks are drawn once, from a seed, so every model and every epoch answers the same
questions. Each single message has at least one mask, and every masked token weighs the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from chatlib.errors import NotEnoughData
from chatlib.pretrain.device import autocast
from chatlib.pretrain.language_model import MaskedHead

__all__ = ["MaskedSet", "Score", "mask_blocks", "mask_messages", "score_model", "score_unigram"]

IGNORED = -100


class Score(NamedTuple):
    """The answer to a masked set. `loss` is nats per masked token, `perplexity` its exponential.

    `bits_per_char` estimates the cost of a character when every token is predicted from its
    context, so models with different tokenizers can be compared.
    """

    perplexity: float
    bits_per_char: float
    loss: float
    n_masked: int


@dataclass(frozen=True)
class MaskedSet:
    """Token rows with their masks drawn, sorted by length.

    `rows` are what the model sees, `labels` the hidden tokens, `IGNORED` elsewhere.
    `chars_per_token` is of the text behind the rows.
    """

    rows: list[np.ndarray]
    labels: list[np.ndarray]
    pad_id: int
    chars_per_token: float

    @property
    def n_masked(self) -> int:
        """The number of masked tokens."""
        return sum(int((row != IGNORED).sum()) for row in self.labels)


def mask_blocks(
    blocks: np.ndarray,
    tokenizer: PreTrainedTokenizerBase,
    *,
    chars_per_token: float,
    rate: float = 0.15,
    seed: int = 0,
    max_blocks: int = 300,
) -> MaskedSet:
    """Return packed blocks with masks: at most `max_blocks`, spread evenly over them."""
    chosen = np.unique(np.linspace(0, len(blocks) - 1, min(max_blocks, len(blocks))).round().astype(int))
    return _mask_rows([blocks[i] for i in chosen], tokenizer, chars_per_token, rate, seed)


def mask_messages(
    token_ids: Sequence[np.ndarray],
    tokenizer: PreTrainedTokenizerBase,
    *,
    chars_per_token: float,
    rate: float = 0.15,
    seed: int = 0,
) -> MaskedSet:
    """Return single messages, each between `[CLS]` and `[SEP]`, each with at least one mask.

    Messages without a token are left out.
    """
    cls_id, sep_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = [np.concatenate([[cls_id], ids, [sep_id]]).astype(np.int64) for ids in token_ids if len(ids)]
    return _mask_rows(rows, tokenizer, chars_per_token, rate, seed)


@torch.no_grad()
def score_model(
    head: MaskedHead, masked: MaskedSet, *, device: torch.device, tokens_per_batch: int = 4096
) -> Score:
    """Return how well the model fills the masks. The model is left in the mode it was in."""
    was_training = head.training
    head.eval()
    total, start = 0.0, 0
    while start < len(masked.rows):
        end = _batch_end(masked.rows, start, tokens_per_batch)
        ids, attention, labels = _pad(masked, start, end)
        positions = np.flatnonzero(labels != IGNORED)
        with autocast(device):
            logits = head(_to(ids, device), _to(positions, device), attention_mask=_to(attention, device))
        hidden = _to(labels.ravel()[positions], device)
        total += functional.cross_entropy(logits.float(), hidden, reduction="sum").item()
        start = end
    head.train(was_training)
    return _as_score(total / masked.n_masked, masked)


def score_unigram(blocks: np.ndarray, masked: MaskedSet, *, tokenizer: PreTrainedTokenizerBase) -> Score:
    """Return how well token frequencies alone fill the masks: the reference to beat.

    Counts of the training blocks, each plus one (Laplace), over all tokens that can be masked.
    """
    counts = np.bincount(blocks.ravel(), minlength=len(tokenizer)) + 1.0
    counts[tokenizer.all_special_ids] = 0.0
    labels = np.concatenate(masked.labels)
    hidden = labels[labels != IGNORED]
    return _as_score(float(-np.log(counts[hidden] / counts.sum()).mean()), masked)


def _mask_rows(
    rows: Sequence[np.ndarray],
    tokenizer: PreTrainedTokenizerBase,
    chars_per_token: float,
    rate: float,
    seed: int,
) -> MaskedSet:
    rng = np.random.default_rng(seed)
    special = np.array(tokenizer.all_special_ids)
    seen, labels = [], []
    for row in sorted(rows, key=len):
        candidates = np.flatnonzero(~np.isin(row, special))
        if not len(candidates):
            continue
        chosen = candidates[rng.random(len(candidates)) < rate]
        if not len(chosen):
            chosen = rng.choice(candidates, 1)
        label, masked = np.full_like(row, IGNORED), row.copy()
        label[chosen], masked[chosen] = row[chosen], tokenizer.mask_token_id
        seen.append(masked)
        labels.append(label)
    if not seen:
        raise NotEnoughData("Perplexity needs held-out text, and nothing is left after tokenizing. Add chat.")
    return MaskedSet(seen, labels, tokenizer.pad_token_id, chars_per_token)


def _as_score(loss: float, masked: MaskedSet) -> Score:
    return Score(math.exp(loss), loss / math.log(2) / masked.chars_per_token, loss, masked.n_masked)


def _batch_end(rows: Sequence[np.ndarray], start: int, tokens_per_batch: int) -> int:
    end = start + 1
    while end < len(rows) and (end + 1 - start) * len(rows[end]) <= tokens_per_batch:
        end += 1
    return end


def _pad(masked: MaskedSet, start: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (end - start, len(masked.rows[end - 1]))
    ids, labels = np.full(shape, masked.pad_id, np.int64), np.full(shape, IGNORED, np.int64)
    attention = np.zeros(shape, np.int64)
    for i in range(start, end):
        row = masked.rows[i]
        ids[i - start, : len(row)], labels[i - start, : len(row)] = row, masked.labels[i]
        attention[i - start, : len(row)] = 1
    return ids, attention, labels


def _to(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
