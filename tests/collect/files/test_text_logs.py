"""Lines of text become messages: chat-downloader's, TwitchDownloader's, IRC clients', plain ones."""

import json
from pathlib import Path

import pytest

from chatlib.collect.files.formats import looks_like_chat, read_chat, read_chats
from chatlib.errors import UnknownFormat

CHATS = Path(__file__).parents[1] / "chats"
CHATTERINO = """\
# Start logging at 2021-07-15 20:00:01 CEST
[20:00:05]  bob: hi there
[20:00:06]  あん ann: こんにちは
[20:00:09] Cid subscribed at Tier 1. They've subscribed for 3 months, currently on a 2 month streak!
[20:00:09]  cid: hello again
[20:00:12] Dan gifted a Tier 1 sub to Eve!
[20:00:13] An anonymous user gifted a Tier 1 sub to Fay!
[20:00:20] bob has been timed out for 10m.
[20:00:21] A message from ann was deleted: こんにちは
[20:00:22] 12 raiders from Zoe have joined!
[23:59:59]  bob: Cheer100 late
[00:00:02]  bob: Bob subscribed at Tier 1.
[00:00:03] disconnected
# Stop logging at 2021-07-16 00:10:00 CEST
"""
CHATTY = """\
# Log started: 2021-07-15 20:00:00 +0200
[2021-07-15 20:00:05] <%+Bob> hi
[2021-07-15 20:00:06] <@あん (ann)> yo
[2021-07-15 20:00:07] <Cid>* waves
[2021-07-15 20:00:09] [Notification] Cid subscribed with Prime. They've subscribed for 3 months! [hello again]
[2021-07-15 20:00:09] [Notification] Dan gifted a Tier 1 sub to Eve! They have given 4 Gift Subs!
[2021-07-15 20:00:10] BITS: Bob (100)
[2021-07-15 20:00:11] BAN: eve (600s) [spam], mal
[2021-07-15 20:00:12] DELETED: Bob (hi), ann (yo)
[2021-07-15 20:00:13] MOD_ACTION: ann (timeout eve)
"""
IRSSI = """\
--- Log opened Thu Jul 15 20:00:00 2021
20:00 -!- bob [bob@bob.tmi.twitch.tv] has joined #ann
20:01 < bob> hi
20:02 <@ann> yo: ok
20:03  * bob waves
20:04 <+twitchnotify> cid just subscribed!
23:59 < bob> late
--- Day changed Fri Jul 16 2021
00:00 < bob> next
--- Log closed Fri Jul 16 00:10:00 2021
"""


def read(text, name="x.txt"):
    return read_chat(text.encode(), file_name=name, row={})


def shown(chat):
    return [(m.kind, m.offset_s, m.author_name, m.text) for m in chat.messages]


def test_a_log_of_chatterino_with_subscriptions_gifts_deletions_and_midnight():
    chat = read(CHATTERINO, "ann-2021-07-15.log")
    assert shown(chat) == [
        ("text_message", 0.0, "bob", "hi there"),
        ("text_message", 1.0, "あん", "こんにちは"),
        ("resubscription", 4.0, "Cid", None),
        ("text_message", 4.0, "cid", "hello again"),
        ("subscription_gift", 7.0, "Dan", None),
        ("anonymous_subscription_gift", 8.0, None, None),
        ("ban_user", 15.0, "bob", None),
        ("deleted_message", 16.0, None, None),
        ("raid", 17.0, "Zoe", None),
        ("text_message", 14394.0, "bob", "Cheer100 late"),
        ("text_message", 14397.0, "bob", "Bob subscribed at Tier 1."),  # typed, not Twitch's sentence
    ]
    assert chat.messages[7].target_id == chat.messages[1].message_id
    assert chat.messages[9].bits == 100
    assert chat.stream[:6] == ("twitch", "ann-2021-07-15", None, None, None, "ann")
    assert chat.stream.started_at == "2021-07-15T18:00:05+00:00"
    assert chat.skipped == {"line is no message": 1}


def test_a_log_of_chatty():
    chat = read(CHATTY, "#ann.log")
    assert shown(chat) == [
        ("text_message", 0.0, "Bob", "hi"),
        ("text_message", 1.0, "あん", "yo"),
        ("text_message", 2.0, "Cid", "waves"),
        ("resubscription", 4.0, "Cid", "hello again"),
        ("subscription_gift", 4.0, "Dan", None),
        ("ban_user", 6.0, "eve", None),
        ("ban_user", 6.0, "mal", None),
        ("deleted_message", 7.0, None, None),
        ("deleted_message", 7.0, None, None),
    ]
    assert chat.messages[0].bits == 100
    assert [m.target_id for m in chat.messages[-2:]] == [m.message_id for m in chat.messages[:2]]
    assert chat.messages[0].timestamp_us == 1_626_372_005_000_000  # the heading names the zone
    assert chat.skipped == {"line is no message": 1}


def test_a_log_of_irssi_goes_on_over_midnight():
    chat = read(IRSSI)
    assert shown(chat) == [
        ("text_message", 0.0, "bob", "hi"),
        ("text_message", 60.0, "ann", "yo: ok"),
        ("text_message", 120.0, "bob", "waves"),
        ("subscription", 180.0, "cid", None),
        ("text_message", 14280.0, "bob", "late"),
        ("text_message", 14340.0, "bob", "next"),
    ]


def test_a_log_that_irssi_1_4_wrote_of_a_server_that_a_script_played():
    chat = read_chat((CHATS / "irssi.log").read_bytes(), file_name="#ann.log", row={})
    assert [(m.kind, m.author_name, m.text) for m in chat.messages] == [
        ("text_message", "bob", "hi: all"),
        ("text_message", "ann", "こんにちは 😀"),
        ("text_message", "bob", "waves"),
        ("subscription", "cid", None),
        ("text_message", "bob", "as mod <x> =1"),
        ("text_message", "ann", "bye"),
    ]
    assert chat.skipped == {"line is no message": 6}  # who joined and left, modes, a notice


def test_six_hours_of_silence_end_a_stream():
    later = CHATTY.replace("2021-07-15", "2021-07-16").partition("\n")[2]
    chats = read_chats((CHATTY + later).encode(), file_name="#ann.log", row={})
    assert [chat.stream.video_id for chat in chats] == ["#ann 2021-07-15 18.00", "#ann 2021-07-16 18.00"]
    assert [len(chat.messages) for chat in chats] == [9, 9]


def test_times_of_day_without_a_day_count_from_the_first_message():
    chat = read("23:59 <ann> a\n00:01 <bob> b\n[00:00:01] *** Joins: cid (c@d)\n00:00 <ann> c\n")  # ZNC's
    assert [(m.offset_s, m.timestamp_us) for m in chat.messages] == [(0.0, None), (120.0, None), (60.0, None)]
    assert chat.stream.view == "live"


@pytest.mark.parametrize("form", ["{} | Ann: hi\n", "{} Ann: hi\n", "[{}] Ann: hi\n"])
def test_noon_and_midnight_by_the_twelve_hour_clock(form):
    times = ("11:59 AM", "12:01 PM", "11:59 PM", "12:01 AM")
    chat = read("".join(map(form.format, times)))
    assert [(m.offset_s, m.author_name) for m in chat.messages] == [
        (0.0, "Ann"), (120.0, "Ann"), (43200.0, "Ann"), (43320.0, "Ann"),
    ]  # fmt: skip


def test_a_clock_that_runs_backwards_and_an_unknown_zone_are_counted():
    chat = read("--- Log opened Thu Jul 15 20:00:00 2021\n20:05 <ann> a\n20:01 <bob> b\n20:02 <cid> c\n")
    assert [m.offset_s for m in chat.messages] == [240.0, 0.0, 60.0]
    assert chat.skipped == {"clock runs backwards": 1}
    odd = read("# Start logging at 2021-07-15 20:00:01 Nowhere Time\n[20:00:05]  bob: hi\n")
    assert odd.skipped == {"a zone that is not known is read as UTC": 1}


def test_badges_and_amounts_stand_in_the_line():
    lines = [
        "[-0:05] (Member (1 year), Moderator) Ann: early",
        "[0:06] *¥2,000* (a) たう: ",
        "[0:07] (New member) Bob",
        "[0:08] Welcome to live chat!",
        "[1:02:03] x (y) *z*: late: so",
    ]
    chat = read("\n".join(lines))
    assert [(m.kind, m.offset_s, m.author_name, m.text, m.badges, m.amount) for m in chat.messages] == [
        ("text_message", -5.0, "Ann", "early", '["Member (1 year)", "Moderator"]', None),
        ("paid_message", 6.0, "(a) たう", None, None, "2000"),
        ("membership_item", 7.0, "Bob", None, '["New member"]', None),
        ("viewer_engagement_message", 8.0, None, None, None, None),
        ("text_message", 3723.0, "x (y) *z*", "late: so", None, None),
    ]
    assert chat.messages[3].notice == "Welcome to live chat!"


def test_twitch_downloader_s_text_has_subscriptions_and_bits():
    chat = read("[0:00:12] Ann: Cheer100 hi\n[1:00:13] Cid: Cid subscribed at Tier 1. hello\n")
    assert (chat.format, chat.stream.platform) == ("twitch-downloader-text", "twitch")
    assert shown(chat) == [
        ("text_message", 12.0, "Ann", "Cheer100 hi"),
        ("subscription", 3613.0, "Cid", "hello"),
    ]
    assert chat.messages[0].bits == 100


def test_where_a_list_knows_the_start_offsets_count_from_it():
    row = {"started_at": "2021-07-15T17:59:05Z"}
    chat = read_chat(CHATTERINO.encode(), file_name="ann-2021-07-15.log", row=row)
    assert [m.offset_s for m in chat.messages[:2]] == [60.0, 61.0]


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("Shift-JIS", "cp932"),
        ("Windows-1252", "cp1252"),
    ],
)  # fmt: skip
def test_text_in_another_encoding(name, encoding):
    words = "café über ñandú" if encoding == "cp1252" else "こんにちは、配信ありがとう"
    text = "".join(f"[0:{i:02}] Ann: {words} {i}\n" for i in range(10, 40))
    rows = [{"message": f"{words} {i}", "time_in_seconds": i, "author": "Ann"} for i in range(10, 40)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    for written in (text, "\n".join(lines), f"[{','.join(lines)}]"):
        chat = read_chat(written.encode(encoding), file_name="x.txt", row={})
        assert chat.messages[0].text == f"{words} 10"
        told = [f"text is in {name}, not UTF-8"]
        assert list(chat.skipped) == ([] if encoding.startswith("utf") else told)


def test_what_is_no_chat_is_not_called_json():
    for text in (
        "dear diary\n",
        "[Verse 1]\nla la\n",
        "[7/15/21 8:00] x\n",
        "{\\rtf1 x}",
        "# Notes\n\nhello: you\n",
    ):
        with pytest.raises(
            UnknownFormat, match="this is text, of none of them: chat-downloader, youtube-chat"
        ):
            read(text)
    with pytest.raises(UnknownFormat, match="no text"):
        read_chat(b"\x89PNG\r\n\x1a\n" + bytes(range(64)), file_name="x.png", row={})
    with pytest.raises(UnknownFormat, match="another archive, or a workbook: unpack it"):
        read_chat(b"PK\x03\x04" + bytes(range(64)), file_name="x.zip", row={})


def test_in_a_folder_only_what_begins_as_a_chat_is_read():
    for text in (CHATTERINO, CHATTY, IRSSI, "0:12 | Ann: hi\n", "(0:01:02) Ann : hi\n"):
        assert looks_like_chat(text.encode())
    for text in (
        "# Notes\n",
        "2021-07-15 20:00:05 INFO: started\n",
        "video_id,title\na,b\n",
        "a,message\nx,y\n",
    ):
        assert not looks_like_chat(text.encode())
