"""The moments of a stream that people would clip: found, ranked, bounded and linked.

The rule
    1. *Distinct people, not messages*: at each second, the people who wrote within 20 s, each once.
       Messages that call a bot (`!song`) are left out, and one person cannot make a burst.
    2. *What they wrote counts*: a person weighs exp(x), from 1/5 to 4, where x is the mean over the
       words of their latest message of how much each keeps company with laughter in this channel
       (`learn_reactions`). So "LUL" and "oh my god" weigh more than a dancing emote, applause, thanks
       for a raid or talk; in a chat that does not laugh everybody weighs 1.
    3. *Against the minutes around*: the score is sqrt(n) - sqrt(b) / 2, with n the weight of the people
       and b its mean over ten minutes. Roots, because the noise of a count grows with its root. Half of
       the baseline: all of it forgets that a busy time is busy for a reason, none lets the busiest hour
       of a stream take every moment.
    4. *Hype is not content*: a raid and a gift of many subscriptions halve the score for a minute.
    5. *Who cuts a clip says so*: a link to a clip that is new in the stream doubles the score from 150 to
       45 s before it, as long as cutting and posting take; a request ("clip that") that of the 35 s before.
       But never beyond the stream's best moment: one person alone does not make it.
    6. The best seconds are moments, the best first, peaks at least a minute apart. A moment begins 20 s
       before its peak and ends 38 s after it: a chat answers within seconds, a clip begins up to 20 s
       around the reaction (clips of one channel, placed in its streams), and so a clip of 30 s with the
       reaction in it overlaps. At three an hour, less than 5 % of the stream is named.

The parameters were chosen on 162 unlabelled streams of one Twitch channel, at the places where viewers ask
for a clip or link a new one; the rule was not shown these messages. `tests/benchmarks/bench_moments.py`
measures it there, each kind of place by messages of the other kind: 8 of 30 requests had a link within
minutes, by chance 1 in 50. Of about ninety other rules, models trained on these places among them, none is
better beyond chance (`notebooks/README.md`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import pandas as pd

from chatlib.analyze import DEFAULT_TOP
from chatlib.analyze.analytics.readers import Talk
from chatlib.columns import TextParts
from chatlib.errors import ParameterError
from chatlib.text import normalize_text, split_part

__all__ = [
    "ENOUGH_MESSAGES",
    "Moment",
    "Reaction",
    "ReactionWords",
    "find_clipped",
    "find_moments",
    "is_laughter",
    "learn_reactions",
    "link_to_moment",
    "measure_reaction",
]

_WINDOW_S = 20
_BASELINE_S = 600
_BASELINE_SHARE = 0.5
_LEAD_S, _TAIL_S, _APART_S = 20, 38, 60
_HYPE_S, _HYPE_FACTOR = 60, 0.5
_CLIP_FACTOR, _BELOW_BEST = 2.0, 0.99
_LINKED_S, _REQUESTED_S = (-150, -45), -35  # where what was clipped lies, from the message
_CLIP_LINK = re.compile(r"(?:clips\.twitch\.tv/|twitch\.tv/\w+/clip/|youtube\.com/clip/)([\w-]+)", re.I)
# In lower case. It begins with plain letters, to which a search leaps: a third of the time.
_CLIP_REQUEST = re.compile(
    r"clip(?:(?<=\bclip)(?:(?:ped)? (?:it|that|this|dat)\b|[?!])|(?:(?<=^clip)|(?<=^!clip))\W*$)"
)
_LEAST_PEOPLE = 3
_LIGHTEST, _HEAVIEST = 0.2, 4.0
_PRIOR_WORDS = 500
_PRIOR_MESSAGES = 20  # with a word, before what was counted outweighs the prior
_SEED_RATIO = 1.0  # of a laughing word
ENOUGH_MESSAGES = 300_000  # to learn from
# Laughter in the languages of chats, and the emotes named after it.
_LAUGHTER = re.compile(
    r"l+[ou]+l+|l+m+f*a+o+|r+o+f+l+|\w*(lul|kekw?|lmao|lol|rofl)w?|[ahj]*(h[ae]|ja)+(h[ae]?|ja?)+|x+d+|k{4,}|w{3,}"
    r"|(rs){2,}|5{3,}|草+|笑+|ㅋ+|icant|[😂🤣😆😹💀]+"
)
_HOSTS = {"www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be", "www.twitch.tv", "twitch.tv"}


@dataclass(frozen=True)
class Moment:
    """A part of a stream that people would clip; rank 1 is the best.

    peak_s: the middle of the strongest reaction. people: how many wrote within 20 s there.
    score: what ranks it (see the module). link: opens the recording at its start; None if there is
    no address.
    """

    rank: int
    start_s: float
    end_s: float
    peak_s: float
    people: int
    score: float
    link: str | None


class Reaction(NamedTuple):
    """Each second of a stream: how many people wrote within 20 s around it, and the score."""

    people: np.ndarray
    score: np.ndarray


def find_moments(
    talk: Talk,
    *,
    duration_s: float,
    words: ReactionWords | None = None,
    top: int = DEFAULT_TOP,
    address: str | None = None,
    reaction: Reaction | None = None,
) -> list[Moment]:
    """Return the `top` moments of a stream, the best first.

    `words` are those of `learn_reactions`, by default learned from this stream alone. Links are to
    `address`, if it is a recording's on YouTube or Twitch. A moment has at least three people.
    `reaction` is the stream's `measure_reaction`, if it is there already. Raises: ParameterError for a `top`
    below 1.
    """
    if top < 1:
        raise ParameterError(f"TOP must be 1 or more moments, got {top}.")
    found = reaction or measure_reaction(talk, duration_s=duration_s, words=words)
    score = np.where(found.people >= _LEAST_PEOPLE, found.score, 0.0)
    moments: list[Moment] = []
    while len(moments) < top and score.size and (peak := _find_peak(score)) is not None:
        start_s, end_s = max(peak - _LEAD_S, 0), min(peak + _TAIL_S, duration_s)
        link = link_to_moment(address, start_s)
        moments.append(
            Moment(
                rank=len(moments) + 1,
                start_s=float(start_s),
                end_s=float(end_s),
                peak_s=float(peak),
                people=int(found.people[peak]),
                score=float(score[peak]),
                link=link,
            )
        )
        score[max(peak - _APART_S, 0) : peak + _APART_S + 1] = 0.0
    return moments


def measure_reaction(talk: Talk, *, duration_s: float, words: ReactionWords | None = None) -> Reaction:
    """Return the reaction at each second of [0, duration_s]; scores below 0 are 0."""
    n_seconds = int(duration_s) + 1
    rows, offset_s, author = _select(talk.spoken)
    weight = (words or learn_reactions([talk])).weigh(talk.parts)[rows]
    people = _count_people(offset_s, author, n_seconds=n_seconds)
    weighted = _count_people(offset_s, author, n_seconds=n_seconds, weight=weight)
    score = np.sqrt(weighted) - _BASELINE_SHARE * np.sqrt(_average(weighted, _BASELINE_S))
    for at_s in talk.hype_s[(talk.hype_s >= 0) & (talk.hype_s < n_seconds)].astype(int):
        score[at_s : at_s + _HYPE_S] *= _HYPE_FACTOR
    score = np.maximum(score, 0.0)
    best, factor = score.max(), np.ones(n_seconds)
    for _, start_s, end_s in find_clipped(talk):
        place = slice(max(start_s, 0), max(end_s, 0))
        if top := score[place].max(initial=0.0):
            factor[place] = np.maximum(factor[place], np.clip(_BELOW_BEST * best / top, 1, _CLIP_FACTOR))
    return Reaction(people.round().astype(int), score * factor)


@dataclass(frozen=True)
class ReactionWords:
    """How much each word of a channel keeps company with laughter, as a log-odds ratio: `ratios`."""

    ratios: Mapping[str, float]

    def weigh(self, parts: TextParts) -> np.ndarray:
        """Return the weight of who wrote each text, from 0.2 to 4."""
        words = list(map(_split_part, parts.names))
        size = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
        ratios = np.fromiter(map(self.ratios.get, chain.from_iterable(words), repeat(0.0)), dtype=float)
        of_part = np.bincount(np.repeat(np.arange(len(words)), size), ratios, minlength=len(words))
        total, n_words = parts.sum_values(of_part), parts.sum_values(size)
        return np.exp(total / np.maximum(n_words, 1)).clip(_LIGHTEST, _HEAVIEST)


def learn_reactions(talks: Iterable[Talk]) -> ReactionWords:
    """Return the words of a channel, learned from its own chat.

    Counted in times as busy as each other, the busiest 15 % of each stream: messages in whose 20 s
    at least three others, and a fifth of the people, laugh, against those with hardly any laughter.
    A rare word stays near its prior, 1 for laughter itself and 0 for all else. After 300,000 messages
    no more are read.
    """
    merry: Counter[str] = Counter()
    sober: Counter[str] = Counter()
    n_read = 0
    for talk in talks:
        _count_company(talk, merry=merry, sober=sober)
        n_read += len(talk.spoken)
        if n_read >= ENOUGH_MESSAGES:
            break
    n_merry, n_sober = merry.total(), sober.total()
    ratios = {}
    for word in merry.keys() | sober.keys():
        n = merry[word] + sober[word]
        expected = _PRIOR_WORDS * n / (n_merry + n_sober)
        merry_share = (merry[word] + expected) / (n_merry + _PRIOR_WORDS)
        ratio = math.log(merry_share * (n_sober + _PRIOR_WORDS) / (sober[word] + expected))
        prior = _SEED_RATIO if _LAUGHTER.fullmatch(word) else 0.0
        ratios[word] = (n * ratio + _PRIOR_MESSAGES * prior) / (n + _PRIOR_MESSAGES)
    return ReactionWords(ratios)


def find_clipped(talk: Talk) -> list[tuple[str, int, int]]:
    """Return where viewers cut clips, by links that are new in the stream, or asked for one.

    Messages without a time don't count. A place is ('link' or 'request', its start, its end), in seconds.
    """
    names_clip = np.array(["clip" in name.lower() for name in talk.parts.names], dtype=bool)
    spoken = talk.spoken.iloc[np.unique(talk.parts.row[names_clip[talk.parts.code]])]
    places: list[tuple[str, int, int]] = []
    known: set[str] = set()
    for offset_s, text in zip(spoken["offset_s"].tolist(), spoken["text"].tolist(), strict=True):
        lower = text.lower()
        if not math.isfinite(offset_s):
            continue
        links = {name.lower() for name in _CLIP_LINK.findall(text)} if "/" in text else set()
        if links - known:
            places.append(("link", int(offset_s) + _LINKED_S[0], int(offset_s) + _LINKED_S[1]))
        elif not links and _CLIP_REQUEST.search(lower):
            places.append(("request", int(offset_s) + _REQUESTED_S, int(offset_s)))
        known |= links
    return places


def link_to_moment(address: str | None, offset_s: float) -> str | None:
    """Return the address of a recording, opened at an offset; None unless it is YouTube's or Twitch's."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.netloc.lower() not in _HOSTS:
        return None
    seconds = max(int(offset_s), 0)
    if "twitch" in parts.netloc.lower():
        at = f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"
    else:
        at = f"{seconds}s"
    query = [(key, value) for key, value in parse_qsl(parts.query) if key != "t"]
    return urlunsplit(("https", parts.netloc, parts.path, urlencode([*query, ("t", at)]), ""))


def _find_peak(score: np.ndarray) -> int | None:
    """Return the middle of the highest second and those as high that follow it; None if all are 0."""
    first = int(score.argmax())
    if score[first] <= 0:
        return None
    below = np.flatnonzero(score[first:] < score[first] - 1e-9)
    return first + (int(below[0]) if below.size else len(score) - first) // 2


def _select(spoken: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return places, offsets, and authors as numbers, of the messages that count, in time order."""
    offset_s = spoken["offset_s"].to_numpy(float)
    counts = (offset_s >= 0) & spoken["author"].notna().to_numpy()
    counts &= ~np.array([text[:1] == "!" for text in spoken["text"].tolist()], dtype=bool)
    rows = np.flatnonzero(counts)
    rows = rows[np.argsort(offset_s[rows], kind="stable")]
    return rows, offset_s[rows], pd.factorize(spoken["author"].to_numpy()[rows])[0]


def _count_people(
    offset_s: np.ndarray, author: np.ndarray, *, n_seconds: int, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return, for each second, the people who wrote in the 20 s around it, each by the latest message."""
    order = np.lexsort((offset_s, author))
    until = np.full(len(author), np.inf)
    same = author[order][1:] == author[order][:-1]
    until[order[:-1][same]] = offset_s[order[1:][same]]
    half = _WINDOW_S // 2
    first = np.ceil(offset_s - half).clip(0, n_seconds).astype(np.int64)
    end = np.ceil(np.minimum(offset_s + half, until - half)).clip(0, n_seconds).astype(np.int64)
    change = np.bincount(first, weights=weight, minlength=n_seconds + 1).astype(float)
    change -= np.bincount(end, weights=weight, minlength=n_seconds + 1)
    return np.maximum(np.cumsum(change)[:n_seconds], 0.0)  # a sum may be a hair below 0


def _average(values: np.ndarray, length: int) -> np.ndarray:
    """Return the mean of the values within `length` around each, of fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    first, end = np.maximum(at - length // 2, 0), np.minimum(at + length // 2 + 1, len(values))
    return (sums[end] - sums[first]) / (end - first)


@lru_cache(maxsize=2**18)
def _split_part(part: str) -> tuple[str, ...]:
    return split_part(normalize_text(part.partition("@")[0]))  # a name is no word


@lru_cache(maxsize=65536)
def is_laughter(part: str) -> bool:
    """Return whether what stands between two blanks has a laughing word or emote in it."""
    return any(map(_LAUGHTER.fullmatch, _split_part(part)))


def _count_company(talk: Talk, *, merry: Counter[str], sober: Counter[str]) -> None:
    """Count the words of messages in times of much and of hardly any laughter, once a message."""
    rows, offset_s, author = _select(talk.spoken)
    if not len(rows):
        return
    laughs = (talk.parts.sum_values([is_laughter(name) for name in talk.parts.names]) > 0)[rows].astype(float)
    n_seconds = int(offset_s[-1]) + 1
    at = offset_s.astype(np.int64)
    everybody = _count_people(offset_s, author, n_seconds=n_seconds)
    people = everybody[at]
    others = _count_people(offset_s, author, n_seconds=n_seconds, weight=laughs)[at] - laughs
    busy = people >= np.percentile(everybody, 85)
    for found, mask in (
        (merry, busy & (others >= 3) & (others >= 0.2 * people)),
        (sober, busy & (others <= 0.07 * people)),
    ):
        found.update(talk.parts.count_words(_split_part, texts=rows[mask]))
