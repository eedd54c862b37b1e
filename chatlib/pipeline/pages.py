"""The report's pages: executed notebooks, the first page, one file to mail. They load nothing from elsewhere.

One script of ours runs on them, `plots/report.js`; the policy in each page names its digest, so that nothing
else does. Every number on the first page names the file and the key it was read from, in `data-from`: a JSON
pointer (RFC 6901) into a file of the run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from chatlib.collect.address import find_video_id
from chatlib.errors import MissingSource, StoreError
from chatlib.files import atomic_write
from chatlib.pipeline.explorer import load_facts, load_timeline_data, rank_row
from chatlib.pipeline.settings import NOTEBOOKS
from chatlib.plots.timeline import POINTS_TYPE, embed_json, read_asset, render_assets
from chatlib.store import open_store
from chatlib.tables import format_value
from chatlib.text import one_line
from chatlib.times import format_clock
from chatlib.workspace import hide_paths

if TYPE_CHECKING:
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
    "load_record",
    "render_bundle",
    "render_index",
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


def render_page(run_dir: Path, notebook: str, *, missing: str = "") -> Path:
    """Write the page of an executed notebook, code folded away, and return its path.

    Of one that has not run the page says why: `missing`.
    """
    if missing:
        said = Markup("<p>This chapter has not run.</p><p>{}</p>").format(missing)
        chapter = Chapter(notebook, _name_chapter(notebook), [], said)
    else:
        chapter = load_chapter(run_dir, notebook)
    page = fill_template(
        "page.html",
        title=chapter.title,
        navigation=list_pages(NOTEBOOKS),
        here=f"{notebook}.html",
        chapter=chapter,
        simulated=is_simulated(run_dir),
        notebooks=NOTEBOOKS,
    )
    return atomic_write(run_dir / f"{notebook}.html", page)


def list_pages(notebooks: Iterable[str], *, explorer: bool = True) -> list[tuple[str, str]]:
    """Return the addresses and names of a report's pages, in the order in which they are read."""
    chapters = [(f"{notebook}.html", _name_chapter(notebook)) for notebook in notebooks]
    return [("index.html", "Report"), *[("explorer.html", "Explorer")] * explorer, *chapters]


def _name_chapter(notebook: str) -> str:
    return notebook.replace("_", " ")


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
        "chapter_name": _name_chapter,
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


_LINK = re.compile(r'<a href="([^"#]+)(?:#[^"]*)?"([^>]*)>(.*?)</a>', re.DOTALL)
_MOST_CHAT_BYTES = 12_000_000  # a mail takes 20 to 25 MB, and a third is added on the way
_LEAST_STREAMS = 3  # to train, to validate and to test on
_CARRIED = {".json": "application/json", ".csv": "text/csv;charset=utf-8"}
_IN_TAG = r"(<[a-zA-Z][^<>]*?\s)"  # only there: the same characters in somebody's message stay as they are


def render_index(run_dir: Path, record: Mapping[str, Any]) -> Path:
    """Write `index.html`, the report's first page, and the explorer beside it; return the first one's path.

    `record` is what `describe_run` returns for the chapters that have run.
    """
    facts = load_facts(run_dir)
    navigation = list_pages(record["seconds"], explorer=bool(facts))
    if facts:
        page = fill_template(
            "explorer.html",
            title=f"Every stream: {_name_channel(record)}",
            navigation=navigation,
            here="explorer.html",
            **_describe_explorer(run_dir, facts),
        )
        atomic_write(run_dir / "explorer.html", page)
    page = fill_template(
        "index.html", navigation=navigation, here="index.html", **_describe_front(run_dir, record, facts)
    )
    return atomic_write(run_dir / "index.html", page)


def load_record(run_dir: Path) -> dict[str, Any]:
    """Return the `run.json` of a complete run. Raises: MissingSource if the run is incomplete or older."""
    path = run_dir / "run.json"
    if not path.is_file():
        again = "make report" if run_dir.name == "sample" else f"chatlib run --name {run_dir.name}"
        raise MissingSource(f"This needs a complete run, and {run_dir.name} is none. Finish it: `{again}`.")
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
    record, facts = load_record(run_dir), load_facts(run_dir)
    front = _describe_front(run_dir, record, facts)
    parts = {"index": fill_template("front.html", **front)}
    if facts:
        names = _choose_embedded(run_dir, [row["stream"] for row in facts["streams"]])
        explorer = _describe_explorer(run_dir, facts, embedded=names)
        parts["explorer"] = fill_template("explore.html", **explorer)
    for notebook in NOTEBOOKS:
        chapter = load_chapter(run_dir, notebook)
        parts[notebook] = fill_template("chapter.html", chapter=chapter, simulated=is_simulated(run_dir))
    page = fill_template(
        "bundle.html",
        title=front["title"],
        navigation=[
            (f"#{Path(page).stem}", name) for page, name in list_pages(NOTEBOOKS, explorer=bool(facts))
        ],
        here=None,
        parts=[
            (name, Markup(_link_within(_prefix_ids(part, name), run_dir))) for name, part in parts.items()
        ],
    )
    return atomic_write(run_dir / f"chat-report-{run_dir.name}.html", page)


def _choose_embedded(run_dir: Path, streams: Sequence[int]) -> list[str]:
    """Return which data one file carries: all, or without the chat where that would be too large to mail."""
    chats = [f"c{stream}" for stream in streams]
    size = sum((run_dir / "explorer" / f"{name}.js").stat().st_size for name in chats)
    return [*(f"s{stream}" for stream in streams), *(chats if size <= _MOST_CHAT_BYTES else ())]


def _describe_front(run_dir: Path, record: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, object]:
    """Return what `front.html` shows; `facts` are those of the explorer, if it has been made."""
    chapters = [_describe_chapter(run_dir, notebook) for notebook in record["seconds"]]
    shown = next((row for row in facts.get("streams", ()) if row["stream"] == facts["shown"]), None)
    is_best = len(facts.get("streams", ())) > 1 and shown is max(facts["streams"], key=rank_row)
    csv = "results/05_tables/streams.csv"
    is_short = bool(record["chats"]) and (record["data"] or {}).get("streams", 0) < _LEAST_STREAMS
    predicted: dict[str, Any] = next((c["results"] for c in chapters if c["notebook"] == "04_predict"), {})
    return {
        "title": _name_channel(record),
        "record": record,
        "facts": {**facts, "shown_title": shown["title"], "is_best": is_best} if shown else facts,
        "again": None if is_short or find_video_id(record["channels"]) else record["command"],
        "timeline": shown and Markup(embed_json(load_timeline_data(run_dir, "shown"))),
        "picture": next((c["figure"] for c in chapters if c["notebook"] == "05_analyze"), None),
        "payers": predicted if "n_pay_of_named" in predicted else None,
        "streams_csv": csv if (run_dir / csv).is_file() else None,
        "simulated": is_simulated(run_dir),
        "chapters": chapters,
        "missing": [notebook for notebook in NOTEBOOKS if notebook not in record["seconds"]],
    }


def _describe_explorer(
    run_dir: Path, facts: Mapping[str, Any], *, embedded: Sequence[str] = ()
) -> dict[str, object]:
    """Return what `explore.html` shows; `embedded` names the files whose data the page carries itself."""
    return {
        "facts": facts,
        "simulated": is_simulated(run_dir),
        "embedded": [(name, Markup(embed_json(load_timeline_data(run_dir, name)))) for name in embedded],
    }


def _name_channel(record: Mapping[str, Any]) -> str:
    """Return the name of the channel, or of the run where there is none or several."""
    names: list[str] = (record["data"] or {}).get("channels") or []
    return one_line(names[0], 80) if len(names) == 1 else str(record["name"])


def _describe_chapter(run_dir: Path, notebook: str) -> dict[str, Any]:
    executed = load_executed(run_dir, notebook)
    file = run_dir / "results" / f"{notebook}.json"
    results = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    headline = results.get("headline") or {}
    return {
        "notebook": notebook,
        "is_quiet": bool(headline) and all(value == 0 for value in headline.values()),
        "title": executed.cells[0].source.splitlines()[0].lstrip("# ").strip(),
        "intro": _render_intro(executed),
        "figure": find_key_figure(executed),
        "results": results,
    }


def _render_intro(executed: nbformat.NotebookNode) -> Markup:
    """Return what the notebook asks: the text after its title, up to the list of what is in it."""
    from nbconvert.filters import markdown2html

    cell = executed.cells[1] if len(executed.cells) > 1 else None
    if not cell or cell.cell_type != "markdown":
        return Markup()
    return Markup(markdown2html(re.split(r"^#|\s+You\s+will\s+find", cell.source, flags=re.MULTILINE)[0]))


def _prefix_ids(part: str, name: str) -> str:
    """Return a chapter whose anchors cannot be another chapter's."""
    part = re.sub(rf'{_IN_TAG}id="([^"]*)"', rf'\g<1>id="{name}.\g<2>"', part)
    return re.sub(rf'{_IN_TAG}href="#([^"]*)"', rf'\g<1>href="#{name}.\g<2>"', part)


def _link_within(part: str, run_dir: Path) -> str:
    """Return a chapter whose links to files of the run lead to what this file holds, or are text."""

    def replace(link: re.Match[str]) -> str:
        """Return one link as it leads within this file."""
        address, attributes, text = link.groups()
        path = Path(html.unescape(address))
        if path.stem in ("index", "explorer", *NOTEBOOKS) and path.suffix == ".html":
            return f'<a href="#{path.stem}"{attributes}>{text}</a>'
        if path.suffix in _CARRIED and (run_dir / path).is_file():
            text_of_file = hide_paths((run_dir / path).read_text(encoding="utf-8"))
            content = base64.b64encode(text_of_file.encode()).decode()
            kind = _CARRIED[path.suffix]
            return f'<a download="{path.name}" href="data:{kind};base64,{content}">{text}</a>'
        return link.group() if address.startswith(("https:", "http:")) else text

    return _LINK.sub(replace, part)
