"""A replay through chat-downloader, yt-dlp and from a file: the same messages, whatever odd items it has."""

import json
from collections import Counter

import pytest

from chatlib.collect.files.formats import read_chat
from chatlib.records import Message
from tests.collect.youtube.helpers import SOURCES, fetch, respond, show
from tests.collect.youtube.site.videos import text_action
from tests.collect.youtube.site.watch import answer_chat_page
from tests.collect.youtube.site.wire import JSON, Reply

BATCHES = ("chat-xhr.json", "chat-xhr2.json", "chatreplay.json")
WHEN = 1_772_388_000_000_000
ADDRESS = "https://example.org/a/very/long"


def load_response(folder, name):
    """Return a file of real actions of a replay."""
    return json.loads((folder / "youtube" / "innertube" / name).read_bytes())


def read_all(youtube, folder, *responses):
    """Return what a file of these responses gives, and both clients: messages and what was skipped."""
    data = b"\n".join(json.dumps(item).encode() for response in responses for item in items_of(response))
    own = read_chat(data, file_name="realreplay0.live_chat.json", row={})
    messages = own.messages
    offsets = [m.offset_s for m in messages if m.offset_s is not None]
    show(youtube, *responses, duration_s=int(max(offsets)))
    given = {"file": (messages, dict(own.skipped))}
    for source in SOURCES:
        replay = fetch("realreplay0", source, folder / source)
        assert replay.stream.state == "complete"
        given[source] = (replay.messages, dict(replay.skipped))
    return given


def items_of(response):
    return response["continuationContents"]["liveChatContinuation"]["actions"]


def test_real_batches_one_after_the_other_come_out_the_same(youtube, shared, tmp_path):
    given = read_all(youtube, tmp_path, *(load_response(shared, name) for name in BATCHES))
    assert given == dict.fromkeys(given, given["file"])
    assert len(given["file"][0]) == 251


def test_amounts_of_real_super_chats_are_right(youtube, shared, tmp_path):
    show(youtube, load_response(shared, "chat-xhr.json"), duration_s=5376)
    messages = fetch("realreplay0", "chat-downloader", tmp_path).messages
    paid = [m for m in messages if m.kind == "paid_message"]
    assert [(m.amount_text, m.amount, m.currency) for m in paid] == [("US$9.99", "9.99", "USD")]


# ------------------------------------------------------- the same by hand, without the real data


def ann(letter):
    return "UC" + letter * 22


BY_HAND = [
    Message("early", "text_message", -12.0, ann("a"), "Ann", "first :wave:", badges='["Member (2 months)"]',
            timestamp_us=WHEN, emotes='[":wave:"]'),
    Message("paid", "paid_message", 1.5, ann("b"), "Bob", f"see {ADDRESS} and #harbor :wave:",
            amount_text="10,00 €", amount="10.00", currency="EUR", timestamp_us=WHEN + 13_500_000,
            emotes='[":wave:"]'),
    Message("paid", "ticker_paid_message_item", 1.5, ann("b"), amount_text="10,00 €", amount="10.00",
            currency="EUR"),
    Message("sticker", "paid_sticker", 2.0, ann("c"), "Cid", amount_text="￥200", amount="200",
            currency="JPY", timestamp_us=WHEN + 14_000_000),
    Message("mode", "mode_change_message", 3.0, notice="Slow mode is on · Once every 60 seconds",
            timestamp_us=WHEN + 15_000_000),
    Message("pinned", "banner", 4.0, ann("h"), "Harbor", "be kind", "Pinned by Harbor",
            timestamp_us=WHEN + 16_000_000),
    Message("held", "text_message", 5.0, ann("d"), "Dee", "let through", timestamp_us=WHEN + 17_000_000,
            target_id="held"),
    Message("", "deleted_message", 6.0, target_id="early"),
    Message("", "ban_user", 6.0, ann("b")),
    Message("gift", "sponsorships_gift_purchase_announcement", 7.0, ann("e"), "Eve",
            notice="Gifted 5 memberships", timestamp_us=WHEN + 19_000_000),
    Message("gift", "ticker_sponsor_item", 7.5, ann("e"), notice="5"),
    Message("member", "membership_item", 8.0, ann("f"), "Fay", "still here", "Member for 3 months · Crew",
            timestamp_us=WHEN + 20_000_000),
]  # fmt: skip


def test_a_replay_by_hand_comes_out_the_same_and_as_it_says(youtube, chats, tmp_path):
    given = read_all(youtube, tmp_path, respond(*chats["replay"]))
    messages, skipped = given["file"]
    assert given == dict.fromkeys(given, (messages, skipped))
    assert [m._replace(message_id="") if m.message_id.startswith("made:") else m for m in messages] == BY_HAND
    assert skipped == {
        "unknown renderer: liveChatHologramRenderer": 1,
        "no message: startLiveChatParadeAction": 1,
    }


@pytest.fixture(params=SOURCES)
def source(request):
    return request.param


def say(number, offset_ms=None):
    return text_action(number, f"hello {number}", offset_ms=1000 * number if offset_ms is None else offset_ms)


def added(name, body, offset_ms="1500", action="addChatItemAction"):
    return {
        "replayChatItemAction": {
            "actions": [{action: {"item": {name: body}}}],
            "videoOffsetTimeMsec": offset_ms,
        }
    }


def text_of(body, offset_ms="1500"):
    return added("liveChatTextMessageRenderer", body, offset_ms)


def read(youtube, folder, source, *responses):
    """Return texts in their order, what was counted, and the state."""
    show(youtube, *responses, duration_s=9)
    replay = fetch("realreplay0", source, folder)
    return [m.text for m in replay.messages], dict(replay.skipped), replay.stream.state


def replayed(actions):
    return {"replayChatItemAction": {"actions": actions, "videoOffsetTimeMsec": "1500"}}


TEXT = "liveChatTextMessageRenderer"
COUNTED = {
    "an unknown renderer": (
        added("liveChatHologramRenderer", {"id": "h"}),
        "unknown renderer: liveChatHologramRenderer",
    ),
    "a renderer that is a text": (added(TEXT, "hello"), f"unknown renderer: {TEXT}"),
    "a renderer that is a list": (added(TEXT, [1]), f"unknown renderer: {TEXT}"),
    "an unknown action": (
        replayed([{"startLiveChatParadeAction": {"id": "x"}}]),
        "no message: startLiveChatParadeAction",
    ),
    "an action that is a text": (replayed(["addChatItemAction"]), "row is no object"),
    "an action without content": (replayed([{"addChatItemAction": None}]), "row is no chat action"),
    "an item without content": (replayed([{"addChatItemAction": {}}]), "row is no chat action"),
    "a banner without content": (replayed([{"addBannerToLiveChatCommand": {}}]), "row is no chat action"),
    "actions that are a text": (replayed("addChatItemAction"), "row is no object"),
    "a replay item that is a text": ({"replayChatItemAction": "x"}, "row is no chat action"),
    "an item that is a number": (5, "row is no object"),
    "an item that is nothing": (None, "row is no object"),
}


def test_what_is_no_message_is_counted_and_the_rest_goes_on(youtube, tmp_path, source):
    """Each beside messages, and in a batch of its own, which either source would take for the end."""
    batches = []
    for number, (item, _) in enumerate(COUNTED.values()):
        batches += [respond(say(2 * number), item, say(2 * number + 1)), respond(item)]
    texts, counted, state = read(youtube, tmp_path, source, *batches, respond(say(99)))
    assert texts == [f"hello {number}" for number in [*range(2 * len(COUNTED)), 99]]
    assert counted == {name: 2 * n for name, n in Counter(name for _, name in COUNTED.values()).items()}
    assert state == "complete"


def test_what_nobody_can_store_is_made_storable(youtube, tmp_path, source):
    body = {"id": "x\ud800", "message": {"runs": [{"text": "a\ud83d\x00b"}]}, "timestampUsec": 2**70}
    body |= {"authorName": {"simpleText": "\udc00"}, "authorExternalChannelId": "UC\x00x"}
    content = respond(say(1), text_of(body), say(2))
    content["continuationContents"]["liveChatContinuation"]["continuations"] = []
    reply = Reply(json.dumps(content).encode(), content_type=JSON)  # with all that is odd escaped
    show(youtube, respond(), respond(say(1)), duration_s=2)
    youtube.add_route("/youtubei/v1/live_chat/get_live_chat_replay", lambda request: reply)
    first, odd, last = fetch("realreplay0", source, tmp_path).messages
    assert (odd.message_id, odd.text, odd.author_id, odd.author_name) == ("x�", "a�b", "UCx", "�")
    assert (first.text, last.text, odd.timestamp_us) == ("hello 1", "hello 2", None)


def test_a_replay_without_a_message_is_an_empty_complete_chat(youtube, tmp_path, source):
    show(youtube, respond(), duration_s=60)
    replay = fetch("realreplay0", source, tmp_path)
    assert (replay.messages, dict(replay.skipped)) == ([], {})
    assert (replay.stream.state, replay.stream.reason) == ("complete", None)


@pytest.mark.parametrize("n", [5, 25])
def test_a_page_without_a_choice_of_views_gives_its_own(youtube, tmp_path, source, n):
    items = [say(number) for number in range(n)]
    batches = [items[i : i + 10] for i in range(0, n, 10)]
    video = show(youtube, *(respond(*batch) for batch in batches), duration_s=n)
    video.chat.views["top"] = batches

    def without_choice(request):
        reply = answer_chat_page(youtube.videos, request)
        return reply._replace(body=reply.body.replace(b"subMenuItems", b"menuItems"))

    youtube.add_route("/live_chat_replay", without_choice)
    replay = fetch("realreplay0", source, tmp_path)
    assert [m.text for m in replay.messages] == [f"hello {number}" for number in range(n)]
    stream = replay.stream
    assert (stream.state, stream.view, stream.reason) == ("complete", "top", None)


def test_a_page_without_a_chat_is_no_empty_chat(youtube, tmp_path, source):
    show(youtube, respond(say(1)))
    youtube.add_page("/live_chat_replay", "<html><body>Something went wrong</body></html>")
    replay = fetch("realreplay0", source, tmp_path)
    assert replay.stream.state in ("failed", "partial") and replay.messages == []
    assert replay.stream.reason


@pytest.mark.parametrize(("status", "words"), [(403, "(HTTP 403). Wait"), (404, "the site gave no reason")])
def test_a_watch_page_that_is_refused_is_said_in_words(youtube, tmp_path, source, status, words):
    youtube.add_page("/watch", "<html>No.</html>", status=status)
    reason = fetch("aaaaaaaaaaa", source, tmp_path).stream.reason
    assert words in reason or (source, status) == ("yt-dlp", 404)
