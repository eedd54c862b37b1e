"""YouTube's own chat data, in each layout that it comes in."""

import base64

import pytest

from chatlib.collect.files.innertube import find_actions, find_stream_ids, read_actions, read_link
from chatlib.collect.files.parsing import Notes
from chatlib.records import Message

WHEN = 1626220299000000
ANN, BOB = "UC" + "a" * 22, "UC" + "b" * 22


def read(content):
    notes = Notes()
    return read_actions(find_actions(content), notes), dict(notes)


def test_every_renderer_becomes_the_kind_that_chat_downloader_calls_it(chats):
    messages, notes = read(chats["actions"])
    assert messages[:6] == [
        Message("t1", "text_message", None, ANN, "Ann", "hi :grinning:", badges='["Moderator"]',
                timestamp_us=WHEN, emotes='[":grinning:"]'),
        Message("p1", "paid_message", None, BOB, "Bob", "take this", amount_text="CA$5.00", amount="5.00",
                currency="CAD", timestamp_us=WHEN),
        Message("p1", "ticker_paid_message_item", None, BOB, "Bob", "take this", amount_text="CA$5.00",
                amount="5.00", currency="CAD", timestamp_us=WHEN),
        Message("s1", "paid_sticker", None, "UC" + "c" * 22, "Cid", amount_text="￥200", amount="200",
                currency="JPY", timestamp_us=WHEN),
        Message("g1", "sponsorships_gift_purchase_announcement", None, "UC" + "d" * 22, "Dan",
                notice="Gifted 5 memberships", timestamp_us=WHEN),
        Message("e1", "membership_item", None, "UC" + "e" * 22, "Eve", "still here",
                "Member for 2 months · Crew", timestamp_us=WHEN),
    ]  # fmt: skip
    assert [(m.kind, m.target_id, m.author_id, m.notice) for m in messages[6:]] == [
        ("deleted_message", "t1", None, "[deleted]"),
        ("ban_user", None, BOB, None),
    ]
    assert notes == {
        "unknown renderer: liveChatHologramRenderer": 1,
        "no message: closeLiveChatActionPanelAction": 1,
    }


def test_offsets_of_replays_and_of_live_captures_lie_on_different_levels(chats):
    action = chats["actions"][0]
    replay = [{"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": "1500"}}]
    live = [{"replayChatItemAction": {"actions": [action]}, "videoOffsetTimeMsec": "1500", "isLive": True}]
    assert read(replay) == read(live)
    assert read(live)[0][0].offset_s == 1.5


def test_before_the_start_the_clock_tells_and_live_it_is_the_time_of_day():
    body = {"id": "x", "message": {"simpleText": "early"}, "timestampText": {"simpleText": "-1:05"}}
    item = {"addChatItemAction": {"item": {"liveChatTextMessageRenderer": body}}}
    replay = {"replayChatItemAction": {"actions": [item], "videoOffsetTimeMsec": "0"}}
    assert read(replay)[0][0].offset_s == -65.0
    body["timestampText"] = {"simpleText": "13:29"}
    assert read(item)[0][0].offset_s is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda actions: actions,
        lambda actions: {"actions": actions},
        lambda actions: {"continuationContents": {"liveChatContinuation": {"actions": actions}}},
        lambda actions: {"contents": {"liveChatRenderer": {"actions": actions, "continuations": []}}},
        lambda actions: {"parsedInitialData": {"contents": {"liveChatRenderer": {"actions": actions}}}},
        lambda actions: [{"actions": actions[:4]}, {"actions": actions[4:]}],
        lambda actions: [{"replayChatItemAction": {"actions": actions}}],
    ],
)
def test_the_same_actions_in_every_wrapping(wrap, chats):
    assert read(wrap(chats["actions"])) == read(chats["actions"])


@pytest.mark.parametrize(
    "content", [None, 5, [], {}, [1], {"actions": [{"type": "click"}]}, {"contents": {}}]
)
def test_what_is_no_chat_of_youtube_is_none(content):
    assert find_actions(content) is None


def test_a_replay_batch_without_an_action_is_an_empty_chat():
    assert read({"continuationContents": {"liveChatContinuation": {"continuations": [{}]}}}) == ([], {})


def test_pinned_messages_and_replacements():
    text = {"liveChatTextMessageRenderer": {"id": "b", "message": {"runs": [{"text": "rules"}]}}}
    banner = {
        "header": {"liveChatBannerHeaderRenderer": {"text": {"simpleText": "Pinned"}}},
        "contents": text,
    }
    placeholder = {"liveChatPlaceholderItemRenderer": {"id": "t9", "timestampUsec": str(WHEN)}}
    messages, notes = read(
        [
            {"addBannerToLiveChatCommand": {"bannerRenderer": {"liveChatBannerRenderer": banner}}},
            {"removeBannerForLiveChatCommand": {"targetActionId": "b"}},
            {"replaceChatItemAction": {"targetItemId": "t9", "replacementItem": placeholder}},
        ]
    )
    assert messages[0] == Message("b", "banner", text="rules", notice="Pinned")
    assert (messages[1].kind, messages[1].target_id) == ("remove_banner", "b")
    assert messages[2] == Message("t9", "placeholder_item", timestamp_us=WHEN, target_id="t9")
    assert not notes


def test_a_messages_menu_tells_the_video():
    inner = b"\x0a\x29\x0a\x18" + b"UC" + b"c" * 22 + b"\x12\x0babcdefghijk\x20\x01"
    params = base64.urlsafe_b64encode(base64.urlsafe_b64encode(inner)).decode().replace("=", "%3D")
    body = {"id": "t", "contextMenuEndpoint": {"liveChatItemContextMenuEndpoint": {"params": params}}}
    actions = find_actions([{"addChatItemAction": {"item": {"liveChatTextMessageRenderer": body}}}])
    assert find_stream_ids(actions) == ("UC" + "c" * 22, "abcdefghijk")
    body["contextMenuEndpoint"]["liveChatItemContextMenuEndpoint"]["params"] = "no base64 é"
    assert find_stream_ids(actions) == (None, None)


def test_bad_actions_are_counted_and_the_next_ones_read(chats):
    bad = [None, 7, {}, {"addChatItemAction": 5}, {"addChatItemAction": {"item": None}}]
    messages, notes = read([*bad, chats["actions"][0]])
    assert [m.text for m in messages] == ["hi :grinning:"]
    assert notes == {"row is no object": 2, "row is no chat action": 3}


SAYS = {"id": "x", "message": {"runs": [{"text": "odd"}]}}
ODD_BODIES = (
    SAYS | {"timestampUsec": str(WHEN)},
    {"id": "x"},
    SAYS | {"authorName": 7},
    SAYS | {"authorBadges": "Member"},
    SAYS | {"authorBadges": [None]},
    {"id": "x", "authorPhoto": {"thumbnails": [None]}, "message": {"simpleText": "odd"}},
    {"id": "x", "message": {"runs": [None, 5, {"text": "odd"}, {"emoji": 3}, {}]}},
    {"id": "x", "message": {"runs": [{"emoji": {}}, {"text": "odd"}]}},
    SAYS | {"timestampUsec": "soon"},
    {"id": "x", "message": {"runs": [{"text": "odd", "navigationEndpoint": None}]}},
)


def replay_of(body, offset_ms="1500", name="liveChatTextMessageRenderer"):
    actions = [{"addChatItemAction": {"item": {name: body}}}]
    return {"replayChatItemAction": {"actions": actions, "videoOffsetTimeMsec": offset_ms}}


def test_an_odd_message_is_kept_as_far_as_it_goes():
    messages, notes = read([replay_of(body) for body in ODD_BODIES])
    assert [m.text for m in messages] == ["odd" if "message" in body else None for body in ODD_BODIES]
    assert {m[1:5] for m in messages} == {("text_message", 1.5, None, None)}
    assert notes == {"kept without timestamp": 1}
    offsets = ["missing", None, "soon", "", "9" * 30, [], True]
    messages, notes = read([replay_of(SAYS, offset_ms) for offset_ms in offsets])
    assert [m.offset_s for m in messages] == [None] * 7 and notes == {"kept without offset": 6}


def test_an_odd_amount_stays_as_it_is_written():
    amounts = ["a lot", "", "€", "10,00 €", None, 7]
    paid = [{"id": str(i), "purchaseAmountText": {"simpleText": a}} for i, a in enumerate(amounts)]
    messages, _ = read([replay_of(body, name="liveChatPaidMessageRenderer") for body in paid])
    assert [m[8:11] for m in messages] == [
        ("a lot", None, None), (None,) * 3, ("€", None, None), ("10,00 €", "10.00", "EUR"), (None,) * 3,
        (None,) * 3,
    ]  # fmt: skip


def test_names_in_the_report_come_from_the_file_and_are_held_short():
    names = [f"liveChatThing{'x' * i}Renderer" for i in range(100)] + ["a" * 500, "<script>"]
    _, notes = read([{"addChatItemAction": {"item": {name: {}}}} for name in names])
    assert sum(notes.values()) == 102
    assert len(notes) <= 41
    assert max(map(len, notes)) < 100


@pytest.mark.parametrize(
    ("shown", "url", "read"),
    [
        ("https://youtu.be/ab...", "/watch?v=abcdefghijk", "https://www.youtube.com/watch?v=abcdefghijk"),
        ("https://example.org", "https://www.youtube.com/redirect?q=https%3A%2F%2Fexample.org%2Fx",
         "https://example.org/x"),
        ("www.example.org", "//www.example.org/x", "https://www.example.org/x"),
        ("http://example.org", "http://example.org/x", "http://example.org/x"),
        ("https://example.org", "/redirect?event=live_chat", "https://example.org"),
        ("https://example.org", 5, "https://example.org"),
        ("#harbor", "/hashtag/harbor", "#harbor"),
        ("@ann", "/@ann", "@ann"),
        ("1:23", "/watch?v=abcdefghijk&t=83s", "1:23"),
        (None, "/watch?v=abcdefghijk", None),
    ],
)  # fmt: skip
def test_an_address_is_read_whole_and_other_words_as_they_are(shown, url, read):
    link = {"commandMetadata": {"webCommandMetadata": {"url": url}}}
    assert read_link({"text": shown, "navigationEndpoint": link}) == read
    assert read_link({"text": shown}) == shown
