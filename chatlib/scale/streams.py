"""The work of one stream, mapped over a data set: its analytics and moments, and its messages' vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from chatlib.analyze.analytics.chat_analytics import save
from chatlib.analyze.analytics.format import ProcessSettings
from chatlib.analyze.analytics.readers import analyze_stream, load_talk
from chatlib.analyze.clips import describe_moments, moments_as_table
from chatlib.analyze.moments import ReactionWords, find_moments
from chatlib.analyze.streams import learn_channel, summarize_stream, tabulate_streams
from chatlib.dataset import Dataset, MessageFile, join_chunks, read_message_file, read_table
from chatlib.errors import DamagedStore
from chatlib.files import atomic_path, atomic_write, make_safe_name, save_table
from chatlib.records import CHAT_KINDS
from chatlib.scale.cluster import Cluster, Report, Task, prepare_output, run_tasks, write_manifest

if TYPE_CHECKING:
    from chatlib.pretrain.encoder import Encoder

__all__ = [
    "EncodeSettings",
    "StreamItem",
    "analyze_dataset",
    "analyze_file",
    "encode_dataset",
    "encode_file",
    "learn_words",
    "plan_streams",
]

_WORDS = "words.json"
_PORTION = 16_384  # distinct texts whose vectors are held at once


@dataclass(frozen=True)
class EncodeSettings:
    """Which language model encodes, and whether vectors are of each distinct text or pooled by viewer."""

    model: str
    pooled: bool = True


class StreamItem(NamedTuple):
    """One stream of a data set, where its outputs go, and how they are made."""

    folder: str
    file: MessageFile
    out: str
    settings: Any

    def open(self) -> Dataset:
        """Return the data set of this stream alone."""
        return Dataset(Path(self.folder), {}, [self.file])

    def place(self, suffix: str) -> Path:
        """Return where an output lies: as the stream's file in the data set, under `out`."""
        own = Path(self.file.path).relative_to("messages")
        return Path(self.out) / own.with_name(own.stem + suffix)


def plan_streams(dataset: Dataset, out: Path, settings: Any) -> list[Task]:
    """Return a task for each stream that has messages, oldest first."""
    folder = dataset.folder.absolute()
    tasks = []
    for file in dataset.files:
        if file.n_messages:
            name = f"{file.stream.platform}/{file.stream.video_id}"
            path = folder / file.path
            found = (path if path.is_file() else folder).stat()  # a missing one is its own task's error
            made_of = f"{file.path} {found.st_size} {found.st_mtime_ns} {file.stream}"
            item = StreamItem(str(folder), file, str(out), settings)
            tasks.append(Task(name, make_safe_name(file.path), made_of, item, file.n_messages))
    return tasks


# ------------------------------------------------------------------ analytics


def analyze_dataset(
    cluster: Cluster, dataset: Dataset, out: str | Path, settings: ProcessSettings | None = None
) -> Report:
    """Write the analytics of every stream, and a table of each channel's streams.

    For each stream, `platform=P/channel=C/VIDEO.json` and `.moments.csv`; for each channel `streams.csv`
    and `words.json`, its words that keep company with laughter. The JSON is that of `analyze_stream`, byte
    by byte.
    """
    settings = settings or ProcessSettings()
    out = prepare_output(out, "analyze")
    channels: dict[Path, list[Task]] = {}
    for task in plan_streams(dataset, out, settings):
        channels.setdefault(task.item.place("").parent, []).append(task)
    tasks, failed = _add_words(cluster, channels, out)
    report = run_tasks(cluster, analyze_file, tasks, out, command="analyze", settings=settings)
    report = report._replace(failed=failed | report.failed)
    for channel, own in channels.items():
        if rows := [report.results[task.key] for task in own if task.key in report.results]:
            save_table(tabulate_streams(rows), channel / "streams.csv")
    write_manifest(out, "analyze", report, settings=asdict(settings), channels=len(channels))
    return report


def _add_words(
    cluster: Cluster, channels: Mapping[Path, Sequence[Task]], out: Path
) -> tuple[list[Task], dict[str, str]]:
    """Learn each channel's words; return the tasks as made of them, too, and why channels have none."""
    learning = []
    for channel, own in channels.items():
        name = channel.relative_to(out).as_posix()
        item = Dataset(Path(own[0].item.folder), {}, [task.item.file for task in own]), channel
        learning.append(Task(name, make_safe_name(name), " ".join(task.made_of for task in own), item))
    report = run_tasks(cluster, learn_words, learning, out, command="words")
    tasks = []
    for task in learning:
        if digest := report.results.get(task.key):
            own = channels[task.item[1]]
            tasks += [stream._replace(made_of=f"{stream.made_of} {digest}") for stream in own]
    return tasks, report.failed


def learn_words(item: tuple[Dataset, Path]) -> str:
    """Write a channel's words that keep company with laughter into a folder; return their digest.

    Streams whose file is damaged are left out: their own task says so.
    """
    channel, out = item
    whole = []
    for file in channel.files:
        with suppress(DamagedStore):
            read_message_file(channel.folder, Path(file.path))
            whole.append(file)
    words = learn_channel(Dataset(channel.folder, {}, whole))
    content = orjson.dumps(words.ratios, option=orjson.OPT_SORT_KEYS)
    atomic_write(out / _WORDS, content)
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@lru_cache(maxsize=4)
def _load_words(path: Path) -> ReactionWords:
    return ReactionWords(orjson.loads(path.read_bytes()))


def analyze_file(item: StreamItem) -> dict[str, object]:
    """Write the analytics and the moments of a stream, and return its row of the channel's table."""
    dataset = item.open()
    (stream,) = dataset.list_streams()
    analytics = analyze_stream(dataset, stream, item.settings)
    save(analytics, item.place(".json"))
    words = _load_words(item.place(_WORDS).with_name(_WORDS))
    talk = load_talk(dataset, stream, hide_names=True)
    address = None if stream.simulated else stream.url
    moments = find_moments(talk, duration_s=analytics.duration, address=address, words=words)
    save_table(moments_as_table(moments, describe_moments(talk, moments)), item.place(".moments.csv"))
    best = next(iter(moments), None)
    return summarize_stream(analytics, video_id=stream.video_id, started_at=stream.started_at, best=best)


# ------------------------------------------------------------------ vectors


def encode_dataset(
    cluster: Cluster, dataset: Dataset, out: str | Path, settings: EncodeSettings, *, gpus: float = 0
) -> Report:
    """Write the vectors of every stream's chat messages, a file a stream, each vector a float32 list.

    Pooled by viewer: author_id, messages, and the messages' mean, maximum and spread (standard deviation),
    each message counting once. Otherwise text, messages and vector, a row per distinct text of the stream.
    A worker loads the model once and keeps it; no more vectors are held than of a portion of texts.
    """
    out = prepare_output(out, "encode")
    tasks = plan_streams(dataset, out, settings)
    report = run_tasks(cluster, encode_file, tasks, out, command="encode", settings=settings, gpus=gpus)
    texts = sum(result["texts"] for result in report.results.values())
    write_manifest(out, "encode", report, settings=asdict(settings), texts=texts)
    return report


def encode_file(item: StreamItem) -> dict[str, int]:
    """Write the vectors of a stream's chat messages; return how many messages and distinct texts it has."""
    settings: EncodeSettings = item.settings
    table = read_table(Path(item.folder), item.file, ["kind", "author_id", "text"])
    is_chat = pc.is_in(table["kind"].cast(pa.string()), pa.array(sorted(CHAT_KINDS)))
    table = table.filter(pc.and_(is_chat, pc.fill_null(pc.not_equal(table["text"], ""), False)))
    coded = join_chunks(table["text"]).dictionary_encode()
    texts, text_of = coded.dictionary, coded.indices.to_numpy()
    if settings.pooled:
        tables = _pool(join_chunks(table["author_id"]), text_of, _iter_vectors(texts, settings))
    else:
        counts = np.bincount(text_of, minlength=len(texts))
        names = ["text", "messages", "vector"]
        tables = (
            pa.table([texts[start:][: len(own)], counts[start:][: len(own)], _as_lists(own)], names)
            for start, own in _iter_vectors(texts, settings)
        )
    first = next(tables)
    with atomic_path(item.place(".parquet")) as part, pq.ParquetWriter(part, first.schema) as file:
        file.write_table(first)
        for rows in tables:
            file.write_table(rows)
    return {"messages": len(table), "texts": len(texts)}


def _iter_vectors(texts: pa.Array, settings: EncodeSettings) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the vectors of texts a portion at a time, each with the place of its first; one is empty."""
    encoder = _load_encoder(settings)
    yield 0, np.empty((0, encoder.dim), np.float32)
    for start in range(0, len(texts), _PORTION):
        yield start, encoder.encode(texts[start : start + _PORTION].to_pylist())


@lru_cache(maxsize=1)
def _load_encoder(settings: EncodeSettings) -> Encoder:
    from chatlib.pretrain.encoder import load_encoder

    return load_encoder(settings.model)


def _pool(
    authors: pa.DictionaryArray, text_of: np.ndarray, vectors: Iterator[tuple[int, np.ndarray]]
) -> Iterator[pa.Table]:
    """Yield one table: each author's mean, maximum and spread over the vectors of their messages."""
    known = np.flatnonzero(pc.is_valid(authors.indices))
    own = authors.indices.take(pa.array(known)).to_numpy(), text_of[known]
    counts = csr_array(
        (np.ones(len(known)), own), (len(authors.dictionary), int(text_of.max(initial=-1)) + 1)
    )
    _, empty = next(vectors)
    sums, squares = np.zeros((2, counts.shape[0], empty.shape[1]))
    largest = np.full(sums.shape, -np.inf, np.float32)
    for start, portion in vectors:
        of_texts = counts[:, start : start + len(portion)]
        sums += of_texts @ portion
        squares += of_texts @ portion.astype(float) ** 2
        if len(people := np.flatnonzero(np.diff(of_texts.indptr))):
            found = np.maximum.reduceat(portion[of_texts.indices], of_texts.indptr[people])
            largest[people] = np.maximum(largest[people], found)
    n_messages = counts.sum(axis=1)
    wrote = np.flatnonzero(n_messages)
    mean = sums[wrote] / n_messages[wrote, None]
    spread = np.sqrt(np.maximum(squares[wrote] / n_messages[wrote, None] - mean**2, 0))
    yield pa.table(
        {
            "author_id": authors.dictionary.take(pa.array(wrote)),
            "messages": n_messages[wrote].astype(np.int64),
            "mean": _as_lists(mean),
            "maximum": _as_lists(largest[wrote]),
            "spread": _as_lists(spread),
        }
    )


def _as_lists(vectors: np.ndarray) -> pa.FixedSizeListArray:
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
