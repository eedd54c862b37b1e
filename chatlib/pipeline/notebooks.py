"""One notebook of the chain: its parameters, its digest, and its execution by papermill."""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm
from traitlets.config import Config

from chatlib.colab import in_colab
from chatlib.errors import NotEnoughData, ParameterError, PipelineError, StoreFull
from chatlib.files import atomic_write
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR
from chatlib.text import suggest_name
from chatlib.workspace import HEADLESS, check_type, hide_paths, progress_bar

__all__ = [
    "count_cells",
    "digest_cells",
    "environment_of_kernels",
    "execute_notebook",
    "find_notebook",
    "parse_override",
    "read_parameters",
    "run_before",
]

log = logging.getLogger(__name__)


def digest_cells(notebook: Mapping[str, Any], *, code_only: bool = False) -> str:
    """Return a digest of a notebook's sources and tags, independent of its outputs.

    `code_only` ignores cells of text.
    """
    cells = [
        (cell["cell_type"], "".join(cell["source"]), sorted(cell["metadata"].get("tags", [])))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" or not code_only
    ]
    return hashlib.blake2b(json.dumps(cells).encode(), digest_size=8).hexdigest()


def count_cells(path: Path) -> int:
    """Return how many cells papermill runs: it adds one with the parameters."""
    return len(nbformat.read(path, as_version=4).cells) + 1


def find_notebook(name: str) -> str:
    """Return the full name of a notebook given as `03`, `3` or `03_pretrain`.

    Raises: ParameterError for one that does not exist.
    """
    for notebook in NOTEBOOKS:
        if name and name in (notebook, notebook[:2], notebook[1:2]):
            return notebook
    raise ParameterError(f"A notebook is one of {', '.join(NOTEBOOKS)} or its number, got {name!r}.")


def read_parameters(path: Path) -> dict[str, object]:
    """Return the parameters of a notebook and their defaults, from its one tagged cell.

    Raises: ParameterError for a notebook that is missing, is not one, or breaks the contract:
    exactly one code cell tagged `parameters`, which assigns literals to UPPER_CASE names.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except OSError as error:
        raise ParameterError(f"The notebook {path} must exist and be readable ({error.strerror}).") from error
    except Exception as error:
        raise ParameterError(
            f"{path} must be a Jupyter notebook, and cannot be read as one: {error}"
        ) from error
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(
            f"A notebook has exactly one cell tagged `parameters`; {path.name} has {len(cells)}. "
            "Without it papermill would run on defaults and say nothing."
        )
    parameters: dict[str, object] = {}
    for node in ast.parse(cells[0].source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
                parameters[name] = _read_literal(node.value, name, path)
            case _:
                raise ParameterError(
                    f"A parameters cell assigns literals to UPPER_CASE names, got `{ast.unparse(node)}` "
                    f"in {path.name}."
                )
    return parameters


def parse_override(text: str, defaults: Mapping[str, Mapping[str, object]]) -> tuple[str, str, object]:
    """Return (notebook, parameter, value) of `NOTEBOOK.KEY=VALUE`, the value in its default's type.

    `defaults` maps each notebook to its parameters. Raises: ParameterError for another form,
    an unknown notebook or parameter, or a value of another type.
    """
    target, equals, value = text.partition("=")
    notebook, dot, key = target.partition(".")
    if not (equals and dot):
        raise ParameterError(f"A parameter is given as NOTEBOOK.KEY=VALUE, such as 03.SEED=1, got {text!r}.")
    notebook = find_notebook(notebook)
    if key not in defaults[notebook]:
        hint = suggest_name(key.upper(), defaults[notebook]) or f"It has {', '.join(defaults[notebook])}."
        raise ParameterError(f"{notebook} has no parameter {key!r}. {hint}")
    return notebook, key, _convert(value, defaults[notebook][key], f"{notebook}.{key}")


def execute_notebook(
    source: Path,
    output: Path,
    *,
    parameters: Mapping[str, object],
    bar: tqdm,
    cell_timeout_s: int,
    hidden: Sequence[Path] = (),
) -> None:
    """Run `source` in its own folder with `parameters`; write it as far as it gets to `output`.

    Every finished cell counts on `bar`. Paths of this machine, `hidden` ones too, are shortened in `output`.
    Raises: PipelineError, naming the failing cell; NotEnoughData; StoreFull; KeyboardInterrupt.
    """
    papermill_engines.register("chatlib", _ChainEngine)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of papermill's and nbclient's own making
            papermill.execute_notebook(
                str(source),
                str(output),
                parameters=dict(parameters),
                engine_name="chatlib",
                chain_bar=bar,
                progress_bar=False,
                cwd=str(source.parent),
                execution_timeout=cell_timeout_s,
                extra_arguments=["--IPKernelApp.log_level=50"],  # its own shutdown is no error
            )
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            raise KeyboardInterrupt from error
        reason = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
        message = f"{source.stem}, {_name_cell(output)}: {reason}"
        if error.ename == "StoreFull" or "No space left on device" in error.evalue:
            raise StoreFull(f"{message}\nFree some space on the disk of {output.parent}.") from error
        if error.ename == "NotEnoughData":
            raise NotEnoughData(f"{source.stem}: {error.evalue}") from error
        raise PipelineError(f"{message}\nThe notebook as far as it got: {output}") from error
    except (RuntimeError, TimeoutError) as error:  # a dead kernel, a cell over its time
        message = f"{source.stem} did not end: {str(error).strip().splitlines()[0]}"
        raise PipelineError(f"{message}\nThe notebook as far as it got: {output}") from error
    finally:
        with suppress(FileNotFoundError, json.JSONDecodeError):  # a full disk cuts it short
            shown = hide_paths(json.loads(output.read_text(encoding="utf-8")), *hidden, source.parent)
            atomic_write(output, json.dumps(shown, indent=1, ensure_ascii=False) + "\n")


def run_before(notebook: str, run_dir: Path, *, makes: Path) -> None:
    """On Colab, run a notebook on its defaults if `makes`, its product, is missing, and say so.

    There every notebook starts in a runtime of its own. Elsewhere nothing is done: the order of the
    notebooks is the user's. Raises: PipelineError if it fails.
    """
    if makes.exists() or not in_colab():
        return
    log.warning(
        "%s has not run in this runtime, so it runs now, on its defaults. To use a run of your own, give it "
        "and this notebook the same DRIVE.",
        notebook,
    )
    source = NOTEBOOKS_DIR / f"{notebook}.ipynb"
    with (
        progress_bar(total=count_cells(source), unit="cell", desc=notebook) as bar,
        environment_of_kernels(),
    ):
        execute_notebook(
            source, run_dir / source.name, parameters={"RUN_DIR": str(run_dir)}, bar=bar, cell_timeout_s=3600
        )


@contextmanager
def environment_of_kernels() -> Iterator[None]:
    """Kernels started inside show no progress bars, and use this environment, not one of the user's.

    Their threads wait as those of `chatlib.pretrain` do, whatever is imported first.
    """
    from chatlib.pretrain import THREADS

    before = os.environ.copy()
    os.environ.update({HEADLESS: "1", "JUPYTER_PREFER_ENV_PATH": "1", **THREADS})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _read_literal(node: ast.expr, name: str, path: Path) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ParameterError(
            f"A parameter is a plain literal, got `{name} = {ast.unparse(node)}` in {path.name}."
        ) from None


def _convert(text: str, default: object, name: str) -> object:
    if isinstance(default, str):
        return text
    value: object
    try:
        value = ast.literal_eval({"true": "True", "false": "False"}.get(text.lower(), text))
    except (ValueError, SyntaxError):
        value = text
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    check_type(name, value, default)
    return value


# A notebook's results are stored when its last cell ends. A kernel waits for its child processes, and loky's
# resource tracker ignores its signals: it is stopped after half a second instead of 2.5.
_QUICK_END = Config({"KernelManager": {"shutdown_wait_time": 1.0}})


class _ChainEngine(NBClientEngine):
    """papermill's engine, its progress shown on the bar of the whole chain."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> object:
        """Run the notebook as papermill does; finished cells count on `chain_bar`, which the chain closes."""
        bar = kwargs.pop("chain_bar")
        nb_man.pbar = SimpleNamespace(
            n=0, update=bar.update, refresh=bar.refresh, set_description=str, close=str
        )
        return super().execute_managed_notebook(nb_man, kernel_name, config=_QUICK_END, **kwargs)


def _name_cell(path: Path) -> str:
    """Return the failing cell of an executed notebook by its number and its first line of code."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.metadata.get("papermill", {}).get("exception"):
            code = (line for line in cell.source.splitlines() if line.strip() and not line.startswith("#"))
            return f"cell [{cell.execution_count}] `{next(code, '')}`"
    return "a cell"
