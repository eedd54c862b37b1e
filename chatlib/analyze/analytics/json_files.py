"""Analytics on disk: the published JSON, written and read back.

Its schema is `chat_analytics.schema.json`, beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from numbers import Real
from pathlib import Path
from typing import TypeVar

import orjson

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics, find_class
from chatlib.analyze.analytics.sections import Highlight, Sample, Section, Spike
from chatlib.errors import ParameterError, UnknownFormat
from chatlib.files import atomic_path, read_file
from chatlib.workspace import rare_gc

__all__ = ["SCHEMA_PATH", "load", "save"]

SCHEMA_PATH = Path(__file__).with_name("chat_analytics.schema.json")

_Item = TypeVar("_Item", bound=ChatAnalytics | Sample | Section)
_LISTS = {"samples", "highlights", "spikes"}
_TEXTS = {
    "description", "program_version", "platform", "mediaTitle", "mediaSource", "highlight_metric", "type",
}  # fmt: skip


@rare_gc()
def save(analytics: ChatAnalytics, path: str | Path) -> Path:
    """Write analytics as JSON: keys in the format's order, one line to a sample; return the path.

    Raises: UnwritableFile if nothing can be written there; StoreFull.
    """
    with atomic_path(path) as part, part.open("wb") as file:
        separator = b"{\n"
        for key, value in analytics.to_dict().items():
            file.write(separator + orjson.dumps(key) + b": " + _dump(value))
            separator = b",\n"
        file.write(b"\n}\n")
    return Path(path)


def _dump(value: object) -> bytes:
    if isinstance(value, list) and value:  # of objects without lists: `},{` occurs between them only
        return b"[\n" + orjson.dumps(value)[1:-1].replace(b"},{", b"},\n{") + b"\n]"
    return orjson.dumps(value)


def load(path: str | Path) -> ChatAnalytics:
    """Return the analytics that `save`, or chat-analyzer 1.0.6b3, wrote.

    Raises: MissingSource if there is no file; UnknownFormat if it is something else.
    """
    data = read_file(Path(path))
    try:
        return _build_analytics(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise UnknownFormat(f"Analytics are JSON, and {path} is not ({error}).") from error
    except (KeyError, TypeError, ValueError, ParameterError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise UnknownFormat(
            f"{path} must be a ChatAnalytics JSON, and it is not: {what}. "
            "A raw chat is analyzed with --mode chatfile."
        ) from error


def _build_analytics(content: object) -> ChatAnalytics:
    if not isinstance(content, Mapping) or "platform" not in content:
        raise TypeError("an object with `platform` and `samples` is needed")
    made = find_class(content["platform"])
    analytics = _build(
        made,
        dict(content)
        | {
            "samples": [_build(made.sample_class, sample) for sample in content["samples"]],
            "highlights": [_build(Highlight, section) for section in content["highlights"]],
            "spikes": [_build(Spike, section) for section in content["spikes"]],
            "description": content["description"] or "",
        },
    )
    analytics.seal()
    return analytics


def _build(made: type[_Item], content: Mapping) -> _Item:
    """Return an object of the format. Raises: KeyError for a missing field; TypeError for a wrong type."""
    item = made(**{f.name: content[f.name] for f in fields(made) if f.init})
    for name in (f.name for f in fields(item) if not f.name.startswith("_") and f.name not in _LISTS):
        value = getattr(item, name)
        if name in _TEXTS or name.endswith("_text"):
            if not isinstance(value, str):
                raise TypeError(f"`{name}` must be a text, got {value!r}")
        elif isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"`{name}` must be a number, got {value!r}")
    return item
