"""The same replay through chat-downloader, through yt-dlp, and from a file: the same messages."""

import json

from chatlib.collect.files.formats import read_chat
from chatlib.records import Message
from tests.collect.youtube.helpers import SOURCES, fetch, respond, show

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
