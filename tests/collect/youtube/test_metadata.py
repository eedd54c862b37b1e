"""The YouTube Data API: what is read, when it ends early, and where the key never shows."""

import logging
import sys
import threading
import types

import pytest
import trustme

from chatlib.collect.sites import Metadata, VideoFacts
from chatlib.collect.transport import Politeness, Stopped
from chatlib.collect.youtube.site import KEY_NAME, fetch_videos, find_key
from tests.collect.youtube.site.server import FakeYoutube, apply_environment
from tests.collect.youtube.site.wire import Reply, json_reply

KEY = "AIzaSyD-secret_secret+secret/secret0123"  # with characters that an address escapes
WRITTEN = (KEY, "AIzaSyD-secret_secret%2Bsecret%2Fsecret0123", "secret_secret")
PATH = "/youtube/v3/videos"
NO_VIDEOS = {"kind": "youtube#videoListResponse", "items": []}


def make_item(video_id, *, live="none", details=None, duration="PT1H2M3S", **statistics):
    item = {
        "kind": "youtube#video",
        "id": video_id,
        "snippet": {"title": f"Title of {video_id}", "channelId": "UCx", "channelTitle": "Ann",
                    "publishedAt": "2026-01-09T21:00:00Z", "liveBroadcastContent": live},
        "contentDetails": {"duration": duration},
        "statistics": statistics,
    }  # fmt: skip
    return item if details is None else item | {"liveStreamingDetails": details}


def make_ids(n):
    return [f"video{i:06d}" for i in range(n)]


class DataApi:
    """The Data API of a small world: `items` by video id; `fail` answers in its stead, or passes."""

    def __init__(self, youtube, items):
        self.items = {item["id"]: item for item in items}
        self.asked = []
        self.keys = []
        self.fail = lambda request: None
        youtube.add_route(PATH, self.answer)

    def answer(self, request):
        self.keys.append(request.headers["x-goog-api-key"])
        assert KEY not in str(request.query) and "key" not in request.query
        if failure := self.fail(request):
            return failure
        ids = request.query["id"].split(",")
        assert len(ids) <= 50
        self.asked.append(ids)
        items = [self.items[video_id] for video_id in ids if video_id in self.items]
        return json_reply({"kind": "youtube#videoListResponse", "items": items})


@pytest.fixture(scope="module")
def youtube():
    """One local YouTube for all tests here; each lets its own Data API answer."""
    with pytest.MonkeyPatch.context() as patch, FakeYoutube() as fake:
        apply_environment(fake, patch)
        yield fake


@pytest.fixture
def api(youtube):
    return DataApi(youtube, [make_item(video_id) for video_id in make_ids(120)])


@pytest.fixture
def polite(request):
    """Two attempts, hardly a wait, and a timeout that a test can wait for."""
    timeout_s = 2 if "stall" in request.node.name else 30
    return Politeness(per_s=1000, timeout_s=timeout_s, attempts=2, backoff_s=0.001)


def fetch(ids, polite, **kwargs):
    return fetch_videos(ids, key=KEY, politeness=polite, **kwargs)


def refusal(status, reason, *, new_style=False, extra=""):
    error = {"code": status, "message": f"No. {extra}", "errors": [{"message": "No.", "reason": reason}]}
    if new_style:
        error["errors"] = [{"message": "No.", "reason": "badRequest"}]
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return json_reply({"error": error}, status)


# What is read


def test_a_finished_stream(youtube, polite):
    times = {"actualStartTime": "2026-01-09T18:00:00Z", "actualEndTime": "2026-01-09T19:02:10Z"}
    DataApi(youtube, [make_item("aaaaaaaaaaa", details=times, viewCount="1234")])
    assert fetch(["aaaaaaaaaaa"], polite) == Metadata(
        {
            "aaaaaaaaaaa": VideoFacts(
                "aaaaaaaaaaa", "Title of aaaaaaaaaaa", 3723.0, 1234, "finished", "UCx", "Ann",
                "2026-01-09T21:00:00+00:00", "2026-01-09T18:00:00+00:00", "2026-01-09T19:02:10+00:00",
            )
        },
        [], None,
    )  # fmt: skip


START, END = {"actualStartTime": "2026-01-09T18:00:00Z"}, {"actualEndTime": "2026-01-09T18:30:00Z"}


@pytest.mark.parametrize(
    ("live", "details", "duration", "status", "duration_s"),
    [
        ("none", None, "PT5M", "video", 300.0),
        ("none", START | END, "PT29M50S", "finished", 1790.0),
        ("none", START | END, "P0D", "finished", 1800.0),  # the recording is still being made
        ("live", START | END, "P0D", "finished", 1800.0),  # over, and the page does not know yet
        ("live", START, "P0D", "live", None),
        ("upcoming", {"scheduledStartTime": "2026-02-01T00:00:00Z"}, "P0D", "upcoming", None),
        ("none", START, "PT10M", "finished", 600.0),  # YouTube lost the end
        ("none", {"scheduledStartTime": "2020-02-01T00:00:00Z"}, "P0D", "upcoming", None),
        ("live", None, "P0D", "live", None),
        ("none", END | {"actualStartTime": "2026-01-09T18:45:00Z"}, None, "finished", None),
        ("none", None, "P1W2DT3H", "video", 788400.0),
        ("none", None, "PT1.5S", "video", 1.5),
        ("none", None, "P1Y", "video", None),
        ("none", None, "-PT5S", "video", None),
        ("none", None, "PT1H\n", "video", None),
        ("none", None, "PT", "video", None),
        ("none", None, 5, "video", None),
    ],
)
def test_the_state_of_a_video(youtube, polite, live, details, duration, status, duration_s):
    DataApi(youtube, [make_item("aaaaaaaaaaa", live=live, details=details, duration=duration)])
    video = fetch(["aaaaaaaaaaa"], polite).videos["aaaaaaaaaaa"]
    assert (video.status, video.duration_s) == (status, duration_s)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"snippet": None, "liveStreamingDetails": [], "contentDetails": "x", "statistics": 5},
        {"snippet": {"title": 5, "publishedAt": "yesterday", "liveBroadcastContent": {}}},
        {"contentDetails": {"duration": "P" + "9" * 1000 + "D"}, "statistics": {"viewCount": "9" * 1000}},
        {"statistics": {"viewCount": -1}},
    ],
)
def test_an_odd_answer_is_kept_as_far_as_it_goes(youtube, polite, item):
    DataApi(youtube, [item | {"id": "aaaaaaaaaaa"}])
    video = fetch(["aaaaaaaaaaa"], polite).videos["aaaaaaaaaaa"]
    assert video._replace(status=None) == VideoFacts("aaaaaaaaaaa")


def test_batches_of_fifty_in_the_order_given_each_video_once(api, polite):
    ids = make_ids(120)
    told = fetch([*reversed(ids), *ids], polite)
    assert [len(batch) for batch in api.asked] == [50, 50, 20]
    assert [video_id for batch in api.asked for video_id in batch] == list(told.videos) == ids[::-1]
    assert (told.gone, told.problem) == ([], None)


def test_what_is_not_answered_is_gone(api, polite):
    told = fetch(["video000001", "deleted0000", "video000002"], polite)
    assert list(told.videos) == ["video000001", "video000002"]
    assert told.gone == ["deleted0000"]


def test_what_is_no_id_is_not_asked_and_nothing_else_is_answered(api, polite):
    assert fetch([], polite) == Metadata({}, [], None)
    told = fetch(["video000001", "a,video000002", "", None, "video000003\n", "ｖideo000001"], polite)
    assert api.asked == [["video000001"]]
    assert list(told.videos) == ["video000001"]
    assert told.gone == ["a,video000002", "video000003\n", "ｖideo000001"]


# Where it ends early


def test_without_a_key_it_says_what_is_missing_and_how_to_get_one(api):
    for key in (None, "", "  "):
        told = fetch_videos(["video000001", "video000001", "video000002"], key=key)
        assert told[:2] == ({}, [])
        assert "start times, durations and live states are missing for 2 of 2 videos" in told.problem
        assert "console.cloud.google.com" in told.problem
        assert KEY_NAME in told.problem
    assert api.keys == []


@pytest.mark.parametrize("reason", ["quotaExceeded", "dailyLimitExceeded"])
def test_quota_keeps_what_there_is_and_says_when_to_go_on(api, polite, reason):
    api.fail = lambda request: refusal(403, reason) if len(api.asked) == 1 else None
    told = fetch(make_ids(120), polite)
    assert list(told.videos) == make_ids(50)
    assert "missing for 70 of 120 videos" in told.problem
    assert "go on after midnight, Pacific time" in told.problem
    assert len(api.keys) == 2  # the same question would only cost more


def cut(request):
    body = json_reply(NO_VIDEOS).body
    return Reply(body[: len(body) // 2], 200, "application/json")


FAILURES = {
    "bad key, told with the key": (
        lambda r: refusal(400, "API_KEY_INVALID", new_style=True, extra=f"{KEY} at {r.path}?key={KEY}"),
        "refuses the key",
    ),
    "not enabled": (lambda r: refusal(403, "accessNotConfigured"), "refuses the key"),
    "forbidden": (lambda r: refusal(403, "forbidden"), "refuses the key"),
    "unauthorized": (lambda r: refusal(401, "required"), "refuses the key"),
    "too fast": (lambda r: refusal(403, "rateLimitExceeded"), "fewer requests"),
    "too many": (lambda r: Reply(b"", 429), "fewer requests"),
    "a long pause": (lambda r: Reply(b"", 429, headers=(("Retry-After", "9000"),)), "9,000 s"),
    "ill": (lambda r: refusal(503, "backendError"), "HTTP 503"),
    "a proxy's page with the address": (
        lambda r: Reply(f"<p>https://{r.host}{r.path}?key={KEY} is blocked</p>".encode(), 403),
        "HTTP 403",
    ),
    "strange error": (lambda r: json_reply({"error": "errors message"}, 403), "HTTP 403"),
    "stranger error": (lambda r: json_reply({"error": {"message": 5, "errors": [5]}}, 404), "HTTP 404"),
    "no text": (lambda r: Reply(b"\xff\xfe", 400), "HTTP 400"),
    "a redirect": (
        lambda r: Reply(b"", 302, headers=(("Location", f"https://www.youtube.com/?key={KEY}"),)),
        "HTTP 302",
    ),
    "a challenge": (lambda r: Reply(b"", 401, headers=(("WWW-Authenticate", 'Basic "'),)), ""),
    "reset": (lambda r: Reply(drop="reset"), "failed"),
    "stall": (lambda r: json_reply(NO_VIDEOS)._replace(drop="stall", stall_s=60), "no answer in time"),
    "cut connection": (lambda r: json_reply(NO_VIDEOS)._replace(drop="cut"), "cut short"),
    "cut JSON": (cut, "no list of videos"),
    "no JSON": (lambda r: Reply(b"<html>Please log in</html>", 200), "no list of videos"),
    "a deep JSON": (lambda r: Reply(b"[" * 100_000, 200), "no list of videos"),
    "no text at all": (lambda r: Reply(b"\xff\xfe", 200), "no list of videos"),
    "a list": (lambda r: json_reply([]), "no list of videos"),
    "another object": (lambda r: json_reply({"items": {}}), "no list of videos"),
    "not compressed": (lambda r: Reply(b"x", headers=(("Content-Encoding", "gzip"),)), "failed"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_ends_it_in_words_without_the_key_and_keeps_what_there_is(
    api, polite, name, everything_said
):
    failure, words = FAILURES[name]
    api.fail = lambda request: failure(request) if api.asked else None
    told = fetch(make_ids(120), polite)
    assert (len(told.videos), told.gone) == (50, [])
    assert words in told.problem
    assert told.problem.startswith("Exact start times")
    assert told.problem.endswith(".")
    assert "70 of 120" in told.problem
    said = everything_said()
    assert PATH in said  # urllib3 did log addresses
    assert_secret(repr(told), said)


def test_a_late_answer_is_not_taken_for_the_next_one(api):
    polite = Politeness(per_s=1000, timeout_s=1.0, attempts=9, backoff_s=0.001)
    slow = iter([2.5])
    api.fail = lambda request: threading.Event().wait(next(slow, 0)) or None
    told = fetch(make_ids(100), polite)
    assert list(told.videos) == make_ids(100)
    assert told.gone == []


def test_a_host_that_is_not_trusted(youtube, api, polite, monkeypatch, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    told = fetch(["aaaaaaaaaaa"], polite)
    assert "no secure connection" in told.problem
    assert api.keys == []  # the key did not go out


def test_told_to_stop_it_stops(api, polite):
    api.fail = lambda request: polite.stop.set()
    with pytest.raises(Stopped):
        fetch(make_ids(120), polite)
    assert len(api.asked) == 1


# Where the key never shows


@pytest.fixture
def everything_said(caplog, capfd):
    """A function that returns all that was logged or printed, every logger at DEBUG, with its objects."""
    names = [None, *logging.root.manager.loggerDict]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)

    def say():
        lines = [repr(vars(record)) + record.getMessage() for record in caplog.records]
        return "\n".join([caplog.text, *lines, *capfd.readouterr()])

    with caplog.at_level(logging.DEBUG):
        yield say
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def assert_secret(*texts):
    for text in texts:
        assert not [word for word in WRITTEN if word in text], text


def test_the_key_is_in_the_question_and_nowhere_else(api, polite, everything_said):
    told = fetch_videos(["video000001"], key=f" {KEY}\n", politeness=polite)
    assert (api.keys, told.problem) == ([KEY], None)
    assert_secret(repr(told), everything_said())


@pytest.mark.parametrize(
    "key", ["AIza secret_secret", "secret_secret\nX-Other: 1", "schlüssel_secret_secret"]
)
def test_what_no_header_can_hold_is_no_key_and_is_not_sent(api, key, everything_said):
    told = fetch_videos(["video000001"], key=key)
    assert "missing for 1 of 1 videos" in told.problem and "refuses the key" in told.problem
    assert api.keys == []
    assert_secret(repr(told), everything_said())


# Where the key comes from


def test_the_environment_has_the_key(monkeypatch):
    monkeypatch.setenv(KEY_NAME, f"  {KEY}\n")
    assert find_key() == KEY
    monkeypatch.setenv(KEY_NAME, " ")
    assert find_key() is None
    monkeypatch.delenv(KEY_NAME)
    assert find_key() is None


@pytest.fixture
def colab(monkeypatch):
    """Colab's `userdata`, whose `get` a test sets."""
    userdata = types.ModuleType("google.colab.userdata")
    package = types.ModuleType("google.colab")
    package.userdata = userdata
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setitem(sys.modules, "google.colab.userdata", userdata)
    monkeypatch.delenv(KEY_NAME, raising=False)
    return userdata


def test_colab_has_the_key(colab, monkeypatch):
    asked = []
    colab.get = lambda name: ""
    assert find_key() is None
    colab.get = lambda name: asked.append(name) or f"{KEY}\n"
    assert find_key() == KEY
    assert asked == [KEY_NAME]
    monkeypatch.setenv(KEY_NAME, "another")
    assert find_key() == "another"
    assert asked == [KEY_NAME]


@pytest.mark.parametrize(
    "error", ["SecretNotFoundError", "NotebookAccessError", "TimeoutError", "ImportError"]
)
def test_colab_gives_no_key(colab, error, everything_said):
    def get(name):
        raise type(error, (Exception,), {})(f"Secret {KEY}")

    colab.get = get
    assert find_key() is None
    said = everything_said()
    assert error in said
    assert_secret(said)
