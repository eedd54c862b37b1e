"""What the language model reads: clean chat of the training period, and what is held out.

Training chat, held-out streams and held-out single messages come from streams before the test
period; held-out streams are later than every training stream, and no held-out single message
has the text of a training message.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.records import CHAT_KINDS
from chatlib.splits import split_by_date
from chatlib.store import Store

__all__ = ["CLEANING", "Corpus", "build_corpus", "clean_text", "load_chat", "pack_blocks"]

log = logging.getLogger(__name__)

# What clean text replaces, in this order. Names and addresses are nobody's style, and private;
# invisible characters are how chat programs let the same message be sent twice. Both regular
# expression engines that use these (Python's, and the tokenizer's) must read them alike.
CLEANING = (
    (
        "[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]+",
        " ",
    ),
    (r"(https?://|www\.)[^ ]+", "http"),
    (r"@[A-Za-z0-9_\-.]{2,}", "@user"),
    ("[ \u00a0\u3000]+", " "),
)
_COMPILED = [(re.compile(pattern), replacement) for pattern, replacement in CLEANING]

MIN_HELD_OUT_STREAMS = 4
MIN_TRAINING_MESSAGES = 200
MIN_HELD_OUT_MESSAGES = 10


@dataclass(frozen=True)
class Corpus:
    """Chat for the language model. Tables have `stream_id, offset_s, author, text`, in time order.

    `streams` and `held_out_streams` are rows of the table of streams, oldest first.
    `n_available` counts the messages of the training streams before the caps.
    """

    train: pd.DataFrame
    held_out: pd.DataFrame
    single_messages: list[str]
    streams: pd.DataFrame
    held_out_streams: pd.DataFrame
    n_available: int

    def to_table(self) -> pd.DataFrame:
        """Return what is used for what: streams, messages, first and last date."""
        parts = {
            "training": (self.streams, len(self.train)),
            "held-out streams": (self.held_out_streams, len(self.held_out)),
            "held-out single messages": (self.held_out_streams, len(self.single_messages)),
        }
        columns = ["streams", "messages", "from", "to"]
        rows = [
            (len(streams), n, streams["started_at"].min()[:10], streams["started_at"].max()[:10])
            for streams, n in parts.values()
        ]
        return pd.DataFrame(rows, index=list(parts), columns=columns)


def clean_text(text: str) -> str:
    """Return a message without invisible characters, addresses, names called by @, double blanks."""
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text.strip()


def load_chat(db: Store, stream_ids: Iterable[int]) -> pd.DataFrame:
    """Return what viewers wrote in these streams, cleaned: streams as asked for, each by time.

    Only kinds that are chat, without bits: no payment, no notice. Rows without an offset, an
    author's words, or anything left after cleaning are dropped.
    Columns: `stream_id, offset_s, author, text`; a missing author is -1.
    """
    columns = ["stream_id", "offset_s", "author", "text", "kind", "bits"]
    chat = db.load_messages(stream_ids, columns=columns)
    is_chat = chat["kind"].isin(CHAT_KINDS) & chat["bits"].isna()
    chat = chat[is_chat & chat["text"].notna() & chat["offset_s"].notna()]
    chat = chat.assign(
        text=[clean_text(text) for text in chat["text"]],
        author=chat["author"].fillna(-1).astype("int64"),
        offset_s=chat["offset_s"].astype("float64"),
    )
    return chat.loc[chat["text"] != "", columns[:4]].reset_index(drop=True)


def build_corpus(
    db: Store,
    *,
    n_streams: int = 0,
    max_messages: int = 0,
    max_copies: int = 10,
    max_single_messages: int = 2000,
    seed: int = 0,
) -> Corpus:
    """Return the training chat and what is held out, by the dates of the streams.

    Training streams are those of the training period (`splits.split_by_date`); held out are
    those of the validation period. If that leaves fewer than four held-out streams, the last
    training streams are held out too, as long as three quarters of them stay.
    `n_streams` streams are sampled from the training streams (0: all); of these, whole streams
    in random order until `max_messages` is reached (0: all), the last one cut.
    The same text counts at most `max_copies` times per training stream.

    Raises: NotEnoughData if too little is left to train or to evaluate on.
    """
    for name, value in [("n_streams", n_streams), ("max_messages", max_messages)]:
        if value < 0:
            raise ParameterError(f"{name} is a count, or 0 for all: got {value}.")
    rng = np.random.default_rng(seed)
    streams = db.load_streams()
    train_ids, held_out_ids = _choose_streams(streams)
    order = rng.permutation(train_ids)[: n_streams or None]
    train, n_available = _load_training(db, order, max_messages=max_messages, max_copies=max_copies)
    held_out = load_chat(db, held_out_ids)
    singles = _choose_single_messages(held_out, train, n=max_single_messages, rng=rng)
    _check_enough(train, singles)
    log.info("%d of %d training messages, %d held out", len(train), n_available, len(held_out))
    return Corpus(
        train=train,
        held_out=held_out,
        single_messages=singles,
        streams=_rows_of(streams, train["stream_id"].unique()),
        held_out_streams=_rows_of(streams, held_out["stream_id"].unique()),
        n_available=n_available,
    )


def pack_blocks(
    token_ids: Iterable[Sequence[np.ndarray]], *, block_len: int, cls_id: int, sep_id: int
) -> np.ndarray:
    """Pack the tokenized messages of each stream, oldest first, into blocks.

    A block is `[CLS]`, then messages that each end with `[SEP]`; a message goes on in the next
    block if there is no room. A tail shorter than a block is dropped, streams are never mixed.

    Returns: int64, shape (n_blocks, block_len).
    Raises: NotEnoughData if no stream fills a block.
    """
    body = block_len - 1
    blocks = []
    for messages in token_ids:
        parts = [part for ids in messages for part in (ids, [sep_id])]
        flat = np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
        blocks.append(flat[: len(flat) // body * body].reshape(-1, body))
    packed = np.concatenate(blocks) if blocks else np.empty((0, body), np.int64)
    if not len(packed):
        raise NotEnoughData(
            f"At least one stream must fill a block of {block_len} tokens; none of {len(blocks)} does. "
            "Add chat, or lower BLOCK_LEN."
        )
    return np.hstack([np.full((len(packed), 1), cls_id, np.int64), packed])


def _choose_streams(streams: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return ids of streams for training and held out. Streams without messages count nowhere."""
    split = split_by_date(streams[streams["n_messages"] > 0])  # the donor model's split, too
    n_more = min(max(0, MIN_HELD_OUT_STREAMS - len(split.validation)), len(split.train) // 4)
    first = len(split.train) - n_more
    dates = streams.set_index("stream_id")["started_at"]
    while 0 < first < len(split.train) and dates[split.train[first]] == dates[split.train[first - 1]]:
        first -= 1  # streams of one date stay on one side
    return split.train[:first], split.train[first:] + split.validation


def _load_training(
    db: Store, order: Sequence[int], *, max_messages: int, max_copies: int
) -> tuple[pd.DataFrame, int]:
    parts, n_left = [], max_messages or float("inf")
    n_available = 0
    for stream_id in order:
        chat = load_chat(db, [stream_id])
        n_available += len(chat)
        if n_left > 0:
            chat = _cap_copies(chat, max_copies).iloc[: min(len(chat), n_left)]
            n_left -= len(chat)
            parts.append(chat)
    oldest_first = [s for s in db.load_streams()["stream_id"] if s in set(order)]
    train = pd.concat(parts) if parts else load_chat(db, [])
    rank = train["stream_id"].map({s: i for i, s in enumerate(oldest_first)})
    return train.iloc[np.argsort(rank, kind="stable")].reset_index(drop=True), n_available


def _cap_copies(chat: pd.DataFrame, max_copies: int) -> pd.DataFrame:
    return chat[chat.groupby(_text_key(chat["text"])).cumcount() < max_copies]


def _choose_single_messages(
    held_out: pd.DataFrame, train: pd.DataFrame, *, n: int, rng: np.random.Generator
) -> list[str]:
    """Return up to `n` held-out texts, each once, that training has not seen in any spelling."""
    texts = held_out[~_text_key(held_out["text"]).duplicated()]["text"]
    unseen = texts[~_text_key(texts).isin(set(_text_key(train["text"])))].tolist()
    return [unseen[i] for i in sorted(rng.permutation(len(unseen))[:n])]


def _text_key(texts: pd.Series) -> pd.Series:
    return pd.Series([text.casefold() for text in texts], index=texts.index, dtype=object)


def _rows_of(streams: pd.DataFrame, stream_ids: Sequence[int]) -> pd.DataFrame:
    return streams[streams["stream_id"].isin(stream_ids)].reset_index(drop=True)


def _check_enough(train: pd.DataFrame, singles: Sequence[str]) -> None:
    if len(train) < MIN_TRAINING_MESSAGES or len(singles) < MIN_HELD_OUT_MESSAGES:
        raise NotEnoughData(
            f"A language model needs at least {MIN_TRAINING_MESSAGES} messages to train on and "
            f"{MIN_HELD_OUT_MESSAGES} new ones in later streams; there are {len(train)} and "
            f"{len(singles)}. Add streams, or raise N_STREAMS and MAX_MESSAGES."
        )
