"""What training and evaluation of a language model consume: packed chat, and batches of it.

Batches are either packed blocks, or whole messages of about the same length; in neither is
there padding worth counting. All that is random in a batch comes from seed and epoch, so every
process of several draws the same, and takes its own share of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedTokenizerBase

from chatlib.errors import ParameterError
from chatlib.pretrain.corpus import Corpus, pack_blocks
from chatlib.pretrain.perplexity import IGNORED, MaskedSet, mask_blocks, mask_messages
from chatlib.pretrain.tokenizer import tokenize

__all__ = ["Batch", "LmData", "iter_batches", "make_data"]

_SHAPES = 64  # masked positions are filled up to a multiple: a new shape costs milliseconds


@dataclass(frozen=True)
class LmData:
    """Packed training blocks, and the two held-out sets with their masks drawn.

    `messages` are what training reads instead of the blocks if no message is to see another.
    """

    blocks: np.ndarray
    held_out_blocks: MaskedSet
    single_messages: MaskedSet
    messages: list[np.ndarray] | None = None

    @property
    def n_tokens(self) -> int:
        """The number of tokens that an epoch trains on."""
        return self.blocks.size if self.messages is None else sum(map(len, self.messages))

    def plan_batches(self, batch_blocks: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Return the rows of each batch of an epoch, in a random order.

        Of blocks, `batch_blocks`; of messages, as many of about the same length as have no more
        tokens than so many blocks.
        """
        if self.messages is None:
            order = rng.permutation(len(self.blocks))
            return [order[i : i + batch_blocks] for i in range(0, len(order), batch_blocks)]
        lengths = np.fromiter(map(len, self.messages), np.int64, len(self.messages))
        order = np.lexsort((rng.random(len(lengths)), lengths))
        ends = _cut_by_budget(lengths[order], batch_blocks * self.blocks.shape[1])
        batches = np.split(order, ends[:-1])
        return [batches[i] for i in rng.permutation(len(batches))]


class Batch(NamedTuple):
    """Rows with masks: `ids` and `attention` (None: no padding) of shape (rows, length).

    `positions` are flat positions of the masks and `labels` the hidden tokens, both filled up
    with `IGNORED` labels. `n_masked` counts the masks of all shares.
    """

    ids: torch.Tensor
    attention: torch.Tensor | None
    positions: torch.Tensor
    labels: torch.Tensor
    n_masked: int


def make_data(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    *,
    block_len: int = 128,
    across_messages: bool = True,
    seed: int = 0,
) -> LmData:
    """Return a corpus as a language model reads it. A message is cut at `block_len` - 2 tokens.

    With `across_messages` training reads packed blocks, where a message sees those before and
    after it; without, each message alone, as `[CLS] … [SEP]`. What is held out is the same.

    Raises: ParameterError for blocks that the tokenizer's model cannot read; NotEnoughData.
    """
    if not 8 <= block_len <= tokenizer.model_max_length:
        raise ParameterError(
            f"BLOCK_LEN is between 8 and the model's {tokenizer.model_max_length}, got {block_len}."
        )
    rules = {"block_len": block_len, "cls_id": tokenizer.cls_token_id, "sep_id": tokenizer.sep_token_id}

    def tokens_of(texts: Sequence[str]) -> list[np.ndarray]:
        return tokenize(tokenizer, texts, max_len=block_len - 2)

    train_tokens = tokens_of(corpus.train["text"])
    held_out_tokens = tokens_of(corpus.held_out["text"])
    singles = tokens_of(corpus.single_messages)
    return LmData(
        blocks=pack_blocks(_by_stream(corpus.train, train_tokens), **rules),
        messages=None if across_messages else _frame_messages(train_tokens, tokenizer),
        held_out_blocks=mask_blocks(
            pack_blocks(_by_stream(corpus.held_out, held_out_tokens), **rules),
            tokenizer,
            chars_per_token=_chars_per_token(corpus.held_out["text"], held_out_tokens),
            seed=seed,
        ),
        single_messages=mask_messages(
            singles, tokenizer, chars_per_token=_chars_per_token(corpus.single_messages, singles), seed=seed
        ),
    )


def iter_batches(
    data: LmData,
    tokenizer: PreTrainedTokenizerBase,
    *,
    batch_blocks: int,
    mask_rate: float,
    seed: int,
    epoch: int,
    shares: Sequence[int] = (0,),
    of: int = 1,
) -> Iterator[list[Batch]]:
    """Yield an epoch's batches, each as the asked shares of its rows, `of` how many.

    Every batch has at least one mask. Of the chosen tokens 80 % become `[MASK]`, 10 % a random
    token, 10 % stay. Source: Devlin et al., BERT, arXiv 1810.04805.
    """
    rng = np.random.default_rng([seed, epoch])
    special = np.zeros(len(tokenizer), dtype=bool)
    special[tokenizer.all_special_ids] = True
    words = np.flatnonzero(~special)
    source = data.blocks if data.messages is None else data.messages
    for chosen_rows in data.plan_batches(batch_blocks, rng):
        ids = _pad_rows([source[i] for i in chosen_rows], tokenizer.pad_token_id)
        chosen = ~special[ids] & (rng.random(ids.shape) < mask_rate)
        if not chosen.any():
            continue
        labels = np.where(chosen, ids, IGNORED)
        fate = rng.random(ids.shape)
        hidden = np.where(
            fate < 0.8, tokenizer.mask_token_id, np.where(fate < 0.9, rng.choice(words, ids.shape), ids)
        )
        seen = np.where(chosen, hidden, ids)
        padding, n_masked = ids == tokenizer.pad_token_id, int(chosen.sum())
        parts = [slice(share, None, of) for share in shares]
        yield [_as_batch(seen[rows], labels[rows], padding[rows], n_masked=n_masked) for rows in parts]


def _as_batch(ids: np.ndarray, labels: np.ndarray, padding: np.ndarray, *, n_masked: int) -> Batch:
    positions = np.flatnonzero(labels != IGNORED)
    n_filled = -len(positions) % _SHAPES
    hidden = np.concatenate([labels.ravel()[positions], np.full(n_filled, IGNORED, np.int64)])
    positions = np.concatenate([positions, np.zeros(n_filled, np.int64)])
    attention = torch.from_numpy((~padding).astype(np.int64)) if padding.any() else None
    return Batch(
        torch.from_numpy(np.ascontiguousarray(ids)),
        attention,
        torch.from_numpy(positions),
        torch.from_numpy(hidden),
        n_masked,
    )


def _pad_rows(rows: Sequence[np.ndarray], pad_id: int) -> np.ndarray:
    ids = np.full((len(rows), max(map(len, rows))), pad_id, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return ids


def _cut_by_budget(lengths: np.ndarray, budget: int) -> list[int]:
    """Return where each batch ends; lengths ascend, and a batch costs its rows times its last length."""
    ends, start = [], 0
    while start < len(lengths):
        ahead = lengths[start : start + budget]  # no batch has more rows than tokens
        cost = np.arange(1, len(ahead) + 1) * ahead
        start += max(1, int(np.searchsorted(cost, budget, side="right")))
        ends.append(start)
    return ends


def _frame_messages(tokens: Sequence[np.ndarray], tokenizer: PreTrainedTokenizerBase) -> list[np.ndarray]:
    cls_id, sep_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [np.concatenate([[cls_id], ids, [sep_id]]).astype(np.int64) for ids in tokens if len(ids)]


def _by_stream(chat: pd.DataFrame, tokens: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    streams = chat["stream_id"].to_numpy()
    for stream in dict.fromkeys(streams):
        yield [tokens[i] for i in np.flatnonzero(streams == stream)]


def _chars_per_token(texts: Sequence[str], tokens: Sequence[np.ndarray]) -> float:
    return sum(map(len, texts)) / max(1, sum(map(len, tokens)))
