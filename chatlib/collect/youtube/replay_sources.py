"""Both sources of chat, each read to its end into messages as tuples in the order of `Message`."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from chatlib.collect.files.chat_downloader import read_rows
from chatlib.collect.files.formats import Chat, read_chat
from chatlib.collect.files.rows import Notes
from chatlib.collect.sheets.streams import date_of_timestamp
from chatlib.collect.youtube.replay import Found
from chatlib.collect.youtube.replay_chat_downloader import ReplayDownloader, WatchPage
from chatlib.collect.youtube.replay_part import Part, tidy_rows
from chatlib.collect.youtube.replay_yt_dlp import VideoInfo, YtDlp
from chatlib.collect.youtube.transport import Politeness, Stopped
from chatlib.errors import ChatlibError, SourceError
from chatlib.records import YOUTUBE, Stream
from chatlib.workspace import without_gc

__all__ = ["read_by_chat_downloader", "read_by_yt_dlp"]

Tell = Callable[[float], None] | None
_RUNNING = {"is_live": "live", "is_upcoming": "upcoming"}


def read_by_chat_downloader(
    video_id: str, politeness: Politeness, *, part: Part, cookies: Path | None = None, tell: Tell = None
) -> Found:
    """Read a replay through chat-downloader, going on where `part` stopped.

    Raises: SourceRefused, SourceUnreachable before the first batch; StoreError; Stopped.
    """
    found = _download_on(video_id, politeness, part, cookies, tell)
    if found is None:  # the old token leads nowhere any more
        part.drop()
        found = _download_on(video_id, politeness, part, cookies, tell)
    return found


def _download_on(
    video_id: str, politeness: Politeness, part: Part, cookies: Path | None, tell: Tell
) -> Found | None:
    saved = part.load()
    reading = _Reading(part)
    with closing(
        ReplayDownloader(
            politeness, cookies=cookies, token=saved.token, on_batch=reading.keep_batch, tell=tell
        )
    ) as downloader:
        reading.notes = downloader.notes
        downloader.notes.update(saved.skipped)
        page = downloader.open_watch_page(video_id)
        stream = _stream_of_page(video_id, page)
        if page.status != "past":
            return Found(Chat("chat-downloader", stream, [], Counter()), running=page.status)
        notes = Notes()
        rows = read_rows(reading.iter_rows(saved.rows, downloader.iter_rows()), notes)
        ended = downloader.batches.ended
        if saved.token and not ended and len(rows) <= len(saved.rows):
            return None
        notes.update(downloader.notes)
        stream = stream._replace(reason=reading.trouble)
        return Found(Chat("chat-downloader", stream, rows, notes), ended and not reading.trouble)


class _Reading:
    """Rows on their way from chat-downloader, each batch to disk first."""

    def __init__(self, part: Part) -> None:
        self.notes = Notes()
        self.trouble: str | None = None
        self._part = part
        self._pending: list[dict] = []
        self._ready: deque[dict] = deque()

    def keep_batch(self, token: str) -> None:
        """Keep the rows before the batch that `token` opens."""
        rows = tidy_rows(self._pending)
        self._part.add(rows, self.notes, token)
        self._pending.clear()
        self._ready.extend(rows)

    def iter_rows(self, saved: list[dict], rows: Iterator[dict]) -> Iterator[dict]:
        """Yield saved rows, then new ones; what breaks off is told in `trouble`."""
        yield from saved
        try:
            for row in rows:
                self._pending.append(row)
                while self._ready:
                    yield self._ready.popleft()
        except SourceError as error:
            self.trouble = str(error)
        except (ChatlibError, MemoryError, Stopped):
            raise
        except Exception as error:  # of another's program; what it gave is kept
            self.trouble = f"chat-downloader stumbled ({type(error).__name__}: {error})"
        yield from self._ready
        yield from tidy_rows(self._pending)


def _stream_of_page(video_id: str, page: WatchPage) -> Stream:
    return Stream(
        YOUTUBE,
        video_id,
        title=page.title,
        channel_id=page.channel_id,
        channel_name=page.channel_name,
        started_at=date_of_timestamp(page.start_us),
        ended_at=date_of_timestamp(page.end_us),
        duration_s=page.duration_s or None,
        view=page.view,
    )


def read_by_yt_dlp(
    video_id: str, politeness: Politeness, *, cookies: Path | None = None, tell: Tell = None
) -> Found:
    """Read a replay through yt-dlp. Raises: SourceRefused, SourceUnreachable, Stopped."""
    with YtDlp(politeness, cookies=cookies, tell=tell) as client:
        info = client.open_video(video_id)
        stream = _stream_of_info(video_id, info)
        if info.live_status in _RUNNING:
            return Found(Chat("yt-dlp", stream, [], Counter()), running=_RUNNING[info.live_status])
        data = client.download_chat(info.chat)
        stream = stream._replace(reason=client.trouble, view=client.view)
    ended = client.batches.ended and not client.trouble
    if not data:
        return Found(Chat("yt-dlp", stream, [], client.notes), ended)
    with without_gc():
        chat = read_chat(data, file_name=video_id, row={})
    stream = Stream(
        *(mine if mine is not None else other for mine, other in zip(stream, chat.stream, strict=True))
    )
    client.notes.update(chat.skipped)
    return Found(Chat("yt-dlp", stream._replace(video_id=video_id), chat.rows, client.notes), ended)


def _stream_of_info(video_id: str, info: VideoInfo) -> Stream:
    return Stream(
        YOUTUBE,
        video_id,
        title=info.title,
        channel_id=info.channel_id,
        channel_name=info.channel_name,
        started_at=None if info.start_s is None else date_of_timestamp(info.start_s * 1e6),
        duration_s=info.duration_s or None,
        view="live",
    )
