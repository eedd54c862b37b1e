"""Run the five notebooks as one chain, headless, and leave a report that can be read.

A run lives in `data/runs/NAME/`: its database, models, executed notebooks, HTML pages, `index.html` and
`results/`. `steps.json` holds what counts as done: a notebook enters it after it has run, and leaves it,
with those that depend on it, before it is run again. `run.json` is written last: it means "complete".
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
from tqdm import tqdm

from chatlib.collect.address import clean_channel_url
from chatlib.errors import ChatlibError, NotEnoughData, ParameterError, PipelineError
from chatlib.files import atomic_write, map_write_errors
from chatlib.pipeline.notebooks import (
    count_cells,
    digest_cells,
    environment_of_kernels,
    execute_notebook,
    find_notebook,
    parse_override,
    read_parameters,
)
from chatlib.pipeline.pages import render_index, render_page
from chatlib.pipeline.settings import (
    NOTEBOOKS,
    RunSettings,
    Step,
    Steps,
    describe_run,
    load_steps,
    lock_run,
    require_notebooks,
)
from chatlib.workspace import hide_paths, open_workspace, shorten_path

__all__ = ["run_chain"]

log = logging.getLogger(__name__)

# The notebooks that must have run before one.
_NEEDS: dict[str, tuple[str, ...]] = {
    "01_collect": (),
    "02_update": ("01_collect",),
    "03_pretrain": ("01_collect",),
    "04_predict": ("01_collect", "03_pretrain"),
    "05_analyze": ("01_collect",),
}
# The notebooks whose outputs are out of date as soon as one runs again.
_OUTDATES: dict[str, tuple[str, ...]] = {
    "01_collect": NOTEBOOKS[1:],
    "02_update": NOTEBOOKS[2:],
    "03_pretrain": ("04_predict",),
}


@dataclass(frozen=True)
class _Plan:
    """A run's settings, checked and resolved."""

    settings: RunSettings
    run_dir: Path
    chats: Path | None
    channels: str | None
    defaults: Mapping[str, Mapping[str, object]]
    general: Mapping[str, object]  # parameters that all notebooks are given, where they have them
    given: Mapping[str, Mapping[str, object]]  # parameters that differ from the defaults, by notebook

    def source(self, notebook: str) -> Path:
        """The notebook to run."""
        return self.settings.notebooks_dir / f"{notebook}.ipynb"

    @property
    def hidden(self) -> list[Path]:
        """Paths that the executed notebooks do not show."""
        paths = [self.run_dir, *(Path(value) for value in self.general.values() if isinstance(value, str))]
        return [path for path in paths if path.is_absolute()]

    def compute_key(self, notebook: str) -> str:
        """A digest of the notebook's code and of what it is given; outputs may be refreshed at any time."""
        code = digest_cells(nbformat.read(self.source(notebook), as_version=4))
        return hashlib.blake2b(json.dumps([code, self.given[notebook]]).encode(), digest_size=8).hexdigest()


def run_chain(settings: RunSettings) -> Path:
    """Run the notebooks in order, render them, and return the path of the report's index.

    A run that was interrupted goes on with what is not done, unless `start` or `only` name another
    notebook; a complete one starts again. What does not depend on a notebook that fails runs all the same.
    A chapter that the chat is too small for is no failure where 05 has run: a warning says why.

    Raises: ParameterError before anything runs, also if that run is in progress; PipelineError, naming
    the cell, when one failed; StoreFull when the disk is full.
    """
    plan = _make_plan(settings)
    _choose_notebooks(plan, load_steps(plan.run_dir))  # refused before anything is made
    with map_write_errors(plan.run_dir):
        ws = open_workspace(plan.run_dir)
        with lock_run(plan.run_dir):
            steps = load_steps(plan.run_dir)
            todo = _choose_notebooks(plan, steps)
            _mark_undone(plan, todo, steps)
            if NOTEBOOKS[0] in todo and not plan.chats and not plan.channels:
                for suffix in ("", "-wal", "-shm"):  # the sample's report shows a beginning
                    ws.db.with_name(ws.db.name + suffix).unlink(missing_ok=True)
            _run_notebooks(plan, todo, steps)
    return plan.run_dir / "index.html"


def _make_plan(settings: RunSettings) -> _Plan:
    run_dir = settings.run_dir
    require_notebooks(settings.notebooks_dir)
    defaults = {name: read_parameters(settings.notebooks_dir / f"{name}.ipynb") for name in NOTEBOOKS}
    if settings.chats and settings.channels:
        raise ParameterError("A run takes files (--chats) or channels (--channels), not both.")
    if settings.limit < 0:
        raise ParameterError(f"LIMIT is a number of streams, 0 for all, got {settings.limit}.")
    chats = _locate(settings.chats) if settings.chats else None
    if chats and not chats.exists():
        raise ParameterError(f"CHATS must name a chat file or a folder of them; there is nothing at {chats}.")
    channels = _locate_channels(settings.channels) if settings.channels else None
    general: dict[str, object] = {"RUN_DIR": _pass_path(run_dir), "LIMIT": settings.limit}
    if chats:
        general |= {"SOURCE": "chats", "CHATS": _pass_path(chats)}
        beside = (folder / "truth.csv.gz" for folder in (chats, chats.parent))
        if truth := next((path for path in beside if path.is_file()), None):  # of a simulated channel
            general["TRUTH"] = _pass_path(truth)
    elif channels:
        general |= {"SOURCE": "channels", "CHANNELS": channels}
    given = {
        notebook: {key: value for key, value in general.items() if key in names}
        for notebook, names in defaults.items()
    }
    for override in settings.overrides:
        notebook, key, value = parse_override(override, defaults)
        given[notebook][key] = value
    return _Plan(settings, run_dir, chats, channels, defaults, general, given)


def _locate(path: str | Path) -> Path:
    return (Path.cwd() / Path(path).expanduser()).resolve()


def _locate_channels(channels: str) -> str:
    """Return an address as it is, and the absolute path of a list. Raises: ParameterError."""
    if not channels.lower().endswith((".ods", ".csv")):
        return clean_channel_url(channels)
    path = _locate(channels)
    if not path.is_file():
        raise ParameterError(f"A list of channels must be a file; there is none at {path}.")
    return str(path)


def _pass_path(path: Path) -> str:
    """Return a path as a notebook's parameter: short where `resolve_path` understands it."""
    short = shorten_path(path)
    return str(path) if short.startswith("…") else short


def _choose_notebooks(plan: _Plan, steps: Steps) -> list[str]:
    """Return the notebooks to run. Raises: ParameterError if they need another that has not run."""
    start, only = plan.settings.start, plan.settings.only
    if start and only:
        raise ParameterError("--from and --only exclude each other; give one of them.")
    if only:
        todo = [find_notebook(only)]
    elif start:
        todo = list(NOTEBOOKS[NOTEBOOKS.index(find_notebook(start)) :])
    else:
        todo = _find_undone(plan, steps)
    missing = [need for notebook in todo for need in _NEEDS[notebook] if need not in {*steps, *todo}]
    if missing:
        raise ParameterError(
            f"{todo[0]} needs {missing[0]}, which has not run in {plan.run_dir}. "
            f"Start with --from {missing[0][:2]}."
        )
    return todo


def _find_undone(plan: _Plan, steps: Steps) -> list[str]:
    """Return what a run has not done with the same code and parameters, and what that outdates."""
    if (plan.run_dir / "run.json").exists():
        return list(NOTEBOOKS)
    todo: list[str] = []
    for notebook in NOTEBOOKS:
        is_done = notebook in steps and steps[notebook].key == plan.compute_key(notebook)
        if not is_done or any(notebook in _OUTDATES.get(before, ()) for before in todo):
            todo.append(notebook)
    return todo


def _mark_undone(plan: _Plan, todo: Sequence[str], steps: Steps) -> None:
    """Take notebooks, and those that depend on them, out of what counts as done, on disk and in `steps`.

    Their pages and results go too, so that nothing of an earlier run is taken for this one's.
    """
    outdated = {name for notebook in todo for name in (notebook, *_OUTDATES.get(notebook, ()))}
    for notebook in outdated:
        steps.pop(notebook, None)
    _save_steps(plan, steps)
    (plan.run_dir / "run.json").unlink(missing_ok=True)
    for notebook in sorted(outdated):
        made = [plan.run_dir / f"{notebook}.html", plan.run_dir / "results" / f"{notebook}.json"]
        if notebook == "05_analyze":
            made += [plan.run_dir / "explorer.html", plan.run_dir / "results" / "explorer.json"]
        for path in made:
            path.unlink(missing_ok=True)
    _write_index(plan, steps)


def _run_notebooks(plan: _Plan, todo: Sequence[str], steps: Steps) -> None:
    if done := [notebook for notebook in NOTEBOOKS if notebook in steps]:
        log.info("done before: %s", ", ".join(done))
    n_cells = sum(count_cells(plan.source(notebook)) for notebook in todo)
    errors: list[ChatlibError] = []
    failed: dict[str, str] = {}  # with what depends on them, and why
    with environment_of_kernels(), tqdm(total=n_cells, unit="cell", disable=None) as bar:
        for notebook in todo:
            if notebook in failed:
                continue
            bar.set_description(notebook)
            key, started = plan.compute_key(notebook), time.monotonic()
            try:
                execute_notebook(
                    plan.source(notebook),
                    plan.run_dir / f"{notebook}.ipynb",
                    parameters=plan.given[notebook],
                    bar=bar,
                    cell_timeout_s=plan.settings.cell_timeout_s,
                    hidden=plan.hidden,
                )
            except (PipelineError, NotEnoughData) as error:
                errors.append(error)
                lost = (notebook, *_OUTDATES.get(notebook, ()))
                failed |= dict.fromkeys(lost, hide_paths(str(error), *plan.hidden))
                continue
            render_page(plan.run_dir, notebook)
            steps[notebook] = Step(
                key=key,
                given=hide_paths(dict(plan.given[notebook]), *plan.hidden),
                parameters=hide_paths({**plan.defaults[notebook], **plan.given[notebook]}, *plan.hidden),
                seconds=round(time.monotonic() - started, 1),
                finished_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            )
            _save_steps(plan, steps)
            _write_index(plan, steps)
            if bar.disable:
                log.info("%s: %.0f s", notebook, steps[notebook].seconds)
    for notebook in [name for name in NOTEBOOKS if steps and name not in steps]:  # other pages lead to it
        missing = failed.get(notebook, "The run's command makes it, without --only.")
        render_page(plan.run_dir, notebook, missing=missing)
    is_whole = NOTEBOOKS[-1] in steps and not (plan.settings.start or plan.settings.only)
    if is_whole and all(isinstance(error, NotEnoughData) for error in errors):
        for lacking in errors:
            log.warning("The report does without a chapter. %s", lacking)
    elif errors:
        told = [*map(str, errors), "Fix the cause and run the same command again: it goes on here."]
        if NOTEBOOKS[1] in failed and NOTEBOOKS[0] not in failed:
            told.append(f"{NOTEBOOKS[2]} does not need it: --from 03.")
        elif NOTEBOOKS[-1] in steps:
            told.append(f"The report without it: {plan.run_dir / 'index.html'}")
        raise PipelineError("\n".join(told)) from errors[0]


def _write_index(plan: _Plan, steps: Steps) -> None:
    """Write the first page of what has run, and `run.json` if that is all."""
    if not steps:
        (plan.run_dir / "index.html").unlink(missing_ok=True)
        return
    general = hide_paths(dict(plan.general), *plan.hidden)
    record = describe_run(plan.run_dir, steps, chats=plan.chats, channels=plan.channels, general=general)
    render_index(plan.run_dir, record)
    if set(steps) == set(NOTEBOOKS):
        _write_json(plan.run_dir / "run.json", record)


def _save_steps(plan: _Plan, steps: Steps) -> None:
    _write_json(plan.run_dir / "steps.json", {notebook: asdict(step) for notebook, step in steps.items()})


def _write_json(path: Path, content: object) -> None:
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
