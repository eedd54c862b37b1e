"""The commands `report`, `run`, `list`, `open`, `bundle`, `images`, `notebooks` and `home`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatlib.errors import ParameterError
from chatlib.options import add_options, read_options
from chatlib.pipeline.settings import RunSettings, find_run, require_notebooks
from chatlib.text import format_count, one_line
from chatlib.workspace import PROJECT_DIR

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register the commands."""
    _add_report(subparsers)
    _add_run(subparsers)

    def add(
        command: str, function: Callable[[argparse.Namespace], int], text: str, *name: str, **about: Any
    ) -> None:
        """Register a command with at most one argument."""
        parser = subparsers.add_parser(command, help=text, description=text[0].upper() + text[1:] + ".")
        if name:
            parser.add_argument(*name, **about)
        parser.set_defaults(run=function)

    add("list", _list, "list the runs, or the streams of one, with ids and states", "source", nargs="?",
        metavar="RUN_OR_DB", help="a run's name or folder, or a database")  # fmt: skip
    add("open", _open, "open a run's report in the browser", "name", nargs="?", default="sample",
        metavar="RUN", help="its name or folder (default: sample)")  # fmt: skip
    of_run = {"default": "sample", "help": "the run in data/runs (default: sample)"}
    add("bundle", _bundle, "write a run's report as a single file to mail", "--name", **of_run)
    add("images", _save_pictures, "take the README's pictures from a run", "--name", **of_run)
    add("notebooks", _save_outputs, "give the notebooks the outputs of the sample's run")
    add("home", _set_home, "give the project a new address on GitHub", "url", metavar="URL",
        help="https://github.com/OWNER/REPOSITORY")  # fmt: skip


def _add_run(subparsers: argparse._SubParsersAction) -> None:
    run = subparsers.add_parser(
        "run",
        help="run the notebooks and render the report",
        description="Run the five notebooks in a chain and render the report. Without --chats or --channels, "
        "on the simulated sample channel. An interrupted run goes on where it stopped.",
    )
    add_options(run, RunSettings)
    run.add_argument("-p", dest="overrides", action="append", default=[], metavar="NOTEBOOK.KEY=VALUE",
                     help="set a notebook's parameter, such as 03.EPOCHS=1; can be repeated")  # fmt: skip
    run.set_defaults(run=_run)


def _add_report(subparsers: argparse._SubParsersAction) -> None:
    report = subparsers.add_parser(
        "report",
        help="make everything of a channel or of chat files, and open it",
        description="Fetch or read chat, run all notebooks, and open the report. With `--only analyze`, "
        "without a notebook, in seconds: the front page, and every stream with its timeline, its moments, "
        "its chat and its clip kit.",
    )
    report.add_argument(
        "source",
        nargs="?",
        metavar="ADDRESS_OR_FILES",
        help="a channel's address on YouTube or Twitch, a recording's with `--only analyze`, a list of "
        "channels (ODS), a chat file, or a folder of them (default: the simulated sample)",
    )
    add_options(report, RunSettings, ("name", "limit"))
    report.add_argument("--only", choices=("analyze",), help="only what needs no notebook")
    report.add_argument("--no-open", action="store_true", help="print the address, and open nothing")
    report.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> int:
    source = {} if args.source is None else {_classify_source(args.source): args.source}
    name = args.name or (_name_run(args.source) if source else "sample")
    settings = RunSettings(name, limit=args.limit, **source)
    if args.only:
        from chatlib.pipeline.quick import explore_chats

        page = explore_chats(settings)
    else:
        from chatlib.pipeline.chain import run_chain

        page = run_chain(settings)
    print(page.absolute().as_uri())
    if not args.no_open and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(page.absolute().as_uri())
    return 0


def _classify_source(source: str) -> str:
    """Return whether a source is `chats` or `channels`: what lies on the disk is chats, but for ODS lists."""
    if source and Path(source).expanduser().exists():
        return "channels" if source.lower().endswith(".ods") else "chats"
    if source.startswith("@") or "://" in source or re.match(r"(www\.|m\.)?(youtube|twitch)\.", source):
        return "channels"
    raise ParameterError(
        "A report is made of an address on YouTube or Twitch, or of chat files, and "
        f"{one_line(source, 200)!r} is neither: there is no such file, and an address starts with https://."
    )


def _name_run(source: str) -> str:
    """Return the name of a run from its source: the last part of an address or a path."""
    parts = [Path(source).name] if Path(source).expanduser().exists() else re.split(r"[/\\?=&]+", source)
    last = [part for part in parts if part][-1:] or [""]
    stem = re.sub(r"(\.(json|jsonl|gz|ods|csv|txt))+$", "", last[0], flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:60] or "chats"


def _run(args: argparse.Namespace) -> int:
    from chatlib.pipeline.chain import run_chain

    print(f"The report: {_show(run_chain(read_options(args, RunSettings)))}")
    return 0


def _list(args: argparse.Namespace) -> int:
    from chatlib.store import open_store
    from chatlib.workspace import RUNS_DIR, Workspace, list_runs, locate_path, locate_run

    if args.source:
        path = locate_path(args.source)
        _list_streams(path if path.is_file() else locate_run(args.source).db)
        return 0
    n_shown = 0
    for name in list_runs():
        run = Workspace(RUNS_DIR / name)
        n_streams = 1  # pages of one file have no database
        if run.db.is_file():
            with open_store(run.db, read_only=True) as db:
                n_streams = len(db.list_streams())
        if n_streams:  # none, where the first attempt failed
            n_shown += 1
            print(f"{name:<20} {format_count(n_streams, 'stream'):<13} {_describe_state(run.root)}")
    if not n_shown:
        print("No run yet. `chatlib run` makes one of the sample channel.")
    return 0


def _describe_state(run_dir: Path) -> str:
    """Return how far a run got: `run.json` is written last, `steps.json` with its first chapter."""
    if (run_dir / "run.json").exists():
        return "report"
    if (run_dir / "steps.json").exists():
        return "unfinished: the command that began it goes on"
    return "report without notebooks" if (run_dir / "index.html").exists() else "no report yet"


def _list_streams(path: Path) -> None:
    from chatlib.collect.sheets import clean_line
    from chatlib.collect.summary import describe_sides
    from chatlib.store import open_store

    with open_store(path, read_only=True) as db:
        for row in db.load_streams().to_dict("records"):
            day, title = str(row["started_at"] or "")[:10], clean_line(str(row["title"] or ""))[:60]
            print(f"{day:<10}  {row['video_id']:<12}  {row['state']:<12} {row['n_messages']:9,}  {title}")
        for sentence in describe_sides(db):  # of streams that were captured live, too
            print(sentence)


def _open(args: argparse.Namespace) -> int:
    import webbrowser

    from chatlib.workspace import locate_run

    page = locate_run(args.name).root / "index.html"
    if not page.is_file():
        raise ParameterError(
            f"A report is opened after its run, and {args.name} has none yet. Finish it: "
            f"`chatlib run --name {args.name}`."
        )
    print(page.as_uri())
    webbrowser.open(page.as_uri())
    return 0


def _bundle(args: argparse.Namespace) -> int:
    from chatlib.pipeline.pages import render_bundle
    from chatlib.workspace import locate_run

    path = render_bundle(locate_run(args.name).root)
    print(f"The report as one file, {path.stat().st_size / 1e6:.1f} MB: {_show(path)}")
    return 0


def _save_pictures(args: argparse.Namespace) -> int:
    require_notebooks()
    from chatlib.pipeline.committed import save_pictures

    for path in save_pictures(find_run(args.name), PROJECT_DIR / "Images"):
        print(f"Images/{path.name}")
    return 0


def _save_outputs(_args: argparse.Namespace) -> int:
    from chatlib.pipeline.committed import save_outputs

    for path in save_outputs(find_run("sample")):
        print(f"notebooks/{path.name}: {path.stat().st_size / 1000:,.0f} kB")
    return 0


def _set_home(args: argparse.Namespace) -> int:
    from chatlib.pipeline.committed import set_home

    changed = set_home(args.url)
    print("\n".join(f"changed {path.name}" for path in changed) or "this is the home already")
    return 0


def _show(path: Path) -> Path:
    """Return a path relative to the current folder, where that is possible."""
    try:
        return Path(os.path.relpath(path))
    except ValueError:  # another drive of Windows
        return path
