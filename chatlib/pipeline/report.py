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
from nbconvert.filters import markdown2html

from chatlib.errors import MissingSource
from chatlib.files import atomic_write
from chatlib.pipeline.pages import (
    fill_template,
    find_key_figure,
    load_chapter,
    load_executed,
    render_banner,
)
from chatlib.pipeline.settings import NOTEBOOKS, label_notebook
from chatlib.workspace import hide_paths

__all__ = ["format_value", "load_record", "render_bundle", "render_index"]

_RECORD = "run.json"
_MAX_CHANNELS = 5
_LINK = re.compile(r'<a href="([^"#]+)"[^>]*>(.*?)</a>', re.DOTALL)
_IN_TAG = r"(<[a-zA-Z][^<>]*?\s)"  # only there: the same characters in somebody's message stay as they are
_INTRO = (
    "<p>What viewers wrote in a streamer's live chat, and two questions put to it: <em>who will pay?</em> "
    "and <em>when was the chat most alive?</em> Each chapter is an executed notebook with its figures, its "
    "tables and, folded away, its code.</p>"
)


def render_index(run_dir: Path, record: Mapping[str, Any]) -> Path:
    """Write `index.html`, the report's first page, and return its path.

    `record` is what `describe_run` returns for the chapters that have run.
    """
    links = "\n".join(f'<a href="{n}.html">{label_notebook(n)}</a>' for n in record["seconds"])
    page = fill_template(
        "index.html",
        title=f"Chat report: {html.escape(run_dir.name)}",
        navigation=f'<a href="index.html" aria-current="page">Report</a>\n{links}',
        front=_render_front(run_dir, record),
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
    parts = {"index": _render_front(run_dir, record)}
    parts |= {notebook: _render_whole(run_dir, notebook) for notebook in NOTEBOOKS}
    links = [
        f'<a href="#{name}">{label_notebook(name) if name in NOTEBOOKS else "Report"}</a>' for name in parts
    ]
    page = fill_template(
        "bundle.html",
        title=f"Chat report: {html.escape(run_dir.name)}",
        navigation="\n".join(links),
        chapters="\n".join(_render_section(name, part, run_dir) for name, part in parts.items()),
    )
    return atomic_write(run_dir / f"chat-report-{run_dir.name}.html", page)


def format_value(value: object) -> str:
    """Return a value as it is shown: three significant digits, or all digits of an integer."""
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _render_front(run_dir: Path, record: Mapping[str, Any]) -> str:
    """Return the first page's HTML, without what surrounds it."""
    parts = [
        f"<h1>Chat report: {html.escape(run_dir.name)}</h1>",
        render_banner(run_dir),
        _INTRO,
        _render_data(record),
        *(_render_chapter(run_dir, notebook, record) for notebook in record["seconds"]),
        _render_making(record),
    ]
    return "\n".join(part for part in parts if part)


def _render_data(record: Mapping[str, Any]) -> str:
    data = record["data"]
    if not data:
        return ""
    shown = {
        "streams": "streams",
        "messages and events": "messages",
        "first stream": "first_day",
        "last stream": "last_day",
    }
    numbers = [
        _render_number(label, data[key], _RECORD, "data", key)
        for label, key in shown.items()
        if data[key] is not None
    ]
    names = [f"<bdi>{html.escape(name)}</bdi>" for name in data["channels"][:_MAX_CHANNELS]]
    if more := len(data["channels"]) - len(names):
        names.append(f"{more:,} more")
    channels = f", {'channels' if len(names) > 1 else 'channel'} {', '.join(names)}" if names else ""
    return (
        f"<h2>The data</h2>\n<p>{_render_source(record)}{channels}. Platform: "
        f"{html.escape(' and '.join(data['platforms']) or 'none yet')}.</p>\n<dl>{''.join(numbers)}</dl>"
    )


def _render_source(record: Mapping[str, Any]) -> str:
    if record["channels"]:
        return f"Collected from <bdi>{html.escape(Path(str(record['channels'])).name)}</bdi>"
    if record["chats"]:
        return f"Chat files of <bdi>{html.escape(Path(str(record['chats'])).name)}</bdi>"
    return "The sample that comes with the project, <strong>simulated</strong>"


def _render_chapter(run_dir: Path, notebook: str, record: Mapping[str, Any]) -> str:
    executed = load_executed(run_dir, notebook)
    title = executed.cells[0].source.splitlines()[0].lstrip("# ").strip()
    results = _load_results(run_dir, notebook)
    file = f"results/{notebook}.json"
    numbers = "".join(
        _render_number(str(key), value, file, "headline", str(key))
        for key, value in results.get("headline", {}).items()
    )
    sentences = "".join(
        f"<li{_from(file, 'sentences', number)}>{html.escape(sentence)}</li>"
        for number, sentence in enumerate(results.get("sentences", []))
    )
    links = [f'<a href="{notebook}.html">chapter</a>', f'<a href="{notebook}.ipynb">notebook</a>']
    if results:
        links.append(f'<a href="{file}">numbers</a>')
    return "\n".join(
        [
            f'<article>\n<h2><a href="{notebook}.html">{html.escape(title)}</a></h2>',
            _render_intro(executed),
            _render_key_figure(executed, notebook, title),
            f"<dl>{numbers}</dl>" if numbers else "",
            f"<ul>{sentences}</ul>" if sentences else "",
            f'<p class="small">{" · ".join(links)} · '
            f"{_render_seconds(record['seconds'][notebook], 'seconds', notebook)}</p>\n</article>",
        ]
    )


def _load_results(run_dir: Path, notebook: str) -> dict[str, Any]:
    path = run_dir / "results" / f"{notebook}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _render_intro(executed: nbformat.NotebookNode) -> str:
    """Return the notebook's introduction: the text between its title and its parameters."""
    cell = executed.cells[1] if len(executed.cells) > 1 else None
    if not cell or cell.cell_type != "markdown":
        return ""
    return markdown2html(re.split(r"^#", cell.source, maxsplit=1, flags=re.MULTILINE)[0])


def _render_key_figure(executed: nbformat.NotebookNode, notebook: str, title: str) -> str:
    figure = find_key_figure(executed)
    if not figure:
        return ""
    size = "".join(f' {key}="{value}"' for key, value in figure.size.items())
    alt = html.escape(figure.alt or f"Key figure of {title}")
    return f'<a href="{notebook}.html"><img src="data:image/png;base64,{figure.png}" alt="{alt}"{size}></a>'


def _render_making(record: Mapping[str, Any]) -> str:
    missing = [label_notebook(notebook) for notebook in NOTEBOOKS if notebook not in record["seconds"]]
    versions = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td{_from(_RECORD, 'versions', name)}>"
        f"{html.escape(str(version or 'not installed'))}</td></tr>"
        for name, version in record["versions"].items()
    )
    where = (
        f"Not run: {', '.join(missing)}; what follows is kept once all chapters have run."
        if missing
        else f'All parameters, versions and times: <a href="{_RECORD}">{_RECORD}</a>.'
    )
    finished_at = str(record["finished_at"])[:16].replace("T", " ")
    return (
        f"<h2>How it was made</h2>\n<p>Finished at {_render_text(finished_at, 'finished_at')} UTC "
        f"after {_render_seconds(record['seconds_in_all'], 'seconds_in_all')}. {where}</p>\n"
        f"<details><summary>Versions</summary><table>{versions}</table></details>\n"
        f"<h2>Make it again</h2>\n<p>In the project's folder:</p>\n"
        f"<pre{_from(_RECORD, 'command')}>{html.escape(str(record['command']))}</pre>"
    )


def _render_number(label: str, value: object, file: str, *keys: object) -> str:
    shown = html.escape(format_value(value))
    return f"<div><dt>{html.escape(label)}</dt><dd{_from(file, *keys)}>{shown}</dd></div>"


def _render_seconds(seconds: float, *keys: object) -> str:
    return _render_text(f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min", *keys)


def _render_text(text: str, *keys: object) -> str:
    return f"<span{_from(_RECORD, *keys)}>{html.escape(text)}</span>"


def _from(file: str, *keys: object) -> str:
    pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    return f' data-from="{html.escape(f"{file}#{pointer}")}"'


def _render_whole(run_dir: Path, notebook: str) -> str:
    chapter = load_chapter(run_dir, notebook)
    contents = f'<nav class="contents" aria-label="In {label_notebook(notebook)}">{chapter.contents}</nav>'
    return "\n".join(
        [f"<h1>{html.escape(chapter.title)}</h1>", render_banner(run_dir), contents, chapter.body]
    )


def _render_section(name: str, part: str, run_dir: Path) -> str:
    inside = _link_within(_prefix_ids(part, name), run_dir)
    return f'<section class="chapter" id="{name}">\n{inside}\n</section>'


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
