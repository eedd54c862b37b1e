"""The command line: `chatlib COMMAND`. Errors are one message and an exit code."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from pathlib import Path

import chatlib
from chatlib.errors import ChatlibError, ParameterError

__all__ = ["main"]

_COMMANDS = tuple(
    f"chatlib.{part}.command" for part in ("collect", "simulate", "pretrain", "predict", "analyze")
)


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit code: 0 done, 1 failed, 2 misused, 130 interrupted."""
    args = _build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("papermill", "traitlets", "blib2to3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        return args.run(args) or 0
    except ParameterError as error:
        print(f"chatlib: {error}", file=sys.stderr)
        return 2
    except ChatlibError as error:
        print(f"chatlib: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("chatlib: interrupted; what was stored is whole. The same command goes on.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatlib", description=chatlib.__doc__)
    parser.add_argument("--version", action="version", version=f"chatlib {chatlib.__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        importlib.import_module(module).add_parsers(subparsers)
    _add_run(subparsers)
    home = subparsers.add_parser("home", help="give the project a new address on GitHub")
    home.add_argument("url", metavar="URL", help="https://github.com/OWNER/REPOSITORY")
    home.set_defaults(run=_set_home)
    bundle = subparsers.add_parser("bundle", help="write a run's report as a single file to mail")
    bundle.add_argument("--name", default="sample", help="the run in data/runs (default: sample)")
    bundle.set_defaults(run=_bundle)
    images = subparsers.add_parser("images", help="take the README's pictures from a run")
    images.add_argument("--name", default="sample", help="the run in data/runs (default: sample)")
    images.set_defaults(run=_save_images)
    notebooks = subparsers.add_parser("notebooks", help="give the notebooks the outputs of the sample's run")
    notebooks.set_defaults(run=_save_outputs)
    return parser


def _add_run(subparsers: argparse._SubParsersAction) -> None:
    run = subparsers.add_parser(
        "run",
        help="run the notebooks and render the report",
        description="Run the five notebooks in a chain and render the report. Without --chats, on the "
        "simulated sample channel. An interrupted run goes on where it stopped.",
    )
    run.add_argument(
        "--name", default=None, help="folder of the run in data/runs (default: sample, or chats)"
    )
    run.add_argument("--chats", metavar="PATH", help="a chat file, or a folder of them")
    run.add_argument(
        "--channels", metavar="CHANNELS", help="a channel's address on YouTube, or an ODS list of channels"
    )
    run.add_argument("--limit", type=int, default=0, metavar="N", help="only N streams; 0 is all")
    run.add_argument(
        "-p",
        dest="overrides",
        action="append",
        default=[],
        metavar="NOTEBOOK.KEY=VALUE",
        help="set a notebook's parameter, such as 03.EPOCHS=1; can be repeated",
    )
    run.add_argument("--from", dest="start", metavar="NOTEBOOK", help="start with this notebook, such as 03")
    run.add_argument("--only", metavar="NOTEBOOK", help="run this notebook alone, such as 05")
    run.add_argument(
        "--cell-timeout", type=int, default=4 * 3600, metavar="S", help="seconds that one cell may take"
    )
    run.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from chatlib.pipeline.chain import run_chain

    index = run_chain(
        args.name or ("chats" if args.chats else "channels" if args.channels else "sample"),
        chats=args.chats,
        channels=args.channels,
        limit=args.limit,
        overrides=args.overrides,
        start=args.start,
        only=args.only,
        cell_timeout_s=args.cell_timeout,
    )
    print(f"The report: {Path(os.path.relpath(index))}")
    return 0


def _set_home(args: argparse.Namespace) -> int:
    from chatlib.pipeline.notebooks import set_home

    changed = set_home(args.url)
    print("\n".join(f"changed {path.name}" for path in changed) or "this is the home already")
    return 0


def _bundle(args: argparse.Namespace) -> int:
    from chatlib.pipeline import render_bundle
    from chatlib.pipeline.chain import find_run

    path = render_bundle(find_run(args.name))
    print(f"The report as one file, {path.stat().st_size / 1e6:.1f} MB: {Path(os.path.relpath(path))}")
    return 0


def _save_images(args: argparse.Namespace) -> int:
    from chatlib.pipeline import save_key_figures, save_outline, save_screenshot
    from chatlib.pipeline.chain import find_run
    from chatlib.pipeline.notebooks import require_notebooks
    from chatlib.workspace import PROJECT_DIR

    require_notebooks()
    run_dir, images_dir = find_run(args.name), PROJECT_DIR / "Images"
    pictures = [save_outline(run_dir, images_dir), *save_key_figures(run_dir, images_dir)]
    for path in filter(None, [*pictures, save_screenshot(run_dir, images_dir)]):
        print(f"Images/{path.name}")
    return 0


def _save_outputs(_args: argparse.Namespace) -> int:
    from chatlib.pipeline.chain import RUNS_DIR
    from chatlib.pipeline.committed import save_outputs
    from chatlib.pipeline.notebooks import require_notebooks

    require_notebooks()
    for path in save_outputs(RUNS_DIR / "sample"):
        print(f"notebooks/{path.name}: {path.stat().st_size / 1000:,.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
