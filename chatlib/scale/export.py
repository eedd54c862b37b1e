"""A chat database as a Parquet data set, with pseudonyms for people on request."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from chatlib.dataset import (
    SCHEMAS,
    Dataset,
    finish_dataset,
    make_message_path,
    prepare_dataset,
    tabulate_messages,
    write_messages,
)
from chatlib.store import Store
from chatlib.text import hide_mentions
from chatlib.workspace import progress_bar

__all__ = ["Pseudonyms", "export_store"]

_WORD = re.compile(r"[^\s]+")
# What the platforms' sentences are made of; every other word of a notice may be somebody's name.
_SENTENCE = frozenset(
    _WORD.findall(
        "a an and announcement anonymous are at been bits by cheered channel chat community continuing "
        "converted currently deleted extended first for forward free from gift gifted gifter gifting gifts "
        "got has have in is joined live member members membership memberships message milestone month months "
        "new of on one paid paying pay prime raid raiders raided renewed resubscribed reward streak sub subs "
        "subscribed subscriber subscription subscriptions that the their they they've this through tier to "
        "total upgraded user viewers was were welcome with year years you your [message deleted]"
    )
)


class Pseudonyms:
    """Names that tell people apart and say nothing else; the key that they are made with is kept nowhere."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def make(self, value: str, prefix: str = "viewer-") -> str:
        """Return the pseudonym of an id or a name."""
        return prefix + hashlib.blake2b(value.encode(), key=self._key, digest_size=8).hexdigest()

    def hide(self, columns: Mapping[str, Sequence]) -> dict[str, Sequence]:
        """Return columns of messages without ids and names: @mentions too, and the names in notices.

        A name within a text that has no @ before it stays.
        """
        people = [_map(self.make, author) for author in columns["author_id"]]
        return {
            **columns,
            "author_id": people,
            "author_name": people,
            "message_id": [self.make(key, "") for key in columns["message_id"]],
            "target_id": [_map(lambda key: self.make(key, ""), key) for key in columns["target_id"]],
            "text": [_map(hide_mentions, text) for text in columns["text"]],
            "notice": [_map(_hide_names, notice) for notice in columns["notice"]],
        }


def export_store(store: Store, folder: str | Path, *, pseudonyms: Pseudonyms | None = None) -> Dataset:
    """Write all of a chat database as a data set, and return it.

    Raises: ParameterError for a folder that holds something else; StoreFull, UnwritableFile.
    """
    folder = prepare_dataset(folder)
    with store.snapshot():
        streams, sources = store.load_stream_records(), store.load_sources()
        files = []
        for stream_id, stream in progress_bar(streams.items(), total=len(streams), desc="export"):
            batches: Iterable[Mapping[str, Sequence]] = store.iter_message_columns(stream_id)
            batches = map(pseudonyms.hide, batches) if pseudonyms else batches
            tables = (tabulate_messages(stream.video_id, columns) for columns in batches)
            path, digests = make_message_path(stream), () if pseudonyms else sources.get(stream_id, ())
            files.append(write_messages(folder, path, stream, tables, sources=digests))
        clips = store.load_clips()
        if pseudonyms:
            clips["creator"] = [_map(pseudonyms.make, creator) for creator in clips["creator"]]
        keys = pd.DataFrame([s[:2] for s in streams.values()], list(streams), ["platform", "video_id"])
        beside = {
            name: pa.Table.from_pandas(table.join(keys, on="stream_id"), SCHEMAS[name], preserve_index=False)
            for name, table in (("clips", clips), ("heatmaps", store.load_heatmaps()))
        }
    return finish_dataset(folder, files, beside=beside, pseudonyms=pseudonyms is not None)


def _map(function: Callable[[str], str], value: str | None) -> str | None:
    return None if value is None else function(value)


def _hide_names(notice: str) -> str:
    """Return a notice in which every word that is neither a number nor of a platform's sentence is `…`."""

    def hide(word: re.Match[str]) -> str:
        plain = word.group().strip(".,!?").lower()
        return word.group() if plain in _SENTENCE or plain.isdecimal() else "…"

    return _WORD.sub(hide, notice)
