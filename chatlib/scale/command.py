"""The commands `export` and `scale`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from chatlib.analyze.analytics.format import ProcessSettings
from chatlib.errors import ParameterError
from chatlib.options import add_options, read_options
from chatlib.scale.cluster import ClusterSettings, Report, open_cluster
from chatlib.text import one_line

__all__ = ["add_parsers"]

_DATASET = ("dataset", "DIR", "the data set")
_OUT = ("out", "OUT", "the folder of the outputs: new, or one to go on with")
_HISTORY = ("history", "HISTORY", "the outputs of `scale history`")


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `export` and `scale`."""
    exporting = subparsers.add_parser(
        "export",
        help="write a chat database as a Parquet data set",
        description="Write a chat database as a Parquet data set, which pandas, DuckDB, Polars and Spark "
        "read as it is: a file per stream under messages/platform=P/channel=C/, with streams, authors and "
        "clips beside them. `chatlib import DIR` brings it back.",
    )
    exporting.add_argument("db", metavar="DB", help="the chat database, or a run's name")
    exporting.add_argument(
        "folder", metavar="DIR", help="the folder to write: a new one, or an earlier data set"
    )
    exporting.add_argument(
        "--pseudonyms",
        action="store_true",
        help="put pseudonyms in place of ids, names and @mentions. A name without @ within a text stays, and "
        "who has the same chat can look up who wrote what",
    )
    exporting.set_defaults(run=_run_export)
    _add_scale(subparsers)


def _add_scale(subparsers: argparse._SubParsersAction) -> None:
    scale = subparsers.add_parser(
        "scale",
        help="the same work for many streams, on a Ray cluster or on all cores",
        description="Do over a Parquet data set what the notebooks do over a database: a task per stream, on "
        "all cores of this machine, or on the Ray cluster at --address or RAY_ADDRESS. Files must lie where "
        "all machines see them. After an interruption the same command does what is left; what failed is "
        "named and does not end the run.",
    )
    commands = scale.add_subparsers(title="commands", required=True, metavar="COMMAND")
    importing = _add_command(commands, "import", _run_import, "chat files into a data set, a task per file")
    importing.add_argument("paths", nargs="+", metavar="PATH", help="a chat file, or a folder of them")
    importing.add_argument("folder", metavar="DIR", help="the data set: new, or one to add to")
    importing.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the N oldest streams; 0: all"
    )
    meaning = "ChatAnalytics JSON and moments of every stream, and a table of a channel's streams"
    analyzing = _add_command(commands, "analyze", _run_analyze, meaning, _DATASET, _OUT)
    add_options(analyzing, ProcessSettings, ("interval_s",))
    meaning = "vectors of chat messages, pooled by viewer or of each distinct text"
    model = ("model", "MODEL", "a language model's folder, or a hub id")
    encoding = _add_command(commands, "encode", _run_encode, meaning, _DATASET, model, _OUT)
    encoding.add_argument("--texts", action="store_true", help="a vector per distinct text of a stream")
    add_options(encoding, ClusterSettings, ("gpus",))
    meaning = "what was known of everybody before each stream, for the questions of notebook 04"
    history = _add_command(commands, "history", _run_history, meaning, _DATASET, _OUT)
    meaning = "next_stream, arrival, forecast, retrospective (default: the first three)"
    questions = ["next_stream", "arrival", "forecast"]
    history.add_argument("--questions", nargs="+", default=questions, metavar="NAME", help=meaning)
    meaning = "of a channel's people; 0 is one per two million messages"
    history.add_argument("--buckets", type=int, default=0, metavar="N", help=meaning)
    meaning = "fit forecasters on a history, all its channels together"
    forecasters = ("out", "OUT", "the folder of forecasters, one per question")
    teaching = _add_command(commands, "teach", _run_teach, meaning, _HISTORY, forecasters)
    meaning = "learn from so many (default: 2,000,000)"
    teaching.add_argument("--max-rows", type=int, default=2_000_000, metavar="N", help=meaning)
    meaning = "the scores of everybody in a history by saved forecasters"
    run = ("run_or_folder", "RUN", "a run with forecasters, or a folder of them")
    scoring = _add_command(commands, "score", _run_score, meaning, _HISTORY, run, _OUT)
    for command in (importing, analyzing, encoding, history, scoring):
        add_options(command, ClusterSettings, ("address", "workers"))
        command.add_argument(
            "--ignore-errors", action="store_true", help="exit with 0 although some tasks failed"
        )
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _add_command(
    commands: argparse._SubParsersAction,
    name: str,
    run: Callable,
    meaning: str,
    *folders: tuple[str, str, str],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=meaning)
    for folder, metavar, what in folders:
        parser.add_argument(folder, metavar=metavar, help=what)
    parser.set_defaults(run=run)
    return parser


def _run_export(args: argparse.Namespace) -> int:
    from chatlib.collect.files.into_dataset import Pseudonyms, export_store
    from chatlib.store import open_store
    from chatlib.workspace import locate_path, locate_run

    path = found if (found := locate_path(args.db)).is_file() else locate_run(args.db).db
    with open_store(path, read_only=True) as store:
        dataset = export_store(store, args.folder, pseudonyms=Pseudonyms() if args.pseudonyms else None)
    counts = ", ".join(
        f"{dataset.manifest[name]:,} {name}" for name in ("streams", "messages", "authors", "clips")
    )
    print(f"{counts} in {dataset.folder}")
    return 0


def _run_import(args: argparse.Namespace) -> int:
    from chatlib.collect.files.importing import FileReport
    from chatlib.collect.files.into_dataset import finish_import, import_file, plan_import
    from chatlib.workspace import progress_bar

    with open_cluster(read_options(args, ClusterSettings)) as cluster:
        plan = plan_import(args.paths, args.folder, limit=args.limit)
        tasks = sorted(plan.tasks, key=lambda task: -Path(task.path).stat().st_size)  # none alone at the end
        reports: dict[str, FileReport] = {}
        for ended in progress_bar(cluster.map(import_file, tasks), total=len(tasks), desc="import"):
            path = tasks[ended.place].path
            reports[path] = ended.result or FileReport(Path(path), "failed", error=ended.error)
    report = finish_import(plan, [reports[task.path] for task in plan.tasks])
    sys.stdout.write(report.format_summary(Path(args.folder)))
    return 0 if report.is_usable and (args.ignore_errors or not report.errors) else 1


def _run_analyze(args: argparse.Namespace) -> int:
    from chatlib.dataset import open_dataset
    from chatlib.scale.streams import analyze_dataset

    dataset = open_dataset(args.dataset)
    with open_cluster(read_options(args, ClusterSettings)) as cluster:
        report = analyze_dataset(cluster, dataset, args.out, read_options(args, ProcessSettings))
    return _finish(report, args, "streams analyzed")


def _run_encode(args: argparse.Namespace) -> int:
    from chatlib.dataset import open_dataset
    from chatlib.scale.streams import EncodeSettings, encode_dataset
    from chatlib.workspace import resolve_path

    dataset, folder = open_dataset(args.dataset), resolve_path(args.model)
    model = str(folder if folder.is_dir() else args.model)
    settings = EncodeSettings(model, not args.texts)
    with open_cluster(read_options(args, ClusterSettings)) as cluster:
        report = encode_dataset(cluster, dataset, args.out, settings, gpus=1 if args.gpus else 0)
    return _finish(report, args, "streams encoded")


def _run_history(args: argparse.Namespace) -> int:
    from chatlib.dataset import open_dataset
    from chatlib.predict import Question
    from chatlib.scale.history import build_history

    _require_least(args, buckets=0)
    dataset, questions = open_dataset(args.dataset), [Question(name) for name in args.questions]
    with open_cluster(read_options(args, ClusterSettings)) as cluster:
        report = build_history(cluster, dataset, args.out, questions, n_buckets=args.buckets)
    return _finish(report, args, "buckets of people")


def _run_teach(args: argparse.Namespace) -> int:
    from chatlib.predict import Question
    from chatlib.predict.forecast import save_forecaster
    from chatlib.scale.history import read_questions, teach_forecaster

    _require_least(args, max_rows=1)
    for name in read_questions(args.history):
        forecaster = teach_forecaster(args.history, Question(name), max_rows=args.max_rows)
        save_forecaster(Path(args.out), forecaster)
        print(f"{name}: learned from {forecaster.n_streams:,} streams, into {args.out}")
    return 0


def _run_score(args: argparse.Namespace) -> int:
    from chatlib.scale.history import score_history
    from chatlib.workspace import locate_run

    folder = Path(args.run_or_folder)
    if not any(folder.glob("*/forecaster.json")):
        folder = locate_run(args.run_or_folder).models / "forecaster"
    with open_cluster(read_options(args, ClusterSettings)) as cluster:
        report = score_history(cluster, args.history, folder, args.out)
    return _finish(report, args, "buckets of people scored")


def _require_least(args: argparse.Namespace, **least: int) -> None:
    for name, number in least.items():
        if (given := getattr(args, name)) < number:
            raise ParameterError(f"--{name.replace('_', '-')} must be {number} or more, got {given}.")


def _finish(report: Report, args: argparse.Namespace, what: str) -> int:
    n_done = len(report.results)
    print(
        f"{n_done:,} {what} into {args.out}, {report.n_known:,} of them before; {len(report.failed):,} failed"
    )
    for name, error in list(report.failed.items())[:20]:
        print(f"  {one_line(name)}: {one_line(error)}")
    return 0 if n_done and (args.ignore_errors or not report.failed) else 1
