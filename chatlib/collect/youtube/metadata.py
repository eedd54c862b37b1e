"""Facts of videos from the YouTube Data API, 50 at a time.

The key travels in the header X-Goog-Api-Key, never in an address, and nothing that the API answers to
a refused request is repeated: it may contain the key.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping

import pandas as pd
import requests

from chatlib.colab import read_secret
from chatlib.collect.address import is_video_id
from chatlib.collect.files.parsing import as_object, walk
from chatlib.collect.sites import Metadata, VideoFacts
from chatlib.collect.transport import PoliteAdapter, Politeness, Transient, check_answer, parse_answer
from chatlib.errors import SourceError
from chatlib.text import clean_text
from chatlib.times import read_date
from chatlib.workspace import progress_bar

__all__ = ["KEY_NAME", "fetch_videos", "find_key"]

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
        problem = _describe_problem(_BAD_KEY if key else _NO_KEY, len(wanted), len(asked))
        return Metadata(videos, gone, problem)
    with (
        requests.Session() as session,
        progress_bar(total=len(wanted), desc="metadata", unit="video") as bar,
    ):
        adapter = PoliteAdapter(politeness or Politeness(), check=_check)
        session.mount("https://", adapter)
        session.headers["X-Goog-Api-Key"] = key
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            parameters = {"part": PARTS, "id": ",".join(batch)}
            try:  # a redirect would take the key to another host
                response = session.get(URL, params=parameters, allow_redirects=False)
            except (_Refused, SourceError) as error:
                problem = _describe_problem(str(error), len(wanted) - start, len(asked))
                return Metadata(videos, gone, problem)
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
