"""Analytics on disk: the published JSON, written and read back."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import orjson

from chatlib.analyze.analytics import ChatAnalytics
from chatlib.errors import ParameterError

__all__ = ["make_safe_name", "save"]

_SAFE_LENGTH = 80


def save(analytics: ChatAnalytics, path: str | Path) -> Path:
    """Write analytics as JSON: keys in the format's order, one line to a sample; return the path.

    Raises: ParameterError if nothing can be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            separator = b"{\n"
            for key, value in analytics.to_dict().items():
                file.write(separator + orjson.dumps(key) + b": " + _dump(value))
                separator = b",\n"
            file.write(b"\n}\n")
    except OSError as error:
        raise ParameterError(
            f"The output must be a file that can be written, got {path} ({error.strerror}). "
            "Name another with --output."
        ) from error
    return path


def _dump(value: object) -> bytes:
    if isinstance(value, list) and value:
        return b"[\n" + b",\n".join(map(orjson.dumps, value)) + b"\n]"
    return orjson.dumps(value)


def make_safe_name(text: str) -> str:
    """Return a file name without suffix for any text: letters, digits, `_` and `-`.

    What had to be replaced or cut is told apart by a hash of the text.
    """
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:_SAFE_LENGTH]
    if safe == text and safe:
        return safe
    return f"{safe}_{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
