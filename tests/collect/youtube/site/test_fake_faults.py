"""Everything that the fake can do wrong, as a plain client sees it."""

import time

import pytest
import requests

from tests.collect.youtube.site.faults import Faults
from tests.collect.youtube.site.tokens import make_token
from tests.collect.youtube.site.videos import make_video, text_action

ID = "smallchat00"
PATH = "/youtubei/v1/live_chat/get_live_chat_replay"
URL = f"https://www.youtube.com{PATH}"


@pytest.fixture
def video(youtube):
    """A video with a chat of three batches."""
    actions = [text_action(i, f"message {i}", offset_ms=i * 1000) for i in range(250)]
    video = make_video(ID, actions, started_at="2026-05-01T10:00:00Z")
    youtube.add_videos(video)
    return video


@pytest.fixture
def session():
    with requests.Session() as opened:
        yield opened


def ask(session, token, timeout=60, **facts):
    body = {"context": {"client": {"clientName": "WEB"}}, "continuation": token, **facts}
    return session.post(URL, json=body, timeout=timeout)


def batch(number, view="live"):
    return make_token("batch", ID, view, number)


def content(answer):
    found = answer.json()["continuationContents"]["liveChatContinuation"]
    following = found["continuations"][0].get("liveChatReplayContinuationData", {}).get("continuation")
    return found.get("actions", []), following


def test_without_faults(video, session):
    parts = [content(ask(session, batch(i))) for i in range(3)]
    assert [len(actions) for actions, _ in parts] == [100, 100, 50]
    assert [following for _, following in parts] == [batch(1), batch(2), None]
    assert [item for actions, _ in parts for item in actions] == video.actions


@pytest.mark.parametrize(("kind", "code"), [("429", 429), ("500", 500), ("503", 503)])
def test_refusals(youtube, video, session, kind, code):
    youtube.fail_next(kind, "get_live_chat_replay", times=2)
    answers = [ask(session, batch(0)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [code, code, 200]
    assert answers[0].json()["error"]["code"] == code
    assert [kind for kind, _ in youtube.faulted] == [kind, kind]
    youtube.fail_next(kind)
    page = session.get(f"https://www.youtube.com/watch?v={ID}", timeout=60)
    assert (page.status_code, page.headers["content-type"][:9]) == (code, "text/html")


def test_broken_connections(youtube, video, session):
    for kind in ("reset", "cut_json"):
        youtube.fail_next(kind)
        with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            ask(session, batch(0))
    youtube.fail_next("short_json")
    answer = ask(session, batch(0))
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert content(ask(session, batch(0)))[0] == video.actions[:100]


@pytest.mark.parametrize("kind", ["stall", "hang"])
def test_silence(youtube, video, session, kind):
    youtube.fail_next(kind)
    began = time.monotonic()
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.Timeout)):
        ask(session, batch(0), timeout=0.3)
    assert 0.25 < time.monotonic() - began < 2
    assert [entry.status for entry in youtube.requests] == [0]


def test_a_trickle_is_no_timeout_of_a_read(youtube, video, session):
    youtube.faults = Faults(rate=1.0, kinds=["trickle"], stall_s=0.6)
    began = time.monotonic()
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ask(session, batch(0), timeout=0.3)
    assert time.monotonic() - began > 0.5


def test_batches_that_mislead(youtube, video, session):
    youtube.fail_next("empty_batch")
    assert content(ask(session, batch(1))) == ([], batch(2))
    youtube.fail_next("repeat_batch")
    assert content(ask(session, batch(1))) == (video.actions[:100], batch(1))
    assert content(ask(session, batch(1))) == (video.actions[100:200], batch(2))
    youtube.fail_next("empty_batch", video_id="anothervide")
    assert len(content(ask(session, batch(0)))[0]) == 100


def test_tokens_of_no_use(youtube, video, session):
    for token in ("nonsense", make_token("selector", ID, "live"), make_token("page", ID), batch(3)):
        assert ask(session, token).status_code == 400
    for token in (make_token("selector", ID, "live"), "nonsense"):
        page = session.get(f"https://www.youtube.com/live_chat_replay?continuation={token}", timeout=60)
        assert "ytInitialData" not in page.text


def test_seeking(youtube, video, session):
    token = make_token("seek", ID, "live")
    actions, following = content(ask(session, token, currentPlayerState={"playerOffsetMs": "150500"}))
    assert (actions, following) == (video.actions[151:200], batch(2))
    assert content(ask(session, batch(0), currentPlayerState={"playerOffsetMs": "150500"}))[1] == batch(1)


def test_faults_at_random_are_as_many_as_asked_and_the_same_again(youtube, video, session):
    seen = []
    for _ in range(2):
        youtube.faults = Faults(rate=0.2, kinds=("429", "500"), seed=5, where=lambda r: r.path == PATH)
        seen.append([ask(session, batch(0)).status_code for _ in range(100)])
        assert session.get("https://www.youtube.com/tv", timeout=60).status_code == 200
    assert seen[0] == seen[1]
    assert 8 <= sum(code != 200 for code in seen[0]) <= 35
    youtube.faults = Faults(rate=1.0, kinds=("500",), limit=2)
    assert [ask(session, batch(0)).status_code for _ in range(4)] == [500, 500, 200, 200]
    with pytest.raises(ValueError, match="got oops"):
        Faults(kinds=("oops",))


def test_a_bot_check_now_and_then(youtube, video, session):
    youtube.fail_next("bot_check")
    url = f"https://www.youtube.com/watch?v={ID}"
    first, second = (session.get(url, timeout=60).text for _ in range(2))
    assert "not a bot" in first and "liveChatRenderer" not in first
    assert "not a bot" not in second and "liveChatRenderer" in second
