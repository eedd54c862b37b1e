"""YouTube as a site of a collection: lists, the Data API, and replays by the sources in their order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from chatlib.collect.downloads import Batch, Replay, ResumeFile, check_end
from chatlib.collect.files.formats import Chat, complete_chat
from chatlib.collect.files.innertube import Action, read_actions
from chatlib.collect.files.rows import Notes
from chatlib.collect.sites import CollectSettings, Listing, Metadata
from chatlib.collect.transport import Politeness, Stopped
from chatlib.collect.youtube.batches import (
    ExpiredToken,
    find_last_offset_ms,
    find_views,
    iter_batch_actions,
    iter_batches,
    read_batch,
)
from chatlib.collect.youtube.clients import ChatClient, open_client
from chatlib.collect.youtube.listing import list_streams
from chatlib.collect.youtube.metadata import fetch_videos, find_key
from chatlib.errors import ChatlibError, SourceError, SourceRefused
from chatlib.records import YOUTUBE, Clip, Stream
from chatlib.times import format_clock
from chatlib.workspace import rare_gc

__all__ = ["YouTube"]

log = logging.getLogger(__name__)

# Where no source has the whole chat, the state that is reported: the first of these.
_RANKED_STATES = ("complete", "partial", "members_only", "blocked", "no_replay", "failed")


class YouTube:
    """The site as `chatlib.collect.sites.Site` asks for it; unfinished downloads are kept in `folder`."""

    platform = YOUTUBE

    def __init__(self, settings: CollectSettings, folder: Path) -> None:
        self.politeness = Politeness(
            per_s=settings.requests_per_s, timeout_s=settings.timeout_s, backoff_s=settings.backoff_s
        )
        self._settings = settings
        self._sources = settings.sources
        self._cookies = settings.cookies_file
        self._folder = folder

    def list_streams(self, channel_url: str, *, progress: bool = True) -> Listing:
        """Return a channel's streams, newest first, as the browser or yt-dlp sees them."""
        settings = self._settings
        return list_streams(channel_url, settings.listing, cookies=settings.cookies_file, progress=progress)

    def describe_streams(self, video_ids: Sequence[str], *, progress: bool = True) -> Metadata:
        """Return what the Data API says of streams, if there is a key for it."""
        return fetch_videos(video_ids, key=find_key(), progress=progress, politeness=self.politeness)

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return nothing: YouTube tells no clips of a channel."""
        return {}

    def open_resume_file(self, video_id: str) -> ResumeFile:
        """Return the file of a stream's unfinished download."""
        return ResumeFile(self._folder / f"{video_id}.jsonl")

    def fetch(
        self,
        video_id: str,
        known: Mapping[str, str],
        *,
        on_progress: Callable[[float], None] | None = None,
    ) -> Replay:
        """Return the replay of one stream; `known` is what a list of streams says of it.

        After a source that has only a part, or refuses, the next one is asked; what they have is
        merged. A replay that ends early is believed when a second reading ends there too. An
        interrupted download is resumed. `on_progress` is called with the offset reached.

        Raises: Stopped; StoreError. All else is a state of the stream, with its reason.
        """
        best: Replay | None = None
        ends_s: list[float] = []
        is_single = len(self._sources) == 1
        for source in self._sources * 2 if is_single else self._sources:
            if is_single and best and not ends_s:
                break  # a second reading of the same source proves an early end, nothing else
            if ends_s:  # it has to be a reading of its own
                self.open_resume_file(video_id).drop()
            replay = self._try_source(source, video_id, known, on_progress)
            if replay.ended:
                ends_s.append(replay.last_offset_s)
            best = replay if best is None else _merge(best, replay)
            best = _confirm_end(best, ends_s)
            if best.running or best.stream.state in ("complete", "blocked"):
                break
        assert best is not None
        return best

    def _try_source(
        self,
        source: str,
        video_id: str,
        known: Mapping[str, str],
        on_progress: Callable[[float], None] | None,
    ) -> Replay:
        try:
            with closing(open_client(source, self.politeness, self._cookies)) as client:
                replay = _read_replay(client, video_id, self.open_resume_file(video_id), on_progress)
        except SourceError as error:
            state = error.state if isinstance(error, SourceRefused) else "failed"
            replay = _fail(video_id, state, f"{source}: {error}")
        except (ChatlibError, MemoryError, Stopped):
            raise
        except Exception as error:  # of another's program: one stream must not end all
            log.debug("%s failed on %s", source, video_id, exc_info=True)
            reason = f"{source} could not read the page ({type(error).__name__}: {error})"
            replay = _fail(video_id, "failed", reason)
        with rare_gc():
            return _complete(replay._replace(source=source), video_id, known)


def _fail(video_id: str, state: str, reason: str) -> Replay:
    return Replay(Stream(YOUTUBE, video_id, state=state, view="live", reason=reason), [], {}, "")


def _read_replay(
    client: ChatClient,
    video_id: str,
    resume_file: ResumeFile,
    on_progress: Callable[[float], None] | None,
) -> Replay:
    """Return a replay as one client gives it, also of a download that broke off; its stream says why.

    Raises: SourceError if nothing could be had.
    """
    video = client.open_video(video_id)
    if video.status != "past":
        return Replay(video.stream, [], {}, "", running=video.status)
    download = _Download(client, video.chat_token, resume_file, on_progress)
    notes = Notes()
    messages = read_actions(download.iter_actions(), notes)
    if download.is_expired:  # the token of the resume file leads nowhere any more: from the start
        resume_file.drop()
        return _read_replay(client, video_id, resume_file, on_progress)
    if download.error is not None and not messages:
        raise download.error
    reason = None if download.error is None else str(download.error)
    stream = video.stream._replace(view=resume_file.view, reason=reason)
    return Replay(stream, messages, notes, "", ended=download.error is None, heatmap=video.heatmap)


class _Download:
    """The actions of one replay: saved ones first, then those that are missing, each batch to disk first.

    `error` is what broke it off.
    """

    def __init__(
        self,
        client: ChatClient,
        chat_token: str | None,
        resume_file: ResumeFile,
        on_progress: Callable[[float], None] | None,
    ) -> None:
        self.error: SourceError | None = None
        self.is_expired = False
        self._client = client
        self._chat_token = chat_token
        self._resume_file = resume_file
        self._on_progress = on_progress

    def iter_actions(self) -> Iterator[Action]:
        """Yield the actions, to the replay's end or to what breaks it off. Raises: StoreError; Stopped."""
        last = None
        for last in self._resume_file.iter_saved():
            yield from iter_batch_actions(last)
        n_new = 0
        try:
            for batch in self._iter_missing(last):
                n_new += 1
                if batch.next_token is not None:
                    self._resume_file.add(batch)
                last_ms = find_last_offset_ms(batch)
                if self._on_progress and last_ms is not None:
                    self._on_progress(last_ms / 1000)
                yield from iter_batch_actions(batch)
        except SourceError as error:
            self.error = error
            self.is_expired = last is not None and n_new == 0 and isinstance(error, ExpiredToken)
        except (ChatlibError, MemoryError, Stopped):
            raise
        except Exception as error:  # of another's program: the batches before are kept
            self.error = SourceError(f"the client failed ({type(error).__name__}: {error})")

    def _iter_missing(self, last: Batch | None) -> Iterator[Batch]:
        if last is not None:
            offset_ms = find_last_offset_ms(last) or 0.0
            return iter_batches(self._client.fetch_batch, last.next_token, offset_ms=offset_ms)
        if self._chat_token is None:
            raise SourceRefused("The video has no chat replay.", state="no_replay")
        page = self._client.fetch_page(self._chat_token)
        every = find_views(page).every
        self._resume_file.view = "live" if every else "top"
        if every:
            return iter_batches(self._client.fetch_batch, every)
        # A page without a choice of views is the first batch of YouTube's own choice.
        first = read_batch(page)
        if first is None:
            raise SourceError("the chat's own page holds no chat")
        return self._iter_from(first)

    def _iter_from(self, first: Batch) -> Iterator[Batch]:
        yield first
        yield from iter_batches(
            self._client.fetch_batch, first.next_token, offset_ms=find_last_offset_ms(first) or 0.0
        )


def _complete(replay: Replay, video_id: str, known: Mapping[str, str]) -> Replay:
    """Complete the stream with what is known of it, and decide how far its chat goes."""
    chat = Chat(replay.source, replay.stream, list(replay.messages), replay.skipped)
    chat = complete_chat(chat, file_name=video_id, row=known)
    stream, messages = chat.stream, chat.messages
    replay = replay._replace(stream=stream, messages=messages)
    if replay.running or stream.state not in ("complete", "partial"):
        return replay
    offsets_s = [m.offset_s for m in messages if m.offset_s is not None]
    state, reason = check_end(offsets_s, stream.duration_s, ended=replay.ended)
    reasons = [text for text in (reason, stream.reason) if text]
    return replay._replace(stream=stream._replace(state=state, reason=" · ".join(reasons) or None))


def _merge(first: Replay, second: Replay) -> Replay:
    """Return the better of two replays, with the messages and facts that only the other has."""
    better, other = sorted((first, second), key=lambda replay: _RANKED_STATES.index(replay.stream.state))
    known = {(m.message_id, m.kind) for m in better.messages}
    missing = [m for m in other.messages if (m.message_id, m.kind) not in known]
    facts = {name: value for name, value in other.stream._asdict().items() if name != "reason"}
    facts |= {name: value for name, value in better.stream._asdict().items() if value is not None}
    return better._replace(
        stream=Stream(**facts),
        messages=better.messages + missing,
        source=f"{first.source}, {second.source}" if missing else better.source,
        ended=first.ended or second.ended,
        running=first.running or second.running,
        heatmap=first.heatmap or second.heatmap,
    )


def _confirm_end(replay: Replay, ends_s: Sequence[float]) -> Replay:
    """Take an early end for the true one if two readings, each to its own end, agree on it."""
    stream = replay.stream
    if stream.state != "partial" or len(ends_s) < 2 or abs(ends_s[-1] - ends_s[-2]) > 1.0:
        return replay
    end, duration = format_clock(ends_s[-1]), format_clock(stream.duration_s or 0.0)
    reason = f"the chat ends at {end} of {duration}; two readings agree"
    return replay._replace(stream=stream._replace(state="complete", reason=reason))
