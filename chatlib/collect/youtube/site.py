"""YouTube as a site of a collection: lists, the Data API, and replays by the sources in their order.

The Data API is asked for facts of 50 videos at a time. Its key travels in the header X-Goog-Api-Key, never
in an address, and nothing that it answers to a refused request is repeated: it may contain the key.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain

import pandas as pd
import requests

from chatlib.colab import read_secret
from chatlib.collect.address import is_video_id
from chatlib.collect.files.innertube import iter_actions, read_actions
from chatlib.collect.files.parsing import Notes, as_object, walk
from chatlib.collect.sites import (
    Batch,
    Listing,
    Metadata,
    OnProgress,
    Replay,
    ResumeFile,
    Site,
    VideoFacts,
    check_end,
)
from chatlib.collect.transport import (
    Forbidden,
    PoliteAdapter,
    Politeness,
    Transient,
    check_answer,
    map_foreign_errors,
    parse_answer,
)
from chatlib.collect.youtube.clients import ChatClient, open_client
from chatlib.collect.youtube.listing import list_streams
from chatlib.errors import SourceError, SourceRefused
from chatlib.records import YOUTUBE, Stream
from chatlib.text import clean_text
from chatlib.times import format_clock, read_date, read_offset
from chatlib.workspace import progress_bar, rare_gc

__all__ = ["KEY_NAME", "ExpiredToken", "YouTube", "fetch_videos", "find_key", "iter_batches"]

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
        how = self._settings.listing
        return list_streams(channel_url, how, cookies=self._cookies, politeness=self.politeness)

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
                ends_s.append(max((m.offset_s or 0.0 for m in replay.messages), default=0.0))
            best = replay if best is None else _merge(best, replay)
            best = _confirm_end(best, ends_s)
            is_blocked = best.stream.state == "blocked" and not isinstance(replay.error, Forbidden)
            if best.running or best.stream.state == "complete" or is_blocked:
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


log = logging.getLogger(__name__)

KEY_NAME = "YOUTUBE_API_KEY"
BATCH = 50  # as many ids as one call takes
HOST = "youtube.googleapis.com"
URL = f"https://{HOST}/youtube/v3/videos"
PARTS = "snippet,liveStreamingDetails,contentDetails,statistics"

_QUOTA = {"quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"}
_PACE = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
_KEY = {"API_KEY_INVALID", "keyInvalid", "keyExpired"}
_WRITTEN_KEY = re.compile(r"[!-~]+")  # what a header can hold
_WHERE = "https://console.cloud.google.com/apis/credentials"
_NO_KEY = (
    f"there is no key for the YouTube Data API; make one at {_WHERE} (it costs nothing), enable the "
    f"YouTube Data API v3 there, and put it into the environment variable {KEY_NAME} or, on Colab, "
    "into a secret of that name that the notebook may read"
)
_BAD_KEY = (
    f"the YouTube Data API refuses the key; see at {_WHERE} that {KEY_NAME} is a key as it stands there, "
    "that the YouTube Data API v3 is enabled for its project, and that it is not restricted to other uses"
)


class _Refused(Exception):
    """The API refuses to answer; the text says why, in our words."""


def find_key() -> str | None:
    """Return the key from the environment, else from Colab's secrets, else None."""
    return os.environ.get(KEY_NAME, "").strip() or read_secret(KEY_NAME)


def fetch_videos(
    video_ids: Iterable[str | None],
    *,
    key: str | None,
    politeness: Politeness | None = None,
) -> Metadata:
    """Ask the YouTube Data API for videos, each once, in the order given; one unit of quota per 50.

    A None among the ids, from a row of a sheet without an id, is skipped. Without a key, with a refused
    key, when the day's quota is used up or the API can't be reached, it ends early with a `problem`, and
    the answers until then are returned.

    Raises: transport.Stopped.
    """
    asked = list(dict.fromkeys(filter(None, video_ids)))
    wanted = [video_id for video_id in asked if is_video_id(video_id)]
    videos: dict[str, VideoFacts] = {}
    gone = [video_id for video_id in asked if not is_video_id(video_id)]
    key = (key or "").strip()
    if wanted and not _WRITTEN_KEY.fullmatch(key):
        why = _BAD_KEY if key else _NO_KEY
        return Metadata(videos, gone, _describe_problem(why, len(wanted), len(asked)))
    with (
        requests.Session() as session,
        progress_bar(total=len(wanted), desc="metadata", unit="video") as bar,
    ):
        session.mount("https://", PoliteAdapter(politeness or Politeness(), check=_check))
        session.headers["X-Goog-Api-Key"] = key
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            parameters = {"part": PARTS, "id": ",".join(batch)}
            try:  # a redirect would take the key to another host
                response = session.get(URL, params=parameters, allow_redirects=False)
            except (_Refused, SourceError) as error:
                return Metadata(videos, gone, _describe_problem(str(error), len(wanted) - start, len(asked)))
            answer = {video.video_id: video for video in _find_items(response.content)}
            videos |= {video_id: answer[video_id] for video_id in batch if video_id in answer}
            gone += [video_id for video_id in batch if video_id not in answer]
            bar.update(len(batch))
    return Metadata(videos, gone, None)


def _describe_problem(why: str, n_unasked: int, n_asked: int) -> str:
    return (
        f"Exact start times, durations and live states are missing for {n_unasked:,} of {n_asked:,} "
        f"videos: {why.removesuffix('.')}."
    )


def _check(_path: str, status: int, body: bytes, *, retry_after: str | None = None) -> None:
    """Raise for an answer without a list of videos: Transient for what a retry may fix, else _Refused."""
    if status != 200:
        raise _explain(status, body, retry_after)
    try:
        _find_items(body)
    except (ValueError, RecursionError):
        raise Transient("an answer that is no list of videos") from None


def _find_items(body: bytes) -> list[VideoFacts]:
    """Return the videos in an answer. Raises: ValueError, RecursionError if it has no list of them."""
    items = walk(parse_answer(body), "items")
    if not isinstance(items, list):
        raise ValueError("no list of videos")
    return [_read_item(item) for item in items if isinstance(item, dict)]


def _explain(status: int, body: bytes, retry_after: str | None) -> Exception:
    reasons = _find_reasons(body)
    if reasons & _QUOTA:
        return _Refused(
            "the quota of the YouTube Data API is used up for today; go on after midnight, Pacific time"
        )
    if reasons & _PACE:
        return Transient("asked too fast", busy=True)
    try:
        check_answer("", status, b"", retry_after=retry_after)
    except (Transient, SourceError) as error:
        return error
    if reasons & _KEY or (reasons and status in (401, 403)):
        return _Refused(_BAD_KEY)
    return _Refused(
        f"the YouTube Data API, or what stands between, answers HTTP {status}; go on later, and if it "
        "stays so, without a key"
    )


def _find_reasons(content: bytes) -> set[str]:
    """Return the machine-readable reasons in an error's body, old style and new; empty if none."""
    try:
        error = json.loads(content)["error"]
        entries = [*error.get("errors", ()), *error.get("details", ())]
        return {entry["reason"] for entry in entries if type(entry.get("reason")) is str}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()


def _read_item(item: Mapping[str, object]) -> VideoFacts:
    snippet, live = as_object(item.get("snippet")), as_object(item.get("liveStreamingDetails"))
    started_at, ended_at = read_date(live.get("actualStartTime")), read_date(live.get("actualEndTime"))
    duration_s = _read_duration(as_object(item.get("contentDetails")).get("duration"))
    if not duration_s and started_at and ended_at:  # the recording is still being made
        lasted = dt.datetime.fromisoformat(ended_at) - dt.datetime.fromisoformat(started_at)
        duration_s = max(0.0, lasted.total_seconds())
    views = as_object(item.get("statistics")).get("viewCount")
    return VideoFacts(
        video_id=str(item.get("id")),
        title=clean_text(snippet.get("title")),
        channel_id=clean_text(snippet.get("channelId")),
        channel_name=clean_text(snippet.get("channelTitle")),
        published_at=read_date(snippet.get("publishedAt")),
        started_at=started_at,
        ended_at=ended_at,
        duration_s=duration_s or None,
        status=_find_status(item, duration_s),
        views=int(views) if type(views) is str and re.fullmatch(r"[0-9]{1,18}", views) else None,
    )


def _find_status(item: Mapping[str, object], duration_s: float | None) -> str:
    live = as_object(item.get("liveStreamingDetails"))
    now = as_object(item.get("snippet")).get("liveBroadcastContent")
    if live.get("actualEndTime"):
        return "finished"
    if now in ("live", "upcoming"):
        return now
    if "liveStreamingDetails" not in item:
        return "video"
    return "finished" if live.get("actualStartTime") or duration_s else "upcoming"


def _read_duration(text: object) -> float | None:
    """Return the seconds of an ISO 8601 duration in weeks, days, hours, minutes and seconds, or None."""
    try:
        return pd.Timedelta(text).total_seconds() if type(text) is str and text.startswith("P") else None
    except ValueError:
        return None
