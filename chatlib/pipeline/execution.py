"""Execute one notebook with papermill, and say in one message what went wrong."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from chatlib.colab import in_colab
from chatlib.errors import PipelineError
from chatlib.workspace import HEADLESS, PROJECT_DIR, progress_bar

__all__ = ["environment_of_kernels", "execute_notebook", "run_before"]

log = logging.getLogger(__name__)


def execute_notebook(
    source: Path, output: Path, *, parameters: Mapping[str, object], bar: tqdm, cell_timeout_s: int
) -> None:
    """Run `source` in its own folder with `parameters`; write it as far as it gets to `output`.

    Every cell done counts on `bar`.
    Raises: PipelineError, naming the failing cell; KeyboardInterrupt.
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
        said = f"{error.ename}: {error.evalue}" if error.evalue else error.ename
        message = f"{source.stem}, {_name_cell(output)}: {said}"
        raise PipelineError(f"{message}\nThe notebook as far as it got: {output}") from error
    except (RuntimeError, TimeoutError) as error:  # a dead kernel, a cell over its time
        message = f"{source.stem} did not end: {str(error).strip().splitlines()[0]}"
        raise PipelineError(f"{message}\nThe notebook as far as it got: {output}") from error


def run_before(notebook: str, run_dir: Path, *, makes: Path) -> None:
    """On Colab, run a notebook on its defaults if what it `makes` is not in this runtime, and say so.

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
    source = PROJECT_DIR / "notebooks" / f"{notebook}.ipynb"
    n_cells = len(nbformat.read(source, as_version=4).cells) + 1
    with progress_bar(total=n_cells, unit="cell", desc=notebook) as bar, environment_of_kernels():
        execute_notebook(
            source, run_dir / source.name, parameters={"RUN_DIR": str(run_dir)}, bar=bar, cell_timeout_s=3600
        )


@contextmanager
def environment_of_kernels() -> Iterator[None]:
    """Kernels started inside show no progress bars, and are of this environment, not one of the user's.

    Their threads sleep while they wait: spinning made training seven times slower on a busy machine.
    """
    before = os.environ.copy()
    os.environ.update({HEADLESS: "1", "JUPYTER_PREFER_ENV_PATH": "1", "OMP_WAIT_POLICY": "PASSIVE"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


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


def _name_cell(path: Path) -> str:
    """Return the failing cell of an executed notebook by its number and its first line of code."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.metadata.get("papermill", {}).get("exception"):
            code = (line for line in cell.source.splitlines() if line.strip() and not line.startswith("#"))
            return f"cell [{cell.execution_count}] `{next(code, '')}`"
    return "a cell"
