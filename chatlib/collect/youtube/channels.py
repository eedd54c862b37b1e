"""A channel on YouTube, from its address to its streams' chats in the database."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from chatlib.collect.files.importing import ChatFile, import_chats
from chatlib.collect.files.report import count_totals
from chatlib.collect.sheets.channels import Channel
from chatlib.collect.sheets.streams import guess_platform, id_in_url
from chatlib.collect.youtube.collection import ChannelCollection, Settings
from chatlib.collect.youtube.progress import Board
from chatlib.collect.youtube.replay import Way, fetch_replay
from chatlib.collect.youtube.report import CollectReport
from chatlib.collect.youtube.transport import Politeness
from chatlib.errors import ParameterError, SourceError, SourceRefused
from chatlib.records import YOUTUBE, Message
from chatlib.store import Store
from chatlib.workspace import rare_gc

__all__ = ["Settings", "collect_channels", "fetch_chat", "known_channels"]

log = logging.getLogger(__name__)

PARTS = "unfinished"  # the folder beside the database for chats on their way


def known_channels(db: Store) -> list[Channel]:
    """Return the channels that were collected into this database.

    Raises: ParameterError if there are none.
    """
    channels = [Channel(url, Path(spreadsheet), None) for url, spreadsheet in db.load_channels()]
    if not channels:
        raise ParameterError(
            "An update without a list of channels goes on with those that were collected into the database, "
            f"and {db.path} knows none. Name a list, or a channel's address."
        )
    return channels


def collect_channels(
    db: Store, channels: Sequence[Channel], settings: Settings | None = None, *, progress: bool = True
) -> CollectReport:
    """List each channel's streams, and fetch the chats that are new or did not come whole before.

    What is complete is left alone, so the same call collects, goes on after an interruption, and
    updates. Each stream's chat is stored whole or not at all; the channel's sheet is written
    before the first chat is fetched and when the last one is in, also at Ctrl-C.

    Raises: StoreError; ParameterError for a sheet that cannot be used. A channel that cannot be
    listed, and a stream that gives no chat, are in the report.
    """
    settings = settings or Settings()
    politeness = Politeness(per_s=settings.per_s, timeout_s=settings.timeout_s, backoff_s=settings.backoff_s)
    way = Way(politeness, db.path.parent / PARTS, settings.sources, settings.cookies)
    reports = []
    with _alone(way.parts_dir), rare_gc():
        for channel in channels:
            _import_earlier(db, channel, progress=progress)
            collection = ChannelCollection(db, channel, settings, way, progress=progress)
            reports.append(collection.run())
    ids = [video_id for report in reports for video_id in report.titles]
    return CollectReport(reports, count_totals(db, db.find_streams(YOUTUBE, ids)["stream_id"]))


def fetch_chat(url: str, *, settings: Settings | None = None, progress: bool = True) -> ChatFile:
    """Fetch the chat of one finished stream on YouTube by its address; no database is needed.

    Raises: ParameterError for an address of something else; SourceRefused, with the reason, if
    there is no chat to be had, or the stream is not over.
    """
    settings = settings or Settings()
    video_id = id_in_url(url)
    if video_id is None or guess_platform(url=url) != YOUTUBE:
        raise ParameterError(
            f"A stream's address on YouTube looks like https://www.youtube.com/watch?v=…, got {url[:200]!r}. "
            "Chat of Twitch comes from files, such as TwitchDownloader's."
        )
    politeness = Politeness(per_s=settings.per_s, timeout_s=settings.timeout_s, backoff_s=settings.backoff_s)
    with (
        TemporaryDirectory(prefix="chatlib-") as folder,
        Board({}, {video_id: 0.0}, shown=progress) as board,
    ):
        way = Way(politeness, Path(folder), settings.sources, settings.cookies)
        replay = fetch_replay(
            video_id, {"url": url}, way=way, tell=lambda offset_s: board.tell(video_id, offset_s)
        )
    stream = replay.chat.stream
    if replay.running:
        raise SourceRefused(f"{url} is not over ({replay.running}); its replay can be fetched afterwards.")
    if stream.state not in ("complete", "partial"):
        raise SourceRefused(f"{url} gives no chat: {stream.reason}", state=stream.state)
    return ChatFile(stream, [Message._make(row) for row in replay.chat.rows], dict(replay.chat.skipped))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder of chats on their way for this process; it is gone afterwards if it is empty.

    Raises: SourceError if another process holds it, or it cannot be made.
    """
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise SourceError(
            f"One collection at a time may write into {folder.parent}, and another one is at it. Wait for "
            "its end, or name another database."
        ) from None
    except OSError as error:
        raise SourceError(f"Chats on their way are kept in {folder}, which failed ({error}).") from error
    try:
        yield
    finally:
        with suppress(OSError):  # not empty: somebody goes on another time
            Path(lock.lock_file).unlink(missing_ok=True)
            folder.rmdir()
        lock.release()


def _import_earlier(db: Store, channel: Channel, *, progress: bool) -> None:
    """Bring in the database that a list of the first version names, once."""
    earlier = channel.database
    if earlier is None or earlier.resolve() == db.path.resolve():
        return
    if not earlier.is_file():
        log.warning("%s names the database %s, which is not there", channel.url, earlier)
        return
    report = import_chats(db, [earlier], progress=progress)
    log.info("%s: %d messages that were not in %s yet", earlier, report.n_added, db.path)
    for error in report.errors.values():
        log.warning("%s: %s", earlier, error)
