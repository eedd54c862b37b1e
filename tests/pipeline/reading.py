"""Reading a page as a program: its parts that say where they are from, its links, what is in it."""

import json
from html.parser import HTMLParser
from urllib.parse import unquote

from chatlib.tables import format_value
from chatlib.times import format_clock

VOID = {"meta", "img", "br", "hr", "input", "link", "col"}


class Page(HTMLParser):
    """`parts`: (data-from, text) of each element that has one; `tags`: (tag, attributes) in order."""

    def __init__(self, html):
        super().__init__()
        self.parts, self.tags, self._open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append([tag, dict(attributes).get("data-from"), ""])

    def handle_data(self, data):
        for element in self._open:
            element[2] += data

    def handle_endtag(self, tag):
        while self._open:
            name, source, text = self._open.pop()
            if source:
                self.parts.append((source, text))
            if name == tag:
                break

    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def links(self):
        return [attributes["href"] for tag, attributes in self.tags if tag == "a"]


def look_up(run, source):
    """Return what a JSON pointer names in a file of the run."""
    file, pointer = source.split("#")
    value = json.loads((run / file).read_text(encoding="utf-8"))
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def as_shown(source, value):
    """Return a value of a run's file as the index must show it."""
    if source == "run.json#/finished_at":
        return value[:16].replace("T", " ")
    if "#/seconds" in source:
        return format_clock(value)
    if "#/versions/" in source:
        return value or "not installed"
    return format_value(value)


def find_broken_links(run, page):
    """Return the addresses of a page that lead nowhere on this disk."""
    ids, broken = {unquote(i) for i in page.ids()} | set(page.ids()), []
    for link in page.links():
        target, _, anchor = link.partition("#")
        if link.startswith(("https://", "data:")):
            continue
        if (target and not (run / target).exists()) or (not target and anchor not in ids):
            broken.append(link)
    return broken
