"""Odd items in a replay, through both sources: kept as far as they go, or counted; never the end."""

import json
from collections import Counter

import pytest

from tests.collect.youtube.helpers import SOURCES, fetch, respond, show
from tests.collect.youtube.site.videos import text_action
from tests.collect.youtube.site.watch import answer_chat_page
from tests.collect.youtube.site.wire import JSON, Reply

pytestmark = pytest.mark.parametrize("source", SOURCES)


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
    video.chat._views["top"] = video.chat._respond("top", batches)

    def without_choice(request):
        reply = answer_chat_page(youtube.videos, request)
        return reply._replace(body=reply.plain.replace(b"subMenuItems", b"menuItems"), packed=b"")

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
