"""Messages as a chat file in chat-downloader's schema, which every program of the field reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import orjson

from chatlib.files import atomic_path
from chatlib.records import NAME_PREFIX, Message

__all__ = ["row_of_message", "save_chat_file"]


def save_chat_file(path: str | Path, messages: Iterable[Message]) -> None:
    """Write messages as one JSON array, a row per line; whole or not at all.

    Raises: UnwritableFile; StoreFull.
    """
    with atomic_path(path) as part, part.open("wb") as file:
        for number, message in enumerate(messages):
            file.write((b",\n" if number else b"[\n") + orjson.dumps(row_of_message(message)))
        file.write(b"\n]\n" if file.tell() else b"[]\n")


def row_of_message(message: Message) -> dict:
    """Return a message as chat-downloader would write it; what it has not is left out.

    Reading it gives the message back, but for amounts whose text no longer says what they are.
    """
    row: dict[str, object] = {
        "message_id": message.message_id,
        "message_type": message.kind,
        "message": message.text,
        "time_in_seconds": message.offset_s,
        "timestamp": message.timestamp_us,
        "author": _author(message),
        "system_message": message.notice,
        "bits": message.bits,
        "target_message_id": message.target_id,
    }
    if message.amount_text is not None:
        amount = None if message.amount is None else float(message.amount)
        row["money"] = {"text": message.amount_text, "amount": amount, "currency": message.currency}
    if message.emotes is not None:
        row["emotes"] = [{"name": name} for name in json.loads(message.emotes)]
    return {key: value for key, value in row.items() if value is not None or key == "message"}


def _author(message: Message) -> dict | None:
    if message.author_id is None:
        return None
    author: dict[str, object] = {"name": message.author_name}
    if not message.author_id.startswith(NAME_PREFIX):
        author["id"] = message.author_id
    if message.badges is not None:
        author["badges"] = [{"title": title} for title in json.loads(message.badges)]
    return author
