"""Twitch comments of the v5 API and of TwitchDownloader, and pages of GraphQL, saved to a file."""

import json

import pytest

from chatlib.collect.files.formats import read_chat
from chatlib.collect.files.parsing import Notes
from chatlib.collect.files.twitch import find_chat, format_badge
from chatlib.errors import SourceError, UnknownFormat
from chatlib.records import Message, Stream, is_member


def read(comments):
    chat = find_chat({"video": {}, "comments": comments}, Notes())
    return chat.messages, dict(chat.skipped)


def test_comments(chats):
    messages, notes = read(chats["comments"])
    assert messages == [
        Message("c1", "text_message", 0.5, "75", "Ann", "hi Kappa", badges='["subscriber"]',
                timestamp_us=1626314508745062, emotes='["Kappa"]'),
        Message("c2", "resubscription", 60.0, "76", "Bob", "my own words",
                "Bob subscribed at Tier 1. They've subscribed for 8 months!", timestamp_us=1626314568000000),
        Message("c3", "text_message", 61.0, None, None, "from parts", bits=100,
                timestamp_us=1626314569000000),
        Message("c4", "subscription_gift", 62.0, "78", "Dan", None,
                "Dan gifted a Tier 1 sub to Eve! They have given 3 Gift Subs in the channel!"),
    ]  # fmt: skip
    assert not notes


@pytest.mark.parametrize(
    ("said", "kind", "own"),
    [
        ("subscribed with Prime. ", "subscription", None),
        ("subscribed with Prime. They've subscribed for 43 months, currently on a 12 month streak! hey",
         "resubscription", "hey"),
        ("is gifting 5 Tier 1 Subs to Ann's community! They've gifted a total of 9!",
         "mystery_subscription_gift", None),
        ("converted from a Prime sub to a Tier 1 sub! ", "prime_paid_upgrade", None),
        ("is continuing the Gift Sub they got from Ann! ", "gift_paid_upgrade", None),
        ("is paying forward the Gift they got from Ann to the community! ", "community_pay_forward", None),
        ("is paying forward the Gift they got from Ann to Cid! ", "standard_pay_forward", None),
        ("subscribed with joy", "text_message", "Bob subscribed with joy"),
    ],
)  # fmt: skip
def test_twitchs_sentence_tells_the_kind_where_nothing_else_does(said, kind, own):
    for name, found in (("Bob", (kind, own)), ("Ann", ("text_message", f"Bob {said}"))):  # who quotes it
        (message,), _ = read([{"commenter": {"display_name": name}, "message": {"body": f"Bob {said}"}}])
        assert (message.kind, message.text) == found


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"msg-id": "submysterygift"}, "mystery_subscription_gift"),
        ({"msg_id": "highlighted-message"}, "highlighted_message"),
        ({"msg-id": "sub"}, "subscription"),
        ({"msg-id": "new-thing"}, "new_thing"),
        ({"msg-id": None}, "text_message"),
        (None, "text_message"),
        ([1], "text_message"),
    ],
)
def test_the_kind_is_the_notices_id(params, kind):
    (message,), _ = read([{"commenter": {}, "message": {"body": "hi", "user_notice_params": params}}])
    assert message.kind == kind


def test_v5_says_everything_of_its_stream():
    video = {"id": "108", "title": "Fall", "duration": "1h48m58s", "created_at": "2021-07-15T01:59:24Z",
             "user_id": "14", "user_name": "Ann"}  # fmt: skip
    assert find_chat({"video": video, "comments": []}, Notes()).stream == Stream(
        "twitch", "108", title="Fall", channel_id="14", channel_name="Ann",
        started_at="2021-07-15T01:59:24+00:00", duration_s=6538.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        ("48m58s", 2938.0),
        ("58s", 58.0),
        (3600.5, 3600.5),
        ("01:00:00", 3600.0),
        (-1, None),
        ("", None),
        ("soon", None),
    ],
)
def test_lengths_as_they_are_written(length, seconds):
    chat = find_chat({"video": {"id": 1, "length": length}, "comments": []}, Notes())
    assert (chat.stream.duration_s, chat.messages) == (seconds, [])


def test_comments_come_in_an_object_in_a_list_or_in_pages(chats):
    comments = chats["comments"]
    for content in (
        comments,
        {"comments": comments},
        [{"comments": comments[:2]}, {"comments": comments[2:]}],
    ):
        chat = find_chat(content, Notes())
        assert (chat.messages, chat.stream.platform) == (read(comments)[0], "twitch")
    assert find_chat(comments, Notes()).stream == Stream("twitch", "1087079172")
    with pytest.raises(SourceError, match="of one stream, and this one is of 2: 1, 1087079172"):
        find_chat([*comments, comments[0] | {"content_id": "1"}], Notes())
    for other in (None, {}, [], [1], {"comments": 5}, {"comments": []}, {"comments": [{"text": "hi"}]}):
        assert find_chat(other, Notes()) is None, other


def test_bad_comments_are_counted_and_the_next_one_read(chats):
    bad = [None, {}, {"message": "hi"}, {"message": {}, "content_offset_seconds": 5}]
    messages, notes = read([*bad, chats["comments"][0]])
    assert [m.message_id for m in messages] == ["c1"]
    assert notes == {"row is no object": 1, "comment without a message": 2, "row is empty": 1}


# ------------------------------------------------------------------ pages of GraphQL


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


def read_file(content):
    return read_chat(json.dumps(content).encode(), file_name="chat.json", row={})


def test_a_page_gives_rows_with_badges_emotes_bits_and_notices():
    chat = read_file(make_answer(FIRST, CHEER, NOTICE, GONE))
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
    assert [row.message_id for row in read_file(wrap(pages)).messages] == ["c1", "c2", "c3", "c4"]
    lines = b"".join(json.dumps(page).encode() + b"\n" for page in pages)
    messages = read_chat(lines, file_name="chat.jsonl", row={}).messages
    assert [row.message_id for row in messages] == ["c1", "c2", "c3", "c4"]


def test_what_is_no_comment_is_counted():
    answer = make_answer(FIRST)
    bad = [{"id": "c9"}, {"id": ["x"], "message": {"fragments": 3}}]
    edges = answer[0]["data"]["video"]["comments"]["edges"]
    edges += [None, {"node": None}, *({"node": node} for node in bad)]
    notes = Notes()
    assert [row.message_id for row in find_chat(answer, notes).messages] == ["c1"]
    assert notes == {"row is no object": 1, "comment without a message": 2, "row is empty": 1}


def test_an_answer_about_something_else_is_no_chat():
    with pytest.raises(UnknownFormat, match="JSON, of none"):
        read_file([{"data": {"user": {"id": "1"}}}])
    assert read_file([{"data": {"video": {"id": "2001", "comments": None}}}]).messages == []


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
