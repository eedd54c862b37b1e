"""Run the five notebooks as one chain, headless, and leave a report that can be read.

A run lives in `data/runs/NAME/`: its database, models, executed notebooks, HTML pages,
`index.html`, `results/`, and `run.json`, which is written last and so means "complete".
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

import chatlib
from chatlib.errors import ParameterError, PipelineError, StoreFull
from chatlib.notebooks import NOTEBOOKS, NOTEBOOKS_DIR, find_notebook, parse_override, read_parameters
from chatlib.report import render_index, render_page
from chatlib.workspace import PROJECT_DIR, open_workspace, resolve_path

__all__ = ["RUNS_DIR", "run_chain"]

RUNS_DIR = PROJECT_DIR / "data" / "runs"
_STEPS = "steps.json"  # which notebooks are done, with what parameters; the trail of an unfinished run


def run_chain(
    name: str = "sample",
    *,
    chats: str | Path | None = None,
    limit: int = 0,
    overrides: Sequence[str] = (),
    start: str | None = None,
    only: str | None = None,
    cell_timeout_s: int = 4 * 3600,
) -> Path:
    """Run the notebooks in order, render them, and return the path of the report's index.

    `chats` is a chat file or a folder of them; without it the simulated sample channel is used.
    `overrides` are `NOTEBOOK.KEY=VALUE`. A run that was interrupted goes on with the first
    notebook that is not done, unless `start` or `only` name another.

    Raises: ParameterError before anything runs; PipelineError, naming the cell, when one fails;
    StoreFull when the disk is full.
    """
    run_dir = _check_name(name)
    defaults = {notebook: read_parameters(NOTEBOOKS_DIR / f"{notebook}.ipynb") for notebook in NOTEBOOKS}
    parameters = _build_parameters(run_dir, defaults, chats=chats, limit=limit, overrides=overrides)
    ws = open_workspace(run_dir)
    steps = _read_steps(run_dir)
    todo = _choose_notebooks(run_dir, steps, parameters, start=start, only=only)
    try:
        (run_dir / "run.json").unlink(missing_ok=True)
        if todo[0] == NOTEBOOKS[0] and not chats:
            _forget_sample(ws.db)
        _run_notebooks(run_dir, todo, parameters, defaults, steps, cell_timeout_s)
        index = render_index(run_dir, steps)
        if set(steps) == set(NOTEBOOKS):
            _write_json(run_dir / "run.json", _describe_run(name, steps, chats))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreFull(
                f"The disk must have room for the run, and {run_dir} could not grow. Free some space and "
                "run the same command again: it goes on where it stopped."
            ) from error
        raise
    return index


def _check_name(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ParameterError(
            f"A run's name is made of letters, digits, '.', '_' and '-', and starts with a letter or digit, "
            f"got {name!r}."
        )
    return RUNS_DIR / name


def _build_parameters(
    run_dir: Path,
    defaults: Mapping[str, Mapping[str, object]],
    *,
    chats: str | Path | None,
    limit: int,
    overrides: Sequence[str],
) -> dict[str, dict[str, object]]:
    if limit < 0:
        raise ParameterError(f"LIMIT is a number of streams, 0 for all, got {limit}.")
    given: dict[str, object] = {"RUN_DIR": str(run_dir), "LIMIT": limit}
    if chats:
        path = Path.cwd() / Path(chats).expanduser()
        if not path.exists():
            raise ParameterError(
                f"CHATS must name a chat file or a folder of them; there is nothing at {path}."
            )
        given |= {"SOURCE": "chats", "CHATS": str(path.resolve())}
    parameters = {
        notebook: {key: value for key, value in given.items() if key in names}
        for notebook, names in defaults.items()
    }
    for override in overrides:
        notebook, key, value = parse_override(override, defaults)
        parameters[notebook][key] = value
    return parameters


def _choose_notebooks(
    run_dir: Path,
    steps: dict[str, dict],
    parameters: Mapping[str, Mapping[str, object]],
    *,
    start: str | None,
    only: str | None,
) -> list[str]:
    """Return the notebooks to run, and take those out of `steps`."""
    if start and only:
        raise ParameterError("--from and --only exclude each other; give one of them.")
    if only:
        todo = [find_notebook(only)]
    elif start:
        todo = list(NOTEBOOKS[NOTEBOOKS.index(find_notebook(start)) :])
    else:
        todo = list(NOTEBOOKS[_count_done(run_dir, steps, parameters) :])
    before = NOTEBOOKS[: NOTEBOOKS.index(todo[0])]
    if missing := [notebook for notebook in before if notebook not in steps]:
        raise ParameterError(
            f"{todo[0]} stands on the notebooks before it, and {missing[0]} has not run in {run_dir}. "
            f"Start with --from {missing[0][:2]}."
        )
    for notebook in todo:
        steps.pop(notebook, None)
    return todo


def _count_done(run_dir: Path, steps: Mapping[str, dict], parameters: Mapping[str, Mapping]) -> int:
    """Return how many notebooks an unfinished run with the same parameters has done."""
    if (run_dir / "run.json").exists():
        return 0
    for number, notebook in enumerate(NOTEBOOKS):
        step = steps.get(notebook)
        if (
            not step
            or step["given"] != dict(parameters[notebook])
            or step["source"] != _source_digest(notebook)
        ):
            return number
    return len(NOTEBOOKS) - 1  # only the rendering was interrupted: the last one again


def _run_notebooks(
    run_dir: Path,
    todo: Sequence[str],
    parameters: Mapping[str, Mapping[str, object]],
    defaults: Mapping[str, Mapping[str, object]],
    steps: dict[str, dict],
    cell_timeout_s: int,
) -> None:
    papermill_engines.register("chatlib", _ChainEngine)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel, not one of the user's
    n_cells = sum(len(nbformat.read(NOTEBOOKS_DIR / f"{n}.ipynb", as_version=4).cells) + 1 for n in todo)
    with tqdm(total=n_cells, unit="cell", disable=None) as bar:
        for notebook in todo:
            bar.set_description(notebook)
            started = time.monotonic()
            _run_notebook(run_dir, notebook, parameters[notebook], bar, cell_timeout_s)
            steps[notebook] = {
                "given": dict(parameters[notebook]),
                "parameters": {**defaults[notebook], **parameters[notebook]},
                "source": _source_digest(notebook),
                "seconds": round(time.monotonic() - started, 1),
                "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            }
            render_page(run_dir, notebook)
            _write_json(run_dir / _STEPS, steps)


def _run_notebook(
    run_dir: Path, notebook: str, parameters: Mapping[str, object], bar: tqdm, cell_timeout_s: int
) -> None:
    output = run_dir / f"{notebook}.ipynb"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of papermill's and nbclient's own making
            papermill.execute_notebook(
                str(NOTEBOOKS_DIR / f"{notebook}.ipynb"),
                str(output),
                parameters=dict(parameters),
                engine_name="chatlib",
                chain_bar=bar,
                progress_bar=False,
                cwd=str(NOTEBOOKS_DIR),
                execution_timeout=cell_timeout_s,
                extra_arguments=["--IPKernelApp.log_level=40"],  # errors only
            )
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from error
        message = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
        raise PipelineError(
            f"{notebook}, {_name_cell(output, error.cell_index)}: {message}\n"
            f"The notebook as far as it got: {output}\n"
            f"Once mended, the same command goes on from here (or: --from {notebook[:2]})."
        ) from error
    except (RuntimeError, TimeoutError) as error:  # a dead kernel, a cell over its time
        raise PipelineError(
            f"{notebook} did not end: {str(error).strip().splitlines()[0]}\n"
            f"The notebook as far as it got: {output}"
        ) from error


class _ChainEngine(NBClientEngine):
    """papermill's engine, its progress shown on the bar of the whole chain."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: object, kernel_name: str, **kwargs: object) -> object:
        """Run the notebook as papermill does; cells done count on `chain_bar`."""
        nb_man.pbar = _SharedBar(kwargs.pop("chain_bar"))
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


class _SharedBar:
    """What papermill calls of a progress bar, without the closing."""

    def __init__(self, bar: tqdm) -> None:
        self._bar = bar
        self.n = 0

    def update(self, n: int) -> None:
        self._bar.update(n)

    def set_description(self, text: str) -> None:
        """The chain's bar says which notebook runs; cells do not rename it."""

    def refresh(self) -> None:
        self._bar.refresh()

    def close(self) -> None:
        """The bar is the chain's."""


def _name_cell(path: Path, index: int | None) -> str:
    """Return the failing cell by its number in the executed notebook and its first line."""
    cells = nbformat.read(path, as_version=4).cells
    failed = [c for c in cells if c.metadata.get("papermill", {}).get("exception") is True]
    cell = failed[0] if failed else cells[index or 0]
    lines = [line for line in cell.source.splitlines() if line.strip() and not line.startswith("#")]
    return f"cell {cell.get('execution_count')} (`{lines[0] if lines else ''}`)"


def _forget_sample(db: Path) -> None:
    """A run of the sample starts anew: it is made again in seconds, and the report tells a beginning."""
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)


def _source_digest(notebook: str) -> str:
    return hashlib.blake2b((NOTEBOOKS_DIR / f"{notebook}.ipynb").read_bytes(), digest_size=8).hexdigest()


def _read_steps(run_dir: Path) -> dict[str, dict]:
    try:
        return json.loads((run_dir / _STEPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _describe_run(name: str, steps: Mapping[str, dict], chats: str | Path | None) -> dict[str, object]:
    packages = (PROJECT_DIR / "requirements.txt").read_text(encoding="utf-8").split("\n")
    names = [re.split(r"[<>=#\s]", line)[0] for line in packages if line and not line.startswith("#")]
    return {
        "name": name,
        "chats": None if chats is None else str(resolve_path(Path.cwd() / chats)),
        "parameters": {notebook: steps[notebook]["parameters"] for notebook in NOTEBOOKS},
        "seconds": {notebook: steps[notebook]["seconds"] for notebook in NOTEBOOKS},
        "finished_at": steps[NOTEBOOKS[-1]]["finished_at"],
        "versions": {
            "chatlib": chatlib.__version__,
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in names},
        },
    }


def _write_json(path: Path, content: object) -> None:
    """Write as a whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
