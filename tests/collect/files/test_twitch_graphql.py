"""Comment pages of Twitch's GraphQL, saved to a file."""

import json

import pytest

from chatlib.collect.files.formats import read_chat
from chatlib.collect.files.parsing import Notes
from chatlib.collect.files.twitch import find_chat, format_badge
from chatlib.errors import UnknownFormat
from chatlib.records import Message, is_member

ANN = {"id": "75", "login": "ann", "displayName": "Ann"}


def make_node(number, offset_s, *fragments, commenter=ANN, badges=()):
    return {
        "id": f"c{number}",
        "commenter": commenter,
        "contentOffsetSeconds": offset_s,
        "createdAt": f"2024-05-01T18:00:{offset_s:02d}.250Z",
        "message": {
            "fragments": [{"text": text, "emote": emote} for text, emote in fragments],
            "userBadges": [{"id": "x", "setID": name, "version": version} for name, version in badges],
            "userColor": "#FF0000",
        },
    }


def make_answer(*nodes, video_id="2001", has_next=True):
    edges = [{"cursor": f"cursor-{node['id']}", "node": node} for node in nodes]
    comments = {"edges": edges, "pageInfo": {"hasNextPage": has_next, "hasPreviousPage": False}}
    video = {"id": video_id, "creator": {"id": "9", "channel": {"id": "9"}}, "comments": comments}
    return [{"data": {"video": video}, "extensions": {"operationName": "VideoCommentsByOffsetOrCursor"}}]


FIRST = make_node(
    1, 3, ("hi ", None), ("Kappa", {"emoteID": "25"}), badges=[("subscriber", "12"), ("moderator", "1")]
)
CHEER = make_node(2, 4, ("Cheer100 great ", None), ("Kappa100", {"emoteID": "25"}), badges=[("bits", "1000")])
NOTICE = make_node(3, 5, ("Ann subscribed at Tier 1. They've subscribed for 12 months! love it", None))
GONE = make_node(4, 6, ("who was I", None), commenter=None)


def read(content, name="chat.json"):
    return read_chat(json.dumps(content).encode(), file_name=name, row={})


def test_a_page_gives_rows_with_badges_emotes_bits_and_notices():
    chat = read(make_answer(FIRST, CHEER, NOTICE, GONE))
    t = 1714586400250000
    assert chat.messages == [
        Message("c1", "text_message", 3.0, "75", "Ann", "hi Kappa", None,
                '["12-Month Subscriber", "moderator"]', timestamp_us=t + 3_000_000, emotes='["Kappa"]'),
        Message("c2", "text_message", 4.0, "75", "Ann", "Cheer100 great Kappa100", None, '["bits/1000"]',
                bits=100, timestamp_us=t + 4_000_000, emotes='["Kappa100"]'),
        Message("c3", "resubscription", 5.0, "75", "Ann", "love it",
                "Ann subscribed at Tier 1. They've subscribed for 12 months!", timestamp_us=t + 5_000_000),
        Message("c4", "text_message", 6.0, None, None, "who was I", timestamp_us=t + 6_000_000),
    ]  # fmt: skip
    assert (chat.format, chat.skipped) == ("twitch-graphql", {})
    stream = chat.stream
    assert (stream.platform, stream.video_id, stream.channel_id) == ("twitch", "2001", "9")
    assert stream.url == "https://www.twitch.tv/videos/2001"
    assert stream.started_at == "2024-05-01T18:00:00+00:00"


@pytest.mark.parametrize("wrap", [list, lambda pages: [page[0] for page in pages]])
def test_many_answers_in_one_file_give_each_comment_once(wrap):
    pages = [make_answer(FIRST, CHEER), make_answer(CHEER, NOTICE), make_answer(NOTICE, GONE, has_next=False)]
    assert [row.message_id for row in read(wrap(pages)).messages] == ["c1", "c2", "c3", "c4"]
    lines = b"".join(json.dumps(page).encode() + b"\n" for page in pages)
    messages = read_chat(lines, file_name="chat.jsonl", row={}).messages
    assert [row.message_id for row in messages] == ["c1", "c2", "c3", "c4"]


def test_what_is_no_comment_is_counted():
    answer = make_answer(FIRST)
    edges = answer[0]["data"]["video"]["comments"]["edges"]
    edges += [
        None,
        {"node": None},
        {"node": {"id": "c9"}},
        {"node": {"id": ["x"], "message": {"fragments": 3}}},
    ]
    notes = Notes()
    assert [row.message_id for row in find_chat(answer, notes).messages] == ["c1"]
    assert notes == {"row is no object": 1, "comment without a message": 2, "row is empty": 1}


def test_an_answer_about_something_else_is_no_chat():
    with pytest.raises(UnknownFormat, match="JSON, of none"):
        read([{"data": {"user": {"id": "1"}}}])
    assert read([{"data": {"video": {"id": "2001", "comments": None}}}]).messages == []


@pytest.mark.parametrize(
    ("name", "version", "title"),
    [
        ("subscriber", "0", "subscriber"),
        ("subscriber", "6", "6-Month Subscriber"),
        ("subscriber", "3012", "12-Month Subscriber (Tier 3)"),
        ("subscriber", "2000", "subscriber (Tier 2)"),
        ("founder", "0", "founder"),
        ("bits", "1000", "bits/1000"),
        ("broadcaster", "1", "broadcaster"),
        ("sub-gifter", None, "sub-gifter"),
        (None, "1", None),
    ],
)
def test_a_badge_keeps_its_version_where_it_says_something(name, version, title):
    assert format_badge(name, version) == title
    if title:
        assert is_member(json.dumps([title])) == (name in ("subscriber", "founder"))


def test_the_exact_months_count_more_than_the_badges_version():
    assert format_badge("subscriber", "12", months="14") == "14-Month Subscriber"
