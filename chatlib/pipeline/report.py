"""A run's report: its first page, and the whole of it as a single file to mail.

The first page shows the data, each chapter with its figure and numbers, and how to make it again. Every
number on it names the file and the key it was read from, in `data-from`: a JSON pointer (RFC 6901) into
a file of the run.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbconvert.filters import markdown2html

from chatlib.errors import MissingSource
from chatlib.files import atomic_write
from chatlib.pipeline.pages import (
    fill_template,
    find_key_figure,
    is_simulated,
    load_chapter,
    load_executed,
)
from chatlib.pipeline.settings import NOTEBOOKS, label_notebook
from chatlib.workspace import hide_paths

__all__ = ["load_record", "render_bundle", "render_index"]

_LINK = re.compile(r'<a href="([^"#]+)"[^>]*>(.*?)</a>', re.DOTALL)
_IN_TAG = r"(<[a-zA-Z][^<>]*?\s)"  # only there: the same characters in somebody's message stay as they are


def render_index(run_dir: Path, record: Mapping[str, Any]) -> Path:
    """Write `index.html`, the report's first page, and return its path.

    `record` is what `describe_run` returns for the chapters that have run.
    """
    chapters = [(f"{notebook}.html", label_notebook(notebook)) for notebook in record["seconds"]]
    page = fill_template(
        "index.html",
        title=f"Chat report: {run_dir.name}",
        navigation=[("index.html", "Report"), *chapters],
        here="index.html",
        **_describe_front(run_dir, record),
    )
    return atomic_write(run_dir / "index.html", page)


def load_record(run_dir: Path) -> dict[str, Any]:
    """Return the `run.json` of a complete run. Raises: MissingSource if the run is incomplete or older."""
    path = run_dir / "run.json"
    if not path.is_file():
        raise MissingSource(f"This needs a complete run, and {run_dir} is none. Run `make report` first.")
    record = json.loads(path.read_text(encoding="utf-8"))
    if "command" not in record or "data" not in record:
        raise MissingSource(f"The run in {run_dir} was made by an older version. Run it again.")
    return record


def render_bundle(run_dir: Path) -> Path:
    """Write `chat-report-NAME.html`, which needs no other file, and return its path.

    Links between chapters lead within it; each chapter's numbers are a download that it carries.
    Notebooks and the database are not in it.
    Raises: MissingSource if the run is not complete.
    """
    record = load_record(run_dir)
    parts = {"index": fill_template("front.html", **_describe_front(run_dir, record))}
    for notebook in NOTEBOOKS:
        chapter = load_chapter(run_dir, notebook)
        parts[notebook] = fill_template("chapter.html", chapter=chapter, simulated=is_simulated(run_dir))
    page = fill_template(
        "bundle.html",
        title=f"Chat report: {run_dir.name}",
        navigation=[(f"#{name}", label_notebook(name) if name in NOTEBOOKS else "Report") for name in parts],
        here=None,
        parts=[
            (name, Markup(_link_within(_prefix_ids(part, name), run_dir))) for name, part in parts.items()
        ],
    )
    return atomic_write(run_dir / f"chat-report-{run_dir.name}.html", page)


def _describe_front(run_dir: Path, record: Mapping[str, Any]) -> dict[str, object]:
    """Return what `front.html` shows."""
    return {
        "record": record,
        "simulated": is_simulated(run_dir),
        "chapters": [_describe_chapter(run_dir, notebook) for notebook in record["seconds"]],
        "missing": [notebook for notebook in NOTEBOOKS if notebook not in record["seconds"]],
    }


def _describe_chapter(run_dir: Path, notebook: str) -> dict[str, object]:
    executed = load_executed(run_dir, notebook)
    results = run_dir / "results" / f"{notebook}.json"
    return {
        "notebook": notebook,
        "title": executed.cells[0].source.splitlines()[0].lstrip("# ").strip(),
        "intro": _render_intro(executed),
        "figure": find_key_figure(executed),
        "results": json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {},
    }


def _render_intro(executed: nbformat.NotebookNode) -> Markup:
    """Return the notebook's introduction: the text between its title and its parameters."""
    cell = executed.cells[1] if len(executed.cells) > 1 else None
    if not cell or cell.cell_type != "markdown":
        return Markup()
    return Markup(markdown2html(re.split(r"^#", cell.source, maxsplit=1, flags=re.MULTILINE)[0]))


def _prefix_ids(part: str, name: str) -> str:
    """Return a chapter whose anchors cannot be another chapter's."""
    part = re.sub(rf'{_IN_TAG}id="([^"]*)"', rf'\g<1>id="{name}.\g<2>"', part)
    return re.sub(rf'{_IN_TAG}href="#([^"]*)"', rf'\g<1>href="#{name}.\g<2>"', part)


def _link_within(part: str, run_dir: Path) -> str:
    """Return a chapter whose links to files of the run lead to what this file holds, or are text."""

    def replace(link: re.Match[str]) -> str:
        address, text = link.groups()
        path = Path(html.unescape(address))
        if path.stem in ("index", *NOTEBOOKS) and path.suffix == ".html":
            return f'<a href="#{path.stem}">{text}</a>'
        if path.suffix == ".json" and (run_dir / path).is_file():
            text_of_file = hide_paths((run_dir / path).read_text(encoding="utf-8"))
            content = base64.b64encode(text_of_file.encode()).decode()
            return f'<a download="{path.name}" href="data:application/json;base64,{content}">{text}</a>'
        return link.group() if address.startswith(("https:", "http:")) else text

    return _LINK.sub(replace, part)
