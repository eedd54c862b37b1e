"""The command `analyze`: its options are chat-analyzer's, and some more.

What takes long to load is imported in the functions that need it: the command must start fast.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.analyze import DEFAULT_TOP
from chatlib.analyze.analytics.format import ProcessSettings
from chatlib.errors import DataError, MissingSource, NotEnoughData, ParameterError, SourceError
from chatlib.options import add_columns_option, add_options, option, read_columns_option, read_options
from chatlib.text import format_count

if TYPE_CHECKING:
    from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
    from chatlib.analyze.analytics.readers import Talk
    from chatlib.analyze.moments import ReactionWords
    from chatlib.store import Store

__all__ = ["OutputSettings", "add_parsers", "guess_mode", "name_after_title"]

log = logging.getLogger(__name__)

_MODES = ("url", "chatfile", "reanalyze", "db")
_SQLITE_MAGIC = b"SQLite format 3\x00"
_HEAD = 1 << 16  # bytes in which a ChatAnalytics JSON shows what it is
_TITLE_LENGTH = 80
_MOST_PROBLEMS = 10  # shown one by one


@dataclass(frozen=True)
class OutputSettings:
    """What `analyze` writes beside its JSON, and where."""

    output: str = option(
        "",
        "file to write, .json is added if missing (default: the title as a file name); in mode db without "
        "--stream, a folder (default: chat_analytics)",
        "-o",
        metavar="FILE",
    )
    moments: str = option(
        "", "also write the best moments as a table", "--moments", "--highlights-csv", metavar="FILE"
    )
    chapters: str = option("", "also write them as chapters for YouTube", metavar="FILE")
    clips: str = option("", "also write them as a table of clips to cut", metavar="FILE")
    top: int = option(DEFAULT_TOP, "the N best moments")
    clip_kit: str = option(
        "",
        "also write all that helps to cut them: clips, markers for DaVinci Resolve, a script for yt-dlp, "
        "chapters",
        metavar="FOLDER",
    )
    frame_rate: float = option(30.0, "of the markers")
    nojson: bool = option(False, "do not add .json to the name of the output")
    save_chatfile_output: str = option(
        "", "in mode url: also keep the chat in this file", "-sc", metavar="FILE"
    )
    ignore_errors: bool = option(False, "in mode db: exit code 0 even if some streams could not be analyzed")
    debug: bool = option(False, "log more, and show the traceback of an error", "-db")


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `analyze` and `clips`."""
    parser = subparsers.add_parser(
        "analyze",
        help="write the ChatAnalytics JSON of a chat",
        description="Write the ChatAnalytics JSON of a chat file, of the streams of a chat database, or of "
        "an earlier ChatAnalytics JSON with other highlights and spikes.",
    )
    source = (
        "a chat file, the address of a finished stream on YouTube, a ChatAnalytics JSON, or a chat database"
    )
    parser.add_argument("source", metavar="SOURCE", help=source)
    platform = "where a chat file comes from (default: decided by its content)"
    parser.add_argument("--platform", choices=("youtube", "twitch"), help=platform)
    mode = (
        "what SOURCE is: the address of a recording, a chat file, a ChatAnalytics JSON in which to find "
        "highlights and spikes again, or a chat database (default: decided by SOURCE)"
    )
    parser.add_argument("--mode", "-m", choices=_MODES, help=mode)
    add_columns_option(parser)
    samples = parser.add_argument_group("samples")
    add_options(samples, ProcessSettings, ("interval_s", "print_interval", "msg_break"))
    samples.add_argument("--stream", metavar="ID", help="only this stream of a database, or of a table")
    sections = parser.add_argument_group("highlights and spikes")
    add_options(sections, ProcessSettings, ("highlight_percentile", "highlight_metric"))
    add_options(sections, ProcessSettings, ("spike_sensitivity", "spike_metric"))
    output = parser.add_argument_group("output")
    add_options(output, ProcessSettings, ("description",))
    add_options(output, OutputSettings)
    parser.set_defaults(run=_run)
    clips = subparsers.add_parser(
        "clips",
        help="how many of people's clips lie in the moments found",
        description="Show how many of the clips that people cut lie in the moments of a run, beside the "
        "share of time named and chance. Without CLIPS.csv: the clips and most-replayed curves that were "
        "collected.",
    )
    clips.add_argument("run_or_db", metavar="RUN_OR_DB", help="a run's name or folder, or a chat database")
    columns = "columns: video_id (or address), start (seconds or h:mm:ss), duration or end"
    clips.add_argument("clips", nargs="?", metavar="CLIPS.csv", help=columns)
    clips.add_argument("--output", "-o", metavar="FILE", help="also write the table as CSV")
    clips.set_defaults(run=_run_clips)


def guess_mode(source: str) -> str:
    """Return what a source is, by its content. Raises: MissingSource; SourceError if it cannot be read."""
    if "://" in source:
        return "url"
    path = Path(source)
    if not path.is_file():
        raise MissingSource(f"The source must be an address or a regular file, and {source} is neither.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError(
            f"{source} cannot be read ({error.strerror or error}). Check its permissions."
        ) from error
    if head.startswith(_SQLITE_MAGIC):
        return "db"
    is_analytics = head.lstrip().startswith(b"{") and b'"interval_text"' in head
    return "reanalyze" if is_analytics else "chatfile"


def name_after_title(title: str) -> str:
    """Return a file name from a title: its letters and digits of any script, `_` for spaces."""
    kept = "".join(c for c in title if c.isalnum() or c == " ").replace(" ", "_")
    return kept[:_TITLE_LENGTH] or "chat_analytics"


def _run(args: argparse.Namespace) -> int:
    if args.debug:
        logging.getLogger("chatlib").setLevel(logging.DEBUG)
        log.debug("arguments: %s", vars(args))
    mode = args.mode = args.mode or guess_mode(args.source)
    if args.save_chatfile_output and mode != "url":
        raise ParameterError("--save-chatfile-output keeps the downloaded chat, so it needs --mode url.")
    if args.top < 1:
        raise ParameterError(f"--top must be 1 or more moments, got {args.top}.")
    if mode == "reanalyze" and _wants_moments(args):
        raise ParameterError(
            "Moments are found in what people wrote, and a ChatAnalytics JSON does not have it: give the "
            "chat file, or the database with --stream."
        )
    settings = read_options(args, ProcessSettings)
    if mode == "reanalyze":
        from chatlib.analyze.analytics.chat_analytics import load

        analytics = load(args.source)
        analytics.chatlog_post_process(settings)
        return _write(analytics, args)
    return _run_db(args, settings) if mode == "db" else _run_chat(args, settings)


def _run_chat(args: argparse.Namespace, settings: ProcessSettings) -> int:
    from chatlib.analyze.analytics.quick_reader import start_reading

    is_quick = args.mode == "chatfile" and not _wants_moments(args)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's own would take the reader's processor
    with start_reading(args.source) if is_quick else nullcontext() as reading:  # while this one loads numpy
        from chatlib.analyze.analytics.readers import analyze_chat, read_address, read_file, select_talk

        if args.mode == "url":
            chat = read_address(args.source)
        else:
            chat = read_file(
                args.source,
                platform=args.platform,
                reading=reading,
                with_messages=not is_quick,
                columns=read_columns_option(args.columns),
                stream_id=args.stream or "",
            )
        if args.save_chatfile_output:
            from chatlib.collect.files.chat_downloader import save_chat_file

            save_chat_file(args.save_chatfile_output, chat.messages)
        talk = None if is_quick else select_talk(chat.messages)
        return _write(analyze_chat(chat, settings), args, talk=talk, address=chat.address)


def _run_db(args: argparse.Namespace, settings: ProcessSettings) -> int:
    from chatlib.analyze.analytics.readers import analyze_stream, load_talk, pick_stream
    from chatlib.analyze.streams import learn_channel
    from chatlib.store import open_store

    with open_store(args.source, read_only=True) as store:
        if args.stream:
            stream = pick_stream(store, args.stream)
            analytics = analyze_stream(store, stream, settings)
            if not _wants_moments(args):
                return _write(analytics, args)
            return _write(analytics, args, talk=load_talk(store, stream), words=learn_channel(store))
        if _wants_moments(args):
            raise ParameterError("Moments, chapters and clips are of one stream: name it with --stream.")
        return _write_all(store, args, settings)


def _write_all(store: Store, args: argparse.Namespace, settings: ProcessSettings) -> int:
    """Write the JSON of every stream, and say of others why they have none."""
    from chatlib.analyze.analytics.chat_analytics import save
    from chatlib.analyze.analytics.readers import analyze_stream
    from chatlib.files import make_safe_name
    from chatlib.workspace import progress_bar

    folder, n_written, n_failed = Path(args.output or "chat_analytics"), 0, 0
    streams = store.list_streams()
    for stream in progress_bar(streams, total=len(streams), desc="analyze"):
        try:
            analytics = analyze_stream(store, stream, settings)
        except DataError as error:
            log.warning("%s", error)
            n_failed += stream.n_messages > 0
            continue
        save(analytics, folder / f"{make_safe_name(stream.video_id)}.json")
        n_written += 1
    if not n_written:
        raise NotEnoughData(f"At least one stream must have messages with a time; {args.source} has none.")
    log.info("%d streams analyzed into %s", n_written, folder)
    return 1 if n_failed and not args.ignore_errors else 0


def _run_clips(args: argparse.Namespace) -> int:
    from chatlib.analyze import recall
    from chatlib.analyze.streams import learn_channel
    from chatlib.files import save_table
    from chatlib.store import open_store
    from chatlib.tables import format_share
    from chatlib.workspace import locate_path, locate_run

    path = locate_path(args.run_or_db)
    _keep_sources([str(path), args.clips], [args.output])
    with open_store(path if path.is_file() else locate_run(args.run_or_db).db, read_only=True) as store:
        clips = recall.read_clips(args.clips, store) if args.clips else recall.load_clips(store)
        if clips.table.empty:
            raise NotEnoughData(
                "A run needs collected clips or most-replayed curves, and has none: give a CLIPS.csv."
            )
        for sentence in clips.problems[:_MOST_PROBLEMS]:
            log.warning("%s", sentence)
        if len(clips.problems) > _MOST_PROBLEMS:
            log.warning("and %d more rows left out", len(clips.problems) - _MOST_PROBLEMS)
        table = recall.measure_recall(store, clips.table, words=learn_channel(store))
    shares = {name: format_share for name in table.columns if name.endswith("share")}
    print(table.to_string(index=False, formatters=shares))
    print("A clip is found if a named moment overlaps it; by chance, moments elsewhere would find as many.")
    if args.output:
        save_table(table, args.output)
    return 1 if clips.problems else 0


def _keep_sources(sources: Sequence[str | None], outputs: Sequence[str | None]) -> None:
    """Raise ParameterError if an output would take the place of a source."""
    places = {Path(source).resolve() for source in sources if source}
    if wrong := [output for output in outputs if output and Path(output).resolve() in places]:
        raise ParameterError(f"An output must be another file than the source, got {wrong[0]}. Name another.")


def _wants_moments(args: argparse.Namespace) -> bool:
    return bool(args.moments or args.chapters or args.clips or args.clip_kit)


def _write(
    analytics: ChatAnalytics,
    args: argparse.Namespace,
    *,
    talk: Talk | None = None,
    words: ReactionWords | None = None,
    address: str | None = None,
) -> int:
    """Write the JSON, and the moments if they are wanted: from what was said, by the channel's words.

    They link to `address`, by default to where the JSON says that the chat is from.
    """
    from chatlib.analyze.analytics.chat_analytics import save

    path = args.output or name_after_title(analytics.mediaTitle)
    if not path.endswith(".json") and not (args.output and args.nojson):
        path += ".json"
    if args.mode != "reanalyze":
        _keep_sources([args.source], [path, args.moments, args.chapters, args.clips])
    save(analytics, path)
    if talk is not None and _wants_moments(args):
        _write_moments(analytics, args, talk, words, address or analytics.mediaSource)
    found = (analytics.totalActivity, "message"), (len(analytics.highlights), "highlight")
    counts = ", ".join(format_count(*pair) for pair in (*found, (len(analytics.spikes), "spike")))
    log.info("%s: %s -> %s", analytics.duration_text, counts, path)
    return 0


def _write_moments(
    analytics: ChatAnalytics, args: argparse.Namespace, talk: Talk, words: ReactionWords | None, address: str
) -> None:
    from chatlib.analyze import clips
    from chatlib.analyze.moments import find_moments
    from chatlib.files import atomic_write, save_table

    duration_s = analytics.duration
    moments = find_moments(talk, duration_s=duration_s, top=args.top, address=address, words=words)
    written = clips.describe_moments(talk, moments)
    if args.moments:
        save_table(clips.moments_as_table(moments, written), args.moments)
    if args.clips:
        save_table(clips.clips_as_table(moments, written, duration_s=duration_s), args.clips)
    if args.chapters:
        if chapters := clips.format_chapters(moments, written, duration_s=duration_s):
            atomic_write(args.chapters, chapters)
        else:
            log.warning("No chapters: YouTube needs three of 10 seconds each, and there are too few moments.")
    if args.clip_kit:
        length = {"duration_s": duration_s, "frame_rate": args.frame_rate}
        kit = clips.make_clip_kit(moments, written, name=analytics.mediaTitle, address=address, **length)
        for file_name, text in kit.items():
            atomic_write(Path(args.clip_kit) / file_name, text)
