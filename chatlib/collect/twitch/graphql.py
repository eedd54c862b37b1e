"""Twitch's GraphQL, asked as the web player asks it: comment pages, clips, whether a channel is live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import requests

from chatlib.collect.files.parsing import as_list, as_object, read_whole_number, walk
from chatlib.collect.sites import VideoFacts
from chatlib.collect.transport import PoliteAdapter, Politeness, Transient, check_answer, parse_answer
from chatlib.errors import MissingSource, SourceError, SourceRefused
from chatlib.records import TWITCH, Clip, Stream
from chatlib.text import clean_text, read_name, read_number
from chatlib.times import read_date

__all__ = ["GraphQL", "Page", "check_graphql"]

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
        return read_video(video) if isinstance(video, dict) else None

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

    def fetch_live(self, login: str) -> tuple[str, Stream] | None:
        """Return the id of what a channel streams now, and the stream; None while it does not.

        The stream's own id is that of the VOD that is being recorded, '' where the channel keeps none.
        Raises: MissingSource for an unknown channel.
        """
        user = self._ask_user(_LIVE, login)
        stream_id = read_name(walk(user, "stream", "id"))
        started_at = read_date(walk(user, "stream", "createdAt"))
        newest = next((walk(edge, "node") for edge in as_list(walk(user, "videos", "edges"))), None)
        published_at = read_date(walk(newest, "publishedAt"))
        is_current = bool(started_at and published_at and published_at >= started_at)
        stream = Stream(
            TWITCH,
            (read_name(walk(newest, "id")) if is_current else None) or "",
            title=clean_text(walk(user, "broadcastSettings", "title")),
            channel_id=read_name(user.get("id")),
            channel_name=read_name(user.get("displayName")) or read_name(user.get("login")),
            started_at=started_at,
        )
        return None if stream_id is None else (stream_id, stream)

    def _ask_user(self, query: str, login: str, **variables: object) -> Mapping[str, Any]:
        return as_object(self._ask({"query": query, "variables": {"login": login, **variables}}).get("user"))

    def _ask(self, operation: Mapping[str, object]) -> Mapping[str, Any]:
        response = self._session.post(URL, json=[operation])
        if response.status_code != 200:
            raise SourceError(f"Twitch refuses the question (HTTP {response.status_code}).")
        answers = parse_answer(response.content)
        return as_object(walk(answers[0] if isinstance(answers, list) else answers, "data"))


def read_video(node: object) -> VideoFacts | None:
    """Return the facts of a VOD as either list of Twitch's fields has them; None for one without an id."""
    video_id = read_name(walk(node, "id"))
    if video_id is None:
        return None
    started_at = read_date(walk(node, "createdAt")) or read_date(walk(node, "publishedAt"))
    # As yt-dlp's list shows it, and as the VOD itself.
    is_running = "/404_processing" in str(walk(node, "previewThumbnailURL")) or (
        walk(node, "status") == "RECORDING"
    )
    return VideoFacts(
        video_id,
        title=clean_text(walk(node, "title")),
        duration_s=read_number(walk(node, "lengthSeconds")),
        views=read_whole_number(walk(node, "viewCount")),
        status="live" if is_running else "finished",
        channel_id=read_name(walk(node, "owner", "id")),
        channel_name=read_name(walk(node, "owner", "displayName")) or read_name(walk(node, "owner", "login")),
        started_at=started_at,
        published_at=started_at,
    )


def _read_clip(node: object) -> tuple[str | None, Clip | None]:
    """Return the id of a clip's VOD and the clip; None for what the answer lacks."""
    clip_id = read_name(walk(node, "slug"))
    if clip_id is None:
        return None, None
    return read_name(walk(node, "video", "id")), Clip(
        clip_id,
        read_number(walk(node, "videoOffsetSeconds")),
        read_number(walk(node, "durationSeconds")),
        clean_text(walk(node, "title")),
        read_whole_number(walk(node, "viewCount")),
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
    for answer in answers if isinstance(answers, list) and answers else [answers]:
        errors = [error for error in as_list(walk(answer, "errors")) if _is_essential(error)]
        if not errors:
            data = walk(answer, "data")
            if not isinstance(data, dict):
                raise Transient("an answer without data")
            if data.get("user", data) is None:
                raise MissingSource("Twitch knows no such channel. Check the address.")
            continue
        reason = " ".join(str(walk(errors[0], "message")).split())[:100]
        if "integrity" in reason:
            raise SourceRefused(f"Twitch takes us for a program ({reason}). Go on later.", state="blocked")
        if "subscri" in reason.lower():
            raise SourceRefused(
                f"Twitch shows this chat to subscribers only ({reason}).", state="members_only"
            )
        if "PersistedQuery" in reason:
            raise SourceError(f"Twitch has changed how it is asked ({reason}). Update chatlib and yt-dlp.")
        raise Transient(reason)


def _is_essential(error: object) -> bool:
    """Return whether an error is about a whole answer, or a list in it; not about some field of it."""
    path = as_list(walk(error, "path"))
    return not path or path[-1] in ("user", "video", "comments", "videos", "clips", "stream")
