"""Twitch as a site of a collection: VODs listed by yt-dlp, their chat and clips by the web player's GraphQL.

The chat of a VOD is asked for by offset, since Twitch refuses paging by cursor at times: each page at the
second that the last one reached. Pages overlap, and that proves that nothing lies between them. They are
kept on disk until the whole is in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from yt_dlp.extractor.twitch import TwitchVideosIE
from yt_dlp.utils import YoutubeDLError

from chatlib.collect.files.parsing import Notes, as_list, as_object, read_whole_number, walk
from chatlib.collect.files.twitch import iter_nodes, read_nodes
from chatlib.collect.sites import (
    Batch,
    CollectSettings,
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
    PoliteAdapter,
    Politeness,
    Transient,
    check_answer,
    map_foreign_errors,
    parse_answer,
)
from chatlib.collect.youtube.clients import PoliteYoutubeDL
from chatlib.errors import MissingSource, SourceError, SourceRefused
from chatlib.records import TWITCH, Clip, Stream
from chatlib.text import clean_text, read_name, read_number
from chatlib.times import format_clock, read_date, read_offset

__all__ = ["ChatPages", "GraphQL", "Page", "Twitch", "check_graphql", "fetch_chat_of"]

SOURCE = "twitch"
_REFUSALS = (
    ("integrity", "blocked", "Twitch takes us for a program ({}). Go on later."),
    ("subscri", "members_only", "Twitch shows this chat to subscribers only ({})."),
    ("persistedquery", "failed", "Twitch has changed how it is asked ({}). Update chatlib and yt-dlp."),
)
MAX_IDLE = 100  # pages in a row that bring nothing new before the download counts as broken


class Twitch(Site):
    """Twitch: VODs and their facts by yt-dlp's list, chat and clips by GraphQL."""

    platform = TWITCH
    resume_prefix = "twitch-"

    def __init__(self, settings: CollectSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self._listed: dict[str, VideoFacts] = {}

    def list_streams(self, channel_url: str) -> Listing:
        with map_foreign_errors(f"yt-dlp could not read the list of {channel_url}"):
            try:
                with PoliteYoutubeDL(self.politeness, self._cookies, check=check_graphql) as client:
                    info = _ArchivesIE(client).extract(f"{channel_url}/videos?filter=archives")
                    nodes = list(info["entries"])
            except YoutubeDLError as error:
                unknown = MissingSource(f"Twitch knows no channel at {channel_url}. Check the address.")
                if "not found" in str(error):
                    raise unknown from error
                raise
        videos = [facts for node in nodes if (facts := read_video(node))]
        self._listed |= {facts.video_id: facts for facts in videos}
        first = videos[0] if videos else VideoFacts("")
        name = first.channel_name or _login_of(channel_url)
        return Listing(first.channel_id, name, videos, True, "the list's end")

    def describe_streams(self, video_ids: Sequence[str]) -> Metadata:
        """Return what the list said of VODs; those that it no longer shows are asked for one by one."""
        done = Metadata({}, [], None)
        with closing(GraphQL(self.politeness)) as client:
            for video_id in video_ids:
                try:
                    facts = self._listed.get(video_id) or client.fetch_video(video_id)
                except SourceError as error:
                    return done._replace(problem=f"not all VODs could be looked up: {error}")
                if facts is None:
                    done.gone.append(video_id)
                else:
                    done.videos[video_id] = facts
        return done

    def fetch(self, video_id: str, known: Mapping[str, str], *, on_progress: OnProgress = None) -> Replay:
        try:
            with map_foreign_errors("an answer could not be read"):
                replay = self._fetch(video_id, known, on_progress)
        except SourceError as error:
            replay = Replay.of_failure(Stream(TWITCH, video_id), SOURCE, error)
        return replay if replay.running else replay.complete(known)

    def _fetch(self, video_id: str, known: Mapping[str, str], on_progress: OnProgress) -> Replay:
        facts = self._listed.get(video_id)
        if facts is None:
            with closing(GraphQL(self.politeness)) as client:
                facts = client.fetch_video(video_id)
        if facts is None:
            raise SourceRefused("there is no such VOD: deleted, private, or expired", state="no_replay")
        duration_s = facts.duration_s or read_offset(known.get("duration_s"))
        told = {name: value for name, value in facts._asdict().items() if name in Stream._fields}
        stream = Stream(TWITCH, **told)._replace(duration_s=duration_s, view="live")
        if facts.status == "live":
            return Replay(stream, [], {}, SOURCE, running="live")
        return fetch_chat_of(
            stream, self.politeness, self.open_resume_file(video_id), on_progress=on_progress
        )

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return the clips of a channel's VODs, by video id, most viewed first. Raises: SourceError."""
        clips: dict[str, list[Clip]] = defaultdict(list)
        if video_ids:
            with closing(GraphQL(self.politeness)) as client:
                for video_id, clip in client.iter_clips(_login_of(channel_url)):
                    if video_id in video_ids:
                        clips[video_id].append(clip)
        return clips


class _ArchivesIE(TwitchVideosIE):
    """yt-dlp's list of a channel's VODs, each as Twitch describes it: yt-dlp drops when it began."""

    @staticmethod
    def _extract_entry(node: dict[str, Any]) -> dict[str, Any]:
        return node


def _login_of(channel_url: str) -> str:
    return urlsplit(channel_url).path.strip("/")


# ------------------------------------------------------------------ the chat of a VOD


class ChatPages:
    """Puts the pages of a chat together: what is new in each, where to ask next, what may be missing.

    `full_seconds` are the seconds with so many comments that a page ended inside them, and the next
    one began behind them: some of theirs may be missing.
    """

    def __init__(self) -> None:
        self.next_offset_s = 0
        self.ended = False
        self.full_seconds: set[int] = set()
        self.nodes: list[object] = []
        self._seen: set[object] = set()
        self._reached_s = 0
        self._n_idle = 0

    def add(self, page: Page) -> None:
        """Take the next page. Raises: SourceError if many in a row brought nothing new."""
        nodes = list(iter_nodes(page.edges))
        keys = [_key(node) for node in nodes]
        fresh = [node for node, key in zip(nodes, keys, strict=True) if key not in self._seen]
        if self._seen and nodes and len(fresh) == len(nodes):
            self.full_seconds.update(range(self._reached_s, page.offset_s))
        self._seen.update(keys)
        self.nodes += fresh
        self._n_idle = 0 if fresh else self._n_idle + 1
        if self._n_idle >= MAX_IDLE:
            raise SourceError(f"Twitch gave {MAX_IDLE} pages in a row with nothing new.")
        last_s = int(max((_offset(node) for node in nodes), default=0.0))
        self._reached_s = max(self._reached_s, last_s)
        self.next_offset_s = last_s if last_s > page.offset_s else page.offset_s + 1
        self.ended = not page.has_next

    @property
    def offsets_s(self) -> list[float]:
        """The offsets of the comments."""
        return [_offset(node) for node in self.nodes]


def _key(node: object) -> object:
    return node["id"] if isinstance(node, dict) and isinstance(node.get("id"), str) else repr(node)


def _offset(node: object) -> float:
    return read_number(walk(node, "contentOffsetSeconds")) or 0.0


def fetch_chat_of(
    stream: Stream, politeness: Politeness, resume_file: ResumeFile, *, on_progress: OnProgress = None
) -> Replay:
    """Return the chat of a VOD, also of a download that broke off; its stream says how far it goes.

    A chat that ends long before the VOD is believed if asking behind its end gives nothing more.
    Pages are kept in the `resume_file`, so that an interrupted download goes on.
    Raises: SourceError if there is nothing at all; Stopped; StoreError.
    """
    pages = ChatPages()
    error: SourceError | None = None
    with closing(GraphQL(politeness)) as client:

        def ask(offset_s: int) -> None:
            """Fetch the page at an offset, and keep it on disk unless it is the last."""
            page = client.fetch_page(stream.video_id, offset_s)
            pages.add(page)
            if page.has_next:
                resume_file.add(Batch(page.edges, str(pages.next_offset_s)))
            if on_progress:
                on_progress(float(pages.next_offset_s))

        try:
            offset_s = 0
            for batch in resume_file.iter_saved():
                pages.add(Page(offset_s, batch.items, True))
                offset_s = int(batch.next_token or 0)
            _read_to_end(pages, ask, stream.duration_s)
        except SourceError as caught:
            if not pages.nodes:
                raise
            error = caught
    if not pages.nodes:
        raise SourceRefused("the VOD has no chat", state="no_replay")
    notes = Notes()
    messages = read_nodes(pages.nodes, notes)
    state, reason = _describe_end(pages, stream.duration_s, error)
    stream = stream._replace(state=state, view="live", reason=reason)
    return Replay(stream, messages, notes, SOURCE, ended=error is None)


def _read_to_end(pages: ChatPages, ask: Callable[[int], None], duration_s: float | None) -> None:
    """Ask for pages until Twitch names no further one; where that comes early, also behind it."""
    while not pages.ended:
        if duration_s and pages.next_offset_s > duration_s + 1:  # there Twitch answers with errors only
            pages.ended = True
            return
        ask(pages.next_offset_s)
        last_s = max(pages.offsets_s, default=0.0)
        state, _ = check_end(pages.offsets_s, duration_s, ended=pages.ended)
        if pages.ended and pages.nodes and duration_s and state == "partial":
            ask(int((last_s + duration_s) / 2))


def _describe_end(
    pages: ChatPages, duration_s: float | None, error: SourceError | None
) -> tuple[str, str | None]:
    """Return the state of the chat, and what to know of it."""
    state, reason = check_end(pages.offsets_s, duration_s, ended=error is None)
    if error is None and state == "partial":
        end, duration = format_clock(max(pages.offsets_s)), format_clock(duration_s or 0.0)
        state, reason = "complete", f"the chat ends at {end} of {duration}; nothing lies behind it"
    n_full = len(pages.full_seconds)
    full = (
        f"{n_full:,} {'second was' if n_full == 1 else 'seconds were'} so full that comments may be missing"
    )
    parts = [reason, str(error) if error else None, full if n_full else None]
    return state, " · ".join(part for part in parts if part) or None


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
                node = walk(edge, "node")
                video_id, clip_id = read_name(walk(node, "video", "id")), read_name(walk(node, "slug"))
                if video_id and clip_id:
                    yield video_id, _read_clip(clip_id, node)
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
    picture = str(walk(node, "previewThumbnailURL"))
    is_running = "/404_processing" in picture or walk(node, "status") == "RECORDING"
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


def _read_clip(clip_id: str, node: object) -> Clip:
    return Clip(
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
        for word, state, said in _REFUSALS:
            if word in reason.lower():
                raise SourceRefused(said.format(reason), state=state)
        raise Transient(reason)


def _is_essential(error: object) -> bool:
    """Return whether an error is about a whole answer, or a list in it; not about some field of it."""
    path = as_list(walk(error, "path"))
    return not path or path[-1] in ("user", "video", "comments", "videos", "clips", "stream")
