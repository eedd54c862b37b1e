"""Executed notebooks as pages that can be read from disk: nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import html
import json
import re
import sqlite3
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from chatlib.errors import MissingSource
from chatlib.notebooks import NOTEBOOKS

__all__ = ["render_index", "render_page", "save_key_figures"]

_TEMPLATES = files("chatlib") / "templates"
_SIMULATED = (
    '<p class="banner">This run shows a <strong>simulated</strong> channel: people, messages and money '
    "are made up, so that the methods can be checked. They say nothing about anybody.</p>"
)


def render_page(run_dir: Path, notebook: str) -> Path:
    """Write the page of an executed notebook, code folded away, and return its path."""
    executed = nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)
    executed.cells[0].source = _without_badge(executed.cells[0].source)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(executed)
    path = run_dir / f"{notebook}.html"
    page = _fill(
        "page.html",
        title=html.escape(_read_title(executed)),
        banner=_SIMULATED if _is_simulated(run_dir) else "",
        navigation=_render_navigation(notebook),
        contents=_render_contents(executed),
        body=body,
    )
    path.write_text(page, encoding="utf-8")
    return path


def render_index(run_dir: Path, steps: Mapping[str, Mapping[str, object]]) -> Path:
    """Write `index.html`, the report's first page: chapters with figure and numbers; return its path.

    `steps` tells, per notebook that has run, its `seconds` and `finished_at`.
    """
    chapters = "\n".join(_render_chapter(run_dir, notebook, steps[notebook]) for notebook in steps)
    page = _fill(
        "index.html",
        title=f"Chat report: {html.escape(run_dir.name)}",
        banner=_SIMULATED if _is_simulated(run_dir) else "",
        chapters=chapters,
        total=_say_total(steps),
    )
    path = run_dir / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


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
        png, _ = _find_key_figure(nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4))
        if png:
            paths.append(images_dir / f"{notebook}.png")
            paths[-1].write_bytes(base64.b64decode(png))
    return paths


def _fill(template: str, **values: str) -> str:
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8") + _pygments_style()
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(values, style=style)


def _pygments_style() -> str:
    light = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}"


def _render_chapter(run_dir: Path, notebook: str, step: Mapping[str, object]) -> str:
    executed = nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)
    results_path = run_dir / "results" / f"{notebook}.json"
    headline = {}
    if results_path.is_file():
        headline = json.loads(results_path.read_text(encoding="utf-8")).get("headline", {})
    numbers = "".join(
        f"<div><dt>{html.escape(str(key))}</dt><dd>{html.escape(_say_value(value))}</dd></div>"
        for key, value in headline.items()
    )
    return Template(
        '<article><h2><a href="$notebook.html">$title</a></h2>$figure<dl>$numbers</dl>'
        '<p class="small">$seconds · <a href="$notebook.html">chapter</a> · '
        '<a href="$notebook.ipynb">notebook</a>$results</p></article>'
    ).substitute(
        notebook=notebook,
        title=html.escape(_read_title(executed)),
        figure=_render_key_figure(executed, notebook),
        numbers=numbers,
        seconds=_say_seconds(float(step["seconds"])),
        results=f' · <a href="results/{notebook}.json">numbers</a>' if results_path.is_file() else "",
    )


def _render_key_figure(executed: nbformat.NotebookNode, notebook: str) -> str:
    png, alt = _find_key_figure(executed)
    if not png:
        return ""
    source = f"data:image/png;base64,{png}"
    return f'<a href="{notebook}.html"><img src="{source}" alt="{html.escape(alt)}"></a>'


def _find_key_figure(executed: nbformat.NotebookNode) -> tuple[str, str]:
    """Return the figure of the cell tagged `key-figure`, or else the first, as base64 PNG and alt text."""
    cells = sorted(executed.cells, key=lambda cell: "key-figure" not in cell.metadata.get("tags", []))
    for cell in cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                return re.sub(r"\s", "", png), output.metadata.get("image/png", {}).get("alt", "Key figure")
    return "", ""


def _render_navigation(current: str) -> str:
    links = ['<a href="index.html">Report</a>']
    for notebook in NOTEBOOKS:
        mark = ' aria-current="page"' if notebook == current else ""
        links.append(f'<a href="{notebook}.html"{mark}>{notebook[:2]} {notebook[3:]}</a>')
    return "\n".join(links)


def _render_contents(executed: nbformat.NotebookNode) -> str:
    text = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    items = (f'<li><a href="#{_anchor(h)}">{html.escape(h)}</a></li>' for h in headings)
    return "<ol>" + "".join(items) + "</ol>" if headings else ""


def _anchor(heading: str) -> str:
    """Return the id that nbconvert gives a heading."""
    return html.escape(heading.replace(" ", "-"), quote=True)


def _read_title(executed: nbformat.NotebookNode) -> str:
    return executed.cells[0].source.splitlines()[0].lstrip("# ").strip()


def _without_badge(markdown: str) -> str:
    """Return a cell without the Colab badge: its picture would be loaded from elsewhere."""
    return "\n".join(line for line in markdown.splitlines() if not line.startswith("[![Open in Colab]"))


def _is_simulated(run_dir: Path) -> bool:
    path = run_dir / "Db_file.dbs"
    if not path.is_file():
        return False
    connection = sqlite3.connect(path.as_uri() + "?mode=rw", uri=True)
    try:
        return bool(connection.execute("SELECT max(simulated) FROM streams").fetchone()[0])
    except sqlite3.Error:
        return False
    finally:
        connection.close()


def _say_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _say_total(steps: Mapping[str, Mapping[str, object]]) -> str:
    total = _say_seconds(sum(float(step["seconds"]) for step in steps.values()))
    if missing := [notebook for notebook in NOTEBOOKS if notebook not in steps]:
        return f"{total} so far. Not run: {', '.join(missing)}."
    return f'{total} in all. Parameters, versions and times: <a href="run.json">run.json</a>.'


def _say_seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
