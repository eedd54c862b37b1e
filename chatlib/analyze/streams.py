"""A channel's streams as they are shown: each one's timeline and row as plain data, and the table of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from chatlib.analyze import DEFAULT_TOP
from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.readers import Talk, load_talk
from chatlib.analyze.analytics.sections import Section, Spike
from chatlib.analyze.clips import describe_moments, make_clip_kit
from chatlib.analyze.moments import (
    ENOUGH_MESSAGES,
    Moment,
    ReactionWords,
    find_moments,
    learn_reactions,
    link_to_moment,
    measure_reaction,
)
from chatlib.queries import StoredStream
from chatlib.tables import format_share
from chatlib.text import format_count, one_line
from chatlib.times import format_clock

if TYPE_CHECKING:
    from chatlib.dataset import ChatReader

__all__ = [
    "Mark",
    "Timeline",
    "add_texts",
    "describe_streams",
    "learn_channel",
    "make_timeline",
    "rank_streams",
    "summarize_stream",
    "tabulate_streams",
]

_WIDTH, _WORD_WIDTH = 80, 40
_CLIP_S = 30.0  # where a clip's length is unknown
_LEAST_PEOPLE = 2  # who wrote a word
_MOST_TEXTS = 40  # of a step


class Mark(NamedTuple):
    """A part of the stream to point at.

    kind: moment, highlight, spike or clip. rank: 1 is the best, 0 where a kind has none. title: text
    of the chat or of the clip, or empty. link: opens the recording there; None if there is none.
    """

    kind: str
    start_s: float
    end_s: float
    rank: int
    title: str
    link: str | None


class Timeline(NamedTuple):
    """A stream as lists of equal length, one entry for each step of `step_s` seconds, and its marks.

    messages, people: chat messages and the distinct people who wrote them. payments: their number.
    score: the most in the step of what ranks the moments. top: the emote or word that most people
    wrote, two at least. said: the most typical message. Both are empty where there is none. kit: that of
    `make_clip_kit`, for its moments.
    `address` is that of the recording; None for a simulated stream. No name of a person is in it,
    but for those that people wrote.
    """

    title: str
    started_at: str | None
    address: str | None
    duration_s: float
    step_s: int
    messages: list[int]
    people: list[int]
    payments: list[int]
    score: list[float]
    top: list[str]
    said: list[str]
    marks: list[Mark]
    kit: dict[str, str]


def make_timeline(
    stream: StoredStream,
    story: ChatAnalytics,
    talk: Talk,
    *,
    clips: pd.DataFrame,
    words: ReactionWords | None = None,
    top: int = DEFAULT_TOP,
    frame_rate: float = 30.0,
) -> Timeline:
    """Return the timeline of a stream from its analytics and what was said.

    `clips` is `Store.load_clips`; `words` are the channel's (`learn_reactions`), by default the stream's own.
    `top` moments are marked. A step is a sample of the story. The texts `top` and `said` are empty until
    `add_texts` fills them.
    """
    name, step_s, length_s = stream.video_id, story.interval, story.duration
    address = None if stream.simulated else stream.url
    reaction = measure_reaction(talk, duration_s=length_s, words=words)
    moments = find_moments(talk, duration_s=length_s, top=top, address=address, reaction=reaction)
    written = describe_moments(talk, moments)
    named = zip(moments, written, strict=True)
    marks = [Mark("moment", m.start_s, m.end_s, m.rank, said.title, m.link) for m, said in named]
    clips = clips[clips["stream_id"] == stream.stream_id]
    n_steps = max(int(-(-length_s // step_s)), 1)
    rows, offset_s = _select_inside(talk.spoken, duration_s=length_s)
    step = _find_steps(offset_s, step_s=step_s, n_steps=n_steps)
    paid = talk.paid_s[(talk.paid_s >= 0) & (talk.paid_s <= length_s)]
    people = talk.spoken["author"].iloc[rows].groupby(step).nunique().reindex(range(n_steps), fill_value=0)
    return Timeline(
        title=stream.title or name,
        started_at=stream.started_at,
        address=address,
        duration_s=length_s,
        step_s=step_s,
        messages=np.bincount(step, minlength=n_steps).tolist(),
        people=people.tolist(),
        payments=np.bincount(_find_steps(paid, step_s=step_s, n_steps=n_steps), minlength=n_steps).tolist(),
        score=_take_most(reaction.score, n_steps=n_steps, step_s=step_s),
        top=[""] * n_steps,
        said=[""] * n_steps,
        marks=[*marks, *_mark_sections(story, address=address), *_mark_clips(clips, address=address)],
        kit=make_clip_kit(
            moments, written, name=name, address=address, duration_s=length_s, frame_rate=frame_rate
        ),
    )


def add_texts(timeline: Timeline, talk: Talk) -> Timeline:
    """Return a timeline with what was written in each step: `top` and `said`."""
    n_steps = len(timeline.messages)
    rows, offset_s = _select_inside(talk.spoken, duration_s=timeline.duration_s)
    step = _find_steps(offset_s, step_s=timeline.step_s, n_steps=n_steps)
    top, said = _find_words(step, rows, talk, n_steps=n_steps)
    return timeline._replace(top=top, said=said)


def _select_inside(spoken: pd.DataFrame, *, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return places and offsets of the messages within the stream."""
    offset_s = spoken["offset_s"].to_numpy(float)
    rows = np.flatnonzero((offset_s >= 0) & (offset_s <= duration_s))
    return rows, offset_s[rows]


def _find_steps(offset_s: ArrayLike, *, step_s: int, n_steps: int) -> np.ndarray:
    return (np.asarray(offset_s) // step_s).astype(np.int64).clip(max=n_steps - 1)


def _take_most(score: np.ndarray, *, n_steps: int, step_s: int) -> list[float]:
    padded = np.zeros(n_steps * step_s)
    padded[: len(score)] = score[: len(padded)]
    return padded.reshape(n_steps, step_s).max(axis=1).round(2).tolist()


def _find_words(
    step: np.ndarray, rows: np.ndarray, talk: Talk, *, n_steps: int
) -> tuple[list[str], list[str]]:
    """Return each step's top word and its most typical message: the one that shares words with most.

    A word weighs by the people who wrote it in the step beside one, and by how rare it is in the stream
    (inverse document frequency). Of a step with many messages some 40 are read, evenly over it.
    """
    top, said = [""] * n_steps, [""] * n_steps
    place = np.arange(len(step)) - np.searchsorted(step, step)
    kept = np.flatnonzero(place % (1 + np.bincount(step, minlength=n_steps) // _MOST_TEXTS)[step] == 0)
    spoken, parts = talk.spoken.iloc[rows[kept]], talk.parts.take(rows[kept])
    texts, at = spoken["text"].tolist(), step[kept]
    author = pd.factorize(spoken["author"].to_numpy(), use_na_sentinel=False)[0]
    folded = [None if name[0] in "@!" else name.casefold() for name in parts.names]  # no names, no commands
    words = pd.DataFrame({"row": parts.row, "word": np.array(folded, dtype=object)[parts.code]})
    words = words.dropna().drop_duplicates(ignore_index=True)
    words = words.assign(step=at[words["row"]], author=author[words["row"]])
    words["people"] = words.groupby(["step", "word"])["author"].transform("nunique")
    rarity = np.log(len(kept) / words.groupby("word")["row"].transform("size"))
    words["weight"] = (words["people"] - 1) * rarity
    best = words.loc[words.groupby("step")["weight"].idxmax()]
    best = best.loc[best["people"] >= _LEAST_PEOPLE, ["step", "row", "word"]]
    for i, row, word in best.itertuples(index=False):
        written = [part for part in texts[row].split() if part.casefold() == word]
        top[i] = one_line(written[-1], _WORD_WIDTH)
    n_words = np.bincount(words["row"], minlength=len(kept))
    shared = np.bincount(words["row"], weights=words["weight"], minlength=len(kept)) / (n_words + 1)
    for i in pd.Series(shared).groupby(at).idxmax():
        said[at[i]] = one_line(texts[i], _WIDTH)
    return top, said


def _mark_sections(story: ChatAnalytics, *, address: str | None) -> Iterator[Mark]:
    sections: list[tuple[str, Sequence[Section]]] = [("highlight", story.highlights), ("spike", story.spikes)]
    for kind, found in sections:
        for section in found:
            rank = section.rank if isinstance(section, Spike) else 0
            start_s, end_s = float(section.startTime), float(section.endTime)
            yield Mark(kind, start_s, end_s, rank, "", link_to_moment(address, start_s))


def _mark_clips(clips: pd.DataFrame, *, address: str | None) -> Iterator[Mark]:
    placed = clips[clips["offset_s"].notna()]
    lengths = placed["duration_s"].fillna(_CLIP_S)
    for start_s, length_s, title in zip(placed["offset_s"], lengths, placed["title"], strict=True):
        shown = one_line(title, _WIDTH) if isinstance(title, str) else ""
        yield Mark("clip", start_s, start_s + length_s, 0, shown, link_to_moment(address, start_s))


_MINUTE_S = 60
_TITLE_LENGTH = 60
_COLUMNS = (
    "started_at", "video_id", "title", "duration", "duration_s", "activity", "chats", "users",
    "chats_per_min", "best_minute", "highlights", "highlights_share", "spikes", "best_moment", "link",
)  # fmt: skip


def tabulate_streams(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return the summaries of streams, as `summarize_stream` makes them, as one table.

    It has its columns without a row, too; the platforms' totals are the last.
    """
    columns = dict.fromkeys([*_COLUMNS, *chain.from_iterable(rows)])
    return pd.DataFrame(rows, columns=list(columns))


def learn_channel(store: ChatReader) -> ReactionWords:
    """Return the words of a channel that keep company with laughter, learned over all its time.

    Streams are read in an order that skips over the channel, until there is enough to learn from.
    """
    streams = [stream for stream in store.list_streams() if stream.last_offset_s is not None]
    n_skipped = max(sum(stream.n_messages for stream in streams) // ENOUGH_MESSAGES, 1)
    order = [stream for first in range(n_skipped) for stream in streams[first::n_skipped]]
    return learn_reactions(load_talk(store, stream) for stream in order)


def rank_streams(streams: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the streams with most chat messages a minute, in as few columns as fit a page.

    `streams` is a table of `tabulate_streams`.
    Columns: date, title, duration, chats, people, chats_per_min, best_minute, spikes, best_moment,
    link.
    """
    ranked = streams.sort_values("chats_per_min", ascending=False, kind="stable").head(top)
    table = ranked.rename(columns={"users": "people"}).assign(
        date=ranked["started_at"].str[:10],
        title=[" ".join(title.split())[:_TITLE_LENGTH] for title in ranked["title"]],
    )
    columns = ["date", "title", "duration", "chats", "people", "chats_per_min", "best_minute", "spikes"]
    return table[[*columns, "best_moment", "link"]].reset_index(drop=True)


def describe_streams(streams: pd.DataFrame, returning_share: pd.Series) -> list[str]:
    """Return which stream is the liveliest, and how many come again, in sentences; none of one stream.

    `returning_share` is by stream; the first, in which nobody can have come again, does not count.
    """
    if len(streams) < 2:
        return []
    best = rank_streams(streams, top=1).iloc[0]
    rate = format_count(best["chats_per_min"], "chat message")
    answer = [f"The liveliest stream is “{best['title']}”, with {rate} a minute."]
    if share := format_share(returning_share.iloc[1:].mean()):
        answer.append(f"On average {share} of the people of a stream had written in an earlier one.")
    return answer


def summarize_stream(
    analytics: ChatAnalytics,
    *,
    video_id: str,
    started_at: str | None = None,
    best: Moment | Mark | None = None,
) -> dict[str, object]:
    """Return a stream in a row: how much was written, by how many, its best moment, the platform's totals.

    `best_minute` is the most chat messages within a minute of the grid, `highlights_share` is of the time.
    The video id stands in for an unknown title.
    """
    duration_s, title = analytics.duration, analytics.mediaTitle
    summary = {
        "started_at": started_at,
        "video_id": video_id,
        "title": video_id if title == ChatAnalytics.mediaTitle else title,
        "duration": analytics.duration_text,
        "duration_s": duration_s,
        "activity": analytics.totalActivity,
        "chats": analytics.totalChatMessages,
        "users": analytics.totalUniqueUsers,
        "chats_per_min": analytics.overallAvgChatMessagesPerSecond * _MINUTE_S,
        "best_minute": _find_best_minute(analytics),
        "highlights": len(analytics.highlights),
        "highlights_share": analytics.highlights_duration / duration_s if duration_s else 0.0,
        "spikes": len(analytics.spikes),
        "best_moment": format_clock(best.start_s) if best else None,
        "link": best.link if best else None,
    }
    totals = {total: getattr(analytics, total) for total in analytics.rules.totals.values()}
    return summary | totals


def _find_best_minute(analytics: ChatAnalytics) -> float:
    """Return the most chat messages in a row of samples as long as a minute (or in one longer sample)."""
    if not analytics.samples:
        return 0.0
    counts = np.array([sample.chatMessages for sample in analytics.samples])
    n = max(_MINUTE_S // analytics.interval, 1)
    sums = np.concatenate([[0], np.cumsum(counts)])
    most = (sums[n:] - sums[:-n]).max() if len(counts) >= n else sums[-1]
    return float(most) * _MINUTE_S / (n * analytics.interval)
