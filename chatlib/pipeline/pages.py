"""Executed notebooks as pages that are read from disk: they load nothing, and run no script."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import nbformat
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from chatlib.errors import MissingSource, StoreError
from chatlib.files import atomic_write
from chatlib.pipeline.settings import NOTEBOOKS, label_notebook
from chatlib.store import open_store
from chatlib.workspace import hide_paths

__all__ = [
    "Chapter",
    "KeyFigure",
    "fill_template",
    "find_key_figure",
    "load_chapter",
    "load_executed",
    "render_banner",
    "render_page",
]

_TEMPLATES = files("chatlib.pipeline") / "templates"
_SIMULATED = (
    '<p class="banner">This run shows a <strong>simulated</strong> channel: people, messages and money '
    "are made up, so that the methods can be checked. They say nothing about anybody.</p>"
)
# What may be wider than a screen scrolls within its own box, which the keyboard reaches.
_SCROLL = '<div class="{kind}" role="group" aria-label="{what}" tabindex="0">{inside}</div>'
_SCROLL_ROWS = '<span class="scroll" role="group" aria-label="Table" tabindex="0">{inside}</span>'
_LONG = 500  # characters in a table's cell that scroll
_PRINTED = re.compile(r"(?<=<pre>).*?(?=</pre>)", re.DOTALL)
_ROWS = re.compile(r"(?:^.*\S {2,}\S.*(?:\n|\Z)){2,}", re.MULTILINE)  # neighbouring lines that have columns


@dataclass(frozen=True)
class KeyFigure:
    """A picture as base64 PNG, its alternative text if it has one, and its size on the page in pixels."""

    png: str
    alt: str | None
    size: dict[str, int]


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
        banner=render_banner(run_dir),
        navigation=_render_navigation(notebook),
        contents=chapter.contents,
        body=chapter.body,
        neighbours=_render_neighbours(notebook),
    )
    return atomic_write(run_dir / f"{notebook}.html", page)


def load_executed(run_dir: Path, notebook: str) -> nbformat.NotebookNode:
    """Return an executed notebook of a run, without folders of this machine."""
    return nbformat.from_dict(hide_paths(nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)))


def load_chapter(run_dir: Path, notebook: str) -> Chapter:
    """Return an executed notebook in HTML: without the badge, wide parts scroll."""
    executed = load_executed(run_dir, notebook)
    title, *rest = _remove_badge(executed.cells[0].source).splitlines()
    executed.cells[0].source = "\n".join(rest)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(executed)
    return Chapter(title.lstrip("# ").strip(), _render_contents(executed), _let_scroll(body))


def find_key_figure(executed: nbformat.NotebookNode) -> KeyFigure | None:
    """Return the figure of the cell tagged `key-figure`, or else the first."""
    cells = sorted(executed.cells, key=lambda cell: "key-figure" not in cell.metadata.get("tags", []))
    for cell in cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                metadata = output.metadata.get("image/png", {})
                size = {key: int(metadata[key]) for key in ("width", "height") if key in metadata}
                return KeyFigure(re.sub(r"\s", "", png), metadata.get("alt"), size)
    return None


def render_banner(run_dir: Path) -> str:
    """Return the notice that the data is made up for a run with a simulated stream, else nothing."""
    try:
        with open_store(run_dir / "Db_file.dbs") as store:
            return _SIMULATED if store.load_streams()["simulated"].any() else ""
    except (MissingSource, StoreError):
        return ""


def fill_template(template: str, **values: str) -> str:
    """Return a page of `templates/` with the common head; values are HTML, `title` and `navigation` too."""
    style = _read_template("style.css") + _pygments_style()
    head = Template(_read_template("head.html")).substitute(values, style=style)
    return Template(_read_template(template)).substitute(values, head=head)


def _read_template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _pygments_style() -> str:
    """Return colours for code, with a contrast of 4.5 or more in the light and the dark scheme."""
    light = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n.highlight {{ background: none; }}"


def _render_navigation(current: str) -> str:
    links = ['<a href="index.html">Report</a>']
    for notebook in NOTEBOOKS:
        mark = ' aria-current="page"' if notebook == current else ""
        links.append(f'<a href="{notebook}.html"{mark}>{label_notebook(notebook)}</a>')
    return "\n".join(links)


def _render_neighbours(current: str) -> str:
    """Return links to the chapters before and after this one."""
    number = NOTEBOOKS.index(current)
    links = [f'<a href="{n}.html">← {label_notebook(n)}</a>' for n in NOTEBOOKS[max(number - 1, 0) : number]]
    links += [f'<a href="{n}.html">{label_notebook(n)} →</a>' for n in NOTEBOOKS[number + 1 : number + 2]]
    return "\n".join(links)


def _render_contents(executed: nbformat.NotebookNode) -> str:
    text = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    items = (f'<li><a href="#{_anchor(h)}">{html.escape(h)}</a></li>' for h in headings)
    return "<ol>" + "".join(items) + "</ol>" if headings else ""


def _anchor(heading: str) -> str:
    """Return the id that nbconvert gives a heading."""
    return html.escape(heading.replace(" ", "-"), quote=True)


def _remove_badge(markdown: str) -> str:
    """Return a cell without the Colab badge: its picture would be loaded from elsewhere."""
    return "\n".join(line for line in markdown.splitlines() if not line.startswith("[![Open in Colab]"))


def _let_scroll(body: str) -> str:
    """Wrap tables, long texts in them, and figures. Chat text has no `<` of its own: it is escaped."""
    body = re.sub(r"<table\b.*?</table>", _wrap_table, body, flags=re.DOTALL)
    body = _PRINTED.sub(_wrap_rows, body)
    return re.sub(
        r'(?<=output_execute_result">\n)<img\b[^>]*>',
        lambda figure: _SCROLL.format(kind="scroll", what="Figure", inside=figure.group()),
        body,
    )


def _wrap_table(table: re.Match[str]) -> str:
    inside = re.sub(
        rf"(?<=>)[^<>]{{{_LONG},}}(?=<)",
        lambda text: _SCROLL.format(kind="long", what="Long text", inside=text.group()),
        table.group(),
    )
    return _SCROLL.format(kind="scroll", what="Table", inside=inside)


def _wrap_rows(printed: re.Match[str]) -> str:
    """Return printed text: long lines wrap, except in tables, which scroll."""
    if "<" in printed.group():  # code, or colours
        return printed.group()
    return _ROWS.sub(lambda rows: _SCROLL_ROWS.format(inside=rows.group()), printed.group())
