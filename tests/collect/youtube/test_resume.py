"""The resume file of an interrupted download, and how the next one goes on."""

import signal

import pytest

from chatlib.collect.sites import Batch, ResumeFile
from chatlib.errors import StoreFull
from tests.collect.youtube.helpers import SOURCES, fetch, respond, show
from tests.collect.youtube.site.videos import make_video, text_action
from tests.collect.youtube.site.wire import Faults, Reply

VIDEO = "aaaaaaaaaaa"


@pytest.fixture
def resume_file(tmp_path):
    return ResumeFile(tmp_path / "unfinished" / f"{VIDEO}.jsonl")


def saved(resume_file):
    return list(ResumeFile(resume_file.path).iter_saved())


def test_the_batches_come_back_as_they_were_added(resume_file):
    assert saved(resume_file) == []
    batches = [Batch([{"a": 1}], "t1"), Batch([], "t2"), Batch([{"b": "é😀"}, {"c": None}], "t3")]
    resume_file.view = "top"
    for batch in batches:
        resume_file.add(batch)
    again = ResumeFile(resume_file.path)
    assert (list(again.iter_saved()), again.view) == (batches, "top")
    resume_file.drop()
    resume_file.drop()
    assert saved(resume_file) == []


GARBAGE = {
    "a line cut short": b'{"items": [{"c": 1}], "view": "live", "ne',
    "a whole line without its end": b'{"items": [{"c": 1}], "view": "live", "next": "t9"}',
    "no JSON": b"\x00\xff garbage\n",
    "another shape": b'{"lines": []}\n',
    "a list": b"[]\n",
    "items that are none": b'{"items": null, "view": "live", "next": "t9"}\n',
    "items without the next token": b'{"items": [{"c": 1}], "view": "live"}\n',
    "an empty line": b"\n",
}  # fmt: skip


@pytest.mark.parametrize("odd", GARBAGE)
def test_a_damaged_line_is_cut_off(resume_file, odd):
    resume_file.add(Batch([{"a": 1}], "t1"))
    whole = resume_file.path.read_bytes()
    with resume_file.path.open("ab") as file:
        file.write(GARBAGE[odd])
    assert saved(resume_file) == [Batch([{"a": 1}], "t1")]
    assert resume_file.path.read_bytes() == whole
    resume_file.add(Batch([{"b": 2}], "t2"))
    assert saved(resume_file) == [Batch([{"a": 1}], "t1"), Batch([{"b": 2}], "t2")]


def test_every_prefix_of_a_resume_file_is_one(resume_file):
    for n in range(3):
        resume_file.add(Batch([{"n": n}], f"t{n}"))
    whole = resume_file.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for length in range(len(whole) + 1):
        resume_file.path.write_bytes(whole[:length])
        n = sum(end <= length for end in ends)
        assert saved(resume_file) == [Batch([{"n": i}], f"t{i}") for i in range(n)]


def test_a_full_disk_says_so_and_leaves_what_was_there(resume_file):
    resource = pytest.importorskip("resource")
    resume_file.add(Batch([{"a": 1}], "t1"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resume_file.path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(StoreFull) as raised:
            resume_file.add(Batch([{"b": "x" * 1000}], "t2"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert str(resume_file.path) in str(raised.value)
    assert saved(resume_file) == [Batch([{"a": 1}], "t1")]


# ------------------------------------------------------------------------------ resuming


def long_video(youtube):
    actions = [text_action(n, f"hello {n}", offset_ms=1000 * n) for n in range(50)]
    video = make_video(VIDEO, actions, batch_size=10, duration_s=50)
    youtube.add_videos(video)
    return video


def count_batches(youtube):
    return sum(entry.path.endswith("get_live_chat_replay") for entry in youtube.requests)


def interrupt(youtube, folder, source="chat-downloader"):
    """Fetch until the third batch fails for good; return what is left of it."""
    n = [0]

    def third(request):
        n[0] += request.path.endswith("get_live_chat_replay")
        return n[0] > 2 and request.path.endswith("get_live_chat_replay")

    youtube.faults = Faults(rate=1.0, kinds=["500"], where=third)
    replay = fetch(VIDEO, source, folder, attempts=2)
    youtube.faults = Faults(rate=0.0)
    assert (replay.stream.state, replay.ended) == ("partial", False) and "HTTP 500" in replay.stream.reason
    assert [m.text for m in replay.messages] == [f"hello {n}" for n in range(20)]
    return ResumeFile(folder / "unfinished" / f"{VIDEO}.jsonl")


@pytest.mark.parametrize("first", SOURCES)
@pytest.mark.parametrize("second", SOURCES)
def test_either_client_resumes_what_either_began(youtube, tmp_path, first, second):
    long_video(youtube)
    resume_file = interrupt(youtube, tmp_path, first)
    assert len(saved(resume_file)) == 2
    n = count_batches(youtube)
    replay = fetch(VIDEO, second, tmp_path)
    assert [m.text for m in replay.messages] == [f"hello {n}" for n in range(50)]
    assert replay.stream.state == "complete"
    assert count_batches(youtube) - n == 3


@pytest.mark.parametrize("odd", ["a line cut short", "no JSON"])
def test_a_damaged_resume_file_costs_a_batch(youtube, tmp_path, odd):
    long_video(youtube)
    path = interrupt(youtube, tmp_path).path
    path.write_bytes(path.read_bytes()[:-30] + GARBAGE[odd])
    replay = fetch(VIDEO, "chat-downloader", tmp_path)
    assert [m.text for m in replay.messages] == [f"hello {n}" for n in range(50)]
    assert replay.stream.state == "complete"


@pytest.mark.parametrize("source", SOURCES)
def test_an_expired_token_means_from_the_start(youtube, tmp_path, source, resume_file):
    long_video(youtube)
    resume_file.add(Batch([text_action(99, "from another time", offset_ms=0), {"odd": {}}], "gone"))
    replay = fetch(VIDEO, source, tmp_path)
    assert [m.text for m in replay.messages] == [f"hello {n}" for n in range(50)]
    assert (replay.stream.state, dict(replay.skipped)) == ("complete", {})


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_site_that_is_down_or_refuses_leaves_the_resume_file(youtube, tmp_path, source, status):
    long_video(youtube)
    resume_file = interrupt(youtube, tmp_path)
    youtube.add_route("/youtubei/v1/live_chat/*", lambda request: Reply(b"<html>No.</html>", status))
    replay = fetch(VIDEO, source, tmp_path, attempts=1)
    assert (replay.stream.state, len(replay.messages)) == ("partial", 20)
    assert f"HTTP {status}" in replay.stream.reason
    assert len(saved(resume_file)) == 2


def test_what_was_skipped_is_counted_once(youtube, tmp_path):
    odd = {"replayChatItemAction": {"actions": [{"startLiveChatParadeAction": {"a": 1}}]}}
    actions = [text_action(n, f"hello {n}", offset_ms=1000 * n) for n in range(50)]
    batches = [[odd, *actions[i : i + 10]] for i in range(0, 50, 10)]
    show(youtube, *(respond(*batch) for batch in batches), video_id=VIDEO, duration_s=50)
    interrupt(youtube, tmp_path)
    replay = fetch(VIDEO, "chat-downloader", tmp_path)
    assert len(replay.messages) == 50
    assert dict(replay.skipped) == {"no message: startLiveChatParadeAction": 5}
