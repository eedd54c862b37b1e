"""How a site is asked: pace, timeouts, attempts, the wish to stop; what counts as an answer or a failure."""

import email.utils
import random
import socket
import threading
import time
from contextlib import closing

import pytest
import requests
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import HTTPError

from chatlib.collect import transport
from chatlib.collect.transport import (
    PoliteAdapter,
    Politeness,
    Stopped,
    Transient,
    check_answer,
    describe_failure,
    find_refusal,
    parse_answer,
)
from chatlib.collect.youtube.clients import YtDlpClient
from chatlib.errors import SourceRefused, SourceUnreachable
from tests.collect.youtube.helpers import quick
from tests.collect.youtube.site.videos import make_video, text_action
from tests.collect.youtube.site.wire import Faults, Reply
from tests.waiting import wait_until

WATCH = "https://www.youtube.com/watch?v=aaaaaaaaaaa"


class Recorder(threading.Event):
    """An event that nobody sets, and that notes how long it was waited for instead of waiting."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        return False


@pytest.fixture
def longest(monkeypatch):
    """Random waits are as long as they may be."""
    monkeypatch.setattr(transport.random, "uniform", lambda low, high: high)


def failing(*errors):
    """Return a function that raises each error once, then returns "fine"; its calls are counted."""
    left = list(errors)

    def send():
        send.n += 1
        if left:
            raise left.pop(0)
        return "fine"

    send.n = 0
    return send


def waits_of(stop):
    return [wait for wait in stop.waits if wait > 0.001]  # without those that keep the pace


# ------------------------------------------------------------------------------- pace


def test_one_host_is_asked_at_its_pace_by_all_threads_together_and_another_meanwhile():
    stop = Recorder()
    politeness = Politeness(per_s=0.01, stop=stop)

    def ask():
        for host in ("one", "other"):
            for _ in range(4):
                politeness.call(host, lambda: None)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    passed_s = time.monotonic() - started
    due = [i * 100 for i in range(1, 12) for _ in range(2)]  # after the first one, of each host
    waits = sorted(wait for wait in stop.waits if wait > 50)
    assert all(at - passed_s <= wait <= at for at, wait in zip(due, waits, strict=True))


def test_a_pause_is_not_saved_up():
    politeness = Politeness(per_s=20)
    politeness.call("host", lambda: None)
    time.sleep(0.15)
    started = time.monotonic()
    for _ in range(3):
        politeness.call("host", lambda: None)
    assert time.monotonic() - started >= 2 / 20 - 1e-3


# --------------------------------------------------------------------------- attempts


def test_waits_double_up_to_half_a_minute(longest):
    stop = Recorder()
    politeness = Politeness(per_s=1e6, backoff_s=1.0, stop=stop)
    send = failing(*[Transient("ill")] * 6)
    assert politeness.call("host", send) == "fine"
    assert waits_of(stop) == [1, 2, 4, 8, 16, 30]
    assert send.n == 7


def test_waits_are_random_below_that():
    random.seed(7)
    stop = Recorder()
    for _ in range(20):
        Politeness(per_s=1e6, backoff_s=8.0, stop=stop).call("host", failing(Transient("ill")))
    waits = waits_of(stop)
    assert len(set(waits)) == 20 and all(0 <= wait <= 8 for wait in waits)
    assert max(waits) > 4


def test_what_the_site_asks_for_is_waited_for(longest):
    stop = Recorder()
    send = failing(Transient("busy", retry_after_s=5.0, busy=True), Transient("busy", retry_after_s=1.0))
    Politeness(per_s=1e6, backoff_s=1.0, stop=stop).call("host", send)
    assert waits_of(stop) == [5.0, 2.0]


@pytest.mark.parametrize(
    ("busy", "kind", "state"), [(True, SourceRefused, "blocked"), (False, SourceUnreachable, None)]
)
def test_after_the_last_attempt_it_says_what_to_do(busy, kind, state):
    send = failing(*[Transient("HTTP 4xx", busy=busy)] * 9)
    with pytest.raises(kind, match=r"host .*HTTP 4xx.*go on with the same command") as raised:
        quick(attempts=3).call("host", send)
    assert send.n == 3
    assert getattr(raised.value, "state", None) == state


@pytest.mark.parametrize("error", [ValueError("mine"), SourceRefused("no", state="members_only"), Stopped()])
def test_other_errors_pass_through_at_once(error):
    send = failing(error)
    with pytest.raises(type(error)) as raised:
        quick().call("host", send)
    assert raised.value is error and send.n == 1


# ------------------------------------------------------------------------------- stop


def test_stop_ends_the_wait_for_the_next_turn():
    politeness = Politeness(per_s=0.01)
    politeness.call("host", lambda: None)
    threading.Timer(0.1, politeness.stop.set).start()
    send = failing()
    started = time.monotonic()
    with pytest.raises(Stopped):
        politeness.call("host", send)
    assert time.monotonic() - started < 50 and send.n == 0


# --------------------------------------------------------------------- reads that hang


@pytest.fixture
def long_chat(youtube):
    """A page and an answer of some 100 kB each, so that eight bytes at a time take long."""
    chat = make_video("aaaaaaaaaaa", [text_action(i, random.random().hex(), offset_ms=i) for i in range(99)])
    youtube.add_videos(chat)
    noise = random.Random(1).randbytes(50_000).hex()
    youtube.add_page("/watch", f"<html><body>{noise}</body></html>")
    return youtube


def get_by_requests(politeness):
    with requests.Session() as session:
        session.mount("https://", PoliteAdapter(politeness))
        return session.get(WATCH).text


def get_by_yt_dlp(politeness):
    with YtDlpClient(politeness, None) as client:
        client.urlopen(Request(WATCH))


@pytest.mark.parametrize("get", [get_by_requests, get_by_yt_dlp])
@pytest.mark.parametrize("kind", ["hang", "stall", "trickle"])
def test_no_read_is_longer_than_its_timeout(long_chat, get, kind):
    """A trickle has no slow read; it ends after six timeouts in all."""
    long_chat.faults = Faults(rate=1.0, kinds=[kind], stall_s=60)
    started = time.monotonic()
    with pytest.raises(SourceUnreachable):
        get(Politeness(per_s=1000, timeout_s=0.3, attempts=1))
    assert time.monotonic() - started < 0.3 * transport.SLOWEST + 40
    assert threading.active_count() < 20


def test_a_body_that_is_slow_but_not_too_slow_is_whole(youtube):
    page = "<html>" + "x" * 60 + "</html>"
    youtube.add_page("/watch", page)
    youtube.fail_next("trickle", "/watch")
    youtube.faults.stall_s = 60
    assert get_by_requests(quick(attempts=1)) == page


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "cut_json", "short_json"])
@pytest.mark.parametrize("get", [get_by_requests, get_by_yt_dlp])
def test_a_failed_request_is_sent_again(long_chat, kind, get):
    long_chat.fail_next(kind, "/watch")
    politeness = quick(attempts=2)
    get(politeness)
    assert sum(entry.path.startswith("/watch") for entry in long_chat.requests) == 2


@pytest.mark.parametrize("get", [get_by_requests, get_by_yt_dlp])
def test_the_pause_that_the_site_asks_for_is_made(long_chat, get):
    replies = [Reply(status=503, headers=(("Retry-After", "33"),))]
    long_chat.add_route("/watch", lambda request: replies.pop() if replies else None)
    stop = Recorder()
    get(quick(stop=stop))
    assert waits_of(stop) == [33.0]


def test_refused_requests_of_yt_dlp_leave_no_connection_open(long_chat):
    refusal = Reply(random.Random(2).randbytes(3_000_000), status=404)  # more than a socket holds
    long_chat.add_route("/watch", lambda request: refusal)
    kept = []
    with YtDlpClient(quick(), None) as client:
        for _ in range(5):
            with pytest.raises(HTTPError) as raised:
                client.urlopen(Request(WATCH))
            kept.append(raised.value)  # as who logs it may do
        wait_until(lambda: len(long_chat._proxy._open) <= 1)


def test_each_answer_has_its_own_body(youtube):
    youtube.add_page("/watch", "<html>a</html>")
    youtube.add_page("/live_chat", "<html><script>ytInitialData = {}</script></html>")
    with closing(requests.Session()) as session:
        session.mount("https://", PoliteAdapter(quick()))
        answers = [session.get(f"https://www.youtube.com/{path}") for path in ("watch", "live_chat", "watch")]
    assert [answer.text[:20] for answer in answers] == [
        "<html>a</html>", "<html><script>ytInit", "<html>a</html>",
    ]  # fmt: skip


SECRET = "AIzaSecret"
FINE = b'<html><script>var ytInitialData = {"a": 1};</script>'


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/youtubei/v1/live_chat/get_live_chat_replay", 200, b'{"a": [1, 2]}'),
        ("/youtubei/v1/browse", 200, b'"\\ud83d"'),  # half of a pair is odd, and whole
        ("/watch", 200, FINE),
        ("/watch", 200, b"<html>\n</html>\n"),
        ("/live_chat_replay", 200, FINE),
        ("/@sample/streams", 200, b"<html><bo"),  # others judge those
        ("/watch", 404, b""),
        ("/youtubei/v1/browse", 403, b"no JSON"),
    ],
)
def test_whole_answers_pass(path, status, body):
    check_answer(path, status, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/youtubei/v1/live_chat/get_live_chat_replay", b'{"a": [1,'),
        ("/youtubei/v1/live_chat/get_live_chat_replay", b""),
        ("/youtubei/v1/live_chat/get_live_chat_replay", b"[" * 100_000),
        ("/watch", b""),
        ("/watch", b"<html><head>"),
        ("/watch", FINE.removesuffix(b"</script>")),
        ("/live_chat_replay", b"<html></script><script>ytInitialData = {"),
        ("/live_chat", b"</html>" + b"x" * 2001),
    ],
)
def test_cut_answers_are_asked_for_again(path, body):
    with pytest.raises(Transient, match="cut short"):
        check_answer(path, 200, body)


@pytest.mark.parametrize(("status", "busy"), [(429, True), (500, False), (503, False)])
@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [(None, 0), ("", 0), ("7", 7), ("120", 120), ("soon", 0), ("-5", 0), ("²", 0), ("1e9", 0)],
)
def test_busy_and_ill_sites_are_asked_again_when_they_say(status, busy, retry_after, wait_s):
    with pytest.raises(Transient, match=f"HTTP {status}") as raised:
        check_answer("/watch", status, b"", retry_after=retry_after)
    assert (raised.value.retry_after_s, raised.value.busy) == (wait_s, busy)


def test_the_pause_may_be_a_date():
    for seconds in (60, -60):
        began = time.time()
        date = email.utils.formatdate(began + seconds, usegmt=True)  # in whole seconds
        with pytest.raises(Transient) as raised:
            check_answer("/watch", 503, b"", retry_after=date)
        assert max(0, began + seconds - 1 - time.time()) <= raised.value.retry_after_s <= max(0, seconds)


@pytest.mark.parametrize("retry_after", ["121", "86400", "999999999"])
def test_a_site_that_wants_a_long_pause_is_left_alone(retry_after):
    with pytest.raises(SourceRefused, match="Go on later") as raised:
        check_answer("/watch", 429, b"", retry_after=retry_after)
    assert raised.value.state == "blocked"


def test_halves_of_pairs_become_replacements_and_large_numbers_stay_numbers():
    body = rb'{"a\udc00": ["\ud83d", "\ud83d\ude00", 99999999999999999999, -1, 0.5, null, true]}'
    assert parse_answer(body) == {"a�": ["�", "😀", 99999999999999999999.0, -1, 0.5, None, True]}
    with pytest.raises(ValueError):
        parse_answer(b"{")


def test_an_unknown_host_and_a_loop_of_causes_are_said_too():
    loop = ValueError("a")
    loop.__context__ = OSError("b")
    loop.__context__.__context__ = loop
    assert describe_failure(loop) == "the connection failed (ValueError)"
    unknown = requests.ConnectionError()
    unknown.__cause__ = socket.gaierror(-2, f"https://host/?key={SECRET}")
    assert describe_failure(unknown) == "the host's name was not found"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Sign in to confirm you’re not a bot", "blocked"),
        ("Our systems have detected unusual traffic", "blocked"),
        ("HTTP Error 429: Too Many Requests", "blocked"),
        ("Join this channel to get access to members-only content", "members_only"),
        ("This video is available to this channel's members on level: Crew", "members_only"),
        ("Live chat replay is not available for this video.", "no_replay"),
        ("Chat is disabled for this live stream", "no_replay"),
        ("Private video", "failed"),
        ("", "failed"),
    ],
)
def test_what_the_site_says_gives_the_state(said, state):
    refusal = find_refusal(said)
    assert refusal.state == state
    assert str(refusal).startswith(said or "the site gave no reason")


def test_a_refusal_is_one_short_line():
    assert "(give the cookies file" in str(find_refusal("Sign in to confirm your age."))
    assert len(str(find_refusal("a\nb " * 500))) < 350
    assert "\n" not in str(find_refusal("a\nb " * 500))
