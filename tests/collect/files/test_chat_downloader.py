"""chat-downloader's rows: the nested schema, the flat ones, both ways to read a plain row; rows written."""

import copy
import json
import random

import orjson
import pytest

from chatlib.collect.files.chat_downloader import find_plain_chat, read_row, save_chat_file
from chatlib.collect.files.formats import read_chat_file
from chatlib.collect.files.parsing import IdMaker, Notes
from chatlib.records import Message

ANN, BOB = "UC" + "a" * 22, "UC" + "b" * 22


PLAIN = {
    "message_id": "m", "message_type": "text_message", "message": "hi", "action_type": "add_chat_item",
    "author": {"id": "7", "name": "Ann", "badges": [{"title": "vip", "name": "vip"}]},
    "time_in_seconds": 3, "time_text": "0:03", "timestamp": 1773966060000000,
}  # fmt: skip


def read(items):
    notes = Notes()
    ids = IdMaker()
    return [m for item in items if (m := read_row(item, notes, ids))], dict(notes)


def read_bytes(*items, lines):
    notes = Notes()
    written = map(json.dumps, items)
    data = "\n".join(written) if lines else f"[{', '.join(written)}]"
    chat = find_plain_chat(data.encode(), notes)
    return chat and (chat.messages, dict(notes))


def test_the_nested_schema(chats):
    messages, notes = read(chats["nested"])
    assert messages[:5] == [
        Message("m1", "text_message", 1.5, ANN, "Ann", "hello", badges='["Member (2 months)"]',
                timestamp_us=1773966060000000),
        Message("m2", "paid_message", 9.0, BOB, "Bob", "おめでとう", amount_text="¥5,000", amount="5000",
                currency="JPY", timestamp_us=1773966067500000),
        Message("m2", "ticker_paid_message_item", 9.0, BOB, "Bob", "おめでとう", amount_text="¥5,000",
                amount="5000", currency="JPY", timestamp_us=1773966067500000),
        Message("m3", "text_message", -3.0, ANN, "Ann", ":wave:", emotes='[":wave:"]',
                timestamp_us=1773966055500000),
        Message("m4", "membership_item", 12.0, "UC" + "c" * 22, "Cid", None, "Welcome to Crew!"),
    ]  # fmt: skip
    ban = messages[5]
    assert (ban.kind, ban.target_id, ban.author_id, ban.text) == ("ban_user", "m1", None, None)
    assert ban.message_id
    assert not notes


def test_the_flat_schema_tells_kinds_by_what_is_there(chats):
    messages, notes = read(chats["flat"])
    assert [m.kind for m in messages] == [
        "text_message", "paid_message", "ticker_paid_message_item", "text_message", "text_message",
        "ticker_sponsor_item",
    ]  # fmt: skip
    assert messages[0][2:8] == (100.12, ANN, "Ann", "hi", None, '["Member (2 months)", "Moderator"]')
    assert messages[1][8:11] == ("10,00\xa0€", "10.00", "EUR")
    assert messages[1].message_id == messages[2].message_id  # a ticker repeats what was paid
    assert messages[3].author_id == "name:Ann"
    assert messages[3].message_id != messages[4].message_id  # said twice in the same second
    assert (messages[5].text, messages[5].notice) == (None, "Welcome!")
    assert not notes


def test_fixed_sentences_are_no_words_of_the_author():
    for kind in (
        "deleted_state_message",
        "sponsorships_gift_purchase_announcement",
        "viewer_engagement_message",
    ):
        (message,), _ = read([{"message_type": kind, "message": "fixed", "author": {"id": "1"}}])
        assert (message.text, message.notice) == (None, "fixed")
    sub = {"message_type": "resubscription", "message": "mine", "system_message": "A subscribed"}
    (message,), _ = read([PLAIN | sub])
    assert (message.text, message.notice) == ("mine", "A subscribed")


def test_money_without_its_text_is_taken_as_a_number():
    row = {"message_type": "paid_message", "money": {"amount": 5000.0, "currency": "JPY"}, "message_id": "x"}
    (message,), _ = read([row])
    assert message[8:11] == ("JPY 5000", "5000", "JPY")


def test_an_emoji_only_message_that_came_empty_is_kept():
    row = PLAIN | {"message": ""}
    assert read([row])[0][0].text == ""
    assert read([row | {"emotes": [{"shortcuts": [":a:"]}, {"name": ":b:"}]}])[0][0].text == ":a: :b:"


def test_kinds_that_are_cut_short_are_kept_as_they_are():
    assert read([PLAIN | {"message_type": "privm"}])[0][0].kind == "privm"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "row is no object"),
        (["text_message"], "row is no object"),
        ({}, "row is empty"),
        ({"message": None, "author": [], "time_in_seconds": 4}, "row is empty"),
    ],
)
def test_a_bad_row_is_counted_and_the_next_one_read(row, reason):
    good = {"message": "hi", "author": "Ann", "time_in_seconds": 1}
    messages, notes = read([row, good])
    assert [m.text for m in messages] == ["hi"]
    assert notes == {reason: 1}


def test_a_field_that_cannot_be_used_is_counted_and_its_row_kept():
    row = {"time_in_seconds": float("nan"), "time_text": None, "timestamp": "dawn", "bits": True}
    (message,), notes = read([PLAIN | row])
    assert (message.offset_s, message.timestamp_us, message.bits) == (None, None, None)
    assert notes == {"kept without offset": 1, "kept without timestamp": 1}


VALUES = (
    None, "", "x", 0, 1, -1, True, False, 2**70, 5.5, -0.0, float("nan"), float("inf"), [], {}, ["a"], "0:05",
    [{"title": "a"}], [{"name": "a"}], [{"title": 1}], [{"title": ""}], [{"title": "a"}, {"title": None}],
    {"id": "1"}, {"id": 1, "name": "B"}, {"id": "1", "name": "B", "display_name": "b"}, {"name": "B"}, [None],
    "text_message", "banner", "paid_message", 1773966060000000, 1773966060, 1773966060.5, "12",
)  # fmt: skip


def test_the_short_path_and_the_careful_one_agree():
    rng = random.Random(5)
    n_short = 0
    for _ in range(6000):
        row = copy.deepcopy(PLAIN)
        for _ in range(rng.randrange(4)):
            where = row["author"] if rng.random() < 0.4 and type(row.get("author")) is dict else row
            key = rng.choice(
                [*where, "emotes", "money", "bits", "display_name", "author_id", "system_message"]
            )
            if rng.random() < 0.3:
                where.pop(key, None)
            else:
                where[key] = copy.deepcopy(rng.choice(VALUES))
        short = read_bytes(PLAIN, row, lines=rng.random() < 0.5)
        if short:  # NaN and the like are no JSON
            assert repr(short) == repr(read([PLAIN, orjson.loads(json.dumps(row))])), row
            n_short += short[1] == {} and len(short[0]) == 2
    assert n_short > 1000  # or nothing was compared


def test_the_short_path_is_taken_for_plain_rows(monkeypatch):
    import chatlib.collect.files.chat_downloader as module

    monkeypatch.setattr(module, "read_row", lambda *args: pytest.fail("the careful path was taken"))
    assert read_bytes(PLAIN, lines=False)[0] == [
        Message("m", "text_message", 3.0, "7", "Ann", "hi", badges='["vip"]', timestamp_us=1773966060000000)
    ]


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
    for messages in (SMALL, []):
        save_chat_file(tmp_path / "chat.json", messages)
        assert read_chat_file(tmp_path / "chat.json").messages == messages
    assert (tmp_path / "chat.json").read_bytes() == b"[]\n"
    assert [path.name for path in tmp_path.iterdir()] == ["chat.json"]
