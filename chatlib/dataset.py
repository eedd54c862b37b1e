"""The Parquet data set: what a chat database holds, as files that other programs read as they are.

    DIR/manifest.json                                    what it is, and how much; written last
    DIR/streams.parquet  authors.parquet                 a row each
    DIR/clips.parquet  heatmaps.parquet                  what people cut out, and what they replay
    DIR/messages/platform=P/channel=C/VIDEO.parquet      a file per stream

Messages lie by offset, ties in source order, those without an offset first. `SCHEMAS` says which columns
there are and of which types; `video_id` and `platform` lead from a message to its stream, `author_id` to
its author. `channel` is the channel's id, or else its name, as far as a folder may be named so.

A message file is its own record: its metadata holds its stream and the digests of the chat files that it
was made of, and it appears whole. So who makes a data set goes on after an interruption by looking which
files are there, and a task that is repeated writes the same file again.
"""

from __future__ import annotations

import json
import tempfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import chatlib
from chatlib.columns import ChatColumns, Codes
from chatlib.errors import DamagedStore, MissingSource, NewerSchema, NotADatabase, ParameterError
from chatlib.files import atomic_path, atomic_write, looks_like_dataset, make_safe_name
from chatlib.money import read_money
from chatlib.queries import MESSAGE_COLUMNS, StoredStream, StoreReader
from chatlib.records import Clip, HeatStep, Message, Stream
from chatlib.store import SaveCount, Store
from chatlib.text import dump_names

__all__ = [
    "MANIFEST",
    "SCHEMAS",
    "ChatReader",
    "Dataset",
    "MessageFile",
    "finish_dataset",
    "iter_message_files",
    "join_chunks",
    "make_message_path",
    "open_dataset",
    "prepare_dataset",
    "read_message_file",
    "read_parquet",
    "read_table",
    "save_messages",
    "tabulate_messages",
    "to_frame",
    "write_messages",
    "write_parquet",
]

MANIFEST = "manifest.json"
_FORMAT, _VERSION = "chatlib data set", 1
_ROWS = 65_536  # of a batch, and of a row group
_DECIMALS = 6
_LEFT = ".*.part*"  # by a process that was killed
_MESSAGES_A_RANGE = 5_000_000
# Without checksums three of four bits that change on a disk are other words, and no error.
_WRITTEN: Mapping[str, Any] = {"compression": "zstd", "write_page_checksum": True}
_WORD = pa.dictionary(pa.int32(), pa.string())
_TEXT = pa.string()


def _list_fields(record: type) -> list[tuple[str, pa.DataType]]:
    """Return a record's fields as columns."""
    types = {str: _TEXT, float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    return [(name, types[next(iter(get_args(t)), t)]) for name, t in get_type_hints(record).items()]


# What a reader of the files may rely on; dates are ISO 8601 in UTC. Absence is null everywhere.
SCHEMAS: Mapping[str, pa.Schema] = {
    "messages": pa.schema(
        [
            ("video_id", _WORD),
            ("position", pa.int32()),  # order in the source
            ("message_id", _TEXT),
            ("kind", _WORD),  # chat-downloader's message_type
            ("offset_s", pa.float64()),  # seconds from the start of the stream, negative before it
            ("author_id", _WORD),  # the platform's id, or name:... where a source has none
            ("author_name", _WORD),
            ("text", _TEXT),  # the author's own words
            ("notice", _TEXT),  # the platform's fixed sentence
            ("badges", pa.list_(_TEXT)),
            ("amount_text", _TEXT),  # as written
            ("amount", pa.decimal128(24, _DECIMALS)),
            ("amount_digits", pa.int8()),  # digits after the point, as written
            ("currency", _WORD),  # ISO 4217
            ("bits", pa.int64()),
            ("timestamp", pa.timestamp("us", tz="UTC")),
            ("emotes", pa.list_(_TEXT)),
            ("target_id", _TEXT),  # the message that a deletion removes
            ("in_live", pa.bool_()),  # of a stream that was watched live: whether the capture had it,
            ("in_replay", pa.bool_()),  # and whether its replay had it
        ]
    ),
    "streams": pa.schema(
        [
            *_list_fields(Stream),  # channel names as they are; `channel` as its folder is named
            ("n_messages", pa.int64()),
            ("last_offset_s", pa.float64()),
            ("channel", _TEXT),
            ("file", _TEXT),  # of its messages, relative to the data set
            ("sources", pa.list_(_TEXT)),  # digests of the chat files that it was made of
        ]
    ),
    "authors": pa.schema([("platform", _TEXT), ("author_id", _TEXT), ("name", _TEXT)]),  # the last name seen
    "clips": pa.schema([("platform", _TEXT), ("video_id", _TEXT), *_list_fields(Clip)]),
    "heatmaps": pa.schema([("platform", _TEXT), ("video_id", _TEXT), *_list_fields(HeatStep)]),
}
_BESIDE = ("clips", "heatmaps")
_LISTS = ("badges", "emotes")
# Which columns the database's are made of, where they have other names or forms.
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "stream_id": ("stream_id",),
    "author": ("author_id",),
    "name": ("author_name",),
    "timestamp_us": ("timestamp",),
    "amount": ("amount", "amount_digits", "amount_text"),
}


class MessageFile(NamedTuple):
    """What a message file says of itself; `path` is relative to the data set."""

    path: str
    stream: Stream
    n_messages: int
    last_offset_s: float | None
    sources: tuple[str, ...]  # digests of the chat files that it was made of


# ------------------------------------------------------------------ writing


def make_message_path(stream: Stream) -> Path:
    """Return where a stream's messages lie in a data set."""
    channel = make_safe_name(stream.channel_id or stream.channel_name or "unknown")
    folder = Path("messages", f"platform={make_safe_name(stream.platform)}", f"channel={channel}")
    return folder / f"{make_safe_name(stream.video_id)}.parquet"


def tabulate_messages(video_id: str, columns: Mapping[str, Sequence]) -> pa.Table:
    """Return messages as a table of the data set's schema.

    `columns` are `position`, the fields of a Message, with the values that the database holds, and who had
    it (`in_live`, `in_replay`) where that is known.
    """
    n_rows = len(columns["position"])
    amounts = [_read_amount(amount) for amount in columns["amount"]]
    given: dict[str, Sequence] = {
        "in_live": [None] * n_rows,
        "in_replay": [None] * n_rows,
        **columns,
        "video_id": [video_id] * n_rows,
        "amount": [amount for amount, _ in amounts],
        "amount_digits": [digits for _, digits in amounts],
        "timestamp": columns["timestamp_us"],
    }
    arrays = []
    for field in SCHEMAS["messages"]:
        values = given[field.name]
        if field.name in _LISTS:
            arrays.append(_make_lists(values))
        elif field.type == _WORD:
            arrays.append(pa.array(values, _TEXT).dictionary_encode())
        elif field.type == pa.bool_():  # SQLite has numbers for it
            arrays.append(pa.array(values, pa.int8()).cast(pa.bool_()))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMAS["messages"])


def write_messages(
    folder: Path, path: Path, stream: Stream, tables: Iterable[pa.Table], *, sources: Sequence[str] = ()
) -> MessageFile:
    """Write a stream's messages as one file, whole or not at all, at `path` within the data set's folder."""
    n_messages, last_offset_s = 0, None
    with (
        atomic_path(folder / path) as part,
        pq.ParquetWriter(part, SCHEMAS["messages"], **_WRITTEN) as file,
    ):
        for table in tables:
            file.write_table(table, row_group_size=_ROWS)
            n_messages += len(table)
            last = pc.max(table["offset_s"]).as_py()
            last_offset_s = max((x for x in (last, last_offset_s) if x is not None), default=None)
        record = MessageFile(path.as_posix(), stream, n_messages, last_offset_s, tuple(sources))
        file.add_key_value_metadata({"chatlib": json.dumps([stream._asdict(), *record[2:]])})
    return record


def read_message_file(folder: Path, path: Path) -> MessageFile:
    """Return what a message file says of itself. Raises: DamagedStore if it is none, or not whole."""
    with _map_arrow_errors(folder / path):
        saved = json.loads(pq.read_metadata(folder / path).metadata[b"chatlib"])
        stream, n_messages, last_offset_s, sources = saved
        return MessageFile(path.as_posix(), Stream(**stream), n_messages, last_offset_s, tuple(sources))


def prepare_dataset(folder: str | Path) -> Path:
    """Return a folder to write a data set into, its manifest taken back until it is whole again.

    Raises: ParameterError for a folder that holds something else.
    """
    folder = Path(folder)
    known = {"messages", "parts", *(f"{name}.parquet" for name in SCHEMAS), MANIFEST}
    known |= {path.name for path in folder.glob(_LEFT)}
    strange = sorted({path.name for path in folder.iterdir()} - known) if folder.is_dir() else []
    if strange or (folder.exists() and not folder.is_dir()):
        raise ParameterError(
            f"A data set needs a folder of its own, and {folder} holds other things"
            f"{f', {strange[0]} for one' if strange else ''}. Name a new one."
        )
    (folder / "messages").mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    return folder


def finish_dataset(
    folder: Path,
    files: Iterable[MessageFile],
    *,
    beside: Mapping[str, pa.Table] | None = None,
    pseudonyms: bool = False,
) -> Dataset:
    """Write what lies beside the message files, and the manifest last; return the data set.

    Authors are read from the messages; clips and heatmaps come as `beside`, or stay as they are there.
    Message files of no stream are removed.
    """
    files = sorted(files, key=_age)
    streams = pa.Table.from_pylist([_describe(file) for file in files], SCHEMAS["streams"])
    tables = {"streams": streams} | dict(beside or {name: _load_beside(folder, name) for name in _BESIDE})
    for name, table in tables.items():
        write_parquet(table.cast(SCHEMAS[name]), folder / f"{name}.parquet")
    counts = {name: len(table) for name, table in tables.items()}
    counts["authors"] = _write_authors(folder, files)
    kept = {folder / file.path for file in files}
    for path in {*(folder / "messages").rglob("*.parquet"), *folder.glob(_LEFT)} - kept:
        path.unlink()
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "made_by": f"chatlib {chatlib.__version__}",
        "pseudonyms": pseudonyms,
        "simulated": any(file.stream.simulated for file in files),
        "streams": counts["streams"],
        "messages": sum(file.n_messages for file in files),
        "authors": counts["authors"],
        "clips": counts["clips"],
        "columns": {name: {f.name: str(f.type) for f in schema} for name, schema in SCHEMAS.items()},
    }
    atomic_write(folder / MANIFEST, json.dumps(content, indent=2) + "\n")
    return open_dataset(folder)


def _age(file: MessageFile) -> tuple:
    start = file.stream.started_at
    return start is None, start or "", file.stream.video_id, file.stream.platform


def _describe(file: MessageFile) -> dict[str, object]:
    own = {"n_messages": file.n_messages, "last_offset_s": file.last_offset_s, "sources": list(file.sources)}
    channel = Path(file.path).parent.name.removeprefix("channel=")
    return file.stream._asdict() | own | {"file": file.path, "channel": channel}


def _load_beside(folder: Path, name: str) -> pa.Table:
    path = folder / f"{name}.parquet"
    return read_parquet(path) if path.is_file() else SCHEMAS[name].empty_table()


def write_parquet(table: pa.Table, path: Path, **options: Any) -> None:
    """Write a table as a Parquet file, whole or not at all; `options` are Arrow's."""
    with atomic_path(path) as part:
        pq.write_table(table, part, **_WRITTEN, **options)


def _write_authors(folder: Path, files: Sequence[MessageFile]) -> int:
    """Write the authors of all messages, each with the last name that some stream knows; return their number.

    They are dealt to ranges of ids, which lie on disk, and sorted a range at a time: memory does not grow.
    """
    schema = SCHEMAS["authors"]
    n_ranges = 1 + sum(file.n_messages for file in files) // _MESSAGES_A_RANGE
    some = [_list_authors(folder, file) for file in files[:: 1 + len(files) // 20]]
    sample = sorted(author for table in some for author in table["author_id"].to_pylist())
    bounds = sample[:: 1 + len(sample) // n_ranges][1:]
    with ExitStack() as opened:
        ranges = [opened.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in range(1 + len(bounds))]
        writers = [opened.enter_context(pa.ipc.new_stream(file, schema)) for file in ranges]
        for file in files:
            authors = _list_authors(folder, file)
            ids = authors["author_id"].to_pylist()
            cuts = [0, *(bisect_left(ids, bound) for bound in bounds), len(ids)]
            for writer, (start, end) in zip(writers, pairwise(cuts), strict=True):
                writer.write_table(authors.slice(start, end - start))
        path = opened.enter_context(atomic_path(folder / "authors.parquet"))
        written = opened.enter_context(pq.ParquetWriter(path, schema, **_WRITTEN))
        for own, writer in zip(ranges, writers, strict=True):
            writer.close()
            own.seek(0)
            groups = pa.ipc.open_stream(own).read_all().group_by(schema.names[:2], use_threads=False)
            last = groups.aggregate([("name", "last")]).rename_columns(schema.names)
            written.write_table(last.sort_by([("author_id", "ascending"), ("platform", "ascending")]))
    return pq.read_metadata(folder / "authors.parquet").num_rows


def _list_authors(folder: Path, file: MessageFile) -> pa.Table:
    """Return the authors of a message file, with each of their names, by id."""
    table = read_table(folder, file, ["author_id", "author_name"])
    pairs = table.filter(pc.is_valid(table["author_id"])).group_by(table.column_names, use_threads=False)
    columns = [column.cast(_TEXT) for column in pairs.aggregate([]).columns]
    platform = pa.array([file.stream.platform] * len(columns[0]), _TEXT)
    return pa.table([platform, *columns], SCHEMAS["authors"]).sort_by("author_id")


def _make_lists(values: Sequence[str | None]) -> pa.Array:
    """Return JSON arrays of text as lists; equal ones are read once."""
    codes = Codes()
    rows = codes.encode(values)
    distinct = [None if text is None else json.loads(text) for text in codes]
    return pa.array(distinct, pa.list_(_TEXT)).take(pa.array(rows))


def _read_amount(amount: str | None) -> tuple[Decimal | None, int | None]:
    """Return an amount and its digits after the point; None where a column of decimals has no room for it."""
    if amount is None or len(amount) > 24:
        return None, None
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return None, None
    digits = len(amount.partition(".")[2])
    return (value, digits) if digits <= _DECIMALS and abs(value) < 10**17 else (None, None)


# ------------------------------------------------------------------ reading


def open_dataset(folder: str | Path) -> Dataset:
    """Return the data set in a folder.

    Raises: MissingSource if there is none, or one that is not finished; NewerSchema; NotADatabase.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        how = "there is none. Make one with `chatlib export DB DIR`."
        if looks_like_dataset(folder):
            how = "it is not finished. Run the command that makes it again, and it goes on."
        raise MissingSource(f"A data set has a {MANIFEST}, and in {folder} {how}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = int(manifest["version"]) if manifest["format"] == _FORMAT else 0
    except (ValueError, KeyError, TypeError):
        version = 0
    if version > _VERSION:
        raise NewerSchema(
            f"This chatlib reads data sets up to version {_VERSION}; {folder} has {version}. Update chatlib."
        )
    if version < 1:
        raise NotADatabase(f"{path} is no manifest of a data set. Name another folder.")
    return Dataset(folder, manifest)


def iter_message_files(folder: Path) -> Iterator[MessageFile]:
    """Yield the message files of a data set, also of one that is not finished."""
    if (folder / MANIFEST).is_file():
        open_dataset(folder)  # is it of a version that can be read?
    for path in sorted((folder / "messages").rglob("*.parquet")):
        if not path.name.startswith("."):
            yield read_message_file(folder, path.relative_to(folder))


def save_messages(db: Store, folder: Path, file: MessageFile, stream: Stream | None = None) -> SaveCount:
    """Store the messages of a file in a chat database, as of its stream or the one given.

    Raises: DamagedStore if the file is missing or not whole.
    """
    table = read_table(folder, file).sort_by("position")
    sightings = None
    if "in_live" in table.column_names:  # data sets of earlier versions do not tell
        seen = table.select(["message_id", "kind", "in_live", "in_replay"]).filter(
            pc.is_valid(table["in_live"])
        )
        sightings = list(zip(*(column.to_pylist() for column in seen.columns), strict=True)) or None
    return db.save_chat(stream or file.stream, _iter_messages(table), sightings=sightings)


def _iter_messages(table: pa.Table) -> Iterator[Message]:
    """Yield messages with the values that the database holds."""
    for start in range(0, len(table), _ROWS):
        rows = table.slice(start, _ROWS)
        columns = (_to_values(rows, name) for name in Message._fields)
        values = (column if isinstance(column, list) else column.to_pylist() for column in columns)
        yield from map(Message._make, zip(*values, strict=True))


def read_parquet(path: Path, **options: Any) -> pa.Table:
    """Return a Parquet file as a table; `options` are Arrow's. Raises: DamagedStore if it is not whole."""
    with _map_arrow_errors(path):
        return pq.read_table(path, partitioning=None, page_checksum_verification=True, **options)


def read_table(folder: Path, file: MessageFile, columns: Sequence[str] | None = None) -> pa.Table:
    """Return some columns of a message file, by offset.

    Raises: DamagedStore if it is missing or not whole.
    """
    path = folder / file.path
    # Each row group has a dictionary of its own, and Arrow sorts and groups only by one.
    table = read_parquet(path, columns=columns).unify_dictionaries()
    if len(table) != file.n_messages:
        raise DamagedStore.of(path, f"{len(table)} messages instead of {file.n_messages}")
    return table


class Dataset:
    """An open data set. It is read as a chat database is; a `stream_id` is a stream's place, from 1."""

    def __init__(
        self, folder: Path, manifest: Mapping[str, object], files: list[MessageFile] | None = None
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        if files is not None:  # only these
            self.files = files

    @cached_property
    def files(self) -> list[MessageFile]:
        """The message files with their streams, oldest stream first."""
        rows = read_parquet(self.folder / "streams.parquet").to_pylist()
        with _map_arrow_errors(self.folder / "streams.parquet"):
            return [
                MessageFile(
                    row["file"],
                    Stream(**{name: row[name] for name in Stream._fields}),
                    row["n_messages"],
                    row["last_offset_s"],
                    tuple(row["sources"] or ()),
                )
                for row in rows
            ]

    @property
    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"stream_id": stream_id, **file.stream._asdict()}
            | {"n_messages": file.n_messages, "last_offset_s": file.last_offset_s}
            for stream_id, file in enumerate(self.files, 1)
        ]

    def list_streams(self) -> list[StoredStream]:
        """Return the streams as records, oldest first."""
        return [StoredStream(*(row[name] for name in StoredStream._fields)) for row in self._rows]

    def load_streams(self) -> pd.DataFrame:
        """Return one row per stream, oldest first, with the columns that a chat database has."""
        columns = ["stream_id", *Stream._fields, "n_messages", "last_offset_s"]
        return pd.DataFrame(self._rows, columns=columns)

    def read_messages(self, stream_id: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return some columns of a stream's messages, by offset.

        Raises: DamagedStore if the file is missing or not whole.
        """
        return read_table(self.folder, self.files[stream_id - 1], columns)

    def load_chat_columns(
        self, stream_id: int, *, id_kinds: Sequence[str] = (), in_order: bool = False
    ) -> ChatColumns:
        """Return a stream's messages as columns, as `Store.load_chat_columns` does."""
        table = self.read_messages(stream_id, ["offset_s", "kind", "author_id", "message_id", "position"])
        if in_order:
            table = table.sort_by("position")
        kinds, kind = _encode(table["kind"])
        of_id_kinds = np.isin(kind, [code for code, name in enumerate(kinds) if name in set(id_kinds)])
        rows = np.flatnonzero(of_id_kinds)
        ids = table["message_id"].take(pa.array(rows)).to_pylist()
        return ChatColumns(
            offset_s=table["offset_s"].to_numpy(),
            kind=kind,
            kinds=kinds,
            author=_encode(table["author_id"])[1],
            message_ids=dict(zip(rows.tolist(), ids, strict=True)),
        )

    def load_messages(
        self, stream_ids: Iterable[int] | None = None, *, columns: Sequence[str] = MESSAGE_COLUMNS
    ) -> pd.DataFrame:
        """Return some columns of messages as a table, as a chat database does; `author` is a number.

        An author has one number in the streams that are asked for at once.
        """
        sources = (name for column in columns for name in _SOURCES.get(column, (column,)))
        names = [name for name in dict.fromkeys(sources) if name != "stream_id"] or ["position"]
        none = SCHEMAS["messages"].empty_table().select(names)
        tables = [none.append_column("stream_id", pa.array([], pa.int64()))]
        for stream_id in range(1, len(self.files) + 1) if stream_ids is None else stream_ids:
            table = self.read_messages(stream_id, names)
            tables.append(table.append_column("stream_id", pa.array(np.full(len(table), stream_id))))
        table = pa.concat_tables(tables).unify_dictionaries()
        return to_frame(table, columns)

    def load_beside(self, name: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Return the rows of `clips` or `heatmaps`, by platform and video id."""
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in _load_beside(self.folder, name).to_pylist():
            found.setdefault((row.pop("platform"), row.pop("video_id")), []).append(row)
        return found


ChatReader = StoreReader | Dataset  # what analytics read


def to_frame(table: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    """Return messages as a table whose columns hold the values that a chat database has.

    `author` is a number, that of `author_id` in the column's dictionary.
    """
    found = {column: _to_values(table, column) for column in columns}
    frames = {
        name: values if isinstance(values, list) else values.to_pandas() for name, values in found.items()
    }
    return pd.DataFrame(frames, columns=list(columns))


def _to_values(table: pa.Table, column: str) -> pa.Array | list[str | None]:
    source = _SOURCES.get(column, (column,))
    values = join_chunks(table[source[0]])
    if column == "author":
        return values.indices
    if column == "timestamp_us":
        return values.cast(pa.int64())
    if column == "amount":
        amounts = zip(*(table[name].to_pylist() for name in source), strict=True)
        return [_write_amount(*amount) for amount in amounts]
    if pa.types.is_list(values.type):
        return [None if names is None else dump_names(tuple(names)) for names in values.to_pylist()]
    return values.cast(_TEXT) if values.type == _WORD else values


def join_chunks(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array; the dictionaries of its chunks become one."""
    if not column.num_chunks:
        return pa.array([], column.type)
    joined = column.unify_dictionaries().combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _encode(words: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """Return the distinct words of a dictionary column, and each row's number of its word, -1 for none."""
    array = join_chunks(words)
    numbers = pc.fill_null(array.indices, -1).to_numpy()
    return array.dictionary.to_pylist(), numbers.astype(np.int64)


def _write_amount(amount: Decimal | None, digits: int | None, text: str | None) -> str | None:
    if amount is None or digits is None:
        return read_money(text).amount
    return f"{amount:.{digits}f}"


@contextmanager
def _map_arrow_errors(path: Path) -> Iterator[None]:
    """Raise DamagedStore for what Arrow says of a file."""
    try:
        yield
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error).partition("\n")[0]
        raise DamagedStore(
            f"A file of a data set must be there and whole, and {path} is not ({reason or error!r}). "
            "Make the data set again."
        ) from error
