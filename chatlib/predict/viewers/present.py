"""What a stream's viewers have done in it by the moment that is asked about.

`arrival` asks at a viewer's first message, `forecast` at a landmark, `retrospective` after the end. What
comes later is never read, and no payment of the person asked about: who has paid by then is not asked about.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chatlib.predict import ARRIVAL, FORECAST, RETROSPECTIVE, Question
from chatlib.predict.viewers.past import BADGE_FEATURES, build_badges
from chatlib.predict.viewers.table import select_inputs
from chatlib.records import is_member

__all__ = ["PRESENT_COLUMNS", "ask_viewers"]

_TEXT = ("chars", "words", "questions", "exclamations", "mentions", "links", "commands", "capitals",
         "not_ascii")  # fmt: skip
_MONEY = re.compile(
    r"\b(?:subs?|subbed|subscri\w+|resub\w*|gift\w*|primed?|bits|cheer\w*|donat\w*|tier|money|pay|paid|"
    r"support\w*)\b",
    re.I,
)
_LINK = re.compile(r"https?://|www\.|\w\.(?:com|net|org|tv)\b", re.I)
_CAPITAL = re.compile(r"[A-Z]")
_EMOTE = re.compile(r":(_)\w+:|\b([a-z][a-z0-9]{2,9})[A-Z]\w*")
_EMOTE_HINT = re.compile(r":_|[a-z0-9][A-Z]")  # no emote without it, and quick to look for
_LEAST_USERS, _MEMBERS_SHARE = 5, 0.5  # of the prefix of a channel's own emotes
_BUSY_S = 600.0  # what goes on now
_OWN = ("first_s", "since_first_s", "since_last_s", "n_messages", "distinct_share", "median_gap_s",
        "longest_gap_s", "viewers_before", *(f"{name}_mean" for name in _TEXT), "chars_sum",
        "money_words_sum", "member_emotes_mean")  # fmt: skip
_AROUND = ("n_viewers", "messages_now", "payments_so_far", "payments_now", "since_payment_s")
_NOW_BADGES = tuple(f"now_{name}" for name in BADGE_FEATURES)
_COMPARED = ("later_than_usual_s", "member_change")  # with what was known before
PRESENT_COLUMNS = {
    ARRIVAL: ("first_s", *_AROUND, *(f"{name}_mean" for name in _TEXT), *_NOW_BADGES, *_COMPARED),
    FORECAST: (*_OWN, *_AROUND, *_NOW_BADGES, *_COMPARED),
    RETROSPECTIVE: (*_OWN, _COMPARED[0]),
}


def ask_viewers(rows: pd.DataFrame, paid: np.ndarray, question: Question) -> pd.DataFrame:
    """Return one row per viewer of a stream who is asked about, by author.

    `rows` are the stream's messages by offset, of authors alone, `paid` marks its payments. Columns: author,
    moment_s (until when anything is known, infinite in `retrospective`), paid (later than that), and
    PRESENT_COLUMNS of the question but for the comparisons. A payment without a time counts as made before.
    """
    authors, viewer = np.unique(rows["author"].to_numpy(np.int64), return_inverse=True)
    offsets = rows["offset_s"].to_numpy(float)
    usable = np.flatnonzero(select_inputs(rows, paid))
    first = np.full(len(authors), len(rows))
    first[viewer[usable[::-1]]] = usable[::-1]
    wrote = first < len(rows)
    first_s = np.append(offsets, np.nan)[first]
    moment = question.find_ends(first_s, length_s=np.inf)
    if question.name == ARRIVAL:
        usable = np.sort(first[wrote])
    usable = usable[offsets[usable] <= moment[viewer[usable]]]
    payments = np.flatnonzero(paid)
    by = viewer[payments]
    asked_about, known = question.split_payments(offsets[payments], moment[by])
    before, later = np.zeros((2, len(authors)), bool)
    before[by[known]], later[by[asked_about]] = True, True
    has_input = np.bincount(viewer[usable], minlength=len(authors)) > 0
    asked = np.flatnonzero(has_input & ~before & question.reaches(np.nanmax(offsets, initial=0.0)))
    usable = usable[np.isin(viewer[usable], asked)]
    place = np.full(len(authors), -1)
    place[asked] = np.arange(len(asked))
    own = _describe_own(rows, usable, place[viewer[usable]], len(asked), moment[asked])
    around = _describe_around(offsets, first[wrote], payments, moment[asked])
    table = pd.DataFrame(
        {"author": authors[asked], "moment_s": moment[asked], "paid": later[asked]} | own | around
    )
    columns = [name for name in PRESENT_COLUMNS[question.name] if name not in _COMPARED]
    return table[["author", "moment_s", "paid", *columns]]


def _describe_own(
    rows: pd.DataFrame, messages: np.ndarray, person: np.ndarray, n_people: int, moment: np.ndarray
) -> dict[str, np.ndarray]:
    """Return numbers of what each person wrote: these messages, in order of time."""
    order = np.argsort(person, kind="stable")
    messages, person = messages[order], person[order]
    starts = np.searchsorted(person, np.arange(n_people + 1))
    n, offsets = np.diff(starts), rows["offset_s"].to_numpy(float)[messages]
    codes, texts = pd.factorize(rows["text"].fillna("").to_numpy(object)[messages])
    wears = rows["badges"].fillna("[]").map(is_member).to_numpy(bool)[messages]
    emotes = _count_member_emotes(texts, codes, person, wears)
    manner = np.column_stack([_describe_texts(texts), emotes])[codes]
    means = np.add.reduceat(manner, starts[:-1], axis=0) / n[:, None] if n_people else manner[:0]
    pairs = np.unique(np.stack([person, codes]), axis=1)[0]
    inside = person[1:] == person[:-1]
    pauses = pd.Series(np.diff(offsets)[inside]).groupby(person[1:][inside])
    every = np.arange(n_people)
    first, last = offsets[starts[:-1]], offsets[starts[1:] - 1]
    until = np.where(np.isfinite(moment), moment, last)
    badges = build_badges(rows["badges"].fillna("[]").iloc[messages[starts[1:] - 1]].reset_index(drop=True))
    return {
        "first_s": first,
        "since_first_s": until - first,
        "since_last_s": until - last,
        "n_messages": n,
        "distinct_share": np.bincount(pairs, minlength=n_people) / n,
        "median_gap_s": pauses.median().reindex(every).to_numpy(float),
        "longest_gap_s": pauses.max().reindex(every).to_numpy(float),
        "viewers_before": np.searchsorted(np.sort(first), first),
        **{f"{name}_mean": means[:, i] for i, name in enumerate(_TEXT)},
        "chars_sum": means[:, 0] * n,
        "money_words_sum": means[:, -2] * n,
        "member_emotes_mean": means[:, -1],
        **{f"now_{name}": badges[name].to_numpy(float) for name in BADGE_FEATURES},
    }


def _describe_texts(texts: Sequence[str]) -> np.ndarray:
    """Return _TEXT of each text, and its words about money, shape (n_texts, n_features)."""
    table = [
        (
            len(text),
            len(text.split()),
            "?" in text,
            "!" in text,
            "@" in text,
            ("." in text or "/" in text) and _LINK.search(text) is not None,
            text.startswith("!"),
            len(_CAPITAL.findall(text)) / max(len(text), 1),
            not text.isascii(),
            len(_MONEY.findall(text)),
        )
        for text in texts
    ]
    return np.array(table, float).reshape(len(texts), len(_TEXT) + 1)


def _count_member_emotes(
    texts: Sequence[str], codes: np.ndarray, person: np.ndarray, wears: np.ndarray
) -> np.ndarray:
    """Return how many emotes for members alone each text has; `wears` marks messages with a member's badge.

    On YouTube these are `:_name:`. On Twitch they begin with the channel's prefix, as in `abcHello`: that
    which has the largest share of people with the badge among those who write it, and at least half.
    """
    hinted = ((i, text) for i, text in enumerate(texts) if _EMOTE_HINT.search(text))
    found = [(i, first or second) for i, text in hinted for first, second in _EMOTE.findall(text)]
    uses = pd.DataFrame(found, columns=["code", "prefix"])
    wearers = pd.DataFrame({"code": codes, "person": person, "wears": wears})
    users = uses.drop_duplicates().merge(wearers, on="code").groupby(["prefix", "person"])["wears"].max()
    shares = users.groupby("prefix").agg(["size", "mean"])
    enough = (shares["size"] >= _LEAST_USERS) & (shares["mean"] >= _MEMBERS_SHARE)
    own = shares[enough].sort_values("mean").index[-1:]
    uses = uses[uses["prefix"].isin(["_", *own])]
    return np.bincount(uses["code"].to_numpy(np.int64), minlength=len(texts)).astype(float)


def _describe_around(
    offsets: np.ndarray, arrivals: np.ndarray, payments: np.ndarray, moment: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what goes on in the stream at each moment: viewers so far, messages, and payments."""
    came = np.sort(offsets[arrivals])
    said = offsets[~np.isnan(offsets)]
    times = offsets[payments]
    times = np.sort(times[~np.isnan(times)])
    n_paid = np.searchsorted(times, moment, "right")
    last = np.append(times, np.nan)[np.where(n_paid, n_paid - 1, len(times))]
    return {
        "n_viewers": np.searchsorted(came, moment, "right"),
        "messages_now": np.searchsorted(said, moment, "right")
        - np.searchsorted(said, moment - _BUSY_S, "right"),
        "payments_so_far": n_paid,
        "payments_now": n_paid - np.searchsorted(times, moment - _BUSY_S, "right"),
        "since_payment_s": moment - last,
    }
