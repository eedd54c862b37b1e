"""From chats to the front page and the explorer without a notebook: seconds, for who cuts clips.

The chat of one file is told from memory, with no database in between; what is more goes through one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.readers import TALK_COLUMNS
from chatlib.collect.address import find_video_id
from chatlib.collect.files.formats import Chat, read_chat_file
from chatlib.columns import ChatColumns, Codes
from chatlib.errors import NotEnoughData, ParameterError, SourceError
from chatlib.files import atomic_write, map_write_errors
from chatlib.pipeline.explorer import ExplorerSettings, write_explorer
from chatlib.pipeline.pages import render_index
from chatlib.pipeline.settings import RunSettings, describe_run, load_steps, lock_run
from chatlib.queries import StoredStream
from chatlib.records import CHAT_KINDS, DONATION_KINDS, Clip, Message
from chatlib.store import Store, open_store
from chatlib.workspace import open_workspace, rare_gc

__all__ = ["ReadChat", "explore_chats"]

log = logging.getLogger(__name__)

_TOLD = ".chat"  # in a run: the path of the file that its pages are of, where that has no database


def explore_chats(settings: RunSettings) -> Path:
    """Load chats into a run, write the pages that need no notebook; return the path of the first one.

    `chats` is a file or a folder of them, `channels` the address of a channel, or of one recording; without
    either it is the sample. A file that holds one stream, in a run that has no database, gets its pages
    without one; with another file later, both are in one. Chapters that ran before keep their place on the
    first page, and the parameters of notebook 05 hold here too.
    Raises: ParameterError for a name that is none, or a run in progress; NotEnoughData where no message has
    a time; what reading or fetching the chats raises.
    """
    run_dir = settings.run_dir
    chats = (Path.cwd() / Path(settings.chats).expanduser()).resolve() if settings.chats else None
    if chats and not chats.exists():
        raise ParameterError(f"A report is made of a chat file or a folder; there is nothing at {chats}.")
    with map_write_errors(run_dir):
        workspace = open_workspace(run_dir)
        with lock_run(run_dir):
            told = run_dir / _TOLD
            before = Path(told.read_text(encoding="utf-8")) if told.is_file() else chats
            is_one = chats and chats.is_file() and before == chats and not workspace.db.exists()
            if chats and is_one and (chat := _read_one(chats)):
                page = _write_pages(settings, chats, chat)
                atomic_write(told, str(chats))
                return page
            if before and not before.exists():
                raise ParameterError(
                    f"The run {run_dir.name!r} has the pages of {before.name}, which is gone: they would be "
                    "lost. Give this one another name (--name)."
                )
            with open_store(workspace.db, create=True) as db:
                if before and before != chats:
                    log.info("The run has %s already: both are in it now.", before.name)
                    _fill(db, replace(settings, channels=""), before)
                _fill(db, settings, chats)
                told.unlink(missing_ok=True)
                return _write_pages(settings, chats, db)


def _write_pages(settings: RunSettings, chats: Path | None, chat: Store | ReadChat) -> Path:
    steps = load_steps(settings.run_dir)
    analyzed = steps["05_analyze"].parameters if "05_analyze" in steps else {}
    facts, _ = write_explorer(
        settings.run_dir, ExplorerSettings.from_parameters(analyzed), chat=cast(Store, chat)
    )
    if not facts["streams"]:
        reasons = " ".join(facts["skipped"][:1])
        raise NotEnoughData(
            f"A page needs a stream whose messages have times, and there is none. {reasons}".strip()
        )
    streams = chat.load_streams()
    record = describe_run(
        settings.run_dir, steps, chats=chats, channels=settings.channels or None, general={}, streams=streams
    )
    return render_index(settings.run_dir, record)


def _fill(db: Store, settings: RunSettings, chats: Path | None) -> None:
    from chatlib.collect.collection import fetch_chat
    from chatlib.collect.sites import CollectSettings
    from chatlib.collect.sources import fill_database

    if settings.channels and find_video_id(settings.channels):
        chat = fetch_chat(settings.channels)
        db.save_chat(chat.stream, chat.messages)
        return
    source = "chats" if chats else "channels" if settings.channels else "sample"
    report = fill_database(
        db,
        source,
        CollectSettings(limit=settings.limit),
        chats=str(chats or ""),
        channels=settings.channels,
        update=source == "sample",
    )
    report.require_usable()


# ------------------------------------------------------------------ one file, without a database


class ReadChat:
    """The chat of one stream as it was read: to the explorer what the database would be that it were in."""

    def __init__(self, chat: Chat) -> None:
        self._stream = chat.stream
        column, n = {name: itemgetter(i) for i, name in enumerate(Message._fields)}, len(chat.messages)
        ids = list(map(column["author_id"], chat.messages))
        authors, kinds = Codes({None: 0}), Codes()
        author = authors.encode(ids)
        kind = kinds.encode(list(map(column["kind"], chat.messages)))
        named = filter(itemgetter(1), zip(ids, map(column["author_name"], chat.messages), strict=True))
        names = dict.fromkeys(authors) | dict(named)
        boxed = ("message_id", "text", "emotes", "amount_text", "amount", "currency", "timestamp_us")
        table = pd.DataFrame(
            {name: _box(map(column[name], chat.messages), n) for name in boxed}
            | {
                "kind": pd.Categorical.from_codes(kind, pd.Index(list(kinds))),
                "offset_s": _box(map(column["offset_s"], chat.messages), n).astype(float),
                "bits": _box(map(column["bits"], chat.messages), n).astype(float),
                "author": np.where(author > 0, author, np.nan),
                "name": _box(names.values(), len(names)).take(author).array,
            },
            copy=False,
        )
        if len(set(table["message_id"].to_numpy())) < n:
            table = table[~table.duplicated(["message_id", "kind"])]
        self._table = table

    @cached_property
    def _in_time(self) -> pd.DataFrame:
        return self._table.sort_values("offset_s", kind="stable", na_position="first", ignore_index=True)

    def list_streams(self) -> list[StoredStream]:
        """Return the one stream."""
        s, last_s = self._stream, self._table["offset_s"].max()
        known = (s.platform, s.video_id, s.url, s.title, s.started_at, s.duration_s, s.simulated)
        return [StoredStream(1, *known, len(self._table), None if np.isnan(last_s) else float(last_s))]

    def load_streams(self) -> pd.DataFrame:
        """Return the one stream as `Store.load_streams` does, but for the dates of saving."""
        return pd.DataFrame([{**self._stream._asdict(), **self.list_streams()[0]._asdict()}])

    def load_clips(self) -> pd.DataFrame:
        """Return an empty table: a file has no clips."""
        return pd.DataFrame(columns=["stream_id", *Clip._fields])

    def load_messages(
        self, stream_ids: Iterable[int] | None = None, *, columns: Sequence[str] = TALK_COLUMNS
    ) -> pd.DataFrame:
        """Return columns of the messages by offset, those without one first."""
        return self._in_time[list(columns)]

    def load_chat_columns(
        self, stream_id: int, *, id_kinds: Sequence[str] = (), in_order: bool = False
    ) -> ChatColumns:
        """Return the messages as columns."""
        table = self._table
        kind, kinds = pd.factorize(table["kind"])
        once = np.flatnonzero(table["kind"].isin(id_kinds))
        ids = dict(zip(once.tolist(), table["message_id"].to_numpy()[once].tolist(), strict=True))
        author = table["author"].fillna(-1).to_numpy(np.int64)
        return ChatColumns(table["offset_s"].to_numpy(), kind, list(kinds), author, ids)

    def load_chatters(self) -> pd.DataFrame:
        """Return who wrote, without badges: stream_id, author, name, chats, first_s."""
        wrote = self._in_time[self._in_time["kind"].isin(CHAT_KINDS)]
        found = wrote.groupby("author", as_index=False, sort=False).agg(
            name=("name", "first"), chats=("kind", "size"), first_s=("offset_s", "first")
        )
        return found.assign(stream_id=1, author=found["author"].astype(np.int64))

    def load_events(self, kinds: Iterable[str]) -> list[tuple]:
        """Return payments and the messages of some other kinds, as `Store.load_events` does."""
        table = self._in_time
        chosen = table[table["kind"].isin(DONATION_KINDS.union(kinds)) | (table["bits"] > 0)]
        columns = ["offset_s", "kind", "author", "amount", "currency", "bits", "timestamp_us"]
        rows = chosen[columns].astype(object).where(chosen[columns].notna(), None)
        return [(1, *row, self._stream.started_at) for row in rows.itertuples(index=False)]


def _box(values: Iterable[object], n: int) -> pd.Series:
    """Return n values as a column of the objects that they are; to find their type would cost more."""
    return pd.Series(np.fromiter(values, dtype=object, count=n), dtype=object, copy=False)


def _read_one(path: Path) -> ReadChat | None:
    """Return the chat of a file that holds one stream; None for another file: importing it says why."""
    try:
        with rare_gc():
            chat = read_chat_file(path)
            return ReadChat(chat) if chat.messages else None
    except SourceError:
        return None
