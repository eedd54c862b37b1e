"""What counts as an answer, and how a failure is said."""

import email.utils
import socket
import time

import pytest
import requests

from chatlib.collect.transport import Transient, check_answer, describe_failure, find_refusal, parse_answer
from chatlib.errors import SourceRefused

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
