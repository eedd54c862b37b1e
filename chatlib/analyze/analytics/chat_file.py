"""A chat file on disk, and its analytics."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.columns import ChatColumns, Codes, analyze_columns, make_analytics
from chatlib.analyze.analytics.quick_rows import Piece
from chatlib.analyze.analytics.settings import ProcessSettings
from chatlib.analyze.analytics.two_readers import Reading, read_quickly
from chatlib.analyze.analytics.words import NOBODY, TWITCH_WORDS, YOUTUBE_WORDS, find_words
from chatlib.errors import MissingSource, NotEnoughData, ParameterError
from chatlib.records import CHAT_KINDS, Message, Stream
from chatlib.workspace import without_gc

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FileChat", "analyze_file", "join_pieces", "read_columns", "read_spoken"]

log = logging.getLogger(__name__)

_MAX_OFFSET_S = 1e8  # beyond, the careful reader sees no offset


class FileChat(NamedTuple):
    """What a chat file holds: its stream as far as it is known, and its rows as columns."""

    stream: Stream
    columns: ChatColumns


@without_gc()
def analyze_file(
    path: str | Path,
    *,
    platform: str | None = None,
    interval_s: int = 5,
    settings: ProcessSettings | None = None,
    description: str = "",
    reading: Reading | None = None,
) -> ChatAnalytics:
    """Return the analytics of a chat file of any format that can be imported.

    The duration is the largest offset. Without `platform` it is told from the content. The
    title is the stream's if it is known, else the file's name. `reading` is of this file: one
    that was begun before numpy was loaded saves time.
    Raises: MissingSource, UnknownFormat, SourceError; NotEnoughData if no row has a time;
    ParameterError for a platform that the file cannot come from.
    """
    path = Path(path)
    stream, columns = read_columns(path, platform=platform, reading=reading)
    if not np.isfinite(columns.offset_s).any():
        raise NotEnoughData(
            f"Analytics need messages with a time in the stream; {path} has {len(columns.kind)} rows, none "
            "with a time. Download the chat's replay, which has times."
        )
    _check_platform(platform or stream.platform, columns.kinds, path)
    analytics = make_analytics(
        platform or stream.platform,
        duration_s=max(float(np.nanmax(columns.offset_s)), 0.0),
        interval_s=interval_s,
        description=description,
    )
    analytics.mediaTitle = stream.title or path.name
    analytics.mediaSource = str(path)
    return analyze_columns(columns, analytics, settings=settings)


def read_columns(path: Path, *, platform: str | None = None, reading: Reading | None = None) -> FileChat:
    """Return a chat file's stream and columns: the quick way if that can read it, else the careful one."""
    if not path.is_file():
        raise MissingSource(f"A chat to analyze must be a file, and there is none at {path}.")
    # With the platform given and no list of streams beside the file, there is nothing to look up.
    nothing_to_tell = platform is not None and not any(path.parent.glob("streams.*"))
    if reading and not nothing_to_tell:
        importlib.import_module("chatlib.collect.files.formats")  # better now, while the second process reads
    pieces = reading.finish() if reading else read_quickly(path)
    columns = pieces and join_pieces(pieces)
    if not columns:
        return _read_carefully(path)
    stream = Stream(platform, path.stem) if nothing_to_tell else _tell_stream(pieces[0].first_rows, path)
    return FileChat(stream, columns)


def read_spoken(path: str | Path) -> pd.DataFrame:
    """Return the chat messages of a file that have text, as `load_spoken` does of a stream."""
    import pandas as pd

    from chatlib.collect.files.importing import read_chat_file

    messages = read_chat_file(Path(path)).messages
    spoken = [m for m in messages if m.kind in CHAT_KINDS and m.text is not None]
    rows = [(m.offset_s, m.author_id, m.text, m.emotes) for m in spoken]
    return pd.DataFrame(rows, columns=["offset_s", "author", "text", "emotes"])


def join_pieces(pieces: Sequence[Piece]) -> ChatColumns | None:
    """Return the pieces of a file as columns; None where only the careful reader can judge."""
    offset_s = np.frombuffer(b"".join(piece.offset_s for piece in pieces))
    if not len(offset_s) or np.abs(offset_s).max() > _MAX_OFFSET_S:
        return None
    kinds = Codes()
    kind = np.concatenate(
        [kinds.encode(piece.kinds)[np.frombuffer(piece.kind, np.uint8)] for piece in pieces if piece.kinds]
    )
    names = list(kinds)
    message_ids: dict[int, str] = {}
    n_rows = 0
    for piece in pieces:
        message_ids |= {n_rows + row: message_id for row, message_id in piece.once}
        n_rows += piece.n_rows
    if len({(message_id, names[kind[row]]) for row, message_id in message_ids.items()}) < len(message_ids):
        return None
    author = np.frombuffer(b"".join(piece.author for piece in pieces), dtype=np.int64)
    return ChatColumns(offset_s, kind, names, author, message_ids)


def _check_platform(platform: str, kinds: Iterable[str], path: Path) -> None:
    own = find_words(platform)
    other = TWITCH_WORDS if own is YOUTUBE_WORDS else YOUTUBE_WORDS
    if foreign := sorted(other.events.keys() & set(kinds)):
        raise ParameterError(
            f"The platform must be the one that a chat comes from; {path} cannot be from {platform}, since "
            f"it holds {', '.join(foreign[:3])}. Leave --platform out: it is told from the content."
        )


# Readers of `collect` are imported where they are needed: they take longer than most files.


def _tell_stream(first_rows: bytes, path: Path) -> Stream:
    from chatlib.collect.files.formats import read_chat
    from chatlib.collect.sheets.streams import find_chat_files

    (found,), _ = find_chat_files([path])
    return read_chat(first_rows, file_name=path.name, row=found.row).stream


def _read_carefully(path: Path) -> FileChat:
    from chatlib.collect.files.importing import read_chat_file

    chat = read_chat_file(path)
    for reason, n_rows in chat.skipped.items():
        log.warning("%s: %d rows left out: %s", path.name, n_rows, reason)
    return FileChat(chat.stream, _as_columns(chat.messages))


def _as_columns(messages: list[Message]) -> ChatColumns:
    kinds = Codes()
    return ChatColumns(
        offset_s=np.array([m.offset_s for m in messages], dtype=float),
        kind=kinds.encode([m.kind for m in messages]),
        kinds=list(kinds),
        author=Codes({None: NOBODY}).encode([m.author_id for m in messages]),
        message_ids={row: m.message_id for row, m in enumerate(messages)},
    )
