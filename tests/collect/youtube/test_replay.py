"""One stream: its batches, each of which names the next; which source is believed; how they are merged."""

import pytest

from chatlib.collect.sites import Batch, check_end
from chatlib.collect.transport import Forbidden, Stopped
from chatlib.collect.youtube import site as replay_module
from chatlib.collect.youtube.clients import ChatPage, Video, find_initial_data, read_batch
from chatlib.collect.youtube.site import ExpiredToken, iter_batches
from chatlib.errors import ParameterError, SourceError, SourceRefused, SourceUnreachable, StoreFull
from chatlib.records import YOUTUBE, Stream
from tests.collect.youtube.helpers import SOURCES, make_fetcher
from tests.collect.youtube.site.videos import text_action

VIDEO = "aaaaaaaaaaa"


def batch(following, *numbers):
    """Return a batch with these messages, one a minute, and the token of the following one."""
    return Batch([text_action(n, f"hello {n}", offset_ms=60_000 * n) for n in numbers], following)


class Client:
    """A client that has one message a minute, in one batch; `broken` is raised for the next one.

    `fails` is raised at once.
    """

    def __init__(self, *numbers, broken=None, fails=None, duration_s=300.0, status="past", **facts):
        self.batch = batch("next" if broken else None, *numbers)
        self.has_given = False
        self.broken = broken
        self.fails = fails
        self.video = Video(
            Stream(YOUTUBE, VIDEO, duration_s=duration_s, view="live", **facts), status, "page"
        )

    def open_video(self, video_id):
        if self.fails:
            raise self.fails
        return self.video

    def fetch_page(self, token):
        return ChatPage(self.fetch_batch(token, 0), None)

    def fetch_batch(self, token, offset_ms):
        if self.has_given and self.broken:
            raise self.broken
        self.has_given = True
        return self.batch

    def close(self):
        pass


BROKEN = SourceUnreachable("HTTP 500")


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Fetch from clients that do this; returns the replay and which were opened."""

    def run(*, sources=SOURCES, **does):
        opened = []
        scripts = {name: list(s) if type(s) is list else [s] for name, s in does.items()}

        def open_client(source, politeness, cookies):
            opened.append(source)
            script = scripts[source.replace("-", "_")]
            client = script.pop(0) if len(script) > 1 else script[0]
            return Client(fails=client) if isinstance(client, BaseException) else client

        monkeypatch.setattr(replay_module, "open_client", open_client)
        fetcher = make_fetcher(sources, tmp_path)
        fetcher.open_resume_file(VIDEO).drop()
        return fetcher.fetch(VIDEO, {}), opened

    return run


def numbers_of(replay):
    return [int(m.text.removeprefix("hello ")) for m in replay.messages]


def test_a_whole_chat_needs_no_second_source(play):
    replay, asked = play(chat_downloader=Client(1, 4), yt_dlp=Client(1, 2, 3, 4))
    assert (numbers_of(replay), asked) == ([1, 4], ["chat-downloader"])
    assert (replay.stream.state, replay.source) == ("complete", "chat-downloader")


def test_what_broke_off_is_completed_by_the_next_source(play):
    broken = Client(1, 2, broken=BROKEN)
    replay, asked = play(chat_downloader=broken, yt_dlp=Client(3, 4))
    assert asked == list(SOURCES)
    assert sorted(numbers_of(replay)) == [1, 2, 3, 4]
    assert (replay.stream.state, replay.source) == ("complete", "yt-dlp")


def test_two_that_broke_off_are_put_together_and_stay_partial(play):
    replay, _ = play(
        chat_downloader=Client(1, 2, broken=BROKEN), yt_dlp=Client(3, broken=BROKEN, channel_name="Harbor")
    )
    assert sorted(numbers_of(replay)) == [1, 2, 3]
    assert replay.stream.state == "partial"
    assert "broke off at 0:02:00 of 0:05:00" in replay.stream.reason
    assert replay.stream.channel_name == "Harbor"


FAILURES = {
    "refused": (SourceRefused("Private video"), "failed", "chat-downloader: Private video"),
    "members": (SourceRefused("Members only", state="members_only"), "members_only", "Members only"),
    "no replay": (SourceRefused("No replay", state="no_replay"), "no_replay", "No replay"),
    "unreachable": (SourceUnreachable("no answer"), "failed", "no answer"),
    "its mistake": (KeyError("x"), "failed", "could not read the page (KeyError: 'x')"),
    "another mistake": (RuntimeError("dictionary changed size"), "failed", "RuntimeError"),
    "deep": (RecursionError("deep"), "failed", "RecursionError"),
    "disk": (OSError(5, "I/O error"), "failed", "I/O error"),
}


@pytest.mark.parametrize("why", FAILURES)
def test_a_source_that_fails_gives_way_to_the_next(play, why):
    error, state, reason = FAILURES[why]
    replay, asked = play(chat_downloader=error, yt_dlp=Client(1, 2, 3, 4))
    assert (replay.stream.state, asked) == ("complete", list(SOURCES))
    assert replay.stream.reason is None
    replay, _ = play(chat_downloader=error, yt_dlp=SourceUnreachable("nor this"))
    assert replay.stream.state == state
    assert reason in replay.stream.reason
    assert replay.messages == []


def test_after_a_block_no_other_source_is_asked(play):
    replay, asked = play(chat_downloader=SourceRefused("not a bot", state="blocked"), yt_dlp=Client(1))
    assert (replay.stream.state, asked) == ("blocked", ["chat-downloader"])


def test_after_http_403_the_other_source_is_asked(play):
    refused = Forbidden("HTTP 403", state="blocked")
    replay, asked = play(chat_downloader=refused, yt_dlp=Client(1, 2, 3, 4))
    assert (replay.stream.state, asked) == ("complete", list(SOURCES))
    assert play(chat_downloader=refused, yt_dlp=refused)[0].stream.state == "blocked"


@pytest.mark.parametrize("running", ["live", "upcoming"])
def test_a_running_stream_is_told_by_the_first_source(play, running):
    replay, asked = play(chat_downloader=Client(status=running), yt_dlp=Client(1))
    assert (replay.running, asked) == (running, ["chat-downloader"])


def test_an_early_end_is_believed_when_two_sources_agree(play):
    replay, asked = play(chat_downloader=Client(1, duration_s=3600), yt_dlp=Client(1, duration_s=3600))
    assert (replay.stream.state, asked) == ("complete", list(SOURCES))
    assert replay.stream.reason == "the chat ends at 0:01:00 of 1:00:00; two readings agree"
    replay, _ = play(chat_downloader=Client(1, duration_s=3600), yt_dlp=Client(2, duration_s=3600))
    assert replay.stream.state == "partial"


def test_a_single_source_is_read_twice_before_its_early_end_is_believed(play):
    early = Client(1, duration_s=3600)
    replay, asked = play(sources=("yt-dlp",), yt_dlp=[early, early])
    assert (replay.stream.state, asked) == ("complete", ["yt-dlp"] * 2)
    replay, asked = play(sources=("yt-dlp",), yt_dlp=[early, Client(1, 55, duration_s=3600)])
    assert (replay.stream.state, numbers_of(replay), asked) == ("complete", [1, 55], ["yt-dlp"] * 2)


def test_a_single_source_that_broke_off_is_not_asked_again_at_once(play):
    replay, asked = play(sources=("yt-dlp",), yt_dlp=Client(1, broken=BROKEN))
    assert (replay.stream.state, asked) == ("partial", ["yt-dlp"])


@pytest.mark.parametrize("error", [Stopped(), StoreFull("full"), ParameterError("odd"), MemoryError()])
def test_what_concerns_all_streams_is_raised(play, error):
    with pytest.raises(type(error)):
        play(chat_downloader=error, yt_dlp=Client(1))


def test_the_order_of_sources_is_the_users(play):
    _, asked = play(sources=("yt-dlp", "chat-downloader"), chat_downloader=Client(4), yt_dlp=Client(4))
    assert asked == ["yt-dlp"]


@pytest.mark.parametrize(
    ("offsets", "duration_s", "ended", "state", "reason"),
    [
        ([], None, True, "complete", None),
        ([], None, False, "partial", "the replay broke off at 0:00:00"),
        ([1, 2, 3], None, True, "complete", None),
        ([3, 1, 2], 3600, False, "partial", "the replay broke off at 0:00:03 of 1:00:00"),
        # a short stream: two minutes of silence say nothing
        ([5], 125, True, "complete", None),
        ([5], 125.5, True, "partial", "the replay ends at 0:00:05 of 0:02:05"),
        ([], 120, True, "complete", None),
        ([], 121, True, "partial", "the replay ends at 0:00:00 of 0:02:01"),
        # a long one: five in a hundred
        (range(0, 9501, 50), 10_000, True, "complete", None),
        ([*range(0, 9499, 50), 9499], 10_000, True, "partial", "the replay ends at 2:38:19 of 2:46:40"),
        # a quiet one: three times the longest silence before
        ([0, 300], 1200, True, "complete", None),
        ([0, 300], 1201, True, "partial", "the replay ends at 0:05:00 of 0:20:01"),
        ([300], 1200, True, "complete", None),  # silence counts from the start
        ([-5000, 0, 100], 401, True, "partial", "the replay ends at 0:01:40 of 0:06:41"),  # not before it
        ([0, 5000], 3600, True, "complete", None),  # longer than the stream
    ],
)
def test_an_end_far_before_the_streams_is_partial(offsets, duration_s, ended, state, reason):
    assert check_end(list(offsets), duration_s, ended=ended) == (state, reason)


# ------------------------------------------------------------------ batches


class Site:
    """Answers by a script: for each token the answers in turn, the last one for ever."""

    def __init__(self, script):
        self.script = script
        self.asked = []
        self.offsets_ms = []

    def fetch_batch(self, token, offset_ms):
        self.asked.append(token)
        self.offsets_ms.append(offset_ms)
        answers = self.script[token]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def follow(site, token="a"):
    """Return the numbers in each batch, and the error that ended it, if one did."""
    seen = []
    try:
        for found in iter_batches(site, token):
            offsets_ms = [item["replayChatItemAction"]["videoOffsetTimeMsec"] for item in found.items]
            seen.append([int(offset_ms) // 60_000 for offset_ms in offsets_ms])
    except SourceError as error:
        return seen, error
    return seen, None


AGAIN = replay_module.MAX_ASKS
PLAYED = {  # answers by token; the numbers in each batch; the tokens asked with
    "the next one": ({"a": [batch("b", 1, 2)], "b": [batch(None, 3)]}, [[1, 2], [3]], ["a", "b"]),
    "empty once": ({"a": [batch("b"), batch(None, 1)]}, [[1]], ["a", "a"]),
    "empty each time": ({"a": [batch("b")], "b": [batch(None, 2)]}, [[], [2]], [*["a"] * AGAIN, "b"]),
    "an empty end": ({"a": [batch(None)]}, [[]], ["a"] * AGAIN),
    "no end": ({"a": [batch(None), batch("b", 1)], "b": [batch(None, 2)]}, [[1], [2]], ["a", "a", "b"]),
    "twice": ({"a": [batch("b", 1)], "b": [batch("b", 1), batch(None, 2)]}, [[1], [1], [2]], ["a", "b", "b"]),
}


@pytest.mark.parametrize("name", PLAYED)
def test_an_empty_batch_is_asked_for_again_and_believed_when_it_stays_empty(name):
    answers, seen, asked = PLAYED[name]
    site = Site(answers)
    assert follow(site) == (seen, None)
    assert site.asked == asked
    assert name != "the next one" or site.offsets_ms == [0, 120_000]


def test_more_empty_batches_than_anybody_believes_are_no_end():
    site = Site({str(n): [batch(str(n + 1))] for n in range(99)})
    seen, error = follow(site, "0")
    assert "empty batches" in str(error)
    assert len(set(site.asked)) == replay_module.MAX_EMPTY == len(seen) + 1


def test_empty_batches_here_and_there_are_no_trouble():
    site = Site({str(n): [batch(str(n + 1) if n < 79 else None, *[n] * (n % 20 == 0))] for n in range(80)})
    seen, error = follow(site, "0")
    assert (len(seen), error) == (80, None)


def test_a_circle_of_tokens_ends_with_an_error():
    site = Site({"a": [batch("b", 1)], "b": [batch("a", 2)]})
    seen, error = follow(site)
    assert seen == [[1], [2]] * replay_module.MAX_REPEATS and "successor" in str(error)


@pytest.mark.parametrize("answer", [{}, {"error": {"code": 404}}, {"continuationContents": 5}, [], None, "x"])
def test_what_is_no_batch_is_no_end(answer):
    site = Site({"a": [read_batch(answer)]})
    seen, error = follow(site)
    assert seen == [] and isinstance(error, ExpiredToken)
    assert site.asked == ["a"] * AGAIN


def test_the_data_of_a_page_are_found_among_its_scripts():
    text = "<meta content=\"var ytInitialData = {};\"><script>var ytInitialData = {'x'</script>"
    assert find_initial_data(text + '<script>window["ytInitialData"] = {"a": 1};</script>') == {"a": 1}
    assert find_initial_data("") is find_initial_data("var ytInitialData = {broken") is None
    assert find_initial_data("var ytInitialData = " + "[" * 10**6) is None
