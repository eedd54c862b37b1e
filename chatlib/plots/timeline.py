"""A stream's timeline as something to play with, in a notebook and on the report's pages.

The script and style that draw it lie beside this file; nothing is loaded from elsewhere. Where scripts do not
run, the page or the cell before it has the picture.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chatlib.analyze.moments import link_to_moment
from chatlib.analyze.streams import Timeline
from chatlib.text import format_count, one_line

__all__ = ["POINTS_TYPE", "LiveTimeline", "embed_json", "pack_timeline", "read_asset", "render_assets"]

POINTS_TYPE = "application/vnd.chatlib.points+json"  # beside a picture, what lies under the pointer
_TITLE_LENGTH = 100
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class LiveTimeline:
    """A timeline that a notebook plays: zoom, hover, moments as buttons, a click opens the recording."""

    timeline: Timeline

    def __repr__(self) -> str:
        moments = format_count(sum(mark.kind == "moment" for mark in self.timeline.marks), "moment")
        return f"the timeline of {one_line(self.timeline.title, _TITLE_LENGTH)} with {moments}"

    def _repr_html_(self) -> str:
        data = embed_json(json.dumps(pack_timeline(self.timeline), ensure_ascii=False))
        block = f'<script type="application/json">{data}</script>'
        return f'<div class="timeline" data-still>{block}</div>{render_assets()}'


def pack_timeline(timeline: Timeline, *, said: bool = True) -> dict[str, Any]:
    """Return a timeline as its script takes it; without `said`, no texts but those of its moments."""
    data = timeline._asdict()
    for key in ("address", "kit", *(() if said else ("top", "said"))):
        del data[key]
    data["title"] = one_line(timeline.title, _TITLE_LENGTH)
    data["marks"] = [(*mark[:4], one_line(mark.title, _TITLE_LENGTH), mark.link) for mark in timeline.marks]
    link = link_to_moment(timeline.address or "", 0)
    end = "0h0m0s" if link and link.endswith("0h0m0s") else "0s"
    data["opens"] = link and {"before": link.removesuffix(end), "hms": end != "0s"}
    return data


def embed_json(text: str) -> str:
    """Return JSON as it may stand in a page, within an element that holds data."""
    return text.replace("<", "\\u003c")


@cache
def read_asset(name: str) -> str:
    """Return the text of `report.js` or `timeline.css`."""
    return (_HERE / name).read_text(encoding="utf-8")


def render_assets() -> str:
    """Return style and script as a notebook needs them beside a timeline; a page has its own."""
    return f"<style>{read_asset('timeline.css')}</style><script>{read_asset('report.js')}</script>"
