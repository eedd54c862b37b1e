"""What the command `analyze` does in each of its modes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.analyze.analytics.settings import PROGRESS_LOGGER, ProcessSettings
from chatlib.errors import MissingSource, NotEnoughData, ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from chatlib.analyze.analytics.chat_analytics import ChatAnalytics

__all__ = ["run_analyze"]

log = logging.getLogger(__name__)

_SQLITE_MAGIC = b"SQLite format 3\x00"
_HEAD = 1 << 16  # bytes in which a ChatAnalytics JSON shows what it is
_TITLE_LENGTH = 80
_PRINT_INTERVAL = 100


def run_analyze(args: argparse.Namespace) -> int:
    """Analyze as the arguments of the command say; return the exit code."""
    if args.debug:
        logging.getLogger("chatlib").setLevel(logging.DEBUG)
        log.debug("arguments: %s", vars(args))
    mode = args.mode or guess_mode(args.source)
    if args.save_chatfile_output and mode != "url":
        raise ParameterError("--save-chatfile-output keeps what was downloaded, so it needs --mode url.")
    settings = ProcessSettings(
        print_interval=_choose_print_interval(args.print_interval, one_stream=mode != "db" or args.stream),
        msg_break=args.msg_break,
        highlight_percentile=args.highlight_percentile,
        highlight_metric=args.highlight_metric,
        spike_sensitivity=args.spike_sensitivity,
        spike_metric=args.spike_metric,
    )
    run = {"url": _run_url, "chatfile": _run_chatfile, "reanalyze": _run_reanalyze, "db": _run_db}[mode]
    with _progress_on_stderr():
        return run(args, settings)


def _choose_print_interval(wanted: int | None, *, one_stream: object) -> int:
    """Return what is wanted, else what helps: many streams have a bar, and a log needs no progress."""
    if wanted is not None:
        return wanted
    return _PRINT_INTERVAL if one_stream and sys.stderr.isatty() else 0


class _ProgressLines(logging.StreamHandler):
    """Writes lines of progress one over the other in a terminal, one below the other elsewhere."""

    def emit(self, record: logging.LogRecord) -> None:
        self.terminator = "   \r" if self.stream.isatty() and not record.finished else "\n"
        super().emit(record)


@contextmanager
def _progress_on_stderr() -> Iterator[None]:
    lines = _ProgressLines(sys.stderr)
    progress = logging.getLogger(PROGRESS_LOGGER)
    progress.addHandler(lines)
    progress.setLevel(logging.INFO)
    progress.propagate = False
    try:
        yield
    finally:
        progress.removeHandler(lines)
        progress.setLevel(logging.NOTSET)
        progress.propagate = True


def guess_mode(source: str) -> str:
    """Return what a source is, by its look. Raises: MissingSource for a file that is not there."""
    if "://" in source:
        return "url"
    path = Path(source)
    if not path.is_file():
        raise MissingSource(f"The source must be a file or an address, and there is no file {source}.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_SQLITE_MAGIC):
        return "db"
    is_analytics = head.lstrip().startswith(b"{") and b'"interval_text"' in head
    return "reanalyze" if is_analytics else "chatfile"


def _run_url(args: argparse.Namespace, settings: ProcessSettings) -> int:
    from tempfile import TemporaryDirectory

    from chatlib.analyze.analytics.streams import analyze_stream, load_spoken, pick_stream
    from chatlib.collect.files.writer import save_chat_file
    from chatlib.collect.youtube.collection import fetch_chat
    from chatlib.store import open_store

    chat = fetch_chat(args.source)
    if chat.stream.reason:
        log.warning("%s: %s", chat.stream.state, chat.stream.reason)
    if args.save_chatfile_output:
        save_chat_file(args.save_chatfile_output, chat.messages)
    with (
        TemporaryDirectory(prefix="chatlib-") as folder,
        open_store(Path(folder) / "chat.dbs", create=True) as store,
    ):
        store.save_chat(chat.stream, chat.messages)
        stream = pick_stream(store.load_streams(), chat.stream.video_id)
        analytics = analyze_stream(
            store, stream, interval_s=args.interval, settings=settings, description=args.description
        )
        return _write(analytics, args, spoken=load_spoken(store, stream))


def _run_chatfile(args: argparse.Namespace, settings: ProcessSettings) -> int:
    from chatlib.analyze.analytics.two_readers import start_reading

    with start_reading(args.source) as reading:  # while this process loads numpy
        from chatlib.analyze.analytics.chat_file import analyze_file, read_spoken

        analytics = analyze_file(
            args.source,
            platform=args.platform,
            interval_s=args.interval,
            settings=settings,
            description=args.description,
            reading=reading,
        )
    spoken = read_spoken(args.source) if args.highlights_csv or args.chapters else None
    return _write(analytics, args, spoken=spoken)


def _run_reanalyze(args: argparse.Namespace, settings: ProcessSettings) -> int:
    from chatlib.analyze.analytics.json_files import load

    analytics = load(args.source)
    analytics.chatlog_post_process(settings)
    return _write(analytics, args)


def _run_db(args: argparse.Namespace, settings: ProcessSettings) -> int:
    from chatlib.analyze.analytics.streams import analyze_stream, load_spoken, pick_stream
    from chatlib.analyze.channel import analyze_channel
    from chatlib.store import open_store

    with open_store(args.source) as store:
        if args.stream:
            stream = pick_stream(store.load_streams(), args.stream)
            analytics = analyze_stream(
                store, stream, interval_s=args.interval, settings=settings, description=args.description
            )
            return _write(analytics, args, spoken=load_spoken(store, stream))
        if args.highlights_csv or args.chapters:
            raise ParameterError("Highlights and chapters are written of one stream: name it with --stream.")
        folder = Path(args.output or "chat_analytics")
        channel = analyze_channel(
            store, folder, interval_s=args.interval, settings=settings, description=args.description
        )
    for sentence in channel.skipped:
        log.warning("%s", sentence)
    if channel.streams.empty:
        raise NotEnoughData(f"At least one stream must have messages with a time; {args.source} has none.")
    log.info("%d streams analyzed into %s", len(channel.streams), folder)
    return 0


def _write(analytics: ChatAnalytics, args: argparse.Namespace, *, spoken: pd.DataFrame | None = None) -> int:
    """Write the JSON and what else was asked for; with the messages, in their words."""
    from chatlib.analyze.analytics.json_files import save

    path = args.output or name_after_title(analytics.mediaTitle)
    if not path.endswith(".json") and not (args.output and args.nojson):
        path += ".json"
    save(analytics, path)
    if args.highlights_csv or args.chapters:
        _write_moments(analytics, args, spoken)
    log.info(
        "%s: %d messages, %d highlights, %d spikes -> %s",
        analytics.duration_text,
        analytics.totalActivity,
        len(analytics.highlights),
        len(analytics.spikes),
        path,
    )
    return 0


def _write_moments(analytics: ChatAnalytics, args: argparse.Namespace, spoken: pd.DataFrame | None) -> None:
    from chatlib.analyze.chapters import describe_moments, format_chapters, moments_as_table, save_chapters
    from chatlib.analyze.moments import find_moments
    from chatlib.files import save_table

    moments = find_moments(analytics, gap_s=args.merge_gap)
    told = None if spoken is None else describe_moments(spoken, moments)
    if args.highlights_csv:
        save_table(moments_as_table(moments, told), Path(args.highlights_csv))
    if args.chapters:
        save_chapters(format_chapters(moments, told), args.chapters)


def name_after_title(title: str) -> str:
    """Return a file name from a title: its letters and digits of any script, `_` for spaces."""
    kept = "".join(c for c in title if c.isalnum() or c == " ").replace(" ", "_")
    return kept[:_TITLE_LENGTH] or "chat_analytics"
