"""Where notebooks 01 and 02 and the commands take chat from: the sample, files, or channels."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from urllib.parse import unquote, urlsplit

from chatlib.colab import in_colab
from chatlib.collect.address import clean_channel_url, find_video_id, guess_platform, make_video_url
from chatlib.collect.files.importing import ImportReport, import_chats
from chatlib.collect.lists import Channel, load_channels
from chatlib.collect.live import Feed
from chatlib.collect.sites import CollectSettings
from chatlib.collect.summary import CollectReport
from chatlib.errors import MissingSource, ParameterError
from chatlib.options import read_columns_option
from chatlib.records import TWITCH, YOUTUBE
from chatlib.store import Store, open_store
from chatlib.workspace import PROJECT_DIR, SAMPLE_DIR, resolve_path

__all__ = [
    "SOURCES",
    "describe_repetition",
    "fill_database",
    "find_channels",
    "find_chats",
    "open_chat",
    "open_feeds",
]

SOURCES = ("sample", "chats", "channels")

log = logging.getLogger(__name__)


def open_chat(path: Path, *, read_only: bool = False) -> Store:
    """Return the chat database that notebook 01 left at `path`, open.

    On Colab every notebook starts in a runtime of its own, with nothing in it: there the simulated
    sample stands in for a missing database, with a warning.

    Raises: MissingSource if there is none, elsewhere than on Colab; StoreError if it cannot be used.
    """
    if path.exists() or not in_colab():
        return open_store(path, read_only=read_only)
    log.warning(
        "This runtime holds no chat yet: here is the simulated sample. For your own, run notebook 01 in this "
        "runtime, or give both the same DRIVE."
    )
    db = open_store(path, create=True)
    fill_database(db, "sample", CollectSettings())
    return db


def fill_database(
    db: Store,
    source: str,
    settings: CollectSettings,
    *,
    chats: str = "",
    columns: str = "",
    channels: str = "",
    update: bool = False,
) -> ImportReport | CollectReport:
    """Bring chat into the database from a notebook's SOURCE; what is in already is left alone.

    `settings.limit` is a number of streams: of files the oldest, of a channel the newest; the other
    settings are for channels. `columns` says what the columns of a table are. `update` adds what was
    streamed since, and without `channels` goes on with those that the database knows.

    Raises: ParameterError for another source or a missing parameter; MissingSource; StoreError.
    """
    if source != "channels":
        paths = find_chats(source, chats, update=update)
        return import_chats(db, paths, limit=settings.limit, columns=read_columns_option(columns))
    if not channels and not update:
        raise ParameterError(
            'With SOURCE = "channels", CHANNELS is a channel\'s address or a list of channels; it is empty.'
        )
    from chatlib.collect.collection import collect_channels, load_known_channels

    folder = db.path.parent
    found = find_channels(channels, folder=folder) if channels else load_known_channels(db)
    return collect_channels(db, found, settings)


def find_channels(channels: str, *, folder: Path, base: Path = PROJECT_DIR) -> list[Channel]:
    """Return the channels of a list, or the one at an address, whose sheet then lies in `folder`.

    A list's relative path starts at `base`.

    Raises: ParameterError for what is neither; MissingSource, SourceError for a list.
    """
    path = base / Path(channels).expanduser()
    if path.suffix.lower() in (".ods", ".csv"):
        return load_channels(path)
    url = clean_channel_url(channels)
    name = re.sub(r"[^\w.-]+", "_", unquote(urlsplit(url).path)).strip("_.")
    if guess_platform(url=url) == TWITCH:  # beside a sheet of the same name on YouTube
        name = f"twitch_{name}"
    return [Channel(url, folder.resolve() / f"{name}.ods")]


def open_feeds(addresses: Sequence[str], settings: CollectSettings, *, stop: Event) -> list[Feed]:
    """Return what `watch` reads: one feed for each address of a channel, or of a stream on YouTube.

    Raises: ParameterError for an address of anything else, and for one that is named twice.
    """
    from chatlib.collect.transport import Politeness
    from chatlib.collect.twitch.live import TwitchFeed
    from chatlib.collect.youtube.live import YouTubeFeed

    feeds: dict[str, Feed] = {}
    for address in addresses:
        video_id = find_video_id(address) if guess_platform(url=address) == YOUTUBE else None
        url = (video_id and make_video_url(YOUTUBE, video_id)) or clean_channel_url(address)
        if url in feeds:
            raise ParameterError(f"Each stream is watched once, and {url} is named twice.")
        politeness = Politeness(timeout_s=settings.timeout_s, attempts=3, stop=stop)
        if guess_platform(url=url) == TWITCH:
            feeds[url] = TwitchFeed(url, politeness)
        else:
            feeds[url] = YouTubeFeed(url, politeness, settings=settings)
    return list(feeds.values())


def find_chats(source: str, chats: str = "", *, update: bool = False) -> list[Path]:
    """Return the files or folders to import for a notebook's SOURCE and CHATS.

    The sample is a channel at two moments: what there was at first, and with `update` also
    what was streamed since.

    Raises: ParameterError for another source, or one without CHATS; MissingSource if there is
    nothing at CHATS.
    """
    if source == "sample":
        return [SAMPLE_DIR / "first", SAMPLE_DIR / "new"] if update else [SAMPLE_DIR / "first"]
    if source != "chats":
        raise ParameterError(f"SOURCE is one of {', '.join(SOURCES)}, got {source!r}.")
    if not chats:
        raise ParameterError(
            'With SOURCE = "chats", CHATS names a chat file or a folder of them; it is empty.'
        )
    path = resolve_path(chats)
    if not path.exists():
        raise MissingSource(f"CHATS must name a chat file or a folder of them; there is nothing at {path}.")
    return [path]


def describe_repetition(again: ImportReport | CollectReport | None, *, same: bool) -> str:
    """Return in a sentence what a second update did; None if there was none."""
    if again is None:
        return "Not repeated: a second update would ask the site once more."
    content = "the content is the same" if same else "THE CONTENT HAS CHANGED"
    return f"a second update: {again.n_added:,} new messages, {content}"
