"""Executed notebooks as pages that can be read from disk: nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import re
import sqlite3
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from chatlib.files import atomic_write
from chatlib.pipeline.notebooks import NOTEBOOKS
from chatlib.workspace import PROJECT_DIR

__all__ = ["Chapter", "fill_template", "load_chapter", "render_page", "say_banner", "say_chapter"]

_TEMPLATES = files("chatlib.pipeline") / "templates"
_SIMULATED = (
    '<p class="banner">This run shows a <strong>simulated</strong> channel: people, messages and money '
    "are made up, so that the methods can be checked. They say nothing about anybody.</p>"
)
# What may be wider than a screen scrolls inside itself; the keyboard reaches it.
_SCROLL = '<div class="{kind}" role="group" aria-label="{what}" tabindex="0">{inside}</div>'
_SCROLL_ROWS = '<span class="scroll" role="group" aria-label="Table" tabindex="0">{inside}</span>'
_LONG = 500  # characters in a table's cell that scroll
_PRINTED = re.compile(r"(?<=<pre>).*?(?=</pre>)", re.DOTALL)
_ROWS = re.compile(r"(?:^.*\S {2,}\S.*(?:\n|\Z)){2,}", re.MULTILINE)  # neighbouring lines that have columns


@dataclass(frozen=True)
class Chapter:
    """An executed notebook in HTML, its code in it to be folded away."""

    title: str
    contents: str
    body: str


def render_page(run_dir: Path, notebook: str) -> Path:
    """Write the page of an executed notebook, code folded away, and return its path."""
    chapter = load_chapter(run_dir, notebook)
    page = fill_template(
        "page.html",
        title=html.escape(chapter.title),
        banner=say_banner(run_dir),
        navigation=_render_navigation(notebook),
        contents=chapter.contents,
        body=chapter.body,
        beside=_render_beside(notebook),
    )
    path = run_dir / f"{notebook}.html"
    return atomic_write(path, page)


def load_chapter(run_dir: Path, notebook: str) -> Chapter:
    """Return an executed notebook in HTML: no badge, no path of this machine, wide parts scroll."""
    executed = nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)
    title, *rest = _without_badge(executed.cells[0].source).splitlines()
    executed.cells[0].source = "\n".join(rest)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(executed)
    return Chapter(
        title.lstrip("# ").strip(), _render_contents(executed), _let_scroll(_without_project_path(body))
    )


def say_banner(run_dir: Path) -> str:
    """Return the notice that all is made up, for a run with a simulated stream, else nothing."""
    path = run_dir / "Db_file.dbs"
    if not path.is_file():
        return ""
    connection = sqlite3.connect(path.as_uri() + "?mode=rw", uri=True)
    try:
        simulated = connection.execute("SELECT max(simulated) FROM streams").fetchone()[0]
    except sqlite3.Error:
        simulated = False
    finally:
        connection.close()
    return _SIMULATED if simulated else ""


def say_chapter(notebook: str) -> str:
    """Return a notebook's short name for a link, as `03 pretrain`."""
    return notebook.replace("_", " ")


def fill_template(template: str, **values: str) -> str:
    """Return a page of `templates/` with the head that all share and these values, which are HTML already.

    Values must hold `title` and `navigation`.
    """
    style = _read_template("style.css") + _pygments_style()
    head = Template(_read_template("head.html")).substitute(values, style=style)
    return Template(_read_template(template)).substitute(values, head=head)


def _read_template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _pygments_style() -> str:
    """Return colours of code that keep a contrast of 4.5 on both papers."""
    light = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n.highlight {{ background: none; }}"


def _render_navigation(current: str) -> str:
    links = ['<a href="index.html">Report</a>']
    for notebook in NOTEBOOKS:
        mark = ' aria-current="page"' if notebook == current else ""
        links.append(f'<a href="{notebook}.html"{mark}>{say_chapter(notebook)}</a>')
    return "\n".join(links)


def _render_beside(current: str) -> str:
    """Return links to the chapters before and after."""
    number = NOTEBOOKS.index(current)
    links = [f'<a href="{n}.html">← {say_chapter(n)}</a>' for n in NOTEBOOKS[max(number - 1, 0) : number]]
    links += [f'<a href="{n}.html">{say_chapter(n)} →</a>' for n in NOTEBOOKS[number + 1 : number + 2]]
    return "\n".join(links)


def _render_contents(executed: nbformat.NotebookNode) -> str:
    text = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    items = (f'<li><a href="#{_anchor(h)}">{html.escape(h)}</a></li>' for h in headings)
    return "<ol>" + "".join(items) + "</ol>" if headings else ""


def _anchor(heading: str) -> str:
    """Return the id that nbconvert gives a heading."""
    return html.escape(heading.replace(" ", "-"), quote=True)


def _without_badge(markdown: str) -> str:
    """Return a cell without the Colab badge: its picture would be loaded from elsewhere."""
    return "\n".join(line for line in markdown.splitlines() if not line.startswith("[![Open in Colab]"))


def _without_project_path(body: str) -> str:
    """Return the page without the place of the project on this machine: a report is sent to others."""
    return body.replace(html.escape(f"{PROJECT_DIR}/"), "")


def _let_scroll(body: str) -> str:
    """Wrap tables, long texts in them, and figures. Chat text has no `<` of its own here: it is escaped."""
    body = re.sub(r"<table\b.*?</table>", _wrap_table, body, flags=re.DOTALL)
    body = _PRINTED.sub(_wrap_rows, body)
    return re.sub(
        r'(?<=output_execute_result">\n)<img\b[^>]*>',
        lambda figure: _SCROLL.format(kind="scroll", what="Figure", inside=figure.group()),
        body,
    )


def _wrap_table(table: re.Match) -> str:
    inside = re.sub(
        rf"(?<=>)[^<>]{{{_LONG},}}(?=<)",
        lambda text: _SCROLL.format(kind="long", what="Long text", inside=text.group()),
        table.group(),
    )
    return _SCROLL.format(kind="scroll", what="Table", inside=inside)


def _wrap_rows(printed: re.Match) -> str:
    """Return what was printed: its lines break where the screen ends, but for tables, which scroll."""
    if "<" in printed.group():  # code, or colours
        return printed.group()
    return _ROWS.sub(lambda rows: _SCROLL_ROWS.format(inside=rows.group()), printed.group())
