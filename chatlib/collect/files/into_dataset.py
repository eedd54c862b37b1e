"""Into a Parquet data set and out of it: a chat database, with pseudonyms on request, and chat files.

Each file becomes a part of its own, then parts become streams. A part's name is the digest of the file that
it was made of, so a file that is read twice is written once. A stream of several files (a capture and its
replay, for one) is joined as the chat database joins it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from chatlib.ahead import map_ahead
from chatlib.collect.files.formats import digest_content, log_view, read_listed_file
from chatlib.collect.files.importing import (
    MIN_BYTES,
    OF_ANOTHER,
    FileReport,
    ImportReport,
    choose_files,
    is_named_by_file,
    is_of_another,
    keep_state,
)
from chatlib.collect.files.parsing import SQLITE_MAGIC, read_head
from chatlib.dataset import (
    MANIFEST,
    SCHEMAS,
    Dataset,
    MessageFile,
    finish_dataset,
    iter_message_files,
    make_message_path,
    open_dataset,
    prepare_dataset,
    read_message_file,
    read_table,
    save_messages,
    tabulate_messages,
    write_messages,
)
from chatlib.errors import DamagedStore, ParameterError, SourceError
from chatlib.files import atomic_write, read_file
from chatlib.records import Clip, HeatStep, Message
from chatlib.store import Store, open_store
from chatlib.text import hide_mentions
from chatlib.workspace import progress_bar, rare_gc

__all__ = [
    "FileTask",
    "Plan",
    "Pseudonyms",
    "export_store",
    "finish_import",
    "import_dataset",
    "import_file",
    "import_into_dataset",
    "plan_import",
]

PARTS = "parts"
_KNOWN = "known.json"
_PSEUDONYMS = (
    "A data set of pseudonyms takes in nothing else, since their key is kept nowhere, and {} is one. Name "
    "another folder, or import into the chat database and export that again."
)
_OF_PEOPLE = (
    "A stream of pseudonyms is stored where it is new, and {} is in already with other messages: each would "
    "be there twice. Import the data set into a database of its own."
)
_MISSING = (
    "A stream's file must be there, and that of {name} with {n:,} messages is not: the data set holds the "
    "stream no more. Import its chat again."
)
_ONE_STREAM = (
    "Files of one stream are read into a data set, and {name} holds several: import it into a chat database, "
    "and export that."
)
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


# ------------------------------------------------------------------ a database's


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


def import_dataset(db: Store, dataset: Dataset) -> ImportReport:
    """Store all of a data set in a chat database, each stream whole or not at all; what is there stays.

    Streams whose file is missing or damaged are reported, and the others go on.
    """
    reports: list[FileReport] = []
    stream_ids: dict[tuple[str, str], int] = {}
    with rare_gc():
        for file in progress_bar(dataset.files, total=len(dataset.files), desc="import"):
            path, key = dataset.folder / file.path, (file.stream.platform, file.stream.video_id)
            try:
                ids = _load_ids(dataset.folder, [file]) if dataset.manifest.get("pseudonyms") else ()
                if is_of_another(db, file.stream, ids):
                    reports.append(FileReport(path, "failed", error=_OF_PEOPLE.format("/".join(key))))
                    continue
                saved = save_messages(db, dataset.folder, file)
            except DamagedStore as error:
                reports.append(FileReport(path, "failed", error=str(error)))
                continue
            stream_ids[key] = saved.stream_id
            counts = saved.stream_id, file.n_messages, saved.added
            reports.append(FileReport(path, "imported", "data set", "/".join(key), *counts))
    clips, heatmaps = dataset.load_beside("clips"), dataset.load_beside("heatmaps")
    for key in clips.keys() & stream_ids.keys():
        db.save_clips(stream_ids[key], [Clip(**row) for row in clips[key]])
    for key in heatmaps.keys() & stream_ids.keys():
        db.save_heatmap(stream_ids[key], [HeatStep(**row) for row in heatmaps[key]])
    return ImportReport(reports, [], db.count_content(stream_ids.values()))


# ------------------------------------------------------------------ of chat files


class FileTask(NamedTuple):
    """A chat file to read, what the list of streams says of it, and the data set's folder."""

    path: str
    row: Mapping[str, str]
    folder: str


class Plan(NamedTuple):
    """What an import will read, what it leaves alone, and lists or folders that could not be read."""

    folder: Path
    tasks: list[FileTask]
    ignored: list[Path]
    failed: list[FileReport]
    missing: list[MessageFile]  # of the data set's streams


def import_into_dataset(paths: Sequence[str | Path], folder: str | Path, *, limit: int = 0) -> ImportReport:
    """Import chat files, or folders of them, into a data set; what is in already is not read again.

    Raises: as `plan_import`.
    """
    plan = plan_import(paths, folder, limit=limit)
    size = sum(Path(task.path).stat().st_size for task in plan.tasks)
    workers = (os.cpu_count() or 1) if size > MIN_BYTES and len(plan.tasks) > 1 else 0
    ahead = map_ahead(import_file, plan.tasks, workers=workers, processes=True, on_lost=_report_lost)
    with closing(ahead):
        return finish_import(plan, progress_bar(ahead, total=len(plan.tasks), desc="import", unit="file"))


def plan_import(paths: Sequence[str | Path], folder: str | Path, *, limit: int = 0) -> Plan:
    """Return what an import into a data set's folder will read, and prepare the folder.

    Raises: MissingSource for a path that is not there; ParameterError for a folder with other things in it,
    or a data set of pseudonyms.
    """
    kept, ignored, failed = choose_files(paths, limit=limit)
    target = Path(folder).absolute()
    dataset = open_dataset(target) if (target / MANIFEST).is_file() else Dataset(target, {})
    if dataset.manifest.get("pseudonyms"):
        raise ParameterError(_PSEUDONYMS.format(folder))
    known = {digest: file.n_messages for file in iter_message_files(target) for digest in file.sources}
    prepare_dataset(target)
    atomic_write(target / PARTS / _KNOWN, json.dumps(known))
    _load_known.cache_clear()
    tasks = [FileTask(str(f.path.absolute()), dict(f.row), str(target)) for f in kept]
    missing = []
    with suppress(DamagedStore):  # there is no table of streams yet, or it is made anew
        missing = [file for file in dataset.files if not (target / file.path).is_file()]
    return Plan(target, tasks, ignored, failed, missing)


@rare_gc()
def import_file(task: FileTask) -> FileReport:
    """Read one chat file and write its part; return what became of it."""
    path, folder = Path(task.path), Path(task.folder)
    if read_head(path).startswith(SQLITE_MAGIC):
        return FileReport(path, "failed", error=_ONE_STREAM.format(name=path.name))
    try:
        digest = digest_content(read_file(path), name=path.name, row=task.row)
    except SourceError as error:
        return FileReport(path, "failed", error=str(error))
    part = Path(PARTS, f"{digest}.parquet")
    known = _load_known(folder / PARTS / _KNOWN)
    if digest in known or (folder / part).is_file():
        n_rows = known[digest] if digest in known else read_message_file(folder, part).n_messages
        return FileReport(path, "known", n_rows=n_rows, content=digest)
    file = read_listed_file(path, task.row)
    if len(file.chats) != 1:
        return FileReport(path, "failed", error=str(file.error or _ONE_STREAM.format(name=path.name)))
    (chat,) = file.chats
    log_view(chat, path)
    table = _tabulate(chat.stream.video_id, chat.messages)
    write_messages(folder, part, chat.stream, [table], sources=[digest])
    name, counts = f"{chat.stream.platform}/{chat.stream.video_id}", (len(chat.messages), len(table))
    skipped = dict(chat.skipped)
    return FileReport(path, "imported", chat.format, name, None, *counts, skipped, content=digest)


def finish_import(plan: Plan, reports: Iterable[FileReport]) -> ImportReport:
    """Make streams of the parts, write what lies beside them, and return what the import did."""
    reports, folder = list(reports), plan.folder
    files = {(file.stream.platform, file.stream.video_id): file for file in iter_message_files(folder)}
    tasks = {report.content: task for report, task in zip(reports, plan.tasks, strict=True)}
    left = {path.stem for path in (folder / PARTS).glob("[!.]*.parquet")}
    parts: dict[tuple[str, str], list[MessageFile]] = {}
    refused: dict[str, FileReport] = {}
    for content in [*(content for content in tasks if content in left), *sorted(left - tasks.keys())]:
        part = read_message_file(folder, Path(PARTS, f"{content}.parquet"))
        key = (part.stream.platform, part.stream.video_id)
        of_stream = parts.setdefault(key, [files[key]] if key in files else [])
        task = tasks.get(content)
        if task and is_named_by_file(part.stream, Path(task.path), task.row):
            own, known = _load_ids(folder, [part]), _load_ids(folder, of_stream)
            if own and known and known.isdisjoint(own):
                error = OF_ANOTHER.format(part.stream.video_id)
                refused[content] = FileReport(Path(task.path), "failed", error=error)
                continue
        of_stream.append(part)
    files |= {key: _join(folder, of_stream) for key, of_stream in parts.items()}
    dataset = finish_dataset(folder, files.values())
    shutil.rmtree(folder / PARTS)  # and what a process that was killed left
    totals = {name: int(str(dataset.manifest[name])) for name in ("streams", "messages", "authors")}
    reports = [refused.get(report.content, report) for report in reports]
    for file in plan.missing:
        if (key := (file.stream.platform, file.stream.video_id)) not in files:
            error = _MISSING.format(n=file.n_messages, name="/".join(key))
            reports.append(FileReport(folder / file.path, "failed", error=error))
    return ImportReport([*plan.failed, *reports], plan.ignored, totals)


@lru_cache(maxsize=1)
def _load_known(path: Path) -> dict[str, int]:
    return json.loads(path.read_bytes())


def _report_lost(task: FileTask) -> FileReport:
    error = "The reader's process ended on this file; is it far too large?"
    return FileReport(Path(task.path), "failed", error=error)


def _tabulate(video_id: str, messages: list[Message]) -> pa.Table:
    """Return a file's messages as the database keeps them: each id and kind once, one name a person."""
    first: dict[tuple[str, str], int] = {}
    names: dict[str, str] = {}
    for position, m in enumerate(messages):
        first.setdefault((m.message_id, m.kind), position)
        if m.author_id is not None and m.author_name is not None:
            names[m.author_id] = m.author_name
    offsets_s = [-math.inf if m.offset_s is None else m.offset_s for m in messages]
    positions = sorted(first.values(), key=lambda position: (offsets_s[position], position))
    columns: dict[str, Sequence] = dict.fromkeys(Message._fields, ())
    if positions:
        rows = zip(*(messages[position] for position in positions), strict=True)
        columns = dict(zip(Message._fields, rows, strict=True))
    columns["author_name"] = [names.get(author_id) for author_id in columns["author_id"]]
    return tabulate_messages(video_id, columns | {"position": positions})


def _load_ids(folder: Path, files: Iterable[MessageFile]) -> set[str]:
    tables = (read_table(folder, file, ["message_id"]) for file in files)
    return {message_id for table in tables for message_id in table["message_id"].to_pylist()}


def _join(folder: Path, parts: list[MessageFile]) -> MessageFile:
    """Make one message file of a stream's parts, the oldest first, and remove the parts."""
    target = make_message_path(parts[-1].stream)
    if len(parts) == 1:
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / parts[0].path).replace(folder / target)
        return parts[0]._replace(path=target.as_posix())
    with (
        tempfile.TemporaryDirectory(dir=folder / PARTS) as place,
        open_store(f"{place}/chat.dbs", create=True) as db,
    ):
        for part in parts:
            stream = part.stream if part.n_messages else keep_state(db, part.stream)
            save_messages(db, folder, part, stream)
        ((stream_id, stream),) = db.load_stream_records().items()
        batches = db.iter_message_columns(stream_id)
        tables = (tabulate_messages(stream.video_id, columns) for columns in batches)
        sources = list(dict.fromkeys(digest for part in parts for digest in part.sources))
        joined = write_messages(folder, make_message_path(stream), stream, tables, sources=sources)
    for part in parts:
        if part.path != joined.path:
            (folder / part.path).unlink()
    return joined
