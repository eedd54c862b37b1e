"""One small chat file of every format, each with an answer that can be checked by eye."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.places import SHARED

CHATS = Path(__file__).parent / "chats"

A, B = "https://www.youtube.com/watch?v=aaaaaaaaaaa", "https://www.youtube.com/watch?v=bbbbbbbbbbb"
OLD_ROWS = [
    (A, "text_message", "1.5", "Member (2 months)", "Ann", "hi", "NULL", "NULL"),
    (A, "paid_message", "2.0", "NULL", "Bob", "NULL", "5000.0", "JPY"),
    (B, "paid_message", "3", '["Moderator"]', "Ann", "wow", "$10.50", "NULL"),
    (A, "text_message", "-4", "NULL", "NULL", "who", "NULL", "NULL"),
]


def as_lines(items):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode()


def make_files(chats):
    video = {"id": "1087079172", "title": "Fall", "duration": "48m58s", "created_at": "2021-07-15T01:59:24Z"}
    rechat = {
        "FileInfo": {},
        "streamer": {"name": "Ann", "id": 7},
        "video": {"id": "v123456", "length": 3600.5},
    }
    actions = chats["actions"]
    replay = [
        {"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": str(1000 * i)}}
        for i, action in enumerate(actions)
    ]
    response = {"continuationContents": {"liveChatContinuation": {"actions": actions}}}
    return {
        "nested.json": json.dumps(chats["nested"]).encode(),
        "nested.jsonl": as_lines(chats["nested"]),
        "flat.json": json.dumps(chats["flat"], indent=1).encode(),
        "live.json": json.dumps(chats["live"]).encode(),
        "replay.live_chat.json": as_lines(replay),
        "response.json": json.dumps(response).encode(),
        "v5.json": json.dumps({"video": video, "comments": chats["comments"]}, indent=1).encode(),
        "rechat.json": json.dumps(rechat | {"comments": chats["comments"]}).encode(),
        "page.json": json.dumps(chats["page"]).encode(),
    }


@pytest.fixture(scope="session")
def chats():
    """What the small files are made of: chats/NAME.json, parsed."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in CHATS.glob("*.json")}


@pytest.fixture(scope="session")
def files(chats):
    """The bytes of one small chat file of every JSON format, by name."""
    return make_files(chats)


@pytest.fixture
def make_old_database():
    """A function that writes a database of the first version."""

    def make(path, rows=tuple(OLD_ROWS), *, table="DBdb"):
        db = sqlite3.connect(path)
        db.execute(
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, URL, TypeofMessages, ListofTimes, ListofBadges, "
            "ListofAuthors, ListofMessages, DonationAmount, DonationCurrency)"
        )
        db.executemany(f"INSERT INTO {table} VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        db.commit()
        db.close()
        return path

    return make


@pytest.fixture(scope="session")
def shared():
    """The folder of real chat, or a skip that says so."""
    if not SHARED.is_dir():
        pytest.skip(f"no real chat here: {SHARED} is missing")
    return SHARED
