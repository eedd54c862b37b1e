"""What training and evaluation of a language model consume: packed chat, its masks, and batches of it.

Training reads packed blocks, or whole messages of about the same length, with hardly any padding. All
that is random in a batch comes from seed and epoch, so several processes draw the same, and each takes
its share of the rows. The masks of held-out chat are drawn once: every epoch answers the same questions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedTokenizerBase

from chatlib.dataset import Dataset
from chatlib.errors import NotEnoughData, ParameterError
from chatlib.pretrain import TrainSettings
from chatlib.pretrain.corpus import Corpus, iter_training, tokenize
from chatlib.pretrain.device import Processes, pick_device

__all__ = [
    "IGNORED",
    "Batch",
    "LmData",
    "MaskedSet",
    "frame_messages",
    "iter_batches",
    "iter_token_batches",
    "make_data",
    "make_shard",
    "mask_rows",
    "pack_blocks",
    "pad_rows",
]

IGNORED = -100  # the label of a token that is not masked
_EVALUATION_RATE = 0.15
_MAX_HELD_OUT_BLOCKS = 300


@dataclass(frozen=True)
class MaskedSet:
    """Token rows with their masks drawn, shortest first.

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


@dataclass(frozen=True)
class LmData:
    """Packed training blocks, and the two held-out sets with their masks drawn.

    With `messages`, training reads them one by one instead of the blocks. With `n_blocks`, the blocks are a
    shard: this process's part of so many.
    """

    blocks: np.ndarray
    held_out_blocks: MaskedSet
    single_messages: MaskedSet
    messages: list[np.ndarray] | None = None
    n_messages: int = 0
    n_blocks: int = 0

    @property
    def n_tokens(self) -> int:
        """The number of tokens that an epoch trains on, in all processes."""
        if self.messages is not None:
            return sum(map(len, self.messages))
        return (self.n_blocks or len(self.blocks)) * self.blocks.shape[1]

    def plan_batches(self, batch_blocks: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Return the rows of each batch of an epoch, in random order.

        A batch is `batch_blocks` blocks, or messages of about the same length with as many tokens. Of a shard
        it is a part of each batch, so that all shards have as many.
        """
        if self.n_blocks:
            return np.array_split(rng.permutation(len(self.blocks)), -(-self.n_blocks // batch_blocks))
        if self.messages is None:
            order = rng.permutation(len(self.blocks))
            return [order[i : i + batch_blocks] for i in range(0, len(order), batch_blocks)]
        lengths = np.fromiter(map(len, self.messages), np.int64, len(self.messages))
        return list(iter_token_batches(lengths, max_tokens=batch_blocks * self.blocks.shape[1], rng=rng))


def iter_token_batches(
    lengths: np.ndarray, *, max_tokens: int, rng: np.random.Generator | None = None
) -> Iterator[np.ndarray]:
    """Yield the indices of each batch, rows of about the same length, by ascending length.

    A batch has at most `max_tokens` tokens, padding to its longest row included; a longer row is a batch
    by itself. With a generator, rows of the same length and the batches themselves are in random order.
    """
    ties = np.arange(len(lengths)) if rng is None else rng.random(len(lengths))
    order = np.lexsort((ties, lengths))
    batches, start = [], 0
    while start < len(order):
        ahead = lengths[order[start : start + max(1, max_tokens)]]  # no batch has more rows than tokens
        cost = np.arange(1, len(ahead) + 1) * ahead  # of the first n rows: lengths ascend
        end = start + max(1, int(np.searchsorted(cost, max_tokens, side="right")))
        batches.append(order[start:end])
        start = end
    if rng is not None:
        rng.shuffle(batches)
    yield from batches


def pad_rows(rows: Sequence[Sequence[int] | np.ndarray], *, fill: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows padded with `fill` to the longest, int64, and where they are no padding, bool."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    is_token = np.arange(lengths.max()) < lengths[:, None]
    padded = np.full(is_token.shape, fill, np.int64)
    padded[is_token] = np.concatenate(rows)
    return padded, is_token


class Batch(NamedTuple):
    """Rows with masks: `ids` and `attention` (None: no padding) of shape (rows, length).

    `positions` are the masks' positions in the flattened rows and `labels` the hidden tokens. `n_masked`
    counts the masks of all shares.
    """

    ids: torch.Tensor
    attention: torch.Tensor | None
    positions: torch.Tensor
    labels: torch.Tensor
    n_masked: int


def make_data(corpus: Corpus, tokenizer: PreTrainedTokenizerBase, settings: TrainSettings) -> LmData:
    """Return a corpus as a language model reads it. A message is cut at `block_len` - 2 tokens.

    In training, a message sees those before and after it in its block, or with `settings.alone` none.

    Raises: ParameterError for blocks that the tokenizer's model cannot read; NotEnoughData.
    """
    held_out = _mask_held_out(corpus, tokenizer, settings)
    train = tokenize(tokenizer, corpus.train["text"], max_len=settings.block_len - 2)
    return LmData(
        pack_blocks(_by_stream(corpus.train, train), tokenizer, block_len=settings.block_len),
        *held_out,
        messages=frame_messages(train, tokenizer) if settings.alone else None,
        n_messages=len(corpus.train),
    )


def _mask_held_out(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, settings: TrainSettings
) -> tuple[MaskedSet, MaskedSet]:
    """Return the held-out blocks, some of all streams, and single messages."""
    block_len = settings.block_len
    if not 8 <= block_len <= tokenizer.model_max_length:
        raise ParameterError(
            f"BLOCK_LEN is between 8 and the model's {tokenizer.model_max_length}, got {block_len}."
        )
    held_out = tokenize(tokenizer, corpus.held_out["text"], max_len=block_len - 2)
    singles = tokenize(tokenizer, corpus.single_messages, max_len=block_len - 2)
    blocks = pack_blocks(_by_stream(corpus.held_out, held_out), tokenizer, block_len=block_len)
    n_chosen = min(_MAX_HELD_OUT_BLOCKS, len(blocks))
    chosen = np.unique(np.linspace(0, len(blocks) - 1, n_chosen).round().astype(int))

    def hide(rows: Sequence[np.ndarray], texts: Iterable[str], tokens: Sequence[np.ndarray]) -> MaskedSet:
        chars_per_token = sum(map(len, texts)) / max(1, sum(map(len, tokens)))
        return mask_rows(rows, tokenizer, chars_per_token=chars_per_token, seed=settings.seed)

    return (
        hide(list(blocks[chosen]), corpus.held_out["text"], held_out),
        hide(frame_messages(singles, tokenizer), corpus.single_messages, singles),
    )


def make_shard(
    db: Dataset,
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    settings: TrainSettings,
    processes: Processes,
) -> LmData:
    """Return what one of several processes trains on: streams of its own; what is held out is the same.

    The streams of the `corpus` are dealt in turn, and `settings.messages` are shared evenly. One stream's
    text at a time is in memory; blocks lie on disk, as int32. Of the held-out single messages those stay
    that no shard has.
    """
    own = corpus.order[processes.rank :: processes.n]
    place = {text.casefold(): i for i, text in enumerate(corpus.single_messages, 2)}
    counts = np.zeros(2 + len(place), np.int64)  # blocks, messages, and whether it has each single message
    with tempfile.TemporaryFile() as file:
        for chat in iter_training(db, own, max_messages=-(-settings.messages // processes.n)):
            tokens = tokenize(tokenizer, chat["text"], max_len=settings.block_len - 2)
            packed = _pack_stream(tokens, tokenizer, block_len=settings.block_len)
            file.write(packed.astype(np.int32).tobytes())
            counts[:2] += len(packed), len(chat)
            counts[[place[text] for text in place.keys() & set(chat["text"].str.casefold())]] = 1
        file.flush()
        shape = (int(counts[0]), settings.block_len)
        blocks = np.memmap(file, np.int32, "r", shape=shape) if shape[0] else np.empty(shape, np.int32)
    n_blocks, n_messages, *found = processes.sum(torch.from_numpy(counts).to(pick_device())).tolist()
    unseen = [text for text, n in zip(corpus.single_messages, found, strict=True) if not n]
    held_out = _mask_held_out(replace(corpus, single_messages=unseen), tokenizer, settings)
    return LmData(blocks, *held_out, n_messages=n_messages, n_blocks=n_blocks)


def pack_blocks(
    token_ids: Iterable[Sequence[np.ndarray]], tokenizer: PreTrainedTokenizerBase, *, block_len: int
) -> np.ndarray:
    """Pack the tokenized messages of each stream, oldest first, into blocks.

    A block is `[CLS]`, then messages that each end with `[SEP]`; a message goes on in the next
    block if there is no room. A tail shorter than a block is dropped, streams are never mixed.

    Returns: int64, shape (n_blocks, block_len).
    Raises: NotEnoughData if no stream fills a block.
    """
    blocks = [_pack_stream(messages, tokenizer, block_len=block_len) for messages in token_ids]
    if not sum(map(len, blocks)):
        raise NotEnoughData(
            f"At least one stream must fill a block of {block_len} tokens; none of {len(blocks)} does. "
            "Add chat, or lower BLOCK_LEN."
        )
    return np.concatenate(blocks)


def _pack_stream(
    messages: Sequence[np.ndarray], tokenizer: PreTrainedTokenizerBase, *, block_len: int
) -> np.ndarray:
    body, cls_id = block_len - 1, tokenizer.cls_token_id
    parts = [part for ids in messages for part in (ids, [tokenizer.sep_token_id])]
    flat = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
    return np.pad(
        flat[: len(flat) // body * body].reshape(-1, body), ((0, 0), (1, 0)), constant_values=cls_id
    )


def frame_messages(token_ids: Iterable[np.ndarray], tokenizer: PreTrainedTokenizerBase) -> list[np.ndarray]:
    """Return each message as `[CLS] … [SEP]`; empty ones are left out."""
    cls_id, sep_id = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [np.concatenate([[cls_id], ids, [sep_id]]).astype(np.int64) for ids in token_ids if len(ids)]


def mask_rows(
    rows: Sequence[np.ndarray], tokenizer: PreTrainedTokenizerBase, *, chars_per_token: float, seed: int = 0
) -> MaskedSet:
    """Return token rows with 15 % of their tokens masked, at least one in each, special tokens never.

    Rows of special tokens alone are left out.
    Raises: NotEnoughData if no row is left.
    """
    rng = np.random.default_rng(seed)
    special = np.array(tokenizer.all_special_ids)
    seen, labels = [], []
    for row in sorted(rows, key=len):
        candidates = np.flatnonzero(~np.isin(row, special))
        if not len(candidates):
            continue
        chosen = candidates[rng.random(len(candidates)) < _EVALUATION_RATE]
        if not len(chosen):
            chosen = rng.choice(candidates, 1)
        label, masked = np.full_like(row, IGNORED), row.copy()
        label[chosen], masked[chosen] = row[chosen], tokenizer.mask_token_id
        seen.append(masked)
        labels.append(label)
    if not seen:
        raise NotEnoughData("Perplexity needs held-out text, and nothing is left after tokenizing. Add chat.")
    return MaskedSet(seen, labels, tokenizer.pad_token_id, chars_per_token)


def iter_batches(
    data: LmData,
    tokenizer: PreTrainedTokenizerBase,
    settings: TrainSettings,
    *,
    epoch: int,
    share: int = 0,
    of: int = 1,
) -> Iterator[Batch]:
    """Yield an epoch's batches, of each one share of its rows, out of `of`.

    Every batch has at least one mask. Of the chosen tokens 80 % become `[MASK]`, 10 % a random
    token, 10 % stay. Source: Devlin et al., BERT, arXiv 1810.04805.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    special = np.zeros(len(tokenizer), dtype=bool)
    special[tokenizer.all_special_ids] = True
    words = np.flatnonzero(~special)
    for chosen_rows in data.plan_batches(settings.batch_blocks, rng):
        if data.messages is None:
            ids = data.blocks[chosen_rows].astype(np.int64)
            is_token = np.ones(ids.shape, bool)
        else:
            ids, is_token = pad_rows([data.messages[i] for i in chosen_rows], fill=tokenizer.pad_token_id)
        chosen = ~special[ids] & (rng.random(ids.shape) < settings.mask_rate)
        if not chosen.any() and not data.n_blocks:  # the other shards' parts may have masks
            continue
        labels = np.where(chosen, ids, IGNORED)
        fate = rng.random(ids.shape)
        hidden = np.where(
            fate < 0.8, tokenizer.mask_token_id, np.where(fate < 0.9, rng.choice(words, ids.shape), ids)
        )
        seen = np.where(chosen, hidden, ids)
        n_masked = int(chosen.sum())
        rows = slice(share, None, of)
        yield _as_batch(seen[rows], labels[rows], is_token[rows], n_masked=n_masked)


def _as_batch(ids: np.ndarray, labels: np.ndarray, is_token: np.ndarray, *, n_masked: int) -> Batch:
    positions = np.flatnonzero(labels != IGNORED)
    attention = None if is_token.all() else torch.from_numpy(is_token.astype(np.int64))
    return Batch(
        torch.from_numpy(np.ascontiguousarray(ids)),
        attention,
        torch.from_numpy(positions),
        torch.from_numpy(labels.ravel()[positions]),
        n_masked,
    )


def _by_stream(chat: pd.DataFrame, tokens: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    streams = chat["stream_id"].to_numpy()
    for stream in dict.fromkeys(streams):
        yield [tokens[i] for i in np.flatnonzero(streams == stream).tolist()]
