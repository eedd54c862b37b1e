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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from chatlib.collect.address import find_video_id
from chatlib.errors import MissingSource
from chatlib.files import atomic_write
from chatlib.pipeline.explorer import load_facts, load_timeline_data, rank_row
from chatlib.pipeline.pages import (
    fill_template,
    find_key_figure,
    is_simulated,
    list_pages,
    load_chapter,
    load_executed,
)
from chatlib.pipeline.settings import NOTEBOOKS
from chatlib.plots.timeline import embed_json
from chatlib.text import one_line
from chatlib.workspace import hide_paths

if TYPE_CHECKING:
    import nbformat

__all__ = ["load_record", "render_bundle", "render_index"]

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
    labels = {"index": "Report", "explorer": "Explorer"}
    page = fill_template(
        "bundle.html",
        title=front["title"],
        navigation=[(f"#{name}", labels.get(name) or name.replace("_", " ")) for name in parts],
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
    newest_first = [row["stream"] for row in reversed(facts["streams"])]
    return {
        "facts": facts,
        "simulated": is_simulated(run_dir),
        "streams": Markup(json.dumps(newest_first)),
        "bundled": bool(embedded),
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
