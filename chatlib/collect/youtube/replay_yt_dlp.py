"""Chat through yt-dlp's `live_chat` subtitles: JSON Lines of YouTube's own actions.

Only the watch page is asked for what a video is; no format is looked for. Requests go through
`transport`. yt-dlp cannot resume: what an interrupted download left is thrown away.
"""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from yt_dlp import YoutubeDL
from yt_dlp.cookies import CookieLoadError
from yt_dlp.downloader.youtube_live_chat import YoutubeLiveChatFD
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, RequestError
from yt_dlp.utils import YoutubeDLError

from chatlib.collect.files.renderers import walk
from chatlib.collect.files.rows import Notes
from chatlib.collect.youtube.replay_batches import Batches, find_refusal
from chatlib.collect.youtube.transport import (
    SLOWEST,
    Politeness,
    Stopped,
    Transient,
    check_answer,
    parse_answer,
    read_whole,
    say_failure,
)
from chatlib.errors import ChatlibError, SourceRefused

__all__ = ["VideoInfo", "YtDlp"]

log = logging.getLogger(__name__)

_CHAT_PAGE = "/live_chat_replay"
_NEXT = b'"liveChatReplayContinuationData"'
_REPLAY_API = "/live_chat/get_live_chat_replay"
_OPTIONS = {
    "skip_download": True,
    "writesubtitles": True,
    "subtitleslangs": ["live_chat"],
    "ignore_no_formats_error": True,
    "noprogress": True,
    "quiet": True,
    "continuedl": False,
    "cachedir": False,
    "retries": 0,  # `transport` tries again
    "fragment_retries": 0,
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


class VideoInfo(NamedTuple):
    """What yt-dlp says of a video; times are seconds since 1970."""

    live_status: str | None
    title: str | None
    channel_id: str | None
    channel_name: str | None
    start_s: float | None
    duration_s: float | None
    chat: dict | None  # where its chat is, or None if it has none


class _Listener:
    """Takes yt-dlp's words: none reaches the screen, the warnings and errors are kept."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def debug(self, message: str) -> None:
        """Take progress and details."""

    def warning(self, message: str, **_: object) -> None:
        """Keep a warning."""
        self.said.append(message)

    error = warning


class _ChatDownloader(YoutubeLiveChatFD):
    """yt-dlp's downloader of chats, which leaves its file open when it breaks off; close it afterwards."""

    _file: io.IOBase | None = None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _prepare_frag_download(self, ctx: dict) -> None:
        super()._prepare_frag_download(ctx)
        self._file = ctx["dest_stream"]


class YtDlp(YoutubeDL):
    """yt-dlp as a source of one stream's replay. Not for use by several threads; use it in a `with`."""

    def __init__(
        self,
        politeness: Politeness,
        *,
        cookies: Path | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> None:
        self._politeness = politeness
        self._listener = _Listener()
        self._posted: Request | None = None
        self._failure: ChatlibError | Stopped | None = None
        self.trouble: str | None = None
        self.view = "live"
        self.notes = Notes()
        self.batches = Batches(self._post, self.notes, tell=tell)
        options = _OPTIONS | {"logger": self._listener, "socket_timeout": politeness.timeout_s}
        if cookies:
            options |= {"cookiefile": io.StringIO(_read_cookies(cookies))}  # a file would be rewritten
        try:
            super().__init__(options)
        except CookieLoadError as error:
            raise SourceRefused(f"The cookies file must be a Netscape cookies.txt ({error}).") from None

    def open_video(self, video_id: str) -> VideoInfo:
        """Return what the watch page says. Raises: SourceRefused if there is no such video."""
        try:
            info = self.extract_info(
                f"https://www.youtube.com/watch?v={video_id}", download=False, process=False
            )
        except YoutubeDLError as error:
            self._raise_failure()
            raise find_refusal(_plain(str(error))) from None
        self._raise_failure()
        chat = (info.get("subtitles") or {}).get("live_chat")
        if not chat:
            raise self._refuse(info)
        return VideoInfo(
            info.get("live_status"),
            info.get("title"),
            info.get("channel_id"),
            info.get("channel") or info.get("uploader"),
            info.get("release_timestamp") or info.get("timestamp"),
            info.get("duration"),
            chat[0],
        )

    def _refuse(self, info: dict) -> SourceRefused:
        said = " ".join(_plain(words) for words in self._listener.said)
        refusal = find_refusal(said)
        if refusal.state == "failed" and (not said or "no video formats" in said.lower()):
            return find_refusal("The video has no chat replay.")
        return refusal

    def download_chat(self, chat: dict) -> bytes:
        """Return the replay as JSON Lines, also of one that broke off; `trouble` then says why."""
        with tempfile.TemporaryDirectory(prefix="chatlib-") as folder:
            path = Path(folder) / "chat.live_chat.json"
            try:
                with closing(_ChatDownloader(self, self.params)) as downloader:
                    downloader.download(str(path), {"http_headers": {}, **chat}, subtitle=True)
            except (ChatlibError, MemoryError, Stopped):
                raise
            except Exception as error:  # of another's program; what it gave is kept
                self.trouble = f"yt-dlp stumbled ({type(error).__name__}: {_plain(str(error))[:200]})"
            if isinstance(self._failure, Stopped):
                raise self._failure
            self.trouble = str(self._failure) if self._failure else self.trouble
            for file in (path, path.with_name(path.name + ".part")):
                if file.is_file():
                    return file.read_bytes()
        return b""

    def urlopen(self, req: Request | str) -> Response:
        """Answer a request of yt-dlp's: politely, whole, and past batches without messages."""
        request = Request(req) if isinstance(req, str) else req
        if not urlsplit(request.url).path.endswith(_REPLAY_API) or not request.data:
            return self._ask(request)
        self._posted = request
        answer = self.batches.fetch(orjson.loads(request.data))
        _keep_going(answer)
        return _respond(request.url, orjson.dumps(answer))

    def _post(self, body: dict) -> dict:
        request = self._posted.copy()
        request.update(data=orjson.dumps(body), headers={"Content-Type": "application/json"})
        return parse_answer(self._ask(request).read())

    def _ask(self, request: Request) -> Response:
        url = urlsplit(request.url)
        try:
            return self._politeness.call(url.hostname, lambda: self._ask_once(request, url.path))
        except (ChatlibError, Stopped) as error:  # yt-dlp would wrap it in its own
            self._failure = error
            raise RequestError(str(error)) from None

    def _ask_once(self, request: Request, path: str) -> Response:
        try:
            answer = super().urlopen(request.copy())
        except HTTPError as error:
            error.response.close()
            check_answer(path, error.status, b"", retry_after=error.response.headers.get("Retry-After"))
            raise
        except RequestError as error:
            raise Transient(say_failure(error)) from None
        status, headers = answer.status, dict(answer.headers)
        body = read_whole(answer.fp, limit_s=SLOWEST * self._politeness.timeout_s)
        check_answer(path, status, body)
        if path == _CHAT_PAGE and b'"subMenuItems"' not in body:
            self.view = "top"  # the page offers no choice: this is YouTube's own
            self.batches.ended = b'"liveChatContinuation"' in body and _NEXT not in body
        return _respond(request.url, body, headers, status)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _keep_going(answer: dict) -> None:
    """Give yt-dlp an offset in a batch whose items have none.

    It would take such a batch for the last, and a chat without a line for a failure.
    """
    actions = walk(answer, "continuationContents", "liveChatContinuation", "actions")
    if type(actions) is list and not any("replayChatItemAction" in item for item in actions):
        actions.append({"replayChatItemAction": {"actions": [], "videoOffsetTimeMsec": "0"}})


def _respond(url: str, body: bytes, headers: dict | None = None, status: int = 200) -> Response:
    dropped = ("content-encoding", "content-length", "transfer-encoding")
    kept = {key: value for key, value in (headers or {}).items() if key.lower() not in dropped}
    return Response(io.BytesIO(body), url, kept | {"Content-Length": str(len(body))}, status)


def _plain(words: str) -> str:
    return words.removeprefix("ERROR: ").removeprefix("[youtube] ").strip()


def _read_cookies(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SourceRefused(f"The cookies file {path} cannot be read ({error}).") from None
