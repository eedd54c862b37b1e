"""Run the five notebooks as one chain, headless, and leave a report that can be read.

A run lives in `data/runs/NAME/`: its database, models, executed notebooks, HTML pages,
`index.html`, `results/`, and `run.json`, which is written last and so means "complete".
"""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from tqdm import tqdm

from chatlib.collect.youtube.address import clean_channel_url
from chatlib.errors import ParameterError, PipelineError, StoreFull
from chatlib.files import atomic_write
from chatlib.pipeline import describe_run, render_index, render_page
from chatlib.pipeline.execution import environment_of_kernels, execute_notebook
from chatlib.pipeline.notebooks import (
    NOTEBOOKS,
    NOTEBOOKS_DIR,
    digest_cells,
    find_notebook,
    parse_override,
    read_parameters,
    require_notebooks,
)
from chatlib.workspace import PROJECT_DIR, open_workspace

__all__ = ["RUNS_DIR", "find_run", "run_chain"]

log = logging.getLogger(__name__)

RUNS_DIR = PROJECT_DIR / "data" / "runs"
# Which notebooks a notebook stands on.
_NEEDS = {
    "01_collect": (),
    "02_update": ("01_collect",),
    "03_pretrain": ("01_collect",),
    "04_predict": ("01_collect", "03_pretrain"),
    "05_analyze": ("01_collect",),
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STEPS = "steps.json"  # which notebooks are done, with what parameters; the trail of an unfinished run


@dataclass(frozen=True)
class _Run:
    """What is fixed during a run."""

    name: str
    run_dir: Path
    notebooks_dir: Path
    chats: Path | None
    channels: str | None
    defaults: Mapping[str, Mapping[str, object]]
    general: Mapping[str, object]  # parameters that all notebooks are given, where they have them
    given: Mapping[str, Mapping[str, object]]  # parameters that differ from the defaults, by notebook
    cell_timeout_s: int

    def source(self, notebook: str) -> Path:
        """The notebook to run."""
        return self.notebooks_dir / f"{notebook}.ipynb"

    def output(self, notebook: str) -> Path:
        """The executed notebook."""
        return self.run_dir / f"{notebook}.ipynb"


def run_chain(
    name: str = "sample",
    *,
    chats: str | Path | None = None,
    channels: str | None = None,
    limit: int = 0,
    overrides: Sequence[str] = (),
    start: str | None = None,
    only: str | None = None,
    cell_timeout_s: int = 4 * 3600,
    runs_dir: Path = RUNS_DIR,
    notebooks_dir: Path = NOTEBOOKS_DIR,
) -> Path:
    """Run the notebooks in order, render them, and return the path of the report's index.

    `chats` is a chat file or a folder of them, `channels` an address or a list of channels on
    YouTube; without either the simulated sample channel is used.
    `overrides` are `NOTEBOOK.KEY=VALUE`. A run that was interrupted goes on with the first
    notebook that is not done, unless `start` or `only` name another.

    Raises: ParameterError before anything runs, also for a run of that name that is going on;
    PipelineError, naming the cell, when one fails; StoreFull when the disk is full.
    """
    run = _plan_run(name, chats, channels, limit, overrides, cell_timeout_s, runs_dir, notebooks_dir)
    _choose_notebooks(run, _read_steps(run), start=start, only=only)  # refused before anything is made
    with _say_full(run.run_dir):
        ws = open_workspace(run.run_dir)
        with _hold(run):
            steps = _read_steps(run)
            todo = _choose_notebooks(run, steps, start=start, only=only)
            (run.run_dir / "run.json").unlink(missing_ok=True)
            _write_index(run, steps)  # without what is to run now
            if todo[0] == NOTEBOOKS[0] and not run.chats and not run.channels:
                _forget_sample(ws.db)
            _run_notebooks(run, todo, steps)
    return run.run_dir / "index.html"


def find_run(name: str, *, runs_dir: Path = RUNS_DIR) -> Path:
    """Return the folder of a run by its name. Raises: ParameterError for a name that is none."""
    return _check_name(name, runs_dir)


def _plan_run(
    name: str,
    chats: str | Path | None,
    channels: str | None,
    limit: int,
    overrides: Sequence[str],
    cell_timeout_s: int,
    runs_dir: Path,
    notebooks_dir: Path,
) -> _Run:
    run_dir = _check_name(name, runs_dir)
    require_notebooks(notebooks_dir)
    defaults = {notebook: read_parameters(notebooks_dir / f"{notebook}.ipynb") for notebook in NOTEBOOKS}
    path = None
    if chats:
        path = (Path.cwd() / Path(chats).expanduser()).resolve()
        if not path.exists():
            raise ParameterError(
                f"CHATS must name a chat file or a folder of them; there is nothing at {path}."
            )
    general: dict[str, object] = {"RUN_DIR": str(run_dir), "LIMIT": limit}
    if path and channels:
        raise ParameterError("A run takes files (--chats) or channels (--channels), not both.")
    if path:
        general |= {"SOURCE": "chats", "CHATS": str(path)}
    elif channels:
        general |= {"SOURCE": "youtube", "CHANNELS": _locate_channels(channels)}
    given = _build_parameters(defaults, general, limit=limit, overrides=overrides)
    return _Run(name, run_dir, notebooks_dir, path, channels, defaults, general, given, cell_timeout_s)


def _locate_channels(channels: str) -> str:
    """Return an address as it is, and the absolute path of a list. Raises: ParameterError."""
    if not channels.lower().endswith((".ods", ".csv")):
        return clean_channel_url(channels)
    path = (Path.cwd() / Path(channels).expanduser()).resolve()
    if not path.is_file():
        raise ParameterError(f"A list of channels must be a file; there is none at {path}.")
    return str(path)


def _check_name(name: str, runs_dir: Path) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ParameterError(
            "A run's name is made of letters, digits, '.', '_' and '-', and starts with a letter or digit, "
            f"got {name!r}."
        )
    return runs_dir / name


def _build_parameters(
    defaults: Mapping[str, Mapping[str, object]],
    general: Mapping[str, object],
    *,
    limit: int,
    overrides: Sequence[str],
) -> dict[str, dict[str, object]]:
    if limit < 0:
        raise ParameterError(f"LIMIT is a number of streams, 0 for all, got {limit}.")
    given = {
        notebook: {key: value for key, value in general.items() if key in names}
        for notebook, names in defaults.items()
    }
    for override in overrides:
        notebook, key, value = parse_override(override, defaults)
        given[notebook][key] = value
    return given


def _choose_notebooks(run: _Run, steps: dict[str, dict], *, start: str | None, only: str | None) -> list[str]:
    """Return the notebooks to run, and take those out of `steps`."""
    if start and only:
        raise ParameterError("--from and --only exclude each other; give one of them.")
    if only:
        todo = [find_notebook(only)]
    elif start:
        todo = list(NOTEBOOKS[NOTEBOOKS.index(find_notebook(start)) :])
    else:
        todo = list(NOTEBOOKS[_count_done(run, steps) :])
    if missing := [need for notebook in todo for need in _NEEDS[notebook] if need not in {*steps, *todo}]:
        raise ParameterError(
            f"{todo[0]} stands on {missing[0]}, which has not run in {run.run_dir}. "
            f"Start with --from {missing[0][:2]}."
        )
    for notebook in todo:
        steps.pop(notebook, None)
    return todo


def _count_done(run: _Run, steps: Mapping[str, dict]) -> int:
    """Return how many notebooks an unfinished run with the same parameters has done."""
    if (run.run_dir / "run.json").exists():
        return 0
    for number, notebook in enumerate(NOTEBOOKS):
        step = steps.get(notebook)
        if (
            not step
            or step["given"] != run.given[notebook]
            or step["source"] != _digest(run.source(notebook))
        ):
            return number
    return len(NOTEBOOKS) - 1  # only the rendering was interrupted: the last one again


@contextmanager
def _hold(run: _Run) -> Iterator[None]:
    """Keep others out of the run's folder. A process that dies lets go of it."""
    with (run.run_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ParameterError(
                f"A run goes on once at a time, and {run.name!r} is going on already. Wait for it, or give "
                "this one another name (NAME=…, or --name)."
            ) from None
        yield


@contextmanager
def _say_full(run_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StoreFull(
            f"The disk must have room for the run, and {run_dir} could not grow. Free some space "
            "and run the same command again: it goes on where it stopped."
        ) from error


def _run_notebooks(run: _Run, todo: Sequence[str], steps: dict[str, dict]) -> None:
    if done := [notebook for notebook in NOTEBOOKS if notebook in steps]:
        log.info("done before: %s", ", ".join(done))
    # papermill adds a cell with what was given
    n_cells = sum(len(nbformat.read(run.source(n), as_version=4).cells) + 1 for n in todo)
    with environment_of_kernels(), tqdm(total=n_cells, unit="cell", disable=None) as bar:
        for notebook in todo:
            bar.set_description(notebook)
            started = time.monotonic()
            _run_notebook(run, notebook, bar)
            steps[notebook] = {
                "given": dict(run.given[notebook]),
                "parameters": {**run.defaults[notebook], **run.given[notebook]},
                "source": _digest(run.source(notebook)),
                "seconds": round(time.monotonic() - started, 1),
                "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            }
            render_page(run.run_dir, notebook)
            _write_json(run.run_dir / _STEPS, steps)
            _write_index(run, steps)
            if bar.disable:
                log.info("%s: %.0f s", notebook, steps[notebook]["seconds"])


def _run_notebook(run: _Run, notebook: str, bar: tqdm) -> None:
    try:
        execute_notebook(
            run.source(notebook), run.output(notebook),
            parameters=run.given[notebook], bar=bar, cell_timeout_s=run.cell_timeout_s,
        )  # fmt: skip
    except PipelineError as error:
        go_on = f"The same command goes on from here once that is mended. {_say_way_round(notebook)}"
        raise PipelineError(f"{error}\n{go_on.strip()}") from error


def _say_way_round(notebook: str) -> str:
    """Return how to go on without a notebook that failed, if others can do without it."""
    without = {notebook}
    for later in NOTEBOOKS[NOTEBOOKS.index(notebook) + 1 :]:
        if without.isdisjoint(_NEEDS[later]):
            return f"{later} does not need it: --from {later[:2]}."
        without.add(later)
    return ""


def _write_index(run: _Run, steps: Mapping[str, dict]) -> None:
    """Write the first page of what has run, and `run.json` if that is all."""
    if not steps:
        (run.run_dir / "index.html").unlink(missing_ok=True)
        return
    record = describe_run(run.run_dir, steps, chats=run.chats, channels=run.channels, general=run.general)
    render_index(run.run_dir, record)
    if set(steps) == set(NOTEBOOKS):
        _write_json(run.run_dir / "run.json", record)


def _forget_sample(db: Path) -> None:
    """A run of the sample starts anew: it is made again in seconds, and the report tells a beginning."""
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return digest_cells(nbformat.read(path, as_version=4))  # its outputs may be refreshed at any time


def _read_steps(run: _Run) -> dict[str, dict]:
    try:
        return json.loads((run.run_dir / _STEPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _write_json(path: Path, content: object) -> None:
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
