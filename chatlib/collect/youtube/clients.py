"""chat-downloader and yt-dlp as clients of YouTube: each opens a stream's watch page and asks for its chat.

Only what they ask for is used, not how they parse it: the raw actions go to our own reader. All
requests go through `transport`. Here is also where the chat's tokens and batches are in YouTube's data.
"""

from __future__ import annotations

import io
import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import orjson
from chat_downloader.errors import ChatDownloaderError
from chat_downloader.sites.youtube import YouTubeChatDownloader
from yt_dlp import YoutubeDL
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import YoutubeDLError
from yt_dlp.utils.networking import random_user_agent

from chatlib.collect.files.parsing import as_list, walk
from chatlib.collect.sites import Batch
from chatlib.collect.transport import (
    SLOWEST,
    PoliteAdapter,
    Politeness,
    Transient,
    check_answer,
    describe_failure,
    find_refusal,
    parse_answer,
    read_whole,
)
from chatlib.collect.youtube.browser import load_cookies
from chatlib.errors import SourceRefused
from chatlib.records import YOUTUBE, HeatStep, Stream
from chatlib.text import clean_json, read_number
from chatlib.times import format_timestamp, read_offset

__all__ = [
    "ChatClient",
    "ChatDownloaderClient",
    "ChatPage",
    "PoliteYoutubeDL",
    "Video",
    "YtDlpClient",
    "find_initial_data",
    "open_client",
    "read_batch",
]

_WATCH_PAGE = "https://www.youtube.com/watch?v="
_CHAT_PAGE = "https://www.youtube.com/{}?"
_CHAT_API = "https://www.youtube.com/youtubei/v1/live_chat/get_{}?"
_REPLAY, _RUNNING = "live_chat_replay", "live_chat"
_BATCH = ("continuationContents", "liveChatContinuation")
_PUSHED = "invalidationContinuationData"
_NEXT_KINDS = (
    "liveChatReplayContinuationData", _PUSHED, "timedContinuationData", "reloadContinuationData",
)  # fmt: skip
_LONGEST_S = {_PUSHED: 3.0}  # waits; YouTube would push what is new, which only a browser hears
_VIEWS = ("header", "liveChatHeaderRenderer", "viewSelector", "sortFilterSubMenuRenderer", "subMenuItems")
_CHAT = ("contents", "twoColumnWatchNextResults", "conversationBar", "liveChatRenderer", "continuations")

_INITIAL = re.compile(r"""(?:\bvar\s+ytInitialData|\bwindow\s*\[\s*["']ytInitialData["']\s*\])\s*=\s*""")

logging.getLogger("chat_downloader").setLevel(logging.CRITICAL)


class Video(NamedTuple):
    """What a watch page says of a stream. `status` is "past", "live" or "upcoming".

    `heatmap` is the most-replayed curve, empty where the page shows none.
    """

    stream: Stream
    status: str
    chat_token: str | None  # opens the chat's own page
    heatmap: Sequence[HeatStep] = ()


class ChatPage(NamedTuple):
    """The chat's own page: its batch, of the messages that YouTube chose, and the token of all messages.

    `batch` is None where the page holds no chat, `token` where it lets nobody choose.
    """

    batch: Batch | None
    token: str | None


class ChatClient(ABC):
    """A client of YouTube for one stream; not for use by several threads, and closed after use.

    Its methods raise SourceRefused, SourceUnreachable and Stopped.
    """

    _config: Mapping[str, Any]  # of the watch page
    _chat = _REPLAY

    @abstractmethod
    def open_video(self, video_id: str) -> Video:
        """Return what the watch page says; to be called first. Raises: SourceRefused."""

    def fetch_page(self, token: str) -> ChatPage:
        """Return the chat's own page."""
        text = self._fetch_text(_CHAT_PAGE.format(self._chat) + urlencode({"continuation": token}))
        data = clean_json(find_initial_data(text))
        views = as_list(walk(data, *_BATCH, *_VIEWS))  # the second is the one of all messages
        every = _find_token([walk(views[1], "continuation")]) if len(views) > 1 else None
        return ChatPage(read_batch(data), every)

    def fetch_batch(self, token: str, offset_ms: float) -> Batch | None:
        """Return the batch of a token, None for another answer; `offset_ms` is the offset reached so far.

        The question is as YouTube's player puts it, which is a little behind the chat.
        """
        body = {
            "context": self._config.get("INNERTUBE_CONTEXT") or {},
            "continuation": token,
            "currentPlayerState": {"playerOffsetMs": str(max(int(offset_ms) - 5000, 0))},
        }
        url = _CHAT_API.format(self._chat) + urlencode({"key": self._config.get("INNERTUBE_API_KEY")})
        return read_batch(parse_answer(self._post(url, body)))

    @abstractmethod
    def _fetch_text(self, url: str) -> str:
        """Return the text of a page."""

    @abstractmethod
    def _post(self, url: str, body: Mapping[str, object]) -> bytes:
        """Return the answer to a question."""

    @abstractmethod
    def close(self) -> None:
        """Close connections."""


def open_client(source: str, politeness: Politeness, cookies: Path | None) -> ChatClient:
    """Return the client of one of `CHAT_SOURCES`. Raises: SourceRefused for bad cookies."""
    client = YtDlpClient if source == "yt-dlp" else ChatDownloaderClient
    return client(politeness, cookies)


class ChatDownloaderClient(YouTubeChatDownloader, ChatClient):
    """chat-downloader 0.2.8, made to work again.

    It takes the chat's tokens from the watch page, where they no longer work; the one token that
    does leads to the chat's own page, which names the others.
    """

    def __init__(self, politeness: Politeness, cookies: Path | None) -> None:
        if cookies:
            load_cookies(cookies)
        super().__init__(cookies=cookies and str(cookies))
        self._config = {}
        self.session.mount("https://", PoliteAdapter(politeness))
        # Its own name is a browser of 2020, which YouTube may refuse; the cookie spares the consent page.
        self.update_session_headers({"User-Agent": random_user_agent(), "Accept-Language": "en-US,en;q=0.9"})
        if self.get_cookie_value("SOCS") is None:
            self.set_cookie_value(".youtube.com", "SOCS", "CAI", secure=True)

    def open_video(self, video_id: str) -> Video:
        try:
            details, self._config = self._get_initial_video_info(video_id)
        except ChatDownloaderError as error:
            raise find_refusal(str(error).removeprefix("None")) from None  # its word for a page without title
        headers = self._generate_headers(self._config)
        self.update_session_headers({name: str(value) for name, value in headers.items()})
        stream = Stream(
            YOUTUBE,
            video_id,
            title=details.get("title"),
            channel_id=details.get("author_id"),
            channel_name=details.get("author"),
            started_at=format_timestamp(details.get("start_time")),
            ended_at=format_timestamp(details.get("end_time")),
            duration_s=details.get("duration") or None,
            view="live",
        )
        self._chat = _REPLAY if details["status"] == "past" else _RUNNING
        return Video(stream, details["status"], details["continuation_info"]["chat"], details["heatmap"])

    def _fetch_text(self, url: str) -> str:
        return self._session_get(url).text

    def _post(self, url: str, body: Mapping[str, object]) -> bytes:
        if authorization := self._generate_sapisidhash_header():
            self.update_session_headers({"authorization": authorization})
        response = self._session_post(url, json=body)
        return response.content if response.ok else b"{}"

    # What chat-downloader calls of itself.

    def _parse_video_data(
        self, video_id: str, params: dict[str, Any] | None = None, video_type: str = "video"
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
        details, player, watch, config = super()._parse_video_data(video_id, params, video_type)
        token = _find_token(walk(watch, *_CHAT))
        details["continuation_info"] = {"chat": token} if token else {}
        details["heatmap"] = _read_heatmap(watch)
        return details, player, watch, config

    def _extract_account_syncid(self, ytcfg: dict[str, Any]) -> str | None:
        return super()._extract_account_syncid(ytcfg) if ytcfg.get("DATASYNC_ID") else None


_OPTIONS = {
    "skip_download": True,
    "ignore_no_formats_error": True,
    "noprogress": True,
    "quiet": True,
    "cachedir": False,
    "retries": 0,  # `transport` retries
    "extractor_retries": 0,
    # The watch page holds all that is needed: no other client, no player's program.
    "extractor_args": {
        "youtube": {
            "player_client": ["web"],
            "player_js_version": ["actual"],
            "player_skip": ["configs", "js"],
            "skip": ["hls", "dash", "translated_subs"],
        }
    },
}
_STATUSES = {"is_live": "live", "is_upcoming": "upcoming"}


class PoliteYoutubeDL(YoutubeDL):
    """yt-dlp whose requests keep to a `Politeness`, and whose warnings are kept in `warnings`.

    `check` raises Transient for an answer that is worth another attempt; `options` are yt-dlp's.
    """

    def __init__(
        self,
        politeness: Politeness,
        cookies: Path | None = None,
        *,
        check: Callable[..., None] = check_answer,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._politeness = politeness
        self._check = check
        self.warnings: list[str] = []
        # Nothing reaches the screen.
        log = SimpleNamespace(debug=str, warning=self.warnings.append, error=self.warnings.append)
        own = {"logger": log, "socket_timeout": politeness.timeout_s}
        params = _OPTIONS | own | dict(options or {})
        if cookies:  # as text: yt-dlp would write into a file
            load_cookies(cookies)
            params |= {"cookiefile": io.StringIO(cookies.read_text(encoding="utf-8"))}
        super().__init__(params)

    def urlopen(self, req: Request | str) -> Response:
        """Answer a request, also one of yt-dlp's own: politely, and whole."""
        request = Request(req) if isinstance(req, str) else req
        url = urlsplit(request.url)
        return self._politeness.call(url.hostname or "", lambda: self._open_once(request, url.path))

    def _open_once(self, request: Request, path: str) -> Response:
        try:
            answer = super().urlopen(request.copy())
        except HTTPError as error:
            answer = error.response
        except RequestError as error:
            raise Transient(describe_failure(error)) from None
        body = read_whole(answer.fp, limit_s=SLOWEST * self._politeness.timeout_s)
        self._check(path, answer.status, body, retry_after=answer.headers.get("Retry-After"))
        dropped = ("content-encoding", "content-length", "transfer-encoding")
        headers = {key: value for key, value in answer.headers.items() if key.lower() not in dropped}
        headers["Content-Length"] = str(len(body))
        whole = Response(io.BytesIO(body), request.url, headers, answer.status)
        if not 200 <= answer.status < 300:
            raise HTTPError(whole)
        return whole


class YtDlpClient(PoliteYoutubeDL, ChatClient):
    """yt-dlp. Only the watch page is asked for what a video is; no format is looked for."""

    def __init__(self, politeness: Politeness, cookies: Path | None) -> None:
        super().__init__(politeness, cookies)
        self._watch_page = ""
        self._config = {}
        self._headers: dict[str, str] = {}

    def open_video(self, video_id: str) -> Video:
        try:
            info = self.extract_info(_WATCH_PAGE + video_id, download=False, process=False)
            extractor = self.get_info_extractor("Youtube")
            watch = extractor.extract_yt_initial_data(video_id, self._watch_page, fatal=False)
            self._config = extractor.extract_ytcfg(video_id, self._watch_page)
            self._headers = extractor.generate_api_headers(ytcfg=self._config)
        except YoutubeDLError as error:
            raise find_refusal(_strip_prefix(str(error))) from None
        token = _find_token(walk(watch, *_CHAT))
        if token is None:
            raise self._find_refusal()
        start_s = info.get("release_timestamp") or info.get("timestamp")
        stream = Stream(
            YOUTUBE,
            video_id,
            title=info.get("title"),
            channel_id=info.get("channel_id"),
            channel_name=info.get("channel") or info.get("uploader"),
            started_at=None if start_s is None else format_timestamp(start_s * 1e6),
            duration_s=info.get("duration") or None,
            view="live",
        )
        self._chat = _RUNNING if info.get("live_status") in _STATUSES else _REPLAY
        return Video(stream, _STATUSES.get(info.get("live_status"), "past"), token, _read_heatmap(watch))

    def _find_refusal(self) -> SourceRefused:
        said = " ".join(_strip_prefix(words) for words in self.warnings)
        refusal = find_refusal(said)
        if refusal.state == "failed" and (not said or "no video formats" in said.lower()):
            return find_refusal("The video has no chat replay.")
        return refusal

    def _fetch_text(self, url: str) -> str:
        return self._read(Request(url)).decode("utf-8", "replace")

    def _post(self, url: str, body: Mapping[str, object]) -> bytes:
        headers = self._headers | {"Content-Type": "application/json"}
        return self._read(Request(url, data=orjson.dumps(body), headers=headers))

    def _read(self, request: Request) -> bytes:
        """Return an answer's body, empty JSON for one that YouTube refuses to give."""
        try:
            return self.urlopen(request).read()
        except HTTPError:
            return b"{}"

    def urlopen(self, req: Request | str) -> Response:
        """Answer a request as politely, and keep the watch page."""
        response = super().urlopen(req)
        if urlsplit(response.url).path == "/watch":
            body = response.read()
            self._watch_page = body.decode("utf-8", "replace")
            response = Response(io.BytesIO(body), response.url, response.headers, response.status)
        return response


def _strip_prefix(words: str) -> str:
    return words.removeprefix("ERROR: ").removeprefix("[youtube] ").strip()


# ------------------------------------------------------------------ YouTube's data


def find_initial_data(text: str) -> dict | None:
    """Return `ytInitialData` of a page's text, or None if the text holds none that can be read."""
    decoder = json.JSONDecoder()
    for match in _INITIAL.finditer(text):
        try:
            data, _ = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and data:
            return data
    return None


def read_batch(answer: object) -> Batch | None:
    """Return the batch in an answer of InnerTube, or in the data of the chat's page; None if it is none."""
    content = walk(answer, *_BATCH)
    if not isinstance(content, dict):
        return None
    items, continuations = as_list(content.get("actions")), as_list(content.get("continuations"))
    for kind in _NEXT_KINDS:
        for following in (walk(continuation, kind) for continuation in continuations):
            if isinstance(token := walk(following, "continuation"), str):
                wait_s = (read_number(walk(following, "timeoutMs")) or 0.0) / 1000
                return Batch(items, token, min(max(wait_s, 0.0), _LONGEST_S.get(kind, 30.0)))
    return Batch(items, None)


def _find_token(continuations: object) -> str | None:
    tokens = (walk(item, "reloadContinuationData", "continuation") for item in as_list(continuations))
    return next((token for token in tokens if isinstance(token, str)), None)


def _read_heatmap(watch: object) -> list[HeatStep]:
    """Return the most-replayed curve in a watch page's data; empty where YouTube shows none."""
    mutations = walk(watch, "frameworkUpdates", "entityBatchUpdate", "mutations")
    steps: dict[float, HeatStep] = {}
    for mutation in as_list(mutations):
        markers = walk(mutation, "payload", "macroMarkersListEntity", "markersList")
        is_heatmap = walk(markers, "markerType") == "MARKER_TYPE_HEATMAP"
        for item in as_list(walk(markers, "markers")) if is_heatmap else ():
            start_s = read_offset(walk(item, "startMillis"), scale=1000.0)
            length_s = read_offset(walk(item, "durationMillis"), scale=1000.0)
            value = read_number(walk(item, "intensityScoreNormalized"))
            if start_s is not None and length_s is not None and value is not None and 0 <= value <= 1:
                steps[start_s] = HeatStep(start_s, start_s + length_s, value)
    return [steps[start_s] for start_s in sorted(steps)]
