"""What may be an input: a viewer's own words that are no payment.

The first version of this research fed a donor's paid messages to the model that had to find
the donors. Here the rule is one function; `chatlib.predict.audits` checks what came of it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from chatlib.records import CHAT_KINDS, DONATION_KINDS

__all__ = ["find_payments", "select_inputs"]


def find_payments(messages: pd.DataFrame, *, donation_kinds: Collection[str] = DONATION_KINDS) -> np.ndarray:
    """Return a mask of the rows that are payments: their kind pays, or they carry bits.

    A ticker is the echo of a payment that has its own row, so it is none.
    """
    bits = pd.to_numeric(messages["bits"], errors="coerce").fillna(0).to_numpy(float) > 0
    return messages["kind"].isin(list(donation_kinds)).to_numpy(bool) | bits


def select_inputs(messages: pd.DataFrame, *, donation_kinds: Collection[str] = DONATION_KINDS) -> np.ndarray:
    """Return a mask of the rows that a model may read: a viewer's own words, and no payment.

    Only the kinds of plain chat pass. Out are payments and whatever shares a payment's message
    id, rows with money or bits on them whatever their kind, the platform's fixed sentences, and
    rows that nobody wrote or that say not when.
    """
    chat = messages["kind"].isin(list(CHAT_KINDS - set(donation_kinds))).to_numpy(bool)
    paid = find_payments(messages, donation_kinds=donation_kinds)
    echo = np.zeros(len(messages), bool)
    if paid.any():
        ids = set(messages["message_id"].to_numpy(object)[paid])
        echo = messages["message_id"].isin(ids).to_numpy(bool)
    money = messages["amount_text"].notna().to_numpy(bool)
    sentence = messages["notice"].notna().to_numpy(bool)
    written = messages["author"].notna().to_numpy(bool) & messages["offset_s"].notna().to_numpy(bool)
    return chat & written & ~(paid | echo | money | sentence)
