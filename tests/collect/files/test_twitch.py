"""Twitch comments of the v5 API and of TwitchDownloader."""

import pytest

from chatlib.collect.files.parsing import Notes
from chatlib.collect.files.twitch import find_chat
from chatlib.records import Message, Stream


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
    comment = {
        "_id": "x",
        "commenter": {"_id": "1", "display_name": "Bob"},
        "message": {"body": f"Bob {said}"},
    }
    (message,), _ = read([comment])
    assert (message.kind, message.text) == (kind, own)


def test_who_quotes_somebody_elses_sentence_has_not_paid():
    body = "Ann subscribed with Prime. "
    comment = {"_id": "x", "commenter": {"_id": "1", "display_name": "Bob"}, "message": {"body": body}}
    assert read([comment])[0][0].kind == "text_message"


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
    for other in (None, {}, [], [1], {"comments": 5}, {"comments": []}, {"comments": [{"text": "hi"}]}):
        assert find_chat(other, Notes()) is None, other


def test_bad_comments_are_counted_and_the_next_one_read(chats):
    bad = [None, {}, {"message": "hi"}, {"message": {}, "content_offset_seconds": 5}]
    messages, notes = read([*bad, chats["comments"][0]])
    assert [m.message_id for m in messages] == ["c1"]
    assert notes == {"row is no object": 1, "comment without a message": 2, "row is empty": 1}
