"""Twitch's GraphQL, asked as the web player asks it: comment pages, clips, whether a channel is live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import requests

from chatlib.collect.files.renderers import walk
from chatlib.collect.files.twitch import as_list
from chatlib.collect.sites import VideoFacts
from chatlib.collect.transport import PoliteAdapter, Politeness, Transient, check_answer, parse_answer
from chatlib.errors import MissingSource, SourceError, SourceRefused
from chatlib.records import Clip
from chatlib.text import clean_text, read_name, read_number
from chatlib.times import read_date

__all__ = ["GraphQL", "LiveStream", "Page", "check_graphql"]

URL = "https://gql.twitch.tv/gql"
CLIENT_ID = "kimne78kx3ncx6brgo4mv6wki5h1ko"  # the web player's; a request without one is refused
MAX_CLIP_PAGES = 50
_COMMENTS = "VideoCommentsByOffsetOrCursor"
_COMMENTS_HASH = "b70a3591ff0f4e0313d126c6a1502d79a1c02baebb288227c582044aa76adf6a"
_VIDEO = """query($id: ID!) { video(id: $id) { id title createdAt lengthSeconds viewCount status
owner { id displayName login } } }"""
_CLIPS = """query($login: String!, $cursor: Cursor) { user(login: $login) { id clips(first: 100,
after: $cursor, criteria: {period: ALL_TIME, sort: VIEWS_DESC}) { edges { cursor node { slug title
viewCount durationSeconds createdAt curator { login } video { id } videoOffsetSeconds } }
pageInfo { hasNextPage } } } }"""
_LIVE = """query($login: String!) { user(login: $login) { id login displayName broadcastSettings { title }
stream { id createdAt } videos(first: 1, type: ARCHIVE, sort: TIME) { edges { node { id
publishedAt } } } } }"""


class Page(NamedTuple):
    """Comments as GraphQL gives them, for the offset asked for; whether there are more behind them."""

    offset_s: int
    edges: list[object]
    has_next: bool


class LiveStream(NamedTuple):
    """A channel and what it streams now; `stream_id` and `started_at` are None while it does not.

    `video_id` is the VOD that is being recorded, None where the channel keeps none.
    """

    channel_id: str | None
    channel_name: str | None
    title: str | None
    stream_id: str | None
    started_at: str | None
    video_id: str | None


class GraphQL:
    """A connection; not for use by several threads, and closed after use.

    Its methods raise SourceRefused, SourceUnreachable, SourceError and Stopped.
    """

    def __init__(self, politeness: Politeness) -> None:
        self._session = requests.Session()
        self._session.mount("https://", PoliteAdapter(politeness, check=check_graphql))
        self._session.headers["Client-ID"] = CLIENT_ID

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def fetch_page(self, video_id: str, offset_s: int) -> Page:
        """Return the comments around an offset. Raises: SourceRefused, `no_replay`, if the VOD is gone."""
        operation = {
            "operationName": _COMMENTS,
            "variables": {"videoID": video_id, "contentOffsetSeconds": offset_s},
            "extensions": {"persistedQuery": {"version": 1, "sha256Hash": _COMMENTS_HASH}},
        }
        data = self._ask(operation)
        video = data.get("video")
        if not isinstance(video, dict):
            raise SourceRefused("there is no such VOD: deleted, private, or expired", state="no_replay")
        has_next = walk(video, "comments", "pageInfo", "hasNextPage")
        return Page(offset_s, as_list(walk(video, "comments", "edges")), has_next is True)

    def fetch_video(self, video_id: str) -> VideoFacts | None:
        """Return what Twitch says of a VOD, None if there is no such VOD."""
        video = self._ask({"query": _VIDEO, "variables": {"id": video_id}}).get("video")
        if not isinstance(video, dict):
            return None
        views, started_at = read_number(video.get("viewCount")), read_date(video.get("createdAt"))
        return VideoFacts(
            video_id,
            clean_text(video.get("title")),
            read_name(walk(video, "owner", "id")),
            read_name(walk(video, "owner", "displayName")),
            started_at,
            started_at,
            None,
            read_number(video.get("lengthSeconds")),
            "live" if video.get("status") == "RECORDING" else "finished",
            None if views is None else int(views),
        )

    def iter_clips(self, login: str) -> Iterator[tuple[str, Clip]]:
        """Yield a channel's clips whose VOD is there, with its id, most viewed first.

        Raises: MissingSource for an unknown channel.
        """
        cursor = None
        for _ in range(MAX_CLIP_PAGES):
            clips = walk(self._ask_user(_CLIPS, login, cursor=cursor), "clips")
            edges = as_list(walk(clips, "edges"))
            for edge in edges:
                video_id, clip = _read_clip(walk(edge, "node"))
                if video_id and clip:
                    yield video_id, clip
            cursor = walk(edges[-1], "cursor") if edges else None
            if not cursor or walk(clips, "pageInfo", "hasNextPage") is not True:
                return

    def fetch_live(self, login: str) -> LiveStream:
        """Return what a channel streams now. Raises: MissingSource for an unknown channel."""
        user = self._ask_user(_LIVE, login)
        started_at = read_date(walk(user, "stream", "createdAt"))
        newest = next((walk(edge, "node") for edge in as_list(walk(user, "videos", "edges"))), None)
        published_at = read_date(walk(newest, "publishedAt"))
        is_current = bool(started_at and published_at and published_at >= started_at)
        return LiveStream(
            read_name(user.get("id")),
            read_name(user.get("displayName")) or read_name(user.get("login")),
            clean_text(walk(user, "broadcastSettings", "title")),
            read_name(walk(user, "stream", "id")),
            started_at,
            read_name(walk(newest, "id")) if is_current else None,
        )

    def _ask_user(self, query: str, login: str, **variables: object) -> Mapping[str, Any]:
        user = self._ask({"query": query, "variables": {"login": login, **variables}}).get("user")
        if not isinstance(user, dict):
            raise MissingSource(f"Twitch knows no channel named {login}. Check the address.")
        return user

    def _ask(self, operation: Mapping[str, object]) -> Mapping[str, Any]:
        """Return the data that answers one operation."""
        response = self._session.post(URL, json=[operation])
        if response.status_code != 200:
            raise SourceError(f"Twitch refuses the question (HTTP {response.status_code}).")
        answers = parse_answer(response.content)
        data = walk(answers[0] if isinstance(answers, list) and answers else answers, "data")
        if not isinstance(data, dict):
            raise SourceError("Twitch's answer holds no data.")
        return data


def _read_clip(node: object) -> tuple[str | None, Clip | None]:
    """Return the id of a clip's VOD and the clip; None for what the answer lacks."""
    clip_id = read_name(walk(node, "slug"))
    if clip_id is None:
        return None, None
    views = read_number(walk(node, "viewCount"))
    return read_name(walk(node, "video", "id")), Clip(
        clip_id,
        read_number(walk(node, "videoOffsetSeconds")),
        read_number(walk(node, "durationSeconds")),
        clean_text(walk(node, "title")),
        None if views is None else int(views),
        read_date(walk(node, "createdAt")),
        read_name(walk(node, "curator", "login")),
    )


def check_graphql(path: str, status: int, body: bytes, *, retry_after: str | None = None) -> None:
    """Raise as `check_answer`, also for errors inside an answer that lacks what was asked for.

    Twitch's `service error` is often gone at the next attempt.
    """
    check_answer(path, status, body, retry_after=retry_after)
    if status != 200 or path != "/gql":
        return
    answers = parse_answer(body)
    for answer in answers if isinstance(answers, list) else [answers]:
        errors = [error for error in as_list(walk(answer, "errors")) if _is_essential(error)]
        if not errors:
            continue
        reason = " ".join(str(walk(errors[0], "message")).split())[:100]
        if "integrity" in reason:
            raise SourceRefused(f"Twitch takes us for a program ({reason}). Go on later.", state="blocked")
        if "PersistedQuery" in reason:
            raise SourceError(f"Twitch has changed how it is asked ({reason}). Update chatlib and yt-dlp.")
        raise Transient(reason)


def _is_essential(error: object) -> bool:
    """Return whether an error is about a whole answer, or a list in it; not about some field of it."""
    path = as_list(walk(error, "path"))
    return not path or path[-1] in ("user", "video", "comments", "videos", "clips", "stream")
