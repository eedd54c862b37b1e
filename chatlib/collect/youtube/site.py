"""YouTube as a site of a collection: lists, the Data API, and replays by the sources in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain

from chatlib.collect.files.innertube import iter_actions, read_actions
from chatlib.collect.files.parsing import Notes, walk
from chatlib.collect.sites import Batch, Listing, Metadata, OnProgress, Replay, ResumeFile, Site, check_end
from chatlib.collect.transport import map_foreign_errors
from chatlib.collect.youtube.clients import ChatClient, open_client
from chatlib.collect.youtube.listing import list_streams
from chatlib.collect.youtube.metadata import fetch_videos, find_key
from chatlib.errors import SourceError, SourceRefused
from chatlib.records import YOUTUBE, Stream
from chatlib.times import format_clock, read_offset
from chatlib.workspace import rare_gc

__all__ = ["ExpiredToken", "YouTube", "iter_batches"]

MAX_EMPTY = 30  # empty batches in a row that are followed before the replay counts as broken
MAX_ASKS = 4  # times that an empty batch is asked for before it is believed
MAX_REPEATS = 3  # times that one token may be followed

# Where no source has the whole chat, the state that is reported: the first of these.
_RANKED_STATES = ("complete", "partial", "members_only", "blocked", "no_replay", "failed")


class ExpiredToken(SourceError):
    """The site answers a token with something other than a batch."""


class YouTube(Site):
    """YouTube: lists by a browser or yt-dlp, facts by the Data API, replays by chat-downloader and yt-dlp."""

    platform = YOUTUBE

    def list_streams(self, channel_url: str) -> Listing:
        return list_streams(
            channel_url,
            self._settings.listing,
            cookies=self._cookies,
            politeness=self.politeness,
        )

    def describe_streams(self, video_ids: Sequence[str]) -> Metadata:
        return fetch_videos(video_ids, key=find_key(), politeness=self.politeness)

    def fetch(self, video_id: str, known: Mapping[str, str], *, on_progress: OnProgress = None) -> Replay:
        """Return the replay of one stream.

        After a source that has only a part, or refuses, the next one is asked; what they have is
        merged. A replay that ends early is believed when a second reading ends there too.
        """
        best: Replay | None = None
        ends_s: list[float] = []
        sources = self._settings.sources
        is_single = len(sources) == 1
        for source in sources * 2 if is_single else sources:
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
        self, source: str, video_id: str, known: Mapping[str, str], on_progress: OnProgress
    ) -> Replay:
        try:
            with (
                map_foreign_errors("could not read the page"),
                closing(open_client(source, self.politeness, self._cookies)) as client,
            ):
                replay = _read_replay(client, video_id, self.open_resume_file(video_id), on_progress)
        except SourceError as error:
            replay = Replay.of_failure(Stream(YOUTUBE, video_id), source, error, prefix=f"{source}: ")
        with rare_gc():
            return _complete(replay._replace(source=source), known)


def _read_replay(
    client: ChatClient, video_id: str, resume_file: ResumeFile, on_progress: OnProgress
) -> Replay:
    """Return a replay as one client gives it, also of a download that broke off; its stream says why.

    Raises: SourceError if nothing could be had.
    """
    video = client.open_video(video_id)
    if video.status != "past":
        return Replay(video.stream, [], {}, "", running=video.status)
    notes, errors = Notes(), list[SourceError]()
    batches = _iter_batches(client, video.chat_token, resume_file, on_progress, errors)
    try:
        items = (item for batch in batches for item in batch.items)
        messages = read_actions(chain.from_iterable(map(iter_actions, items)), notes)
    except ExpiredToken:  # the token of the resume file leads nowhere any more: from the start
        resume_file.drop()
        return _read_replay(client, video_id, resume_file, on_progress)
    if errors and not messages:
        raise errors[0]
    reason = str(errors[0]) if errors else None
    stream = video.stream._replace(view=resume_file.view, reason=reason)
    return Replay(stream, messages, notes, "", ended=not errors, heatmap=video.heatmap)


def _iter_batches(
    client: ChatClient,
    chat_token: str | None,
    resume_file: ResumeFile,
    on_progress: OnProgress,
    errors: list[SourceError],
) -> Iterator[Batch]:
    """Yield the batches of one replay: saved ones first, then those that are missing, each to disk first.

    They end with the replay, or with what breaks it off, which goes into `errors`.
    Raises: ExpiredToken if what is saved leads to nothing; StoreError; Stopped.
    """
    last, n_new = None, 0
    for last in resume_file.iter_saved():
        yield last
    try:
        with map_foreign_errors("the client failed"):
            for batch in _iter_missing(client, chat_token, resume_file, last):
                n_new += 1
                if batch.next_token is not None:
                    resume_file.add(batch)
                last_ms = _find_last_offset_ms(batch)
                if on_progress and last_ms is not None:
                    on_progress(last_ms / 1000)
                yield batch
    except SourceError as error:
        if isinstance(error, ExpiredToken) and last is not None and not n_new:
            raise
        errors.append(error)


def _iter_missing(
    client: ChatClient, chat_token: str | None, resume_file: ResumeFile, last: Batch | None
) -> Iterator[Batch]:
    """Yield the batches after the last one that is saved."""
    token = None if last is None else last.next_token
    if last is None:
        if chat_token is None:
            raise SourceRefused("The video has no chat replay.", state="no_replay")
        page = client.fetch_page(chat_token)
        token = page.token
        resume_file.view = "live" if token else "top"
        if token is None:  # a page without a choice of views is the first batch of YouTube's own choice
            last = page.batch
            if last is None:
                raise SourceError("the chat's own page holds no chat")
            yield last
            token = last.next_token
    offset_ms = (last and _find_last_offset_ms(last)) or 0.0
    yield from iter_batches(client, token, offset_ms=offset_ms)


def iter_batches(client: ChatClient, token: str | None, *, offset_ms: float = 0.0) -> Iterator[Batch]:
    """Yield the batch of a token and all that follow it, to the replay's own end.

    An empty batch may be a mishap, so it is asked for again before it is believed and the next one followed.

    Raises: ExpiredToken for an answer without a batch; SourceError if tokens lead in a circle or
    through empty batches only; what the client raises.
    """
    followed: Counter[str] = Counter()
    n_empty = 0
    while token is not None:
        followed[token] += 1
        if followed[token] > MAX_REPEATS:
            raise SourceError("YouTube names the same batch as its own successor.")
        batch = _fetch_batch(client, token, offset_ms)
        n_empty = 0 if batch.items else n_empty + 1
        if n_empty >= MAX_EMPTY:
            raise SourceError(f"YouTube gave {MAX_EMPTY} empty batches in a row.")
        yield batch
        last_ms = _find_last_offset_ms(batch)
        offset_ms = offset_ms if last_ms is None else last_ms
        token = batch.next_token


def _fetch_batch(client: ChatClient, token: str, offset_ms: float) -> Batch:
    batch = None
    for _ in range(MAX_ASKS):
        batch = client.fetch_batch(token, offset_ms)
        if batch and batch.items:
            break
    if batch is None:
        raise ExpiredToken("YouTube answered without a batch of messages.")
    return batch


def _find_last_offset_ms(batch: Batch) -> float | None:
    """Return the offset of a batch's last item, None if it has none."""
    last = batch.items[-1] if batch.items else None
    return read_offset(walk(last, "replayChatItemAction", "videoOffsetTimeMsec"))


def _complete(replay: Replay, known: Mapping[str, str]) -> Replay:
    """Complete the stream with what is known of it, and decide how far its chat goes."""
    replay = replay.complete(known)
    stream = replay.stream
    if replay.running or stream.state not in ("complete", "partial"):
        return replay
    offsets_s = [m.offset_s for m in replay.messages if m.offset_s is not None]
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
