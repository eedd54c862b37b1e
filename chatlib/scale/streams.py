"""The work of one stream, mapped over a data set: its analytics and moments, and its messages' vectors."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from chatlib.analyze.analytics.format import ProcessSettings
from chatlib.analyze.analytics.json_files import save
from chatlib.analyze.analytics.readers import analyze_stream, load_spoken
from chatlib.analyze.channel import summarize_stream, tabulate_streams
from chatlib.analyze.clips import describe_moments, moments_as_table
from chatlib.analyze.moments import find_moments
from chatlib.dataset import Dataset, MessageFile
from chatlib.files import make_safe_name, save_table
from chatlib.scale.cluster import Cluster, Report, Task, prepare_output, run_tasks, write_manifest

__all__ = ["StreamItem", "analyze_dataset", "analyze_file", "plan_streams"]


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
            found = (folder / file.path).stat()
            made_of = f"{file.path} {found.st_size} {found.st_mtime_ns} {file.stream}"
            item = StreamItem(str(folder), file, str(out), settings)
            tasks.append(Task(name, make_safe_name(file.path), made_of, item))
    return tasks


# ------------------------------------------------------------------ analytics


def analyze_dataset(
    cluster: Cluster, dataset: Dataset, out: str | Path, settings: ProcessSettings | None = None
) -> Report:
    """Write the analytics of every stream, and a table of each channel's streams.

    For each stream, `platform=P/channel=C/VIDEO.json` and `.moments.csv`; for each channel `streams.csv`.
    The JSON is that of `analyze_stream`, byte by byte.
    """
    settings = settings or ProcessSettings()
    out = prepare_output(out, "analyze")
    tasks = plan_streams(dataset, out, settings)
    report = run_tasks(cluster, analyze_file, tasks, out, command="analyze", settings=settings)
    channels: dict[Path, list[dict[str, object]]] = {}
    for task in tasks:
        if task.key in report.results:
            channels.setdefault(task.item.place("").parent, []).append(report.results[task.key])
    for channel, rows in channels.items():
        save_table(tabulate_streams(rows), channel / "streams.csv")
    write_manifest(out, "analyze", report, settings=asdict(settings), channels=len(channels))
    return report


def analyze_file(item: StreamItem) -> dict[str, object]:
    """Write the analytics and the moments of a stream, and return its row of the channel's table."""
    dataset = item.open()
    (stream,) = dataset.list_streams()
    analytics = analyze_stream(dataset, stream, item.settings)
    save(analytics, item.place(".json"))
    linked = not stream.simulated
    moments = find_moments(analytics, top=None, linked=linked)
    spoken = load_spoken(dataset, stream, hide_names=True)
    save_table(moments_as_table(moments, describe_moments(spoken, moments)), item.place(".moments.csv"))
    started_at = stream.started_at
    return summarize_stream(analytics, video_id=stream.video_id, started_at=started_at, linked=linked)
