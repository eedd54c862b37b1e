"""The first page of a report: the data, the chapters with figure and numbers, and how to make it again.

Every number on it names the file and the key it was read from, in `data-from`: a JSON pointer
(RFC 6901) into a file of the run.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html

from chatlib.files import atomic_write
from chatlib.pipeline.notebooks import NOTEBOOKS
from chatlib.pipeline.pages import fill_template, say_banner, say_chapter
from chatlib.pipeline.pictures import find_key_figure

__all__ = ["render_front", "render_index", "say_value"]

_RECORD = "run.json"
_MAX_CHANNELS = 5
_INTRO = (
    "<p>What viewers wrote in a streamer's live chat, and two questions put to it: <em>who will pay?</em> "
    "and <em>when was the chat most alive?</em> Each chapter is an executed notebook with its figures, its "
    "tables and, folded away, its code.</p>"
)


def render_index(run_dir: Path, record: Mapping[str, object]) -> Path:
    """Write `index.html`, the report's first page, and return its path.

    `record` is what `describe_run` returns: of the chapters that have run.
    """
    links = "\n".join(f'<a href="{n}.html">{say_chapter(n)}</a>' for n in record["seconds"])
    page = fill_template(
        "index.html",
        title=f"Chat report: {html.escape(run_dir.name)}",
        navigation=f'<a href="index.html" aria-current="page">Report</a>\n{links}',
        front=render_front(run_dir, record),
    )
    path = run_dir / "index.html"
    return atomic_write(path, page)


def render_front(run_dir: Path, record: Mapping[str, object]) -> str:
    """Return the first page's HTML, without what surrounds it."""
    parts = [
        f"<h1>Chat report: {html.escape(run_dir.name)}</h1>",
        say_banner(run_dir),
        _INTRO,
        _render_data(record),
        *(_render_chapter(run_dir, notebook, record) for notebook in record["seconds"]),
        _render_making(record),
    ]
    return "\n".join(part for part in parts if part)


def say_value(value: object) -> str:
    """Return a value as it is shown: numbers with three digits, or all of a whole one's."""
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _render_data(record: Mapping[str, object]) -> str:
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
    channels = f", channel{'s' * (len(data['channels']) > 1)} {', '.join(names)}" if names else ""
    return (
        f"<h2>The data</h2>\n<p>{_say_source(record)}{channels}. Platform: "
        f"{html.escape(' and '.join(data['platforms']) or 'none yet')}.</p>\n<dl>{''.join(numbers)}</dl>"
    )


def _say_source(record: Mapping[str, object]) -> str:
    if record["channels"]:
        return f"Collected from <bdi>{html.escape(Path(str(record['channels'])).name)}</bdi>"
    if record["chats"]:
        return f"Chat files of <bdi>{html.escape(Path(str(record['chats'])).name)}</bdi>"
    return "The sample that comes with the project, <strong>simulated</strong>"


def _render_chapter(run_dir: Path, notebook: str, record: Mapping[str, object]) -> str:
    executed = nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)
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
    links += [f'<a href="{file}">numbers</a>'] * bool(results)
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


def _load_results(run_dir: Path, notebook: str) -> dict:
    path = run_dir / "results" / f"{notebook}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _render_intro(executed: nbformat.NotebookNode) -> str:
    """Return what the notebook says of itself first: the text between its title and its parameters."""
    cell = executed.cells[1] if len(executed.cells) > 1 else None
    if not cell or cell.cell_type != "markdown":
        return ""
    return markdown2html(re.split(r"^#", cell.source, maxsplit=1, flags=re.MULTILINE)[0])


def _render_key_figure(executed: nbformat.NotebookNode, notebook: str, title: str) -> str:
    found = find_key_figure(executed)
    if not found:
        return ""
    png, metadata = found
    size = "".join(f' {key}="{int(metadata[key])}"' for key in ("width", "height") if key in metadata)
    alt = html.escape(str(metadata.get("alt", f"Key figure of {title}")))
    return f'<a href="{notebook}.html"><img src="data:image/png;base64,{png}" alt="{alt}"{size}></a>'


def _render_making(record: Mapping[str, object]) -> str:
    missing = [say_chapter(notebook) for notebook in NOTEBOOKS if notebook not in record["seconds"]]
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
    return (
        f"<h2>How it was made</h2>\n<p>Finished at {_render_text(_say_time(record), 'finished_at')} UTC "
        f"after {_render_seconds(record['seconds_in_all'], 'seconds_in_all')}. {where}</p>\n"
        f"<details><summary>Versions</summary><table>{versions}</table></details>\n"
        f"<h2>Make it again</h2>\n<p>In the project's folder:</p>\n"
        f"<pre{_from(_RECORD, 'command')}>{html.escape(str(record['command']))}</pre>"
    )


def _say_time(record: Mapping[str, object]) -> str:
    return str(record["finished_at"])[:16].replace("T", " ")


def _render_number(label: str, value: object, file: str, *keys: object) -> str:
    shown = html.escape(say_value(value))
    return f"<div><dt>{html.escape(label)}</dt><dd{_from(file, *keys)}>{shown}</dd></div>"


def _render_seconds(seconds: float, *keys: object) -> str:
    return _render_text(f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min", *keys)


def _render_text(text: str, *keys: object) -> str:
    return f"<span{_from(_RECORD, *keys)}>{html.escape(text)}</span>"


def _from(file: str, *keys: object) -> str:
    pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    return f' data-from="{html.escape(f"{file}#{pointer}")}"'
