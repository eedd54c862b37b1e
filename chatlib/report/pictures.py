"""Pictures of a run for the README: each chapter's key figure."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import nbformat

from chatlib.errors import MissingSource
from chatlib.notebooks import NOTEBOOKS

__all__ = ["KeyFigure", "find_key_figure", "save_key_figures"]

KeyFigure = tuple[str, dict[str, object]]


def save_key_figures(run_dir: Path, images_dir: Path) -> list[Path]:
    """Write each chapter's key figure as `NN_name.png`; return the paths.

    Raises: MissingSource if the run is not complete.
    """
    if not (run_dir / "run.json").is_file():
        raise MissingSource(
            f"Pictures come from a complete run, and {run_dir} is none. Run `make report` first."
        )
    paths = []
    for notebook in NOTEBOOKS:
        if found := find_key_figure(nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)):
            paths.append(images_dir / f"{notebook}.png")
            paths[-1].write_bytes(base64.b64decode(found[0]))
    return paths


def find_key_figure(executed: nbformat.NotebookNode) -> KeyFigure | None:
    """Return the figure of the cell tagged `key-figure`, or else the first: base64 PNG and its metadata."""
    cells = sorted(executed.cells, key=lambda cell: "key-figure" not in cell.metadata.get("tags", []))
    for cell in cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                return re.sub(r"\s", "", png), dict(output.metadata.get("image/png", {}))
    return None
