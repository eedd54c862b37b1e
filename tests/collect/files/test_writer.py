"""A chat that is written as a file reads back as it was."""

import pytest

from chatlib.collect.files.formats import read_chat_file
from chatlib.collect.files.writing import save_chat_file
from chatlib.records import Message
from tests.places import SHARED

SMALL = [
    Message(
        "m1", "text_message", -3.5, "UC1", "Ann", "hi :a:", badges='["Member (2 months)"]', emotes='[":a:"]'
    ),
    Message("m2", "paid_message", 5.0, "UC2", "Bob", None, None, None, "10,00 €", "10.00", "EUR"),
    Message("m3", "text_message", 6.25, "name:Cy", "Cy", "\u202e<b>\n=x", timestamp_us=1_772_388_000_000_000),
    Message("m4", "deleted_message", 7.0, notice="Message deleted", target_id="m1"),
    Message("m5", "text_message", 8.0, "7", "Di", "Cheer100", bits=100),
    Message(
        "m6", "sponsorships_gift_purchase_announcement", 9.0, "UC1", "Ann", notice="Gifted 5 memberships"
    ),
]


def test_it_reads_back(tmp_path):
    save_chat_file(tmp_path / "chat.json", SMALL)
    assert read_chat_file(tmp_path / "chat.json").messages == SMALL
    assert [path.name for path in tmp_path.iterdir()] == ["chat.json"]


def test_an_empty_chat_is_an_empty_list(tmp_path):
    save_chat_file(tmp_path / "chat.json", [])
    assert (tmp_path / "chat.json").read_bytes() == b"[]\n"


@pytest.mark.parametrize(
    "name", ["youtube/chat_downloader/flat_replay_750.json", "youtube/innertube/chat-xhr.json"]
)
def test_real_chat_reads_back(tmp_path, name):
    if not (SHARED / name).is_file():
        pytest.skip("../shared/data is absent")
    chat = read_chat_file(SHARED / name)
    save_chat_file(tmp_path / "again.json", chat.messages)
    assert read_chat_file(tmp_path / "again.json").messages == chat.messages
