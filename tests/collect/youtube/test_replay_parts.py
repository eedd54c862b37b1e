"""What an interrupted download leaves on disk, and how the next one goes on."""

import errno
import resource
import signal
from collections import Counter

import orjson
import pytest

from chatlib.collect.youtube.replay_part import Part, Saved, tidy_rows
from chatlib.collect.youtube.replay_sources import read_by_chat_downloader
from chatlib.errors import SourceError, StoreFull
from tests.collect.youtube.replays import fetch, messages_of, quick, show
from tests.collect.youtube.site.faults import Faults
from tests.collect.youtube.site.videos import make_video, text_action

VIDEO = "aaaaaaaaaaa"


@pytest.fixture
def part(tmp_path):
    return Part(tmp_path / "parts" / "aaaaaaaaaaa.jsonl")


def test_a_part_gives_back_what_was_added(part):
    assert part.load() == Saved([], Counter(), None)
    part.add([{"a": 1}], {"x": 1}, "t1")
    part.add([], {"x": 1}, "t2")
    part.add([{"b": "é😀"}, {"c": None}], {"x": 3}, "t3")
    assert Part(part.path).load() == Saved([{"a": 1}, {"b": "é😀"}, {"c": None}], Counter(x=3), "t3")
    part.drop()
    part.drop()
    assert part.load() == Saved([], Counter(), None)


GARBAGE = {
    "a line cut short": b'{"rows": [{"c": 1}], "skipped": {}, "ne',
    "a whole line without its end": b'{"rows": [{"c": 1}], "skipped": {}, "next": "t9"}',
    "no JSON": b"\x00\xff garbage\n",
    "another shape": b'{"lines": []}\n',
    "a list": b"[]\n",
    "rows that are none": b'{"rows": null, "skipped": {}, "next": "t9"}\n',
    "rows without the next token": b'{"rows": [{"c": 1}], "skipped": {}}\n',
    "an empty line": b"\n",
}  # fmt: skip


@pytest.mark.parametrize("odd", GARBAGE)
def test_what_cannot_be_read_is_cut_off_and_fetched_again(part, odd):
    part.add([{"a": 1}], {"x": 1}, "t1")
    whole = part.path.read_bytes()
    with part.path.open("ab") as file:
        file.write(GARBAGE[odd])
    assert part.load() == Saved([{"a": 1}], Counter(x=1), "t1")
    assert part.path.read_bytes() == whole
    part.add([{"b": 2}], {"x": 1}, "t2")
    assert part.load() == Saved([{"a": 1}, {"b": 2}], Counter(x=1), "t2")


def test_every_prefix_of_a_part_is_a_part(part):
    for n in range(3):
        part.add([{"n": n}], {}, f"t{n}")
    whole = part.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for length in range(len(whole) + 1):
        part.path.write_bytes(whole[:length])
        n = sum(end <= length for end in ends)
        assert part.load() == Saved([{"n": i} for i in range(n)], Counter(), f"t{n - 1}" if n else None)


def test_a_full_disk_says_so_and_leaves_what_was_there(part, monkeypatch):
    part.add([{"a": 1}], {}, "t1")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (part.path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(StoreFull) as raised:
            part.add([{"b": "x" * 1000}], {}, "t2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert str(part.path) in str(raised.value)
    assert part.load() == Saved([{"a": 1}], Counter(), "t1")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EFBIG, StoreFull),
        (errno.EACCES, SourceError),
    ],
)
def test_errors_of_the_disk_are_told_apart(part, monkeypatch, code, error):
    def refuse(*_, **__):
        raise OSError(code, "refused")

    monkeypatch.setattr(type(part.path), "open", refuse)
    with pytest.raises(error, match=r"aaaaaaaaaaa\.jsonl"):
        part.add([], {}, "t1")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "parts").write_text("a file in the way")
    with pytest.raises(SourceError, match="kept in"):
        Part(tmp_path / "parts" / "a.jsonl").add([], {}, "t")


# ------------------------------------------------------------------------------ resume


def long_video(youtube):
    actions = [text_action(n, f"hello {n}", offset_ms=1000 * n) for n in range(50)]
    video = make_video(VIDEO, actions, batch_size=10, duration_s=50)
    youtube.add_videos(video)
    return video


def asked_for_batches(youtube):
    return sum(entry.path.endswith("get_live_chat_replay") for entry in youtube.requests)


def interrupt(youtube, folder):
    """Fetch until the third batch fails for good; return what is left of it."""
    part = Part(folder / "parts" / f"{VIDEO}.jsonl")
    n = [0]

    def third(request):
        n[0] += request.path.endswith("get_live_chat_replay")
        return n[0] > 2 and request.path.endswith("get_live_chat_replay")

    youtube.faults = Faults(rate=1.0, kinds=["500"], where=third)
    found = read_by_chat_downloader(VIDEO, quick(attempts=2), part=part)
    youtube.faults = Faults(rate=0.0)
    assert not found.ended and "HTTP 500" in found.chat.stream.reason
    assert [row[5] for row in found.chat.rows] == [f"hello {n}" for n in range(30)]
    return part


def test_a_resumed_download_asks_only_for_what_is_missing(youtube, tmp_path):
    long_video(youtube)
    part = interrupt(youtube, tmp_path)
    assert len(part.load().rows) in (20, 30)
    n = asked_for_batches(youtube)
    replay = fetch(VIDEO, "chat-downloader", tmp_path)
    assert [m.text for m in messages_of(replay)] == [f"hello {n}" for n in range(50)]
    assert replay.chat.stream.state == "complete"
    assert asked_for_batches(youtube) - n <= 3


@pytest.mark.parametrize("odd", ["a line cut short", "no JSON"])
def test_a_resumed_download_survives_a_damaged_part(youtube, tmp_path, odd):
    long_video(youtube)
    part = interrupt(youtube, tmp_path)
    part.path.write_bytes(part.path.read_bytes()[:-30] + GARBAGE[odd])
    replay = fetch(VIDEO, "chat-downloader", tmp_path)
    assert [m.text for m in messages_of(replay)] == [f"hello {n}" for n in range(50)]
    assert replay.chat.stream.state == "complete"


def test_a_token_that_leads_nowhere_any_more_means_from_the_start(youtube, tmp_path):
    long_video(youtube)
    part = Part(tmp_path / "parts" / f"{VIDEO}.jsonl")
    part.add(
        [{"message_id": "old", "message": "from another time", "message_type": "text_message"}],
        {"x": 1},
        "gone",
    )
    replay = fetch(VIDEO, "chat-downloader", tmp_path)
    assert [m.text for m in messages_of(replay)] == [f"hello {n}" for n in range(50)]
    assert (replay.chat.stream.state, dict(replay.chat.skipped)) == ("complete", {})


def test_a_full_disk_ends_the_fetching(youtube, tmp_path, monkeypatch):
    long_video(youtube)

    def refuse(self, rows, skipped, token):
        raise StoreFull("full")

    monkeypatch.setattr(Part, "add", refuse)
    with pytest.raises(StoreFull):
        fetch(VIDEO, ("chat-downloader", "yt-dlp"), tmp_path)


def test_what_was_counted_before_is_counted_once(youtube, tmp_path):
    odd = {"replayChatItemAction": {"actions": [{"startLiveChatParadeAction": {"a": 1}}]}}
    actions = [text_action(n, f"hello {n}", offset_ms=1000 * n) for n in range(50)]
    batches = [[odd, *actions[i : i + 10]] for i in range(0, 50, 10)]
    show(youtube, *map(as_response, batches), video_id=VIDEO, duration_s=50)
    interrupt(youtube, tmp_path)
    replay = fetch(VIDEO, "chat-downloader", tmp_path)
    assert len(replay.chat.rows) == 50
    assert dict(replay.chat.skipped) == {"no message: startLiveChatParadeAction": 5}


def as_response(actions):
    return {"continuationContents": {"liveChatContinuation": {"actions": actions}}}


# -------------------------------------------------------------------------------- rows


def test_rows_lose_their_pictures_only():
    rows = [
        {
            "message": "hi",
            "images": [1],
            "author": {"id": "a", "images": [1], "badges": [{"title": "Member", "icons": [1]}, "x"]},
            "emotes": [{"name": ":a:", "images": [1]}, None],
            "sticker_images": [1],
            "author_images": "kept",
        },
        {"message": None, "author": "Ann", "emotes": "x", "badge_icons": []},
    ]
    assert tidy_rows(rows) == [
        {
            "message": "hi",
            "author": {"id": "a", "badges": [{"title": "Member"}, "x"]},
            "emotes": [{"name": ":a:"}, None],
            "author_images": "kept",
        },
        {"message": None, "author": "Ann", "emotes": "x"},
    ]
    assert "images" in rows[0] and "images" in rows[0]["author"]


@pytest.mark.parametrize(
    ("value", "tidy"),
    [
        ("a\ud83db", "a�b"),
        ("a\x00b", "ab"),
        ("\ud83d\ude00", "😀"),  # a pair in two halves is one
        (2**63, float(2**63)),
        (-(2**70), -float(2**70)),
        (10**400, None),
        (2**63 - 1, 2**63 - 1),
        ({"k\x00": ["\udc00"]}, {"k": ["�"]}),
    ],
)
def test_rows_are_made_storable(value, tidy):
    (row,) = tidy_rows([{"x": value}])
    assert row == {"x": tidy}
    assert orjson.loads(orjson.dumps(row)) == row
