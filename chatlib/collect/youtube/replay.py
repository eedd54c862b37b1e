"""One stream's chat from YouTube: the sources in their order, until one has it whole."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.files.formats import Chat, complete_chat
from chatlib.collect.youtube.replay_end import judge_end, say_clock
from chatlib.collect.youtube.replay_part import Part
from chatlib.collect.youtube.transport import Politeness, Stopped
from chatlib.errors import ChatlibError, ParameterError, SourceError, SourceRefused
from chatlib.records import YOUTUBE, Stream
from chatlib.workspace import without_gc

__all__ = ["CHAT_SOURCES", "Found", "Replay", "Way", "check_sources", "fetch_replay"]

log = logging.getLogger(__name__)

CHAT_SOURCES = ("chat-downloader", "yt-dlp")
# When no source has the whole chat: what is worth telling, the best first.
_WORTH = ("complete", "partial", "members_only", "blocked", "no_replay", "failed")
_ID, _KIND, _OFFSET = 0, 1, 2


class Way(NamedTuple):
    """How to ask: what all streams of a collection share. `parts_dir` keeps unfinished downloads."""

    politeness: Politeness
    parts_dir: Path
    sources: tuple[str, ...] = CHAT_SOURCES
    cookies: Path | None = None


class Found(NamedTuple):
    """What one source gave of a stream."""

    chat: Chat
    ended: bool = False  # the replay came to its own end
    running: str | None = None  # "live" or "upcoming": there is no replay yet


class Replay(NamedTuple):
    """What became of one stream. `chat.format` is the source; `chat.stream` has state, view, reason."""

    chat: Chat
    running: str | None = None


def check_sources(sources: str | Sequence[str]) -> tuple[str, ...]:
    """Return the sources of chat in their order, from names or one text with commas.

    Raises: ParameterError for another name, one twice, or none.
    """
    names = [name.strip() for name in sources.split(",")] if isinstance(sources, str) else list(sources)
    if not names or set(names) - set(CHAT_SOURCES) or len(set(names)) < len(names):
        raise ParameterError(
            f"CHAT_SOURCES names the sources in the order to try them, of {', '.join(CHAT_SOURCES)}; "
            f"got {sources!r}."
        )
    return tuple(names)


def fetch_replay(
    video_id: str, known: Mapping[str, str], *, way: Way, tell: Callable[[float], None] | None = None
) -> Replay:
    """Fetch the replay of one stream; `known` is what a list of streams says of it.

    A source that has only a part, or refuses, gives way to the next; what they have is put
    together. A replay that ends early is believed when a second reading ends there too. An
    interrupted download goes on where it stopped, where chat-downloader is the source. `tell`
    hears the offset reached.

    Raises: Stopped; StoreError. All else is a state of the stream, with its reason.
    """
    best: Replay | None = None
    ends: list[float] = []
    for name in way.sources if len(way.sources) > 1 else way.sources * 2:
        if len(way.sources) == 1 and best and not ends:
            break  # a second reading of the same source proves an early end, nothing else
        found = _try_source(name, video_id, way, tell)
        with without_gc():
            replay = _judge(found, video_id, known)
        if found.ended:
            ends.append(_last_offset(replay.chat))
        best = replay if best is None else _put_together(best, replay)
        best = _believe(best, ends)
        if best.running or best.chat.stream.state in ("complete", "blocked"):
            break
    return best


def _try_source(name: str, video_id: str, way: Way, tell: Callable[[float], None] | None) -> Found:
    from chatlib.collect.youtube.replay_sources import read_by_chat_downloader, read_by_yt_dlp

    try:
        if name == "yt-dlp":
            return read_by_yt_dlp(video_id, way.politeness, cookies=way.cookies, tell=tell)
        part = Part(way.parts_dir / f"{video_id}.jsonl")
        return read_by_chat_downloader(video_id, way.politeness, part=part, cookies=way.cookies, tell=tell)
    except SourceError as error:
        state = error.state if isinstance(error, SourceRefused) else "failed"
        reason = f"{name}: {error}"
    except (ChatlibError, MemoryError, Stopped):
        raise
    except Exception as error:  # of another's program: one stream must not end all
        log.debug("%s failed on %s", name, video_id, exc_info=True)
        state, reason = "failed", f"{name} could not read the page ({type(error).__name__}: {error})"
    return Found(
        Chat(name, Stream(YOUTUBE, video_id, state=state, view="live", reason=reason), [], Counter())
    )


def _judge(found: Found, video_id: str, known: Mapping[str, str]) -> Replay:
    """Complete the chat with what is known, and judge how far it goes."""
    chat = complete_chat(found.chat, file_name=video_id, row=known)
    stream = chat.stream
    if found.running or stream.state not in ("complete", "partial"):
        return Replay(chat, found.running)
    offsets = [row[_OFFSET] for row in chat.rows if row[_OFFSET] is not None]
    state, reason = judge_end(offsets, stream.duration_s, ended=found.ended)
    said = " · ".join(text for text in (reason, stream.reason) if text) or None
    return Replay(chat._replace(stream=stream._replace(state=state, reason=said)))


def _put_together(first: Replay, second: Replay) -> Replay:
    """Return the better of two, with the rows that only the other has, and what only it knows."""
    better, other = sorted((first, second), key=lambda replay: _WORTH.index(replay.chat.stream.state))
    there = {row[: _KIND + 1] for row in better.chat.rows}
    rows = better.chat.rows + [row for row in other.chat.rows if row[: _KIND + 1] not in there]
    stream = Stream(
        *(a if a is not None else b for a, b in zip(better.chat.stream, other.chat.stream, strict=True))
    )
    stream = stream._replace(reason=better.chat.stream.reason)
    name = (
        better.chat.format
        if len(rows) == len(better.chat.rows)
        else f"{first.chat.format}, {second.chat.format}"
    )
    return Replay(
        better.chat._replace(format=name, stream=stream, rows=rows), first.running or second.running
    )


def _believe(replay: Replay, ends: Sequence[float]) -> Replay:
    """Take an early end for the true one if two readings, each to its own end, agree on it."""
    stream = replay.chat.stream
    if stream.state != "partial" or len(ends) < 2 or abs(ends[-1] - ends[-2]) > 1.0:
        return replay
    reason = f"the chat ends at {say_clock(ends[-1])} of {say_clock(stream.duration_s)}; two readings agree"
    return Replay(replay.chat._replace(stream=stream._replace(state="complete", reason=reason)))


def _last_offset(chat: Chat) -> float:
    return max((row[_OFFSET] for row in chat.rows if row[_OFFSET] is not None), default=0.0)
