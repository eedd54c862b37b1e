"""Numbers about a viewer: behaviour, badges, history and habits.

Behaviour comes from the input messages alone. Badges, history and habits are what was known before the
stream began; but for `retrospective`, badges are those at the moment asked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chatlib.predict.questions import RETROSPECTIVE
from chatlib.predict.viewers.history import HISTORY_COLUMNS, RHYTHM_COLUMNS
from chatlib.predict.viewers.notices import NOTICE_COLUMNS
from chatlib.predict.viewers.table import Viewers
from chatlib.records import is_member

__all__ = ["BADGE_FEATURES", "BEHAVIOUR_FEATURES", "build_badges", "build_behaviour", "build_features"]

_TEXT_FEATURES = ("chars", "words", "question", "exclamation", "mention", "link", "capitals", "repeated",
                  "not_ascii")  # fmt: skip
BEHAVIOUR_FEATURES = (
    "n_messages",
    "share_of_stream",
    "first_min",
    "last_min",
    "first_share",
    "last_share",
    "span_min",
    "messages_per_min",
    "median_gap_s",
    "longest_gap_s",
    "before_start",
    "stream_min",
    "n_viewers",
    "distinct_share",
    "chars_max",
    "chars_sum",
    *(f"{name}_mean" for name in _TEXT_FEATURES),
)
# What tells how long the stream will last, or who will come to it, unless it is over.
_OF_THE_WHOLE = ("first_share", "last_share", "stream_min", "share_of_stream")
BADGE_FEATURES = ("member", "member_months", "moderator", "vip", "verified", "premium", "gifter", "bits",
                  "n_badges")  # fmt: skip
_LINK = re.compile(r"https?://|www\.|\w\.(?:com|net|org|tv)\b", re.I)
_TIME = re.compile(r"(\d+)[ -](month|year)", re.I)
_BADGES = {
    "moderator": re.compile("moderator", re.I),
    "vip": re.compile("vip", re.I),
    "verified": re.compile("verified|partner", re.I),
    "premium": re.compile("premium|prime|turbo", re.I),
    "gifter": re.compile("gift", re.I),
    "bits": re.compile("bits|cheer", re.I),
}


def build_features(viewers: Viewers, *, known_before: bool = False, habits: bool = False) -> pd.DataFrame:
    """Return one row of numbers per viewer: BEHAVIOUR_FEATURES, and what was known before.

    `known_before` adds BADGE_FEATURES and HISTORY_COLUMNS, `habits` RHYTHM_COLUMNS and
    NOTICE_COLUMNS. What is not
    known is NaN.
    """
    parts = [build_behaviour(viewers)]
    if known_before:
        parts += [build_badges(viewers.table["badges"]), viewers.table[list(HISTORY_COLUMNS)]]
    if habits:
        parts.append(viewers.table[[*RHYTHM_COLUMNS, *NOTICE_COLUMNS]])
    return pd.concat(parts, axis=1).astype(np.float64)


def build_behaviour(viewers: Viewers) -> pd.DataFrame:
    """Return BEHAVIOUR_FEATURES per viewer: how much, when and in which manner they wrote.

    Those that tell of the stream's length or audience are for the question `retrospective` alone.
    """
    table, starts = viewers.table, viewers.starts
    row, n = viewers.message_viewers(), np.diff(starts)
    end = np.maximum(table["input_end_s"].to_numpy(float), 1.0)
    first, last = viewers.offsets_s[starts[:-1]], viewers.offsets_s[starts[1:] - 1]
    span_min = (last - first) / 60.0
    text = _describe_texts(viewers.texts)[viewers.text_codes]
    means = np.add.reduceat(text, starts[:-1], axis=0) / n[:, None]
    distinct = pd.DataFrame({"row": row, "code": viewers.text_codes}).drop_duplicates()["row"]
    median_gap, longest_gap = _gaps(viewers, row, n)
    in_stream = table["n_messages"].groupby(table["stream_id"]).transform("sum").to_numpy()
    values = {
        "n_messages": n,
        "share_of_stream": n / in_stream,
        "first_min": first / 60.0,
        "last_min": last / 60.0,
        "first_share": first / end,
        "last_share": last / end,
        "span_min": span_min,
        "messages_per_min": n / (span_min + 1.0),
        "median_gap_s": median_gap,
        "longest_gap_s": longest_gap,
        "before_start": np.bincount(row, weights=viewers.offsets_s < 0, minlength=len(n)),
        "stream_min": end / 60.0,
        "n_viewers": table["n_viewers"].to_numpy(),
        "distinct_share": np.bincount(distinct, minlength=len(n)) / n,
        "chars_max": np.maximum.reduceat(text[:, 0], starts[:-1]),
        "chars_sum": means[:, 0] * n,
    }
    values |= {f"{name}_mean": means[:, i] for i, name in enumerate(_TEXT_FEATURES)}
    columns = list(BEHAVIOUR_FEATURES)
    if viewers.question.name != RETROSPECTIVE:
        columns = [name for name in columns if name not in _OF_THE_WHOLE]
    return pd.DataFrame(values)[columns]


def build_badges(badges: pd.Series) -> pd.DataFrame:
    """Return BADGE_FEATURES of JSON arrays of badge titles; all NaN where there is None."""
    codes, distinct = pd.factorize(badges, use_na_sentinel=True)
    rows = [_describe_badges(text) for text in distinct]
    table = np.array([*rows, [np.nan] * len(BADGE_FEATURES)], float)
    return pd.DataFrame(table[codes], columns=list(BADGE_FEATURES))


def _describe_badges(badges: str) -> list[float]:
    titles = json.loads(badges)
    months = 0.0
    for amount, unit in _TIME.findall(" ".join(titles)):
        months = max(months, float(amount) * (12 if unit.lower() == "year" else 1))
    kinds = [float(any(pattern.search(t) for t in titles)) for pattern in _BADGES.values()]
    return [float(is_member(badges)), months, *kinds, float(len(titles))]


def _describe_texts(texts: Sequence[str]) -> np.ndarray:
    """Return _TEXT_FEATURES of each text, float32, shape (n_texts, n_features)."""
    table = np.zeros((len(texts), len(_TEXT_FEATURES)), np.float32)
    for i, text in enumerate(texts):
        words = text.split()
        capitals = sum(1 for c in text if c.isupper())
        table[i] = (
            len(text),
            len(words),
            "?" in text,
            "!" in text,
            "@" in text,
            bool(_LINK.search(text)),
            capitals / max(len(text), 1),
            1.0 - len(set(words)) / max(len(words), 1),
            not text.isascii(),
        )
    return table


def _gaps(viewers: Viewers, row: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each viewer's median and longest pause between two messages, NaN for one message."""
    gaps = np.diff(viewers.offsets_s)
    inside = row[1:] == row[:-1]
    pauses = pd.Series(gaps[inside]).groupby(row[1:][inside])
    every = np.arange(len(n))
    return pauses.median().reindex(every).to_numpy(), pauses.max().reindex(every).to_numpy()
