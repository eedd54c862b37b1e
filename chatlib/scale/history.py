"""What was known of everybody before each stream of a data set; forecasters taught by it, and their scores.

A bucket is a hash of the author, and answers for its people of one channel alone. First, tasks per stream:
who visited it, paid or joined, and for questions asked during a stream what viewers did in it, which depends
on everybody there; rows sorted by bucket. Then, a task per bucket: `load_people`, as in notebook 04, over a
channel that shows the visits of the bucket's people alone. Payments and memberships are few, so each bucket
sees those of all, which tell of the channel the same. How many people are asked about is added up over a
channel's buckets. A forecaster learns from a sample of all buckets, and scores one after the other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.special import expit

from chatlib.dataset import (
    Dataset,
    MessageFile,
    join_chunks,
    read_parquet,
    read_table,
    to_frame,
    write_parquet,
)
from chatlib.errors import MissingSource, NotEnoughData
from chatlib.predict import NEXT_STREAM, Question
from chatlib.predict.forecast import Forecaster, fit_forecaster, load_forecaster
from chatlib.predict.viewers.people import NEXT, PRESENT_SOURCES, People, load_people, number_channels
from chatlib.predict.viewers.present import ask_viewers
from chatlib.records import CHAT_KINDS, DONATION_KINDS, MEMBER_NOTICES, Stream
from chatlib.scale.cluster import (
    Cluster,
    Report,
    Task,
    prepare_output,
    read_manifest,
    run_tasks,
    write_manifest,
)
from chatlib.scale.streams import StreamItem, plan_streams

__all__ = ["build_history", "load_history", "read_questions", "score_history", "teach_forecaster"]

_ROWS_A_BUCKET = 2_000_000
_OWNER_BADGES = ("broadcaster", "owner")
_ROW_GROUP = 16_384  # rows: Parquet skips those groups that have none of a bucket
_PEOPLE = "people"
_KEYS = ["platform", "video_id", "channel", "author_id", "started_at"]
_PAID = ["position", "kind", "offset_s", "bits", "notice", "amount", "currency"]
_EVENT_SOURCES = ["author_id", "text", *_PAID, "amount_digits", "amount_text"]


class BucketSettings(NamedTuple):
    """How many buckets the people of a channel are dealt to, and what they are asked during a stream.

    The channel's `owners` are not asked.
    """

    n_buckets: int
    question: Question = Question()
    owners: tuple[str, ...] = ()


# ------------------------------------------------------------------ a stream, by people


def split_stream(item: StreamItem) -> dict[str, Any]:
    """Write a stream's visits by bucket, and its payments; return how many there are, and who owns it."""
    table = read_table(Path(item.folder), item.file, [*_EVENT_SOURCES, "badges"])
    table = table.filter(pc.is_valid(table["author_id"]))
    visits = _count_visits(table)
    _write_buckets(item.place(".visits.parquet"), visits, item.settings.n_buckets)
    kinds = table["kind"].cast(pa.string())
    pays = pc.or_(
        pc.is_in(kinds, pa.array(sorted(DONATION_KINDS))), pc.fill_null(pc.greater(table["bits"], 0), False)
    )
    joins = pc.is_in(kinds, pa.array(sorted(MEMBER_NOTICES)))
    events = table.select(_EVENT_SOURCES).append_column("pays", pays).filter(pc.or_(pays, joins))
    write_parquet(events, item.place(".events.parquet"))
    owners = visits.filter(pc.equal(visits["is_owner"], 1))["author_id"].to_pylist()
    return {"visits": len(visits), "paid": pc.sum(events["pays"], min_count=0).as_py(), "owners": owners}


def ask_stream(item: StreamItem) -> dict[str, Any]:
    """Write what a stream's viewers did in it until they are asked, by bucket; return how many are asked."""
    settings: BucketSettings = item.settings
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


def _count_visits(table: pa.Table) -> pa.Table:
    """Return who was there, as a chat database's `load_attendance` does, with the author's id."""
    table = table.sort_by("position")
    badges = join_chunks(table["badges"])
    is_owners = pc.is_in(pc.utf8_lower(pc.list_flatten(badges)), pa.array(_OWNER_BADGES))
    is_owner = np.zeros(len(table), np.int64)
    is_owner[pc.list_parent_indices(badges).filter(is_owners).to_numpy()] = 1
    is_chat = pc.is_in(table["kind"].cast(pa.string()), pa.array(sorted(CHAT_KINDS)))
    rows = {
        "author_id": table["author_id"].cast(pa.string()),
        "row": np.arange(len(table)),
        "chats": is_chat.cast(pa.int64()),
        "chars": pc.fill_null(pc.utf8_length(table["text"]), 0),
        "offset_s": table["offset_s"],
        "is_owner": is_owner,
    }
    sums = [("row", "count"), ("chats", "sum"), ("chars", "sum"), ("offset_s", "min"), ("offset_s", "max")]
    groups = pa.table(rows).group_by("author_id").aggregate([*sums, ("is_owner", "max"), ("row", "max")])
    last = badges.take(join_chunks(groups["row_max"])).to_pylist()
    texts = [None if titles is None else json.dumps(titles, ensure_ascii=False) for titles in last]
    columns = [*groups.drop_columns("row_max").columns, pa.array(texts, pa.string())]
    names = ["author_id", "n_rows", "chats", "chars", "first_s", "last_s", "is_owner", "badges"]
    return pa.table(columns, names)


def _write_buckets(path: Path, table: pa.Table, n_buckets: int) -> None:
    """Write rows of people, sorted by their bucket."""
    buckets = [crc32(author.encode()) % n_buckets for author in table["author_id"].to_pylist()]
    table = table.append_column("bucket", pa.array(buckets, pa.int32())).sort_by("bucket")
    write_parquet(table, path, row_group_size=_ROW_GROUP)


# ------------------------------------------------------------------ a bucket


class BucketItem(NamedTuple):
    """One bucket: the channel it is of, which of the channel's buckets it is, and what its people are asked.

    `number` is its place among all buckets, `out` the folder of all outputs, `settings` those of its streams.
    """

    out: str
    number: int
    files: Sequence[MessageFile]
    channel: int
    place_in_channel: int
    settings: BucketSettings
    people_asked: Mapping[int, int] = {}  # by stream, over all buckets of the channel

    def place(self, suffix: str) -> Path:
        """Return where an output of this bucket lies."""
        return Path(self.out, self.settings.question.name, f"bucket-{self.number:05}{suffix}.parquet")


class Bucket(Dataset):
    """The people of one bucket. It is read as a chat database is, by `load_people`."""

    def __init__(self, item: BucketItem) -> None:
        super().__init__(Path(item.out, _PEOPLE), {}, list(item.files))
        self._item = item

    @cached_property
    def authors(self) -> pd.Index:
        """The ids of the bucket's people and then of who paid elsewhere; a person's number is their place."""
        own = sorted(set(self._visits["author_id"]))
        others = sorted(set(self._events["author_id"]) - set(own))
        return pd.Index([*own, *others])

    def load_attendance(self) -> pd.DataFrame:
        """Return one row per stream and person of the bucket, as a chat database does."""
        return self._number_authors(self._visits).sort_values(["stream_id", "author"], ignore_index=True)

    def load_notices(self) -> pd.DataFrame:
        """Return the payments and memberships of all but the channel's owners, as a chat database does."""
        events = self._events[~self._events["author_id"].isin(self._item.settings.owners)]
        return self._number_authors(events)

    def load_present(self, stream_id: int, question: Question) -> pd.DataFrame:
        """Return what the bucket's viewers of a stream did in it, as `ask_viewers` does."""
        table = self._read_own(self._locate(stream_id, f".{question.name}.parquet")).to_pandas()
        return self._number_authors(table).sort_values("author", ignore_index=True)

    def _number_authors(self, table: pd.DataFrame) -> pd.DataFrame:
        numbers = self.authors.get_indexer(pd.Index(table["author_id"]))
        return table.drop(columns="author_id").assign(author=numbers)

    @cached_property
    def _visits(self) -> pd.DataFrame:
        table = self._collect(".visits.parquet", self._read_own)
        return to_frame(table, table.column_names)

    @cached_property
    def _events(self) -> pd.DataFrame:
        table = self._collect(".events.parquet", read_parquet)
        return to_frame(table, ["stream_id", *_PAID, "pays", "author_id"])

    def _collect(self, suffix: str, read: Callable[[Path], pa.Table]) -> pa.Table:
        """Return the rows that all streams have of something, with their stream's number."""
        tables = []
        for stream_id in range(1, len(self.files) + 1):
            table = read(self._locate(stream_id, suffix))
            tables.append(table.append_column("stream_id", pa.array(np.full(len(table), stream_id))))
        return pa.concat_tables(tables)

    def _locate(self, stream_id: int, suffix: str) -> Path:
        return self.folder / Path(self.files[stream_id - 1].path).relative_to("messages").with_suffix(suffix)

    def _read_own(self, path: Path) -> pa.Table:
        own = [("bucket", "=", self._item.place_in_channel)]
        return read_parquet(path, filters=own).drop_columns("bucket")


class _Channel(NamedTuple):
    """A channel, the tasks of its streams (oldest first), its buckets' numbers, and who owns it."""

    number: int
    streams: Sequence[Task]
    buckets: Sequence[int]
    owners: tuple[str, ...] = ()

    def plan_streams(self, question: Question | None = None) -> list[Task]:
        """Return the tasks of its streams: to be split, or asked a question."""
        settings = BucketSettings(len(self.buckets), question or Question(), self.owners)
        prefix = f"{question.name}-" if question else ""
        return [
            task._replace(
                key=prefix + task.key,
                made_of=f"{task.made_of} by bucket {settings}",
                item=task.item._replace(settings=settings),
            )
            for task in self.streams
        ]

    def plan_buckets(self, question: Question, out: Path) -> list[Task]:
        """Return a task for each of its buckets."""
        settings = BucketSettings(len(self.buckets), question, self.owners)
        made_of = " ".join([*(task.made_of for task in self.streams), repr(settings)])
        files = [task.item.file for task in self.streams]
        tasks = []
        for place, number in enumerate(self.buckets):
            item = BucketItem(str(out), number, files, self.number, place, settings)
            tasks.append(Task(f"{question.name}/{number}", f"{question.name}-{number:05}", made_of, item))
        return tasks


def build_history(
    cluster: Cluster, dataset: Dataset, out: str | Path, questions: Sequence[Question], *, n_buckets: int = 0
) -> Report:
    """Ask each question of everybody in a data set, and write what was known of them, a file per bucket.

    `QUESTION/bucket-N.parquet` has platform, video_id (null is the stream to come), channel, author_id,
    started_at, moment_s, paid, came, and the features of `load_people`. Each channel has buckets of its own,
    by default one for two million messages. Results of the report are the buckets'.
    Raises: NotEnoughData without a dated stream.
    """
    out = prepare_output(out, "history")
    channels = _plan_channels(dataset, out, n_buckets)
    streams = [task for channel in channels for task in channel.plan_streams()]
    split = run_tasks(cluster, split_stream, streams, out, command="split")
    channels = [_keep_done(channel, split) for channel in channels]
    results: dict[str, Any] = {}
    failed, n_known = dict(split.failed), 0
    answered = []
    for question in questions:
        report = Report({}, 0, {})
        if question.name != NEXT_STREAM:
            asked = [task for channel in channels for task in channel.plan_streams(question)]
            report = run_tasks(cluster, ask_stream, asked, out, command=question.name)
        if not report.failed:  # else nobody is asked: a stream would be missing that others know
            report = _ask_everybody(cluster, out, question, channels)
        if not report.failed:
            answered.append(question.name)
            results |= report.results
        failed |= report.failed
        n_known += report.n_known
    rows = sum(result["rows"] for result in results.values())
    report = Report(results, n_known, failed)
    n_buckets = sum(len(channel.buckets) for channel in channels)
    write_manifest(out, "history", report, questions=answered, n_buckets=n_buckets, rows=rows)
    return report


def _plan_channels(dataset: Dataset, out: Path, n_buckets: int) -> list[_Channel]:
    """Return the channels with their dated streams, and buckets that are numbered through."""
    tasks = [task for task in plan_streams(dataset, out / _PEOPLE, None) if task.item.file.stream.started_at]
    if not tasks:
        raise NotEnoughData(
            f"A history needs streams with messages and a date, and none of {len(dataset.files)} has both. "
            "Give the dates in streams.csv, and make the data set again."
        )
    streams = pd.DataFrame([task.item.file.stream for task in tasks], columns=Stream._fields)
    numbers = count()
    channels = []
    for number, places in enumerate(streams.groupby(number_channels(streams)).indices.values()):
        own = [tasks[place] for place in places]
        n_own = n_buckets or -(-sum(task.item.file.n_messages for task in own) // _ROWS_A_BUCKET)
        channels.append(_Channel(number, own, [next(numbers) for _ in range(n_own)]))
    return channels


def _keep_done(channel: _Channel, split: Report) -> _Channel:
    """Return a channel with the streams that could be read, and who wore the owner's badge in one."""
    done = [task for task in channel.streams if task.key in split.results]
    owners = {owner for task in done for owner in split.results[task.key]["owners"]}
    return channel._replace(streams=done, owners=tuple(sorted(owners)))


def _ask_everybody(cluster: Cluster, out: Path, question: Question, channels: Sequence[_Channel]) -> Report:
    """Ask a question in every bucket, and then tell each how many were asked about in its channel."""
    tasks = [task for channel in channels for task in channel.plan_buckets(question, out)]
    asked = run_tasks(cluster, ask_bucket, tasks, out, command=question.name)
    if asked.failed:  # without a bucket nobody knows how many are asked about
        return asked._replace(results={})
    people_asked: dict[int, Counter[int]] = {channel.number: Counter() for channel in channels}
    for task in tasks:
        people_asked[task.item.channel].update(dict(asked.results[task.key]["recent"]))
    whole = []
    for task in tasks:
        of_channel = people_asked[task.item.channel]
        made_of = f"{task.made_of} {sorted(of_channel.items())}"
        item = task.item._replace(people_asked=of_channel)
        whole.append(Task(task.name, f"{task.key}-whole", made_of, item))
    return run_tasks(cluster, complete_bucket, whole, out, command=question.name)


def ask_bucket(item: BucketItem) -> dict[str, Any]:
    """Ask the people of a bucket; write their table, and return how many were asked about in each stream."""
    bucket = Bucket(item)
    if bucket.load_attendance().empty:
        return {"rows": 0, "recent": []}
    streams = bucket.load_streams().set_index("stream_id")
    everywhere = {NEXT, *streams.index}  # also where the channel has only one
    people = load_people(bucket, item.settings.question, only=everywhere, present=bucket.load_present)
    table = people.table.reset_index(drop=True)
    keys = streams[["platform", "video_id"]].reindex(table["stream_id"]).reset_index(drop=True)
    named = keys.assign(channel=item.channel, author_id=bucket.authors[table["author"]])
    rest = table.drop(columns=["stream_id", "channel", "author"])
    named = named.assign(stream_id=table["stream_id"]).join(rest)
    write_parquet(pa.Table.from_pandas(named, preserve_index=False), item.place(".part"))
    return {"rows": len(table), "recent": [(stream_id, n) for (_, stream_id), n in people.recent.items()]}


def complete_bucket(item: BucketItem) -> dict[str, Any]:
    """Write a bucket's table with the number of people asked about in all buckets of the channel."""
    path = item.place(".part")
    if not path.is_file():
        return {"rows": 0}
    table = read_parquet(path)
    counts = np.array([item.people_asked[stream] for stream in table["stream_id"].to_pylist()], np.float32)
    place = table.schema.get_field_index("people_asked")
    table = table.set_column(place, "people_asked", pa.array(counts)).drop_columns(["stream_id"])
    write_parquet(table, item.place(""))
    return {"rows": len(table)}


# ------------------------------------------------------------------ learning and scoring


def score_history(cluster: Cluster, history: str | Path, forecasters: str | Path, out: str | Path) -> Report:
    """Score everybody in a history by each question for which there is a forecaster.

    `QUESTION/bucket-N.parquet` has platform, video_id (null is the stream to come), channel, author_id,
    started_at and the forecaster's p_pays (for the next stream p_comes and p_pays_if_comes too).
    Raises: MissingSource without a finished history; ModelError if there is no forecaster for it.
    """
    questions, forecasters = read_questions(history), Path(forecasters).absolute()
    known = [name for name in questions if (forecasters / name).is_dir()]
    for name in known or questions[:1]:
        load_forecaster(forecasters, name)  # one that is missing or damaged is said here, once
    out = prepare_output(out, "score")
    tasks = []
    for name in known:
        card = (forecasters / name / "forecaster.json").stat().st_mtime_ns
        for path in sorted((Path(history) / name).glob("bucket-?????.parquet")):
            found = path.stat()
            made_of = f"{found.st_size} {found.st_mtime_ns} {card}"
            tasks.append(Task(f"{name}/{path.stem}", f"{name}-{path.stem}", made_of, path.absolute()))
    work = partial(score_bucket, forecasters=forecasters, out=out)
    report = run_tasks(cluster, work, tasks, out, command="score")
    n_rows = sum(result["rows"] for result in report.results.values())
    write_manifest(out, "score", report, questions=known, rows=n_rows)
    return report


def score_bucket(path: Path, *, forecasters: Path, out: Path) -> dict[str, Any]:
    """Write the scores of a bucket, which lies in its question's folder; return how many there are."""
    question, table = path.parent.name, read_parquet(path).to_pandas()
    scores = table[_KEYS].copy()
    for name, trees in load_forecaster(forecasters, question).trees.items():
        scores[f"p_{name}"] = expit(trees.score(table))
    write_parquet(pa.Table.from_pandas(scores, preserve_index=False), out / question / path.name)
    return {"rows": len(scores)}


def teach_forecaster(
    history: str | Path, question: Question, *, max_rows: int = 2_000_000, seed: int = 0
) -> Forecaster:
    """Return a forecaster fitted on a history's people of all channels, or a random part of them.

    Raises: MissingSource without a finished history; NotEnoughData if nobody in it pays.
    """
    people = load_history(history, question, max_rows=max_rows, seed=seed)
    if not people.table["paid"].any():
        raise NotEnoughData(
            f"A forecaster learns from people who paid, and of {len(people.table):,} nobody did."
        )
    return fit_forecaster(people, seed=seed)


def load_history(
    history: str | Path, question: Question, *, max_rows: int = 2_000_000, seed: int = 0
) -> People:
    """Return who was asked a question in a history, at most about `max_rows` of them, at random."""
    if question.name not in read_questions(history):
        raise MissingSource(
            f"The history in {history} does not answer {question.name!r}. Build it with that question."
        )
    paths = sorted((Path(history) / question.name).glob("bucket-?????.parquet"))
    n_rows = sum(pq.read_metadata(path).num_rows for path in paths)
    rng = np.random.default_rng(seed)
    parts = []
    for path in paths:
        table = read_parquet(path)
        kept = rng.random(len(table)) < max_rows / max(n_rows, 1)
        parts.append(table.filter(pa.array(kept)).to_pandas())
    table = pd.concat(parts, ignore_index=True)
    streams, _ = pd.factorize(table["platform"].fillna("") + "/" + table["video_id"].fillna(""))
    table["stream_id"] = np.where(table["video_id"].isna(), NEXT, streams)
    amounts = pd.DataFrame(columns=["channel", "author", "amount", "currency"])
    return People(question, table, amounts, pd.Series(dtype=int))


def read_questions(history: str | Path) -> list[str]:
    """Return the questions that a history was built with. Raises: MissingSource without a finished one."""
    manifest = read_manifest(Path(history))
    if manifest.get("format") == "chatlib scale history":
        return [str(name) for name in manifest["questions"]]
    raise MissingSource(
        f"There must be a finished history in {history}. Make one: `chatlib scale history DIR OUT`."
    )
