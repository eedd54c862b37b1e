"""A run's report as a single file to mail: all chapters, and the numbers as downloads."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path

from chatlib.errors import MissingSource
from chatlib.files import atomic_write
from chatlib.pipeline.front import render_front
from chatlib.pipeline.notebooks import NOTEBOOKS
from chatlib.pipeline.pages import fill_template, load_chapter, say_banner, say_chapter
from chatlib.workspace import PROJECT_DIR

__all__ = ["render_bundle"]

_LINK = re.compile(r'<a href="([^"#]+)"[^>]*>(.*?)</a>', re.DOTALL)
_IN_TAG = r"(<[a-zA-Z][^<>]*?\s)"  # only there: the same characters in somebody's message stay as they are


def render_bundle(run_dir: Path) -> Path:
    """Write `chat-report-NAME.html`, which needs no other file, and return its path.

    Links between chapters lead within it; each chapter's numbers are a download that it carries.
    Notebooks and the database are not in it.
    Raises: MissingSource if the run is not complete.
    """
    if not (run_dir / "run.json").is_file():
        raise MissingSource(
            f"A report to mail comes from a complete run, and {run_dir} is none. Run `make report` first."
        )
    record = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    if "command" not in record:
        raise MissingSource(f"The run in {run_dir} must be of this version, and is older. Run it again.")
    parts = {"index": render_front(run_dir, record)}
    parts |= {notebook: _render_chapter(run_dir, notebook) for notebook in NOTEBOOKS}
    links = [
        f'<a href="#{name}">{say_chapter(name) if name in NOTEBOOKS else "Report"}</a>' for name in parts
    ]
    page = fill_template(
        "bundle.html",
        title=f"Chat report: {html.escape(run_dir.name)}",
        navigation="\n".join(links),
        chapters="\n".join(_render_section(name, part, run_dir) for name, part in parts.items()),
    )
    path = run_dir / f"chat-report-{run_dir.name}.html"
    return atomic_write(path, page)


def _render_chapter(run_dir: Path, notebook: str) -> str:
    chapter = load_chapter(run_dir, notebook)
    contents = f'<nav class="contents" aria-label="In {say_chapter(notebook)}">{chapter.contents}</nav>'
    return "\n".join([f"<h1>{html.escape(chapter.title)}</h1>", say_banner(run_dir), contents, chapter.body])


def _render_section(name: str, part: str, run_dir: Path) -> str:
    inside = _lead_within(_prefix_ids(part, name), run_dir)
    return f'<section class="chapter" id="{name}">\n{inside}\n</section>'


def _prefix_ids(part: str, name: str) -> str:
    """Return a chapter whose anchors cannot be another chapter's."""
    part = re.sub(rf'{_IN_TAG}id="([^"]*)"', rf'\g<1>id="{name}.\g<2>"', part)
    return re.sub(rf'{_IN_TAG}href="#([^"]*)"', rf'\g<1>href="#{name}.\g<2>"', part)


def _without_places(text: str) -> bytes:
    """Return a file's content without where the project and its owner's home lie on this machine."""
    return text.replace(f"{PROJECT_DIR}/", "").replace(f"{Path.home()}/", "~/").encode()


def _lead_within(part: str, run_dir: Path) -> str:
    """Return a chapter whose links to files of the run lead to what this file holds, or are text."""

    def lead(link: re.Match) -> str:
        address, text = link.groups()
        path = Path(html.unescape(address))
        if path.stem in ("index", *NOTEBOOKS) and path.suffix == ".html":
            return f'<a href="#{path.stem}">{text}</a>'
        if path.suffix == ".json" and (run_dir / path).is_file():
            content = base64.b64encode(_without_places((run_dir / path).read_text(encoding="utf-8"))).decode()
            return f'<a download="{path.name}" href="data:application/json;base64,{content}">{text}</a>'
        return link.group() if address.startswith(("https:", "http:")) else text

    return _LINK.sub(lead, part)
