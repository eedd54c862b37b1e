"""Executed notebooks as pages that are read from disk: they load nothing from elsewhere.

One script of ours runs on them, `plots/report.js`; the policy in each page names its digest, so that
nothing else does.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from chatlib.errors import MissingSource, StoreError
from chatlib.files import atomic_write
from chatlib.pipeline.settings import NOTEBOOKS
from chatlib.plots.timeline import POINTS_TYPE, embed_json, read_asset, render_assets
from chatlib.store import open_store
from chatlib.tables import format_value
from chatlib.times import format_clock
from chatlib.workspace import hide_paths

if TYPE_CHECKING:  # what notebooks need takes a second to load, and the explorer's pages do without
    import nbformat

__all__ = [
    "Chapter",
    "KeyFigure",
    "fill_template",
    "find_key_figure",
    "is_simulated",
    "list_pages",
    "load_chapter",
    "load_executed",
    "render_page",
]

# What may be wider than a screen scrolls within its own box, which the keyboard reaches.
_SCROLL = '<div class="{kind}" role="group" aria-label="{what}" tabindex="0">{inside}</div>'
_SCROLL_ROWS = r'<span class="scroll" role="group" aria-label="Table" tabindex="0">\g<0></span>'
_LONG = 500  # characters in a table's cell that scroll
_MANY_COLUMNS = 4  # of a table, for the width of a phone
_PRINTED = re.compile(r"(?<=<pre>)[^<]*(?=</pre>)")  # no code, no colours
# In a cell's code: tables that are saved, and what names them where they are shown.
_SAVED = re.compile(r'\bsave_tables\([^"]*"(\w+)", \{(.*?)\}\)', re.DOTALL)
_ENTRY, _TEXT, _STATEMENT = map(re.compile, (r'"(\w+)": ([\w.]+)', r'"[^"\n]*"', r"\n(?=\w)"))
_ROWS = re.compile(r"(?:^.*\S {2,}\S.*(?:\n|\Z)){2,}", re.MULTILINE)  # neighbouring lines that have columns


@dataclass(frozen=True)
class KeyFigure:
    """A picture as base64 PNG, its alternative text if it has one, and its size on the page in pixels.

    `narrow` is the same for a phone, if there is one: png, width, height.
    """

    png: str
    alt: str | None
    size: dict[str, int]
    narrow: dict[str, Any] | None = None


@dataclass(frozen=True)
class Chapter:
    """An executed notebook as HTML, its code in it to be folded away; `headings` with their anchors."""

    notebook: str
    title: str
    headings: list[tuple[str, str]]
    body: Markup


def render_page(run_dir: Path, notebook: str) -> Path:
    """Write the page of an executed notebook, code folded away, and return its path."""
    number = NOTEBOOKS.index(notebook)
    chapter = load_chapter(run_dir, notebook)
    page = fill_template(
        "page.html",
        title=chapter.title,
        navigation=list_pages(NOTEBOOKS),
        here=f"{notebook}.html",
        chapter=chapter,
        simulated=is_simulated(run_dir),
        before=NOTEBOOKS[number - 1] if number else None,
        after=NOTEBOOKS[number + 1] if number + 1 < len(NOTEBOOKS) else None,
    )
    return atomic_write(run_dir / f"{notebook}.html", page)


def list_pages(notebooks: Iterable[str], *, explorer: bool = True) -> list[tuple[str, str]]:
    """Return the addresses and names of a report's pages, in the order in which they are read."""
    chapters = [(f"{notebook}.html", notebook.replace("_", " ")) for notebook in notebooks]
    return [("index.html", "Report"), *[("explorer.html", "Explorer")] * explorer, *chapters]


def fill_template(template: str, **values: object) -> str:
    """Return a page of `templates/`. Values are escaped, but for `Markup`."""
    return _make_environment().get_template(template).render(values)


def is_simulated(run_dir: Path) -> bool:
    """Return whether a stream of the run is simulated."""
    try:
        with open_store(run_dir / "Db_file.dbs", read_only=True) as store:
            return bool(store.load_streams()["simulated"].any())
    except (MissingSource, StoreError):
        return False


def load_executed(run_dir: Path, notebook: str) -> nbformat.NotebookNode:
    """Return an executed notebook of a run, without folders of this machine."""
    import nbformat

    return nbformat.from_dict(hide_paths(nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)))


def load_chapter(run_dir: Path, notebook: str) -> Chapter:
    """Return an executed notebook in HTML: without the badge, wide parts scroll."""
    from nbconvert import HTMLExporter

    executed = load_executed(run_dir, notebook)
    lines = executed.cells[0].source.splitlines()
    title, *rest = (line for line in lines if "[![Open in Colab]" not in line)  # a picture from elsewhere
    executed.cells[0].source = "\n".join(rest)
    _link_tables(executed)
    _embed_pictures(executed)
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(executed)
    body = body.replace(render_assets(), "")  # the page has them
    text = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    return Chapter(
        notebook,
        title.lstrip("# ").strip(),
        [(heading.replace(" ", "-"), heading) for heading in headings],  # the ids that nbconvert gives
        Markup(_let_scroll(body)),
    )


def find_key_figure(executed: nbformat.NotebookNode) -> KeyFigure | None:
    """Return the figure of the cell tagged `key-figure`, or else the first."""
    cells = sorted(executed.cells, key=lambda cell: "key-figure" not in cell.metadata.get("tags", []))
    for cell in cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return _read_figure(output)
    return None


def _read_figure(output: nbformat.NotebookNode) -> KeyFigure:
    metadata = output.metadata.get("image/png", {})
    size = {key: int(metadata[key]) for key in ("width", "height") if key in metadata}
    narrow = output.data.get(POINTS_TYPE, {}).get("narrow")
    return KeyFigure(re.sub(r"\s", "", output.data["image/png"]), metadata.get("alt"), size, narrow)


@functools.cache
def _make_environment() -> Environment:
    """Return the templates; code has colours with a contrast of 4.5 or more, in light and in dark."""
    environment = Environment(
        loader=PackageLoader("chatlib.pipeline"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    light = HtmlFormatter(style="xcode").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    own = (files("chatlib.pipeline") / "templates" / "style.css").read_text(encoding="utf-8")
    script = read_asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    dark = f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n.highlight {{ background: none; }}"
    environment.globals |= {
        "style": Markup(f"{own}{read_asset('timeline.css')}{light}\n{dark}"),
        "script": Markup(script),
        "script_hash": f"sha256-{digest}",
        "origin": _render_origin,
    }
    environment.filters |= {
        "value": format_value,
        "clock": format_clock,
        "last_part": lambda path: Path(path).name,
    }
    return environment


def _render_origin(file: str, *keys: object) -> Markup:
    """Return the attribute that names where a number was read: a JSON pointer (RFC 6901) into a file."""
    pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    return Markup(' data-from="{}"').format(f"{file}#{pointer}")


def _link_tables(executed: nbformat.NotebookNode) -> None:
    """Add links to the CSV files below the cells that show their tables.

    A notebook saves its tables by `save_tables(FOLDER / "05_tables", {"moments": moment_table, ...})`: a cell
    that shows a table in its last statement, and names one of these variables there, gets that file's link.
    """
    from nbformat.v4 import new_output

    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    paths: dict[str, str] = {}
    for folder, tables in (found for cell in code for found in _SAVED.findall(cell.source)):
        paths |= {table: f"{folder}/{name}.csv" for name, table in _ENTRY.findall(tables)}
    for cell in code:
        if any("<table" in output.get("data", {}).get("text/html", "") for output in cell.outputs):
            shown = _STATEMENT.split(_TEXT.sub("", cell.source))[-1]
            names = {table: re.search(rf"(?<![\w.]){re.escape(table)}\b", shown) for table in paths}
            if found := [path for table, path in paths.items() if names[table]]:
                links = ", ".join(f'<a href="results/{path}">{Path(path).stem}.csv</a>' for path in found)
                html = {"text/html": f'<p class="small">{links}</p>'}
                cell.outputs.append(new_output("display_data", html))


def _embed_pictures(executed: nbformat.NotebookNode) -> None:
    """Make of each picture one that fits a phone, too, and below it what its points tell, for the script."""
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if "image/png" not in output.get("data", {}):
                continue
            page = fill_template("picture.html", figure=_read_figure(output))
            told = output.data.get(POINTS_TYPE, {})
            if told.get("texts"):
                shown = told | {"narrow": told["narrow"]["points"]}
                data = embed_json(json.dumps(shown, ensure_ascii=False))
                page += f'<script type="application/json" class="points">{data}</script>'
            output.data = {"text/html": page}


def _let_scroll(body: str) -> str:
    """Wrap tables, printed ones, too, and long texts in them. Chat text has no `<`: it is escaped."""
    body = re.sub(r"<table\b.*?</table>", _wrap_table, body, flags=re.DOTALL)
    return _PRINTED.sub(lambda printed: _ROWS.sub(_SCROLL_ROWS, printed.group()), body)


def _wrap_table(table: re.Match[str]) -> str:
    inside = re.sub(
        rf"(?<=>)[^<>]{{{_LONG},}}(?=<)",
        lambda text: _SCROLL.format(kind="long", what="Long text", inside=text.group()),
        table.group(),
    )
    head, _, rows = inside.partition("</thead>")
    names = [re.sub(r'<[^>]*>|"', "", name) for name in re.findall(r"<th\b[^>]*>(.*?)</th>", head, re.DOTALL)]
    if len(names) < _MANY_COLUMNS:
        return _SCROLL.format(kind="scroll", what="Table", inside=inside)
    rows = re.sub(r"<tr\b.*?</tr>", functools.partial(_name_cells, names), rows, flags=re.DOTALL)
    return _SCROLL.format(kind="scroll rows", what="Table", inside=f"{head}</thead>{rows}")


def _name_cells(names: Sequence[str], row: re.Match[str]) -> str:
    """Return a row whose cells carry the names of their columns: a phone shows rows as cards."""
    left = iter(names)
    return re.sub(r"<td\b", lambda _: f'<td data-label="{next(left, "").strip()}"', row.group())
