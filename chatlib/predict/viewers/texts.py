"""What a model may read of a viewer: their own words that are no payment.

The first version of this research fed a donor's paid messages to the model that had to find
the donors. Here the rule is one function; `chatlib.predict.audits` checks what came of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from chatlib.records import CHAT_KINDS

__all__ = ["choose_messages", "expand", "select_inputs", "slice_rows"]


def select_inputs(messages: pd.DataFrame, paid: np.ndarray) -> np.ndarray:
    """Return a mask of the rows of a stream that a model may read: a viewer's own words, and no payment.

    `paid` marks the payments. Only the kinds of plain chat pass. Out are payments and whatever
    shares a payment's message
    id, rows with money or bits on them whatever their kind, the platform's fixed sentences, and
    rows without an author or a time.
    """
    chat = messages["kind"].isin(list(CHAT_KINDS)).to_numpy(bool)
    echo = messages["message_id"].isin(messages["message_id"].to_numpy(object)[paid]).to_numpy(bool)
    money = messages["amount_text"].notna().to_numpy(bool)
    sentence = messages["notice"].notna().to_numpy(bool)
    written = messages["author"].notna().to_numpy(bool) & messages["offset_s"].notna().to_numpy(bool)
    return chat & written & ~(paid | echo | money | sentence)


def choose_messages(starts: np.ndarray, *, max_messages: int) -> np.ndarray:
    """Return the messages that are read, ascending: at most `max_messages` of each viewer.

    Of a longer list evenly spread ones are taken, with the first and the last among them.
    """
    n = np.diff(starts)
    kept = np.minimum(n, max_messages)
    place = expand(np.zeros(len(n), np.int64), kept)
    n, first, kept = np.repeat(n, kept), np.repeat(starts[:-1], kept), np.repeat(kept, kept)
    return first + np.where(n > kept, place * (n - 1) // np.maximum(kept - 1, 1), place)


def slice_rows(starts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of these rows starts once they are put together, and what they hold."""
    n = np.diff(starts)[rows]
    return np.concatenate([[0], np.cumsum(n)]), expand(starts[rows], n)


def expand(first: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return `first[i], first[i] + 1, ...`, `n[i]` of them for each i, one behind another."""
    return np.repeat(first - (np.cumsum(n) - n), n) + np.arange(n.sum())
