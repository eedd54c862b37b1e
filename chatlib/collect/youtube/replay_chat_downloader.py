"""Chat through chat-downloader 0.2.8, made to work again.

It looks for the chat's tokens on the watch page, where they no longer work. They are on the page
of the chat itself (see `replay_batches`); this subclass gets them from there, and its requests go
through `transport`. What its parser leaves out or stumbles over is kept or counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from chat_downloader.errors import ChatDownloaderError, CookieError
from chat_downloader.sites.youtube import YouTubeChatDownloader
from yt_dlp.utils.networking import random_user_agent

from chatlib.collect.files.renderers import find_kind, read_renderer, walk
from chatlib.collect.files.rows import Notes
from chatlib.collect.youtube.replay_batches import (
    Batches,
    find_chat_token,
    find_refusal,
    find_views,
    has_actions,
)
from chatlib.collect.youtube.replay_dialect import spell_out
from chatlib.collect.youtube.transport import PoliteAdapter, Politeness
from chatlib.errors import SourceRefused

__all__ = ["ReplayDownloader", "WatchPage"]

logging.getLogger("chat_downloader").setLevel(logging.CRITICAL)

_CHAT_PAGE = "https://www.youtube.com/live_chat_replay?"
_MORE = {"message_groups": ["all"], "chat_type": "live", "max_attempts": 1, "interruptible_retry": False}


class WatchPage(NamedTuple):
    """What a watch page says of a stream; times are microseconds since 1970."""

    status: str  # "past", "live" or "upcoming"
    title: str | None
    channel_id: str | None
    channel_name: str | None
    start_us: float | None
    end_us: float | None
    duration_s: float | None
    view: str  # which of `chatlib.records.VIEWS` is to be had


class ReplayDownloader(YouTubeChatDownloader):
    """Downloads one stream's replay. Not for use by several threads; close it after use.

    `token` goes on with the batch that an earlier download was to ask for next; `on_batch` is
    called with such a token whenever all rows before it have been handed out.
    """

    _KNOWN_IGNORE_MESSAGE_TYPES = ()  # placeholders are rows too: messages held back for review

    def __init__(
        self,
        politeness: Politeness,
        *,
        cookies: Path | None = None,
        token: str | None = None,
        on_batch: Callable[[str], None] | None = None,
        tell: Callable[[float], None] | None = None,
    ) -> None:
        try:
            super().__init__(cookies=cookies and str(cookies))
        except (CookieError, OSError) as error:
            raise SourceRefused(f"The cookies file must be a Netscape cookies.txt ({error}).") from None
        self.session.mount("https://", PoliteAdapter(politeness))
        # Its own name is a browser of 2020, which YouTube may refuse; the cookie spares the consent page.
        self.update_session_headers({"User-Agent": random_user_agent(), "Accept-Language": "en-US,en;q=0.9"})
        if self.get_cookie_value("SOCS") is None:
            self.set_cookie_value(".youtube.com", "SOCS", "CAI", secure=True)
        self.notes = Notes()
        self.batches = Batches(self._post, self.notes, tell=tell)
        self._token = token
        self._on_batch = on_batch
        self._url = ""
        self._page: tuple[dict, dict] | None = None

    def open_watch_page(self, video_id: str) -> WatchPage:
        """Return what the watch page says. Raises: SourceRefused if it has no chat to give."""
        try:
            self._page = details, _ = self._get_initial_video_info(video_id)
        except ChatDownloaderError as error:
            raise find_refusal(str(error)) from None
        return WatchPage(
            details["status"],
            details.get("title"),
            details.get("author_id"),
            details.get("author"),
            details.get("start_time"),
            details.get("end_time"),
            details.get("duration"),
            "top" if details.get("only_top") else "live",
        )

    def iter_rows(self) -> Iterator[dict]:
        """Yield the chat's rows in chat-downloader's schema, after `open_watch_page`."""
        details, config = self._page
        yield from self._get_chat_messages(details, config, dict(_MORE))

    # ------------------------------------------------- what chat-downloader calls of itself

    def _parse_video_data(
        self, video_id: str, params: dict | None = None, video_type: str = "video"
    ) -> tuple:
        details, player, watch, config = super()._parse_video_data(video_id, params, video_type)
        token = find_chat_token(watch)
        details["continuation_info"] = {}
        if token and details["status"] == "past":
            views = find_views(super()._get_initial_info(_CHAT_PAGE + urlencode({"continuation": token}))[0])
            details["only_top"] = views.every is None
            first = views.every or views.top or token
            details["continuation_info"] = {"top": views.top or token, "every": first}
        elif token:
            details["continuation_info"] = {"top": token, "every": token}
        return details, player, watch, config

    def _get_initial_info(self, url: str, params: dict | None = None) -> tuple:
        if self._page is None:
            return super()._get_initial_info(url, params)
        if self._token:
            return self._ask(self._token), None, None
        ask = super()._get_initial_info
        answer = self.batches.insist(lambda: ask(url, params)[0])
        if not has_actions(answer) and self.batches.next_token:
            return self._ask(self.batches.next_token), None, None
        return self._spell_out(answer), None, None

    def _get_continuation_info(self, continuation_url: str, program_params: dict, **post: dict) -> dict:
        self._url = continuation_url
        if self._on_batch:
            self._on_batch(post["json"]["continuation"])
        return self._spell_out(self.batches.fetch(post["json"]))

    def _ask(self, token: str) -> dict:
        """Return the batch of a token before chat-downloader has asked for one itself."""
        config = self._page[1]
        self._url = self._YOUTUBE_CHAT_API_TEMPLATE.format(
            "live_chat_replay", config.get("INNERTUBE_API_KEY")
        )
        body = {"context": config.get("INNERTUBE_CONTEXT") or {}, "continuation": token}
        return self._spell_out(self.batches.fetch(body))

    def _post(self, body: dict) -> dict:
        return super()._get_continuation_info(self._url, {"max_attempts": 1}, json=body) or {}

    def _spell_out(self, answer: dict) -> dict:
        for item in walk(answer, "continuationContents", "liveChatContinuation", "actions") or ():
            replay = item.get("replayChatItemAction")
            spell_out(replay["actions"][0] if replay else item)
        return answer

    def _extract_account_syncid(self, ytcfg: dict) -> str | None:
        return super()._extract_account_syncid(ytcfg) if ytcfg.get("DATASYNC_ID") else None

    @staticmethod
    def _parse_item(item: dict, info: dict | None = None, offset: float = 0) -> dict:
        """Parse one item; what the parser stumbles over is read by our own."""
        given = info or {}
        exact_s = given.get("time_in_seconds")
        try:
            row = YouTubeChatDownloader._parse_item(item, dict(given), offset)
        except Exception:
            row = _read_item(item, given)
        if exact_s:  # a ticker takes the whole seconds of what it repeats
            row["time_in_seconds"] = exact_s
        return row


def _read_item(item: dict, info: dict) -> dict:
    """Return an item as our own reader shows it, in chat-downloader's schema."""
    notes = Notes()
    found = find_kind(item, notes)
    shown = read_renderer(item, notes) if found else None
    if shown is None:
        return info
    row = info | {
        "message_id": shown.message_id,
        "message": shown.text,
        "header_message": shown.notice,
        "author": {"id": shown.author_id, "name": shown.author_name, "badges": list(shown.badges)},
        "emotes": list(shown.emotes),
        "timestamp": shown.timestamp,
        "time_text": shown.clock,
    }
    if shown.amount_text:
        row["money"] = {"text": shown.amount_text}
    return {key: value for key, value in row.items() if value is not None}
