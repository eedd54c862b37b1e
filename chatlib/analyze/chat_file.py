"""A chat file on disk, and its analytics."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chatlib.analyze.analytics import ChatAnalytics
from chatlib.analyze.columns import NOBODY, ChatColumns, analyze_columns, make_analytics
from chatlib.analyze.quick_rows import read_quickly
from chatlib.analyze.settings import ProcessSettings
from chatlib.collect.formats import read_chat
from chatlib.collect.sheets import find_chat_files
from chatlib.errors import MissingSource, NotEnoughData
from chatlib.records import Message, Stream

__all__ = ["FileChat", "analyze_file", "read_columns"]

log = logging.getLogger(__name__)


class FileChat(NamedTuple):
    """What a chat file holds: its stream as far as it is known, and its rows as columns."""

    stream: Stream
    columns: ChatColumns


def analyze_file(
    path: str | Path,
    *,
    platform: str | None = None,
    interval_s: int = 5,
    settings: ProcessSettings | None = None,
    description: str = "",
) -> ChatAnalytics:
    """Return the analytics of a chat file of any format that can be imported.

    The duration is the largest offset. Without `platform` it is told from the content. The
    title is the stream's if it is known, else the file's name.
    Raises: MissingSource, UnknownFormat, SourceError; NotEnoughData if no row has a time.
    """
    path = Path(path)
    stream, columns = read_columns(path)
    if not np.isfinite(columns.offset_s).any():
        raise NotEnoughData(
            f"Analytics need messages with a time in the stream; {path} has {len(columns.kind)} rows, none "
            "with a time. Download the chat's replay, which has times."
        )
    analytics = make_analytics(
        platform or stream.platform,
        duration_s=max(float(np.nanmax(columns.offset_s)), 0.0),
        interval_s=interval_s,
        description=description,
    )
    analytics.mediaTitle = stream.title or path.name
    analytics.mediaSource = str(path)
    return analyze_columns(columns, analytics, settings=settings)


def read_columns(path: Path) -> FileChat:
    """Return a chat file's stream and columns: the quick way if that can read it, else the careful one."""
    if not path.is_file():
        raise MissingSource(f"A chat to analyze must be a file, and there is none at {path}.")
    found, _ = find_chat_files([path])
    quick = read_quickly(path)
    if quick is not None:
        head = read_chat(quick.first_rows, file_name=path.name, row=found[0].row)
        return FileChat(head.stream, quick.columns)
    from chatlib.collect.chat_files import read_chat_file  # pandas: half a second that most files save

    chat = read_chat_file(path)
    for reason, n_rows in chat.skipped.items():
        log.warning("%s: %d rows left out: %s", path.name, n_rows, reason)
    return FileChat(chat.stream, _as_columns(chat.messages))


def _as_columns(messages: list[Message]) -> ChatColumns:
    codes: dict[str | None, int] = {None: NOBODY}
    return ChatColumns(
        offset_s=np.array([m.offset_s for m in messages], dtype=float),
        kind=[m.kind for m in messages],
        author=np.array([codes.setdefault(m.author_id, len(codes)) for m in messages], dtype=np.int64),
        message_id=[m.message_id for m in messages],
    )
