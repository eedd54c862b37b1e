"""What a run is asked to do: one object from the command line to the chain, each default once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatlib.errors import ParameterError
from chatlib.workspace import PROJECT_DIR, RUNS_DIR

__all__ = [
    "NOTEBOOKS",
    "NOTEBOOKS_DIR",
    "RunSettings",
    "find_run",
    "label_notebook",
    "require_notebooks",
]

NOTEBOOKS = ("01_collect", "02_update", "03_pretrain", "04_predict", "05_analyze")
NOTEBOOKS_DIR = PROJECT_DIR / "notebooks"


@dataclass(frozen=True)
class RunSettings:
    """The options of a run.

    `chats` is a chat file or a folder of them, `channels` a channel's address or a list of
    channels; without either the simulated sample channel is used. `overrides` are `NOTEBOOK.KEY=VALUE`.
    `start` and `only` name a notebook: the first to run, or the only one.
    """

    name: str = ""
    chats: str | Path | None = None
    channels: str | None = None
    limit: int = 0
    overrides: Sequence[str] = ()
    start: str | None = None
    only: str | None = None
    cell_timeout_s: int = 4 * 3600
    runs_dir: Path = RUNS_DIR
    notebooks_dir: Path = NOTEBOOKS_DIR

    @property
    def run_dir(self) -> Path:
        """The run's folder, absolute. Raises: ParameterError for a name that is none."""
        default = "chats" if self.chats else "channels" if self.channels else "sample"
        return find_run(self.name or default, runs_dir=self.runs_dir)


def find_run(name: str, *, runs_dir: Path = RUNS_DIR) -> Path:
    """Return the folder of a run, which need not exist. Raises: ParameterError for a name that is none."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ParameterError(
            "A run's name consists of letters, digits, '.', '_' and '-', and starts with a letter or digit, "
            f"got {name!r}."
        )
    return runs_dir.resolve() / name


def label_notebook(notebook: str) -> str:
    """Return a notebook's short name for a link, such as `03 pretrain`."""
    return notebook.replace("_", " ")


def require_notebooks(notebooks_dir: Path = NOTEBOOKS_DIR) -> None:
    """Raise ParameterError where chatlib was installed without the project's notebooks."""
    if not notebooks_dir.is_dir():
        raise ParameterError(
            "This command needs the project's notebooks, and chatlib was installed without them. Clone the "
            f"project and run the command in its folder; there are none in {notebooks_dir}."
        )
