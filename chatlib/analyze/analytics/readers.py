"""The readers: each loads a chat for the engine, from a file, the database or an address."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.columns import analyze_columns, make_analytics
from chatlib.analyze.analytics.format import TWITCH_RULES, YOUTUBE_RULES, ProcessSettings, find_rules
from chatlib.analyze.analytics.quick_reader import Piece, Reading, start_reading
from chatlib.columns import ChatColumns, Codes, TextParts
from chatlib.errors import MissingSource, NotEnoughData, ParameterError
from chatlib.records import CHAT_KINDS, DONATION_KINDS, Message, Stream
from chatlib.text import format_count
from chatlib.workspace import rare_gc

# Importers, the store and pandas are imported where they are needed: to load them takes longer
# than to analyze most files.
if TYPE_CHECKING:
    import pandas as pd

    from chatlib.dataset import ChatReader
    from chatlib.queries import StoredStream

__all__ = [
    "TALK_COLUMNS",
    "Chat",
    "Talk",
    "analyze_chat",
    "analyze_stream",
    "join_pieces",
    "load_talk",
    "pick_stream",
    "read_address",
    "read_file",
    "read_stream",
    "select_talk",
    "take_talk",
]

log = logging.getLogger(__name__)

_MAX_OFFSET_S = 1e8  # beyond, the importers see no offset
# What makes many people write at once, whatever happens in the stream.
_HYPE_KINDS = (
    "raid", "mystery_subscription_gift", "anonymous_mystery_subscription_gift",
    "sponsorships_gift_purchase_announcement",
)  # fmt: skip


class Chat(NamedTuple):
    """A chat as the engine takes it. `messages` are empty where the reader read only columns.

    A stream without a known duration lasts until the largest offset. `address` is the recording's, if known;
    the `url` of a file's stream is its path.
    """

    stream: Stream
    columns: ChatColumns
    messages: Sequence[Message] = ()
    address: str | None = None


def analyze_chat(chat: Chat, settings: ProcessSettings | None = None) -> ChatAnalytics:
    """Return the analytics of a chat. Raises: NotEnoughData if no message has an offset."""
    settings = settings or ProcessSettings()
    stream, columns = chat.stream, chat.columns
    source = stream.url or f"{stream.platform}:{stream.video_id}"
    if not np.isfinite(columns.offset_s).any():
        raise NotEnoughData(
            f"Analytics need messages with a time in the stream; {source} has "
            f"{format_count(len(columns.kind), 'message')}, none with a time. Leave it out, or download the "
            "chat's replay, which has times."
        )
    duration_s = stream.duration_s
    if duration_s is None or not (np.isfinite(duration_s) and duration_s > 0):
        duration_s = max(float(np.nanmax(columns.offset_s)), 0.0)
    analytics = make_analytics(stream.platform, duration_s=float(duration_s), settings=settings)
    analytics.mediaTitle = stream.title or analytics.mediaTitle
    analytics.mediaSource = source
    return analyze_columns(columns, analytics, settings)


# ---------------------------------------------------------------------- a file


@rare_gc()
def read_file(
    path: str | Path,
    *,
    platform: str | None = None,
    reading: Reading | None = None,
    with_messages: bool = False,
    columns: Mapping[str, str] | None = None,
    stream_id: str = "",
) -> Chat:
    """Return the chat of a file of any format that can be imported; its duration is the largest offset.

    Without `platform` the content decides. The quick reader reads what it can, unless messages are
    wanted; `reading` is its reading of this file, if it has begun. `columns` and `stream_id` are for
    tables, as `read_chat_file` takes them.

    Raises: MissingSource, UnknownFormat, SourceError; ParameterError for a platform that the file
    cannot come from.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingSource(f"A chat to analyze must be a file, and there is none at {path}.")
    chat = None if with_messages else _read_plain(path, platform, reading)
    chat = chat or _import(path, columns, stream_id)
    platform = platform or chat.stream.platform
    _check_platform(platform, chat.columns.kinds, path)
    title = chat.stream.title or path.name
    stream = chat.stream._replace(platform=platform, title=title, url=str(path), duration_s=None)
    return chat._replace(stream=stream, address=chat.stream.url)


def join_pieces(pieces: Sequence[Piece]) -> ChatColumns | None:
    """Return the quick reader's pieces as columns; None where only the importers can judge."""
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
    if len(set(zip(message_ids.values(), kind[list(message_ids)], strict=True))) < len(message_ids):
        return None
    author = np.frombuffer(b"".join(piece.author for piece in pieces), dtype=np.int64)
    return ChatColumns(offset_s, kind, names, author, message_ids)


def _read_plain(path: Path, platform: str | None, reading: Reading | None) -> Chat | None:
    # With the platform known and no list of streams beside the file, there is nothing to look up.
    nothing_to_look_up = platform is not None and not any(path.parent.glob("streams.*"))
    if reading and not nothing_to_look_up:
        # Better now, while the second process reads.
        importlib.import_module("chatlib.collect.files.chat_downloader")
    with nullcontext(reading) if reading else start_reading(path) as reading:
        pieces = reading.finish() if reading else None
        columns = join_pieces(pieces) if pieces else None
        if reading is None or pieces is None or columns is None or _has_repeats(reading, pieces, columns):
            return None
    if platform is not None and nothing_to_look_up:
        return Chat(Stream(platform, path.stem), columns)
    return Chat(_identify_stream(pieces[0].first_rows, path), columns)


def _has_repeats(reading: Reading, pieces: Sequence[Piece], columns: ChatColumns) -> bool:
    """Return whether a message comes twice; ids are read only of rows that share time, author and kind."""
    offset_s, kind, _, author, _ = columns
    n = len(offset_s)
    order = np.argsort(offset_s, kind="stable") if (np.diff(offset_s) < 0).any() else np.arange(n)
    is_equal = np.diff(offset_s[order]) == 0
    rows = order[np.append(is_equal, False) | np.append(False, is_equal)]
    content = (offset_s[rows].view(np.int64) * 31 + author[rows]) * 31 + kind[rows]
    _, of_row, n_rows = np.unique(content, return_inverse=True, return_counts=True)
    alike = np.sort(rows[n_rows[of_row] > 1])
    ends = np.cumsum([piece.n_rows for piece in pieces])
    seen: set[tuple[str, int]] = set()
    for index, some in groupby(alike.tolist(), key=lambda row: int(np.searchsorted(ends, row, side="right"))):
        ids, first = reading.read_ids(index), int(ends[index]) - pieces[index].n_rows
        seen |= {(ids[row - first], int(columns.kind[row])) for row in some}
    return len(seen) < len(alike)


def _identify_stream(first_rows: bytes, path: Path) -> Stream:
    from chatlib.collect.files.formats import read_chat
    from chatlib.collect.lists import find_chat_files

    (found,), _ = find_chat_files([path])
    return read_chat(first_rows, file_name=path.name, row=found.row).stream


def _import(path: Path, columns: Mapping[str, str] | None, stream_id: str) -> Chat:
    from chatlib.collect.files.formats import read_chat_file

    chat = read_chat_file(path, columns=columns, stream_id=stream_id)
    for reason, n_rows in chat.skipped.items():
        log.warning("%s: %d rows left out: %s", path.name, n_rows, reason)
    messages = list({(m.message_id, m.kind): m for m in reversed(chat.messages)}.values())[::-1]
    return Chat(chat.stream, ChatColumns.from_messages(messages), messages)


def _check_platform(platform: str, kinds: Iterable[str], path: Path) -> None:
    own = find_rules(platform)
    other = TWITCH_RULES if own is YOUTUBE_RULES else YOUTUBE_RULES
    if foreign := sorted(other.events.keys() & set(kinds)):
        raise ParameterError(
            f"The platform must be the one that a chat comes from; {path} cannot be from {platform}, since "
            f"it holds {', '.join(foreign[:3])}. Leave --platform out: the content decides."
        )


# ---------------------------------------------------------------------- an address


def read_address(url: str) -> Chat:
    """Return the chat of a finished stream on YouTube or Twitch, fetched by its address.

    Raises: ParameterError for another address; SourceRefused, with the reason, if there is no chat
    or the stream is still running.
    """
    from chatlib.collect.collection import fetch_chat

    chat = fetch_chat(url)
    if chat.stream.reason:
        log.warning("%s: %s", chat.stream.state, chat.stream.reason)
    return Chat(chat.stream, ChatColumns.from_messages(chat.messages), chat.messages)


# ---------------------------------------------------------------------- the database


def pick_stream(store: ChatReader, video_id: str = "") -> StoredStream:
    """Return the stream with this id, or the one with most messages.

    Raises: ParameterError for an unknown id; NotEnoughData if no stream has messages with a time.
    """
    streams = store.list_streams()
    found = [stream for stream in streams if stream.video_id == video_id]
    if found:
        return found[0]
    if video_id:
        some = ", ".join(stream.video_id for stream in streams[:3])
        raise ParameterError(
            f"STREAM must be the video id of a stream in the database, got {video_id!r}. "
            f"There are {len(streams)}, among them {some or 'none'}; leave it empty for the largest."
        )
    timed = [stream for stream in streams if stream.last_offset_s is not None]
    if not timed:
        raise NotEnoughData(
            f"Analytics need a stream with messages that have a time in it; none of {len(streams)} "
            "streams has any. Collect or import chat replays first (notebook 01)."
        )
    return max(timed, key=lambda stream: stream.n_messages)


@rare_gc()
def analyze_stream(
    store: ChatReader, stream: StoredStream, settings: ProcessSettings | None = None
) -> ChatAnalytics:
    """Return the analytics of one stream of a chat database or a data set."""
    in_order = settings is not None and settings.msg_break >= 0
    return analyze_chat(read_stream(store, stream, in_order=in_order), settings)


def read_stream(store: ChatReader, stream: StoredStream, *, in_order: bool = False) -> Chat:
    """Return the chat of one stream of a chat database or a data set, `in_order` of its source."""
    rules = find_rules(stream.platform)
    id_kinds = [kind for kind, counter in rules.events.items() if counter in rules.once_per_id]
    columns = store.load_chat_columns(stream.stream_id, id_kinds=id_kinds, in_order=in_order)
    return Chat(
        Stream(stream.platform, stream.video_id, stream.url, stream.title, duration_s=stream.duration_s),
        columns,
    )


# ---------------------------------------------------------------------- what people wrote


TALK_COLUMNS = ("offset_s", "kind", "author", "text", "emotes", "bits")


@dataclass(frozen=True)
class Talk:
    """What was said in a stream, and when raids, gifts and payments made people write.

    spoken: the chat messages that have text, in time order; columns offset_s, author, text, emotes.
    hype_s: offsets of raids and of gifts of many subscriptions. paid_s: offsets of payments.
    """

    spoken: pd.DataFrame
    hype_s: np.ndarray
    paid_s: np.ndarray

    @cached_property
    def parts(self) -> TextParts:
        """What was written, cut at blanks."""
        return TextParts.from_texts(self.spoken["text"].tolist())


def load_talk(
    store: ChatReader, stream: StoredStream, *, hide_names: bool = False, leave_out: Iterable[str] = ()
) -> Talk:
    """Return what was said in a stream of the database.

    With `hide_names`, every @name in a text becomes `@…`. People are left out by name, ignoring case.
    """
    columns = [*TALK_COLUMNS, *(["name"] if leave_out else [])]
    messages = store.load_messages([stream.stream_id], columns=columns)
    return take_talk(messages, hide_names=hide_names, leave_out=leave_out)


def select_talk(messages: Iterable[Message]) -> Talk:
    """Return what was said in messages that a reader read."""
    import pandas as pd

    rows = [(m.offset_s, m.kind, m.author_id, m.text, m.emotes, m.bits) for m in messages]
    table = pd.DataFrame(rows, columns=list(TALK_COLUMNS))
    return take_talk(table.sort_values("offset_s", kind="stable"))


def take_talk(messages: pd.DataFrame, *, hide_names: bool = False, leave_out: Iterable[str] = ()) -> Talk:
    """Return what was said in a table of a stream's messages in time order; see `load_talk`.

    It has the columns `TALK_COLUMNS`, and `name` if people are left out.
    """
    from chatlib.analyze.people import is_named
    from chatlib.analyze.speech import hide_mentions

    if leave_out:
        messages = messages[~is_named(messages["name"], leave_out)]
    kind, offset_s = messages["kind"], messages["offset_s"].astype(float)
    is_paid = kind.isin(DONATION_KINDS) | (messages["bits"].astype(float) > 0)
    kept = kind.isin(CHAT_KINDS) & messages["text"].notna()
    spoken = messages.loc[kept, ["offset_s", "author", "text", "emotes"]].reset_index(drop=True)
    if hide_names:
        spoken["text"] = hide_mentions(spoken["text"].tolist())
    return Talk(
        spoken,
        hype_s=offset_s[kind.isin(_HYPE_KINDS)].dropna().to_numpy(),
        paid_s=offset_s[is_paid].dropna().to_numpy(),
    )
