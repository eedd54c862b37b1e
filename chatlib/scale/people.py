"""The data set by people: a bucket is a hash of the author, and answers for the people in it alone.

First, tasks per stream: who visited it and who paid, and for questions asked during a stream what its viewers
did in it, which depends on everybody there; rows sorted by bucket, a row group each. Then, a task per bucket:
`load_people`, as in notebook 04, over a data set that shows the visits of the bucket's people alone.
Payments are few, so each bucket sees those of all: what they tell of the channel is the same everywhere.
How many people are asked about is added up over the buckets.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chatlib.dataset import Dataset, MessageFile, join_chunks, read_table, to_frame
from chatlib.files import atomic_path, atomic_write
from chatlib.predict.questions import NEXT_STREAM, Question
from chatlib.predict.viewers.people import PRESENT_SOURCES, load_people
from chatlib.predict.viewers.present import ask_viewers
from chatlib.records import CHAT_KINDS, DONATION_KINDS, Stream
from chatlib.scale.cluster import Cluster, Report, Task, prepare_output, run_tasks, write_manifest
from chatlib.scale.streams import StreamItem, plan_streams

__all__ = [
    "Bucket",
    "BucketItem",
    "PresentSettings",
    "SplitSettings",
    "ask_bucket",
    "ask_stream",
    "build_history",
    "complete_bucket",
    "split_stream",
]

_ROWS_A_BUCKET = 2_000_000
_OWNER_BADGES = {"broadcaster", "owner"}
_BUCKETS = b"buckets"  # in the files' metadata: the row group of each bucket, or null
_PEOPLE, _FILES, _PAYMENTS = "people", "files.json", "payments.parquet"
_PAYMENT_COLUMNS = [
    "stream_id", "position", "kind", "author", "offset_s", "bits", "notice", "amount", "currency",
]  # fmt: skip


class SplitSettings(NamedTuple):
    """How many buckets people are dealt to."""

    n_buckets: int


class PresentSettings(NamedTuple):
    """What viewers are asked, the number of buckets, and who owns the channel and is not asked."""

    question: Question
    n_buckets: int
    owners: tuple[str, ...] = ()


# ------------------------------------------------------------------ a stream, by people


def split_stream(item: StreamItem) -> dict[str, Any]:
    """Write a stream's visits by bucket, and its payments; return how many there are, and who owns it."""
    table = read_table(Path(item.folder), item.file)
    table = table.filter(pc.is_valid(table["author_id"]))
    visits = _count_visits(table)
    _write_buckets(item.place(".visits.parquet"), visits, item.settings.n_buckets)
    kinds = table["kind"].cast(pa.string())
    pays = pc.or_(
        pc.is_in(kinds, pa.array(sorted(DONATION_KINDS))), pc.fill_null(pc.greater(table["bits"], 0), False)
    )
    paid = table.filter(pays)
    with atomic_path(item.place(".paid.parquet")) as part:
        pq.write_table(paid, part)
    owners = visits.filter(pc.equal(visits["is_owner"], 1))["author_id"].to_pylist()
    return {"visits": len(visits), "paid": len(paid), "owners": owners}


def ask_stream(item: StreamItem) -> dict[str, Any]:
    """Write what a stream's viewers did in it until they are asked, by bucket; return how many are asked."""
    settings: PresentSettings = item.settings
    dataset, question = item.open(), settings.question
    rows = dataset.load_messages([1], columns=[*PRESENT_SOURCES, "author_id"])
    rows = rows[rows["author_id"].notna() & ~rows["author_id"].isin(settings.owners)].reset_index(drop=True)
    rows["author"], ids = pd.factorize(rows["author_id"])
    paid = (rows["kind"].isin(DONATION_KINDS) | (rows["bits"].fillna(0) > 0)).to_numpy(bool)
    table = ask_viewers(rows, paid, question)
    table = table.assign(author_id=pd.Index(ids)[table["author"]]).drop(columns="author")
    found = pa.Table.from_pandas(table, preserve_index=False)
    _write_buckets(item.place(f".{question.name}.parquet"), found, settings.n_buckets)
    return {"asked": len(table)}


def _deal(author_ids: pa.Array | pa.ChunkedArray, n_buckets: int) -> np.ndarray:
    """Return the bucket of each author."""
    return np.array([crc32(author.encode()) % n_buckets for author in author_ids.to_pylist()], np.int64)


def _count_visits(table: pa.Table) -> pa.Table:
    """Return who was there, as a chat database's `load_attendance` does, with the author's id."""
    authors = join_chunks(table["author_id"])
    badges = table["badges"].to_pylist()
    rows = pd.DataFrame(
        {
            "author": authors.indices.to_numpy(),
            "position": table["position"].to_numpy(),
            "chats": pc.is_in(table["kind"].cast(pa.string()), pa.array(sorted(CHAT_KINDS))).to_numpy(),
            "chars": pc.fill_null(pc.utf8_length(table["text"]), 0).to_numpy(),
            "offset_s": table["offset_s"].to_numpy(),
            "is_owner": [not _OWNER_BADGES.isdisjoint(map(str.lower, titles or ())) for titles in badges],
        }
    )
    groups = rows.groupby("author", sort=True)
    last = groups["position"].idxmax().to_numpy()
    numbers = groups.agg(
        n_rows=("position", "size"),
        chats=("chats", "sum"),
        chars=("chars", "sum"),
        first_s=("offset_s", "min"),
        last_s=("offset_s", "max"),
        is_owner=("is_owner", "max"),
    ).astype({"is_owner": int})
    texts = [None if titles is None else json.dumps(titles, ensure_ascii=False) for titles in badges]
    return pa.table(
        {
            "author_id": authors.dictionary.take(pa.array(numbers.index.to_numpy(np.int64))),
            **{name: pa.array(numbers[name].to_numpy(), from_pandas=True) for name in numbers},
            "badges": pa.array([texts[row] for row in last], pa.string()),
        }
    )


def _write_buckets(path: Path, table: pa.Table, n_buckets: int) -> None:
    """Write rows of people, those of a bucket as one row group."""
    bucket = _deal(table["author_id"], n_buckets)
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(n_buckets + 1))
    groups: list[int | None] = []
    n_groups = 0
    with atomic_path(path) as part, pq.ParquetWriter(part, table.schema, compression="zstd") as file:
        for first, last in pairwise(bounds.tolist()):
            groups.append(n_groups if last > first else None)
            if last > first:
                file.write_table(table.take(pa.array(order[first:last])), row_group_size=last - first)
                n_groups += 1
        file.add_key_value_metadata({_BUCKETS.decode(): json.dumps(groups)})


# ------------------------------------------------------------------ a bucket


class Bucket(Dataset):
    """The people of one bucket. It is read as a chat database is, by `load_people`."""

    def __init__(self, folder: Path, files: Sequence[MessageFile], number: int) -> None:
        super().__init__(folder, {}, list(files))
        self.number = number

    @cached_property
    def authors(self) -> pd.Index:
        """The ids of the bucket's people and then of who paid elsewhere; a person's number is their place."""
        own = sorted(set(self._visits["author_id"]))
        others = sorted(set(self._payments["author_id"]) - set(own))
        return pd.Index([*own, *others])

    def load_attendance(self) -> pd.DataFrame:
        """Return one row per stream and person of the bucket, as a chat database does."""
        visits = self._visits
        table = visits.assign(author=self.authors.get_indexer(pd.Index(visits["author_id"])))
        return table.drop(columns="author_id").sort_values(["stream_id", "author"], ignore_index=True)

    def load_payments(self) -> pd.DataFrame:
        """Return the payments of everybody, as a chat database does."""
        paid = self._payments
        return paid.assign(author=self.authors.get_indexer(pd.Index(paid["author_id"])))[_PAYMENT_COLUMNS]

    def load_present(self, stream_id: int, question: Question) -> pd.DataFrame:
        """Return what the bucket's viewers of a stream did in it, as `ask_viewers` does."""
        table = self._read(stream_id, f".{question.name}.parquet").to_pandas()
        table.insert(0, "author", self.authors.get_indexer(pd.Index(table.pop("author_id"))))
        return table.sort_values("author", ignore_index=True)

    @cached_property
    def _visits(self) -> pd.DataFrame:
        tables = []
        for stream_id in range(1, len(self.files) + 1):
            table = self._read(stream_id, ".visits.parquet")
            tables.append(table.append_column("stream_id", pa.array(np.full(len(table), stream_id))))
        return to_frame(pa.concat_tables(tables), tables[0].column_names)

    @cached_property
    def _payments(self) -> pd.DataFrame:
        columns = [name for name in _PAYMENT_COLUMNS if name != "author"]
        return to_frame(pq.read_table(self.folder / _PAYMENTS), [*columns, "author_id"])

    def _read(self, stream_id: int, suffix: str) -> pa.Table:
        path = self.folder / Path(self.files[stream_id - 1].path).with_suffix(suffix)
        with pq.ParquetFile(path) as file:
            group = json.loads(file.metadata.metadata[_BUCKETS])[self.number]
            return file.schema_arrow.empty_table() if group is None else file.read_row_group(group)


class BucketItem(NamedTuple):
    """One bucket, the question that its people are asked, and the folder of all outputs."""

    out: str
    number: int
    question: Question
    people_asked: Mapping[str, int] = {}  # by stream, over all buckets

    def open(self) -> Bucket:
        """Return the bucket."""
        folder = Path(self.out, _PEOPLE)
        rows = json.loads((folder / _FILES).read_bytes())
        files = [MessageFile(path, Stream(*stream), *rest) for path, stream, *rest in rows]
        return Bucket(folder, files, self.number)

    def place(self, suffix: str) -> Path:
        """Return where an output of this bucket lies."""
        return Path(self.out, self.question.name, f"bucket-{self.number:05}{suffix}.parquet")


def build_history(
    cluster: Cluster, dataset: Dataset, out: str | Path, questions: Sequence[Question], *, n_buckets: int = 0
) -> Report:
    """Ask each question of everybody in a data set, and write what was known of them, a file per bucket.

    `QUESTION/bucket-N.parquet` has platform, video_id (null is the stream to come), channel, author_id,
    started_at, moment_s, paid, came, and the features of `load_people`. By default a bucket has two million
    messages. Results of the report are the buckets'.
    """
    out = prepare_output(out, "history")
    n_messages = sum(file.n_messages for file in dataset.files)
    settings = SplitSettings(n_buckets or -(-n_messages // _ROWS_A_BUCKET))
    streams = plan_streams(dataset, out / _PEOPLE, settings)
    split = run_tasks(cluster, split_stream, streams, out, command="split", settings=settings)
    done = [task for task in streams if task.key in split.results]
    owners = _find_owners(done, split.results)
    made_of = _write_people(out / _PEOPLE, done, owners)
    results: dict[str, Any] = {}
    failed, n_known = dict(split.failed), 0
    answered = []
    for question in questions:
        report = Report({}, 0, {})
        if question.name != NEXT_STREAM:
            report = _ask_streams(cluster, out, question, done, owners, settings.n_buckets)
        if not report.failed:  # else nobody is asked: a stream would be missing that others know
            report = _ask_everybody(cluster, out, question, made_of, settings.n_buckets)
        if not report.failed:
            answered.append(question.name)
            results |= report.results
        failed |= report.failed
        n_known += report.n_known
    rows = sum(result["rows"] for result in results.values())
    report = Report(results, n_known, failed)
    write_manifest(out, "history", report, questions=answered, n_buckets=settings.n_buckets, rows=rows)
    return report


def _ask_streams(
    cluster: Cluster, out: Path, question: Question, streams: Sequence[Task], owners: Mapping[Path, set[str]],
    n_buckets: int,
) -> Report:  # fmt: skip
    """Ask the viewers of each stream, who did what in it."""
    tasks = []
    for task in streams:
        of_channel = tuple(sorted(owners[task.item.place("").parent]))
        item = task.item._replace(settings=PresentSettings(question, n_buckets, of_channel))
        tasks.append(Task(task.name, f"{question.name}-{task.key}", f"{task.made_of} {of_channel}", item))
    settings = (question, n_buckets)
    return run_tasks(cluster, ask_stream, tasks, out, command=question.name, settings=settings)


def _find_owners(tasks: Sequence[Task], results: Mapping[str, Any]) -> dict[Path, set[str]]:
    """Return who wore the owner's badge in some stream, by the folder of the channel."""
    owners: dict[Path, set[str]] = {}
    for task in tasks:
        owners.setdefault(task.item.place("").parent, set()).update(results[task.key]["owners"])
    return owners


def _ask_everybody(cluster: Cluster, out: Path, question: Question, made_of: str, n_buckets: int) -> Report:
    """Ask a question in every bucket, and then tell each how many were asked about in all."""
    name = question.name
    items = [BucketItem(str(out), number, question) for number in range(n_buckets)]
    tasks = [Task(f"{name}/{item.number}", f"{name}-{item.number:05}", made_of, item) for item in items]
    asked = run_tasks(cluster, ask_bucket, tasks, out, command=name, settings=question)
    if asked.failed:  # without a bucket nobody knows how many are asked about
        return asked._replace(results={})
    people_asked: Counter[str] = Counter()
    for result in asked.results.values():
        people_asked.update(result["recent"])
    made_of += json.dumps(people_asked, sort_keys=True)
    whole = [
        Task(task.name, f"{task.key}-whole", made_of, task.item._replace(people_asked=people_asked))
        for task in tasks
    ]
    return run_tasks(cluster, complete_bucket, whole, out, command=name, settings=question)


def ask_bucket(item: BucketItem) -> dict[str, Any]:
    """Ask the people of a bucket; write their table, and return how many were asked about in each stream."""
    bucket = item.open()
    if bucket.load_attendance().empty:
        return {"rows": 0, "recent": {}}
    people = load_people(bucket, item.question, present=bucket.load_present)
    table = people.table.reset_index(drop=True)
    streams = pd.DataFrame([file.stream._asdict() for file in bucket.files])[["platform", "video_id"]]
    streams.index += 1
    keys = streams.reindex(table["stream_id"]).reset_index(drop=True)
    named = keys.assign(channel=table["channel"], author_id=bucket.authors[table["author"]])
    rest = table.drop(columns=["stream_id", "channel", "author"])
    named = named.assign(stream_id=table["stream_id"]).join(rest)
    with atomic_path(item.place(".part")) as part:
        pq.write_table(pa.Table.from_pandas(named, preserve_index=False), part)
    recent = {f"{channel} {stream_id}": n for (channel, stream_id), n in people.recent.items()}
    return {"rows": len(table), "recent": recent}


def complete_bucket(item: BucketItem) -> dict[str, Any]:
    """Write a bucket's table with the number of people asked about in all buckets."""
    path = item.place(".part")
    if not path.is_file():
        return {"rows": 0}
    table = pq.read_table(path)
    places = zip(table["channel"].to_pylist(), table["stream_id"].to_pylist(), strict=True)
    counts = np.array([item.people_asked[f"{channel} {stream}"] for channel, stream in places], np.float32)
    place = table.schema.get_field_index("people_asked")
    table = table.set_column(place, "people_asked", pa.array(counts)).drop_columns(["stream_id"])
    with atomic_path(item.place("")) as part:
        pq.write_table(table, part, compression="zstd")
    return {"rows": len(table)}


def _write_people(folder: Path, tasks: Sequence[Task], owners: Mapping[Path, set[str]]) -> str:
    """Write which streams there are and who paid in them; return what both are made of.

    A channel's owner pays nothing on it.
    """
    places = [task.item.place(".parquet").relative_to(folder) for task in tasks]
    files = [(place.as_posix(), *task.item.file[1:]) for place, task in zip(places, tasks, strict=True)]
    atomic_write(folder / _FILES, json.dumps(files))
    tables = []
    for stream_id, task in enumerate(tasks, 1):
        table = pq.read_table(task.item.place(".paid.parquet"), partitioning=None)
        of_channel = pa.array(sorted(owners[task.item.place("").parent]), pa.string())
        table = table.filter(pc.invert(pc.is_in(table["author_id"].cast(pa.string()), of_channel)))
        tables.append(table.append_column("stream_id", pa.array(np.full(len(table), stream_id))))
    with atomic_path(folder / _PAYMENTS) as part:
        pq.write_table(pa.concat_tables(tables), part)
    return " ".join(task.made_of for task in tasks)
